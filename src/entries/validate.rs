//! The invariants of a log, block by block, checked: for tests, after each operation.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::block::{BLOCK_BYTES_MAX, Block, Place, Scan};
use super::geometry;
use super::log::Entries;
use crate::id::EntryId;
use crate::number::parse_i64;

/// What a node should count.
#[derive(Default)]
struct Sums {
    total: u64,
    live: u64,
    bytes: u64,
    first: EntryId,
    names: Vec<Vec<u8>>,
}

impl Entries {
    /// Checks the invariants in the heads of `log.rs` and `block.rs`; describes the first one that does not hold.
    pub(crate) fn validate(&self) -> Result<(), String> {
        if self.live == 0 {
            let is_bare = self.blocks.is_empty() && self.open.is_empty() && self.nodes == 0 && self.sealed_bytes == 0;
            ensure(is_bare, || "log 7: an empty log has blocks".into())?;
            let is_frozen = self.runs.as_ref().is_none_or(|runs| runs.is_frozen());
            ensure(is_frozen, || "log 8: an empty log has runs".into())?;
            return self.validate_runs();
        }
        let mut live_ids = Vec::new();
        let mut start = 0;
        let mut nodes = 0;
        while start < self.blocks.len() {
            start = self.validate_node(start, &mut live_ids)?;
            nodes += 1;
        }
        ensure(nodes == self.nodes, || format!("log 6: {} nodes, not {nodes}", self.nodes))?;
        let live = live_ids.len() as u64;
        ensure(live == self.live, || format!("log 6: {} live entries, not {live}", self.live))?;
        let sealed: usize = self.blocks.iter().map(|block| block.bytes.len()).sum();
        ensure(sealed == self.sealed_bytes, || format!("log 6: {} sealed bytes, not {sealed}", self.sealed_bytes))?;
        self.validate_order()?;
        self.validate_open()?;
        self.validate_ends(&live_ids)?;
        self.validate_runs()
    }

    fn validate_order(&self) -> Result<(), String> {
        let pairs = self.blocks.iter().zip(self.blocks.iter().skip(1));
        for (block, next) in pairs {
            ensure(block.last < next.first, || format!("log 1: {} is followed by {}", block.last, next.first))?;
        }
        Ok(())
    }

    fn validate_open(&self) -> Result<(), String> {
        let Some(last) = self.blocks.back().filter(|_| !self.open.is_empty()) else { return Ok(()) };
        ensure(last.bytes.is_empty(), || format!("log 4: the open block at {} has bytes of its own", last.first))?;
        let Some(index) = &self.index else { return ensure(last.total == 1, || "log 5: no index".into()) };
        ensure(index.agrees_with(&self.open, last.first), || "log 5: the index disagrees with its block".into())
    }

    fn validate_ends(&self, live_ids: &[EntryId]) -> Result<(), String> {
        let ends = (live_ids.first(), live_ids.last());
        ensure(ends == (Some(&self.first_live), Some(&self.last_live)), || {
            format!("log 7: the ends are {ends:?}, not {} and {}", self.first_live, self.last_live)
        })?;
        let block = self.blocks.get(self.position(self.first_live));
        let mut head = self.head;
        let found = block.and_then(|block| head.next(self.bytes_of(block)));
        let stands = found.is_some_and(|found| found.id == self.first_live && found.is_live());
        ensure(stands, || format!("log 7: the head does not stand before {}", self.first_live))
    }

