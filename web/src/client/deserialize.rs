//! Fields as values with named fields.
//!
//! *Design.* Fields are a map of words to words; asked for a list, they are pairs. A word becomes what is asked for: text,
//! bytes, a number or a boolean that it is the text of, a variant of its name. Where nothing certain is asked for, it is
//! text if it can be, else bytes. A name that occurs twice is an error for most structs and both entries of a list.

use alloc::format;
use core::fmt::Display;
use core::str::FromStr;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::entry::{Entry, Fields};
use super::error::{Error, Result};

impl Fields {
    /// The fields as a value: a struct, a map or a list of pairs, of text, numbers, booleans and bytes.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(FieldsDeserializer(self))
    }
}

impl Entry {
    /// See [`Fields::to`].
    pub fn to<T: DeserializeOwned>(&self) -> Result<T> {
        self.fields().to()
    }
}

impl de::Error for Error {
    fn custom<T: Display>(message: T) -> Error {
        Error::Value(format!("{message}"))
    }
}

/// All fields.
struct FieldsDeserializer<'de>(&'de Fields);

impl<'de> Deserializer<'de> for FieldsDeserializer<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let pairs = self.0.pairs().map(|(name, value)| (WordDeserializer(name), WordDeserializer(value)));
        visitor.visit_map(MapDeserializer::new(pairs))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_seq(SeqDeserializer::new(self.0.pairs().map(|(name, value)| PairDeserializer([name, value]))))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

/// One field of a list.
struct PairDeserializer<'de>([&'de [u8]; 2]);

impl<'de> Deserializer<'de> for PairDeserializer<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_seq(SeqDeserializer::new(self.0.into_iter().map(WordDeserializer)))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A name or a value.
struct WordDeserializer<'de>(&'de [u8]);

impl<'de> WordDeserializer<'de> {
    fn parse<T: FromStr>(&self, expected: &'static str) -> Result<T> {
        let text = core::str::from_utf8(self.0).ok();
        let parsed = text.and_then(|text| text.parse().ok());
        let unexpected = text.map_or(Unexpected::Bytes(self.0), Unexpected::Str);
        parsed.ok_or_else(|| de::Error::invalid_value(unexpected, &expected))
    }
}

macro_rules! parse {
    ($($method:ident $visit:ident $expected:literal),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            visitor.$visit(self.parse($expected)?)
        }
    )*};
}

