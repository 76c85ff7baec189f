//! The log: the blocks of a stream in the order of their IDs, and appending to the last of them.
//!
//! *Design.* IDs only grow, so entries are only ever added at the end. A deque of block headers, found by binary
//! search, gives what a tree would give, with neighbours next to each other and nothing to balance. Finding costs
//! O(log blocks), appending and removing at the front O(1). Only removing a node in the middle moves headers, 64 bytes
//! for each hundred entries.
//!
//! A *logical node* is what Redis would call a node: `~` trims whole nodes, so their boundaries are visible. A node is
//! a run of blocks. Its first block counts for it; the others say how far back that is. Blocks of one size would do
//! without nodes, and nodes would do without blocks, were it not that a node may be configured up to 1 GiB, and that
//! an entry is found by reading its block from the front.
//!
//! *Writing.* The last block may be open: its bytes are in a buffer of their own which grows by doubling. When it is
//! full they are copied into a box of just their size (sealed), and the buffer serves the next block. So the slack of
//! doubling exists once for each stream and not in each block. When the last node is removed, the block before it
//! accepts entries again, as in Redis: it is copied back (reopened) at the next append. Whether the last block is open
//! or sealed can be seen in nothing else: which blocks there are and what their bytes say follows from the entries
//! appended and removed, and never from room that was reserved in vain. So a log that was read back goes on as the one
//! that was stored (`units/image.rs`).
//!
//! *Memory* is reserved for one entry by [`Entries::reserve`], which may refuse; [`Entries::append`] then allocates
//! nothing and cannot fail. Headers grow by an eighth, not by doubling, and shrink when three quarters stand empty.
//!
//! *Invariants*
//! 1. IDs grow strictly over all blocks. Each block keeps its own invariants (`block.rs`).
//! 2. The first block opens a node. A block that continues a node names the distance to the one which opens it.
//! 3. A node's counts are the sums over its blocks and its bytes those of Redis; a node has a live entry. A block that
//!    continues a node knows its own part of these bytes.
//! 4. `open` holds the bytes of the last block, or nothing. A block without any bytes is that one, or continues a node
//!    and has no live entry. (One that opens a node keeps them: its first entry's names are the node's.) Such a block
//!    has bytes only as the last one, which may be written to again.
//! 5. `index`, if there is one and a block is open, is what reading the open block would give.
//! 6. `live`, `nodes` and `sealed_bytes` are the sums over the blocks.
//! 7. `first_live` and `last_live` are the IDs at the ends, and `head` stands right before the first live entry in its
//!    block. All three mean nothing in an empty log, which has no blocks.
//! 8. An empty log has no `runs` unless they are frozen (`units/mod.rs`).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::block::{BLOCK_BYTES_MAX, Block, Entry, Node, Place, Scan};
use super::cursor::{Backward, Forward, Lookup};
use super::geometry::{self, NodeLimits};
use super::units::Runs;
use super::writer::{self, Index, Writer};
use crate::id::EntryId;
use crate::memory::{Boxed, OutOfMemory, try_boxed};

/// The smallest buffer for an open block: the entry of a one-entry stream should need no more.
const OPEN_BYTES_MIN: usize = 64;

/// The entries of one stream.
pub(crate) struct Entries {
    pub(super) blocks: VecDeque<Block>,
    pub(super) open: Vec<u8>,
    pub(super) index: Option<Boxed<Index>>,
    pub(super) live: u64,
    pub(super) nodes: u64,
    pub(super) sealed_bytes: usize,
    pub(super) first_live: EntryId,
    pub(super) last_live: EntryId,
    pub(super) head: Scan,
    /// What snapshots know of the blocks; nothing while none was asked for.
    pub(super) runs: Option<Boxed<Runs>>,
}

impl Entries {
    /// No entries, no memory.
    pub(crate) const fn new() -> Self {
        Entries {
            blocks: VecDeque::new(),
            open: Vec::new(),
            index: None,
            live: 0,
            nodes: 0,
            sealed_bytes: 0,
            first_live: EntryId::MIN,
            last_live: EntryId::MIN,
            head: Scan::start(EntryId::MIN),
            runs: None,
        }
    }

