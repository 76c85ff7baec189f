//! Values under small numbers that never change: a vector of slots whose free ones are threaded into a list.
//!
//! It does not know what it holds. Consumers, groups, keys of the keyspace and waiters live in such vectors; whoever
//! refers to one keeps its key, four bytes, instead of a pointer or a name.
//!
//! *Why not the `slab` crate.* It is the same structure, but it can only grow by aborting when memory is refused, and
//! a doubling vector wastes up to half its size. Here growth is reserved first, may be refused, and beyond 1,024 slots
//! adds a quarter.
//!
//! *Reservation.* `reserve(n)` makes the next `n` insertions infallible, whatever is removed in between: a removal
//! leaves its slot to be used again. Memory goes back only when the owner says so ([`Slots::release_if_empty`]).
//!
//! *Invariants*
//! 1. `len` is the number of full slots.
//! 2. The list that starts at `free` visits each free slot once and nothing else.

use alloc::string::String;
use alloc::vec::Vec;

use crate::invariant::ensure;
use crate::memory::{OutOfMemory, grown_capacity};

/// The end of a list that is threaded through keys; therefore never a key.
pub(crate) const NO_KEY: u32 = u32::MAX;

/// Slots by key; see the head of this file.
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    len: u32,
    free: u32,
}

enum Slot<T> {
    Full(T),
    Free { next: u32 },
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots::new()
    }
}

impl<T> Slots<T> {
    pub(crate) const fn new() -> Self {
        Slots { slots: Vec::new(), len: 0, free: NO_KEY }
    }

    /// Makes the next `n` insertions infallible.
    pub(crate) fn reserve(&mut self, n: usize) -> Result<(), OutOfMemory> {
        let fresh = n.saturating_sub(self.slots.len() - self.len());
        let needed = self.slots.len().checked_add(fresh).ok_or(OutOfMemory)?;
        if needed <= self.slots.capacity() {
            return Ok(());
        }
        if needed >= NO_KEY as usize {
            return Err(OutOfMemory);
        }
        let wanted = grown_capacity(self.slots.capacity(), needed) - self.slots.len();
        // Where the step is too much, what is needed may still be had.
        self.slots.try_reserve_exact(wanted).or_else(|_| self.slots.try_reserve_exact(fresh))?;
        Ok(())
    }

