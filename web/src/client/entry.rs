//! Entries: an ID, and pairs of bytes in order.
//!
//! A name may occur twice, and neither names nor values need be text; what is handy for the usual case (`get`, `to`) says
//! what it does with the others.

use core::fmt;

use brooklet::EntryId;

use super::words::{Word, Words};

/// Fields: pairs of name and value, in order. A name may occur more than once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// Name, value, name, value, ...
    words: Words,
}

impl Fields {
    /// No fields.
    pub fn new() -> Fields {
        Fields::default()
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: impl Word, value: impl Word) {
        self.words.push(&name);
        self.words.push(&value);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.words.len() / 2
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.len() == 0
    }

    /// The value of the first field of this name, if it is text; [`Fields::bytes`] has the others.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&str> {
        core::str::from_utf8(self.bytes(name)?).ok()
    }

    /// The value of the first field of this name.
    pub fn bytes(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = name.as_ref();
        self.pairs().find(|(it, _)| *it == name).map(|(_, value)| value)
    }

    /// The values of all fields of this name, in order.
    pub fn get_all<'a>(&'a self, name: &'a (impl AsRef<[u8]> + ?Sized)) -> impl Iterator<Item = &'a [u8]> {
        let name = name.as_ref();
        self.pairs().filter(move |(it, _)| *it == name).map(|(_, value)| value)
    }

    /// All fields, in order.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        let word = |place| self.words.get(place).unwrap_or(&[]);
        (0..self.len()).map(move |place| (word(2 * place), word(2 * place + 1)))
    }

    pub(super) fn words(&self) -> &Words {
        &self.words
    }
}

impl<N: Word, V: Word> FromIterator<(N, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in pairs {
            fields.push(name, value);
        }
        fields
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| alloc::string::String::from_utf8_lossy(bytes).into_owned();
        f.debug_list().entries(self.pairs().map(|(name, value)| (text(name), text(value)))).finish()
    }
}

/// An entry of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    id: EntryId,
    fields: Fields,
}

impl Entry {
    pub(super) fn new(id: EntryId, fields: Fields) -> Entry {
        Entry { id, fields }
    }

    /// Its ID.
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// Its fields.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// See [`Fields::get`].
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&str> {
        self.fields.get(name)
    }

    /// See [`Fields::bytes`].
    pub fn bytes(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.fields.bytes(name)
    }

    /// See [`Fields::get_all`].
    pub fn get_all<'a>(&'a self, name: &'a (impl AsRef<[u8]> + ?Sized)) -> impl Iterator<Item = &'a [u8]> {
        self.fields.get_all(name)
    }

    /// See [`Fields::pairs`].
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.fields.pairs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let fields = [(&b"page"[..], &b"/"[..]), (b"tag", b"a"), (b"\xff", b"\xfe"), (b"tag", b"b")];
        Entry::new(EntryId::new(7, 1), fields.into_iter().collect())
    }

    #[test]
    fn fields_keep_their_order_and_their_doubles() {
        let entry = entry();
        let expected: [(&[u8], &[u8]); 4] = [(b"page", b"/"), (b"tag", b"a"), (b"\xff", b"\xfe"), (b"tag", b"b")];
        assert_eq!(entry.pairs().collect::<std::vec::Vec<_>>(), expected);
        assert_eq!(entry.get_all("tag").collect::<std::vec::Vec<_>>(), [b"a", b"b"]);
        assert_eq!(entry.fields().len(), 4);
        assert!(!entry.fields().is_empty());
        assert!(Fields::new().is_empty());
    }

    #[test]
    fn text_is_text_and_bytes_are_bytes() {
        let entry = entry();
        assert_eq!(entry.get("page"), Some("/"));
        assert_eq!(entry.get("tag"), Some("a"));
        assert_eq!(entry.get("none"), None);
        assert_eq!(entry.get(b"\xff"), None);
        assert_eq!(entry.bytes(b"\xff"), Some(&b"\xfe"[..]));
        let shown = "Entry { id: 7-1, fields: [(\"page\", \"/\"), (\"tag\", \"a\"), (\"\u{fffd}\", \"\u{fffd}\"), (\"tag\", \"b\")] }";
        assert_eq!(std::format!("{entry:?}"), shown);
    }
}
