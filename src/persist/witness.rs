//! The witness: what is noted outside the storage, so that its loss can be noticed.
//!
//! It is advisory. Where there is none nothing is claimed, and one that cannot be decoded is none: it lies in a place
//! of its own, may be cut off by a crash, and must never keep anybody from what is stored.
//!
//! *Layout*: 40 bytes, little-endian, and their checksum.
//!
//! ```text
//!  0  4  magic "BRW1"             4  1  major version, 1
//!  5  1  flags                    6  2  length of the header, 40
//!  8  8  log id                  16  8  epoch
//! 24  8  last durable sequence   32  8  clock in ms
//!     8  checksum
//! ```

use alloc::vec::Vec;

use super::bytes::{
    CHECKSUM_BYTES, DecodeFault, EncodeFault, Head, MAJOR, NUMBER_END, Reader, Seal, check_length, check_whole,
    put_u64, require, seal,
};
use crate::memory::OutOfMemory;

/// The length of the header.
pub const WITNESS_HEADER_BYTES: usize = 40;

const MAGIC: [u8; 4] = *b"BRW1";

/// The owner closed the log behind the chunk that is named.
const CLEAN: u8 = 1 << 0;

/// What was noted outside the storage, after something was made durable in it. Without one, nothing is claimed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Witness {
    /// The log.
    pub log_id: u64,
    /// The epoch of the owner that noted it.
    pub epoch: u64,
    /// The last chunk that was durable.
    pub durable_sequence: u64,
    /// The owner's clock, in ms.
    pub clock_ms: u64,
    /// Whether the owner closed the log behind that chunk.
    pub is_clean: bool,
}

impl Witness {
    /// Decodes a stored witness, of which `bytes` has to be all. The bytes may be anything.
    pub fn decode(bytes: &[u8]) -> Result<Witness, DecodeFault> {
        let mut reader = Reader::new(bytes);
        let head = Head::read(&mut reader, MAGIC)?;
        let (log_id, epoch) = (reader.u64()?, reader.u64()?);
        let (durable_sequence, clock_ms) = (reader.u64()?, reader.u64()?);

        let needs = u64::from(head.header_bytes) + CHECKSUM_BYTES as u64;
        check_whole(bytes, needs, &Seal::of(bytes)?)?;
        head.check_version(head.major, 0)?;
        check_length(bytes, needs)?;

        require(usize::from(head.header_bytes) >= WITNESS_HEADER_BYTES, "a witness' header is too short")?;
        require(durable_sequence < NUMBER_END && epoch < NUMBER_END, "a witness' number is out of range")?;
        Ok(Witness { log_id, epoch, durable_sequence, clock_ms, is_clean: head.flags & CLEAN != 0 })
    }

    /// The witness as it is stored.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeFault> {
        if self.durable_sequence >= NUMBER_END || self.epoch >= NUMBER_END {
            return Err(EncodeFault::OutOfRange);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(WITNESS_HEADER_BYTES + CHECKSUM_BYTES).map_err(OutOfMemory::from)?;
        let flags = if self.is_clean { CLEAN } else { 0 };
        Head { magic: MAGIC, major: MAJOR, flags, header_bytes: WITNESS_HEADER_BYTES as u16 }.put(&mut bytes);
        for number in [self.log_id, self.epoch, self.durable_sequence, self.clock_ms] {
            put_u64(&mut bytes, number);
        }
        debug_assert_eq!(bytes.len(), WITNESS_HEADER_BYTES);
        seal(&mut bytes);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::bytes::testing::reseal;
    use super::*;

    const WITNESS: Witness =
        Witness { log_id: 1 << 63, epoch: 3, durable_sequence: 40, clock_ms: u64::MAX, is_clean: true };

    #[test]
    fn witnesses_round_trip() {
        let last = Witness { epoch: NUMBER_END - 1, durable_sequence: NUMBER_END - 1, ..WITNESS };
        for witness in [Witness::default(), WITNESS, last, Witness { is_clean: false, ..WITNESS }] {
            assert_eq!(Witness::decode(&witness.encode().unwrap()), Ok(witness));
        }
    }

    #[test]
    fn what_could_not_be_read_is_not_written() {
        for witness in [Witness { epoch: NUMBER_END, ..WITNESS }, Witness { durable_sequence: NUMBER_END, ..WITNESS }] {
            assert_eq!(witness.encode(), Err(EncodeFault::OutOfRange), "{witness:?}");
        }
    }

    #[test]
    fn no_damage_is_believed() {
        let whole = WITNESS.encode().unwrap();
        for length in 0..whole.len() {
            let fault = Witness::decode(&whole[..length]).unwrap_err();
            assert!(matches!(fault, DecodeFault::Torn { .. }), "{length}: {fault:?}");
        }
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Witness::decode(&bytes).is_err(), "bit {bit}");
        }
    }

    /// What decoding says once the bytes at a place are others and the checksum is right.
    fn planted(at: usize, bytes: &[u8]) -> Result<Witness, DecodeFault> {
        let mut encoded = WITNESS.encode().unwrap();
        encoded[at..at + bytes.len()].copy_from_slice(bytes);
        reseal(&mut encoded);
        Witness::decode(&encoded)
    }

    #[test]
    fn a_right_checksum_is_not_enough() {
        let limit = NUMBER_END.to_le_bytes();
        for (at, bytes) in [(4, &[0][..]), (16, &limit), (24, &limit)] {
            let fault = planted(at, bytes).unwrap_err();
            assert!(matches!(fault, DecodeFault::Malformed(_)), "{at}: {fault:?}");
        }
        assert_eq!(planted(6, &[39]), Err(DecodeFault::Excess { has: 48, needs: 47 }));
        assert_eq!(planted(6, &[41]), Err(DecodeFault::Torn { has: 48, needs: 49 }));
        assert_eq!(planted(4, &[2]), Err(DecodeFault::TooNew { major: 2, flags: 1 }));
        assert_eq!(planted(5, &[0x11]), Err(DecodeFault::TooNew { major: 1, flags: 0x11 }));
        assert_eq!(planted(5, &[0x0f]), Ok(WITNESS));
    }

    #[test]
    fn headers_of_other_lengths() {
        let mut encoded = WITNESS.encode().unwrap();
        encoded[6] = 48;
        encoded.splice(40..40, [9; 8]);
        reseal(&mut encoded);
        assert_eq!(Witness::decode(&encoded), Ok(WITNESS));
        let mut short = WITNESS.encode().unwrap();
        short[6] = 36;
        short.drain(36..40);
        reseal(&mut short);
        assert_eq!(Witness::decode(&short), Err(DecodeFault::Malformed("a witness' header is too short")));
    }
}
