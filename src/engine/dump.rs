//! One value as bytes, for DUMP and RESTORE.
//!
//! *Layout*
//!
//! ```text
//! value     as in a page of keys (`snapshot/key.rs`), with all entries and pending entries in it
//! version   1
//! checksum  8 bytes, little-endian: SipHash-1-3 with key 0 over all before
//! ```
//!
//! The checksum finds accidents. The bytes may be anybody's all the same, and are read as such.

use alloc::vec::Vec;

use super::Stored;
use super::snapshot::key;
use crate::hash::hash;
use crate::image::{ImageFault, ImageReader, ImageWriter};
use crate::memory::OutOfMemory;

const VERSION: u8 = 1;

/// Writes a value to the end of `out`.
pub(crate) fn write(value: &Stored, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    let mut image = ImageWriter::new(out);
    key::write_value(value, true, &mut image);
    image.byte(VERSION);
    image.finish()?;
    let checksum = hash([0, 0], out);
    out.try_reserve(size_of::<u64>())?;
    out.extend_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// The value in what `write` wrote, if the version is known and the checksum right.
pub(crate) fn verify(bytes: &[u8]) -> Option<&[u8]> {
    let (versioned, checksum) = bytes.split_last_chunk()?;
    let (&version, value) = versioned.split_last()?;
    // Fuzzers look behind the checksum, which they would not guess.
    let is_whole = cfg!(fuzzing) || hash([0, 0], versioned) == u64::from_le_bytes(*checksum);
    (is_whole && version == VERSION).then_some(value)
}

/// Whether a value can be read.
pub(crate) fn check(value: &[u8]) -> Result<bool, OutOfMemory> {
    match read(value) {
        Ok(_) => Ok(true),
        Err(ImageFault::OutOfMemory) => Err(OutOfMemory),
        Err(ImageFault::Misfit(_)) => Ok(false),
    }
}

/// Reads a value.
pub(super) fn read(value: &[u8]) -> Result<Stored, ImageFault> {
    let mut image = ImageReader::new(value);
    let mut stored = key::load_value(&mut image)?;
    if let Stored::Stream(stream) = &mut stored {
        stream.finish_load()?;
    }
    if image.is_at_end() { Ok(stored) } else { Err(ImageFault::Misfit("a value goes on behind its end")) }
}
