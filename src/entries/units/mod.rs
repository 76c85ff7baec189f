//! Units: the log as runs of blocks, told to one snapshot after another, each run again only when it has changed.
//!
//! This file knows nothing of storage: where a unit is stored is a [`PartSpan`] to it, and somebody else says whether
//! that is still there.
//!
//! *Design.* A *run* is a stretch of blocks whose image is about as large as a unit may be. A table has the first ID of
//! each, and a run reaches to where the next one begins, so that appending, which is what happens most, concerns the
//! last run and touches the table not at all. With each run stands where its image was stored last, until something in
//! it changes.
//!
//! A snapshot is a walk over the runs, one at each call. It tells the log as it was when the walk began or, if something
//! is about to change before it has ended, as it was then: whoever owns the log says so ([`Entries::freeze`]), and from
//! then on what is changed is saved first (`shadow.rs`), unless it is told already. What changes during a walk has
//! changed for the next one.
//!
//! The runs are formed anew while they are told, and at no other time: one that has grown too large is divided, one that
//! has changed is joined with the one behind it if both fit and either that one has changed as well or this one has
//! shrunk below a quarter, one without blocks goes. Both kinds of walk, at once and in slices between writes, form the
//! same runs and write the same bytes.
//!
//! *Why not runs of a fixed number of blocks.* A block may be a single entry of a megabyte or the remains of a node that
//! once was full; and counting blocks from the front, a trimmed one would shift all behind it.
//!
//! *Why by ID and not by position.* Trimming and dropping nodes move positions, and IDs stay. They are lowered only
//! where a log was empty in between, and then the table is of no use anyway.
//!
//! *Invariants*
//! 1. Runs are in the order of their first IDs, and no block that is or was there stands before the first of them. (While
//!    nothing was ever told the table is empty.)
//! 2. The first `told` runs are told to the walk that goes on.
//! 3. Only while the log is frozen has a run changed *since*.
//! 4. A shadow keeps its own invariants (`shadow.rs`) and holds nothing that is told.

use alloc::string::String;
use alloc::vec::Vec;

use super::block::Block;
use super::log::Entries;
use crate::id::EntryId;
use crate::image::{ImageWriter, PartSpan, UNIT_BYTES_MAX, UnitStep};
use crate::invariant::ensure;
use crate::memory::{Boxed, OutOfMemory, try_box};
use crate::planted::{Bug, planted};
use shadow::{OldBlocks, Shadow};

mod image;
mod shadow;

#[cfg(test)]
mod tests;

/// Below this a run that has changed is joined with one behind it that has not.
const SPARSE_BYTES: usize = UNIT_BYTES_MAX / 4;

/// The runs of a log; see the head of this file.
pub(super) struct Runs {
    table: Vec<Run>,
    told: usize,
    frozen: Option<Frozen>,
}

/// A run of blocks.
struct Run {
    /// The ID with which it began when it was told last; all blocks from there to the next run belong to it.
    first: EntryId,
    /// Where it is stored as it was when the log was frozen, or as it is.
    span: Option<PartSpan>,
    /// Whether it has changed since the log was frozen.
    has_changed_since: bool,
}

/// What a frozen log knows of the time before.
struct Frozen {
    shadow: Shadow,
    /// Whether there are blocks behind those that were there.
    has_grown: bool,
    /// Whether nothing is left of what was there, and nothing in the table concerns what came afterwards.
    is_emptied: bool,
}

impl Entries {
    /// Prepares the log for being told in runs, all of which have changed so far. An empty log has none.
    pub(crate) fn divide(&mut self) -> Result<(), OutOfMemory> {
        if self.runs.is_none() && !self.blocks.is_empty() {
            self.runs = Some(Runs::try_new()?);
        }
        Ok(())
    }

    /// Forgets the runs, and with them where they are stored.
    pub(crate) fn undivide(&mut self) {
        self.runs = None;
    }

    /// Whether the log is told in runs.
    pub(crate) fn is_divided(&self) -> bool {
        self.runs.is_some()
    }

