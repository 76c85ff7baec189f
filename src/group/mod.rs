//! Consumer groups: who has been given which entries, when, how often, and how far the group has read.
//!
//! A group applies decisions. It knows no entries, only their IDs, no commands and no texts; whether an entry still
//! exists, and who should get it, is decided above.
//!
//! *Design.* A pending entry lives once, 32 bytes in a page (`pages.rs`), and is referred to by key from three sorted
//! lists: the group's by ID and the order of delivery (`pending.rs`), and its owner's by ID (`consumer.rs`). All told
//! that is 45 to 51 bytes, where two trees and a slab take 107 to 122 and Redis 130 to 200.
//!
//! *Snapshots.* What a group is, is written and read back by `image.rs`: a small one in one piece, and the pending entries
//! of a large one in units, of which those that did not change are not written again (`units/`).
//!
//! *Reservation.* Whoever is about to change pending entries reserves for as many calls of [`Group::own`] as will
//! follow, and with the highest count among them; then neither these nor any `forget` between them can fail.
//!
//! *Invariants*
//! 1. A pending entry is in its owner's list and in no other; an unowned one is in none.
//! 2. The lists of all consumers and the unowned entries add up to the group's.
//! 3. What `pending.rs` and `consumer.rs` promise.

mod consumer;
mod counts;
mod groups;
mod image;
mod pages;
mod pending;
#[cfg(test)]
mod tests;
mod units;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::id::EntryId;
use crate::image::{PartSpan, UnitStep};
use crate::invariant::ensure;
use crate::memory::OutOfMemory;

use consumer::Consumers;
use pending::PendingList;

pub(crate) use consumer::Consumer;
pub(crate) use groups::{GroupKey, GroupMut, Groups};
pub(crate) use pending::Pending;

/// A consumer within its group. Used again after the consumer was deleted.
pub(crate) type ConsumerKey = u32;
/// A pending entry within its group. Used again after it was acknowledged.
type PendingKey = u32;

/// A consumer group; see the head of this file.
pub(crate) struct Group {
    /// The last entry that was delivered as new.
    pub(crate) last_id: EntryId,
    /// How many entries of the stream the group has read, if that is known.
    pub(crate) entries_read: Option<u64>,
    /// Whether it was created after the moment of the snapshot that is being taken, and so is no part of it.
    pub(crate) is_new: bool,
    consumers: Consumers,
    pending: PendingList,
}

impl Group {
    pub(crate) const fn new(last_id: EntryId, entries_read: Option<u64>) -> Group {
        Group { last_id, entries_read, is_new: false, consumers: Consumers::new(), pending: PendingList::new() }
    }

    /// Makes a `create_consumer` infallible that follows before any consumer is deleted, and copies the name for it.
    pub(crate) fn reserve_consumer(&mut self, name: &[u8]) -> Result<Box<[u8]>, OutOfMemory> {
        self.consumers.reserve(name)
    }

    /// Adds a consumer, seen at `now_ms`, by the name that `reserve_consumer` returned. One that is already there
    /// stays as it is.
    pub(crate) fn create_consumer(&mut self, name: Box<[u8]>, now_ms: u64) -> ConsumerKey {
        self.consumers.create(name, now_ms)
    }

    /// Removes a consumer and drops its pending entries; returns how many.
    pub(crate) fn delete_consumer(&mut self, key: ConsumerKey) -> u64 {
        let mut dropped = 0;
        while let Some(first) = self.consumers.get(key).and_then(Consumer::first_pending)
            && let Some(pending) = self.pending.get(first)
            && self.forget(pending.id)
        {
            dropped += 1;
        }
        self.consumers.remove(key);
        dropped
    }

    /// The consumer tried to read or claim.
    pub(crate) fn touch_seen(&mut self, key: ConsumerKey, now_ms: u64) {
        self.consumers.touch_seen(key, now_ms);
    }

