//! Values with named fields as the fields of an entry.
//!
//! *Design.* A value is read into a small tree of words, lists and maps, and the tree becomes fields: a map or a struct
//! gives a field for each of its own, a list of pairs likewise. Text is its bytes, bytes (`serde_bytes`) are themselves,
//! numbers and booleans are written out, a variant without content is its name, and `None` is no field at all. What a
//! field cannot hold is refused by the name of the field.
//!
//! *Why not a serializer that writes fields at once.* It takes three, for what stands outside, for names and for values,
//! each with thirty methods; the tree lives as long as one entry is made.
//!
//! *Why not by way of JavaScript objects*, which serde-wasm-bindgen makes. They sort fields whose names are numbers to
//! the front and forget doubles, and each field would be carried across twice.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{Display, Write};

use serde::Serialize;
use serde::ser;

use super::entry::Fields;
use super::error::{Error, Result};
use super::words::{Text, Word};

impl Fields {
    /// The fields of a value: of a struct, a map or a list of pairs, whose values are text, numbers, booleans or bytes.
    pub fn from_value(value: &(impl Serialize + ?Sized)) -> Result<Fields> {
        fields(value.serialize(Planter)?)
    }
}

impl ser::Error for Error {
    fn custom<T: Display>(message: T) -> Error {
        Error::Value(format!("{message}"))
    }
}

/// A value without its types.
enum Tree {
    None,
    Word(Vec<u8>),
    List(Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
}

/// The fields of a whole value.
fn fields(tree: Tree) -> Result<Fields> {
    let pairs = match tree {
        Tree::Map(pairs) => pairs,
        Tree::List(items) => items.into_iter().map(pair).collect::<Result<_>>()?,
        Tree::Word(_) | Tree::None => return Err(not_fields()),
    };
    let mut fields = Fields::new();
    for (name, value) in pairs {
        let Tree::Word(name) = name else {
            return Err(Error::value("the name of a field is text, a number, a boolean or bytes"));
        };
        match value {
            Tree::None => {}
            Tree::Word(value) => fields.push(name, value),
            Tree::List(_) | Tree::Map(_) => {
                let name = String::from_utf8_lossy(&name).into_owned();
                return Err(Error::Value(format!(
                    "the field '{name}' holds a list or a map; a field holds text, a number, a boolean or bytes"
                )));
            }
        }
    }
    Ok(fields)
}

/// A list of two as a pair.
fn pair(tree: Tree) -> Result<(Tree, Tree)> {
    let Tree::List(items) = tree else { return Err(not_fields()) };
    let [name, value] = <[Tree; 2]>::try_from(items).map_err(|_| not_fields())?;
    Ok((name, value))
}

fn not_fields() -> Error {
    Error::value("an entry is made from a struct, a map or a list of pairs, and this is none of them")
}

fn text(value: impl Display) -> Tree {
    let mut bytes = Vec::new();
    // Writing to a buffer cannot fail.
    let _ = write!(Text(&mut bytes), "{value}");
    Tree::Word(bytes)
}

fn word(value: impl Word) -> Tree {
    let mut bytes = Vec::new();
    value.write(&mut bytes);
    Tree::Word(bytes)
}

/// The pair of a variant and its content.
fn variant(name: &'static str, content: Tree) -> Tree {
    Tree::Map(Vec::from([(word(name), content)]))
}

/// Turns values into trees.
struct Planter;

macro_rules! write_out {
    ($($method:ident $kind:ty),*) => {$(
        fn $method(self, value: $kind) -> Result<Tree> {
            Ok(text(value))
        }
    )*};
}

impl ser::Serializer for Planter {
    type Ok = Tree;
    type Error = Error;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = List;
    type SerializeMap = Map;
    type SerializeStruct = Map;
    type SerializeStructVariant = Map;

    write_out!(
        serialize_bool bool, serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
        serialize_i128 i128, serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64,
        serialize_u128 u128, serialize_f32 f32, serialize_f64 f64, serialize_char char
    );

