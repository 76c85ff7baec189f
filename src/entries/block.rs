//! A block: a run of entries in up to 4 KB of bytes, and the header by which the log finds it.
//!
//! A block does not know its neighbours. Whether its bytes are still being written, and where they are then, is the
//! log's business; how they are written is `writer.rs`'s.
//!
//! *Design.* Entries of a stream look alike: the same few sets of field names, IDs that only grow. So an entry stores
//! its names once; the next entry with these names stores the number of that template. An ID is the distance from the
//! one before. Reading therefore starts at the front of a block, which is why blocks are small; nothing stored says
//! where an entry ends, because skipping its tokens costs less than a byte for each entry would.
//!
//! *Layout*
//!
//! ```text
//! block  = entry+
//! entry  = flags id names values
//! flags  = S F F D T T T T      T: the template, 0 for own names
//!                               D: the entry was deleted
//!                               F: the form of the ID
//!                               S: the names are those of the node's first entry
//! id     = nothing in a block's first entry: its ID is in the header
//!        | 00 nothing           the same millisecond, the next sequence
//!        | 01 varint            so many milliseconds later, sequence 0
//!        | 10 varint            the same millisecond, the sequence so much greater
//!        | 11 varint varint     so many milliseconds later, this sequence
//! names  = nothing for a template
//!        | varint token*        the number of fields, then their names
//! values = token*
//! ```
//!
//! The first fifteen entries with own names are templates 1 to 15, in their order. A logical node is one or more
//! blocks in a row. The header of its first block counts for the whole node.
//!
//! *Invariants*
//! 1. IDs grow within a block; the first and last, deleted or not, are those in the header.
//! 2. `total` is the number of entries, `live` the number of those that are not deleted.
//! 3. Each entry begins below `BLOCK_BYTES_MAX`: only a block's single entry may be longer.
//! 4. S is set exactly for entries with the names of their node's first entry.

use alloc::boxed::Box;
use core::num::NonZeroU32;

use super::token::{self, Digits};
use crate::id::EntryId;

/// The size at which a block is full. A single entry may be larger, in a block of its own.
pub(super) const BLOCK_BYTES_MAX: usize = 4096;

/// How many templates a block can have.
pub(super) const TEMPLATES_MAX: usize = 15;

const TEMPLATE_BITS: u8 = 0b0000_1111;
/// The bit that deletes an entry.
pub(super) const DELETED: u8 = 0b0001_0000;
const FORM_BITS: u8 = 0b0110_0000;
const NEXT_SEQ: u8 = 0b0000_0000;
const LATER_MS: u8 = 0b0010_0000;
const LATER_SEQ: u8 = 0b0100_0000;
const LATER_BOTH: u8 = 0b0110_0000;
const SAME_NAMES: u8 = 0b1000_0000;

/// Where the names of a block's first entry stand: behind its flags.
pub(super) const FIRST_NAMES: usize = 1;

/// The header of a block.
pub(crate) struct Block {
    /// Empty while the log still writes them, and after they were given up because no entry is live.
    pub(super) bytes: Box<[u8]>,
    pub(super) first: EntryId,
    pub(super) last: EntryId,
    pub(super) live: u16,
    pub(super) total: u16,
    pub(super) place: Place,
}

// One header for each hundred small entries, but one for each three large ones: every byte of it counts.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Block>() == 64);
// Two bytes are the smallest entry, so 16 bits count the entries of a block.
const _: () = assert!(BLOCK_BYTES_MAX / 2 <= u16::MAX as usize && BLOCK_BYTES_MAX <= token::REFERENCE_END);

/// Where a block stands in its logical node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// It opens the node.
    Opens(Node),
    /// The node was opened `offset` blocks before; `bytes` of the node's virtual size are this block's.
    Continues { offset: u32, bytes: u32 },
}

/// What a logical node counts, over all its blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Node {
    pub(crate) total: NonZeroU32,
    pub(crate) live: u32,
    /// The virtual size (`geometry.rs`), without the two counts.
    pub(crate) bytes: u32,
}

impl Node {
    /// A node with its first entry.
    pub(super) const fn new(bytes: u32) -> Node {
        Node { total: NonZeroU32::MIN, live: 1, bytes }
    }

