//! Images: state as bytes, the way a snapshot holds it, and reading it back.
//!
//! This file knows numbers and strings. What an image says is the business of whoever owns the structure: entries write
//! and read their blocks, groups their pending entries, the engine its keys.
//!
//! A snapshot consists of *units*, each the image of a piece of state that is written anew as a whole when something
//! in it has changed, and named again when nothing has. Where a unit was stored last is remembered with the piece, as a
//! [`PartSpan`], which means nothing to whoever keeps it.
//!
//! *Reading* trusts nothing: the bytes may be anybody's. Each number is checked before it is used, and nothing is
//! allocated by an announced size.

use alloc::vec::Vec;

use crate::id::EntryId;
use crate::memory::OutOfMemory;

/// The size up to which a unit grows before it is divided. With the frame around it, a unit fits into one value of any
/// storage, unless a single entry is larger.
pub(crate) const UNIT_BYTES_MAX: usize = 56 << 10;

/// Where a unit of a snapshot is stored: the parts with these IDs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PartSpan {
    /// The ID of the first part.
    pub first: u64,
    /// How many parts there are; no unit has none.
    pub count: u32,
}

/// A step over the units of one structure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UnitStep {
    /// A unit is to be stored; its bytes were written, and its owner waits to be told where it is.
    Changed,
    /// A unit is as it was when it was stored there.
    Unchanged(PartSpan),
    /// All units are told.
    End,
    /// What the structure was could not be kept, since memory was refused: the snapshot has to begin anew.
    Lost,
}

/// Why an image could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ImageFault {
    /// The memory for it is not there.
    OutOfMemory,
    /// It is damaged, or does not fit what was read before.
    Misfit(&'static str),
}

impl From<OutOfMemory> for ImageFault {
    fn from(_: OutOfMemory) -> Self {
        ImageFault::OutOfMemory
    }
}

/// What reading says where the bytes end in the middle of something.
const CUT: ImageFault = ImageFault::Misfit("an image ends too early");

/// Writes an image to the end of a buffer. After memory was refused it writes nothing more, and says so at the end.
pub(crate) struct ImageWriter<'a> {
    out: &'a mut Vec<u8>,
    is_refused: bool,
}

impl<'a> ImageWriter<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> ImageWriter<'a> {
        ImageWriter { out, is_refused: false }
    }

    #[inline]
    pub(crate) fn byte(&mut self, byte: u8) {
        self.raw(&[byte]);
    }

    #[inline]
    pub(crate) fn varint(&mut self, value: u64) {
        match u8::try_from(value) {
            Ok(small @ 0..128) => self.byte(small),
            _ => self.long_varint(value),
        }
    }

    fn long_varint(&mut self, mut value: u64) {
        let mut encoded = [0; 10];
        let mut used = 0;
        for place in &mut encoded {
            used += 1;
            *place = (value & 127) as u8;
            value >>= 7;
            if value == 0 {
                break;
            }
            *place |= 128;
        }
        self.raw(encoded.get(..used).unwrap_or(&encoded));
    }

    /// A number that may be missing: 0 for none, otherwise one more than the number, which never is the largest.
    pub(crate) fn option(&mut self, value: Option<u64>) {
        self.varint(value.map_or(0, |value| value.saturating_add(1)));
    }

    pub(crate) fn id(&mut self, id: EntryId) {
        self.varint(id.ms());
        self.varint(id.seq());
    }

    /// An ID told from one before it, which may be any: IDs that stand together are mostly close together.
    pub(crate) fn id_after(&mut self, before: EntryId, id: EntryId) {
        let step = id.ms().wrapping_sub(before.ms()).cast_signed();
        self.varint((step << 1 ^ step >> 63).cast_unsigned());
        self.varint(id.seq());
    }

    /// Bytes with their length in front.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.raw(bytes);
    }

    /// Whether everything was written. If not, what was written is of no use.
    pub(crate) fn finish(self) -> Result<(), OutOfMemory> {
        if self.is_refused { Err(OutOfMemory) } else { Ok(()) }
    }

    #[inline]
    fn raw(&mut self, bytes: &[u8]) {
        if self.is_refused || self.out.try_reserve(bytes.len()).is_err() {
            self.is_refused = true;
            return;
        }
        self.out.extend_from_slice(bytes);
    }
}

/// Reads an image from its front.
#[derive(Clone)]
pub(crate) struct ImageReader<'a> {
    bytes: &'a [u8],
}

impl<'a> ImageReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> ImageReader<'a> {
        ImageReader { bytes }
    }

    /// Whether all was read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Result<u8, ImageFault> {
        let (&byte, rest) = self.bytes.split_first().ok_or(CUT)?;
        self.bytes = rest;
        Ok(byte)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, ImageFault> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 127);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte < 128 {
                return Ok(value);
            }
        }
        Err(ImageFault::Misfit("a number is too large"))
    }

    /// A number that has to fit a smaller type.
    pub(crate) fn number<T: TryFrom<u64>>(&mut self) -> Result<T, ImageFault> {
        T::try_from(self.varint()?).map_err(|_| ImageFault::Misfit("a number is too large"))
    }

    pub(crate) fn option(&mut self) -> Result<Option<u64>, ImageFault> {
        Ok(self.varint()?.checked_sub(1))
    }

    pub(crate) fn id(&mut self) -> Result<EntryId, ImageFault> {
        Ok(EntryId::new(self.varint()?, self.varint()?))
    }

    pub(crate) fn id_after(&mut self, before: EntryId) -> Result<EntryId, ImageFault> {
        let zigzag = self.varint()?;
        let step = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
        Ok(EntryId::new(before.ms().wrapping_add(step.cast_unsigned()), self.varint()?))
    }

    /// Bytes with their length in front.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], ImageFault> {
        let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(CUT)?;
        self.bytes = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let (before, id) = (EntryId::new(7, 9), EntryId::new(5, u64::MAX));
        let mut image = Vec::new();
        let mut writer = ImageWriter::new(&mut image);
        writer.byte(7);
        [0, 127, 128, u64::MAX].into_iter().for_each(|value| writer.varint(value));
        writer.option(None);
        writer.option(Some(3));
        writer.id(id);
        writer.id_after(before, id);
        writer.id_after(EntryId::MIN, EntryId::MAX);
        writer.bytes(b"name");
        assert_eq!(writer.finish(), Ok(()));

        let mut reader = ImageReader::new(&image);
        assert_eq!(reader.byte(), Ok(7));
        for value in [0, 127, 128, u64::MAX] {
            assert_eq!(reader.varint(), Ok(value));
        }
        assert_eq!((reader.option(), reader.option()), (Ok(None), Ok(Some(3))));
        assert_eq!((reader.id(), reader.id_after(before)), (Ok(id), Ok(id)));
        assert_eq!((reader.id_after(EntryId::MIN), reader.bytes()), (Ok(EntryId::MAX), Ok(&b"name"[..])));
        assert!(reader.is_at_end());
        assert_eq!(reader.byte(), Err(CUT));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(ImageReader::new(&[128]).varint(), Err(CUT));
        let too_large = Err(ImageFault::Misfit("a number is too large"));
        assert_eq!(ImageReader::new(&[255, 255, 255, 255, 255, 255, 255, 255, 255, 2]).varint(), too_large);
        assert_eq!(ImageReader::new(&[128, 2]).number::<u8>(), Err(ImageFault::Misfit("a number is too large")));
        assert_eq!(ImageReader::new(&[200, 200, 200, 1, 0]).bytes(), Err(CUT));
    }
}
