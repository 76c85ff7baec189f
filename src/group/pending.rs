//! The pending list of a group (PEL): each entry that was delivered and not acknowledged, once, in two orders.
//!
//! It knows consumers only as keys; the lists of single consumers are kept by `consumer.rs`, out of the same records.
//!
//! *Design.* The records lie in pages and are referred to by four-byte keys from sorted lists: here by entry ID and in
//! the order of delivery, in the consumer by entry ID. The order of delivery is that of (time, order in which the
//! times were set): a clock may stand still for a million deliveries, and may run backwards. So each record carries a
//! number, one more than that of the last one with the same time. Unowned entries (NACKed ones) stand before all
//! times, in the order in which they were released.
//!
//! *Units.* A large group is told to snapshots in units (`units/`). Whoever changes a record says so to them first, and
//! passes the consumers through, whose names stand in their images.
//!
//! *Why keys three times and not links.* Linked lists cannot be entered at an ID, and a claim with an old time would
//! walk them: 570 us each at a million entries. Records in two trees cost twice the memory.
//!
//! *Invariants*
//! 1. Each record stands exactly once in the order of IDs and exactly once in the order of delivery.
//! 2. The order of IDs is strictly ascending, and so is the order of delivery.
//! 3. `unowned` is the number of records without a consumer; they have time 0.
//! 4. Records, large counts and both lists are sound by themselves and agree in number.

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::id::EntryId;
use crate::image::{ImageFault, PartSpan, UnitStep};
use crate::invariant::ensure;
use crate::memory::{Boxed, OutOfMemory, try_box};
use crate::sorted_keys::{Cursor, Keys, SortedKeys};

use super::consumer::Consumers;
use super::counts::{LargeCounts, is_in_table};
use super::image::Source;
use super::pages::{Pages, Record};
use super::units::Units;
use super::{ConsumerKey, PendingKey};

/// A pending entry, decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pending {
    /// The entry, which may have been deleted since.
    pub(crate) id: EntryId,
    /// When it was delivered last; 0 if unowned.
    pub(crate) time_ms: u64,
    /// How often it was delivered.
    pub(crate) deliveries: i64,
    /// Whose it is; nobody's after it was released.
    pub(crate) consumer: Option<ConsumerKey>,
}

/// All pending entries of a group; see the head of this file.
pub(super) struct PendingList {
    pages: Pages,
    counts: LargeCounts,
    by_id: SortedKeys,
    by_delivery: SortedKeys,
    unowned: u32,
    units: Option<Boxed<Units>>,
}

impl PendingList {
    pub(super) const fn new() -> PendingList {
        PendingList {
            pages: Pages::new(),
            counts: LargeCounts::new(),
            by_id: SortedKeys::new(),
            by_delivery: SortedKeys::new(),
            unowned: 0,
            units: None,
        }
    }

    /// Makes the next `n` calls of `create` or `change` infallible, or promises nothing.
    pub(super) fn reserve(&mut self, n: usize) -> Result<(), OutOfMemory> {
        let reserved = self.reserve_each(n);
        if reserved.is_err() && n > 0 {
            self.reserve_each(0)?;
        }
        self.release_units();
        reserved
    }

    /// Makes `n` such calls with counts up to `deliveries` infallible as far as the counts are concerned.
    pub(super) fn reserve_deliveries(&mut self, deliveries: i64, n: usize) -> Result<(), OutOfMemory> {
        self.counts.reserve(deliveries, n)
    }

    /// Adds an entry where `search` did not find it, as the newest among equal times.
    pub(super) fn create(&mut self, place: Cursor, pending: Pending, consumers: &Consumers) -> PendingKey {
        if self.units.is_some() {
            let page = self.pages.next_page();
            self.before_change(page, consumers);
        }
        let key = self.pages.take(Record::new(pending.id));
        self.by_id.insert_at(place, key);
        self.set(key, pending, consumers);
        key
    }

    /// Changes everything about a pending entry but its ID; it becomes the newest among equal times.
    pub(super) fn change(&mut self, key: PendingKey, pending: Pending, consumers: &Consumers) {
        self.before_change(Pages::page_of(key), consumers);
        self.unset(key);
        self.set(key, pending, consumers);
        self.pages.skip_promised();
        self.by_id.skip_promised();
    }

