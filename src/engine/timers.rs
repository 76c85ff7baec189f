//! Timers: what has to happen at which time.
//!
//! It knows times and who asked for them, and never looks at a clock.
//!
//! *Design.* A sorted list of (time, purpose). Nothing is taken out when a purpose lapses or its time changes: whoever
//! handles a due timer compares it with what its owner wants by then, and drops it if they differ. When the list has
//! doubled since it was last cleaned, the lapsed ones are dropped together, so that setting a key's expiry a million
//! times costs no more memory than once.
//!
//! *Why not a heap.* It does the same, but `BinaryHeap` would be used for nothing else, and the lists are there.
//!
//! *Invariant*: everything an owner wants done at a time has a timer with exactly that time.

use core::cmp::Ordering;

use super::WaiterId;
use super::keyspace::KeyRef;
use crate::memory::OutOfMemory;
use crate::slots::Slots;
use crate::sorted_keys::SortedKeys;

/// Up to so many timers are never cleaned.
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
    slots: Slots<Timer>,
    order: SortedKeys,
    /// How many timers were left after the last cleaning.
    cleaned_len: usize,
}

impl Timers {
    /// Makes room for some timers.
    pub(crate) fn reserve(&mut self, count: usize) -> Result<(), OutOfMemory> {
        self.slots.reserve(count)?;
        self.order.reserve(count)
    }

    /// Sets a timer, after [`Timers::reserve`].
    pub(crate) fn push(&mut self, timer: Timer) {
        let slots = &self.slots;
        let place = self.order.seek(&mut |key| slots.get(key).cmp(&Some(&timer)));
        let key = self.slots.insert(timer);
        self.order.insert_at(place, key);
    }

    /// The first timer.
    pub(crate) fn first(&self) -> Option<Timer> {
        self.slots.get(self.order.first()?).copied()
    }

    /// Takes the first timer if it is due.
    pub(crate) fn pop_due(&mut self, now_ms: u64) -> Option<Timer> {
        let first = self.first()?;
        if first.at_ms > now_ms {
            return None;
        }
        self.pop();
        Some(first)
    }

    /// Takes the first timer away.
    pub(crate) fn pop(&mut self) {
        if let Some(key) = self.order.first() {
            self.order.remove(key, &mut |_| Ordering::Equal);
            self.slots.remove(key);
        }
    }

    /// Whether it is time to clean.
    pub(crate) fn wants_cleaning(&self) -> bool {
        self.slots.len() > CLEAN_LEN_MIN.max(self.cleaned_len * 2)
    }

    /// Drops the timers that are not wanted any more. A refusal leaves all of them.
    pub(crate) fn clean(&mut self, is_wanted: &mut dyn FnMut(&Timer) -> bool) {
        let mut cleaned = Timers::default();
        let wanted = self.slots.iter().filter(|(_, timer)| is_wanted(timer)).count();
        if cleaned.reserve(wanted).is_err() {
            return;
        }
        for timer in self.order.iter().filter_map(|key| self.slots.get(key)).filter(|timer| is_wanted(timer)) {
            let key = cleaned.slots.insert(*timer);
            cleaned.order.push_back(key);
        }
        cleaned.cleaned_len = wanted;
        *self = cleaned;
    }

    /// Gives memory back when most of it stands empty. A refusal leaves it as it is.
    pub(crate) fn shrink(&mut self) {
        let len = self.slots.len();
        if len == 0 {
            if self.memory() > 0 {
                *self = Timers::default();
            }
        } else if self.slots.end() as usize / 4 > len.max(CLEAN_LEN_MIN) {
            self.clean(&mut |_| true);
        }
    }

    /// The memory held.
    pub(crate) fn memory(&self) -> usize {
        self.slots.memory() + self.order.memory()
    }
}
