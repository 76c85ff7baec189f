//! What the codecs of chunks, manifests and parts share: little-endian numbers, the head, checksums, faults.
//!
//! *Design.* Every stored value begins with the same eight bytes, the head: a magic of four, the major version, flags,
//! and the length of the fixed part. Every value carries one checksum over all its other bytes, at a place that no later
//! version moves. So a reader can tell damage from novelty: it believes a version number only once the checksum holds,
//! and a flipped bit in the version is damage, not a reason to ask for an update.
//!
//! *Invariants*
//! 1. Reading never goes beyond the bytes that are there and allocates nothing by a number that stands in them.
//! 2. Where a value is shorter than it says, the fault is `Torn`, whatever else is wrong behind its head.
//!
//! *Fuzzing.* Built with `--cfg fuzzing`, checksums always match: behind them lies what a fuzzer has to reach.

use alloc::vec::Vec;
use core::fmt;

use xxhash_rust::xxh64::Xxh64;

use crate::memory::OutOfMemory;

/// Sequences, epochs and part IDs stay below this: they are keys in stores whose numbers are doubles.
pub const NUMBER_END: u64 = 1 << 53;

/// The only major version there is.
pub(super) const MAJOR: u8 = 1;

/// The bytes of the head that every stored value begins with.
pub(super) const HEAD_BYTES: usize = 8;

/// The bytes of a checksum.
pub(super) const CHECKSUM_BYTES: usize = 8;

/// Flags of which a reader has to know each one that is set. The others may be ignored.
const MUST_UNDERSTAND: u8 = 0xf0;

const IS_CHECKED: bool = !cfg!(fuzzing);

/// What is wrong with a stored value, looked at alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeFault {
    /// It is shorter than it says, or too short to say.
    Torn {
        /// How many bytes there are.
        has: u64,
        /// How many there should be at least.
        needs: u64,
    },
    /// It is longer than it says.
    Excess {
        /// How many bytes there are.
        has: u64,
        /// How many there should be.
        needs: u64,
    },
    /// It does not begin as such a value does: it is something else, or its first bytes are damaged.
    BadMagic,
    /// Its bytes are not those that were written.
    BadChecksum {
        /// The checksum it carries.
        stored: u64,
        /// The checksum of what it holds.
        computed: u64,
    },
    /// It is whole, and written by a version whose values this one cannot read.
    TooNew {
        /// The version needed to read it.
        major: u8,
        /// Its flags, of which one in the high half may be unknown.
        flags: u8,
    },
    /// Its checksum holds, but no writer of this format makes such a value.
    Malformed(&'static str),
    /// The memory to hold what it lists is not there.
    OutOfMemory,
}

impl fmt::Display for DecodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            DecodeFault::Torn { has, needs } => write!(f, "torn: {has} bytes of at least {needs}"),
            DecodeFault::Excess { has, needs } => write!(f, "too long: {has} bytes instead of {needs}"),
            DecodeFault::BadMagic => f.write_str("its first four bytes are not those of such a value"),
            DecodeFault::BadChecksum { stored, computed } => {
                write!(f, "its checksum is {stored:016x}, and its bytes give {computed:016x}")
            }
            DecodeFault::TooNew { major, flags } => {
                write!(f, "too new: it takes version {major} with flags {flags:#04x}, and this is version {MAJOR}")
            }
            DecodeFault::Malformed(what) => write!(f, "malformed: {what}"),
            DecodeFault::OutOfMemory => f.write_str("there is no memory for it"),
        }
    }
}

impl core::error::Error for DecodeFault {}

impl From<OutOfMemory> for DecodeFault {
    fn from(_: OutOfMemory) -> Self {
        DecodeFault::OutOfMemory
    }
}

/// Why a value could not be written; nothing was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EncodeFault {
    /// The memory for it is not there.
    OutOfMemory,
    /// A number that the format has no room for, or that no reader would accept.
    OutOfRange,
}

impl fmt::Display for EncodeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EncodeFault::OutOfMemory => "there is no memory for it",
            EncodeFault::OutOfRange => "a number is out of the format's range",
        })
    }
}

impl core::error::Error for EncodeFault {}

impl From<OutOfMemory> for EncodeFault {
    fn from(_: OutOfMemory) -> Self {
        EncodeFault::OutOfMemory
    }
}

/// The checksum of `bytes`. (The library's function for one piece is a second copy of the same code.)
fn checksum(bytes: &[u8]) -> u64 {
    checksum_of_two(bytes, &[])
}