    /// Removes an entry from where `search` found it.
    pub(super) fn remove(&mut self, place: Cursor, consumers: &Consumers) {
        let Some(key) = self.by_id.remove_at(place) else { return };
        self.before_change(Pages::page_of(key), consumers);
        self.unset(key);
        if let Some(record) = self.pages.get(key) {
            self.counts.forget(key, record.count_code);
        }
        self.pages.give_back(key);
        if self.pages.is_unused() {
            self.counts = LargeCounts::new();
            self.release_units();
        }
    }

    /// Puts a record where an image says, with the order it says, into the page that is opened for it or into any.
    pub(super) fn restore(
        &mut self,
        record: Record,
        deliveries: i64,
        opened_page: Option<u32>,
        consumers: &mut Consumers,
    ) -> Result<(), ImageFault> {
        self.by_id.reserve(1)?;
        self.by_delivery.reserve(1)?;
        self.counts.reserve(deliveries, 1)?;
        if let Some(consumer) = record.consumer() {
            consumers.reserve_pending(consumer, 1)?;
        }
        let (id_place, found) = self.search(record.id());
        let delivery_place = self.by_delivery.seek(&mut |key| compare_delivery(&self.pages, key, &record));
        let next = self.by_delivery.get(delivery_place);
        if found.is_some() || next.is_some_and(|key| compare_delivery(&self.pages, key, &record).is_eq()) {
            return Err(ImageFault::Misfit("two pending entries have the same ID or order"));
        }
        match opened_page {
            Some(page) => self.pages.open_last(page)?,
            None if self.pages.is_full() => self.pages.reserve(1)?,
            None => {}
        }
        let key = self.pages.take(record);
        let count_code = self.counts.encode(key, 0, deliveries);
        if let Some(record) = self.pages.get_mut(key) {
            record.count_code = count_code;
        }
        self.by_id.insert_at(id_place, key);
        self.by_delivery.insert_at(delivery_place, key);
        match record.consumer() {
            Some(consumer) => consumers.add_pending(consumer, key, record.id(), &self.pages),
            None => self.unowned += 1,
        }
        Ok(())
    }

    /// Divides the pending entries into units, of which none is stored yet.
    pub(super) fn divide(&mut self) -> Result<(), OutOfMemory> {
        if self.units.is_none() {
            self.units = Some(try_box(Units::new())?);
        }
        Ok(())
    }

    /// Forgets the units and where they are stored.
    pub(super) fn undivide(&mut self) {
        self.units = None;
    }

    /// What images are made of.
    pub(super) fn source<'a>(&'a self, consumers: &'a Consumers) -> Source<'a> {
        Source { pages: &self.pages, counts: &self.counts, consumers }
    }

    pub(super) fn is_divided(&self) -> bool {
        self.units.is_some()
    }

    pub(super) fn units_mut(&mut self) -> Option<&mut Units> {
        self.units.as_deref_mut()
    }

    /// Tells the next unit; there is none if the entries are not divided.
    pub(super) fn next_unit(
        &mut self,
        is_stored: &mut dyn FnMut(PartSpan) -> bool,
        consumers: &Consumers,
        out: &mut Vec<u8>,
    ) -> UnitStep {
        let PendingList { pages, counts, units, .. } = self;
        let source = Source { pages, counts, consumers };
        units.as_mut().map_or(UnitStep::End, |units| units.next(is_stored, source, out))
    }

    /// Ends telling units.
    pub(super) fn thaw(&mut self) {
        if let Some(units) = &mut self.units {
            units.thaw();
        }
        self.release_units();
    }

    pub(super) fn len(&self) -> u64 {
        self.pages.len() as u64
    }

    pub(super) fn unowned_len(&self) -> u64 {
        u64::from(self.unowned)
    }

    /// The records, by which consumers sort their lists.
    pub(super) fn pages(&self) -> &Pages {
        &self.pages
    }

    /// The entries that belong to nobody, in the order in which they were released.
    pub(super) fn unowned(&self) -> impl Iterator<Item = PendingKey> {
        self.by_delivery.iter().take(self.unowned as usize)
    }

    /// Where an entry stands in the order of IDs, and its key if it is there.
    pub(super) fn search(&self, id: EntryId) -> (Cursor, Option<PendingKey>) {
        let place = self.seek(id);
        let key = self.by_id.get(place);
        let is_it = |key| self.pages.get(key).is_some_and(|record| record.id() == id);
        (place, key.filter(|&key| is_it(key)))
    }