    /// From now on, what changes and is not yet told is kept as it is. To be called before the first change after the
    /// moment that a walk is about, and again as often as one likes.
    pub(crate) fn freeze(&mut self) {
        let old = self.blocks.len();
        if let Some(runs) = &mut self.runs
            && runs.frozen.is_none()
        {
            runs.frozen = Some(Frozen { shadow: Shadow::new(old), has_grown: false, is_emptied: false });
        }
    }

    /// Ends a walk, at its end or before. What was told and named stays so; what has changed since the freeze has
    /// changed for the next walk.
    pub(crate) fn thaw(&mut self) {
        let is_emptied = self.runs.as_mut().is_some_and(|runs| runs.thaw());
        if is_emptied {
            self.runs = None;
        }
    }

    /// Tells the next run. `Changed`: its image was appended to `out`, and [`Entries::name_run`] is told where it will
    /// be stored; otherwise `out` is as before. `Unchanged` only where `is_stored` says that it is still there.
    ///
    /// A log that is not divided has no runs to tell.
    pub(crate) fn next_run(&mut self, is_stored: &mut dyn FnMut(PartSpan) -> bool, out: &mut Vec<u8>) -> UnitStep {
        let Some(mut runs) = self.runs.take() else { return UnitStep::End };
        let start = out.len();
        let step = self.tell(&mut runs, is_stored, out).unwrap_or_else(|OutOfMemory| {
            out.truncate(start);
            UnitStep::Lost
        });
        runs.release_told();
        self.runs = Some(runs);
        step
    }

    /// Says where the run that was told last will be stored.
    pub(crate) fn name_run(&mut self, span: PartSpan) {
        let Some(runs) = &mut self.runs else { return };
        if let Some(run) = runs.told.checked_sub(1).and_then(|last| runs.table.get_mut(last)) {
            run.span = Some(span);
        }
    }

    /// Before the block at `position` is changed.
    pub(super) fn touch(&mut self, position: usize) {
        let Entries { runs: Some(runs), blocks, open, .. } = self else { return };
        let Some(block) = blocks.get(position) else { return };
        let is_open = position + 1 == blocks.len() && !open.is_empty();
        runs.copy(position, block, if is_open { open } else { &block.bytes });
    }

    /// Before an entry is appended to the last block, or to a new one.
    #[cold]
    pub(super) fn touch_last(&mut self, starts_block: bool) {
        if !starts_block {
            self.touch(self.blocks.len().wrapping_sub(1));
        } else if let Some(runs) = &mut self.runs {
            runs.grow();
        }
    }

    /// Enters a run that was read back behind all others.
    fn add_run(&mut self, first: EntryId, span: PartSpan) -> Result<(), OutOfMemory> {
        self.divide()?;
        let Some(runs) = &mut self.runs else { return Ok(()) };
        runs.table.try_reserve(1)?;
        runs.table.push(Run { first, span: Some(span), has_changed_since: false });
        Ok(())
    }

    /// Checks the invariants in the head of this file.
    pub(super) fn validate_runs(&self) -> Result<(), String> {
        let Some(runs) = &self.runs else { return Ok(()) };
        let pairs = runs.table.iter().zip(runs.table.iter().skip(1));
        let ascends = pairs.clone().all(|(run, next)| run.first < next.first);
        ensure(ascends, "runs 1: not in the order of their IDs")?;
        let is_current = runs.frozen.as_ref().is_none_or(|frozen| !frozen.is_emptied);
        if let (Some(run), Some(block), true) = (runs.table.first(), self.blocks.front(), is_current) {
            ensure(run.first <= block.first, "runs 1: a block stands before all runs")?;
        }
        ensure(runs.told <= runs.table.len(), "runs 2: more runs are told than there are")?;
        let Some(Frozen { shadow, .. }) = &runs.frozen else {
            return ensure(runs.table.iter().all(|run| !run.has_changed_since), "runs 3: changed since what?");
        };
        shadow.validate(self.blocks.len(), runs.told_through())?;
        let mut walk = OldBlocks::new(self, Some(shadow), runs.told_through());
        let mut before = EntryId::MIN;
        while let Some(old) = walk.peek() {
            ensure(before < old.block.first, "shadow 3: blocks overlap")?;
            before = old.block.last;
            walk.advance();
        }
        Ok(())
    }