    /// The consumer got an entry.
    pub(crate) fn touch_active(&mut self, key: ConsumerKey, now_ms: u64) {
        self.consumers.touch_active(key, now_ms);
    }

    /// Makes the next `n` calls of `own` for this owner infallible, whatever is forgotten in between. A newer
    /// reservation replaces an older one; so `n` should be what will be done, and `0` gives the reservation up.
    pub(crate) fn reserve_pending(&mut self, consumer: Option<ConsumerKey>, n: usize) -> Result<(), OutOfMemory> {
        self.pending.reserve(n)?;
        let Some(key) = consumer else { return Ok(()) };
        let reserved = self.consumers.reserve_pending(key, n);
        if reserved.is_err() {
            self.pending.reserve(0)?;
        }
        reserved
    }

    /// The same for the counts these calls will set, of which `deliveries` is the highest. Small counts need nothing,
    /// and this costs nothing for them.
    pub(crate) fn reserve_deliveries(&mut self, deliveries: i64, n: usize) -> Result<(), OutOfMemory> {
        self.pending.reserve_deliveries(deliveries, n)
    }

    /// Makes an entry pending, or changes a pending one: its owner, which may be nobody, its time, which for nobody is
    /// always 0, and its count. It becomes the newest among those with the same time. Returns whether it was created
    /// or changed its owner: that is when the active time moves.
    pub(crate) fn own(&mut self, id: EntryId, consumer: Option<ConsumerKey>, time_ms: u64, deliveries: i64) -> bool {
        let pending = Pending { id, time_ms, deliveries, consumer };
        let (place, found) = self.pending.search(id);
        let Some(key) = found else {
            let key = self.pending.create(place, pending, &self.consumers);
            self.enlist(key, pending);
            return true;
        };
        let old_consumer = self.pending.get(key).and_then(|old| old.consumer);
        let moves = old_consumer != consumer;
        if moves {
            self.delist(key, id, old_consumer);
            self.enlist(key, pending);
        } else if let Some(consumer) = consumer {
            self.consumers.keep_pending(consumer);
        }
        self.pending.change(key, pending, &self.consumers);
        moves
    }

    /// Removes an entry from the pending ones: acknowledged, or dropped. Returns whether it was there.
    pub(crate) fn forget(&mut self, id: EntryId) -> bool {
        let (place, found) = self.pending.search(id);
        let Some((key, pending)) = found.and_then(|key| Some((key, self.pending.get(key)?))) else { return false };
        self.delist(key, id, pending.consumer);
        self.pending.remove(place, &self.consumers);
        true
    }

    /// Divides the pending entries into units, of which none is stored yet: for a group that is too large to be told in
    /// one piece. The division ends by itself with the last pending entry.
    pub(crate) fn divide(&mut self) -> Result<(), OutOfMemory> {
        self.pending.divide()
    }

    /// Forgets the units, where they are stored, and what was kept of them.
    pub(crate) fn undivide(&mut self) {
        self.pending.undivide();
    }

    pub(crate) fn is_divided(&self) -> bool {
        self.pending.is_divided()
    }

    /// The moment of a snapshot is now, unless there is one already: from here on the units are told as they are now,
    /// whatever changes. To be said before the first change after that moment. If nothing is divided, nothing happens.
    pub(crate) fn freeze(&mut self) {
        if let Some(units) = self.pending.units_mut() {
            units.freeze();
        }
    }

    /// Tells the next unit as it was at the moment: its image is appended to `out`, or it is unchanged and stored.
    /// The last of them is followed by the end; where nothing is divided, that comes at once.
    pub(crate) fn next_unit(&mut self, is_stored: &mut dyn FnMut(PartSpan) -> bool, out: &mut Vec<u8>) -> UnitStep {
        self.pending.next_unit(is_stored, &self.consumers, out)
    }

    /// Says where the changed unit that was told last is stored.
    pub(crate) fn name_unit(&mut self, span: PartSpan) {
        if let Some(units) = self.pending.units_mut() {
            units.name_told(span);
        }
    }

