//! The words of a request, and what can be one.
//!
//! *Design.* All words lie one after the other in one buffer, beside the places where they end. So a request is two
//! allocations however many words it has, and the fields of an entry are kept in the same way.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use brooklet::EntryId;

/// What can be a word of a command, or the name or the value of a field: bytes, text, whole numbers, entry IDs.
pub trait Word {
    /// Adds the bytes of the word to the end of `out`.
    fn write(&self, out: &mut Vec<u8>);
}

impl<W: Word + ?Sized> Word for &W {
    fn write(&self, out: &mut Vec<u8>) {
        (*self).write(out);
    }
}

impl Word for [u8] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl<const N: usize> Word for [u8; N] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl Word for Vec<u8> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl Word for str {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl Word for String {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl Word for EntryId {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.to_text().as_bytes());
    }
}

macro_rules! whole_numbers {
    ($($number:ty)*) => {$(
        impl Word for $number {
            fn write(&self, out: &mut Vec<u8>) {
                // Writing to a buffer cannot fail.
                let _ = write!(Text(out), "{self}");
            }
        }
    )*};
}

whole_numbers!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);

/// A buffer that text is written to.
pub(super) struct Text<'a>(pub(super) &'a mut Vec<u8>);

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Words one after the other.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Words {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Words {
    /// The words of a line with blanks between them.
    pub(super) fn of(line: &str) -> Words {
        let mut words = Words::default();
        for word in line.split(' ') {
            words.push(word);
        }
        words
    }

    /// The same words and one more.
    pub(super) fn word(mut self, word: impl Word) -> Words {
        self.push(&word);
        self
    }

    /// Adds a word.
    pub(super) fn push(&mut self, word: &(impl Word + ?Sized)) {
        word.write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    /// Adds all of these words.
    pub(super) fn extend(&mut self, words: &Words) {
        for word in words.iter() {
            self.push(word);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The word at this place.
    pub(super) fn get(&self, place: usize) -> Option<&[u8]> {
        let end = *self.ends.get(place)?;
        let start = match place.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.bytes.get(start..end)
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|place| self.get(place).unwrap_or(&[]))
    }

    /// The words as the engine takes them.
    pub(super) fn slices(&self) -> Vec<&[u8]> {
        self.iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_was_pushed() {
        let words = Words::of("XADD clicks").word(EntryId::new(7, 3)).word(-5).word([0xff, 0]).word(String::new());
        let expected: [&[u8]; 6] = [b"XADD", b"clicks", b"7-3", b"-5", b"\xff\0", b""];
        assert_eq!(words.slices(), expected);
        assert_eq!(words.get(6), None);
        let mut twice = words.clone();
        twice.extend(&words);
        assert_eq!(twice.slices(), [expected, expected].concat());
    }

    #[test]
    fn numbers_are_decimal() {
        let words = Words::default().word(u64::MAX).word(i64::MIN).word(0_u8);
        assert_eq!(words.slices(), [&b"18446744073709551615"[..], b"-9223372036854775808", b"0"]);
    }
}
