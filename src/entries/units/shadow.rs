//! The shadow: blocks as they were when the log was frozen, where the log has changed them since.
//!
//! It knows neither runs nor how a block is told. It is asked before a block of the log changes, and it gives back, in
//! the order of IDs, the blocks that there were.
//!
//! *Design.* The first change of a block after the freeze copies it, header and bytes; what is dropped as a whole is
//! moved here instead, so that dropping a log of any size takes 64 bytes a block and no copy. What was there is then the
//! merge of two lists by first ID: the blocks saved here, and those of the log, of which the saved ones have the older
//! state. Blocks that came after the freeze do not belong to it. They stand behind the others, so a count says which
//! they are. Their IDs do not: once a log is empty, lower ones may follow.
//!
//! *Why not a copy of a whole run.* It would need no merging, but a deletion here and there would copy 56 KB each, and
//! trimming would copy what it could have moved.
//!
//! A refused allocation loses the shadow and nothing else: the write that needed it goes on.
//!
//! *Invariants*
//! 1. `order` holds the keys of all saved blocks, by first ID.
//! 2. `bytes` is the sum over the saved blocks.
//! 3. The first `old` blocks of the log were there at the freeze; of those that were, and that are not yet told, each
//!    one that has changed is saved.
//! 4. A shadow that was lost holds nothing.

use alloc::string::String;
use core::cmp::Ordering;

use super::super::block::Block;
use super::super::log::Entries;
use crate::id::EntryId;
use crate::invariant::ensure;
use crate::memory::{OutOfMemory, try_boxed};
use crate::slots::Slots;
use crate::sorted_keys::{Keys, SortedKeys};

/// See the head of this file.
pub(super) struct Shadow {
    saved: Slots<Block>,
    order: SortedKeys,
    bytes: usize,
    old: usize,
    is_lost: bool,
}

impl Shadow {
    /// The shadow of a log with so many blocks.
    pub(super) const fn new(old: usize) -> Shadow {
        Shadow { saved: Slots::new(), order: SortedKeys::new(), bytes: 0, old, is_lost: false }
    }

    /// How many blocks of the log were there.
    pub(super) fn old(&self) -> usize {
        self.old
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Whether a block is to be saved when it changes, as long as it is not told.
    pub(super) fn is_kept(&self, position: usize) -> bool {
        position < self.old && !self.is_lost
    }

    /// Saves a copy of a block, unless its older state is saved already.
    pub(super) fn copy(&mut self, block: &Block, bytes: &[u8]) {
        if self.is_lost || self.holds(block.first) {
            return;
        }
        match self.reserve().and_then(|()| try_boxed(bytes)) {
            Ok(bytes) => self.insert(block.with_bytes(bytes)),
            Err(OutOfMemory) => self.lose(),
        }
    }

    /// Saves a block, unless its older state is saved already.
    pub(super) fn take(&mut self, block: Block) {
        if self.is_lost || self.holds(block.first) {
            return;
        }
        match self.reserve() {
            Ok(()) => self.insert(block),
            Err(OutOfMemory) => self.lose(),
        }
    }

    /// The blocks of the log from `front` to before `back` are gone.
    pub(super) fn dropped(&mut self, front: usize, back: usize) {
        self.old -= back.min(self.old) - front.min(self.old);
    }

    /// Frees the saved blocks up to an ID.
    pub(super) fn release(&mut self, through: EntryId) {
        while let Some(key) = self.order.first()
            && let Some(block) = self.saved.get(key).filter(|block| block.first <= through)
        {
            self.bytes -= block.bytes.len();
            self.order.remove(key, &mut |_| Ordering::Equal);
            self.saved.remove(key);
        }
        self.saved.release_if_empty();
    }

    /// Bytes on the heap.
    pub(super) fn memory(&self) -> usize {
        self.bytes + self.saved.memory() + self.order.memory()
    }

    /// Checks the invariants in the head of this file, as far as they can be seen; nothing up to `told` is saved.
    pub(super) fn validate(&self, blocks: usize, told: EntryId) -> Result<(), String> {
        self.saved.validate()?;
        self.order.validate(&mut |one, other| self.first(one).cmp(&self.first(other)))?;
        ensure(self.order.len() == self.saved.len(), "shadow 1: a saved block has no place")?;
        let bytes: usize = self.saved.iter().map(|(_, block)| block.bytes.len()).sum();
        ensure(bytes == self.bytes, "shadow 2: the bytes are not the sum")?;
        ensure(self.old <= blocks, "shadow 3: more old blocks than there are")?;
        let untold = self.saved.iter().all(|(_, block)| block.first > told);
        ensure(untold, "shadow 3: a block is saved that was told")?;
        ensure(!self.is_lost || self.memory() == 0, "shadow 4: a lost shadow holds memory")
    }

    fn first(&self, key: u32) -> EntryId {
        self.saved.get(key).map_or(EntryId::MAX, |block| block.first)
    }

    fn holds(&self, first: EntryId) -> bool {
        self.order.find(&mut |key| self.first(key).cmp(&first)).is_some()
    }

    fn reserve(&mut self) -> Result<(), OutOfMemory> {
        #[cfg(test)]
        if super::tests::is_memory_refused() {
            return Err(OutOfMemory);
        }
        self.saved.reserve(1)?;
        self.order.reserve(1)
    }

    fn insert(&mut self, block: Block) {
        let first = block.first;
        self.bytes += block.bytes.len();
        let key = self.saved.insert(block);
        let saved = &self.saved;
        self.order.insert(key, &mut |other| saved.get(other).map(|block| block.first).cmp(&Some(first)));
    }

    fn lose(&mut self) {
        *self = Shadow { is_lost: true, ..Shadow::new(self.old) };
    }
}

/// What tests look at.
#[cfg(test)]
impl Shadow {
    pub(super) fn saved(&self) -> impl Iterator<Item = &Block> {
        self.saved.iter().map(|(_, block)| block)
    }
}

/// A walk over the blocks as they were.
pub(super) struct OldBlocks<'a> {
    log: &'a Entries,
    shadow: Option<&'a Shadow>,
    /// The next block of the log, and the end of those that were there.
    position: usize,
    old: usize,
    saved: Option<Keys<'a>>,
    next_saved: Option<&'a Block>,
}