    pub(super) fn find(&self, id: EntryId) -> Option<PendingKey> {
        self.search(id).1
    }

    /// Keeps those IDs that are pending. Mostly they come as they were delivered, one behind the other: each is looked
    /// for behind the one before it, and searched for only if it is not there.
    pub(super) fn retain_pending(&self, ids: &mut Vec<EntryId>) {
        let mut behind = self.by_id.iter();
        ids.retain(|&id| {
            let next = behind.next().and_then(|key| self.pages.get(key));
            if next.is_some_and(|record| record.id() == id) {
                return true;
            }
            let (place, found) = self.search(id);
            behind = self.by_id.iter_from(place);
            found.is_some() && behind.next().is_some()
        });
    }

    #[inline]
    pub(super) fn get(&self, key: PendingKey) -> Option<Pending> {
        let record = self.pages.get(key)?;
        Some(Pending {
            id: record.id(),
            time_ms: record.time_ms(),
            deliveries: self.counts.decode(key, record.count_code),
            consumer: record.consumer(),
        })
    }

    pub(super) fn first(&self) -> Option<EntryId> {
        self.pages.get(self.by_id.first()?).map(Record::id)
    }

    pub(super) fn last(&self) -> Option<EntryId> {
        self.pages.get(self.by_id.last()?).map(Record::id)
    }

    /// By ID, until `f` says no.
    pub(super) fn walk(&self, from: EntryId, f: &mut dyn FnMut(Pending) -> bool) {
        self.visit(self.by_id.iter_from(self.seek(from)), f);
    }

    /// In the order of delivery, until `f` says no.
    pub(super) fn walk_delivery(&self, f: &mut dyn FnMut(Pending) -> bool) {
        self.visit(self.by_delivery.iter(), f);
    }

    /// In the order of some keys, until `f` says no.
    #[inline(never)]
    pub(super) fn visit(&self, keys: Keys<'_>, f: &mut dyn FnMut(Pending) -> bool) {
        for pending in keys.filter_map(|key| self.get(key)) {
            if !f(pending) {
                return;
            }
        }
    }

    /// The bytes on the heap.
    pub(super) fn memory(&self) -> usize {
        let units = self.units.as_ref().map_or(0, |units| size_of::<Units>() + units.memory());
        self.pages.memory() + self.counts.memory() + self.by_id.memory() + self.by_delivery.memory() + units
    }

    /// Checks the invariants in the head of this file.
    pub(super) fn validate(&self) -> Result<(), String> {
        let pages = &self.pages;
        self.by_id.validate(&mut |one, other| {
            pages.get(other).map_or(Ordering::Greater, |record| compare_id(pages, one, record.id()))
        })?;
        self.by_delivery.validate(&mut |one, other| {
            pages.get(other).map_or(Ordering::Greater, |record| compare_delivery(pages, one, record))
        })?;
        // Both lists are strictly ascending, so that no record stands in one of them twice.
        for key in self.by_id.iter() {
            let Some(record) = pages.get(key) else {
                return Err(String::from("pending 1: a key without a record"));
            };
            let found = self.by_delivery.find(&mut |other| compare_delivery(pages, other, record));
            ensure(found == Some(key), "pending 1: an entry is missing in the order of delivery")?;
        }
        let records = || self.by_id.iter().filter_map(|key| pages.get(key));
        let unowned = || records().filter(|record| record.consumer().is_none());
        ensure(unowned().count() == self.unowned as usize, "pending 3: the number of unowned entries is wrong")?;
        ensure(unowned().all(|record| record.time_ms() == 0), "pending 3: an unowned entry has a time")?;
        pages.validate()?;
        self.counts.validate(&|key| pages.get(key).map_or(0, |record| record.count_code))?;
        let agree = self.by_id.len() == pages.len()
            && self.by_delivery.len() == pages.len()
            && records().filter(|record| is_in_table(record.count_code)).count() == self.counts.len();
        ensure(agree, "pending 4: the numbers of entries disagree")?;
        self.units.as_ref().map_or(Ok(()), |units| units.validate(pages))
    }

    fn reserve_each(&mut self, n: usize) -> Result<(), OutOfMemory> {
        self.pages.reserve(n)?;
        self.by_id.reserve(n)?;
        self.by_delivery.reserve(n)
    }

