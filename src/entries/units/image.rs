//! Blocks as an image, and reading them back.
//!
//! This file knows neither runs nor snapshots: it writes one block behind another, and appends what it reads to a log.
//!
//! *Design.* An image says only what cannot be read from the bytes of the entries themselves. How many entries a block
//! has and how many of them live, which is the last, what its node counts: all that is found again by reading the
//! entries, which reading has to do anyway, since it trusts nothing. So nothing in an image contradicts anything else,
//! and an entry that is deleted changes the image of its own block and no other, although its node, which counts it,
//! may begin in another run.
//!
//! *Why not the headers as they are.* A node's counts stand in the block that opens it. With them in the image, each
//! deletion would change two blocks, and reading would have to compare every number with what it counts itself.
//!
//! *Layout*
//!
//! ```text
//! image     = block* 00
//! block     = 01 id bytes               opens a node
//!           | 02 id bytes               continues the node before it
//!           | 03 id id total counted    the same, but nothing in it lives, and its bytes were given up
//! id        = varint varint             of the first entry: the milliseconds as a zigzag difference to the last entry of
//!                                       the block before, or to 0 in the first block of an image; the sequence
//!                                       of the last entry (03 only): the same, as a difference to the first
//! bytes     = varint byte*              how many, and the entries (block.rs)
//! total     = varint                    how many entries there were
//! counted   = varint                    what these were counted for in the node's virtual size
//! ```
//!
//! *Reading* accepts what keeps the invariants of `log.rs` and `block.rs`, and these that no `validate` needs to say: an
//! entry has a field; a template was given before it is used; an integer stands as an integer, so that equal names are
//! equal tokens. What only the blocks behind can tell is judged when they come, or at the end
//! ([`Entries::finish_load`]): whether a node has a live entry, whether dead bytes are those of the last block.

use core::num::NonZeroU32;

use super::super::block::{BLOCK_BYTES_MAX, Block, FIRST_NAMES, Found, Node, Place, Scan, TEMPLATES_MAX};
use super::super::geometry;
use super::super::log::Entries;
use super::super::token::{self, Token};
use crate::id::EntryId;
use crate::image::{ImageFault, ImageReader, ImageWriter, PartSpan};
use crate::memory::try_boxed;
use crate::number::parse_i64;

pub(super) const END: u8 = 0;
pub(super) const OPENS: u8 = 1;
pub(super) const CONTINUES: u8 = 2;
pub(super) const GIVEN_UP: u8 = 3;

/// Ends an image.
pub(super) fn write_end(out: &mut ImageWriter<'_>) {
    out.byte(END);
}

/// Writes a block behind the one that ends with `before`, or with 0-0 as the first of an image.
pub(super) fn write_block(out: &mut ImageWriter<'_>, before: EntryId, block: &Block, bytes: &[u8]) {
    let tag = match block.place {
        Place::Opens(_) => OPENS,
        Place::Continues { bytes: counted, .. } if bytes.is_empty() => {
            out.byte(GIVEN_UP);
            out.id_after(before, block.first);
            out.id_after(block.first, block.last);
            out.varint(u64::from(block.total));
            out.varint(u64::from(counted));
            return;
        }
        Place::Continues { .. } => CONTINUES,
    };
    out.byte(tag);
    out.id_after(before, block.first);
    out.bytes(bytes);
}

impl Entries {
    /// Writes all blocks as one image, for a log that is not divided.
    pub(crate) fn write_blocks(&self, out: &mut ImageWriter<'_>) {
        let mut before = EntryId::MIN;
        for block in &self.blocks {
            write_block(out, before, block, self.bytes_of(block));
            before = block.last;
        }
        write_end(out);
    }

    /// Appends the blocks of an image. With a span they are a run, which is stored there and has not changed.
    ///
    /// After the last image [`Entries::finish_load`] says whether the log is whole. A log that could not be read can
    /// only be dropped.
    pub(crate) fn load_blocks(
        &mut self,
        image: &mut ImageReader<'_>,
        span: Option<PartSpan>,
    ) -> Result<(), ImageFault> {
        let start = self.blocks.len();
        let mut before = EntryId::MIN;
        loop {
            let tag = image.byte()?;
            if tag == END {
                break;
            }
            before = self.load_block(tag, before, image)?;
        }
        let Some(span) = span else { return Ok(()) };
        let first = self.blocks.get(start).ok_or(ImageFault::Misfit("a run has no blocks"))?.first;
        Ok(self.add_run(first, span)?)
    }

