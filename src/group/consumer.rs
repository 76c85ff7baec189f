//! The consumers of a group: who reads, when they were last seen, and which pending entries are theirs.
//!
//! A consumer knows its pending entries as keys of records that the group keeps; so whoever changes a consumer's list
//! passes the records along.
//!
//! *Invariants*
//! 1. Names are strictly ascending in the order of names, which holds each consumer once.
//! 2. Each consumer's list is strictly ascending by entry ID.
//! 3. `heap_bytes` is what names and lists take.

use alloc::boxed::Box;
use alloc::string::String;
use core::cmp::Ordering;

use crate::id::EntryId;
use crate::invariant::ensure;
use crate::memory::{OutOfMemory, try_boxed};
use crate::slots::Slots;
use crate::sorted_keys::{Keys, SortedKeys};

use super::pages::Pages;
use super::pending::compare_id;
use super::{ConsumerKey, PendingKey};

/// One reader of a group.
pub(crate) struct Consumer {
    name: Box<[u8]>,
    seen_ms: u64,
    active_ms: Option<u64>,
    pending: SortedKeys,
}

impl Consumer {
    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    /// When it last tried to read or claim.
    pub(crate) fn seen_ms(&self) -> u64 {
        self.seen_ms
    }

    /// When it last got an entry, if ever.
    pub(crate) fn active_ms(&self) -> Option<u64> {
        self.active_ms
    }

    pub(crate) fn pending_len(&self) -> u64 {
        self.pending.len() as u64
    }

    pub(super) fn first_pending(&self) -> Option<PendingKey> {
        self.pending.first()
    }

    /// Its pending entries by ID, from one on.
    pub(super) fn pending_from(&self, from: EntryId, pages: &Pages) -> Keys<'_> {
        self.pending.iter_from(self.pending.seek(&mut |key| compare_id(pages, key, from)))
    }

    pub(super) fn has_pending(&self, id: EntryId, pages: &Pages) -> bool {
        self.pending.find(&mut |key| compare_id(pages, key, id)).is_some()
    }

    fn heap_bytes(&self) -> usize {
        self.name.len() + self.pending.memory()
    }
}

/// All consumers of a group; see the head of this file.
pub(super) struct Consumers {
    slots: Slots<Consumer>,
    by_name: SortedKeys,
    heap_bytes: usize,
}

impl Consumers {
    pub(super) const fn new() -> Consumers {
        Consumers { slots: Slots::new(), by_name: SortedKeys::new(), heap_bytes: 0 }
    }

    /// Makes a `create` infallible that follows before any `remove`, and copies the name for it.
    pub(super) fn reserve(&mut self, name: &[u8]) -> Result<Box<[u8]>, OutOfMemory> {
        self.slots.reserve(1)?;
        self.by_name.reserve(1)?;
        try_boxed(name)
    }

    /// Adds a consumer. One that is already there stays as it is.
    pub(super) fn create(&mut self, name: Box<[u8]>, now_ms: u64) -> ConsumerKey {
        if let Some(key) = self.find(&name) {
            return key;
        }
        let place = self.by_name.seek(&mut |key| compare_name(&self.slots, key, &name));
        self.heap_bytes += name.len();
        let pending = SortedKeys::new();
        let key = self.slots.insert(Consumer { name, seen_ms: now_ms, active_ms: None, pending });
        self.by_name.insert_at(place, key);
        key
    }

    /// Removes a consumer with its list.
    pub(super) fn remove(&mut self, key: ConsumerKey) {
        let Some(consumer) = self.slots.get(key) else { return };
        self.by_name.remove(key, &mut |other| compare_name(&self.slots, other, consumer.name()));
        self.heap_bytes -= consumer.heap_bytes();
        self.slots.remove(key);
        self.slots.release_if_empty();
    }

    pub(super) fn touch_seen(&mut self, key: ConsumerKey, now_ms: u64) {
        if let Some(consumer) = self.slots.get_mut(key) {
            consumer.seen_ms = now_ms;
        }
    }

    pub(super) fn touch_active(&mut self, key: ConsumerKey, now_ms: u64) {
        if let Some(consumer) = self.slots.get_mut(key) {
            consumer.active_ms = Some(now_ms);
        }
    }

    /// Makes the next `n` calls of `add_pending` or `keep_pending` for a consumer infallible.
    pub(super) fn reserve_pending(&mut self, key: ConsumerKey, n: usize) -> Result<(), OutOfMemory> {
        let mut reserved = Ok(());
        self.change_list(key, &mut |list| reserved = list.reserve(n));
        reserved
    }

    pub(super) fn add_pending(&mut self, key: ConsumerKey, pending: PendingKey, id: EntryId, pages: &Pages) {
        self.change_list(key, &mut |list| list.insert(pending, &mut |other| compare_id(pages, other, id)));
    }

    /// Counts as an addition, for an entry that is already there.
    pub(super) fn keep_pending(&mut self, key: ConsumerKey) {
        self.change_list(key, &mut SortedKeys::skip_promised);
    }

    pub(super) fn remove_pending(&mut self, key: ConsumerKey, pending: PendingKey, id: EntryId, pages: &Pages) {
        self.change_list(key, &mut |list| {
            list.remove(pending, &mut |other| compare_id(pages, other, id));
        });
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<ConsumerKey> {
        self.by_name.find(&mut |key| compare_name(&self.slots, key, name))
    }

    pub(super) fn get(&self, key: ConsumerKey) -> Option<&Consumer> {
        self.slots.get(key)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// In the order of names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ConsumerKey, &Consumer)> {
        self.by_name.iter().filter_map(|key| Some((key, self.slots.get(key)?)))
    }

    /// The bytes on the heap.
    pub(super) fn memory(&self) -> usize {
        self.slots.memory() + self.by_name.memory() + self.heap_bytes
    }

    /// Checks the invariants in the head of this file.
    pub(super) fn validate(&self, pages: &Pages) -> Result<(), String> {
        self.slots.validate()?;
        let name = |key| self.slots.get(key).map(Consumer::name);
        self.by_name.validate(&mut |one, other| name(one).cmp(&name(other)))?;
        ensure(self.iter().count() == self.len(), "consumers 1: a consumer is missing in the order of names")?;
        let id = |key| pages.get(key).map(|record| record.id());
        for (_, consumer) in self.iter() {
            consumer.pending.validate(&mut |one, other| id(one).cmp(&id(other)))?;
        }
        let heap_bytes: usize = self.iter().map(|(_, consumer)| consumer.heap_bytes()).sum();
        ensure(heap_bytes == self.heap_bytes, "consumers 3: the counter of bytes is wrong")
    }

    /// All changes of lists pass here, so that the counter of bytes follows.
    fn change_list(&mut self, key: ConsumerKey, change: &mut dyn FnMut(&mut SortedKeys)) {
        let consumer = self.slots.get_mut(key);
        debug_assert!(consumer.is_some(), "no such consumer");
        if let Some(consumer) = consumer {
            let before = consumer.pending.memory();
            change(&mut consumer.pending);
            self.heap_bytes = self.heap_bytes - before + consumer.pending.memory();
        }
    }
}

fn compare_name(slots: &Slots<Consumer>, key: ConsumerKey, name: &[u8]) -> Ordering {
    slots.get(key).map_or(Ordering::Less, |consumer| consumer.name().cmp(name))
}