    /// Checks the node which the block at `start` opens; returns its end.
    fn validate_node(&self, start: usize, live_ids: &mut Vec<EntryId>) -> Result<usize, String> {
        let Some(opening) = self.blocks.get(start) else { return Err("no block".into()) };
        let Place::Opens(node) = opening.place else {
            return Err(format!("log 2: the block at {} should open a node", opening.first));
        };
        ensure(!self.bytes_of(opening).is_empty(), || format!("log 4: the node at {} lost its names", opening.first))?;
        let mut sums = Sums { first: opening.first, ..Sums::default() };
        let end = self.node_end(start);
        for (position, block) in self.blocks.iter().enumerate().take(end).skip(start) {
            let part = match block.place {
                Place::Opens(_) if position == start => None,
                Place::Continues { offset, bytes } if position - start == offset as usize => Some(u64::from(bytes)),
                _ => return Err(format!("log 2: {} stands wrong", block.first)),
            };
            let before = sums.bytes;
            if self.bytes_of(block).is_empty() {
                ensure(block.live == 0, || format!("log 4: the block at {} lost live entries", block.first))?;
                sums.total += u64::from(block.total);
                sums.bytes += part.unwrap_or(0);
            } else {
                let is_last = position + 1 == self.blocks.len();
                ensure(is_last || !block.is_dead(), || format!("log 4: {} holds dead bytes", block.first))?;
                self.validate_block(block, &mut sums, live_ids)?;
            }
            let counted = part.is_none_or(|part| part == sums.bytes - before);
            ensure(counted, || format!("log 3: the block at {} does not know its part", block.first))?;
        }
        let counts = (u64::from(node.total.get()), u64::from(node.live));
        ensure(counts == (sums.total, sums.live), || format!("log 3: the node at {} counts wrong", opening.first))?;
        ensure(node.live > 0, || format!("log 3: the node at {} is dead", opening.first))?;
        ensure(u64::from(node.bytes) == sums.bytes, || {
            format!("log 3: the node at {} has {} bytes, not {}", opening.first, node.bytes, sums.bytes)
        })?;
        Ok(end)
    }

    fn validate_block(&self, block: &Block, sums: &mut Sums, live_ids: &mut Vec<EntryId>) -> Result<(), String> {
        let bytes = self.bytes_of(block);
        let mut scan = Scan::start(block.first);
        let (mut total, mut live, mut before) = (0, 0, None);
        while let Some(found) = scan.next(bytes) {
            let id = found.id;
            ensure(before.is_none_or(|before| before < id), || format!("block 1: {id} follows {before:?}"))?;
            ensure(found.at < BLOCK_BYTES_MAX, || format!("block 3: {id} begins at {}", found.at))?;
            let mut texts = Vec::new();
            found.entry(bytes).for_each_text(&mut |text| texts.push(text.to_vec()));
            let names: Vec<Vec<u8>> = texts.iter().step_by(2).cloned().collect();
            let names_bytes = names.iter().map(|name| text_bytes(name)).sum::<u64>();
            let values_bytes = texts.iter().map(|text| text_bytes(text)).sum::<u64>() - names_bytes;
            let fields = u64::from(found.fields);
            ensure(texts.len() as u64 == fields * 2, || format!("block 2: {id} cannot be read"))?;
            if sums.total == 0 {
                sums.names = names.clone();
                sums.bytes = geometry::node_bytes(fields, names_bytes);
            }
            let same_names = names == sums.names;
            ensure(same_names == found.has_same_names(), || format!("block 4: the names of {id} are marked wrong"))?;
            let differences = (id.ms().wrapping_sub(sums.first.ms()), id.seq().wrapping_sub(sums.first.seq()));
            let names_bytes = (!same_names).then_some(names_bytes);
            sums.bytes += geometry::entry_bytes(differences, fields, names_bytes, values_bytes);
            sums.total += 1;
            total += 1;
            if found.is_live() {
                sums.live += 1;
                live += 1;
                live_ids.push(id);
            }
            before = Some(id);
        }
        ensure(scan.is_behind(bytes), || format!("block 2: the block at {} cannot be read", block.first))?;
        ensure(before == Some(block.last), || format!("block 1: {before:?} is last, not {}", block.last))?;
        ensure((total, live) == (block.total, block.live), || format!("block 2: {} counts wrong", block.first))
    }
}

fn text_bytes(text: &[u8]) -> u64 {
    parse_i64(text).map_or_else(|| geometry::text_bytes(text.len()), geometry::integer_bytes)
}

pub(super) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