    fn tell(
        &self,
        runs: &mut Runs,
        is_stored: &mut dyn FnMut(PartSpan) -> bool,
        out: &mut Vec<u8>,
    ) -> Result<UnitStep, OutOfMemory> {
        if runs.is_lost() {
            return Err(OutOfMemory);
        }
        // For a run that is divided.
        runs.table.try_reserve(1)?;
        let Runs { table, told, frozen } = runs;
        let shadow = frozen.as_ref().map(|frozen| &frozen.shadow);
        let walk = OldBlocks::new(self, shadow, told_through(table, *told));
        let Some(first) = walk.peek().map(|old| old.block.first) else {
            table.truncate(*told);
            return Ok(UnitStep::End);
        };
        drop_empty(table, *told, first);
        if table.get(*told).is_none() {
            table.push(Run { first, span: None, has_changed_since: false });
        }
        if let Some(span) = table.get(*told).and_then(|run| run.span)
            && is_stored(span)
        {
            *told += 1;
            return Ok(UnitStep::Unchanged(span));
        }
        // Even if memory is refused in the middle: what was there may be joined already.
        if let Some(run) = table.get_mut(*told) {
            (run.first, run.span) = (first, None);
        }
        let mut telling = Telling { walk, start: out.len(), out, told: Told::default() };
        telling.tell_run(table, *told)?;
        if let Some(run) = table.get_mut(*told) {
            run.has_changed_since = telling.told.has_changed;
        }
        *told += 1;
        Ok(UnitStep::Changed)
    }
}

