//! A stream: an entry log, the counters that go with it, its groups, and what it remembers of producers.
//!
//! This is the only place where entries and groups meet: whether an entry is still referenced, how far a group lags
//! behind, what a removal does to pending entries. It applies decisions and answers questions; it makes no decision.
//!
//! *Invariants*
//! 1. No live entry has an ID above `last_id`, and none has 0-0.
//! 2. `entries_added` is at least the number of live entries.
//! 3. A stream without groups and producers holds no memory for them.
//!
//! `image.rs` writes a stream into a snapshot and reads it back.

use alloc::string::String;

use crate::entries::{Entries, Entry, NodeLimits};
use crate::group::{Group, GroupKey, GroupMut, Groups};
use crate::id::EntryId;
use crate::memory::{Boxed, OutOfMemory, try_box};
use crate::producers::Producers;

mod image;

use image::Frozen;
pub(crate) use image::{UnitCursor, UnitKind};

/// The largest count of entries ever added, or read, that can be told.
const ENTRIES_ADDED_MAX: u64 = i64::MAX as u64;

/// How long, and how many, producers' IDs are remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ProducerLimits {
    pub(crate) duration_s: u32,
    pub(crate) entries_max: u32,
}

impl ProducerLimits {
    /// The longest time, in seconds; the shortest is one.
    pub(crate) const DURATION_S_MAX: u32 = 86_400;
    /// The largest number; the smallest is one.
    pub(crate) const ENTRIES_MAX: u32 = 10_000;
}

/// One stream.
pub(crate) struct Stream {
    entries: Entries,
    last_id: EntryId,
    max_deleted: EntryId,
    entries_added: u64,
    groups: Groups,
    producers: Option<Boxed<Producers>>,
    producer_limits: ProducerLimits,
    /// When the oldest producers' ID has to be forgotten: kept, because it is only found by looking at all producers.
    produced_deadline_ms: Option<u64>,
    iids_added: u64,
    iids_duplicates: u64,
    /// What a snapshot still wants to know about how the stream was.
    frozen: Option<Boxed<Frozen>>,
    /// Whether its units are stored under the name of another key.
    is_moved: bool,
}

impl Stream {
    /// An empty stream.
    pub(crate) fn new(producer_limits: ProducerLimits) -> Stream {
        Stream {
            entries: Entries::new(),
            last_id: EntryId::MIN,
            max_deleted: EntryId::MIN,
            entries_added: 0,
            groups: Groups::new(),
            producers: None,
            producer_limits,
            produced_deadline_ms: None,
            iids_added: 0,
            iids_duplicates: 0,
            frozen: None,
            is_moved: false,
        }
    }

    // Entries.

    pub(crate) fn entries(&self) -> &Entries {
        &self.entries
    }

