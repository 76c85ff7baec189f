//! The words of a command: numbers and IDs as Redis reads them, and the sentences it refuses them with.

use brooklet::{EntryId, Value};

/// What a command answers, or the error line with which it refuses.
pub(crate) type Answer = Result<Value, Vec<u8>>;

pub(crate) const SYNTAX: &str = "ERR syntax error";
pub(crate) const NO_SUCH_KEY: &str = "ERR no such key";
pub(crate) const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
pub(crate) const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
pub(crate) const INVALID_ID: &str = "ERR Invalid stream ID specified as stream command argument";

/// An error line as the `Err` of a result.
pub(crate) fn refuse<T>(line: &str) -> Result<T, Vec<u8>> {
    Err(line.as_bytes().to_vec())
}

/// An error line with words of the caller in it, which may be any bytes: each `{}` of `line` takes the next one.
pub(crate) fn refuse_with<T>(line: &str, words: &[&[u8]]) -> Result<T, Vec<u8>> {
    let mut pieces = line.split("{}");
    let mut text = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for (piece, word) in pieces.zip(words) {
        text.extend_from_slice(word);
        text.extend_from_slice(piece.as_bytes());
    }
    Err(text)
}

/// Keywords do not distinguish small and capital letters.
pub(crate) fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}

/// A number in its one canonical form: no leading zeros, plus or blanks.
pub(crate) fn number(word: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(word).ok()?;
    let value: i64 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

pub(crate) fn integer(word: &[u8]) -> Result<i64, Vec<u8>> {
    number(word).map_or_else(|| refuse(NOT_AN_INTEGER), Ok)
}

/// An ID in full, or its milliseconds alone with `missing_seq` for the sequence.
pub(crate) fn maybe_id(word: &[u8], missing_seq: u64) -> Option<EntryId> {
    if word.len() > 127 {
        return None;
    }
    let text = std::str::from_utf8(word).ok()?;
    match text.split_once('-') {
        None => Some(EntryId::new(digits(text)?, missing_seq)),
        Some((ms, seq)) => Some(EntryId::new(digits(ms)?, digits(seq)?)),
    }
}

/// Decimal digits and nothing else. Leading zeros are fine here.
pub(crate) fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

pub(crate) fn id(word: &[u8]) -> Result<EntryId, Vec<u8>> {
    maybe_id(word, 0).map_or_else(|| refuse(INVALID_ID), Ok)
}

pub(crate) fn ids(words: &[Vec<u8>]) -> Result<Vec<EntryId>, Vec<u8>> {
    words.iter().map(|word| id(word)).collect()
}

/// The lower end of a range: `-`, `+`, an ID, or `(` and an ID that is itself left out.
pub(crate) fn range_start(word: &[u8]) -> Result<EntryId, Vec<u8>> {
    match word {
        b"-" => Ok(EntryId::MIN),
        b"+" => Ok(EntryId::MAX),
        [b'(', rest @ ..] => match id(rest)?.successor() {
            Some(start) => Ok(start),
            None => refuse("ERR invalid start ID for the interval"),
        },
        _ => id(word),
    }
}

/// The upper end of a range. A missing sequence means the whole millisecond.
pub(crate) fn range_end(word: &[u8]) -> Result<EntryId, Vec<u8>> {
    let read = |word: &[u8]| maybe_id(word, u64::MAX).map_or_else(|| refuse(INVALID_ID), Ok);
    match word {
        b"-" => Ok(EntryId::MIN),
        b"+" => Ok(EntryId::MAX),
        [b'(', rest @ ..] => match read(rest)?.predecessor() {
            Some(end) => Ok(end),
            None => refuse("ERR invalid end ID for the interval"),
        },
        _ => read(word),
    }
}

pub(crate) fn ok() -> Value {
    Value::Simple(b"OK".to_vec())
}

pub(crate) fn bulk(bytes: &[u8]) -> Value {
    Value::Bulk(bytes.to_vec())
}

pub(crate) fn id_value(id: EntryId) -> Value {
    Value::Bulk(format!("{}-{}", id.ms(), id.seq()).into_bytes())
}

/// A count, or the largest integer of the protocol if it is larger.
pub(crate) fn count(value: u64) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}
