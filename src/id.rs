//! Entry IDs: the type that owns all their arithmetic, limits, text form and byte form.
//!
//! An entry ID is a pair of unsigned 64-bit numbers, milliseconds and sequence, ordered first by one and then by the
//! other. It does not know what a stream is, nor what `$`, `>` or `*` mean: those are words of commands.
//!
//! *Text.* `ms-seq` in decimal without leading zeros. Reading is a little more tolerant than writing: the sequence may
//! be missing (the caller says what it then is) and leading zeros are accepted, because real clients send them.
//!
//! *Invariants*
//! 1. Nobody outside this file does arithmetic on the two numbers.
//! 2. `parse(id.to_text()) == id` for every ID.
//! 3. The order of IDs is the order of their `to_be_bytes`.

use core::fmt;

/// The longest text an ID argument may have, as in Redis.
pub(crate) const ID_TEXT_BYTES_MAX: usize = 127;

/// The ID of an entry: milliseconds and a sequence within the millisecond.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EntryId {
    ms: u64,
    seq: u64,
}

impl EntryId {
    /// `0-0`, which no entry ever has: the ID before all entries.
    pub const MIN: EntryId = EntryId { ms: 0, seq: 0 };
    /// The last possible ID.
    pub const MAX: EntryId = EntryId { ms: u64::MAX, seq: u64::MAX };

    /// The ID `ms-seq`.
    #[inline]
    pub const fn new(ms: u64, seq: u64) -> Self {
        EntryId { ms, seq }
    }

    /// The milliseconds part.
    #[inline]
    pub const fn ms(self) -> u64 {
        self.ms
    }

    /// The sequence part.
    #[inline]
    pub const fn seq(self) -> u64 {
        self.seq
    }

    /// The next ID, or `None` after the last one.
    #[inline]
    pub const fn successor(self) -> Option<EntryId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(EntryId { ms: self.ms, seq }),
            None => match self.ms.checked_add(1) {
                Some(ms) => Some(EntryId { ms, seq: 0 }),
                None => None,
            },
        }
    }

    /// The previous ID, or `None` before `0-0`.
    #[inline]
    pub const fn predecessor(self) -> Option<EntryId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(EntryId { ms: self.ms, seq }),
            None => match self.ms.checked_sub(1) {
                Some(ms) => Some(EntryId { ms, seq: u64::MAX }),
                None => None,
            },
        }
    }

    /// The ID that `*` gives after `self` when the clock says `now_ms`: the clock if it moved on, otherwise the
    /// successor, so that a clock that stands still or runs backwards never repeats an ID. `None` when exhausted.
    #[inline]
    pub const fn next_auto(self, now_ms: u64) -> Option<EntryId> {
        if now_ms > self.ms { Some(EntryId { ms: now_ms, seq: 0 }) } else { self.successor() }
    }

    /// The ID that `ms-*` gives after `self`: `None` when the millisecond lies behind or its sequences are used up.
    #[inline]
    pub const fn next_within(self, ms: u64) -> Option<EntryId> {
        if ms > self.ms {
            return Some(EntryId { ms, seq: 0 });
        }
        if ms < self.ms {
            return None;
        }
        match self.seq.checked_add(1) {
            Some(seq) => Some(EntryId { ms, seq }),
            None => None,
        }
    }

    /// Reads `ms-seq`, or `ms` alone with `missing_seq` for the sequence. `None` for anything else.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<EntryId> {
        if text.len() > ID_TEXT_BYTES_MAX {
            return None;
        }
        match text.iter().position(|&byte| byte == b'-') {
            None => Some(EntryId { ms: parse_part(text)?, seq: missing_seq }),
            Some(dash) => {
                let (ms, rest) = text.split_at_checked(dash)?;
                Some(EntryId { ms: parse_part(ms)?, seq: parse_part(rest.get(1..)?)? })
            }
        }
    }

    /// Reads the `ms` of `ms-*`. `None` for anything else.
    pub fn parse_auto_seq(text: &[u8]) -> Option<u64> {
        if text.len() > ID_TEXT_BYTES_MAX {
            return None;
        }
        parse_part(text.strip_suffix(b"-*")?)
    }

    /// The text form, in a buffer of its own: no allocation.
    pub fn to_text(self) -> IdText {
        let mut text = IdText { bytes: [0; 41], start: 41 };
        text.push_decimal(self.seq);
        text.push(b'-');
        text.push_decimal(self.ms);
        text
    }

    /// Sixteen bytes, big-endian, so that their order is the order of the IDs.
    pub fn to_be_bytes(self) -> [u8; 16] {
        let joined = (u128::from(self.ms) << 64) | u128::from(self.seq);
        joined.to_be_bytes()
    }

    /// The inverse of [`EntryId::to_be_bytes`].
    pub fn from_be_bytes(bytes: [u8; 16]) -> EntryId {
        let joined = u128::from_be_bytes(bytes);
        EntryId { ms: (joined >> 64) as u64, seq: joined as u64 }
    }
}