impl Runs {
    fn try_new() -> Result<Boxed<Runs>, OutOfMemory> {
        try_box(Runs { table: Vec::new(), told: 0, frozen: None })
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Whether the block at `position` is to be kept when it is dropped.
    pub(super) fn is_kept(&self, position: usize) -> bool {
        self.frozen.as_ref().is_some_and(|frozen| frozen.shadow.is_kept(position))
    }

    /// Takes over what is dropped of a block: all of it, or its bytes.
    pub(super) fn take(&mut self, position: usize, block: Block) {
        if !planted(Bug::ForgetTrimInSnapshot) {
            self.mark(block.first);
        }
        if let Some(shadow) = self.shadow_for(position, block.first) {
            shadow.take(block);
        }
    }

    /// The blocks from `front` to before `back` are gone.
    pub(super) fn dropped(&mut self, front: usize, back: usize) {
        if let Some(frozen) = &mut self.frozen {
            frozen.shadow.dropped(front, back);
        }
    }

    /// The log has become empty while it is frozen.
    pub(super) fn emptied(&mut self) {
        if let Some(frozen) = &mut self.frozen {
            frozen.is_emptied = true;
        }
    }

    /// Bytes on the heap, beside this structure itself.
    pub(super) fn memory(&self) -> usize {
        let shadow = self.frozen.as_ref().map_or(0, |frozen| frozen.shadow.memory());
        self.table.capacity() * size_of::<Run>() + shadow
    }

    fn is_lost(&self) -> bool {
        self.frozen.as_ref().is_some_and(|frozen| frozen.shadow.is_lost())
    }

    fn told_through(&self) -> EntryId {
        told_through(&self.table, self.told)
    }

    /// Before a block is changed.
    fn copy(&mut self, position: usize, block: &Block, bytes: &[u8]) {
        if !planted(Bug::ListChangedPart) {
            self.mark(block.first);
        }
        if let Some(shadow) = self.shadow_for(position, block.first).filter(|_| !planted(Bug::SkipShadowCopy)) {
            shadow.copy(block, bytes);
        }
    }

    /// Before the log gets a new block.
    fn grow(&mut self) {
        match (&mut self.frozen, self.table.last_mut()) {
            (Some(frozen), _) => frozen.has_grown = true,
            (None, Some(run)) => run.span = None,
            (None, None) => {}
        }
    }

    /// Notes that the run of a block has changed.
    fn mark(&mut self, first: EntryId) {
        let at = run_of(&self.table, first);
        let Some(run) = self.table.get_mut(at) else { return };
        if self.frozen.is_some() {
            run.has_changed_since = true;
        } else {
            run.span = None;
        }
    }

    /// The shadow, if it has to keep this block.
    fn shadow_for(&mut self, position: usize, first: EntryId) -> Option<&mut Shadow> {
        let is_told = first <= self.told_through();
        let shadow = &mut self.frozen.as_mut()?.shadow;
        (shadow.is_kept(position) && !is_told).then_some(shadow)
    }

    fn release_told(&mut self) {
        let told = self.told_through();
        if let Some(frozen) = &mut self.frozen {
            frozen.shadow.release(told);
        }
    }

    /// Ends a walk; says whether the table is of no use any more.
    fn thaw(&mut self) -> bool {
        self.told = 0;
        let Some(Frozen { has_grown, is_emptied, .. }) = self.frozen.take() else { return false };
        for run in &mut self.table {
            if core::mem::take(&mut run.has_changed_since) {
                run.span = None;
            }
        }
        if has_grown && let Some(run) = self.table.last_mut() {
            run.span = None;
        }
        is_emptied
    }
}

/// The last ID that belongs to the first `told` runs.
fn told_through(table: &[Run], told: usize) -> EntryId {
    match table.get(told) {
        _ if told == 0 => EntryId::MIN,
        Some(run) => run.first.predecessor().unwrap_or(EntryId::MIN),
        None => EntryId::MAX,
    }
}

/// The place of the run to which a block with this first ID belongs.
fn run_of(table: &[Run], first: EntryId) -> usize {
    if table.last().is_some_and(|run| run.first <= first) {
        return table.len() - 1;
    }
    table.partition_point(|run| run.first <= first).saturating_sub(1)
}

/// Drops the runs from `at` on that end before the block which begins with `next`: they have no blocks.
fn drop_empty(table: &mut Vec<Run>, at: usize, next: EntryId) {
    let end = run_of(table, next);
    if at < end {
        table.drain(at..end);
    }
}

/// One run being told.
struct Telling<'a, 'b> {
    walk: OldBlocks<'a>,
    out: &'b mut Vec<u8>,
    start: usize,
    told: Told,
}

/// What was told of it so far.
#[derive(Clone, Copy, Default)]
struct Told {
    /// The last ID of the block told last.
    last: EntryId,
    /// Whether the log has changed any of the blocks since.
    has_changed: bool,
}

impl Telling<'_, '_> {
    /// Tells the run at `at`, divided from what does not fit, and joined with those behind it where it is small.
    fn tell_run(&mut self, table: &mut Vec<Run>, at: usize) -> Result<(), OutOfMemory> {
        if !self.tell_until(table.get(at + 1).map(|run| run.first))? {
            if let Some(rest) = self.walk.peek() {
                table.insert(at + 1, Run { first: rest.block.first, span: None, has_changed_since: false });
            }
            return self.end();
        }
        while let Some(next) = self.walk.peek() {
            drop_empty(table, at + 1, next.block.first);
            // What is not written again without need is joined only to a small run.
            let is_small = self.out.len() - self.start < SPARSE_BYTES;
            if table.get(at + 1).is_none_or(|next| next.span.is_some() && !is_small) {
                break;
            }
            let (bytes, told) = (self.out.len(), self.told);
            if !self.tell_until(table.get(at + 2).map(|run| run.first))? {
                self.out.truncate(bytes);
                self.told = told;
                break;
            }
            table.remove(at + 1);
        }
        self.end()
    }

    /// Tells the blocks that begin before `end`; false if they do not all fit.
    fn tell_until(&mut self, end: Option<EntryId>) -> Result<bool, OutOfMemory> {
        while let Some(old) = self.walk.peek()
            && end.is_none_or(|end| old.block.first < end)
        {
            let bytes = self.out.len();
            let mut writer = ImageWriter::new(self.out);
            image::write_block(&mut writer, self.told.last, old.block, old.bytes);
            writer.finish()?;
            // One byte is left for the end.
            if bytes > self.start && self.out.len() - self.start >= UNIT_BYTES_MAX {
                self.out.truncate(bytes);
                return Ok(false);
            }
            let has_changed = self.told.has_changed || old.has_changed;
            self.told = Told { last: old.block.last, has_changed };
            self.walk.advance();
        }
        Ok(true)
    }

    fn end(&mut self) -> Result<(), OutOfMemory> {
        let mut writer = ImageWriter::new(self.out);
        image::write_end(&mut writer);
        writer.finish()
    }
}
