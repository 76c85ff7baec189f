//! Geometry: how many bytes a logical node would have in Redis, which is what closes a node there.
//!
//! Which entries `~` trims depends on where nodes begin, so node boundaries are visible in replies. They follow from
//! the size of Redis' listpack, which this file counts without building one. It knows nothing of blocks: what an entry
//! really takes in memory is another matter.
//!
//! A listpack element with `d` bytes of head and data is followed by its own length once more, for walking backwards:
//! that makes `d + 1` bytes for small elements, one more at each power of 2^7.
//!
//! A node holds 7 bytes of frame, its live and deleted counts, the field names of its first entry, and then each
//! entry: flags, the two differences of its ID to the node's first ID, the values (and names, when they differ from
//! the first entry's), and the number of elements.

use super::token;

/// When a logical node is full: `stream-node-max-bytes` and `stream-node-max-entries`, as configured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NodeLimits {
    /// Virtual bytes. 0 and everything above 1 GiB mean 1 GiB.
    pub bytes_max: u64,
    /// Entries, deleted ones included. 0 is no limit.
    pub entries_max: u64,
}

impl NodeLimits {
    const BYTES_MAX: u64 = 1 << 30;

    /// Whether a node that would reach `bytes` or holds `entries` takes no more.
    #[inline]
    pub(super) fn reached(self, bytes: u64, entries: u64) -> bool {
        let bytes_max = if self.bytes_max == 0 { Self::BYTES_MAX } else { self.bytes_max.min(Self::BYTES_MAX) };
        bytes >= bytes_max || (self.entries_max != 0 && entries >= self.entries_max)
    }
}

/// A string that is not the canonical text of an integer.
#[inline]
pub(super) fn text_bytes(length: usize) -> u64 {
    let head = match length {
        0..64 => 1,
        64..4096 => 2,
        4096.. => 5,
    };
    element_bytes(length as u64 + head)
}

/// An integer.
#[inline]
pub(super) fn integer_bytes(value: i64) -> u64 {
    element_bytes(if (0..128).contains(&value) {
        1
    } else if (-(1 << 12)..1 << 12).contains(&value) {
        2
    } else if (-(1 << 15)..1 << 15).contains(&value) {
        3
    } else if (-(1 << 23)..1 << 23).contains(&value) {
        4
    } else if (-(1 << 31)..1 << 31).contains(&value) {
        5
    } else {
        9
    })
}

/// A token, whichever it is.
#[inline]
pub(super) fn token_bytes(token: token::Token<'_>) -> u64 {
    match token {
        token::Token::Integer(value) => integer_bytes(value),
        token::Token::Text(text) => text_bytes(text.len()),
    }
}

/// What a node takes before its first entry, without the two counts, which change.
pub(super) fn node_bytes(fields: u64, names_bytes: u64) -> u64 {
    const FRAME: u64 = 7;
    FRAME + integer_bytes(fields as i64) + names_bytes + integer_bytes(0)
}

/// The two counts of a node.
pub(super) fn counts_bytes(live: u64, deleted: u64) -> u64 {
    integer_bytes(live as i64) + integer_bytes(deleted as i64)
}

/// What an entry takes. `differences` are its ID's distances from the node's first ID, `names_bytes` is what its names
/// take when they are not those of the node's first entry.
#[inline]
pub(super) fn entry_bytes(differences: (u64, u64), fields: u64, names_bytes: Option<u64>, values_bytes: u64) -> u64 {
    // The flags are a number up to 3.
    let head = integer_bytes(0) + integer_bytes(differences.0 as i64) + integer_bytes(differences.1 as i64);
    head + values_bytes
        + match names_bytes {
            None => integer_bytes(fields as i64 + 3),
            Some(names_bytes) => integer_bytes(fields as i64) + names_bytes + integer_bytes(fields as i64 * 2 + 4),
        }
}

/// An element with `bytes` of head and data, its length behind it included.
#[inline]
fn element_bytes(bytes: u64) -> u64 {
    bytes
        + match bytes {
            0..128 => 1,
            128..16_384 => 2,
            16_384..2_097_152 => 3,
            2_097_152.. => 4,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_grow_at_every_boundary() {
        for (value, bytes) in [
            (0, 2),
            (127, 2),
            (128, 3),
            (4095, 3),
            (-1, 3),
            (-4096, 3),
            (4096, 4),
            (-4097, 4),
            (32_767, 4),
            (32_768, 5),
            (8_388_607, 5),
            (8_388_608, 6),
            (-8_388_609, 6),
            (2_147_483_647, 6),
            (2_147_483_648, 10),
            (i64::MIN, 10),
        ] {
            assert_eq!(integer_bytes(value), bytes, "{value}");
        }
        for (length, bytes) in [
            (0, 2),
            (63, 65),
            (64, 67),
            (125, 128),
            (126, 130),
            (4095, 4099),
            (4096, 4103),
            (16_378, 16_385),
            (16_379, 16_387),
            (2_097_146, 2_097_154),
            (2_097_147, 2_097_156),
        ] {
            assert_eq!(text_bytes(length), bytes, "{length}");
        }
    }

    #[test]
    fn limits_of_zero_mean_a_gibibyte_and_no_limit() {
        let off = NodeLimits { bytes_max: 0, entries_max: 0 };
        assert!(!off.reached((1 << 30) - 1, u64::MAX));
        assert!(off.reached(1 << 30, 0));
        assert!(NodeLimits { bytes_max: u64::MAX, entries_max: 0 }.reached(1 << 30, 0));
        let usual = NodeLimits { bytes_max: 4096, entries_max: 100 };
        assert!(!usual.reached(4095, 99));
        assert!(usual.reached(4096, 1));
        assert!(usual.reached(0, 100));
    }

    #[test]
    fn a_first_entry_by_hand() {
        // XADD s 1-1 field value: the frame 7, two counts 2 + 2, one field 2, "field" 7, the end of the names 2;
        // flags 2, two differences 2 + 2, "value" 7, the number of elements (4) 2.
        let node = node_bytes(1, text_bytes(5)) + counts_bytes(1, 0);
        assert_eq!(node, 7 + 4 + 2 + 7 + 2);
        assert_eq!(entry_bytes((0, 0), 1, None, text_bytes(5)), 2 + 4 + 7 + 2);
        // Other names: the number of fields 2, "other" 7, six elements 2.
        assert_eq!(entry_bytes((1000, 0), 1, Some(text_bytes(5)), text_bytes(5)), 2 + 5 + 2 + 7 + 7 + 2);
        // A sequence that goes back within a later millisecond is a negative number.
        assert_eq!(entry_bytes((1, 0u64.wrapping_sub(5)), 1, None, 2), 2 + 2 + 3 + 2 + 2);
    }
}
