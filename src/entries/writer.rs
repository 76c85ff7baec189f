//! Writing into the open block: what is known about its names and strings, and how an entry becomes bytes.
//!
//! Only the last block of a log is written to, so only one of these exists for each stream. It can be rebuilt from the
//! block alone, which happens when the log gets its second entry (a stream of one entry never needs it) and when a
//! removed node makes an earlier block the last one again.
//!
//! *Design.* Sets of names are told apart by a cheap hash and then by comparing, the set used last tried first. For
//! values, a table of 128 places remembers strings of 3 to 127 bytes by a hash; a newer string replaces the one that
//! had its slot. A collision costs a few bytes in the block and never correctness, since a hit is compared before it
//! is used. A full hash map would find more, but repeated strings are repeated soon, and 256 bytes are all it costs.

use alloc::vec::Vec;

use super::block::{FIRST_NAMES, Found, Head, Scan, TEMPLATES_MAX};
use super::geometry;
use super::token::{self, Digits, Token};
use crate::id::EntryId;
use crate::memory::{Boxed, OutOfMemory, try_box};
use crate::number::parse_i64;

/// Shorter strings gain nothing from a reference, longer ones rarely repeat.
const REMEMBERED_BYTES: core::ops::RangeInclusive<usize> = 3..=127;

/// What the open block already holds.
pub(super) struct Index {
    /// For each hash, the place of a string's token plus one; 0 for none.
    strings: [u16; 128],
    templates: [Template; TEMPLATES_MAX],
    known: u8,
    /// The position of the template used last.
    latest: u8,
}

/// A set of names that the open block holds.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Template {
    hash: u32,
    /// What the names take in a node.
    node_bytes: u32,
    /// Where they stand in the block.
    at: u16,
    /// Whether they are the names of the node's first entry.
    same_names: bool,
}

/// Names that the open block holds already.
struct Known {
    number: u8,
    same_names: bool,
    node_bytes: u64,
}

impl Index {
    const EMPTY: Index = Index {
        strings: [0; 128],
        templates: [Template { hash: 0, node_bytes: 0, at: 0, same_names: false }; TEMPLATES_MAX],
        known: 0,
        latest: 0,
    };

    /// An empty index on the heap.
    pub(super) fn try_new() -> Result<Boxed<Index>, OutOfMemory> {
        try_box(Index::EMPTY)
    }

    /// Forgets everything: a new block begins.
    fn clear(&mut self) {
        *self = Index::EMPTY;
    }

    /// Learns what `block` holds by reading it.
    #[inline(never)]
    pub(super) fn rebuild(&mut self, block: &[u8], first: EntryId) {
        self.clear();
        let mut scan = Scan::start(first);
        while let Some(found) = scan.next(block) {
            if found.has_own_names() {
                self.learn_names(block, found);
            }
            self.learn_strings(block, found.values as usize, found.fields);
        }
    }

    /// Whether this is what reading `block` gives, whichever template was used last.
    pub(super) fn agrees_with(&self, block: &[u8], first: EntryId) -> bool {
        let mut read = Index::EMPTY;
        read.rebuild(block, first);
        read.strings == self.strings && read.known == self.known && read.templates == self.templates
    }

    fn learn_names(&mut self, block: &[u8], found: Found) {
        let mut hash = NamesHash::new(found.fields as usize);
        let mut node_bytes = 0;
        let mut at = found.names as usize;
        for _ in 0..found.fields {
            let Some((name, end)) = token::read(block, at) else { return };
            node_bytes += geometry::token_bytes(name);
            hash.add(name.text(&mut Digits::new()));
            at = end;
        }
        self.learn_strings(block, found.names as usize, found.fields);
        // The number of fields stands in front of the names, in a varint.
        let at = found.names as usize - varint_bytes(found.fields);
        self.add_template(hash, at, node_bytes, found.has_same_names());
    }

    fn learn_strings(&mut self, block: &[u8], mut at: usize, count: u32) {
        for _ in 0..count {
            if let Some((text, _)) = token::read_text(block, at)
                && REMEMBERED_BYTES.contains(&text.len())
            {
                self.remember(string_slot(text), at);
            }
            let Some(end) = token::skip(block, at) else { return };
            at = end;
        }
    }

