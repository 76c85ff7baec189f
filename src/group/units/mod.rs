//! The units of a large group: what its pending entries are told to a snapshot in, one by one, as they were at a moment.
//!
//! This file knows which unit is stored where and which has changed. It knows records only as something to make images
//! of (`image.rs`); that they are about to change it is told by `pending.rs`.
//!
//! *Design.* A unit is four pages in a row. A record never leaves its page, so an acknowledgement changes one unit, and
//! nothing has to be searched. Four pages are 1,024 records, which take 6 bytes each as they were delivered, 10 after
//! all of them were exchanged at random, and 44 at most: so a unit mostly takes 6 to 10 KB, and fits into one part
//! whatever its records say, unless their owners have long names. Eight pages would not, and an acknowledgement would
//! write twice as much.
//!
//! *Copy before write.* At the moment of a snapshot nothing is copied. Before a unit that is not told changes for the
//! first time after it, its image is written and kept until it is told. What was empty then is marked, too, or what is
//! added later would be told. The moments are numbered, and a unit carries the number of the last one it was kept for:
//! so nothing has to be visited when a moment comes. The first change of a unit then costs some 50 us.
//!
//! *Why not a copy of the table of pages, with pages counted by reference.* A write would then copy 8 KB of records and
//! not make an image of them, which is quicker, but the order of IDs and all lists would have to live with two versions
//! of a page, and each access would pay for that when no snapshot is being taken.
//!
//! *Refused memory.* If an image cannot be kept, the moment is lost, and everything that was kept for it goes. The
//! write that asked for it succeeds.
//!
//! *Invariants*
//! 1. A unit that is known to be stored has a record.
//! 2. What is kept belongs to a unit that is not told, which is the only one to refer to it.
//! 3. Nothing is kept unless there is a moment and it is not lost.
//! 4. `kept_bytes` is what the kept images take.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::image::{ImageWriter, PartSpan, UnitStep};
use crate::invariant::ensure;
use crate::memory::{OutOfMemory, grown_capacity};
use crate::planted::{Bug, planted};
use crate::slots::{NO_KEY, Slots};

use super::image::{Source, write_unit};
use super::pages::{PAGE_RECORDS, Pages};

#[cfg(test)]
mod tests;

/// How many pages make a unit.
pub(super) const UNIT_PAGES: u32 = 4;
/// How many records a unit has at most.
pub(super) const UNIT_RECORDS: usize = UNIT_PAGES as usize * PAGE_RECORDS;

/// The units of a group; see the head of this file.
pub(super) struct Units {
    /// Units behind its end are not stored and were not kept.
    table: Vec<Unit>,
    kept: Slots<Kept>,
    kept_bytes: usize,
    /// The number of the newest moment.
    moment: u64,
    is_frozen: bool,
    is_lost: bool,
    /// The unit to be told next.
    next: u32,
    /// The unit that waits for its name.
    unnamed: Option<u32>,
    loading: Option<Loading>,
}

#[derive(Clone, Copy)]
struct Unit {
    /// Where it is stored as it is; none if it changed since.
    span: PartSpan,
    /// The last moment for which it was kept.
    moment: u64,
    /// Its image then, if it had a record and was not told since.
    kept: u32,
}

/// A unit as it was at the moment.
struct Kept {
    span: PartSpan,
    image: Vec<u8>,
}

/// What reading a group has come to.
#[derive(Clone, Copy)]
pub(super) struct Loading {
    /// How many pending entries there will be.
    pub(super) pending: u64,
    /// How many of them belong to nobody.
    pub(super) unowned: u64,
    /// How many units were read.
    pub(super) units: u32,
}

impl Units {
    pub(super) const fn new() -> Units {
        Units {
            table: Vec::new(),
            kept: Slots::new(),
            kept_bytes: 0,
            moment: 0,
            is_frozen: false,
            is_lost: false,
            next: 0,
            unnamed: None,
            loading: None,
        }
    }

    /// The moment of a snapshot is now, unless there is one already.
    pub(super) fn freeze(&mut self) {
        if !self.is_frozen {
            self.is_frozen = true;
            self.moment += 1;
        }
    }

