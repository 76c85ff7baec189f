//! The system's allocator with two counters: how often it was asked for memory, and how many bytes are out.
//!
//! Bytes are counted as they were asked for, so the unused capacity of a vector counts and the allocator's own rounding
//! does not: it differs from one allocator to the next, and with it a figure would say as much about the allocator as
//! about the engine. (Redis' MEMORY USAGE, beside which the figures stand, asks its allocator and does include it.)
//!
//! The counters belong to one thread each, so that counting costs a few instructions and no lock.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<i64> = const { Cell::new(0) };
}

/// Counts what one thread asks for.
pub(crate) struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread asked for memory so far, growing a piece included.
pub(crate) fn calls() -> u64 {
    CALLS.get()
}

/// The bytes this thread holds, less what it freed for others.
pub(crate) fn bytes() -> i64 {
    BYTES.get()
}

/// The heap bytes that `build` leaves behind in what it returns.
pub(crate) fn bytes_of<T>(build: impl FnOnce() -> T) -> (T, i64) {
    let before = bytes();
    let built = build();
    (built, bytes() - before)
}

fn count(calls: u64, bytes: i64) {
    CALLS.set(CALLS.get() + calls);
    BYTES.set(BYTES.get() + bytes);
}

#[allow(unsafe_code, reason = "an allocator cannot be written without; every call is handed on as it came")]
// SAFETY: each function passes its arguments to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        // SAFETY: see above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        // SAFETY: see above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(1, new_size as i64 - layout.size() as i64);
        // SAFETY: see above.
        unsafe { System.realloc(old, layout, new_size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        count(0, -(layout.size() as i64));
        // SAFETY: see above.
        unsafe { System.dealloc(old, layout) }
    }
}
