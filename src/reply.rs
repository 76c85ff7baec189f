//! Replies: what a command answers, before any protocol.
//!
//! *Design.* A reply is two growing buffers: `words`, which hold one head per value (kind and length) and the bits of
//! numbers, and `text`, which holds all the bytes of all strings one after the other. Values come in reading order and
//! a container says how many values follow it. So a reply is built without a tree, reused without an allocation, handed
//! to JavaScript in two copies, and encoded to RESP by one walk.
//!
//! *Why not a trait with a sink for each protocol.* The length of an array is often known only after its last element;
//! here it is patched in place ([`Reply::open_array`]), and a command that fails half-way is cut back to where it began
//! ([`Reply::truncate`]).
//!
//! *Layout.* A head is `kind | length << 4`. `Integer` has two more words (low, high), `Id` four (milliseconds low,
//! high, sequence low, high).
//!
//! *Invariants*
//! 1. Each container's count equals the number of values (or pairs) that follow it.
//! 2. The lengths of all text values add up to `text.len()`.

use alloc::vec::Vec;

use crate::id::EntryId;

/// The two protocols of Redis. A reply is the same in both but for how `Null` and maps are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Protocol {
    /// RESP2: maps are flat arrays, and there are two nulls.
    #[default]
    Resp2,
    /// RESP3: maps are maps, and there is one null.
    Resp3,
}

/// What kind of value a head introduces. The numbers are part of the interface to JavaScript.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// A status line such as `OK`.
    Simple = 0,
    /// An error line, with its prefix.
    Error = 1,
    /// A signed 64-bit number.
    Integer = 2,
    /// A string of any bytes.
    Bulk = 3,
    /// An entry ID; on the wire a bulk string.
    Id = 4,
    /// No value (`$-1` in RESP2).
    Null = 5,
    /// No array (`*-1` in RESP2).
    NullArray = 6,
    /// An array of values.
    Array = 7,
    /// Pairs of key and value: a flat array in RESP2, a map in RESP3.
    Map = 8,
    /// Pairs of key and value: an array of two-element arrays in RESP2, a map in RESP3.
    Pairs = 9,
}

impl Kind {
    fn from_bits(bits: u32) -> Kind {
        match bits & 15 {
            0 => Kind::Simple,
            1 => Kind::Error,
            2 => Kind::Integer,
            3 => Kind::Bulk,
            4 => Kind::Id,
            6 => Kind::NullArray,
            7 => Kind::Array,
            8 => Kind::Map,
            9 => Kind::Pairs,
            _ => Kind::Null,
        }
    }
}

/// A position in a reply, to return to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    words: usize,
    text: usize,
}

/// A container whose length is not known yet.
#[must_use = "an open array has no length until it is closed"]
#[derive(Debug)]
pub struct OpenArray(usize);

/// An entry ID that is not known yet.
#[must_use = "an open ID is 0-0 until it is set"]
pub(crate) struct OpenId(usize);

/// One value of a reply, as [`Reply::tokens`] yields them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Token<'a> {
    /// A status line.
    Simple(&'a [u8]),
    /// An error line.
    Error(&'a [u8]),
    /// A number.
    Integer(i64),
    /// A string.
    Bulk(&'a [u8]),
    /// An entry ID.
    Id(EntryId),
    /// No value.
    Null,
    /// No array.
    NullArray,
    /// So many values follow.
    Array(usize),
    /// So many pairs follow, flat in RESP2.
    Map(usize),
    /// So many pairs follow, as pairs in RESP2.
    Pairs(usize),
}

/// Why a reply could not be built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Overflow {
    /// It would be larger than the engine allows.
    TooLarge,
    /// The memory for it is not there.
    OutOfMemory,
}

/// The largest reply of all: heads have 28 bits for a length.
pub(crate) const REPLY_BYTES_MAX: usize = (1 << 28) - 1;
/// The size of a small reply, which every limit allows: that of a write.
pub(crate) const REPLY_BYTES_MIN: usize = SMALL_WORDS * 4 + SMALL_TEXT;
const SMALL_WORDS: usize = 16;
const SMALL_TEXT: usize = 256;

/// What a command answers.
#[derive(Clone, Debug)]
pub struct Reply {
    words: Vec<u32>,
    text: Vec<u8>,
    bytes_max: usize,
    overflow: Option<Overflow>,
}

impl Default for Reply {
    fn default() -> Self {
        Reply { words: Vec::new(), text: Vec::new(), bytes_max: REPLY_BYTES_MAX, overflow: None }
    }
}

impl PartialEq for Reply {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words && self.text == other.text
    }
}

