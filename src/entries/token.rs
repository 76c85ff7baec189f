//! Tokens: how one string, a field name or a value, stands inside a block.
//!
//! A token does not know whether it is a name or a value, nor to which entry it belongs.
//!
//! *Design.* Stream data are short strings and decimal numbers, and they repeat. So a string pays one byte for its
//! length, a number that is written in the canonical way is stored as a number, and a string which the block holds
//! already is stored as its place there. The first byte says it all, so that skipping a token reads one or two bytes.
//!
//! *Layout*, by the first byte:
//!
//! ```text
//! 00LLLLLL                      a string of L bytes, 0 to 63, which follow
//! 01VVVVVV                      the integer V, 0 to 63
//! 10LLLLLL llllllll             a string of Ll bytes, below 2^14, which follow
//! 110PPPPP pppppppp             the string whose token begins at byte Pp of the block
//! 11100001 .. 11101000          an integer in 1 to 8 bytes, little-endian, in two's complement
//! 11110000 + 4 bytes            a string whose length is these bytes, little-endian
//! ```
//!
//! *Invariants*
//! 1. Only the canonical decimal text of an `i64` becomes an integer, so that reading gives back the very same bytes:
//!    `-0`, `+1`, `007` and the empty string are strings.
//! 2. A reference points to a string, never to an integer or to another reference.
//! 3. No token is longer than `bound` says.

use alloc::vec::Vec;

const TWO_BYTE_STRING: u8 = 0b1000_0000;
const REFERENCE: u8 = 0b1100_0000;
const WIDE_INTEGER: u8 = 0b1110_0000;
const LONG_STRING: u8 = 0b1111_0000;

const SMALL_INTEGERS: u8 = 0b0100_0000;
/// The lengths at which a string needs a longer head.
const SHORT_STRING_END: usize = 1 << 6;
const TWO_BYTE_STRING_END: usize = 1 << 14;

/// The first place which a reference can no longer name.
pub(super) const REFERENCE_END: usize = 1 << 13;

/// What a token stands for, references followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Token<'a> {
    Integer(i64),
    Text(&'a [u8]),
}

impl<'a> Token<'a> {
    /// The bytes which somebody once passed in. An integer's digits are written into `digits`.
    #[inline(always)]
    pub(super) fn text<'b>(self, digits: &'b mut Digits) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Token::Integer(value) => digits.write(value),
            Token::Text(text) => text,
        }
    }
}

/// The most bytes that a string of this length can take as a token, whatever it holds.
#[inline]
pub(super) fn bound(length: usize) -> usize {
    let head = match length {
        0..SHORT_STRING_END => 1,
        SHORT_STRING_END..TWO_BYTE_STRING_END => 2,
        TWO_BYTE_STRING_END.. => 5,
    };
    length.saturating_add(head)
}

/// Writes an integer.
pub(super) fn push_integer(out: &mut Vec<u8>, value: i64) {
    if (0..64).contains(&value) {
        out.push(SMALL_INTEGERS | value as u8);
        return;
    }
    // The bits that differ from the sign, and one more for the sign itself.
    let bits = 65 - (value ^ (value >> 63)).leading_zeros();
    let bytes = bits.div_ceil(8) as usize;
    out.push(WIDE_INTEGER | bytes as u8);
    out.extend(value.to_le_bytes().iter().take(bytes));
}

/// Writes a string as it is.
#[inline]
pub(super) fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    let length = text.len();
    match length {
        0..SHORT_STRING_END => out.push(length as u8),
        SHORT_STRING_END..TWO_BYTE_STRING_END => {
            out.push(TWO_BYTE_STRING | (length >> 8) as u8);
            out.push(length as u8);
        }
        TWO_BYTE_STRING_END.. => {
            out.push(LONG_STRING);
            out.extend_from_slice(&(length as u32).to_le_bytes());
        }
    }
    out.extend_from_slice(text);
}

/// Writes a reference to the string at `place`, which is below [`REFERENCE_END`].
#[inline]
pub(super) fn push_reference(out: &mut Vec<u8>, place: u16) {
    debug_assert!(usize::from(place) < REFERENCE_END, "a reference has thirteen bits");
    out.push(REFERENCE | (place >> 8) as u8);
    out.push(place as u8);
}