    fn serialize_str(self, value: &str) -> Result<Tree> {
        Ok(word(value))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Tree> {
        Ok(word(value))
    }

    fn serialize_none(self) -> Result<Tree> {
        Ok(Tree::None)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Tree> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Tree> {
        Ok(Tree::None)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Tree> {
        Ok(Tree::None)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<Tree> {
        Ok(word(name))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Tree> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<Tree> {
        Ok(variant(name, value.serialize(Planter)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List> {
        Ok(List::default())
    }

    fn serialize_tuple(self, _: usize) -> Result<List> {
        Ok(List::default())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List> {
        Ok(List::default())
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, name: &'static str, _: usize) -> Result<List> {
        Ok(List { variant: Some(name), ..List::default() })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Map> {
        Ok(Map::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Map> {
        Ok(Map::default())
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, name: &'static str, _: usize) -> Result<Map> {
        Ok(Map { variant: Some(name), ..Map::default() })
    }
}

/// A list as it grows.
#[derive(Default)]
struct List {
    variant: Option<&'static str>,
    items: Vec<Tree>,
}

impl List {
    fn finish(self) -> Tree {
        let list = Tree::List(self.items);
        match self.variant {
            Some(name) => variant(name, list),
            None => list,
        }
    }
}

macro_rules! list {
    ($($kind:ident $method:ident),*) => {$(
        impl ser::$kind for List {
            type Ok = Tree;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<()> {
                self.items.push(item.serialize(Planter)?);
                Ok(())
            }

            fn end(self) -> Result<Tree> {
                Ok(self.finish())
            }
        }
    )*};
}

list!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

/// A map as it grows.
#[derive(Default)]
struct Map {
    variant: Option<&'static str>,
    pairs: Vec<(Tree, Tree)>,
}

impl Map {
    fn finish(self) -> Tree {
        let map = Tree::Map(self.pairs);
        match self.variant {
            Some(name) => variant(name, map),
            None => map,
        }
    }
}

impl ser::SerializeMap for Map {
    type Ok = Tree;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<()> {
        self.pairs.push((name.serialize(Planter)?, Tree::None));
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let value = value.serialize(Planter)?;
        if let Some(pair) = self.pairs.last_mut() {
            pair.1 = value;
        }
        Ok(())
    }

    fn end(self) -> Result<Tree> {
        Ok(self.finish())
    }
}

macro_rules! structs {
    ($($kind:ident),*) => {$(
        impl ser::$kind for Map {
            type Ok = Tree;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<()> {
                self.pairs.push((word(name), value.serialize(Planter)?));
                Ok(())
            }

            fn end(self) -> Result<Tree> {
                Ok(self.finish())
            }
        }
    )*};
}

structs!(SerializeStruct, SerializeStructVariant);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::vec;

    use super::*;

    fn pairs(value: &impl Serialize) -> Result<Vec<(String, String)>> {
        let fields = Fields::from_value(value)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(fields.pairs().map(|(name, value)| (text(name), text(value))).collect())
    }

    fn expected(pairs: &[(&str, &str)]) -> Result<Vec<(String, String)>> {
        Ok(pairs.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect())
    }

    #[derive(Serialize)]
    enum Kind {
        Plain,
        Wide(u8),
        Named { a: u8 },
        Two(u8, u8),
    }

    #[test]
    fn a_struct_gives_its_fields_in_order() {
        #[derive(Serialize)]
        struct Id(u64);
        #[derive(Serialize)]
        struct Event<'a> {
            text: &'a str,
            id: Id,
            below: i64,
            ratio: f64,
            is: bool,
            letter: char,
            kind: Kind,
            some: Option<u8>,
            none: Option<u8>,
            unit: (),
        }
        let event = Event {
            text: "a b",
            id: Id(u64::MAX),
            below: -3,
            ratio: 0.1,
            is: true,
            letter: '\u{e9}',
            kind: Kind::Plain,
            some: Some(1),
            none: None,
            unit: (),
        };
        let fields = [
            ("text", "a b"),
            ("id", "18446744073709551615"),
            ("below", "-3"),
            ("ratio", "0.1"),
            ("is", "true"),
            ("letter", "\u{e9}"),
            ("kind", "Plain"),
            ("some", "1"),
        ];
        assert_eq!(pairs(&event), expected(&fields));
        assert_eq!(pairs(&Some(event)), expected(&fields));
    }

    #[test]
    fn maps_and_lists_of_pairs_are_fields_too() {
        assert_eq!(pairs(&BTreeMap::from([(2, "b"), (10, "a")])), expected(&[("2", "b"), ("10", "a")]));
        assert_eq!(pairs(&vec![("x", 1), ("x", 2)]), expected(&[("x", "1"), ("x", "2")]));
        assert_eq!(pairs(&[("x", Some(1)), ("y", None)]), expected(&[("x", "1")]));
        assert_eq!(pairs(&Kind::Wide(3)), expected(&[("Wide", "3")]));
    }

    #[test]
    fn bytes_need_not_be_text() {
        struct Bytes;
        impl Serialize for Bytes {
            fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&[0xff, 0])
            }
        }
        let fields = Fields::from_value(&[("b", Bytes)]).unwrap();
        assert_eq!(fields.bytes("b"), Some(&[0xff, 0][..]));
    }

    #[test]
    fn what_no_field_can_hold_is_refused_by_its_name() {
        let error = pairs(&BTreeMap::from([("deep", vec![1])])).unwrap_err();
        assert!(std::format!("{error}").starts_with("the field 'deep' holds"), "{error}");
        assert!(pairs(&BTreeMap::from([("named", Kind::Named { a: 1 })])).is_err());
        assert!(pairs(&[("two", Kind::Two(1, 2))]).is_err());
    }

    #[test]
    fn what_has_no_fields_is_refused() {
        assert_eq!(pairs(&1).unwrap_err(), not_fields());
        assert_eq!(pairs(&"text").unwrap_err(), not_fields());
        assert_eq!(pairs(&None::<u8>).unwrap_err(), not_fields());
        assert_eq!(pairs(&vec![1, 2]).unwrap_err(), not_fields());
        assert_eq!(pairs(&vec![(1, 2, 3)]).unwrap_err(), not_fields());
        assert!(pairs(&BTreeMap::from([(vec![1], 1)])).is_err());
    }
}
