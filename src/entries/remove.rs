//! Removing entries: one bit for each, and whole blocks when nothing in their node lives any more.
//!
//! An entry that is removed stays in its block as a tombstone. Its ID still matters to `~` (a node is judged by its
//! last ID, deleted or not), and the entries behind it are read across it. What is given back is what nobody can ask
//! for: a node without live entries goes as a whole, and a block without live entries inside a node that lives loses
//! its bytes, unless they hold the node's names. (Those of the last block go when another one follows.)
//!
//! A snapshot that is being taken may still have to tell what is removed: it gets a copy of what is marked, and what is
//! given back itself.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::block::{Block, DELETED, Found};
use super::log::Entries;
use crate::id::EntryId;

impl Entries {
    /// Removes one entry; says whether it was there.
    pub(crate) fn remove(&mut self, id: EntryId) -> bool {
        self.remove_range(id, id, None) > 0
    }

    /// Removes the live entries from `from` to `to`, both included, and returns how many. Each one's ID is passed to
    /// `removed`; when nobody wants to know, what goes as a whole is not read.
    pub(crate) fn remove_range(
        &mut self,
        from: EntryId,
        to: EntryId,
        mut removed: Option<&mut dyn FnMut(EntryId)>,
    ) -> u64 {
        if self.live == 0 || from > to || to < self.first_live || from > self.last_live {
            return 0;
        }
        let start = self.position(from.max(self.first_live));
        let mut at = start;
        let mut count = 0;
        while self.blocks.get(at).is_some_and(|block| block.first <= to) {
            if let Some(end) = self.node_within(at, from, to) {
                (at..end).for_each(|position| self.report(position, &mut removed));
                count += self.kill_node(at);
                at = end;
            } else {
                count += self.bury(at, from, to, &mut removed);
                at += 1;
            }
        }
        if count > 0 {
            self.live -= count;
            self.drop_dead_nodes(start, at);
            self.find_ends(from, to);
        }
        count
    }

    /// The end of the node that the block at `start` opens, if all of it lies in the range.
    fn node_within(&self, start: usize, from: EntryId, to: EntryId) -> Option<usize> {
        let block = self.blocks.get(start)?;
        if !block.opens_node() || block.first < from || block.last > to {
            return None;
        }
        let end = self.node_end(start);
        let last = self.blocks.get(end - 1)?.last;
        (last <= to).then_some(end)
    }

    /// Counts a node as dead; returns how many entries lived. Its blocks are dropped afterwards, as they are.
    fn kill_node(&mut self, start: usize) -> u64 {
        self.node_mut(start).map_or(0, |node| u64::from(core::mem::take(&mut node.live)))
    }

    /// Removes the live entries of one block that lie in the range; returns how many.
    fn bury(
        &mut self,
        position: usize,
        from: EntryId,
        to: EntryId,
        removed: &mut Option<&mut dyn FnMut(EntryId)>,
    ) -> u64 {
        let Some(block) = self.blocks.get(position).filter(|block| block.live > 0) else { return 0 };
        let is_last = position + 1 == self.blocks.len();
        let dies = !is_last && !block.opens_node() && from <= block.first && block.last <= to;
        let count = if dies { self.bury_all(position, removed) } else { self.bury_some(position, from, to, removed) };
        if let Some(node) = self.node_mut(position) {
            node.live -= u32::from(count);
        }
        u64::from(count)
    }

    /// Removes all live entries of a block whose bytes are of no use without them.
    fn bury_all(&mut self, position: usize, removed: &mut Option<&mut dyn FnMut(EntryId)>) -> u16 {
        self.report(position, removed);
        self.give_up(position);
        self.blocks.get_mut(position).map_or(0, |block| core::mem::take(&mut block.live))
    }

    /// Passes on the IDs of the live entries of one block.
    fn report(&self, position: usize, removed: &mut Option<&mut dyn FnMut(EntryId)>) {
        let (Some(removed), Some(block)) = (removed, self.blocks.get(position)) else { return };
        let (mut scan, bytes) = (self.scan_of(block), self.bytes_of(block));
        while let Some(found) = scan.next_live(bytes) {
            removed(found.id);
        }
    }