    /// Whether an entry with these fields, each a name and then a value, opens a new node.
    pub(crate) fn opens_node(&self, fields: &[&[u8]], limits: NodeLimits) -> bool {
        let Some(node) = self.blocks.len().checked_sub(1).and_then(|last| self.node(last)) else { return true };
        let total = u64::from(node.total.get());
        let live = u64::from(node.live);
        let counts = geometry::counts_bytes(live, total.saturating_sub(live));
        let bytes =
            fields.iter().fold(u64::from(node.bytes) + counts, |sum, text| sum.saturating_add(text.len() as u64));
        limits.reached(bytes, total)
    }

    /// Makes room for one entry with these fields: after this, [`Entries::append`] with the same arguments allocates
    /// nothing. A refusal changes nothing that anybody could see.
    pub(crate) fn reserve(&mut self, fields: &[&[u8]], opens_node: bool) -> Result<(), OutOfMemory> {
        let size = writer::entry_bytes_max(fields.as_chunks().0);
        let Some(block) = self.blocks.back() else {
            self.reserve_block()?;
            return self.reserve_bytes(size);
        };
        let held = if self.open.is_empty() { block.bytes.len() } else { self.open.len() };
        let fits = held != 0 && held.saturating_add(size) <= BLOCK_BYTES_MAX;
        if fits && !opens_node {
            // The index first: no open block with entries to index is ever without one.
            self.reserve_index()?;
            self.reopen(size)?;
            self.reserve_bytes(size)
        } else {
            self.reserve_block()?;
            self.reserve_index()?;
            self.seal()?;
            self.reserve_bytes(size)
        }
    }

    /// Appends an entry for which room was reserved. Its ID is greater than all before it; if it is not, nothing
    /// happens.
    pub(crate) fn append(&mut self, id: EntryId, fields: &[&[u8]], opens_node: bool) {
        let before = self.blocks.back().map(|block| block.last);
        let grows = before.is_none_or(|before| before < id);
        debug_assert!(grows, "{id} does not come after {before:?}");
        if !grows {
            return;
        }
        let starts_block = self.open.is_empty();
        debug_assert!(starts_block || !opens_node, "room was reserved in the node before");
        let opens_node = starts_block && (opens_node || before.is_none());
        if self.runs.is_some() {
            self.touch_last(starts_block);
        }
        let fields = fields.as_chunks().0;
        let bytes = self.write(id, fields, before.filter(|_| !starts_block), opens_node);

        if starts_block {
            self.give_up_dead(self.blocks.len().wrapping_sub(1));
            let place = if opens_node { Place::Opens(Node::new(bytes)) } else { self.next_place(bytes) };
            self.blocks.push_back(Block::new(id, place));
            self.nodes += u64::from(opens_node);
        } else if let Some(block) = self.blocks.back_mut() {
            block.add(id, bytes);
        }
        if !opens_node && let Some(node) = self.last_node_mut() {
            node.add(bytes);
        }
        if self.live == 0 {
            self.first_live = id;
            self.head = Scan::start(id);
        }
        self.last_live = id;
        self.live += 1;
    }

    /// The number of live entries.
    pub(crate) fn len(&self) -> u64 {
        self.live
    }

    /// The number of logical nodes.
    pub(crate) fn nodes(&self) -> u64 {
        self.nodes
    }

    /// The ID of the first live entry.
    pub(crate) fn first_id(&self) -> Option<EntryId> {
        (self.live > 0).then_some(self.first_live)
    }

    /// The ID of the last live entry.
    pub(crate) fn last_id(&self) -> Option<EntryId> {
        (self.live > 0).then_some(self.last_live)
    }

    /// Bytes on the heap, unused capacity included.
    pub(crate) fn memory(&self) -> usize {
        let headers = self.blocks.capacity() * size_of::<Block>();
        let index = if self.index.is_some() { size_of::<Index>() } else { 0 };
        let runs = self.runs.as_ref().map_or(0, |runs| size_of::<Runs>() + runs.memory());
        headers + self.open.capacity() + self.sealed_bytes + index + runs
    }