impl Eq for Reply {}

impl Reply {
    /// An empty reply.
    pub fn new() -> Self {
        Reply::default()
    }

    /// Forgets all values and keeps the memory.
    pub fn clear(&mut self) {
        self.words.clear();
        self.text.clear();
        self.overflow = None;
    }

    /// The heads and numbers, for a decoder on the other side of a boundary.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// The bytes of all strings, one after the other.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// All values in reading order.
    pub fn tokens(&self) -> Tokens<'_> {
        self.tokens_since(Mark { words: 0, text: 0 })
    }

    /// The values written since `mark`.
    pub(crate) fn tokens_since(&self, mark: Mark) -> Tokens<'_> {
        Tokens { words: self.words.get(mark.words..).unwrap_or(&[]), text: self.text.get(mark.text..).unwrap_or(&[]) }
    }

    /// The reply as a tree, for programs that prefer to look at it so. `None` when the reply is empty.
    pub fn to_value(&self) -> Option<Value> {
        let mut tokens = self.tokens();
        Value::read(&mut tokens)
    }

    /// The bytes these values take on the wire, by the one function that MAXSIZE counts with.
    pub fn wire_bytes(&self, protocol: Protocol) -> u64 {
        self.wire_bytes_since(Mark { words: 0, text: 0 }, protocol)
    }

    /// The bytes on the wire of what was written since `mark`.
    pub(crate) fn wire_bytes_since(&self, mark: Mark, protocol: Protocol) -> u64 {
        self.tokens_since(mark).map(|token| token.wire_bytes(protocol)).sum()
    }

    /// Where the next value will go.
    pub(crate) fn mark(&self) -> Mark {
        Mark { words: self.words.len(), text: self.text.len() }
    }

    /// Takes back everything written since `mark`, failures included.
    pub(crate) fn truncate(&mut self, mark: Mark) {
        self.words.truncate(mark.words);
        self.text.truncate(mark.text);
        self.overflow = None;
    }

    /// Sets the largest size, in bytes of both buffers, beyond which nothing more is built.
    pub(crate) fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// Makes room for a small reply, so that a write whose reply is small cannot fail after it happened.
    pub(crate) fn reserve_small(&mut self) -> Result<(), Overflow> {
        if self.bytes().saturating_add(REPLY_BYTES_MIN) > self.bytes_max {
            return Err(Overflow::TooLarge);
        }
        let roomy = self.words.try_reserve(SMALL_WORDS).is_ok() && self.text.try_reserve(SMALL_TEXT).is_ok();
        if roomy { Ok(()) } else { Err(Overflow::OutOfMemory) }
    }

    fn bytes(&self) -> usize {
        self.words.len().saturating_mul(4).saturating_add(self.text.len())
    }

    /// Whether everything written so far fitted. A command that changes state asks before it does.
    pub(crate) fn check(&self) -> Result<(), Overflow> {
        match self.overflow {
            None => Ok(()),
            Some(overflow) => Err(overflow),
        }
    }

    /// Writes a status line.
    pub fn simple(&mut self, line: &str) {
        self.push_text(Kind::Simple, line.as_bytes());
    }

    /// Writes `OK`.
    pub fn ok(&mut self) {
        self.simple("OK");
    }

    /// Writes an error line, prefix included. It may exceed the largest size: that is what it may have to tell.
    pub fn error(&mut self, line: &[u8]) {
        let line = line.get(..REPLY_BYTES_MAX).unwrap_or(line);
        let bytes_max = core::mem::replace(&mut self.bytes_max, usize::MAX);
        self.push_text(Kind::Error, line);
        self.bytes_max = bytes_max;
    }

    /// Writes a number.
    #[inline(never)]
    pub fn integer(&mut self, value: i64) {
        if self.has_room(3, 0) {
            self.words.extend_from_slice(&[Kind::Integer as u32, value as u32, (value >> 32) as u32]);
        }
    }

    /// Writes a count. Counts beyond the protocol's integers become the largest of them.
    pub fn count(&mut self, value: u64) {
        self.integer(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// Writes a string.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.push_text(Kind::Bulk, bytes);
    }

    /// Writes an entry ID.
    #[inline(never)]
    pub fn id(&mut self, id: EntryId) {
        if self.has_room(5, 0) {
            let (ms, seq) = (id.ms(), id.seq());
            let head = Kind::Id as u32;
            self.words.extend_from_slice(&[head, ms as u32, (ms >> 32) as u32, seq as u32, (seq >> 32) as u32]);
        }
    }

    /// Writes an entry ID that is said later, by [`Reply::set_id`].
    pub(crate) fn open_id(&mut self) -> OpenId {
        let open = OpenId(self.words.len());
        self.id(EntryId::MIN);
        open
    }

    /// Says an entry ID written before.
    pub(crate) fn set_id(&mut self, open: OpenId, id: EntryId) {
        let (ms, seq) = (id.ms(), id.seq());
        let words = [ms as u32, (ms >> 32) as u32, seq as u32, (seq >> 32) as u32];
        for (place, word) in self.words.iter_mut().skip(open.0 + 1).zip(words) {
            *place = word;
        }
    }

    /// Writes the null of a value.
    pub fn null(&mut self) {
        self.push_head(Kind::Null, 0);
    }

    /// Writes the null of an array.
    pub fn null_array(&mut self) {
        self.push_head(Kind::NullArray, 0);
    }

    /// Announces that `len` values follow.
    pub fn array(&mut self, len: usize) {
        self.push_head(Kind::Array, len);
    }

    /// Announces that `len` pairs follow, flat in RESP2.
    pub fn map(&mut self, len: usize) {
        self.push_head(Kind::Map, len);
    }

    /// Announces an array whose length is said later, by [`Reply::close_array`].
    pub fn open_array(&mut self) -> OpenArray {
        let open = OpenArray(self.words.len());
        self.push_head(Kind::Array, 0);
        open
    }

    /// Announces pairs, as pairs in RESP2, whose number is said later.
    pub fn open_pairs(&mut self) -> OpenArray {
        let open = OpenArray(self.words.len());
        self.push_head(Kind::Pairs, 0);
        open
    }

    /// Says the length of an array opened before.
    pub fn close_array(&mut self, open: OpenArray, len: usize) {
        if let Some(head) = self.words.get_mut(open.0) {
            *head = (*head & 15) | head_length(len);
        }
    }

    #[inline(never)]
    fn push_head(&mut self, kind: Kind, len: usize) {
        if self.has_room(1, 0) {
            self.words.push(kind as u32 | head_length(len));
        }
    }

    #[inline(never)]
    fn push_text(&mut self, kind: Kind, bytes: &[u8]) {
        if self.has_room(1, bytes.len()) {
            self.words.push(kind as u32 | head_length(bytes.len()));
            self.text.extend_from_slice(bytes);
        }
    }

    /// Makes room, or remembers why there is none; after the first failure nothing more is written.
    #[inline(always)]
    fn has_room(&mut self, words: usize, text: usize) -> bool {
        let is_there =
            self.words.capacity() - self.words.len() >= words && self.text.capacity() - self.text.len() >= text;
        is_there && self.overflow.is_none() && self.bytes() + words * 4 + text <= self.bytes_max
            || self.make_room(words, text)
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self, words: usize, text: usize) -> bool {
        if self.overflow.is_some() {
            return false;
        }
        if self.bytes().saturating_add(words * 4).saturating_add(text) > self.bytes_max {
            self.overflow = Some(Overflow::TooLarge);
            return false;
        }
        if self.words.try_reserve(words).is_err() || self.text.try_reserve(text).is_err() {
            self.overflow = Some(Overflow::OutOfMemory);
            return false;
        }
        true
    }
}

