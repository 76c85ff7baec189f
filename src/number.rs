//! Numbers in text: the one strict reader that commands and the block encoding share, and the writer that inverts it.

/// Reads a signed 64-bit number in its only canonical text: no plus sign, no leading zeros, no `-0`, no blanks.
/// So `parse_i64(text)` succeeds exactly when writing the result gives `text` back.
#[inline]
pub(crate) fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        _ => (false, text),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value: u64 = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Nineteen digits stay below 10^19, which fits.
        value = value * 10 + u64::from(digit);
    }
    if negative { 0i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// The decimal text of a number, in a buffer of its own.
#[derive(Clone, Copy)]
pub(crate) struct DecimalText {
    bytes: [u8; 20],
    start: u8,
}

impl DecimalText {
    /// The text of `value`.
    pub(crate) fn new(value: i64) -> DecimalText {
        let mut text = DecimalText { bytes: [0; 20], start: 20 };
        let mut rest = value.unsigned_abs();
        loop {
            text.push(b'0' + (rest % 10) as u8);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if value < 0 {
            text.push(b'-');
        }
        text
    }

    /// The text as bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(usize::from(self.start)..).unwrap_or(&[])
    }

    fn push(&mut self, byte: u8) {
        self.start = self.start.saturating_sub(1);
        if let Some(place) = self.bytes.get_mut(usize::from(self.start)) {
            *place = byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn numbers_round_trip() {
        for value in [0, 1, -1, 9, 10, -10, 4096, i64::MAX, i64::MIN, i64::MAX - 1] {
            let text = value.to_string();
            assert_eq!(parse_i64(text.as_bytes()), Some(value));
            assert_eq!(DecimalText::new(value).as_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn only_the_canonical_text_is_a_number() {
        let others = ["", "-", "-0", "+1", "01", "-01", " 1", "1 ", "1.0", "1e3", "0x1", "9223372036854775808"];
        for text in others.into_iter().chain(["-9223372036854775809", "99999999999999999999", "a", "1-1"]) {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
    }
}
