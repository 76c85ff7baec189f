//! Memory that may be refused: the helpers through which the engine allocates.
//!
//! Every size that comes from outside, and every growth of a structure that a command causes, is reserved before
//! anything changes, and a refusal becomes the reply `-OOM`. Nothing here knows what the memory is for.

use alloc::alloc::{Layout, handle_alloc_error};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

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

/// The capacity to ask for when `needed` exceeds `capacity`: twice as much, and beyond 1,024 a quarter more.
#[inline(never)]
pub(crate) fn grown_capacity(capacity: usize, needed: usize) -> usize {
    let step = if capacity < 1024 { capacity } else { capacity / 4 };
    needed.max(capacity.saturating_add(step))
}

/// What is left when memory is refused to a mutator for which nobody reserved any: the end, as in Rust's collections.
#[cold]
#[inline(never)]
pub(crate) fn give_up() -> ! {
    handle_alloc_error(Layout::new::<u32>())
}

/// A value in a box of its own, made by [`try_box`]. Inside is an array of one, because the box of a slice can be made
/// by a reservation that may be refused, and a plain box cannot.
pub(crate) struct Boxed<T>(Box<[T; 1]>);

/// Puts a value into a box of its own.
pub(crate) fn try_box<T>(value: T) -> Result<Boxed<T>, OutOfMemory> {
    let mut single = Vec::new();
    single.try_reserve_exact(1)?;
    single.push(value);
    single.into_boxed_slice().try_into().map(Boxed).map_err(|_| OutOfMemory)
}

impl<T> Deref for Boxed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        let [value] = &*self.0;
        value
    }
}

impl<T> DerefMut for Boxed<T> {
    fn deref_mut(&mut self) -> &mut T {
        let [value] = &mut *self.0;
        value
    }
}