/// One decimal part of an ID: digits only, at least one, no overflow. Leading zeros are fine.
fn parse_part(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Not `checked_mul`, which on 32 bits is a multiplication of 128 bits for each digit.
        if value > u64::MAX / 10 {
            return None;
        }
        value = (value * 10).checked_add(u64::from(digit))?;
    }
    Some(value)
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_text().as_str())
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text of an ID, at most 41 bytes, written from the end towards the front.
#[derive(Clone, Copy)]
pub struct IdText {
    bytes: [u8; 41],
    start: u8,
}

impl IdText {
    /// The text as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(usize::from(self.start)..).unwrap_or(&[])
    }

    /// The text as a string: only digits and one dash.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("")
    }

    fn push(&mut self, byte: u8) {
        self.start = self.start.saturating_sub(1);
        if let Some(place) = self.bytes.get_mut(usize::from(self.start)) {
            *place = byte;
        }
    }

    fn push_decimal(&mut self, mut value: u64) {
        loop {
            self.push(b'0' + (value % 10) as u8);
            value /= 10;
            if value == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn id(text: &str) -> EntryId {
        EntryId::parse(text.as_bytes(), 0).unwrap()
    }

    #[test]
    fn text_round_trips_at_every_limit() {
        for text in ["0-0", "0-1", "1-0", "18446744073709551615-0", "18446744073709551615-18446744073709551615"] {
            assert_eq!(id(text).to_text().as_str(), text);
            assert_eq!(EntryId::from_be_bytes(id(text).to_be_bytes()), id(text));
        }
    }

    #[test]
    fn a_missing_sequence_is_the_callers_choice() {
        assert_eq!(EntryId::parse(b"7", 0), Some(EntryId::new(7, 0)));
        assert_eq!(EntryId::parse(b"7", u64::MAX), Some(EntryId::new(7, u64::MAX)));
        assert_eq!(EntryId::parse(b"05-05", 0), Some(EntryId::new(5, 5)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "-", "1-", "-1", "1-2-3", "+", "*", "$", ">", "1-*", "0x10", " 1-1", "1-1 ", "+1-1", "a", "1.5"]
        {
            assert_eq!(EntryId::parse(text.as_bytes(), 0), None, "{text:?}");
        }
        assert_eq!(EntryId::parse(b"18446744073709551616-0", 0), None);
        assert_eq!(EntryId::parse(b"0-18446744073709551616", 0), None);
        assert_eq!(EntryId::parse(&[b'0'; ID_TEXT_BYTES_MAX], 0), Some(EntryId::MIN));
        assert_eq!(EntryId::parse(&[b'0'; ID_TEXT_BYTES_MAX + 1], 0), None);
    }

    #[test]
    fn neighbours_carry_between_the_parts() {
        let edge = EntryId::new(5, u64::MAX);
        assert_eq!(edge.successor(), Some(EntryId::new(6, 0)));
        assert_eq!(EntryId::new(6, 0).predecessor(), Some(edge));
        assert_eq!(EntryId::MAX.successor(), None);
        assert_eq!(EntryId::MIN.predecessor(), None);
    }

    #[test]
    fn automatic_ids_never_go_back() {
        let last = EntryId::new(100, 3);
        assert_eq!(last.next_auto(101), Some(EntryId::new(101, 0)));
        assert_eq!(last.next_auto(100), Some(EntryId::new(100, 4)));
        assert_eq!(last.next_auto(7), Some(EntryId::new(100, 4)));
        assert_eq!(EntryId::new(9_999_999_999_999, u64::MAX).next_auto(1), Some(EntryId::new(10_000_000_000_000, 0)));
        assert_eq!(EntryId::MAX.next_auto(1), None);
        assert_eq!(last.next_within(100), Some(EntryId::new(100, 4)));
        assert_eq!(last.next_within(99), None);
        assert_eq!(EntryId::new(100, u64::MAX).next_within(100), None);
        assert_eq!(EntryId::MIN.next_within(0), Some(EntryId::new(0, 1)));
        assert_eq!(EntryId::parse_auto_seq(b"12-*"), Some(12));
        assert_eq!(EntryId::parse_auto_seq(b"*"), None);
        assert_eq!(EntryId::parse_auto_seq(b"12"), None);
    }
}
