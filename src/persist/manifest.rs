//! The manifest: what a snapshot consists of, and which chunks it makes superfluous.
//!
//! It does not know what the parts hold. There is one manifest in a store; replacing it is what makes a snapshot count.
//!
//! *Layout*: 72 bytes, little-endian; 20 bytes for each part, in the order in which they are loaded; the checksum of all
//! that.
//!
//! ```text
//!  0  4  magic "BRM1"             4  1  major version, 1
//!  5  1  flags                    6  2  length of the header, 72
//!  8  8  log id                  16  8  epoch
//! 24  8  sequence covered        32  8  checksum of the chunk with that sequence; 0 for sequence 0
//! 40  8  state hash              48  8  created at, in ms
//! 56  8  next part id            64  4  number of parts
//! 68  1  oldest reader, 1        69  3  zeros
//! 72     parts: id 8, length 4, checksum 8
//!     8  checksum
//! ```
//!
//! *Invariants*
//! 1. The log goes on at [`Manifest::tail`].
//! 2. Every part's ID is below the next part ID, so that an ID is never given twice, not even after the part is gone.

use alloc::vec::Vec;

use super::bytes::{
    CHECKSUM_BYTES, DecodeFault, EncodeFault, HEAD_BYTES, Head, MAJOR, NUMBER_END, Reader, Seal, check_length,
    check_whole, put_u32, put_u64, require, seal,
};
use super::chunk::Tail;
use super::part::PartRef;
use crate::memory::OutOfMemory;

/// The length of the header.
pub const MANIFEST_HEADER_BYTES: usize = 72;

const MAGIC: [u8; 4] = *b"BRM1";

/// Part of the log was lost or left out once, with somebody's consent.
const LOSSY: u8 = 1 << 0;

const PART_REF_BYTES: usize = 20;

const _: () = assert!(MANIFEST_HEADER_BYTES > HEAD_BYTES);

/// A manifest, decoded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Manifest {
    /// The log it belongs to.
    pub log_id: u64,
    /// The epoch of the owner that wrote it.
    pub epoch: u64,
    /// The sequence of the last chunk whose effects the snapshot holds; 0 if it holds those of none.
    pub upto_sequence: u64,
    /// The checksum of that chunk; 0 if there is none.
    pub upto_checksum: u64,
    /// The hash of the state that the parts give.
    pub state_hash: u64,
    /// The owner's clock when it was written.
    pub created_ms: u64,
    /// The ID that the next new part gets.
    pub next_part_id: u64,
    /// Whether something was ever lost from this log: stays for ever once it is set.
    pub is_lossy: bool,
    /// The parts, in the order in which they are loaded.
    pub parts: Vec<PartRef>,
}

impl Manifest {
    /// Where the log goes on after the snapshot.
    pub fn tail(&self) -> Tail {
        Tail { log_id: self.log_id, epoch: self.epoch, sequence: self.upto_sequence, checksum: self.upto_checksum }
    }

    /// Decodes a stored manifest, of which `bytes` has to be all. The bytes may be anything.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, DecodeFault> {
        let mut reader = Reader::new(bytes);
        let head = Head::read(&mut reader, MAGIC)?;
        let mut numbers = [0; 7];
        for number in &mut numbers {
            *number = reader.u64()?;
        }
        let [log_id, epoch, upto_sequence, upto_checksum, state_hash, created_ms, next_part_id] = numbers;
        let count = reader.u32()?;
        let oldest_reader = reader.u8()?;
        let _zeros: [u8; 3] = reader.array()?;

        let frame_bytes = u64::from(head.header_bytes) + CHECKSUM_BYTES as u64;
        let needs = frame_bytes + u64::from(count) * PART_REF_BYTES as u64;
        check_whole(bytes, needs, &Seal::of(bytes)?)?;
        head.check_version(oldest_reader, 0)?;
        check_length(bytes, needs)?;

        require(usize::from(head.header_bytes) >= MANIFEST_HEADER_BYTES, "a manifest's header is too short")?;
        require(upto_sequence < NUMBER_END && epoch < NUMBER_END, "a manifest's number is out of range")?;
        require(upto_sequence > 0 || upto_checksum == 0, "a manifest covers nothing, up to a chunk")?;
        let rows = bytes.get(usize::from(head.header_bytes)..).unwrap_or(&[]);
        let parts = decode_parts(rows, count)?;
        require(next_part_id <= NUMBER_END, "a manifest's next part ID is out of range")?;
        require(parts.iter().all(|part| part.id < next_part_id), "a part's ID is not below the next one")?;
        Ok(Manifest {
            log_id,
            epoch,
            upto_sequence,
            upto_checksum,
            state_hash,
            created_ms,
            next_part_id,
            is_lossy: head.flags & LOSSY != 0,
            parts,
        })
    }

    /// The manifest as it is stored.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeFault> {
        let is_in_range = self.upto_sequence < NUMBER_END
            && self.epoch < NUMBER_END
            && self.next_part_id <= NUMBER_END
            && (self.upto_sequence > 0 || self.upto_checksum == 0)
            && self.parts.iter().all(|part| part.id < self.next_part_id);
        let count = u32::try_from(self.parts.len()).ok().filter(|_| is_in_range).ok_or(EncodeFault::OutOfRange)?;
        let mut bytes = Vec::new();
        let rows_bytes = self.parts.len().saturating_mul(PART_REF_BYTES);
        let reserved = bytes.try_reserve_exact(rows_bytes.saturating_add(MANIFEST_HEADER_BYTES + CHECKSUM_BYTES));
        reserved.map_err(OutOfMemory::from)?;
        let flags = if self.is_lossy { LOSSY } else { 0 };
        Head { magic: MAGIC, major: MAJOR, flags, header_bytes: MANIFEST_HEADER_BYTES as u16 }.put(&mut bytes);
        for number in [
            self.log_id,
            self.epoch,
            self.upto_sequence,
            self.upto_checksum,
            self.state_hash,
            self.created_ms,
            self.next_part_id,
        ] {
            put_u64(&mut bytes, number);
        }
        put_u32(&mut bytes, count);
        bytes.extend_from_slice(&[MAJOR, 0, 0, 0]);
        debug_assert_eq!(bytes.len(), MANIFEST_HEADER_BYTES);
        for part in &self.parts {
            put_u64(&mut bytes, part.id);
            put_u32(&mut bytes, part.length);
            put_u64(&mut bytes, part.checksum);
        }
        seal(&mut bytes);
        Ok(bytes)
    }
}