    /// Judges what could not be judged before the last block was there.
    pub(crate) fn finish_load(&mut self) -> Result<(), ImageFault> {
        self.judge_last_node()
    }

    /// Reads one block; returns its last ID.
    fn load_block(&mut self, tag: u8, before: EntryId, image: &mut ImageReader<'_>) -> Result<EntryId, ImageFault> {
        let first = image.id_after(before)?;
        let follows = self.blocks.back().map_or(first > EntryId::MIN, |back| back.last < first);
        ensure(follows, "entries are not in the order of their IDs")?;
        ensure(
            self.blocks.back().is_none_or(|back| !back.is_dead() || back.bytes.is_empty()),
            "dead entries are held",
        )?;
        let (read, bytes) = match tag {
            OPENS => {
                self.judge_last_node()?;
                let bytes = image.bytes()?;
                (Reading::of(bytes, first, first, bytes)?, bytes)
            }
            CONTINUES => {
                let bytes = image.bytes()?;
                let start = self.node_start(self.blocks.len().wrapping_sub(1));
                let opening = self.blocks.get(start).ok_or(ImageFault::Misfit("a node is not opened"))?;
                (Reading::of(bytes, first, opening.first, &opening.bytes)?, bytes)
            }
            GIVEN_UP => (Reading::of_nothing(first, image)?, &[][..]),
            _ => return Err(ImageFault::Misfit("a block of an unknown kind")),
        };
        self.push_loaded(tag == OPENS, first, &read, bytes)?;
        Ok(read.last)
    }

    fn push_loaded(&mut self, opens: bool, first: EntryId, read: &Reading, bytes: &[u8]) -> Result<(), ImageFault> {
        let place = if opens { Place::Opens(read.node()) } else { self.next_place(read.node_bytes) };
        self.reserve_block()?;
        let bytes = try_boxed(bytes)?;
        if !opens {
            let node = self.last_node_mut().ok_or(ImageFault::Misfit("a node is not opened"))?;
            node.total = node.total.saturating_add(u32::from(read.total));
            node.live = node.live.saturating_add(u32::from(read.live));
            node.bytes = node.bytes.saturating_add(read.node_bytes);
        }
        self.nodes += u64::from(opens);
        self.sealed_bytes += bytes.len();
        if let Some(last_live) = read.last_live {
            let mut scan = Scan::start(first);
            if self.live == 0
                && let Some(found) = scan.seek_live(&bytes)
            {
                (self.first_live, self.head) = (found.id, scan);
            }
            self.last_live = last_live;
            self.live += u64::from(read.live);
        }
        self.blocks.push_back(Block { bytes, first, last: read.last, live: read.live, total: read.total, place });
        Ok(())
    }

    fn judge_last_node(&self) -> Result<(), ImageFault> {
        let node = self.blocks.len().checked_sub(1).and_then(|last| self.node(last));
        ensure(node.is_none_or(|node| node.live > 0), "a node without a live entry")
    }
}

/// What reading a block tells of it.
struct Reading {
    last: EntryId,
    last_live: Option<EntryId>,
    total: u16,
    live: u16,
    /// What it adds to its node's virtual size.
    node_bytes: u32,
}

impl Reading {
    /// Reads the entries in `bytes`. Their node begins with the ID `node_first` and the block `opening`.
    fn of(bytes: &[u8], first: EntryId, node_first: EntryId, opening: &[u8]) -> Result<Reading, ImageFault> {
        // Places in a block are kept in 32 bits.
        ensure(u32::try_from(bytes.len()).is_ok(), "a block is too large")?;
        let mut templates = Templates { known: [Names { same: false, bytes: 0 }; TEMPLATES_MAX], count: 0 };
        let mut read = Reading { last: first, last_live: None, total: 0, live: 0, node_bytes: 0 };
        let mut node_bytes: u64 = 0;
        let mut scan = Scan::start(first);
        while let Some(found) = scan.next(bytes) {
            ensure(read.total == 0 || read.last < found.id, "entries are not in the order of their IDs")?;
            ensure(found.at < BLOCK_BYTES_MAX, "a block is not divided where it should be")?;
            ensure(found.fields > 0, "an entry without fields")?;
            let names = templates.names_of(&found, bytes, opening)?;
            ensure(names.same == found.has_same_names(), "an entry has not the names it claims")?;
            let values_bytes = read_tokens(bytes, found.values as usize, found.fields)?;
            let fields = u64::from(found.fields);
            if read.total == 0 && first == node_first {
                node_bytes += geometry::node_bytes(fields, names.bytes);
            }
            let differences =
                (found.id.ms().wrapping_sub(node_first.ms()), found.id.seq().wrapping_sub(node_first.seq()));
            let names_bytes = (!names.same).then_some(names.bytes);
            node_bytes += geometry::entry_bytes(differences, fields, names_bytes, values_bytes);
            read.last = found.id;
            read.total += 1;
            if found.is_live() {
                read.last_live = Some(found.id);
                read.live += 1;
            }
        }
        ensure(read.total > 0 && scan.is_behind(bytes), "an entry cannot be read")?;
        read.node_bytes = u32::try_from(node_bytes).unwrap_or(u32::MAX);
        Ok(read)
    }