    /// The bytes of all blocks, and a little for each: about what an image of the log takes.
    pub(crate) fn bytes(&self) -> usize {
        const HEADER: usize = 8;
        self.sealed_bytes + self.open.len() + self.blocks.len() * HEADER
    }

    /// Whether a live entry has this ID.
    pub(crate) fn contains(&self, id: EntryId) -> bool {
        self.get(id).is_some()
    }

    /// The live entry with this ID.
    pub(crate) fn get(&self, id: EntryId) -> Option<Entry<'_>> {
        self.range(id, id).next_entry()
    }

    /// For looking up many entries.
    pub(crate) fn lookup(&self) -> Lookup<'_> {
        Lookup::new(self)
    }

    /// The live entries from `from` to `to`, both included.
    pub(crate) fn range(&self, from: EntryId, to: EntryId) -> Forward<'_> {
        Forward::new(self, from, to)
    }

    /// The live entries from `to` back to `from`, both included.
    pub(crate) fn range_back(&self, from: EntryId, to: EntryId) -> Backward<'_> {
        Backward::new(self, from, to)
    }

    /// All blocks with their bytes. Bytes that were given up are empty.
    #[cfg(test)]
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (&Block, &[u8])> {
        self.blocks.iter().map(|block| (block, self.bytes_of(block)))
    }

    /// The bytes of a block: its own, or those which are still being written.
    #[inline]
    pub(super) fn bytes_of<'a>(&'a self, block: &'a Block) -> &'a [u8] {
        let is_open = block.bytes.is_empty() && self.blocks.back().is_some_and(|last| last.first == block.first);
        if is_open { &self.open } else { &block.bytes }
    }

    /// Where to begin reading a block: at its front, or at the first live entry of all.
    #[inline]
    pub(super) fn scan_of(&self, block: &Block) -> Scan {
        let holds_head = block.first <= self.first_live && self.first_live <= block.last;
        if holds_head { self.head } else { Scan::start(block.first) }
    }

    /// The position of the first block that ends at or after `id`.
    pub(super) fn position(&self, id: EntryId) -> usize {
        // Trimming and queues work at the front.
        if self.blocks.front().is_some_and(|block| block.last >= id) {
            return 0;
        }
        self.blocks.partition_point(|block| block.last < id)
    }

    /// The position of the block that opens the node to which the block at `position` belongs.
    pub(super) fn node_start(&self, position: usize) -> usize {
        match self.blocks.get(position).map(|block| block.place) {
            Some(Place::Continues { offset, .. }) => position.saturating_sub(offset as usize),
            _ => position,
        }
    }

    /// The position behind the last block of the node that the block at `start` opens.
    pub(super) fn node_end(&self, start: usize) -> usize {
        // Behind the node, offsets begin anew and so are smaller: this parts the blocks in two.
        let belongs = |position: usize| match self.blocks.get(position).map(|block| block.place) {
            Some(Place::Continues { offset, .. }) => position - start == offset as usize,
            _ => false,
        };
        let (mut inside, mut outside) = (start, start + 1);
        if belongs(outside) {
            (inside, outside) = (outside, self.blocks.len());
        }
        while outside - inside > 1 {
            let middle = inside + (outside - inside) / 2;
            if belongs(middle) {
                inside = middle;
            } else {
                outside = middle;
            }
        }
        outside
    }

    /// The counts of the node to which the block at `position` belongs.
    pub(super) fn node(&self, position: usize) -> Option<&Node> {
        match &self.blocks.get(self.node_start(position))?.place {
            Place::Opens(node) => Some(node),
            Place::Continues { .. } => None,
        }
    }

    pub(super) fn node_mut(&mut self, position: usize) -> Option<&mut Node> {
        let start = self.node_start(position);
        match &mut self.blocks.get_mut(start)?.place {
            Place::Opens(node) => Some(node),
            Place::Continues { .. } => None,
        }
    }

    pub(super) fn last_node_mut(&mut self) -> Option<&mut Node> {
        self.node_mut(self.blocks.len().checked_sub(1)?)
    }

    /// The place of a new block that continues the last node and adds so many bytes to it.
    pub(super) fn next_place(&self, bytes: u32) -> Place {
        let offset = self.blocks.len() - self.node_start(self.blocks.len().saturating_sub(1));
        Place::Continues { offset: offset as u32, bytes }
    }

    /// Writes an entry into the open block; returns what it adds to its node.
    #[inline]
    fn write(&mut self, id: EntryId, fields: &[[&[u8]; 2]], before: Option<EntryId>, opens_node: bool) -> u32 {
        let start = self.node_start(self.blocks.len().saturating_sub(1));
        let opening = self.blocks.get(start).filter(|_| !opens_node);
        let node_first = opening.map_or(id, |block| block.first);
        let index = self.index.as_deref_mut();
        let mut are_node_names = |open: &[u8]| {
            opening.is_none_or(|block| {
                let bytes = if block.bytes.is_empty() { open } else { &block.bytes };
                writer::first_has_names(bytes, fields)
            })
        };
        let written = Writer { block: &mut self.open, index }.write(before, id, fields, &mut are_node_names);

        let count = fields.len() as u64;
        let differences = (id.ms().wrapping_sub(node_first.ms()), id.seq().wrapping_sub(node_first.seq()));
        let names_bytes = (!written.same_names).then_some(written.names_bytes);
        let mut bytes = geometry::entry_bytes(differences, count, names_bytes, written.values_bytes);
        if opens_node {
            bytes += geometry::node_bytes(count, written.names_bytes);
        }
        // A node is full long before 4 GiB.
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// Room for one more header.
    pub(super) fn reserve_block(&mut self) -> Result<(), OutOfMemory> {
        if self.blocks.len() == self.blocks.capacity() {
            self.blocks.try_reserve_exact(self.blocks.len() / 8 + 1)?;
        }
        Ok(())
    }

    /// Room for so many bytes more in the open block.
    fn reserve_bytes(&mut self, size: usize) -> Result<(), OutOfMemory> {
        let needed = self.open.len().saturating_add(size);
        if needed > self.open.capacity() {
            let doubled = (self.open.capacity() * 2).min(BLOCK_BYTES_MAX);
            let capacity = needed.max(doubled).max(OPEN_BYTES_MIN);
            self.open.try_reserve_exact(capacity - self.open.len())?;
        }
        Ok(())
    }

    /// An index, before the log gets its second entry.
    pub(super) fn reserve_index(&mut self) -> Result<(), OutOfMemory> {
        if self.index.is_none() {
            self.index = Some(Index::try_new()?);
            self.rebuild_index();
        }
        Ok(())
    }

    pub(super) fn rebuild_index(&mut self) {
        if let (Some(index), Some(block)) = (&mut self.index, self.blocks.back()) {
            index.rebuild(&self.open, block.first);
        }
    }

    /// Gives the open block its bytes for good.
    fn seal(&mut self) -> Result<(), OutOfMemory> {
        let Some(block) = self.blocks.back_mut().filter(|_| !self.open.is_empty()) else { return Ok(()) };
        if self.open.capacity() > BLOCK_BYTES_MAX {
            // A single large entry: its buffer shrinks in place, where a copy would need the same size again.
            block.bytes = core::mem::take(&mut self.open).into_boxed_slice();
        } else {
            block.bytes = try_boxed(&self.open)?;
            self.open.clear();
        }
        self.sealed_bytes += block.bytes.len();
        Ok(())
    }

    /// Opens the last block again, with room for so many bytes more.
    pub(super) fn reopen(&mut self, size: usize) -> Result<(), OutOfMemory> {
        if !self.open.is_empty() {
            return Ok(());
        }
        let Some(held) = self.blocks.back().map(|block| block.bytes.len()) else { return Ok(()) };
        self.reserve_bytes(held + size)?;
        if let Some(block) = self.blocks.back_mut() {
            self.open.extend_from_slice(&core::mem::take(&mut block.bytes));
        }
        self.sealed_bytes -= held;
        self.rebuild_index();
        Ok(())
    }
}