/// The place behind the token at `at`. (A table of lengths by first byte is no faster: what it saves in branches it
/// costs in a second load before the next token can begin.)
#[inline(always)]
pub(super) fn skip(block: &[u8], at: usize) -> Option<usize> {
    let tag = *block.get(at)?;
    let bytes = match tag {
        0..SMALL_INTEGERS => 1 + usize::from(tag),
        SMALL_INTEGERS..TWO_BYTE_STRING => 1,
        TWO_BYTE_STRING..REFERENCE => 2 + two_byte_number(block, at)?,
        REFERENCE..WIDE_INTEGER => 2,
        WIDE_INTEGER..LONG_STRING => 1 + usize::from(tag & 0x0f),
        LONG_STRING.. => long_length(block, at)?.checked_add(5)?,
    };
    at.checked_add(bytes)
}

/// The place behind the token at `at`, if it is just this text, written out with a head of one byte.
#[inline]
pub(super) fn skip_short_text(block: &[u8], at: usize, text: &[u8]) -> Option<usize> {
    let (&tag, rest) = block.get(at..)?.split_first()?;
    let is_short = tag < SMALL_INTEGERS && usize::from(tag) == text.len();
    (is_short && rest.get(..text.len())? == text).then_some(at + 1 + text.len())
}

/// The token at `at`, and the place behind it.
#[inline(never)]
pub(super) fn read(block: &[u8], at: usize) -> Option<(Token<'_>, usize)> {
    read_inline(block, at)
}

/// The same, as a part of whoever calls: for the one loop through which all entries are read.
#[inline(always)]
pub(super) fn read_inline(block: &[u8], at: usize) -> Option<(Token<'_>, usize)> {
    let tag = *block.get(at)?;
    match tag {
        SMALL_INTEGERS..TWO_BYTE_STRING => Some((Token::Integer(i64::from(tag & 0x3f)), at + 1)),
        REFERENCE..WIDE_INTEGER => {
            let (text, _) = read_text(block, two_byte_number(block, at)? & (REFERENCE_END - 1))?;
            Some((Token::Text(text), at + 2))
        }
        WIDE_INTEGER..LONG_STRING => {
            let bytes = usize::from(tag & 0x0f);
            Some((Token::Integer(wide_integer(block.get(at + 1..)?, bytes)?), at + 1 + bytes))
        }
        _ => read_text(block, at).map(|(text, end)| (Token::Text(text), end)),
    }
}

/// The string at `at`, if one is written out there, and the place behind it.
#[inline(always)]
pub(super) fn read_text(block: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let tag = *block.get(at)?;
    let (start, length) = match tag {
        0..SMALL_INTEGERS => (at + 1, usize::from(tag)),
        TWO_BYTE_STRING..REFERENCE => (at + 2, two_byte_number(block, at)?),
        LONG_STRING => (at + 5, long_length(block, at)?),
        _ => return None,
    };
    let end = start.checked_add(length)?;
    Some((block.get(start..end)?, end))
}

/// The low fourteen bits of the two bytes at `at`.
#[inline]
fn two_byte_number(block: &[u8], at: usize) -> Option<usize> {
    let high = usize::from(*block.get(at)? & 0x3f);
    Some(high << 8 | usize::from(*block.get(at + 1)?))
}

#[inline(never)]
fn long_length(block: &[u8], at: usize) -> Option<usize> {
    let length = block.get(at + 1..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*length)).ok()
}

/// The integer in the first one to eight `bytes` of `rest`.
#[inline]
fn wide_integer(rest: &[u8], bytes: usize) -> Option<i64> {
    let unused_bits = 64u32.checked_sub(bytes as u32 * 8).filter(|&bits| bits < 64)?;
    let raw = match rest.first_chunk() {
        // Most often eight bytes are there, and those too many are shifted out.
        Some(chunk) => i64::from_le_bytes(*chunk),
        None => rest.get(..bytes)?.iter().rev().fold(0, |value, &byte| value << 8 | i64::from(byte)),
    };
    Some(raw << unused_bits >> unused_bits)
}

/// Writes a number seven bits at a time, the lowest first; the top bit says that more follow.
#[inline]
pub(super) fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The most bytes a varint takes.
pub(super) const VARINT_BYTES_MAX: usize = 10;

/// The varint at `at`, and the place behind it.
#[inline]
pub(super) fn read_varint(block: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let mut value: u64 = 0;
    for shift in (0..64).step_by(7) {
        let byte = *block.get(at)?;
        at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((value, at));
        }
    }
    None
}

/// Room for the decimal text of an `i64`.
pub(super) struct Digits([u8; 20]);

impl Digits {
    #[inline]
    pub(super) const fn new() -> Self {
        Digits([0; 20])
    }