    pub(crate) fn get(&self, id: EntryId) -> Option<Entry<'_>> {
        self.entries.get(id)
    }

    pub(crate) fn len(&self) -> u64 {
        self.entries.len()
    }

    /// The last ID ever given, or set by XSETID.
    pub(crate) fn last_id(&self) -> EntryId {
        self.last_id
    }

    /// The largest ID ever deleted (trimming does not count), or set by XSETID.
    pub(crate) fn max_deleted(&self) -> EntryId {
        self.max_deleted
    }

    /// How many entries were ever added.
    pub(crate) fn entries_added(&self) -> u64 {
        self.entries_added
    }

    /// Whether an entry with these fields opens a new node.
    pub(crate) fn opens_node(&self, fields: &[&[u8]], limits: NodeLimits) -> bool {
        self.entries.opens_node(fields, limits)
    }

    /// Makes room for one append, so that it cannot fail.
    pub(crate) fn reserve_add(&mut self, fields: &[&[u8]], opens_node: bool) -> Result<(), OutOfMemory> {
        self.entries.reserve(fields, opens_node)
    }

    /// Appends an entry above the last ID.
    pub(crate) fn add(&mut self, id: EntryId, fields: &[&[u8]], opens_node: bool) -> Result<(), OutOfMemory> {
        self.entries.reserve(fields, opens_node)?;
        self.entries.append(id, fields, opens_node);
        self.last_id = id;
        self.entries_added = (self.entries_added + 1).min(ENTRIES_ADDED_MAX);
        Ok(())
    }

    /// Deletes entries by ID. With `purge` the pending entries of all these IDs go, too.
    pub(crate) fn delete(&mut self, ids: &[EntryId], purge: bool) {
        for &id in ids {
            if self.entries.remove(id) {
                self.max_deleted = self.max_deleted.max(id);
            }
            if purge {
                self.groups.forget_in_all(id);
            }
        }
    }

    /// Removes the live entries of these ranges. With `purge` their pending entries go, too.
    pub(crate) fn trim(&mut self, ranges: &[(EntryId, EntryId)], purge: bool) {
        let Stream { entries, groups, .. } = self;
        for &(from, to) in ranges {
            if purge {
                entries.remove_range(from, to, Some(&mut |id| groups.forget_in_all(id)));
            } else {
                entries.remove_range(from, to, None);
            }
        }
    }

    /// Sets what XSETID sets.
    pub(crate) fn set_id(
        &mut self,
        last_id: EntryId,
        entries_added: u64,
        max_deleted: EntryId,
    ) -> Result<(), OutOfMemory> {
        self.entries.cut_behind(last_id)?;
        self.last_id = last_id;
        self.entries_added = entries_added.min(ENTRIES_ADDED_MAX);
        self.max_deleted = max_deleted;
        Ok(())
    }

    // Groups.

    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    pub(crate) fn group(&self, name: &[u8]) -> Option<(GroupKey, &Group)> {
        let key = self.groups.get(name)?;
        Some((key, self.groups.group(key)?))
    }

    /// Creates a group; there must be none of this name.
    pub(crate) fn create_group(
        &mut self,
        name: &[u8],
        last_id: EntryId,
        entries_read: Option<u64>,
    ) -> Result<(), OutOfMemory> {
        let name = self.groups.reserve(name)?;
        let mut group = Group::new(last_id, entries_read);
        group.is_new = self.is_frozen();
        self.groups.insert(name, group);
        Ok(())
    }

    /// Destroys a group, if there is one of this name.
    pub(crate) fn destroy_group(&mut self, name: &[u8]) {
        if let Some((name, group)) = self.groups.take(name) {
            self.keep_destroyed(name, group);
        }
    }

    /// A group, to be changed.
    pub(crate) fn group_mut(&mut self, name: &[u8]) -> Option<GroupMut<'_>> {
        let key = self.groups.get(name)?;
        self.groups.group_mut(key)
    }

    /// Whether any group has yet to be delivered this ID, or has it pending. Asked about IDs without an entry, too.
    pub(crate) fn is_referenced(&self, id: EntryId) -> bool {
        self.groups.iter().any(|(_, _, group)| group.last_id < id || group.is_pending(id))
    }

    /// The same with one group's pending entry for this ID left out, because it is about to be acknowledged.
    pub(crate) fn is_referenced_beside(&self, id: EntryId, beside: GroupKey) -> bool {
        self.groups.iter().any(|(key, _, group)| group.last_id < id || (key != beside && group.is_pending(id)))
    }

    /// How many entries of a group are not yet delivered, where that can be told.
    pub(crate) fn lag(&self, group: &Group) -> Option<i64> {
        let Some(first) = self.entries.first_id() else { return Some(0) };
        if self.entries_added == 0 {
            return Some(0);
        }
        if group.last_id < first && self.max_deleted < first {
            return i64::try_from(self.len()).ok();
        }
        let read = match group.entries_read {
            Some(read) if !self.has_tombstone_from(group.last_id) => Some(read),
            _ => self.estimate_read(group.last_id),
        };
        read.map(|read| self.entries_added.cast_signed().wrapping_sub(read.cast_signed()))
    }

    /// What a group's counter becomes when `id` is delivered after `last_id` with `entries_read` read until then.
    pub(crate) fn count_delivery(&self, last_id: EntryId, entries_read: Option<u64>, id: EntryId) -> Option<u64> {
        let first = self.entries.first_id().unwrap_or(EntryId::MIN);
        match entries_read {
            Some(read) if last_id >= first && !self.has_tombstone_from(last_id) => {
                Some((read + 1).min(ENTRIES_ADDED_MAX))
            }
            _ if self.entries_added > 0 => self.estimate_read(id),
            unchanged => unchanged,
        }
    }

    /// Whether an entry at or behind `id` was deleted.
    fn has_tombstone_from(&self, id: EntryId) -> bool {
        self.len() > 0 && self.max_deleted != EntryId::MIN && id <= self.max_deleted
    }

    /// How many entries had been added when `id` was, where the counters tell.
    fn estimate_read(&self, id: EntryId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        let Some(first) = self.entries.first_id() else {
            return (id <= self.last_id).then_some(self.entries_added);
        };
        if id != EntryId::MIN && id < self.max_deleted {
            return None;
        }
        if id >= self.last_id {
            return (id == self.last_id).then_some(self.entries_added);
        }
        if self.max_deleted != EntryId::MIN && self.max_deleted >= first {
            return None;
        }
        let before_first = self.entries_added.wrapping_sub(self.len());
        match id.cmp(&first) {
            core::cmp::Ordering::Less => Some(before_first),
            core::cmp::Ordering::Equal => Some(before_first.wrapping_add(1)),
            core::cmp::Ordering::Greater => None,
        }
    }

    // Producers.

    pub(crate) fn producer_limits(&self) -> ProducerLimits {
        self.producer_limits
    }

    pub(crate) fn producers(&self) -> Option<&Producers> {
        self.producers.as_deref()
    }

    pub(crate) fn iids_added(&self) -> u64 {
        self.iids_added
    }

    pub(crate) fn iids_duplicates(&self) -> u64 {
        self.iids_duplicates
    }

    /// Counts a repeated append.
    pub(crate) fn count_duplicate(&mut self) {
        self.iids_duplicates += 1;
    }

    /// Sets the limits and forgets all producers.
    pub(crate) fn configure(&mut self, producer_limits: ProducerLimits) {
        self.producer_limits = producer_limits;
        self.producers = None;
        self.produced_deadline_ms = None;
    }

    /// Remembers an append.
    pub(crate) fn produced(&mut self, producer: &[u8], iid: &[u8], id: EntryId, at_ms: u64) -> Result<(), OutOfMemory> {
        let entries_max = self.producer_limits.entries_max as usize;
        let producers = match &mut self.producers {
            Some(producers) => producers,
            none => none.insert(try_box(Producers::default())?),
        };
        let reserved = producers.reserve(producer, iid)?;
        producers.insert(producer, reserved, id, at_ms, entries_max);
        self.iids_added += 1;
        // Where the clock ran back, this ID may have to go before those that came earlier.
        let deadline_ms = self.deadline_after(at_ms);
        self.produced_deadline_ms = Some(self.produced_deadline_ms.map_or(deadline_ms, |first| first.min(deadline_ms)));
        Ok(())
    }

    /// Forgets what was remembered at or before `through_ms`.
    pub(crate) fn expire_produced(&mut self, through_ms: u64) {
        let Some(producers) = &mut self.producers else { return };
        producers.expire(through_ms);
        self.produced_deadline_ms = producers.oldest_ms().map(|oldest_ms| self.deadline_after(oldest_ms));
        if self.produced_deadline_ms.is_none() {
            self.producers = None;
        }
    }

    /// When the oldest producers' ID has to be forgotten; not later, and earlier only if that one is already gone.
    pub(crate) fn produced_deadline_ms(&self) -> Option<u64> {
        self.produced_deadline_ms
    }

    fn deadline_after(&self, at_ms: u64) -> u64 {
        at_ms.saturating_add(u64::from(self.producer_limits.duration_s) * 1000)
    }

    /// The heap bytes held.
    pub(crate) fn memory(&self) -> usize {
        let producers = self.producers().map_or(0, |producers| size_of::<Producers>() + producers.memory());
        let frozen = self.frozen.as_ref().map_or(0, |frozen| size_of::<Frozen>() + frozen.memory());
        self.entries.memory() + self.groups.memory() + producers + frozen
    }

    /// Checks the invariants.
    pub(crate) fn validate(&self) -> Result<(), String> {
        self.entries.validate()?;
        self.groups.validate()?;
        if let Some(producers) = self.producers() {
            producers.validate()?;
        }
        if self.entries.last_id().is_some_and(|last| last > self.last_id) {
            return Err(String::from("stream: 1 an entry above the last ID"));
        }
        if self.entries.first_id() == Some(EntryId::MIN) {
            return Err(String::from("stream: 1 an entry 0-0"));
        }
        if self.entries_added < self.len() {
            return Err(String::from("stream: 2 fewer entries added than live"));
        }
        Ok(())
    }
}
