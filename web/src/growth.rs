//! WebAssembly memory that grows in large steps.
//!
//! *Design.* Allocators ask for one page of 64 KB at a time, and each `memory.grow` makes the JavaScript engine account for
//! the whole memory anew: beyond 70 MB an append became three times slower. So after a call in which the memory grew, a
//! step of one eighth of it, 1 MB at least, is allocated and given back at once. The allocator keeps it, and the next
//! calls find it there.
//!
//! *Why not grow the memory ourselves.* It takes unsafe code, and the allocator would have to be told.

use alloc::vec::Vec;

const PAGE_BYTES: usize = 64 << 10;
const STEP_BYTES_MIN: usize = 1 << 20;

/// Notices growth, and adds to it.
#[derive(Default)]
pub(crate) struct Growth {
    pages: usize,
}

impl Growth {
    /// To be called after each call into the engine.
    pub(crate) fn settle(&mut self) {
        let pages = memory_pages();
        if pages > self.pages {
            self.pages = grow(pages);
        }
    }
}

/// Adds a step to a memory of so many pages. Without room for it, the memory stays as it is.
#[cold]
#[inline(never)]
fn grow(pages: usize) -> usize {
    let step = (pages * PAGE_BYTES / 8).max(STEP_BYTES_MIN);
    let mut room: Vec<u8> = Vec::new();
    // A refusal costs nothing: whoever needs memory will ask for what it needs.
    let _ = room.try_reserve_exact(step);
    drop(room);
    memory_pages()
}

#[cfg(target_arch = "wasm32")]
fn memory_pages() -> usize {
    core::arch::wasm32::memory_size::<0>()
}

/// Elsewhere the platform's allocator takes care of it.
#[cfg(not(target_arch = "wasm32"))]
fn memory_pages() -> usize {
    0
}