    /// Ends telling units, at the end or before.
    pub(super) fn thaw(&mut self) {
        self.drop_kept();
        self.is_frozen = false;
        self.is_lost = false;
        self.next = 0;
        self.unnamed = None;
    }

    /// Whether neither a snapshot nor a load goes on.
    pub(super) fn is_at_rest(&self) -> bool {
        !self.is_frozen && self.loading.is_none()
    }

    /// A record in this page is about to change, to come or to go.
    pub(super) fn before_change(&mut self, page: u32, source: Source<'_>) {
        let number = page / UNIT_PAGES;
        if self.is_frozen && !self.is_lost && number >= self.next && self.keep(number, source).is_err() {
            self.lose();
        }
        if let Some(unit) = self.table.get_mut(number as usize).filter(|_| !planted(Bug::ForgetPendingChange)) {
            unit.span = PartSpan::default();
        }
        if self.unnamed == Some(number) {
            self.unnamed = None;
        }
    }

    /// Tells the next unit that had records at the moment, which is now if nobody said so before.
    pub(super) fn next(
        &mut self,
        is_stored: &mut dyn FnMut(PartSpan) -> bool,
        source: Source<'_>,
        out: &mut Vec<u8>,
    ) -> UnitStep {
        self.freeze();
        self.unnamed = None;
        if self.is_lost {
            return UnitStep::Lost;
        }
        let end = source.pages.pages_len().div_ceil(UNIT_PAGES).max(self.table.len() as u32);
        while self.next < end {
            let number = self.next;
            self.next += 1;
            let step = match self.take_kept(number) {
                Some(None) => continue,
                Some(Some(kept)) => told_as(kept.span, is_stored).map_or_else(|| append(&kept.image, out), Ok),
                None if !has_records(number, source.pages) => continue,
                None => told_as(self.span(number), is_stored).map_or_else(|| self.append_unit(number, source, out), Ok),
            };
            return step.unwrap_or_else(|OutOfMemory| {
                self.lose();
                UnitStep::Lost
            });
        }
        UnitStep::End
    }

    /// Remembers where the unit told last is stored, unless it changed since the moment.
    pub(super) fn name_told(&mut self, span: PartSpan) {
        if let Some(number) = self.unnamed.take() {
            // Where that cannot be remembered, the unit is written again.
            let _ = self.name(number, span);
        }
    }

    /// Remembers where a unit is stored as it is.
    pub(super) fn name(&mut self, number: u32, span: PartSpan) -> Result<(), OutOfMemory> {
        self.cover(number)?.span = span;
        Ok(())
    }

    pub(super) fn begin_load(&mut self, loading: Loading) {
        self.loading = Some(loading);
    }

    /// Where to put a unit that says this of its number: there, or behind all pages so far if it lies before that, or
    /// so far behind that memory for what lies between would be asked for by a few bytes.
    pub(super) fn place_loaded(&mut self, number: u32, pages_len: u32) -> Option<u32> {
        let loading = self.loading.as_mut()?;
        let behind = pages_len.div_ceil(UNIT_PAGES);
        let farthest = loading.units.saturating_mul(64).saturating_add(16);
        loading.units += 1;
        Some(if (behind..=farthest).contains(&number) { number } else { behind })
    }

    pub(super) fn end_load(&mut self) -> Option<Loading> {
        self.loading.take()
    }

    /// The bytes on the heap.
    pub(super) fn memory(&self) -> usize {
        self.table.capacity() * size_of::<Unit>() + self.kept.memory() + self.kept_bytes
    }

    /// Checks the invariants in the head of this file.
    pub(super) fn validate(&self, pages: &Pages) -> Result<(), String> {
        let numbered = || (0..).zip(&self.table);
        let stored = |(number, unit): (u32, &Unit)| unit.span.count == 0 || has_records(number, pages);
        ensure(numbered().all(stored), "units 1: a unit without records is stored")?;
        self.kept.validate()?;
        let may_keep = self.is_frozen && !self.is_lost;
        ensure(may_keep || self.kept.len() == 0, "units 3: an image is kept for no moment")?;
        // Keys come in ascending order, so one that two units refer to is found, too.
        let waits = |(number, unit): &(u32, &Unit)| may_keep && *number >= self.next && unit.moment == self.moment;
        let mut keys: Vec<u32> = numbered().filter(waits).map(|(_, unit)| unit.kept).collect();
        keys.retain(|&key| key != NO_KEY);
        keys.sort_unstable();
        ensure(keys.iter().copied().eq(self.kept.iter().map(|(key, _)| key)), "units 2: an image is kept for no unit")?;
        let kept_bytes: usize = self.kept.iter().map(|(_, kept)| kept.image.capacity()).sum();
        ensure(kept_bytes == self.kept_bytes, "units 4: the counter of bytes is wrong")
    }

