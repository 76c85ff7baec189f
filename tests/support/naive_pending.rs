//! A group's pending entries as a plain vector: the truth that the clever lists are compared with.
//!
//! Written to be obviously right, not to be fast. The vector stands in the order in which the entries were last given
//! a time, so that a stable sort by time is the order of delivery.

use std::vec::Vec;

/// One pending entry. IDs are pairs; no consumer means unowned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NaiveEntry {
    pub(crate) id: (u64, u64),
    pub(crate) time_ms: u64,
    pub(crate) deliveries: i64,
    pub(crate) consumer: Option<u32>,
}

/// All pending entries, the one that was touched last at the end.
#[derive(Clone, Default)]
pub(crate) struct NaivePending {
    pub(crate) entries: Vec<NaiveEntry>,
}

impl NaivePending {
    /// Makes an entry pending or changes it; whether it was created or changed its owner.
    pub(crate) fn own(&mut self, id: (u64, u64), consumer: Option<u32>, time_ms: u64, deliveries: i64) -> bool {
        let time_ms = if consumer.is_none() { 0 } else { time_ms.min((1 << 48) - 1) };
        let old = self.get(id);
        self.forget(id);
        self.entries.push(NaiveEntry { id, time_ms, deliveries, consumer });
        old.is_none_or(|old| old.consumer != consumer)
    }

    /// Removes an entry; whether it was there.
    pub(crate) fn forget(&mut self, id: (u64, u64)) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.id != id);
        self.entries.len() < before
    }

    /// Removes all entries of a consumer; how many there were.
    pub(crate) fn delete_consumer(&mut self, consumer: u32) -> u64 {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.consumer != Some(consumer));
        (before - self.entries.len()) as u64
    }

    pub(crate) fn get(&self, id: (u64, u64)) -> Option<NaiveEntry> {
        self.entries.iter().copied().find(|entry| entry.id == id)
    }

    /// By ID.
    pub(crate) fn by_id(&self) -> Vec<NaiveEntry> {
        let mut entries = self.entries.clone();
        entries.sort_by_key(|entry| entry.id);
        entries
    }

    /// One consumer's, by ID.
    pub(crate) fn of_consumer(&self, consumer: u32) -> Vec<NaiveEntry> {
        self.by_id().into_iter().filter(|entry| entry.consumer == Some(consumer)).collect()
    }

    /// Unowned ones first, then by time, equal times in the order in which they were set.
    pub(crate) fn by_delivery(&self) -> Vec<NaiveEntry> {
        let mut entries = self.entries.clone();
        entries.sort_by_key(|entry| (entry.consumer.is_some(), entry.time_ms));
        entries
    }
}