    fn add_template(&mut self, hash: NamesHash, at: usize, node_bytes: u64, same_names: bool) {
        let Some(template) = self.templates.get_mut(usize::from(self.known)) else { return };
        let Ok(at) = u16::try_from(at) else { return };
        // Nobody reaches 4 GiB of names; what a node takes is capped all the same.
        let node_bytes = u32::try_from(node_bytes).unwrap_or(u32::MAX);
        *template = Template { hash: hash.0, node_bytes, at, same_names };
        self.latest = self.known;
        self.known += 1;
    }

    /// The template that has just these names.
    #[inline]
    fn find_names(&mut self, block: &[u8], fields: &[[&[u8]; 2]]) -> Option<Known> {
        let hash = NamesHash::of(fields);
        let known = self.templates.get(..usize::from(self.known))?;
        let fits = |template: &Template| template.hash == hash.0 && has_names(block, usize::from(template.at), fields);
        let latest = usize::from(self.latest);
        let index = if known.get(latest).is_some_and(fits) { latest } else { known.iter().position(fits)? };
        self.latest = index as u8;
        known.get(index).map(|template| Known {
            number: index as u8 + 1,
            same_names: template.same_names,
            node_bytes: u64::from(template.node_bytes),
        })
    }

    #[inline]
    fn remember(&mut self, slot: usize, at: usize) {
        if at < token::REFERENCE_END
            && let Some(place) = self.strings.get_mut(slot)
        {
            *place = at as u16 + 1;
        }
    }

    /// The place at which the block holds `text`.
    #[inline]
    fn find_string(&self, block: &[u8], slot: usize, text: &[u8]) -> Option<u16> {
        let place = self.strings.get(slot)?.checked_sub(1)?;
        let (held, _) = token::read_text(block, usize::from(place))?;
        (held == text).then_some(place)
    }
}

/// One entry being written into the open block.
pub(super) struct Writer<'a> {
    pub(super) block: &'a mut Vec<u8>,
    /// Absent for the first entry of a log.
    pub(super) index: Option<&'a mut Index>,
}

/// What was written, for the node's count of bytes.
pub(super) struct Written {
    /// What the names take in a node, and whether they are those of the node's first entry.
    pub(super) names_bytes: u64,
    pub(super) same_names: bool,
    pub(super) values_bytes: u64,
}

impl Writer<'_> {
    /// Writes an entry. `before` is the ID of the entry before it, `None` in a new block. `are_node_names` says whether
    /// these names are those of the node's first entry, and is asked only when no template knows.
    pub(super) fn write(
        &mut self,
        before: Option<EntryId>,
        id: EntryId,
        fields: &[[&[u8]; 2]],
        are_node_names: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Written {
        if before.is_none()
            && let Some(index) = &mut self.index
        {
            index.clear();
        }
        let known = self.index.as_mut().and_then(|index| index.find_names(self.block, fields));
        let number = known.as_ref().map_or(0, |known| known.number);
        let same_names = known.as_ref().map_or_else(|| are_node_names(self.block), |known| known.same_names);
        let head = Head::new(before, id, number, same_names);
        self.block.push(head.flags);
        for varint in head.varints.into_iter().flatten() {
            token::push_varint(self.block, varint);
        }
        let names_bytes = match known {
            Some(known) => known.node_bytes,
            None => self.write_names(fields, same_names),
        };
        let mut values_bytes = 0;
        for [_, value] in fields {
            values_bytes += self.write_string(value);
        }
        Written { names_bytes, same_names, values_bytes }
    }

    #[inline(never)]
    fn write_names(&mut self, fields: &[[&[u8]; 2]], same_names: bool) -> u64 {
        let at = self.block.len();
        token::push_varint(self.block, fields.len() as u64);
        let mut node_bytes = 0;
        for [name, _] in fields {
            node_bytes += self.write_string(name);
        }
        if let Some(index) = &mut self.index {
            index.add_template(NamesHash::of(fields), at, node_bytes, same_names);
        }
        node_bytes
    }

    /// Writes a name or a value; returns what it takes in a node.
    #[inline]
    fn write_string(&mut self, text: &[u8]) -> u64 {
        if let Some(value) = parse_i64(text) {
            token::push_integer(self.block, value);
            return geometry::integer_bytes(value);
        }
        match &mut self.index {
            Some(index) if REMEMBERED_BYTES.contains(&text.len()) => {
                let slot = string_slot(text);
                if let Some(place) = index.find_string(self.block, slot, text) {
                    token::push_reference(self.block, place);
                } else {
                    index.remember(slot, self.block.len());
                    token::push_text(self.block, text);
                }
            }
            _ => token::push_text(self.block, text),
        }
        geometry::text_bytes(text.len())
    }
}