/// The length bits of a head. Lengths stay below 2^28: [`REPLY_BYTES_MAX`].
fn head_length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX >> 4) << 4
}

/// The values of a reply in reading order.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    words: &'a [u32],
    text: &'a [u8],
}

impl<'a> Tokens<'a> {
    fn word(&mut self) -> Option<u32> {
        let (&word, rest) = self.words.split_first()?;
        self.words = rest;
        Some(word)
    }

    fn number(&mut self) -> Option<u64> {
        let low = u64::from(self.word()?);
        let high = u64::from(self.word()?);
        Some(low | high << 32)
    }

    fn take_text(&mut self, len: usize) -> Option<&'a [u8]> {
        let (text, rest) = self.text.split_at_checked(len)?;
        self.text = rest;
        Some(text)
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let head = self.word()?;
        let len = (head >> 4) as usize;
        Some(match Kind::from_bits(head) {
            Kind::Simple => Token::Simple(self.take_text(len)?),
            Kind::Error => Token::Error(self.take_text(len)?),
            Kind::Bulk => Token::Bulk(self.take_text(len)?),
            Kind::Integer => Token::Integer(self.number()?.cast_signed()),
            Kind::Id => Token::Id(EntryId::new(self.number()?, self.number()?)),
            Kind::Null => Token::Null,
            Kind::NullArray => Token::NullArray,
            Kind::Array => Token::Array(len),
            Kind::Map => Token::Map(len),
            Kind::Pairs => Token::Pairs(len),
        })
    }
}