    /// The canonical decimal text of `value`, written from the end towards the front.
    #[inline]
    fn write(&mut self, value: i64) -> &[u8] {
        let mut start = self.0.len();
        let mut rest = value.unsigned_abs();
        let mut put = |byte| {
            start -= 1;
            if let Some(place) = self.0.get_mut(start) {
                *place = byte;
            }
        };
        loop {
            put(b'0' + (rest % 10) as u8);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if value < 0 {
            put(b'-');
        }
        self.0.get(start..).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::parse_i64;
    use alloc::string::ToString;
    use alloc::vec;

    /// Writes `text` the way a block without any strings would, and checks that it comes back whole.
    #[track_caller]
    fn round_trip(text: &[u8]) -> usize {
        let mut block = vec![0xff; 3];
        match parse_i64(text) {
            Some(value) => push_integer(&mut block, value),
            None => push_text(&mut block, text),
        }
        let bytes = block.len() - 3;
        assert!(bytes <= bound(text.len()), "{bytes} bytes for {} are out of bounds", text.len());
        let (token, end) = read(&block, 3).unwrap();
        assert_eq!(token.text(&mut Digits::new()), text);
        assert_eq!((end, skip(&block, 3)), (block.len(), Some(block.len())));
        for cut in 3..block.len() {
            assert_eq!(read(&block[..cut], 3), None, "cut at {cut}");
        }
        bytes
    }

    #[test]
    fn strings_of_every_boundary_size_come_back() {
        for (length, head) in
            [(0, 1), (1, 1), (62, 1), (63, 1), (64, 2), (127, 2), (128, 2), (16_383, 2), (16_384, 5), (1 << 20, 5)]
        {
            // Cutting a megabyte at each byte would take long: the head is what differs.
            let text = vec![b'x'; length.min(20_000)];
            assert_eq!(round_trip(&text), text.len() + head, "{length}");
        }
        assert_eq!(bound(1 << 20), (1 << 20) + 5);
        assert_eq!(bound(usize::MAX), usize::MAX);
    }

    #[test]
    fn integers_of_every_boundary_come_back() {
        for (value, bytes) in [
            (0i64, 1),
            (63, 1),
            (64, 2),
            (127, 2),
            (128, 3),
            (-1, 2),
            (-128, 2),
            (-129, 3),
            (32_767, 3),
            (32_768, 4),
            (-32_769, 4),
            ((1 << 31) - 1, 5),
            (1 << 31, 6),
            ((1 << 55) - 1, 8),
            (1 << 55, 9),
            (i64::MAX, 9),
            (i64::MIN, 9),
        ] {
            assert_eq!(round_trip(value.to_string().as_bytes()), bytes, "{value}");
        }
        for shift in 0..63 {
            for value in [1i64 << shift, (1i64 << shift) - 1, -(1i64 << shift), -(1i64 << shift) - 1] {
                round_trip(value.to_string().as_bytes());
            }
        }
    }

    #[test]
    fn only_canonical_text_is_an_integer() {
        for text in [
            "",
            "-",
            "-0",
            "+1",
            "007",
            "00",
            "01",
            "-01",
            " 1",
            "1 ",
            "1.0",
            "1e3",
            "0x1",
            "--1",
            "1-",
            "a",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551615",
            "10000000000000000000",
            "100000000000000000000",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
            round_trip(text.as_bytes());
        }
        assert_eq!(parse_i64(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
    }

    #[test]
    fn a_reference_gives_the_string_it_points_to() {
        let mut block = vec![0; REFERENCE_END - 1];
        push_text(&mut block, b"again");
        let at = block.len();
        push_reference(&mut block, (REFERENCE_END - 1) as u16);
        assert_eq!(read(&block, at), Some((Token::Text(&b"again"[..]), at + 2)));
        assert_eq!(skip(&block, at), Some(at + 2));
    }

    #[test]
    fn a_reference_to_anything_but_a_string_is_refused() {
        let mut block = vec![];
        push_integer(&mut block, 7);
        push_reference(&mut block, 0);
        push_reference(&mut block, 1);
        assert_eq!(read(&block, 1), None);
        assert_eq!(read(&block, 3), None);
    }

    #[test]
    fn varints_come_back_and_never_overrun() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut block = vec![];
            push_varint(&mut block, value);
            assert!(block.len() <= VARINT_BYTES_MAX);
            assert_eq!(read_varint(&block, 0), Some((value, block.len())));
            assert_eq!(read_varint(&block[..block.len() - 1], 0), None);
        }
        assert_eq!(read_varint(&[0xff; 11], 0), None);
    }
}
