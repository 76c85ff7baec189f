//! The vocabulary of arguments: a cursor over them, and the few kinds of word that commands are made of.

use crate::error::{Error, Place};
use crate::id::EntryId;
use crate::number::parse_i64;

/// The arguments of a request, read from left to right.
#[derive(Clone, Copy)]
pub(crate) struct Args<'a> {
    rest: &'a [&'a [u8]],
}

impl<'a> Args<'a> {
    /// The arguments behind the first `skip` words of a request.
    pub(crate) fn new(argv: &'a [&'a [u8]], skip: usize) -> Args<'a> {
        Args { rest: argv.get(skip..).unwrap_or(&[]) }
    }

    /// How many are left.
    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    /// The place of the one that was taken last.
    pub(crate) fn taken(&self) -> Place {
        Place::from_end(self.rest.len() + 1)
    }

    /// All that are left.
    pub(crate) fn rest(&self) -> &'a [&'a [u8]] {
        self.rest
    }

    /// The next one, not taken.
    pub(crate) fn peek(&self) -> Option<&'a [u8]> {
        self.rest.first().copied()
    }

    /// The next one. A command whose arity was checked calls this where the argument cannot be missing; for the rest
    /// a missing argument is a syntax error.
    #[inline(never)]
    pub(crate) fn word(&mut self) -> Result<&'a [u8], Error> {
        let (&word, rest) = self.rest.split_first().ok_or(Error::Syntax)?;
        self.rest = rest;
        Ok(word)
    }

    /// The next one, if there is one.
    pub(crate) fn next(&mut self) -> Option<&'a [u8]> {
        self.word().ok()
    }

    /// Takes `count` arguments at once.
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [&'a [u8]]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// Takes the next one if it is this keyword, in any case.
    #[inline(never)]
    pub(crate) fn keyword(&mut self, keyword: &str) -> bool {
        let found = self.peek().is_some_and(|word| is(word, keyword));
        if found {
            self.rest = self.rest.get(1..).unwrap_or(&[]);
        }
        found
    }

    /// The next one as a whole number.
    pub(crate) fn integer(&mut self) -> Result<i64, Error> {
        integer(self.word()?)
    }

    /// The next one as an entry ID; a missing sequence is 0.
    pub(crate) fn id(&mut self) -> Result<EntryId, Error> {
        id(self.word()?)
    }

    /// Refuses anything that is left.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(Error::Syntax) }
    }
}

/// Whether a word is this keyword, in any case.
#[inline]
pub(crate) fn is(word: &[u8], keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword.as_bytes())
}

/// A whole number.
#[inline(never)]
pub(crate) fn integer(word: &[u8]) -> Result<i64, Error> {
    parse_i64(word).ok_or(Error::NotAnInteger)
}

/// An entry ID; a missing sequence is 0.
#[inline(never)]
pub(crate) fn id(word: &[u8]) -> Result<EntryId, Error> {
    EntryId::parse(word, 0).ok_or(Error::InvalidId)
}

/// The first ID of a range: `-`, `+`, an ID, or `(` and an ID to begin behind it.
#[inline(never)]
pub(crate) fn range_start(word: &[u8]) -> Result<EntryId, Error> {
    match range_end_or_start(word, 0)? {
        (id, false) => Ok(id),
        (id, true) => id.successor().ok_or(Error::InvalidStart),
    }
}

/// The last ID of a range: `-`, `+`, an ID, or `(` and an ID to end before it.
#[inline(never)]
pub(crate) fn range_end(word: &[u8]) -> Result<EntryId, Error> {
    match range_end_or_start(word, u64::MAX)? {
        (id, false) => Ok(id),
        (id, true) => id.predecessor().ok_or(Error::InvalidEnd),
    }
}

/// An end of a range, and whether it is excluded.
fn range_end_or_start(word: &[u8], missing_seq: u64) -> Result<(EntryId, bool), Error> {
    match word {
        b"-" => Ok((EntryId::MIN, false)),
        b"+" => Ok((EntryId::MAX, false)),
        [b'(', id @ ..] => Ok((EntryId::parse(id, missing_seq).ok_or(Error::InvalidId)?, true)),
        id => Ok((EntryId::parse(id, missing_seq).ok_or(Error::InvalidId)?, false)),
    }
}