    /// Stores a value and returns its key. Room must have been reserved.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        let key = self.free;
        if let Some(slot) = self.slots.get_mut(key as usize) {
            if let Slot::Free { next } = *slot {
                self.free = next;
            }
            *slot = Slot::Full(value);
            return key;
        }
        debug_assert!(self.slots.len() < self.slots.capacity(), "insertion without reservation");
        self.slots.push(Slot::Full(value));
        (self.slots.len() - 1) as u32
    }

    /// Stores a value under a key of the caller's choice, which has to be free. To be followed by [`Slots::thread`], when
    /// all values are stored; until then nothing may be removed. Returns whether the key was free.
    pub(crate) fn insert_at(&mut self, key: u32, value: T) -> Result<bool, OutOfMemory> {
        let index = key as usize;
        if index >= self.slots.len() {
            if key == NO_KEY {
                return Ok(false);
            }
            let needed = index + 1;
            if needed > self.slots.capacity() {
                let wanted = grown_capacity(self.slots.capacity(), needed) - self.slots.len();
                self.slots.try_reserve_exact(wanted)?;
            }
            self.slots.resize_with(needed, || Slot::Free { next: NO_KEY });
            self.free = NO_KEY;
        }
        let Some(slot @ Slot::Free { .. }) = self.slots.get_mut(index) else { return Ok(false) };
        *slot = Slot::Full(value);
        self.len += 1;
        self.free = NO_KEY;
        Ok(true)
    }

    /// Threads the free slots after values were stored under chosen keys: the lowest is used first.
    pub(crate) fn thread(&mut self) {
        let mut free = NO_KEY;
        for (key, slot) in self.slots.iter_mut().enumerate().rev() {
            if let Slot::Free { next } = slot {
                *next = core::mem::replace(&mut free, key as u32);
            }
        }
        self.free = free;
    }

    /// How many slots there are, full or free: above all keys.
    pub(crate) fn end(&self) -> u32 {
        self.slots.len() as u32
    }

    /// Takes a value out; its key will be given to another one.
    pub(crate) fn remove(&mut self, key: u32) -> Option<T> {
        let slot = self.slots.get_mut(key as usize)?;
        if matches!(slot, Slot::Free { .. }) {
            return None;
        }
        let removed = core::mem::replace(slot, Slot::Free { next: self.free });
        self.free = key;
        self.len -= 1;
        match removed {
            Slot::Full(value) => Some(value),
            Slot::Free { .. } => None,
        }
    }

    /// Gives all memory back if nothing is stored, and with it any reservation.
    pub(crate) fn release_if_empty(&mut self) {
        if self.len == 0 {
            *self = Slots::new();
        }
    }

    #[inline]
    pub(crate) fn get(&self, key: u32) -> Option<&T> {
        match self.slots.get(key as usize) {
            Some(Slot::Full(value)) => Some(value),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: u32) -> Option<&mut T> {
        match self.slots.get_mut(key as usize) {
            Some(Slot::Full(value)) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// All values with their keys, in the order of the keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.iter_from(0)
    }

    /// All values with their keys, to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        (0..).zip(&mut self.slots).filter_map(|(key, slot)| match slot {
            Slot::Full(value) => Some((key, value)),
            Slot::Free { .. } => None,
        })
    }

    /// All values with their keys from a key on, which need not exist. A scan that remembers the last key it saw goes on behind it and
    /// meets every value that was there all the time.
    pub(crate) fn iter_from(&self, key: u32) -> impl Iterator<Item = (u32, &T)> {
        let rest = self.slots.get(key as usize..).unwrap_or(&[]);
        (key..).zip(rest).filter_map(|(key, slot)| match slot {
            Slot::Full(value) => Some((key, value)),
            Slot::Free { .. } => None,
        })
    }

    /// The bytes of the vector. What the values own elsewhere is counted by whoever knows them.
    pub(crate) fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<Slot<T>>()
    }

    /// Checks the invariants in the head of this file.
    pub(crate) fn validate(&self) -> Result<(), String> {
        ensure(self.iter().count() == self.len(), "slots 1: the length differs from the number of full slots")?;
        let (mut free, mut key) = (0, self.free);
        while key != NO_KEY {
            let Some(Slot::Free { next }) = self.slots.get(key as usize) else {
                return Err(String::from("slots 2: the free list visits a slot that is not free"));
            };
            free += 1;
            ensure(free + self.len() <= self.slots.len(), "slots 2: the free list visits a slot twice")?;
            key = *next;
        }
        ensure(free + self.len() == self.slots.len(), "slots 2: the free list misses a free slot")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[track_caller]
    fn insert(slots: &mut Slots<&'static str>, value: &'static str) -> u32 {
        slots.reserve(1).unwrap();
        let key = slots.insert(value);
        slots.validate().unwrap();
        key
    }

    #[test]
    fn keys_are_small_stable_and_used_again() {
        let mut slots = Slots::new();
        let keys = ["a", "b", "c"].map(|value| insert(&mut slots, value));
        assert_eq!(keys, [0, 1, 2]);
        assert_eq!(slots.remove(1), Some("b"));
        assert_eq!(slots.remove(1), None);
        assert_eq!(slots.remove(7), None);
        slots.validate().unwrap();
        assert_eq!((slots.get(0), slots.get(1), slots.get(2), slots.len()), (Some(&"a"), None, Some(&"c"), 2));
        assert_eq!(insert(&mut slots, "d"), 1);
        *slots.get_mut(1).unwrap() = "e";
        assert_eq!(slots.iter().collect::<std::vec::Vec<_>>(), vec![(0, &"a"), (1, &"e"), (2, &"c")]);
        assert_eq!(slots.iter_from(1).map(|(key, _)| key).collect::<std::vec::Vec<_>>(), vec![1, 2]);
        assert_eq!(slots.iter_from(3).count(), 0);
        assert_eq!(slots.iter_from(u32::MAX).count(), 0);
    }

    #[test]
    fn a_reservation_survives_removals() {
        let mut slots = Slots::new();
        let only = insert(&mut slots, "only");
        slots.reserve(10).unwrap();
        let reserved = slots.memory();
        slots.remove(only);
        for _ in 0..11 {
            slots.insert("more");
        }
        assert_eq!(slots.memory(), reserved);
        slots.validate().unwrap();
    }

    #[test]
    fn values_come_back_under_their_keys() {
        let mut slots = Slots::new();
        for (key, is_free) in [(5, true), (2, true), (5, false), (NO_KEY, false), (0, true)] {
            assert_eq!(slots.insert_at(key, key), Ok(is_free), "{key}");
        }
        slots.thread();
        slots.validate().unwrap();
        assert_eq!(slots.iter().map(|(key, _)| key).collect::<std::vec::Vec<_>>(), [0, 2, 5]);
        assert_eq!((slots.len(), slots.end()), (3, 6));
        slots.reserve(4).unwrap();
        assert_eq!([9; 4].map(|value| slots.insert(value)), [1, 3, 4, 6]);
        slots.validate().unwrap();
    }

    #[test]
    fn growth_doubles_first_and_adds_a_quarter_later() {
        assert_eq!(grown_capacity(0, 1), 1);
        assert_eq!(grown_capacity(4, 5), 8);
        assert_eq!(grown_capacity(4, 100), 100);
        assert_eq!(grown_capacity(2048, 2049), 2560);
        let mut slots = Slots::new();
        for value in 0..100_000_u32 {
            slots.reserve(1).unwrap();
            slots.insert(value);
        }
        assert!(slots.memory() <= 100_000 * size_of::<Slot<u32>>() * 5 / 4);
    }

    #[test]
    fn memory_goes_back_when_asked_for_and_impossible_sizes_are_refused() {
        let mut slots = Slots::new();
        let key = insert(&mut slots, "a");
        slots.release_if_empty();
        assert_eq!(slots.get(key), Some(&"a"));
        slots.remove(key);
        slots.release_if_empty();
        assert_eq!(slots.memory(), 0);
        assert_eq!(slots.reserve(usize::MAX), Err(OutOfMemory));
        assert_eq!(slots.reserve(u32::MAX as usize), Err(OutOfMemory));
        slots.validate().unwrap();
    }
}
