//! The records of pending entries: 32 bytes each, in pages of 256, under keys that never change.
//!
//! This file knows no order and no group. A key is the number of a page and of a slot in it.
//!
//! *Design.* A page is one allocation and never moves once it has its full size. The first page starts with four
//! records and doubles, so that a small group is small. Free slots of a page are threaded through the records' order
//! field; pages with room form a doubly linked list, so that room is found at once and a page that goes leaves it at
//! once; pages without memory form another list. When nothing is pending, everything goes.
//!
//! *Why not one vector.* Just above a power of two a doubling vector of such records costs 100 bytes an entry, with a
//! peak of 145 while it moves; and it never shrinks after a burst.
//!
//! *Reservation.* `reserve(n)` makes the next `n` calls of `take` infallible, whatever is given back in between.
//!
//! *Reading back.* Records that are read back have to come to lie together as they did, so their page is opened behind
//! all others and `take` turns to it next ([`Pages::open_last`]); pages that are left out stay vacant.
//!
//! *Invariants*
//! 1. `used` is the number of records taken, `room` the number for which there is memory, `idle` the number of pages
//!    that have memory and no record.
//! 2. The list `roomy` holds each page with memory and a free slot exactly once, and `vacant` each page without memory.
//! 3. A page's free slots and its records make up the slots it ever used.
//! 4. There is memory for `promised` more records; an idle page is one that the promise needs.
//! 5. Nothing taken and nothing promised means no memory.

use alloc::string::String;
use alloc::vec::Vec;

use crate::id::EntryId;
use crate::invariant::ensure;
use crate::memory::OutOfMemory;
use crate::memory::{give_up, grown_capacity};
use crate::slots::NO_KEY;

use super::{ConsumerKey, PendingKey};

/// How many records a page holds.
pub(super) const PAGE_RECORDS: usize = 256;
const FIRST_PAGE_RECORDS_MIN: usize = 4;
const SLOT_BITS: u32 = 8;
const _: () = assert!(PAGE_RECORDS == 1 << SLOT_BITS);
/// The end of a page's list of free slots.
const NO_SLOT: u16 = PAGE_RECORDS as u16;

/// Times are kept in 48 bits, which last until the year 10889; later ones become this.
pub(super) const TIME_MS_MAX: u64 = (1 << 48) - 1;

/// One pending entry. The time is cut into two numbers and the count is a code (see `counts.rs`) so that all fits.
#[derive(Clone, Copy)]
pub(super) struct Record {
    ms: u64,
    seq: u64,
    /// Among equal times: which was set first. In a free slot: the next free one.
    pub(super) order: u32,
    consumer: ConsumerKey,
    time_low: u32,
    time_high: u16,
    pub(super) count_code: u16,
}

const _: () = assert!(size_of::<Record>() == 32);

impl Record {
    pub(super) fn new(id: EntryId) -> Record {
        Record { ms: id.ms(), seq: id.seq(), order: 0, consumer: NO_KEY, time_low: 0, time_high: 0, count_code: 0 }
    }

    #[inline]
    pub(super) fn id(&self) -> EntryId {
        EntryId::new(self.ms, self.seq)
    }

    #[inline]
    pub(super) fn time_ms(&self) -> u64 {
        u64::from(self.time_high) << 32 | u64::from(self.time_low)
    }

    #[inline]
    pub(super) fn consumer(&self) -> Option<ConsumerKey> {
        if self.consumer == NO_KEY { None } else { Some(self.consumer) }
    }

    /// Hands the entry to a consumer at a time, or to nobody, which has no time.
    pub(super) fn set_owner(&mut self, consumer: Option<ConsumerKey>, time_ms: u64) {
        let time_ms = if consumer.is_some() { time_ms.min(TIME_MS_MAX) } else { 0 };
        self.consumer = consumer.unwrap_or(NO_KEY);
        self.time_low = time_ms as u32;
        self.time_high = (time_ms >> 32) as u16;
    }