    fn span(&self, number: u32) -> PartSpan {
        self.table.get(number as usize).map_or(PartSpan::default(), |unit| unit.span)
    }

    /// Keeps a unit as it is, unless it was kept for this moment before.
    fn keep(&mut self, number: u32, source: Source<'_>) -> Result<(), OutOfMemory> {
        let (moment, kept_bytes) = (self.moment, self.kept_bytes);
        let unit = self.cover(number)?;
        if unit.moment == moment {
            return Ok(());
        }
        unit.moment = moment;
        unit.kept = NO_KEY;
        if has_records(number, source.pages) {
            let span = unit.span;
            self.kept.reserve(1)?;
            let mut image = Vec::new();
            write_image(number, source, &mut image)?;
            self.kept_bytes = kept_bytes + image.capacity();
            let key = self.kept.insert(Kept { span, image });
            self.cover(number)?.kept = key;
        }
        Ok(())
    }

    /// What was kept of a unit for this moment, if it was kept; and nothing of it if it had no records.
    fn take_kept(&mut self, number: u32) -> Option<Option<Kept>> {
        let unit = self.table.get(number as usize)?;
        if unit.moment != self.moment {
            return None;
        }
        let kept = self.kept.remove(unit.kept);
        self.kept.release_if_empty();
        self.kept_bytes -= kept.as_ref().map_or(0, |kept| kept.image.capacity());
        Some(kept)
    }

    /// Writes the image of a unit as it is, which is then waiting for its name.
    fn append_unit(&mut self, number: u32, source: Source<'_>, out: &mut Vec<u8>) -> Result<UnitStep, OutOfMemory> {
        let len = out.len();
        write_image(number, source, out).inspect_err(|_| out.truncate(len))?;
        self.unnamed = Some(number);
        Ok(UnitStep::Changed)
    }

    /// The entry of a unit in the table, which grows for it.
    fn cover(&mut self, number: u32) -> Result<&mut Unit, OutOfMemory> {
        let (len, needed) = (self.table.len(), number as usize + 1);
        if needed > len {
            #[cfg(test)]
            tests::ask_for_memory()?;
            if needed > self.table.capacity() {
                self.table.try_reserve_exact(grown_capacity(self.table.capacity(), needed) - len)?;
            }
            self.table.resize(needed, Unit { span: PartSpan::default(), moment: 0, kept: NO_KEY });
        }
        self.table.get_mut(number as usize).ok_or(OutOfMemory)
    }

    #[cold]
    fn lose(&mut self) {
        self.drop_kept();
        self.is_lost = true;
    }

    fn drop_kept(&mut self) {
        self.kept = Slots::new();
        self.kept_bytes = 0;
    }
}

/// A unit that is stored is told by its name.
fn told_as(span: PartSpan, is_stored: &mut dyn FnMut(PartSpan) -> bool) -> Option<UnitStep> {
    (span.count > 0 && is_stored(span)).then_some(UnitStep::Unchanged(span))
}

fn append(image: &[u8], out: &mut Vec<u8>) -> Result<UnitStep, OutOfMemory> {
    out.try_reserve(image.len())?;
    out.extend_from_slice(image);
    Ok(UnitStep::Changed)
}

fn write_image(number: u32, source: Source<'_>, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    let mut image = ImageWriter::new(out);
    write_unit(number, source, &mut image);
    #[cfg(test)]
    tests::ask_for_memory()?;
    image.finish()
}

fn has_records(unit: u32, pages: &Pages) -> bool {
    pages_of(unit).any(|page| pages.used_in(page) > 0)
}

/// The numbers of a unit's pages.
pub(super) fn pages_of(unit: u32) -> Range<u32> {
    unit * UNIT_PAGES..(unit + 1) * UNIT_PAGES
}