    /// Marks the live entries of one block that lie in the range; returns how many.
    fn bury_some(
        &mut self,
        position: usize,
        from: EntryId,
        to: EntryId,
        removed: &mut Option<&mut dyn FnMut(EntryId)>,
    ) -> u16 {
        let Some(block) = self.blocks.get(position) else { return 0 };
        let mut scan = self.scan_of(block);
        let mut next = scan.next_live(self.bytes_of(block));
        while next.is_some_and(|found| found.id < from) {
            next = scan.next_live(self.bytes_of(block));
        }
        let lies_within = |found: &Found| found.id <= to;
        if next.is_none_or(|found| !lies_within(&found)) {
            return 0;
        }
        self.touch(position);
        let is_last = position + 1 == self.blocks.len();
        let Some(block) = self.blocks.get_mut(position) else { return 0 };
        let bytes = if is_last && !self.open.is_empty() { &mut self.open[..] } else { &mut block.bytes[..] };
        let mut count: u16 = 0;
        while let Some(found) = next.filter(lies_within) {
            if let Some(flags) = bytes.get_mut(found.at) {
                *flags |= DELETED;
                count += 1;
            }
            if let Some(removed) = removed {
                removed(found.id);
            }
            next = scan.next_live(bytes);
        }
        block.live -= count;
        if !is_last {
            self.give_up_dead(position);
        }
        count
    }

    /// Gives up the bytes of a block if it is dead.
    pub(super) fn give_up_dead(&mut self, position: usize) {
        if self.blocks.get(position).is_some_and(Block::is_dead) {
            self.give_up(position);
        }
    }

    /// Gives up the bytes of a block.
    fn give_up(&mut self, position: usize) {
        let Some(block) = self.blocks.get_mut(position) else { return };
        let bytes = core::mem::take(&mut block.bytes);
        self.sealed_bytes -= bytes.len();
        if let Some(runs) = &mut self.runs {
            runs.take(position, block.with_bytes(bytes));
        }
    }

    /// Drops the nodes without live entries among those which the blocks from `start` to before `end` belong to. All
    /// of that range was removed, so only the nodes at its two ends can still live.
    fn drop_dead_nodes(&mut self, start: usize, end: usize) {
        let lives = |log: &Self, position| log.node(position).is_some_and(|node| node.live > 0);
        let front = self.node_start(start);
        let front = if lives(self, front) { self.node_end(front) } else { front };
        let back = self.node_start(end - 1);
        let back = if lives(self, back) { back } else { self.node_end(back) };
        if front >= back {
            return;
        }
        let mut open = Vec::new();
        if back == self.blocks.len() {
            match &self.runs {
                Some(runs) if runs.is_kept(back - 1) => open = core::mem::take(&mut self.open),
                _ => self.open.clear(),
            }
        }
        for position in front..back {
            let Some(mut block) = self.blocks.remove(front) else { break };
            self.sealed_bytes -= block.bytes.len();
            self.nodes -= u64::from(block.opens_node());
            if let Some(runs) = &mut self.runs {
                if position + 1 == back && !open.is_empty() {
                    block.bytes = core::mem::take(&mut open).into_boxed_slice();
                }
                runs.take(position, block);
            }
        }
        if let Some(runs) = &mut self.runs {
            runs.dropped(front, back);
        }
        self.shrink();
    }

    /// Gives back the room for headers when most of it stands empty. A refusal leaves it as it is.
    fn shrink(&mut self) {
        let len = self.blocks.len();
        if self.blocks.capacity() / 4 > len {
            let mut smaller = VecDeque::new();
            if smaller.try_reserve_exact(len + len / 8).is_ok() {
                while let Some(block) = self.blocks.pop_front() {
                    smaller.push_back(block);
                }
                self.blocks = smaller;
            }
        }
    }

    /// Finds the first and the last live entry again after the range was removed.
    fn find_ends(&mut self, from: EntryId, to: EntryId) {
        if self.live == 0 {
            let mut runs = self.runs.take().filter(|runs| runs.is_frozen());
            if let Some(runs) = &mut runs {
                runs.emptied();
            }
            *self = Entries { runs, ..Entries::new() };
            return;
        }
        if self.last_live <= to {
            self.last_live = self.range_back(EntryId::MIN, from).next_entry().map_or(from, |entry| entry.id());
        }
        if self.first_live >= from {
            self.find_head(to);
        }
    }

    /// Moves `head` to the first live entry, which lies behind `removed_to`.
    fn find_head(&mut self, removed_to: EntryId) {
        for block in self.blocks.range(self.position(removed_to)..).filter(|block| block.live > 0) {
            // In the block that held the first live entry, the search continues from there.
            let mut scan = self.scan_of(block);
            if let Some(found) = scan.seek_live(self.bytes_of(block)) {
                self.first_live = found.id;
                self.head = scan;
                return;
            }
        }
    }
}