    /// Counts entries no more: tombstones that were cut off.
    pub(super) fn remove(&mut self, total: u32, bytes: u32) {
        self.total = NonZeroU32::new(self.total.get().saturating_sub(total)).unwrap_or(NonZeroU32::MIN);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Counts one more entry.
    pub(super) fn add(&mut self, bytes: u32) {
        self.total = self.total.saturating_add(1);
        self.live = self.live.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl Block {
    /// A block with its first entry.
    pub(super) fn new(id: EntryId, place: Place) -> Block {
        Block { bytes: Box::default(), first: id, last: id, live: 1, total: 1, place }
    }

    /// Counts one more entry, which adds so many bytes to its node.
    pub(super) fn add(&mut self, id: EntryId, node_bytes: u32) {
        self.last = id;
        self.live = self.live.saturating_add(1);
        self.total = self.total.saturating_add(1);
        if let Place::Continues { bytes, .. } = &mut self.place {
            *bytes = bytes.saturating_add(node_bytes);
        }
    }

    pub(super) const fn opens_node(&self) -> bool {
        matches!(self.place, Place::Opens(_))
    }

    /// Whether its bytes are of no use as soon as nothing more can be written behind them: nothing in it lives, and
    /// the names of its node stand elsewhere.
    pub(super) const fn is_dead(&self) -> bool {
        self.live == 0 && !self.opens_node()
    }

    /// The same header over other bytes.
    pub(super) const fn with_bytes(&self, bytes: Box<[u8]>) -> Block {
        Block { bytes, first: self.first, last: self.last, live: self.live, total: self.total, place: self.place }
    }
}

/// What tests look at.
#[cfg(test)]
impl Block {
    /// The ID of the first entry, deleted or not.
    pub(crate) const fn first(&self) -> EntryId {
        self.first
    }

    /// The ID of the last entry, deleted or not.
    pub(crate) const fn last(&self) -> EntryId {
        self.last
    }

    /// The number of entries that are not deleted.
    pub(crate) const fn live(&self) -> u16 {
        self.live
    }

    /// The number of entries, deleted ones included.
    pub(crate) const fn total(&self) -> u16 {
        self.total
    }
}

/// The flags of an entry to be written, with the form of its ID, and the varints of that form.
pub(super) struct Head {
    pub(super) flags: u8,
    pub(super) varints: [Option<u64>; 2],
}

impl Head {
    /// The head of an entry with the given template (0 for own names) whose ID follows `before`, or opens the block.
    pub(super) fn new(before: Option<EntryId>, id: EntryId, template: u8, same_names: bool) -> Head {
        let (form, varints) = match before {
            None => (NEXT_SEQ, [None, None]),
            Some(before) if before.successor() == Some(id) && before.ms() == id.ms() => (NEXT_SEQ, [None, None]),
            Some(before) => match (id.ms().wrapping_sub(before.ms()), id.seq()) {
                (0, seq) => (LATER_SEQ, [Some(seq.wrapping_sub(before.seq())), None]),
                (later_ms, 0) => (LATER_MS, [Some(later_ms), None]),
                (later_ms, seq) => (LATER_BOTH, [Some(later_ms), Some(seq)]),
            },
        };
        let same_names = if same_names { SAME_NAMES } else { 0 };
        Head { flags: form | same_names | template, varints }
    }
}

/// A walk over the entries of one block, front to back: a place in it and what was learnt on the way there.
///
/// It holds no reference to the bytes, so that the log can keep one; whoever continues it passes the same block.
#[derive(Clone, Copy)]
pub(super) struct Scan {
    /// Where the next entry begins.
    at: u32,
    /// The entry before it, or, at the front of the block, the block's first ID.
    id: EntryId,
    /// Where the names of each template stand.
    templates: [u16; TEMPLATES_MAX],
    known: u8,
}

/// An entry that a scan came across.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) id: EntryId,
    /// Where it begins: the place of its flags.
    pub(super) at: usize,
    pub(super) flags: u8,
    pub(super) names: u32,
    pub(super) values: u32,
    pub(super) fields: u32,
}

impl Scan {
    /// Before the first entry of a block.
    pub(super) const fn start(first: EntryId) -> Scan {
        Scan { at: 0, id: first, templates: [0; TEMPLATES_MAX], known: 0 }
    }

    /// The next entry, deleted or not. `None` behind the last one.
    #[inline]
    pub(super) fn next(&mut self, block: &[u8]) -> Option<Found> {
        let start = self.at as usize;
        let flags = *block.get(start)?;
        let (id, at) = if start == 0 { (self.id, 1) } else { self.read_id(block, flags, start + 1)? };
        let (names, fields, values) = match flags & TEMPLATE_BITS {
            0 => self.learn_names(block, at)?,
            template => {
                let names = usize::from(*self.templates.get(usize::from(template) - 1)?);
                let (fields, names) = token::read_varint(block, names)?;
                (names, fields, at)
            }
        };
        let mut end = values;
        for _ in 0..fields {
            end = token::skip(block, end)?;
        }
        self.at = end as u32;
        self.id = id;
        Some(Found { id, at: start, flags, names: names as u32, values: values as u32, fields: fields as u32 })
    }

    /// The next entry that is not deleted, and `self` behind it.
    #[inline]
    pub(super) fn next_live(&mut self, block: &[u8]) -> Option<Found> {
        loop {
            let found = self.next(block)?;
            if found.is_live() {
                return Some(found);
            }
        }
    }

    /// The next entry that is not deleted, and `self` in front of it.
    pub(super) fn seek_live(&mut self, block: &[u8]) -> Option<Found> {
        loop {
            // Going back forgets a template by its number alone: it is learnt again at the same place.
            let (at, id, known) = (self.at, self.id, self.known);
            let found = self.next(block)?;
            if found.is_live() {
                (self.at, self.id, self.known) = (at, id, known);
                return Some(found);
            }
        }
    }

    /// Whether all of the block was read.
    pub(super) const fn is_behind(&self, block: &[u8]) -> bool {
        self.at as usize == block.len()
    }

    #[inline]
    fn read_id(&self, block: &[u8], flags: u8, at: usize) -> Option<(EntryId, usize)> {
        let (ms, seq) = (self.id.ms(), self.id.seq());
        Some(match flags & FORM_BITS {
            NEXT_SEQ => (EntryId::new(ms, seq.wrapping_add(1)), at),
            LATER_MS => {
                let (later, at) = token::read_varint(block, at)?;
                (EntryId::new(ms.wrapping_add(later), 0), at)
            }
            LATER_SEQ => {
                let (later, at) = token::read_varint(block, at)?;
                (EntryId::new(ms, seq.wrapping_add(later)), at)
            }
            _ => {
                let (later, at) = token::read_varint(block, at)?;
                let (seq, at) = token::read_varint(block, at)?;
                (EntryId::new(ms.wrapping_add(later), seq), at)
            }
        })
    }

    /// Reads over the names at `at`, which become a template while there is room: where they begin, how many there
    /// are, where they end.
    #[inline(never)]
    fn learn_names(&mut self, block: &[u8], at: usize) -> Option<(usize, u64, usize)> {
        if let Some(template) = self.templates.get_mut(usize::from(self.known)) {
            *template = u16::try_from(at).ok()?;
            self.known += 1;
        }
        let (fields, names) = token::read_varint(block, at)?;
        let mut end = names;
        for _ in 0..fields {
            end = token::skip(block, end)?;
        }
        Some((names, fields, end))
    }
}

impl Found {
    #[inline]
    pub(super) const fn is_live(&self) -> bool {
        self.flags & DELETED == 0
    }

    /// Whether its names are written out in the entry itself.
    pub(super) const fn has_own_names(&self) -> bool {
        self.template() == 0
    }

    /// The number of its template, 0 for own names.
    pub(super) const fn template(&self) -> u8 {
        self.flags & TEMPLATE_BITS
    }

    /// Whether it has the names of its node's first entry.
    pub(super) const fn has_same_names(&self) -> bool {
        self.flags & SAME_NAMES != 0
    }

    #[inline]
    pub(super) const fn entry(self, block: &[u8]) -> Entry<'_> {
        Entry { block, found: self }
    }
}

/// An entry as it stands in its block: fields are read when they are asked for.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    block: &'a [u8],
    found: Found,
}