    /// What decides the order of delivery before `order` does: unowned entries stand before all times.
    #[inline]
    pub(super) fn rank(&self) -> u64 {
        if self.consumer == NO_KEY { 0 } else { self.time_ms() + 1 }
    }
}

/// All records of a group; see the head of this file.
pub(super) struct Pages {
    table: Vec<Page>,
    roomy: u32,
    vacant: u32,
    used: u32,
    room: u32,
    idle: u32,
    promised: u32,
}

struct Page {
    records: Vec<Record>,
    used: u16,
    free: u16,
    previous: u32,
    next: u32,
}

impl Pages {
    pub(super) const fn new() -> Pages {
        Pages { table: Vec::new(), roomy: NO_KEY, vacant: NO_KEY, used: 0, room: 0, idle: 0, promised: 0 }
    }

    /// Makes the next `n` calls of `take` infallible. The newest reservation replaces an older one.
    pub(super) fn reserve(&mut self, n: usize) -> Result<(), OutOfMemory> {
        let promised = u32::try_from(n).map_err(|_| OutOfMemory)?;
        let provided = if (self.room - self.used) as usize >= n { Ok(()) } else { self.provide(n) };
        if provided.is_ok() {
            self.promised = promised;
        }
        self.release_idle();
        provided
    }

    /// Uses up one promised record without taking it.
    pub(super) fn skip_promised(&mut self) {
        self.promised = self.promised.saturating_sub(1);
        self.release_idle();
    }

    /// The page in which the next `take` stores. Room must have been reserved.
    #[inline]
    pub(super) fn next_page(&mut self) -> u32 {
        if self.roomy == NO_KEY && self.provide(1).is_err() {
            give_up();
        }
        self.roomy
    }

    /// Stores a record. Room must have been reserved.
    pub(super) fn take(&mut self, record: Record) -> PendingKey {
        let number = self.next_page();
        let Some(page) = self.table.get_mut(number as usize) else { give_up() };
        if page.used == 0 {
            self.idle -= 1;
        }
        let slot = page.store(record);
        if page.is_full() {
            self.unlink(number);
        }
        self.used += 1;
        self.promised = self.promised.saturating_sub(1);
        number << SLOT_BITS | u32::from(slot)
    }

    /// Frees the slot of a record; with its last record a page loses its memory.
    pub(super) fn give_back(&mut self, key: PendingKey) {
        let number = key >> SLOT_BITS;
        let Some(page) = self.table.get_mut(number as usize) else { return };
        let was_full = page.is_full();
        page.free_slot(slot_of(key) as u16);
        let is_idle = page.used == 0;
        self.used -= 1;
        if was_full {
            self.link(number);
        }
        if is_idle {
            self.idle += 1;
            self.release(number);
        }
        self.release_idle();
    }

    /// Opens the page of this number, or the one behind all pages there are, for the next 256 calls of `take`. The first
    /// of them has to follow before anything else.
    pub(super) fn open_last(&mut self, number: u32) -> Result<(), OutOfMemory> {
        let opened = self.push_last(number).and_then(|()| self.furnish_vacant(PAGE_RECORDS));
        if opened.is_err() {
            self.release_all_if_empty();
        }
        opened
    }

    /// The page of a record.
    #[inline]
    pub(super) fn page_of(key: PendingKey) -> u32 {
        key >> SLOT_BITS
    }

    /// How many pages have a number, whether they have memory or not.
    #[inline]
    pub(super) fn pages_len(&self) -> u32 {
        self.table.len() as u32
    }

    /// How many records lie in a page.
    pub(super) fn used_in(&self, number: u32) -> usize {
        self.table.get(number as usize).map_or(0, |page| usize::from(page.used))
    }

    /// Visits the records of a page in the order of its slots, with their keys.
    pub(super) fn visit_page(&self, number: u32, f: &mut dyn FnMut(PendingKey, &Record)) {
        let Some(page) = self.table.get(number as usize) else { return };
        let free = page.free_slots();
        for ((key, record), is_free) in (number << SLOT_BITS..).zip(&page.records).zip(free) {
            if !is_free {
                f(key, record);
            }
        }
    }