    /// Reads what is known of a block whose bytes were given up.
    fn of_nothing(first: EntryId, image: &mut ImageReader<'_>) -> Result<Reading, ImageFault> {
        let last = image.id_after(first)?;
        let (total, node_bytes) = (image.number()?, image.number()?);
        // An entry takes two bytes at least.
        let is_possible = (1..=BLOCK_BYTES_MAX as u16 / 2).contains(&total) && first <= last;
        ensure(is_possible && (total == 1) == (first == last), "a block counts what cannot be")?;
        Ok(Reading { last, last_live: None, total, live: 0, node_bytes })
    }

    /// The counts of a node that so far has this block alone.
    fn node(&self) -> Node {
        let total = NonZeroU32::new(u32::from(self.total)).unwrap_or(NonZeroU32::MIN);
        Node { total, live: u32::from(self.live), bytes: self.node_bytes }
    }
}

/// What is known of the names of an entry.
#[derive(Clone, Copy)]
struct Names {
    /// Whether they are those of the node's first entry.
    same: bool,
    /// What they take in a node.
    bytes: u64,
}

/// The templates of a block, as far as it was read.
struct Templates {
    known: [Names; TEMPLATES_MAX],
    count: u8,
}

impl Templates {
    fn names_of(&mut self, found: &Found, bytes: &[u8], opening: &[u8]) -> Result<Names, ImageFault> {
        if let Some(index) = found.template().checked_sub(1) {
            ensure(index < self.count, "a template is used before it is given")?;
            return self.known.get(usize::from(index)).copied().ok_or(UNREADABLE);
        }
        let names_bytes = read_tokens(bytes, found.names as usize, found.fields)?;
        let names = Names { same: has_names_of(opening, bytes, found)?, bytes: names_bytes };
        if let Some(template) = self.known.get_mut(usize::from(self.count)) {
            *template = names;
            self.count += 1;
        }
        Ok(names)
    }
}

const UNREADABLE: ImageFault = ImageFault::Misfit("an entry cannot be read");

/// Reads so many names or values; returns what they take in a node, which nobody counts beyond 32 bits.
fn read_tokens(bytes: &[u8], mut at: usize, count: u32) -> Result<u64, ImageFault> {
    let mut node_bytes: u64 = 0;
    for _ in 0..count {
        let (token, end) = token::read(bytes, at).ok_or(UNREADABLE)?;
        if let Token::Text(text) = token {
            ensure(parse_i64(text).is_none(), "an integer stands as a text")?;
        }
        node_bytes = (node_bytes + geometry::token_bytes(token)).min(u64::from(u32::MAX));
        at = end;
    }
    Ok(node_bytes)
}

/// Whether an entry with names of its own has the names with which `opening` begins.
fn has_names_of(opening: &[u8], bytes: &[u8], found: &Found) -> Result<bool, ImageFault> {
    let (count, mut there) = token::read_varint(opening, FIRST_NAMES).ok_or(UNREADABLE)?;
    let mut here = found.names as usize;
    if count != u64::from(found.fields) {
        return Ok(false);
    }
    for _ in 0..count {
        let (one, one_end) = token::read(opening, there).ok_or(UNREADABLE)?;
        let (other, other_end) = token::read(bytes, here).ok_or(UNREADABLE)?;
        if one != other {
            return Ok(false);
        }
        (there, here) = (one_end, other_end);
    }
    Ok(true)
}

fn ensure(holds: bool, otherwise: &'static str) -> Result<(), ImageFault> {
    if holds { Ok(()) } else { Err(ImageFault::Misfit(otherwise)) }
}