impl Entry<'_> {
    /// The entry's ID.
    #[inline]
    pub(crate) fn id(&self) -> EntryId {
        self.found.id
    }

    /// How many pairs of a name and a value it has.
    #[inline]
    pub(crate) fn field_count(&self) -> usize {
        self.found.fields as usize
    }

    /// Calls `f` with the name and then the value of each field, in their order.
    #[inline(never)]
    pub(crate) fn for_each_text(&self, f: &mut dyn FnMut(&[u8])) {
        // Names stand in one place and values in another; each turn reads from the one and then goes on in the other.
        let (mut at, mut other) = (self.found.names as usize, self.found.values as usize);
        let mut digits = Digits::new();
        for _ in 0..self.found.fields * 2 {
            let Some((token, end)) = token::read_inline(self.block, at) else { return };
            f(token.text(&mut digits));
            (at, other) = (other, end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Writes entries without any fields, and reads their IDs back.
    #[track_caller]
    fn round_trip(ids: &[EntryId]) -> usize {
        let mut block = Vec::new();
        for (index, &id) in ids.iter().enumerate() {
            let before = index.checked_sub(1).map(|index| ids[index]);
            let head = Head::new(before, id, 0, false);
            block.push(head.flags);
            head.varints.iter().flatten().for_each(|&varint| token::push_varint(&mut block, varint));
            block.push(0);
        }
        let mut scan = Scan::start(ids[0]);
        let mut read = Vec::new();
        while let Some(found) = scan.next(&block) {
            read.push(found.id);
        }
        assert_eq!(read, ids);
        block.len() - 2 * ids.len()
    }

    #[test]
    fn ids_of_every_form_come_back() {
        let id = EntryId::new;
        assert_eq!(round_trip(&[id(5, 5), id(5, 6), id(5, 7)]), 0);
        assert_eq!(round_trip(&[id(5, 5), id(6, 0), id(133, 0), id(261, 0)]), 1 + 1 + 2);
        assert_eq!(round_trip(&[id(5, 5), id(5, 7), id(5, u64::MAX)]), 1 + 10);
        assert_eq!(round_trip(&[id(5, u64::MAX), id(6, 0)]), 1);
        assert_eq!(round_trip(&[id(0, 1), id(1, 1), id(u64::MAX, u64::MAX)]), 2 + 20);
        assert_eq!(round_trip(&[EntryId::MIN, EntryId::MAX]), 20);
    }
}