    fn seek(&self, id: EntryId) -> Cursor {
        self.by_id.seek(&mut |key| compare_id(&self.pages, key, id))
    }

    /// Gives a record that stands nowhere in the order of delivery its owner, time and count, and a place there.
    fn set(&mut self, key: PendingKey, pending: Pending, consumers: &Consumers) {
        let Some(record) = self.pages.get_mut(key) else { return };
        record.set_owner(pending.consumer, pending.time_ms);
        record.count_code = self.counts.encode(key, record.count_code, pending.deliveries);
        let rank = record.rank();
        let (place, order) = self.newest_place(rank, consumers);
        if let Some(record) = self.pages.get_mut(key) {
            record.order = order;
        }
        self.by_delivery.insert_at(place, key);
        self.unowned += u32::from(pending.consumer.is_none());
    }

    /// Takes a record out of the order of delivery.
    fn unset(&mut self, key: PendingKey) {
        let Some(record) = self.pages.get(key) else { return };
        self.by_delivery.remove(key, &mut |other| compare_delivery(&self.pages, other, record));
        self.unowned -= u32::from(record.consumer().is_none());
    }

    /// The place behind all records of this rank, and the order of a record there.
    fn newest_place(&mut self, rank: u64, consumers: &Consumers) -> (Cursor, u32) {
        let place = self.by_delivery.seek(&mut |key| match self.pages.get(key) {
            Some(record) if record.rank() > rank => Ordering::Greater,
            _ => Ordering::Less,
        });
        let before = self.by_delivery.before(place).and_then(|place| self.by_delivery.get(place));
        let order = match before.and_then(|key| self.pages.get(key)) {
            Some(last) if last.rank() == rank => last.order.checked_add(1),
            _ => Some(0),
        };
        (place, order.unwrap_or_else(|| self.renumber(place, rank, consumers)))
    }

    /// Numbers the records of a rank anew, which end before `place`, and returns how many they are. Needed after four
    /// billion changes at one time: only unowned entries, whose time is always 0, may come to that.
    #[cold]
    fn renumber(&mut self, place: Cursor, rank: u64, consumers: &Consumers) -> u32 {
        let mut first = place;
        let mut count = 0;
        while let Some(before) = self.by_delivery.before(first) {
            let key = self.by_delivery.get(before);
            if key.and_then(|key| self.pages.get(key)).is_none_or(|record| record.rank() != rank) {
                break;
            }
            first = before;
            count += 1;
        }
        let PendingList { pages, counts, by_delivery, units, .. } = self;
        for (order, key) in (0..count).zip(by_delivery.iter_from(first)) {
            if let Some(units) = units {
                units.before_change(Pages::page_of(key), Source { pages, counts, consumers });
            }
            if let Some(record) = pages.get_mut(key) {
                record.order = order;
            }
        }
        count
    }

    /// A record of this page is about to change.
    #[inline]
    fn before_change(&mut self, page: u32, consumers: &Consumers) {
        let PendingList { pages, counts, units, .. } = self;
        if let Some(units) = units {
            units.before_change(page, Source { pages, counts, consumers });
        }
    }

    /// Gives the table of units back with the last entry, unless a snapshot or the end of a load needs it.
    fn release_units(&mut self) {
        if self.pages.is_unused() && self.units.as_ref().is_some_and(|units| units.is_at_rest()) {
            self.units = None;
        }
    }

    /// Gives an entry another order that keeps it between its neighbours.
    #[cfg(test)]
    pub(super) fn set_order(&mut self, id: EntryId, order: u32) {
        let key = self.find(id).unwrap();
        self.pages.get_mut(key).unwrap().order = order;
    }
}

/// How the ID of a record compares with `id`.
#[inline]
pub(super) fn compare_id(pages: &Pages, key: PendingKey, id: EntryId) -> Ordering {
    pages.get(key).map_or(Ordering::Less, |record| record.id().cmp(&id))
}

/// How the delivery of a record compares with that of another one.
#[inline]
fn compare_delivery(pages: &Pages, key: PendingKey, other: &Record) -> Ordering {
    pages.get(key).map_or(Ordering::Less, |record| (record.rank(), record.order).cmp(&(other.rank(), other.order)))
}
