//! Replies, read as what they mean.
//!
//! *Design.* A walk over the values of a reply in reading order. What stands where is known for each command; anything else
//! is [`Error::Reply`], and a bug.

use alloc::vec::Vec;

use brooklet::{EntryId, Reply, Token, Tokens, Value};

use super::entry::{Entry, Fields};
use super::error::{Error, RedisError, Result};

/// The whole reply as a tree.
pub(super) fn value(reply: &Reply) -> Result<Value> {
    reply.to_value().ok_or(Error::Reply)
}

/// The replies to the commands of a batch, of which each may be an error.
pub(super) fn values(reply: &Reply) -> Result<Vec<Result<Value>>> {
    let Value::Array(values) = value(reply)? else { return Err(Error::Reply) };
    let without_error = |value| match value {
        Value::Error(line) => Err(Error::Redis(RedisError::new(&line))),
        other => Ok(other),
    };
    Ok(values.into_iter().map(without_error).collect())
}

/// A number of things.
pub(super) fn count(reply: &Reply) -> Result<u64> {
    Walk::new(reply).count()
}

/// The ID of an entry that was added.
pub(super) fn added(reply: &Reply) -> Result<EntryId> {
    match reply.tokens().next() {
        Some(Token::Null) => Err(Error::NoStream),
        _ => Walk::new(reply).id(),
    }
}

/// The entries of a range.
pub(super) fn entries(reply: &Reply) -> Result<Vec<Entry>> {
    let mut walk = Walk::new(reply);
    let count = walk.array()?;
    // Entries that are gone have no place in a range.
    (0..count).map(|_| walk.delivered()?.entry.ok_or(Error::Reply)).collect()
}

/// The entries that a read of one stream returned.
pub(super) fn read(reply: &Reply) -> Result<Vec<Delivered>> {
    Walk::new(reply).read()
}

/// An entry as a read returns it.
pub(super) struct Delivered {
    pub(super) id: EntryId,
    /// `None` if it is not in the stream any more.
    pub(super) entry: Option<Entry>,
    /// For a read with CLAIM: how long it was idle before, and how often it was delivered before.
    pub(super) before: Option<(i64, i64)>,
}

/// A walk over a reply.
pub(super) struct Walk<'a> {
    tokens: Tokens<'a>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(reply: &'a Reply) -> Walk<'a> {
        Walk { tokens: reply.tokens() }
    }

    fn next(&mut self) -> Result<Token<'a>> {
        match self.tokens.next() {
            Some(Token::Error(line)) => Err(Error::Redis(RedisError::new(line))),
            Some(token) => Ok(token),
            None => Err(Error::Reply),
        }
    }

    /// The length of an array; the null array has none.
    pub(super) fn array(&mut self) -> Result<usize> {
        match self.next()? {
            Token::Array(len) => Ok(len),
            Token::NullArray => Ok(0),
            _ => Err(Error::Reply),
        }
    }

    /// The number of pairs of a map.
    pub(super) fn map(&mut self) -> Result<usize> {
        match self.next()? {
            Token::Map(len) => Ok(len),
            _ => Err(Error::Reply),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8]> {
        match self.next()? {
            Token::Bulk(bytes) => Ok(bytes),
            _ => Err(Error::Reply),
        }
    }

    pub(super) fn integer(&mut self) -> Result<i64> {
        match self.next()? {
            Token::Integer(value) => Ok(value),
            _ => Err(Error::Reply),
        }
    }

    pub(super) fn integer_or_null(&mut self) -> Result<Option<i64>> {
        match self.next()? {
            Token::Integer(value) => Ok(Some(value)),
            Token::Null => Ok(None),
            _ => Err(Error::Reply),
        }
    }

    pub(super) fn count(&mut self) -> Result<u64> {
        u64::try_from(self.integer()?).map_err(|_| Error::Reply)
    }

    pub(super) fn id(&mut self) -> Result<EntryId> {
        self.id_or_null()?.ok_or(Error::Reply)
    }

    pub(super) fn id_or_null(&mut self) -> Result<Option<EntryId>> {
        match self.next()? {
            Token::Id(id) => Ok(Some(id)),
            Token::Null => Ok(None),
            _ => Err(Error::Reply),
        }
    }

    /// What [`read`] returns.
    pub(super) fn read(&mut self) -> Result<Vec<Delivered>> {
        match self.next()? {
            Token::Pairs(1) => {
                self.bytes()?;
                let count = self.array()?;
                (0..count).map(|_| self.delivered()).collect()
            }
            Token::NullArray | Token::Pairs(0) => Ok(Vec::new()),
            _ => Err(Error::Reply),
        }
    }

    /// An ID with fields, and after a read with CLAIM two numbers.
    pub(super) fn delivered(&mut self) -> Result<Delivered> {
        let len = self.array()?;
        let id = self.id()?;
        let entry = match self.next()? {
            Token::Array(len) => Some(Entry::new(id, self.fields(len)?)),
            Token::NullArray | Token::Null => None,
            _ => return Err(Error::Reply),
        };
        let before = match len {
            4 => Some((self.integer()?, self.integer()?)),
            _ => None,
        };
        Ok(Delivered { id, entry, before })
    }

    fn fields(&mut self, len: usize) -> Result<Fields> {
        let mut fields = Fields::default();
        for _ in 0..len / 2 {
            let (name, value) = (self.bytes()?, self.bytes()?);
            fields.push(name, value);
        }
        Ok(fields)
    }

    /// Passes over one value and all that it holds.
    pub(super) fn skip(&mut self) -> Result<()> {
        let mut values = 1_usize;
        while values > 0 {
            values -= 1;
            values += match self.next()? {
                Token::Array(len) => len,
                Token::Map(len) | Token::Pairs(len) => 2 * len,
                _ => 0,
            };
        }
        Ok(())
    }
}
