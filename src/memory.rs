//! Memory that may be refused: the helpers through which the engine allocates.
//!
//! Every size that comes from outside, and every growth of a structure that a command causes, is reserved before
//! anything changes, and a refusal becomes the reply `-OOM`. Nothing here knows what the memory is for.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// The allocator refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OutOfMemory;

impl From<alloc::collections::TryReserveError> for OutOfMemory {
    fn from(_: alloc::collections::TryReserveError) -> Self {
        OutOfMemory
    }
}

/// A copy of `bytes` with exactly their size.
pub(crate) fn try_boxed(bytes: &[u8]) -> Result<Box<[u8]>, OutOfMemory> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len())?;
    copy.extend_from_slice(bytes);
    Ok(copy.into_boxed_slice())
}

/// Appends after reserving.
pub(crate) fn try_push<T>(list: &mut Vec<T>, item: T) -> Result<(), OutOfMemory> {
    list.try_reserve(1)?;
    list.push(item);
    Ok(())
}
