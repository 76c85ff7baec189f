//! Key pages: which keys make up a unit of a snapshot, where it was stored last, and whether it has changed since.
//!
//! A page is 64 key numbers in a row of one database. It is told as a whole, with the heads of its streams.
//!
//! *Invariant.* A page that is not in the table counts as changed and not stored: so a change needs no memory, and
//! there is nothing to lose when memory is refused.

use alloc::vec::Vec;

use crate::engine::keyspace::{DATABASES, KeyRef};
use crate::image::PartSpan;
use crate::memory::OutOfMemory;

/// How many key numbers a page has.
const PAGE_KEYS: u32 = 64;

/// A page of a database, by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct PageRef {
    pub(super) database: u8,
    pub(super) page: u32,
}

impl PageRef {
    pub(super) const FIRST: PageRef = PageRef { database: 0, page: 0 };

    /// The page of a key.
    pub(super) fn of(at: KeyRef) -> PageRef {
        PageRef { database: at.database, page: at.slot / PAGE_KEYS }
    }

    pub(super) fn next(self) -> PageRef {
        PageRef { page: self.page + 1, ..self }
    }

    /// The numbers of its keys.
    pub(super) fn slots(self) -> core::ops::Range<u32> {
        let first = self.page.saturating_mul(PAGE_KEYS);
        first..first.saturating_add(PAGE_KEYS)
    }
}

/// What is known of a page.
#[derive(Clone, Copy, Default)]
struct State {
    /// Where it was stored; nowhere if the count is 0.
    span: PartSpan,
    /// The sum of the hashes of its keys, as it was stored.
    hash: u64,
    is_unchanged: bool,
}

/// All pages; see the head of this file.
#[derive(Default)]
pub(super) struct PageTable {
    databases: [Vec<State>; DATABASES as usize],
}

impl PageTable {
    /// Notes that a key changes.
    #[inline]
    pub(super) fn mark_changed(&mut self, page: PageRef) {
        if let Some(state) = self.state_mut(page) {
            state.is_unchanged = false;
        }
    }

    /// Where a page is stored, with the hash of its keys, unless it has changed since.
    pub(super) fn stored(&self, page: PageRef) -> Option<(PartSpan, u64)> {
        let state = self.databases.get(usize::from(page.database))?.get(page.page as usize)?;
        (state.is_unchanged && state.span.count > 0).then_some((state.span, state.hash))
    }

    /// Notes that a page was told as it is now. Where it is stored is said later; until then it is nowhere.
    pub(super) fn note_told(&mut self, page: PageRef, hash: u64) -> Result<(), OutOfMemory> {
        let Some(states) = self.databases.get_mut(usize::from(page.database)) else { return Ok(()) };
        let index = page.page as usize;
        if index >= states.len() {
            states.try_reserve(index + 1 - states.len())?;
            states.resize(index + 1, State::default());
        }
        if let Some(state) = states.get_mut(index) {
            *state = State { span: PartSpan::default(), hash, is_unchanged: true };
        }
        Ok(())
    }

    /// Says where a page is stored as it was told.
    pub(super) fn name(&mut self, page: PageRef, span: PartSpan) {
        if let Some(state) = self.state_mut(page) {
            state.span = span;
        }
    }

    /// Adds the hash of a key that was read from a snapshot to that of its page.
    pub(super) fn add_hash(&mut self, page: PageRef, hash: u64) {
        if let Some(state) = self.state_mut(page) {
            state.hash = state.hash.wrapping_add(hash);
        }
    }

    /// Forgets the pages of a database that was emptied.
    pub(super) fn clear(&mut self, database: u8) {
        if let Some(states) = self.databases.get_mut(usize::from(database)) {
            *states = Vec::new();
        }
    }

    pub(super) fn memory(&self) -> usize {
        self.databases.iter().map(|states| states.capacity() * size_of::<State>()).sum()
    }

    fn state_mut(&mut self, page: PageRef) -> Option<&mut State> {
        self.databases.get_mut(usize::from(page.database))?.get_mut(page.page as usize)
    }
}