    #[inline]
    pub(super) fn get(&self, key: PendingKey) -> Option<&Record> {
        self.table.get((key >> SLOT_BITS) as usize)?.records.get(slot_of(key))
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: PendingKey) -> Option<&mut Record> {
        self.table.get_mut((key >> SLOT_BITS) as usize)?.records.get_mut(slot_of(key))
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.used as usize
    }

    /// Whether a `take` would need memory.
    pub(super) fn is_full(&self) -> bool {
        self.roomy == NO_KEY
    }

    /// Whether nothing is stored and nothing promised.
    pub(super) fn is_unused(&self) -> bool {
        self.used == 0 && self.promised == 0
    }

    /// The bytes on the heap.
    pub(super) fn memory(&self) -> usize {
        self.table.capacity() * size_of::<Page>() + self.room as usize * size_of::<Record>()
    }

    /// Checks the invariants in the head of this file.
    pub(super) fn validate(&self) -> Result<(), String> {
        let used: usize = self.table.iter().map(|page| usize::from(page.used)).sum();
        let room: usize = self.table.iter().map(Page::room).sum();
        let idle = self.table.iter().filter(|page| page.is_idle()).count();
        let counted = used == self.len() && room == self.room as usize && idle == self.idle as usize;
        ensure(counted, "pages 1: a counter is wrong")?;
        let roomy = self.table.iter().filter(|page| page.room() > 0 && !page.is_full()).count();
        let vacant = self.table.iter().filter(|page| page.room() == 0).count();
        ensure(self.validate_list(self.roomy, false) == Some(roomy), "pages 2: the list of pages with room is wrong")?;
        ensure(self.validate_list(self.vacant, true) == Some(vacant), "pages 2: the list of vacant pages is wrong")?;
        ensure(self.table.iter().all(Page::is_threaded), "pages 3: the free slots of a page are wrong")?;
        let free = self.room - self.used;
        ensure(free >= self.promised, "pages 4: a promise cannot be kept")?;
        let kept = idle == 0 || free < self.promised + PAGE_RECORDS as u32;
        ensure(kept, "pages 4: an idle page is kept without need")?;
        ensure(!self.is_unused() || self.memory() == 0, "pages 5: memory is held for nothing")
    }

    /// Counts the pages of a list; `None` if one does not belong there or the links disagree.
    fn validate_list(&self, first: u32, vacant: bool) -> Option<usize> {
        let (mut count, mut previous, mut number) = (0, NO_KEY, first);
        while number != NO_KEY {
            let page = self.table.get(number as usize)?;
            let belongs = (page.room() == 0) == vacant && (vacant || !page.is_full() && page.previous == previous);
            count += 1;
            if !belongs || count > self.table.len() {
                return None;
            }
            (previous, number) = (number, page.next);
        }
        Some(count)
    }

    /// Allocates until `n` more records fit.
    #[inline(never)]
    fn provide(&mut self, n: usize) -> Result<(), OutOfMemory> {
        if self.table.len() <= 1 {
            self.grow_first_page(n)?;
        }
        while ((self.room - self.used) as usize) < n {
            self.add_page(PAGE_RECORDS)?;
        }
        Ok(())
    }

    /// Lets the first page have room for `n` more records, as far as one page can, while it is the only one.
    fn grow_first_page(&mut self, n: usize) -> Result<(), OutOfMemory> {
        let wanted = self.len().saturating_add(n).min(PAGE_RECORDS).next_power_of_two().max(FIRST_PAGE_RECORDS_MIN);
        let Some(page) = self.table.first_mut() else { return self.add_page(wanted) };
        if wanted <= page.room() {
            return Ok(());
        }
        let was_full = page.is_full();
        page.records.try_reserve_exact(wanted - page.records.len())?;
        self.room = page.room() as u32;
        if was_full {
            self.link(0);
        }
        Ok(())
    }

    /// Gives memory to a vacant page, or to a new one.
    fn add_page(&mut self, records: usize) -> Result<(), OutOfMemory> {
        if self.vacant == NO_KEY {
            self.push_vacant()?;
        }
        self.furnish_vacant(records)
    }

