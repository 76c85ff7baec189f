//! The parts of the snapshot that counts, and those that are to be deleted.
//!
//! *Design.* What counts is a list sorted by ID, in which a unit's parts stand next to each other, as their IDs do. What
//! is doomed is named in three ways: by their IDs where a listing has told them, as a range where snapshots were given
//! up, and as the end of the log that a manifest covers. Attempts take their IDs one after another, so a range serves
//! for any number of them and noting it takes no memory, which may be why the attempt was given up.
//!
//! *Invariants*
//! 1. Parts and doomed IDs are in ascending order, each there once.
//! 2. `bytes` is the sum of the lengths.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use super::super::part::PartRef;
use crate::image::PartSpan;
use crate::invariant::ensure;
use crate::sort::sort;

/// The parts of the snapshot that counts; see the head of this file.
#[derive(Default)]
pub(super) struct Catalog {
    parts: Vec<PartRef>,
    bytes: u64,
}

impl Catalog {
    /// The catalog of these parts, which may be in any order.
    pub(super) fn new(mut parts: Vec<PartRef>) -> Catalog {
        sort(&mut parts, &mut |one, other| one.id < other.id);
        let bytes = parts.iter().map(|part| u64::from(part.length)).sum();
        Catalog { parts, bytes }
    }

    /// The parts of a unit, if all of them are there.
    pub(super) fn find(&self, span: PartSpan) -> Option<&[PartRef]> {
        let place = self.place(span.first)?;
        let parts = self.parts.get(place..place.checked_add(span.count as usize)?)?;
        let last = span.first.checked_add(u64::from(span.count).checked_sub(1)?)?;
        (parts.last()?.id == last).then_some(parts)
    }

    /// Whether the part with this ID is there.
    pub(super) fn has(&self, id: u64) -> bool {
        self.place(id).is_some()
    }

    /// Forgets what is not among these IDs, which are in order.
    pub(super) fn retain(&mut self, ids: &[u64]) {
        self.parts.retain(|part| ids.binary_search(&part.id).is_ok());
        self.bytes = self.parts.iter().map(|part| u64::from(part.length)).sum();
    }

    /// How many parts there are.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// All their bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The memory held.
    pub(super) fn memory(&self) -> usize {
        self.parts.capacity() * size_of::<PartRef>()
    }

    /// Checks the invariants in the head of this file.
    pub(super) fn validate(&self) -> Result<(), String> {
        ensure(self.parts.is_sorted_by(|a, b| a.id < b.id), "catalog 1: parts are out of order")?;
        let bytes: u64 = self.parts.iter().map(|part| u64::from(part.length)).sum();
        ensure(bytes == self.bytes, "catalog 2: the sum of lengths is wrong")
    }

    fn place(&self, id: u64) -> Option<usize> {
        self.parts.binary_search_by_key(&id, |part| part.id).ok()
    }
}

/// What is to be deleted; see the head of this file.
#[derive(Default)]
pub(super) struct Doomed {
    ids: Vec<u64>,
    given_up: Range<u64>,
    log_upto: Option<u64>,
    /// How many of the next ones were asked for.
    asked: usize,
}

impl Doomed {
    /// What another owner has left.
    pub(super) fn new(mut ids: Vec<u64>, log_upto: Option<u64>) -> Doomed {
        sort(&mut ids, &mut |one, other| one < other);
        Doomed { ids, log_upto, ..Doomed::default() }
    }

    /// Dooms the parts of a snapshot that was given up, from its first ID on.
    pub(super) fn give_up(&mut self, ids: Range<u64>) {
        let start = if self.given_up.is_empty() { ids.start } else { self.given_up.start };
        self.given_up = start..ids.end;
    }

    /// Dooms these parts, which are in order, and the chunks up to this one, instead of everything before: a listing has
    /// told what parts there are, and the chunks before are gone.
    pub(super) fn replace(&mut self, ids: Vec<u64>, log_upto: Option<u64>) {
        *self = Doomed { ids, log_upto, ..Doomed::default() };
    }

    /// Chooses which parts to delete next; false if there are none.
    pub(super) fn ask(&mut self, count_max: usize) -> bool {
        let given_up = usize::try_from(self.given_up.end.saturating_sub(self.given_up.start)).unwrap_or(usize::MAX);
        let count = if self.ids.is_empty() { given_up } else { self.ids.len() };
        self.asked = count.min(count_max.max(1));
        self.asked > 0
    }

