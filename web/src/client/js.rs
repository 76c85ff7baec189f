//! Plain data from and to JavaScript values, by serde-wasm-bindgen.
//!
//! Options come in as `{ memoryBytesMax: 1048576 }`, an inspection goes out as an object for a user interface, and an
//! entry as `{ id: "1-1", pairs: [["page", "/"]] }`: text where it can be, else a `Uint8Array`. Fields come in as an object
//! or as a list of pairs. Types of the application's own go the same way.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeSeq, SerializeStruct, Serializer};
use serde::{Deserialize, Deserializer, Serialize};
use wasm_bindgen::JsValue;

use super::entry::{Entry, Fields};
use super::error::{Error, Result};
use super::options::Options;

/// A value as a JavaScript value: structs and maps are objects, lists are arrays, bytes a `Uint8Array`.
pub fn to_js(value: &(impl Serialize + ?Sized)) -> Result<JsValue> {
    let serializer = serde_wasm_bindgen::Serializer::new().serialize_maps_as_objects(true);
    value.serialize(&serializer).map_err(refused)
}

/// A JavaScript value as a value.
pub fn from_js<T: DeserializeOwned>(value: JsValue) -> Result<T> {
    serde_wasm_bindgen::from_value(value).map_err(refused)
}

fn refused(error: serde_wasm_bindgen::Error) -> Error {
    Error::Value(format!("{error}"))
}

/// Bytes as text where they can be.
pub(super) struct Plain<'a>(pub(super) &'a [u8]);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match core::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.serialize_bytes(self.0),
        }
    }
}

impl Serialize for Options {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Options::serialize(self, serializer)
    }
}

/// serde-wasm-bindgen looks only for the fields that it knows: to notice others, all are asked for.
impl<'de> Deserialize<'de> for Options {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Options, D::Error> {
        deserializer.deserialize_map(OptionsVisitor)
    }
}

struct OptionsVisitor;

impl<'de> Visitor<'de> for OptionsVisitor {
    type Value = Options;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with options")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Options, A::Error> {
        Options::deserialize(MapAccessDeserializer::new(map))
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        for (name, value) in self.pairs() {
            list.serialize_element(&(Plain(name), Plain(value)))?;
        }
        list.end()
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Entry", 2)?;
        object.serialize_field("id", self.id().to_text().as_str())?;
        object.serialize_field("pairs", self.fields())?;
        object.end()
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields, D::Error> {
        deserializer.deserialize_any(FieldsVisitor)
    }
}

/// Takes an object, or a list of pairs.
struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list of pairs")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::new();
        while let Some((name, value)) = map.next_entry::<Owned, Owned>()? {
            fields.push(name.0, value.0);
        }
        Ok(fields)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::new();
        while let Some(Pair(name, value)) = list.next_element()? {
            fields.push(name.0, value.0);
        }
        Ok(fields)
    }
}

/// A list of two. What serde does for tuples would overlook a third.
struct Pair(Owned, Owned);

impl<'de> Deserialize<'de> for Pair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pair, D::Error> {
        deserializer.deserialize_seq(PairVisitor)
    }
}

struct PairVisitor;

impl<'de> Visitor<'de> for PairVisitor {
    type Value = Pair;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pair of name and value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Pair, A::Error> {
        let pair = list.next_element()?.zip(list.next_element()?);
        let (name, value) = pair.ok_or_else(|| de::Error::custom("a pair of name and value has two items"))?;
        match list.next_element::<IgnoredAny>()? {
            None => Ok(Pair(name, value)),
            Some(_) => Err(de::Error::custom("a pair of name and value has no third item")),
        }
    }
}

/// What a field holds: text, bytes, a number, a boolean.
struct Owned(Vec<u8>);

impl<'de> Deserialize<'de> for Owned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Owned, D::Error> {
        deserializer.deserialize_any(OwnedVisitor)
    }
}

struct OwnedVisitor;

macro_rules! write_out {
    ($($method:ident $kind:ty),*) => {$(
        fn $method<E>(self, value: $kind) -> Result<Owned, E> {
            Ok(Owned(value.to_string().into_bytes()))
        }
    )*};
}

impl Visitor<'_> for OwnedVisitor {
    type Value = Owned;

    write_out!(visit_bool bool, visit_i64 i64, visit_u64 u64, visit_f64 f64, visit_str &str);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, bytes, a number or a boolean")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Owned, E> {
        Ok(Owned(bytes.into()))
    }
}