/// The most bytes that an entry with these fields can take in a block, names included.
pub(super) fn entry_bytes_max(fields: &[[&[u8]; 2]]) -> usize {
    // The flags, both varints of the ID, the number of fields.
    const HEAD: usize = 1 + 3 * token::VARINT_BYTES_MAX;
    let mut bytes = HEAD;
    for [name, value] in fields {
        bytes = bytes.saturating_add(token::bound(name.len())).saturating_add(token::bound(value.len()));
    }
    bytes
}

/// Whether the names that stand at `at` are those of `fields`.
#[inline]
fn has_names(block: &[u8], at: usize, fields: &[[&[u8]; 2]]) -> bool {
    let Some((count, mut at)) = token::read_varint(block, at) else { return false };
    if count != fields.len() as u64 {
        return false;
    }
    for [name, _] in fields {
        // Nearly all names are short texts, and nearly always the ones expected.
        if let Some(end) = token::skip_short_text(block, at, name) {
            at = end;
            continue;
        }
        let Some((token, end)) = token::read(block, at) else { return false };
        let equal = match token {
            Token::Text(text) => text == *name,
            Token::Integer(value) => parse_i64(name) == Some(value),
        };
        if !equal {
            return false;
        }
        at = end;
    }
    true
}

/// Whether the first entry of `block` has the names of `fields`.
pub(super) fn first_has_names(block: &[u8], fields: &[[&[u8]; 2]]) -> bool {
    has_names(block, FIRST_NAMES, fields)
}

fn varint_bytes(value: u32) -> usize {
    (32 - (value | 1).leading_zeros()).div_ceil(7) as usize
}

/// A hash over a set of names that looks at little of each: enough to tell the sets of one stream apart.
#[derive(Clone, Copy)]
struct NamesHash(u32);

impl NamesHash {
    const fn new(fields: usize) -> Self {
        NamesHash(fields as u32)
    }

    #[inline]
    fn add(&mut self, name: &[u8]) {
        let first = u32::from(name.first().copied().unwrap_or(0));
        let last = u32::from(name.last().copied().unwrap_or(0));
        self.0 = self.0.wrapping_mul(0x9e37_79b1) ^ (name.len() as u32) << 16 ^ first << 8 ^ last;
    }

    #[inline]
    fn of(fields: &[[&[u8]; 2]]) -> Self {
        let mut hash = NamesHash::new(fields.len());
        for [name, _] in fields {
            hash.add(name);
        }
        hash
    }
}

/// The slot of a string: 0 to 127.
///
/// Whatever its length, a string is read in pieces of eight or four bytes, of which the last may overlap the one before:
/// reading single bytes at the end would take longer than all the rest.
#[inline]
fn string_slot(text: &[u8]) -> usize {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = text.len() as u64;
    let (words, _) = text.as_chunks::<8>();
    for word in words {
        hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(MULTIPLIER).rotate_left(32);
    }
    let rest = match (text.last_chunk::<8>(), text.first_chunk::<4>(), text.last_chunk::<4>()) {
        (Some(last), ..) => u64::from_le_bytes(*last),
        (None, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => text.iter().fold(0, |rest, &byte| rest << 8 | u64::from(byte)),
    };
    ((hash ^ rest).wrapping_mul(MULTIPLIER) >> 57) as usize
}