impl<'de> Deserializer<'de> for WordDeserializer<'de> {
    type Error = Error;

    parse! {
        deserialize_bool visit_bool "true or false",
        deserialize_i8 visit_i8 "a whole number of 8 bits",
        deserialize_i16 visit_i16 "a whole number of 16 bits",
        deserialize_i32 visit_i32 "a whole number of 32 bits",
        deserialize_i64 visit_i64 "a whole number of 64 bits",
        deserialize_i128 visit_i128 "a whole number of 128 bits",
        deserialize_u8 visit_u8 "a number from 0, of 8 bits",
        deserialize_u16 visit_u16 "a number from 0, of 16 bits",
        deserialize_u32 visit_u32 "a number from 0, of 32 bits",
        deserialize_u64 visit_u64 "a number from 0, of 64 bits",
        deserialize_u128 visit_u128 "a number from 0, of 128 bits",
        deserialize_f32 visit_f32 "a number",
        deserialize_f64 visit_f64 "a number",
        deserialize_char visit_char "one character"
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match core::str::from_utf8(self.0) {
            Ok(text) => visitor.visit_borrowed_str(text),
            Err(_) => visitor.visit_borrowed_bytes(self.0),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_bytes(self.0)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_borrowed_bytes(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let name: alloc::string::String = self.parse("the name of a variant")?;
        visitor.visit_enum(IntoDeserializer::<Error>::into_deserializer(name))
    }

    forward_to_deserialize_any! {
        str string unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

macro_rules! into_itself {
    ($($deserializer:ident)*) => {$(
        impl<'de> IntoDeserializer<'de, Error> for $deserializer<'de> {
            type Deserializer = Self;

            fn into_deserializer(self) -> Self {
                self
            }
        }
    )*};
}

into_itself!(PairDeserializer WordDeserializer);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::string::String;
    use std::vec::Vec;

    use serde::{Deserialize, Serialize};

    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().copied().collect()
    }

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    #[serde(rename_all = "camelCase")]
    enum Kind {
        FirstOne,
        Other,
    }

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Id(u64);

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Event {
        text: String,
        id: Id,
        small: i8,
        ratio: f64,
        is: bool,
        letter: char,
        kind: Kind,
        some: Option<u32>,
        none: Option<u32>,
    }

    #[test]
    fn a_struct_comes_back_as_it_was() {
        let event = Event {
            text: "\u{fc} =".into(),
            id: Id(u64::MAX),
            small: -128,
            ratio: -0.1,
            is: false,
            letter: '\u{1f600}',
            kind: Kind::FirstOne,
            some: Some(7),
            none: None,
        };
        let fields = Fields::from_value(&event).unwrap();
        assert_eq!(fields.get("kind"), Some("firstOne"));
        assert_eq!(fields.to::<Event>(), Ok(event));
    }

    #[test]
    fn any_number_comes_back_as_it_was() {
        let mut state = 1_u64;
        for _ in 0..1000 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let number = f64::from_bits(state);
            let pairs = [("n", number)].into_iter().filter(|(_, it)| it.is_finite()).collect::<BTreeMap<_, _>>();
            let fields = Fields::from_value(&pairs).unwrap();
            let back: BTreeMap<String, f64> = fields.to().unwrap();
            assert_eq!(back.get("n").map(|it| it.to_bits()), pairs.get("n").map(|it| it.to_bits()));
            let fields = Fields::from_value(&[("n", state.cast_signed())]).unwrap();
            assert_eq!(fields.to::<Vec<(String, i64)>>(), Ok(Vec::from([("n".into(), state.cast_signed())])));
        }
    }

    #[test]
    fn what_is_not_asked_for_is_passed_over() {
        #[derive(Deserialize, PartialEq, Debug)]
        struct One {
            a: u8,
        }
        assert_eq!(fields(&[("b", "x"), ("a", "1"), ("c", "")]).to(), Ok(One { a: 1 }));
    }

    #[test]
    fn doubles_are_errors_in_structs_and_both_in_lists() {
        #[derive(Deserialize, PartialEq, Debug)]
        struct One {
            a: u8,
        }
        let twice = fields(&[("a", "1"), ("a", "2")]);
        assert_eq!(twice.to::<One>(), Err(Error::value("duplicate field `a`")));
        let both: Vec<(String, u8)> = twice.to().unwrap();
        assert_eq!(both, [("a".into(), 1), ("a".into(), 2)]);
    }

    #[test]
    fn bytes_are_bytes() {
        struct Bytes(Vec<u8>);
        impl<'de> Deserialize<'de> for Bytes {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
                struct Copy;
                impl Visitor<'_> for Copy {
                    type Value = Bytes;

                    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                        f.write_str("bytes")
                    }

                    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                        Ok(Bytes(bytes.into()))
                    }
                }
                deserializer.deserialize_bytes(Copy)
            }
        }
        let mut fields = Fields::new();
        fields.push("b", [0xff, 0]);
        assert_eq!(fields.to::<BTreeMap<String, Bytes>>().unwrap()["b"].0, [0xff, 0]);
        assert!(fields.to::<BTreeMap<String, String>>().is_err());
        assert!(fields.to::<BTreeMap<String, u8>>().is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let fields = fields(&[("a", "256")]);
        let error = fields.to::<BTreeMap<String, u8>>().unwrap_err();
        assert_eq!(error, Error::value("invalid value: string \"256\", expected a number from 0, of 8 bits"));
        assert!(fields.to::<BTreeMap<String, bool>>().is_err());
        assert!(fields.to::<BTreeMap<String, Kind>>().is_err());
        assert!(fields.to::<BTreeMap<String, Vec<u8>>>().is_err());
        assert!(fields.to::<u8>().is_err());
        assert!(fields.to::<Event>().is_err());
        assert!(fields.to::<Option<BTreeMap<String, u16>>>().unwrap().is_some());
    }
}