    /// The snapshot has got all units, or was given up.
    pub(crate) fn thaw(&mut self) {
        self.pending.thaw();
    }

    /// The consumer of this name.
    pub(crate) fn consumer(&self, name: &[u8]) -> Option<ConsumerKey> {
        self.consumers.find(name)
    }

    pub(crate) fn consumer_ref(&self, key: ConsumerKey) -> Option<&Consumer> {
        self.consumers.get(key)
    }

    /// In the order of names.
    pub(crate) fn consumers(&self) -> impl Iterator<Item = (ConsumerKey, &Consumer)> {
        self.consumers.iter()
    }

    pub(crate) fn consumers_len(&self) -> usize {
        self.consumers.len()
    }

    pub(crate) fn pending_len(&self) -> u64 {
        self.pending.len()
    }

    /// How many pending entries belong to nobody (the nacked count).
    pub(crate) fn unowned_len(&self) -> u64 {
        self.pending.unowned_len()
    }

    pub(crate) fn pending(&self, id: EntryId) -> Option<Pending> {
        self.pending.get(self.pending.find(id)?)
    }

    pub(crate) fn is_pending(&self, id: EntryId) -> bool {
        self.pending.find(id).is_some()
    }

    /// Keeps those IDs that are pending.
    pub(crate) fn retain_pending(&self, ids: &mut Vec<EntryId>) {
        self.pending.retain_pending(ids);
    }

    pub(crate) fn first_pending(&self) -> Option<EntryId> {
        self.pending.first()
    }

    pub(crate) fn last_pending(&self) -> Option<EntryId> {
        self.pending.last()
    }

    /// Visits pending entries by ID, until `f` says no.
    pub(crate) fn walk(&self, from: EntryId, f: &mut dyn FnMut(Pending) -> bool) {
        self.pending.walk(from, f);
    }

    /// Visits one consumer's pending entries by ID, until `f` says no.
    pub(crate) fn walk_consumer(&self, key: ConsumerKey, from: EntryId, f: &mut dyn FnMut(Pending) -> bool) {
        if let Some(consumer) = self.consumers.get(key) {
            self.pending.visit(consumer.pending_from(from, self.pending.pages()), f);
        }
    }

    /// Visits unowned entries in the order in which they were released, then the others, oldest delivery first and
    /// among equal times in the order in which the times were set, until `f` says no.
    pub(crate) fn walk_delivery(&self, f: &mut dyn FnMut(Pending) -> bool) {
        self.pending.walk_delivery(f);
    }

    /// The bytes on the heap, in constant time.
    pub(crate) fn memory(&self) -> usize {
        self.consumers.memory() + self.pending.memory()
    }

    /// Checks the invariants in the head of this file.
    pub(crate) fn validate(&self) -> Result<(), String> {
        self.pending.validate()?;
        self.consumers.validate(self.pending.pages())?;
        let mut enlisted = true;
        self.walk(EntryId::MIN, &mut |pending| {
            enlisted &= pending.consumer.is_none_or(|key| {
                let consumer = self.consumers.get(key);
                consumer.is_some_and(|consumer| consumer.has_pending(pending.id, self.pending.pages()))
            });
            enlisted
        });
        ensure(enlisted, "group 1: a pending entry is missing in its owner's list")?;
        let owned: u64 = self.consumers().map(|(_, consumer)| consumer.pending_len()).sum();
        ensure(owned + self.unowned_len() == self.pending_len(), "group 2: the lists do not add up")
    }

    fn enlist(&mut self, key: PendingKey, pending: Pending) {
        if let Some(consumer) = pending.consumer {
            self.consumers.add_pending(consumer, key, pending.id, self.pending.pages());
        }
    }

    fn delist(&mut self, key: PendingKey, id: EntryId, consumer: Option<ConsumerKey>) {
        if let Some(consumer) = consumer {
            self.consumers.remove_pending(consumer, key, id, self.pending.pages());
        }
    }
}
