//! Cursors: walks over the live entries of a range, in both directions.
//!
//! They borrow the log and copy nothing; an entry's fields are decoded by whoever asks for them. A block can only be
//! read from its front, so walking backwards reads a block once for each sixteen entries and keeps those. Remembering
//! every entry of a block would read it once, but would need an allocation that can fail; sixteen need none, and a
//! block of a hundred entries is read three and a half times in all. Entries that are looked up one by one, in
//! the order of their IDs, are read as a walk reads them, once for each block and not once for each entry.

use super::block::{Entry, Scan};
use super::log::Entries;
use crate::id::EntryId;

/// The live entries of a range, the oldest first.
pub(crate) struct Forward<'a> {
    log: &'a Entries,
    from: EntryId,
    to: EntryId,
    /// The position of the block after the one that is being read.
    next_block: usize,
    bytes: &'a [u8],
    scan: Scan,
}

impl<'a> Forward<'a> {
    pub(super) fn new(log: &'a Entries, from: EntryId, to: EntryId) -> Self {
        // Nothing lives before the first live entry; blocks there need not be looked at.
        let next_block = log.position(from.max(log.first_live));
        Forward { log, from, to, next_block, bytes: &[], scan: Scan::start(from) }
    }

    /// The next entry.
    #[inline]
    pub(crate) fn next_entry(&mut self) -> Option<Entry<'a>> {
        loop {
            while let Some(found) = self.scan.next_live(self.bytes) {
                if found.id > self.to {
                    self.next_block = usize::MAX;
                    self.bytes = &[];
                    return None;
                }
                if found.id >= self.from {
                    return Some(found.entry(self.bytes));
                }
            }
            self.enter_block()?;
        }
    }

    /// The last ID of the block that is being read.
    fn block_last(&self) -> EntryId {
        let block = self.next_block.checked_sub(1).and_then(|block| self.log.blocks.get(block));
        block.map_or(EntryId::MIN, |block| block.last)
    }

    #[inline(never)]
    fn enter_block(&mut self) -> Option<()> {
        loop {
            let block = self.log.blocks.get(self.next_block).filter(|block| block.first <= self.to)?;
            self.next_block += 1;
            if block.live > 0 {
                self.bytes = self.log.bytes_of(block);
                self.scan = self.log.scan_of(block);
                return Some(());
            }
        }
    }
}

impl<'a> Iterator for Forward<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        self.next_entry()
    }
}

/// Finds entries by ID, cheaply where each ID lies a little above the one before, as in a list of pending entries.
pub(crate) struct Lookup<'a> {
    cursor: Forward<'a>,
    /// The cursor can still find what lies above this ID,
    above: EntryId,
    /// up to this one, with which its block ends.
    until: EntryId,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(log: &'a Entries) -> Self {
        Lookup { cursor: Forward::new(log, EntryId::MIN, EntryId::MIN), above: EntryId::MAX, until: EntryId::MIN }
    }

    /// The live entry with this ID.
    pub(crate) fn get(&mut self, id: EntryId) -> Option<Entry<'a>> {
        if self.above < id && id <= self.until {
            (self.cursor.from, self.cursor.to) = (id, id);
        } else {
            self.cursor = Forward::new(self.cursor.log, id, id);
        }
        let found = self.cursor.next_entry();
        self.above = id;
        // In search of what is not there the cursor has run past entries.
        self.until = found.map_or(EntryId::MIN, |_| self.cursor.block_last());
        found
    }
}

/// How many entries a backward cursor keeps.
const WINDOW: usize = 16;

/// The live entries of a range, the newest first.
pub(crate) struct Backward<'a> {
    log: &'a Entries,
    from: EntryId,
    /// Entries up to this one are still to be read.
    to: EntryId,
    /// The position behind the block in which they end.
    block_end: usize,
    /// The last live entries that were read from a block: its entry number n at n modulo the size.
    window: [Option<Entry<'a>>; WINDOW],
    /// The number of the entry behind the next one to be given out.
    behind: usize,
    /// How many entries in the window are still to be given out.
    held: usize,
}

impl<'a> Backward<'a> {
    pub(super) fn new(log: &'a Entries, from: EntryId, to: EntryId) -> Self {
        let from = from.max(log.first_live);
        let is_empty = log.live == 0 || from > to;
        let block_end = if is_empty { 0 } else { log.blocks.partition_point(|block| block.first <= to) };
        Backward { log, from, to, block_end, window: [None; WINDOW], behind: 0, held: 0 }
    }

    /// The next entry.
    pub(crate) fn next_entry(&mut self) -> Option<Entry<'a>> {
        while self.held == 0 {
            self.fill()?;
        }
        self.held -= 1;
        self.behind -= 1;
        self.window.get(self.behind % WINDOW).copied().flatten()
    }

    /// Reads one block up to `to`.
    #[inline(never)]
    fn fill(&mut self) -> Option<()> {
        let block = self.log.blocks.get(self.block_end.checked_sub(1)?).filter(|block| block.last >= self.from)?;
        let bytes = self.log.bytes_of(block);
        let mut scan = self.log.scan_of(block);
        let mut count = 0;
        while block.live > 0
            && let Some(found) = scan.next_live(bytes).filter(|found| found.id <= self.to)
        {
            if found.id >= self.from
                && let Some(place) = self.window.get_mut(count % WINDOW)
            {
                *place = Some(found.entry(bytes));
                count += 1;
            }
        }
        self.behind = count;
        self.held = count.min(WINDOW);
        match count.checked_sub(WINDOW) {
            // Older entries of the same block come next: those before the oldest in the window.
            Some(older) if older > 0 => {
                let oldest = self.window.get(older % WINDOW).copied().flatten()?;
                self.to = oldest.id().predecessor()?;
            }
            _ => self.block_end -= 1,
        }
        Some(())
    }
}

impl<'a> Iterator for Backward<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        self.next_entry()
    }
}
