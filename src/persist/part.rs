//! Parts: pieces of a snapshot, each a value of its own with an ID of its own.
//!
//! The frame knows whose part it is and that it is whole; what the payload says is the business of whoever made it.
//!
//! *Design.* A manifest lists parts by ID, length and checksum. A part whose content has not changed is listed again by
//! the next manifest and not written again, which is why parts do not name the manifest.
//!
//! *Layout*: 32 bytes, little-endian, then the payload, then the checksum of all that.
//!
//! ```text
//!  0  4  magic "BRP1"             4  1  major version, 1
//!  5  1  flags                    6  2  length of the header, 32
//!  8  8  log id                  16  8  part id
//! 24  4  length of the payload   28  1  kind             29  3  zeros
//! 32     payload
//!     8  checksum
//! ```

use alloc::vec::Vec;
use core::fmt;

use super::bytes::{
    CHECKSUM_BYTES, DecodeFault, EncodeFault, HEAD_BYTES, Head, MAJOR, NUMBER_END, Reader, Seal, check_length,
    check_whole, checksums_match, put_u32, put_u64, require, seal,
};
use crate::memory::OutOfMemory;

/// The length of the header.
pub const PART_HEADER_BYTES: usize = 32;

/// What a part is longer than its payload.
pub const PART_FRAME_BYTES: usize = PART_HEADER_BYTES + CHECKSUM_BYTES;

const MAGIC: [u8; 4] = *b"BRP1";

const _: () = assert!(PART_HEADER_BYTES > HEAD_BYTES);

/// How a manifest lists a part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartRef {
    /// Its ID, which is its key in a store.
    pub id: u64,
    /// The length of all its bytes.
    pub length: u32,
    /// Its checksum.
    pub checksum: u64,
}

/// A part, decoded; its payload stays where it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part<'a> {
    /// The log it belongs to.
    pub log_id: u64,
    /// Its ID.
    pub id: u64,
    /// What its payload is.
    pub kind: u8,
    /// What it holds.
    pub payload: &'a [u8],
}

impl<'a> Part<'a> {
    /// Decodes a stored part, of which `bytes` has to be all. The bytes may be anything.
    pub fn decode(bytes: &'a [u8]) -> Result<Part<'a>, DecodeFault> {
        let mut reader = Reader::new(bytes);
        let head = Head::read(&mut reader, MAGIC)?;
        let (log_id, id) = (reader.u64()?, reader.u64()?);
        let payload_bytes = reader.u32()?;
        let kind = reader.u8()?;
        let _zeros: [u8; 3] = reader.array()?;

        let needs = u64::from(head.header_bytes) + u64::from(payload_bytes) + CHECKSUM_BYTES as u64;
        check_whole(bytes, needs, &Seal::of(bytes)?)?;
        head.check_version(head.major, 0)?;
        check_length(bytes, needs)?;

        require(usize::from(head.header_bytes) >= PART_HEADER_BYTES, "a part's header is too short")?;
        require(id < NUMBER_END, "a part's ID is out of range")?;
        let body = bytes.get(usize::from(head.header_bytes)..).unwrap_or(&[]);
        let (payload, _checksum) = body.split_last_chunk::<CHECKSUM_BYTES>().unwrap_or((&[], &[0; CHECKSUM_BYTES]));
        Ok(Part { log_id, id, kind, payload })
    }

    /// The part as it is stored, and how a manifest lists it.
    pub fn encode(&self) -> Result<(Vec<u8>, PartRef), EncodeFault> {
        let length = self.payload.len().saturating_add(PART_FRAME_BYTES);
        let length = u32::try_from(length).ok().filter(|_| self.id < NUMBER_END).ok_or(EncodeFault::OutOfRange)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length as usize).map_err(OutOfMemory::from)?;
        Head { magic: MAGIC, major: MAJOR, flags: 0, header_bytes: PART_HEADER_BYTES as u16 }.put(&mut bytes);
        put_u64(&mut bytes, self.log_id);
        put_u64(&mut bytes, self.id);
        put_u32(&mut bytes, length - PART_FRAME_BYTES as u32);
        bytes.extend_from_slice(&[self.kind, 0, 0, 0]);
        debug_assert_eq!(bytes.len(), PART_HEADER_BYTES);
        bytes.extend_from_slice(self.payload);
        let checksum = seal(&mut bytes);
        Ok((bytes, PartRef { id: self.id, length, checksum }))
    }
}

impl PartRef {
    /// Decodes the part that is listed so by a manifest of `log_id`.
    pub fn decode<'a>(&self, log_id: u64, bytes: &'a [u8]) -> Result<Part<'a>, PartFault> {
        let part = Part::decode(bytes)?;
        if part.log_id != log_id {
            return Err(PartFault::WrongLog { expected: log_id, found: part.log_id });
        }
        if part.id != self.id {
            return Err(PartFault::WrongPart { expected: self.id, found: part.id });
        }
        // An ID is given once. Should it ever have been given twice, the checksum tells the two apart.
        let stored = bytes.last_chunk::<CHECKSUM_BYTES>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        if bytes.len() as u64 != u64::from(self.length) || !checksums_match(self.checksum, stored) {
            return Err(PartFault::NotAsListed { expected: self.checksum, found: stored });
        }
        Ok(part)
    }
}