/// The checksum of `front` followed by `back`.
pub(super) fn checksum_of_two(front: &[u8], back: &[u8]) -> u64 {
    let mut hasher = Xxh64::new(0);
    hasher.update(front);
    hasher.update(back);
    hasher.digest()
}

/// Compares a checksum that was stored with the one that the bytes give.
pub(super) fn checksums_match(stored: u64, computed: u64) -> bool {
    stored == computed || !IS_CHECKED
}

/// Puts the checksum of all of `bytes` at their end, for which there has to be room.
pub(super) fn seal(bytes: &mut Vec<u8>) -> u64 {
    let checksum = checksum(bytes);
    put_u64(bytes, checksum);
    checksum
}

/// The outcome of comparing the checksum at the end of a value with what stands before it.
pub(super) struct Seal {
    pub(super) stored: u64,
    pub(super) computed: u64,
}

impl Seal {
    /// Reads the seal; too few bytes to hold one are torn.
    pub(super) fn of(bytes: &[u8]) -> Result<Seal, DecodeFault> {
        let (body, stored) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or_else(|| torn(bytes, CHECKSUM_BYTES))?;
        Ok(Seal { stored: u64::from_le_bytes(*stored), computed: checksum(body) })
    }
}

/// Whether the value is what was written, whole. `needs` is the length that it announces.
///
/// The length is looked at first where the checksum fails: a value that was cut off is torn, which a medium may do to
/// its last value, and not damaged.
pub(super) fn check_whole(bytes: &[u8], needs: u64, seal: &Seal) -> Result<(), DecodeFault> {
    if checksums_match(seal.stored, seal.computed) {
        return Ok(());
    }
    check_length(bytes, needs)?;
    Err(DecodeFault::BadChecksum { stored: seal.stored, computed: seal.computed })
}

/// Whether the value has the length that it announces.
pub(super) fn check_length(bytes: &[u8], needs: u64) -> Result<(), DecodeFault> {
    let has = bytes.len() as u64;
    match has {
        _ if has < needs => Err(DecodeFault::Torn { has, needs }),
        _ if has > needs => Err(DecodeFault::Excess { has, needs }),
        _ => Ok(()),
    }
}

/// Malformed unless `holds`.
pub(super) fn require(holds: bool, otherwise: &'static str) -> Result<(), DecodeFault> {
    if holds { Ok(()) } else { Err(DecodeFault::Malformed(otherwise)) }
}

/// The first bytes of every stored value.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) magic: [u8; 4],
    pub(super) major: u8,
    pub(super) flags: u8,
    pub(super) header_bytes: u16,
}

impl Head {
    /// Writes the head.
    pub(super) fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.magic);
        out.extend_from_slice(&[self.major, self.flags]);
        out.extend_from_slice(&self.header_bytes.to_le_bytes());
    }

    /// Reads a head that has to begin with `magic`. Nothing else is checked.
    pub(super) fn read(reader: &mut Reader<'_>, magic: [u8; 4]) -> Result<Head, DecodeFault> {
        if reader.array()? != magic {
            return Err(DecodeFault::BadMagic);
        }
        let [major, flags] = reader.array()?;
        Ok(Head { magic, major, flags, header_bytes: reader.u16()? })
    }

    /// Whether this version can read a value of which `major` is the oldest reader.
    pub(super) fn check_version(self, major: u8, known_flags: u8) -> Result<(), DecodeFault> {
        if major > MAJOR || self.flags & MUST_UNDERSTAND & !known_flags != 0 {
            return Err(DecodeFault::TooNew { major, flags: self.flags });
        }
        require(major > 0, "version 0")
    }
}

/// Reads little-endian numbers from the front of bytes.
pub(super) struct Reader<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { whole: bytes, rest: bytes }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeFault> {
        let read = self.whole.len() - self.rest.len();
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| torn(self.whole, read + N))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeFault> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeFault> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeFault> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeFault> {
        self.array().map(u64::from_le_bytes)
    }
}

fn torn(bytes: &[u8], needs: usize) -> DecodeFault {
    DecodeFault::Torn { has: bytes.len() as u64, needs: needs as u64 }
}

pub(super) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// Repairs the checksum at the end, so that what else is wrong has to be found.
    pub(in crate::persist) fn reseal(bytes: &mut Vec<u8>) {
        bytes.truncate(bytes.len() - CHECKSUM_BYTES);
        seal(bytes);
    }
}
