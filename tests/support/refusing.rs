//! Memory that is refused on demand, and the lines of the workloads to which that happens. It does not know what is run.
//!
//! A program that has this file has its allocator. Each thread counts for itself, so tests may run beside each other.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which refuses on demand, on the thread that demands it.
struct Refusing;

#[global_allocator]
static ALLOCATOR: Refusing = Refusing;

thread_local! {
    /// How many more allocations are granted; `None` is all.
    static GRANTED: Cell<Option<u64>> = const { Cell::new(None) };
    /// Whether one refusal is followed by more.
    static STAYS_EXHAUSTED: Cell<bool> = const { Cell::new(false) };
}

fn is_refused() -> bool {
    match GRANTED.get() {
        None => false,
        Some(0) => {
            if !STAYS_EXHAUSTED.get() {
                GRANTED.set(None);
            }
            true
        }
        Some(granted) => {
            GRANTED.set(Some(granted - 1));
            false
        }
    }
}

#[allow(unsafe_code, reason = "an allocator cannot be written without; every call is refused or handed on as it came")]
// SAFETY: each function passes its arguments to the system's allocator, or returns null as an allocator may.
unsafe impl GlobalAlloc for Refusing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_refused() { std::ptr::null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Giving memory back is never refused.
        let refused = size > layout.size() && is_refused();
        if refused { std::ptr::null_mut() } else { unsafe { System.realloc(pointer, layout, size) } }
    }
}

/// One point of a workload at which memory is refused.
pub(crate) struct Refusals {
    /// How many more allocations are granted before one is refused; `None` if none is refused any more.
    left: Option<u64>,
    stays_exhausted: bool,
    /// The workload and the point, for messages.
    pub(crate) context: String,
}

impl Refusals {
    /// Refuses the allocation after so many, and all later ones of the same call if the memory stays exhausted.
    pub(crate) fn after(granted: u64, stays_exhausted: bool, name: &str) -> Refusals {
        let context = format!("{name}, allocation {granted} refused, stays exhausted: {stays_exhausted}");
        Refusals { left: Some(granted), stays_exhausted, context }
    }

    /// Refuses nothing.
    pub(crate) fn none(context: String) -> Refusals {
        Refusals { left: None, stays_exhausted: false, context }
    }

    /// Whether no call is refused anything from here on.
    pub(crate) fn are_over(&self) -> bool {
        self.left.is_none()
    }

    /// Calls something while allocations are counted; also says whether one was refused.
    pub(crate) fn during<T>(&mut self, call: impl FnOnce() -> T) -> (T, bool) {
        let was_armed = self.left.is_some();
        STAYS_EXHAUSTED.set(self.stays_exhausted);
        GRANTED.set(self.left);
        let result = call();
        let after = GRANTED.replace(None);
        let happened = was_armed && (after.is_none() || after == Some(0) && self.stays_exhausted);
        // Once the refusal has happened, all memory is there again for the calls that follow.
        self.left = if happened { None } else { after };
        (result, happened)
    }
}

/// Calls something that may not ask for memory. Most of what does, and is refused, ends the process.
pub(crate) fn without_memory(call: impl FnOnce()) {
    STAYS_EXHAUSTED.set(false);
    GRANTED.set(Some(0));
    call();
    assert_eq!(GRANTED.replace(None), Some(0), "memory was asked for");
}

/// A line as often as its `times* ` says, or once, with `{n}` counting up from 1.
pub(crate) fn repeated(line: &str) -> Vec<String> {
    let (times, text) = match line.split_once("* ") {
        Some((times, rest)) if times.bytes().all(|byte| byte.is_ascii_digit()) => {
            (times.parse().expect("a number of times"), rest)
        }
        _ => (1, line),
    };
    (1..=times).map(|n: usize| text.replace("{n}", &n.to_string())).collect()
}