    /// The IDs that were chosen.
    pub(super) fn asked(&self) -> impl Iterator<Item = u64> {
        self.ids.iter().copied().chain(self.given_up.clone()).take(self.asked)
    }

    /// Notes that what was chosen is deleted.
    pub(super) fn deleted(&mut self) {
        if self.ids.is_empty() {
            self.given_up.start = self.given_up.start.saturating_add(self.asked as u64);
        }
        self.ids.drain(..self.asked.min(self.ids.len()));
        if self.ids.is_empty() {
            self.ids = Vec::new();
        }
        self.asked = 0;
    }

    /// The last of the chunks to delete, if there are any.
    pub(super) fn log_upto(&self) -> Option<u64> {
        self.log_upto
    }

    /// Notes that the chunks are deleted.
    pub(super) fn log_deleted(&mut self) {
        self.log_upto = None;
    }

    /// Whether there is nothing to delete.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.given_up.is_empty() && self.log_upto.is_none()
    }

    /// The memory held.
    pub(super) fn memory(&self) -> usize {
        self.ids.capacity() * size_of::<u64>()
    }

    /// Checks the invariants in the head of this file, and that nothing of a snapshot that counts is doomed.
    pub(super) fn validate(&self, catalog: &Catalog) -> Result<(), String> {
        ensure(self.ids.is_sorted_by(|a, b| a < b), "catalog 1: doomed IDs are out of order")?;
        let is_any_listed = self.ids.iter().any(|&id| catalog.has(id))
            || catalog.parts.iter().any(|part| self.given_up.contains(&part.id));
        ensure(!is_any_listed, "store 4: a part that counts is doomed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn part(id: u64) -> PartRef {
        PartRef { id, length: 10 + id as u32, checksum: id }
    }

    fn span(first: u64, count: u32) -> PartSpan {
        PartSpan { first, count }
    }

    #[test]
    fn a_unit_is_found_if_all_its_parts_are_there() {
        let mut catalog = Catalog::new(vec![part(9), part(3), part(4), part(7), part(5)]);
        catalog.validate().unwrap();
        assert_eq!((catalog.len(), catalog.bytes()), (5, 78));
        assert_eq!(catalog.find(span(3, 3)), Some(&[part(3), part(4), part(5)][..]));
        assert_eq!(catalog.find(span(9, 1)), Some(&[part(9)][..]));
        for missing in [span(3, 4), span(5, 2), span(9, 2), span(6, 1), span(3, 0), span(u64::MAX, u32::MAX)] {
            assert_eq!(catalog.find(missing), None, "{missing:?}");
        }
        catalog.retain(&[1, 3, 5, 9, 12]);
        catalog.validate().unwrap();
        assert_eq!((catalog.find(span(3, 2)), catalog.find(span(5, 1))), (None, Some(&[part(5)][..])));
        assert_eq!((catalog.len(), catalog.bytes()), (3, 47));
    }

    #[test]
    fn what_is_doomed_is_deleted_in_batches_each_once() {
        let mut doomed = Doomed::new(vec![8, 2, 5], Some(40));
        doomed.give_up(20..22);
        doomed.give_up(22..25);
        let mut deleted = Vec::new();
        while doomed.ask(2) {
            assert!(!doomed.is_empty());
            doomed.validate(&Catalog::default()).unwrap();
            deleted.push(doomed.asked().collect::<Vec<_>>());
            // One that is given up meanwhile waits for its turn.
            if deleted.len() == 1 {
                doomed.give_up(25..26);
            }
            doomed.deleted();
        }
        assert_eq!(deleted, [vec![2, 5], vec![8], vec![20, 21], vec![22, 23], vec![24, 25]]);
        assert_eq!(doomed.log_upto(), Some(40));
        doomed.log_deleted();
        assert!(doomed.is_empty());
    }

    #[test]
    fn a_listing_says_all() {
        let mut doomed = Doomed::new(vec![1, 2], Some(7));
        doomed.give_up(20..30);
        doomed.replace(vec![4, 25], Some(9));
        assert_eq!(doomed.log_upto(), Some(9));
        doomed.replace(vec![4, 25], None);
        assert_eq!(doomed.log_upto(), None);
        assert!(doomed.ask(10));
        assert_eq!(doomed.asked().collect::<Vec<_>>(), [4, 25]);
        assert!(doomed.validate(&Catalog::new(vec![part(25)])).is_err());
    }
}