impl Token<'_> {
    /// The bytes of this value's own line (and payload) on the wire, without the values it contains.
    pub fn wire_bytes(&self, protocol: Protocol) -> u64 {
        let resp3 = protocol == Protocol::Resp3;
        match *self {
            Token::Simple(line) | Token::Error(line) => 3 + line.len() as u64,
            Token::Integer(value) => 3 + u64::from(value < 0) + decimal_digits(value.unsigned_abs()),
            Token::Bulk(bytes) => bulk_bytes(bytes.len()),
            Token::Id(id) => bulk_bytes(id.to_text().as_bytes().len()),
            Token::Null | Token::NullArray => {
                if resp3 {
                    3
                } else {
                    5
                }
            }
            Token::Array(len) => 3 + decimal_digits(len as u64),
            Token::Map(len) => 3 + decimal_digits(if resp3 { len as u64 } else { 2 * len as u64 }),
            // In RESP2 each pair is an array of two, with a line `*2` of its own.
            Token::Pairs(len) => 3 + decimal_digits(len as u64) + if resp3 { 0 } else { 4 * len as u64 },
        }
    }
}

fn bulk_bytes(len: usize) -> u64 {
    5 + decimal_digits(len as u64) + len as u64
}

fn decimal_digits(value: u64) -> u64 {
    u64::from(value.checked_ilog10().unwrap_or(0)) + 1
}

/// A reply as a tree.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A status line.
    Simple(Vec<u8>),
    /// An error line.
    Error(Vec<u8>),
    /// A number.
    Integer(i64),
    /// A string; entry IDs appear as their text.
    Bulk(Vec<u8>),
    /// No value.
    Null,
    /// No array.
    NullArray,
    /// Values in order.
    Array(Vec<Value>),
    /// Pairs, flat in RESP2.
    Map(Vec<(Value, Value)>),
    /// Pairs, as pairs in RESP2.
    Pairs(Vec<(Value, Value)>),
}

impl Value {
    /// Reads one value. Replies nest five deep at most, so the recursion is bounded by what commands build.
    fn read(tokens: &mut Tokens<'_>) -> Option<Value> {
        Some(match tokens.next()? {
            Token::Simple(line) => Value::Simple(line.into()),
            Token::Error(line) => Value::Error(line.into()),
            Token::Integer(value) => Value::Integer(value),
            Token::Bulk(bytes) => Value::Bulk(bytes.into()),
            Token::Id(id) => Value::Bulk(id.to_text().as_bytes().into()),
            Token::Null => Value::Null,
            Token::NullArray => Value::NullArray,
            Token::Array(len) => Value::Array((0..len).map(|_| Value::read(tokens)).collect::<Option<_>>()?),
            Token::Map(len) => Value::Map(read_pairs(tokens, len)?),
            Token::Pairs(len) => Value::Pairs(read_pairs(tokens, len)?),
        })
    }
}

fn read_pairs(tokens: &mut Tokens<'_>, len: usize) -> Option<Vec<(Value, Value)>> {
    (0..len).map(|_| Some((Value::read(tokens)?, Value::read(tokens)?))).collect()
}