/// What is wrong with a part, looked at as the one that a manifest lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PartFault {
    /// It cannot be decoded.
    Undecodable(DecodeFault),
    /// It is whole, and belongs to another log.
    WrongLog {
        /// The log that is read.
        expected: u64,
        /// The log it belongs to.
        found: u64,
    },
    /// It is whole, and stands in the place of another one.
    WrongPart {
        /// The ID that should stand here.
        expected: u64,
        /// Its ID.
        found: u64,
    },
    /// It is whole, and its content is not the one that the manifest was written for.
    NotAsListed {
        /// The checksum in the manifest.
        expected: u64,
        /// Its checksum.
        found: u64,
    },
}

impl fmt::Display for PartFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            PartFault::Undecodable(fault) => fault.fmt(f),
            PartFault::WrongLog { expected, found } => {
                write!(f, "it belongs to log {found:016x}, and this is log {expected:016x}")
            }
            PartFault::WrongPart { expected, found } => write!(f, "part {found} stands where part {expected} should"),
            PartFault::NotAsListed { expected, found } => {
                write!(f, "its checksum is {found:016x}, and the manifest lists {expected:016x}")
            }
        }
    }
}

impl core::error::Error for PartFault {}

impl From<DecodeFault> for PartFault {
    fn from(fault: DecodeFault) -> Self {
        PartFault::Undecodable(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::super::bytes::testing::reseal;
    use super::*;

    const PART: Part<'static> = Part { log_id: 1 << 63, id: 9, kind: 200, payload: b"payload" };

    #[test]
    fn parts_round_trip() {
        for part in [PART, Part { payload: b"", ..PART }, Part { id: NUMBER_END - 1, kind: 0, ..PART }] {
            let (bytes, listed) = part.encode().unwrap();
            assert_eq!(bytes.len(), part.payload.len() + PART_FRAME_BYTES);
            assert_eq!(Part::decode(&bytes), Ok(part));
            assert_eq!(listed.decode(part.log_id, &bytes), Ok(part));
        }
        assert_eq!(Part { id: NUMBER_END, ..PART }.encode(), Err(EncodeFault::OutOfRange));
    }

    #[test]
    fn a_part_is_the_one_that_is_listed() {
        let (bytes, listed) = PART.encode().unwrap();
        assert_eq!(listed.decode(7, &bytes), Err(PartFault::WrongLog { expected: 7, found: 1 << 63 }));
        let other = Part { id: 8, ..PART }.encode().unwrap().0;
        assert_eq!(listed.decode(1 << 63, &other), Err(PartFault::WrongPart { expected: 9, found: 8 }));
        let (rewritten, found) = Part { payload: b"PAYLOAD", ..PART }.encode().unwrap();
        let not_as_listed = PartFault::NotAsListed { expected: listed.checksum, found: found.checksum };
        assert_eq!(listed.decode(1 << 63, &rewritten), Err(not_as_listed));
        let shorter = PartRef { length: listed.length - 1, ..listed };
        assert!(matches!(shorter.decode(1 << 63, &bytes), Err(PartFault::NotAsListed { .. })));
        assert!(matches!(listed.decode(1 << 63, &bytes[1..]), Err(PartFault::Undecodable(DecodeFault::BadMagic))));
    }

    /// What decoding says once the byte at a place is another and the checksum is right.
    fn planted(at: usize, byte: u8) -> Result<Part<'static>, DecodeFault> {
        let (mut bytes, _) = PART.encode().unwrap();
        bytes[at] = byte;
        reseal(&mut bytes);
        Part::decode(bytes.leak())
    }

    #[test]
    fn a_right_checksum_is_not_enough() {
        assert_eq!(planted(4, 0), Err(DecodeFault::Malformed("version 0")));
        assert_eq!(planted(22, 0x20), Err(DecodeFault::Malformed("a part's ID is out of range")));
        assert_eq!(planted(24, 8), Err(DecodeFault::Torn { has: 47, needs: 48 }));
        assert_eq!(planted(24, 6), Err(DecodeFault::Excess { has: 47, needs: 46 }));
        assert_eq!(planted(4, 2), Err(DecodeFault::TooNew { major: 2, flags: 0 }));
        assert_eq!(planted(5, 0x80), Err(DecodeFault::TooNew { major: 1, flags: 0x80 }));
        assert_eq!(planted(5, 0x0f), Ok(PART));
    }

    #[test]
    fn headers_of_other_lengths() {
        let (mut bytes, _) = PART.encode().unwrap();
        (bytes[6], bytes[24]) = (31, 8);
        reseal(&mut bytes);
        assert_eq!(Part::decode(&bytes), Err(DecodeFault::Malformed("a part's header is too short")));
        (bytes[6], bytes[24]) = (36, 7);
        bytes.splice(32..32, [9; 4]);
        reseal(&mut bytes);
        assert_eq!(Part::decode(&bytes), Ok(PART));
    }
}