/// The parts listed in `rows`, which has been seen to be long enough for `count` of them.
fn decode_parts(rows: &[u8], count: u32) -> Result<Vec<PartRef>, DecodeFault> {
    let mut reader = Reader::new(rows);
    let mut parts = Vec::new();
    parts.try_reserve_exact(rows.len() / PART_REF_BYTES).map_err(OutOfMemory::from)?;
    for _ in 0..count {
        parts.push(PartRef { id: reader.u64()?, length: reader.u32()?, checksum: reader.u64()? });
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::super::bytes::testing::reseal;
    use super::*;
    use std::vec;

    fn part(id: u64) -> PartRef {
        PartRef { id, length: 60_000 + id as u32, checksum: !id }
    }

    fn manifest() -> Manifest {
        Manifest {
            log_id: u64::MAX,
            epoch: 3,
            upto_sequence: 40,
            upto_checksum: 41,
            state_hash: 42,
            created_ms: 43,
            next_part_id: 8,
            is_lossy: false,
            parts: vec![part(7), part(0), part(3)],
        }
    }

    #[test]
    fn manifests_round_trip() {
        let lossy = Manifest { is_lossy: true, ..manifest() };
        let last = Manifest { epoch: NUMBER_END - 1, upto_sequence: NUMBER_END - 1, ..manifest() };
        for manifest in [Manifest::default(), manifest(), lossy, last] {
            assert_eq!(Manifest::decode(&manifest.encode().unwrap()), Ok(manifest));
        }
    }

    #[test]
    fn the_log_goes_on_behind_what_is_covered() {
        assert_eq!(manifest().tail(), Tail { log_id: u64::MAX, epoch: 3, sequence: 40, checksum: 41 });
    }

    #[test]
    fn what_could_not_be_read_is_not_written() {
        for manifest in [
            Manifest { epoch: NUMBER_END, ..manifest() },
            Manifest { upto_sequence: NUMBER_END, ..manifest() },
            Manifest { upto_sequence: 0, ..manifest() },
            Manifest { next_part_id: NUMBER_END + 1, ..manifest() },
            Manifest { next_part_id: 7, ..manifest() },
        ] {
            assert_eq!(manifest.encode(), Err(EncodeFault::OutOfRange), "{manifest:?}");
        }
    }

    /// What decoding says once the bytes at a place are others and the checksum is right.
    fn planted(at: usize, bytes: &[u8]) -> Result<Manifest, DecodeFault> {
        let mut encoded = manifest().encode().unwrap();
        encoded[at..at + bytes.len()].copy_from_slice(bytes);
        reseal(&mut encoded);
        Manifest::decode(&encoded)
    }

    #[test]
    fn a_right_checksum_is_not_enough() {
        let limit = NUMBER_END.to_le_bytes();
        for (at, bytes) in [(6, &[71][..]), (16, &limit), (24, &limit), (24, &[0; 8]), (56, &[7]), (56, &[255; 8])] {
            let fault = planted(at, bytes).unwrap_err();
            let is_length = matches!(fault, DecodeFault::Excess { .. });
            assert!(matches!(fault, DecodeFault::Malformed(_)) || (at == 6 && is_length), "{at}: {fault:?}");
        }
        assert_eq!(planted(68, &[0]), Err(DecodeFault::Malformed("version 0")));
        assert_eq!(planted(64, &[4]), Err(DecodeFault::Torn { has: 140, needs: 160 }));
        assert_eq!(planted(64, &[255; 4]), Err(DecodeFault::Torn { has: 140, needs: 80 + 20 * ((1 << 32) - 1) }));
        assert_eq!(planted(64, &[2]), Err(DecodeFault::Excess { has: 140, needs: 120 }));
    }

    /// Twenty bytes less of header and one part more: the length is right.
    #[test]
    fn a_short_header_is_malformed() {
        let mut encoded = manifest().encode().unwrap();
        encoded[6] = 52;
        encoded[64] = 4;
        reseal(&mut encoded);
        assert_eq!(Manifest::decode(&encoded), Err(DecodeFault::Malformed("a manifest's header is too short")));
    }

    #[test]
    fn the_oldest_reader_and_the_high_flags_decide_who_reads() {
        assert_eq!(planted(68, &[2]), Err(DecodeFault::TooNew { major: 2, flags: 0 }));
        assert_eq!(planted(5, &[0x10]), Err(DecodeFault::TooNew { major: 1, flags: 0x10 }));
        assert_eq!(planted(4, &[2]), Ok(manifest()));
        assert_eq!(planted(5, &[0x0e]), Ok(manifest()));
    }

    #[test]
    fn a_longer_header_is_skipped() {
        let mut encoded = manifest().encode().unwrap();
        encoded[6] = 80;
        encoded.splice(72..72, [9; 8]);
        reseal(&mut encoded);
        assert_eq!(Manifest::decode(&encoded), Ok(manifest()));
    }
}