    /// Gives memory to the first of the vacant pages.
    fn furnish_vacant(&mut self, records: usize) -> Result<(), OutOfMemory> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(records)?;
        let number = self.vacant;
        if let Some(page) = self.table.get_mut(number as usize) {
            self.vacant = page.next;
            page.records = memory;
            self.room += page.room() as u32;
            self.idle += 1;
        }
        self.link(number);
        Ok(())
    }

    /// Numbers pages up to this one, and at least one; the last of them becomes the first of the vacant ones.
    fn push_last(&mut self, number: u32) -> Result<(), OutOfMemory> {
        self.push_vacant()?;
        while self.pages_len() <= number {
            self.push_vacant()?;
        }
        Ok(())
    }

    /// Numbers one more page, which becomes the first of the vacant ones.
    fn push_vacant(&mut self) -> Result<(), OutOfMemory> {
        let (len, capacity) = (self.table.len(), self.table.capacity());
        // The last possible key is the mark for "none".
        if len >= (NO_KEY >> SLOT_BITS) as usize {
            return Err(OutOfMemory);
        }
        if len == capacity {
            self.table.try_reserve_exact(grown_capacity(capacity, len + 1) - len)?;
        }
        self.table.push(Page { next: self.vacant, ..Page::VACANT });
        self.vacant = len as u32;
        Ok(())
    }

    fn link(&mut self, number: u32) {
        let first = self.roomy;
        if let Some(page) = self.table.get_mut(number as usize) {
            page.previous = NO_KEY;
            page.next = first;
        }
        if let Some(page) = self.table.get_mut(first as usize) {
            page.previous = number;
        }
        self.roomy = number;
    }

    fn unlink(&mut self, number: u32) {
        let Some(page) = self.table.get(number as usize) else { return };
        let (previous, next) = (page.previous, page.next);
        match self.table.get_mut(previous as usize) {
            Some(page) => page.next = next,
            None => self.roomy = next,
        }
        if let Some(page) = self.table.get_mut(next as usize) {
            page.previous = previous;
        }
    }

    /// Takes the memory of an idle page unless the promise needs it.
    fn release(&mut self, number: u32) {
        let Some(room) = self.table.get(number as usize).map(|page| page.room() as u32) else { return };
        if self.room - self.used - room < self.promised {
            return;
        }
        self.unlink(number);
        if let Some(page) = self.table.get_mut(number as usize) {
            *page = Page { next: self.vacant, ..Page::VACANT };
            self.vacant = number;
            self.room -= room;
            self.idle -= 1;
        }
    }

    /// Looks for idle pages that the promise needed before and needs no more: once for each 256 records at most.
    fn release_idle(&mut self) {
        if self.idle > 0 && self.room - self.used >= self.promised.saturating_add(PAGE_RECORDS as u32) {
            for number in 0..self.table.len() {
                if self.table.get(number).is_some_and(Page::is_idle) {
                    self.release(number as u32);
                }
            }
        }
        self.release_all_if_empty();
    }

    fn release_all_if_empty(&mut self) {
        if self.is_unused() {
            *self = Pages::new();
        }
    }
}

impl Page {
    const VACANT: Page = Page { records: Vec::new(), used: 0, free: NO_SLOT, previous: NO_KEY, next: NO_KEY };

    /// How many records there is memory for.
    fn room(&self) -> usize {
        self.records.capacity().min(PAGE_RECORDS)
    }

    fn is_full(&self) -> bool {
        usize::from(self.used) == self.room()
    }

    fn is_idle(&self) -> bool {
        self.used == 0 && self.room() > 0
    }

    /// Stores a record in a page that is not full.
    fn store(&mut self, record: Record) -> u16 {
        self.used += 1;
        let slot = self.free;
        if let Some(place) = self.records.get_mut(usize::from(slot)) {
            self.free = place.order as u16;
            *place = record;
            return slot;
        }
        self.records.push(record);
        self.records.len() as u16 - 1
    }