/// A block as it was.
#[derive(Clone, Copy)]
pub(super) struct OldBlock<'a> {
    pub(super) block: &'a Block,
    pub(super) bytes: &'a [u8],
    /// Whether the log has changed it since.
    pub(super) has_changed: bool,
}

impl<'a> OldBlocks<'a> {
    /// The blocks that begin behind an ID. Without a shadow nothing has changed.
    pub(super) fn new(log: &'a Entries, shadow: Option<&'a Shadow>, behind: EntryId) -> OldBlocks<'a> {
        let old = shadow.map_or(log.blocks.len(), Shadow::old);
        let (mut position, mut end) = (0, old);
        while position < end {
            let middle = position + (end - position) / 2;
            if log.blocks.get(middle).is_some_and(|block| block.first <= behind) {
                position = middle + 1;
            } else {
                end = middle;
            }
        }
        let saved = shadow.map(|shadow| {
            let is_behind = |key| if shadow.first(key) <= behind { Ordering::Less } else { Ordering::Greater };
            shadow.order.iter_from(shadow.order.seek(&mut { is_behind }))
        });
        let mut walk = OldBlocks { log, shadow, position, old, saved, next_saved: None };
        walk.next_saved();
        walk
    }

    fn next_saved(&mut self) {
        let key = self.saved.as_mut().and_then(Iterator::next);
        self.next_saved = key.and_then(|key| self.shadow?.saved.get(key));
    }

    /// The next block, and the walk in front of it.
    pub(super) fn peek(&self) -> Option<OldBlock<'a>> {
        let live = self.log.blocks.get(self.position).filter(|_| self.position < self.old);
        match self.next_saved {
            Some(saved) if live.is_none_or(|live| saved.first <= live.first) => {
                Some(OldBlock { block: saved, bytes: &saved.bytes, has_changed: true })
            }
            _ => live.map(|block| OldBlock { block, bytes: self.log.bytes_of(block), has_changed: false }),
        }
    }

    /// Goes behind the block in front of which the walk is.
    pub(super) fn advance(&mut self) {
        let Some(next) = self.peek() else { return };
        let is_live = self.log.blocks.get(self.position).is_some_and(|live| live.first == next.block.first);
        self.position += usize::from(is_live && self.position < self.old);
        if next.has_changed {
            self.next_saved();
        }
    }
}
