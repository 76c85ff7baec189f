//! Timers: what has to happen at which time.
//!
//! It knows times and who asked for them, and never looks at a clock.
//!
//! *Design.* A heap of (time, purpose). Nothing is taken out when a purpose lapses or its time changes: whoever handles
//! a due timer compares it with what its owner wants by then, and drops it if they differ. When the heap has doubled
//! since it was last cleaned, the lapsed ones are dropped together, so that setting a key's expiry a million times
//! costs no more memory than once.
//!
//! *Invariant*: everything an owner wants done at a time has a timer with exactly that time.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::WaiterId;
use super::keyspace::KeyRef;
use crate::memory::OutOfMemory;

/// Heaps up to this size are never cleaned.
const CLEAN_LEN_MIN: usize = 64;

/// What has to happen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Purpose {
    /// The key expires.
    Expire,
    /// Producers' IDs of the stream have to be forgotten.
    ForgetProduced,
    /// The wait times out.
    TimeOut,
    /// A pending entry that the waiter wants to claim is idle long enough.
    Mature,
}

/// Something to do at a time. `slot` is the key's in its database, or the waiter's. What is due at the same time is
/// done in the order of these fields: waiters by arrival, which their slots, being used again, do not tell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Timer {
    pub(crate) at_ms: u64,
    pub(crate) purpose: Purpose,
    /// The waiter's; none for a key.
    pub(crate) waiter: Option<WaiterId>,
    pub(crate) database: u8,
    pub(crate) slot: u32,
}

impl Timer {
    /// A timer about a key.
    pub(crate) fn of_key(at_ms: u64, purpose: Purpose, key: KeyRef) -> Timer {
        Timer { at_ms, purpose, waiter: None, database: key.database, slot: key.slot }
    }

    /// A timer about a waiter.
    pub(crate) fn of_waiter(at_ms: u64, purpose: Purpose, waiter: WaiterId, slot: u32) -> Timer {
        Timer { at_ms, purpose, waiter: Some(waiter), database: 0, slot }
    }

    /// The key it is about.
    pub(crate) fn key(&self) -> KeyRef {
        KeyRef { database: self.database, slot: self.slot }
    }
}

/// All timers.
#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<Timer>>,
    /// How many timers were left after the last cleaning.
    cleaned_len: usize,
}

impl Timers {
    /// Makes room for some timers.
    pub(crate) fn reserve(&mut self, count: usize) -> Result<(), OutOfMemory> {
        Ok(self.heap.try_reserve(count)?)
    }

    /// Sets a timer, after [`Timers::reserve`].
    pub(crate) fn push(&mut self, timer: Timer) {
        self.heap.push(Reverse(timer));
    }

    /// The first timer.
    pub(crate) fn first(&self) -> Option<Timer> {
        self.heap.peek().map(|Reverse(timer)| *timer)
    }

    /// Takes the first timer if it is due.
    pub(crate) fn pop_due(&mut self, now_ms: u64) -> Option<Timer> {
        if self.first()?.at_ms > now_ms {
            return None;
        }
        self.heap.pop().map(|Reverse(timer)| timer)
    }

    /// Takes the first timer away.
    pub(crate) fn pop(&mut self) {
        self.heap.pop();
    }

    /// Whether it is time to clean.
    pub(crate) fn wants_cleaning(&self) -> bool {
        self.heap.len() > CLEAN_LEN_MIN.max(self.cleaned_len * 2)
    }

    /// Drops the timers that are not wanted any more.
    pub(crate) fn clean(&mut self, is_wanted: &mut dyn FnMut(&Timer) -> bool) {
        self.heap.retain(|Reverse(timer)| is_wanted(timer));
        self.cleaned_len = self.heap.len();
    }

    /// Gives memory back when most of it stands empty. A refusal leaves it as it is.
    pub(crate) fn shrink(&mut self) {
        let len = self.heap.len();
        if len == 0 {
            *self = Timers::default();
        } else if self.heap.capacity() / 4 > len.max(CLEAN_LEN_MIN) {
            let mut smaller = Vec::new();
            if smaller.try_reserve_exact(len * 2).is_ok() {
                smaller.extend(self.heap.drain());
                self.heap = BinaryHeap::from(smaller);
                self.cleaned_len = len;
            }
        }
    }

    /// The memory held.
    pub(crate) fn memory(&self) -> usize {
        self.heap.capacity() * size_of::<Timer>()
    }
}