    fn free_slot(&mut self, slot: u16) {
        if let Some(place) = self.records.get_mut(usize::from(slot)) {
            place.order = u32::from(self.free);
            self.free = slot;
            self.used -= 1;
        }
    }

    /// Which slots are free among those that were used.
    fn free_slots(&self) -> [bool; PAGE_RECORDS] {
        let mut free = [false; PAGE_RECORDS];
        let mut slot = self.free;
        while let (Some(is_free), Some(record)) = (free.get_mut(usize::from(slot)), self.records.get(usize::from(slot)))
        {
            *is_free = true;
            slot = record.order as u16;
        }
        free
    }

    fn is_threaded(&self) -> bool {
        let (mut free, mut slot) = (0, self.free);
        while let Some(record) = self.records.get(usize::from(slot)) {
            free += 1;
            if free > self.records.len() {
                return false;
            }
            slot = record.order as u16;
        }
        slot == NO_SLOT && free + usize::from(self.used) == self.records.len()
    }
}

fn slot_of(key: PendingKey) -> usize {
    key as usize % PAGE_RECORDS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(ms: u64) -> Record {
        Record::new(EntryId::new(ms, 0))
    }

    #[track_caller]
    fn take(pages: &mut Pages, ms: u64) -> PendingKey {
        pages.reserve(1).unwrap();
        let key = pages.take(record(ms));
        pages.validate().unwrap();
        key
    }

    #[test]
    fn the_first_page_doubles_and_later_ones_have_their_full_size() {
        let mut pages = Pages::new();
        let mut keys = Vec::new();
        for (taken, room) in [(4, 4), (8, 8), (9, 16), (129, 256), (256, 256), (257, 512)] {
            while pages.len() < taken {
                let ms = pages.len() as u64;
                keys.push(take(&mut pages, ms));
            }
            assert_eq!(pages.room, room);
        }
        for (ms, &key) in keys.iter().enumerate() {
            assert_eq!(pages.get(key).unwrap().id(), EntryId::new(ms as u64, 0));
        }
        // The first page goes although the second stays, and comes back with its full size.
        keys.drain(..256).for_each(|key| pages.give_back(key));
        pages.validate().unwrap();
        assert_eq!(pages.room, 256);
        (0..256).for_each(|ms| assert_ne!(take(&mut pages, ms), NO_KEY));
        assert_eq!((pages.room, pages.table.len()), (512, 2));
    }

    #[test]
    fn an_empty_list_holds_no_memory_and_a_promise_holds_some() {
        let mut pages = Pages::new();
        let key = take(&mut pages, 1);
        pages.give_back(key);
        assert_eq!(pages.memory(), 0);
        pages.reserve(1000).unwrap();
        let key = pages.take(record(1));
        pages.give_back(key);
        pages.validate().unwrap();
        let reserved = pages.memory();
        (0..999).for_each(|ms| assert_ne!(pages.take(record(ms)), NO_KEY));
        assert_eq!(pages.memory(), reserved);
        pages.validate().unwrap();
    }

    #[test]
    fn a_smaller_reservation_gives_back_what_a_larger_one_kept() {
        let mut pages = Pages::new();
        let key = take(&mut pages, 1);
        pages.reserve(5000).unwrap();
        pages.validate().unwrap();
        pages.reserve(1).unwrap();
        pages.validate().unwrap();
        assert!(pages.room <= 512);
        pages.give_back(key);
        pages.reserve(0).unwrap();
        assert_eq!(pages.memory(), 0);
    }

    #[test]
    fn times_are_clamped_and_unowned_entries_rank_before_all_times() {
        let mut entry = record(1);
        entry.set_owner(Some(3), u64::MAX);
        assert_eq!((entry.time_ms(), entry.consumer()), (TIME_MS_MAX, Some(3)));
        entry.set_owner(Some(3), 0);
        let owned_rank = entry.rank();
        entry.set_owner(None, 77);
        assert_eq!((entry.time_ms(), entry.consumer()), (0, None));
        assert!(entry.rank() < owned_rank);
    }
}
