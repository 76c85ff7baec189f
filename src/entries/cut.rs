//! Cutting off tombstones: XSETID may lower the last ID below entries that were deleted, and then entries are added where
//! these stood.
//!
//! IDs grow strictly over a log, tombstones included, so those have to go first: all that stand behind the last live
//! entry, so that what goes does not depend on where blocks begin.

use super::block::{Block, Found, Place, Scan};
use super::geometry;
use super::log::Entries;
use crate::id::EntryId;
use crate::memory::OutOfMemory;
use crate::number::parse_i64;

impl Entries {
    /// Makes sure that an entry can be added behind an ID that no live entry exceeds.
    pub(crate) fn cut_behind(&mut self, id: EntryId) -> Result<(), OutOfMemory> {
        if self.blocks.back().is_none_or(|last| last.last <= id) {
            return Ok(());
        }
        while self.blocks.back().is_some_and(|last| last.live == 0) {
            self.drop_last_block();
        }
        self.cut_last_block()
    }

    /// Drops the last block, which is dead. It continues a node, which has a live entry elsewhere.
    fn drop_last_block(&mut self) {
        let position = self.blocks.len().wrapping_sub(1);
        self.touch(position);
        let Some(&Block { total, place, .. }) = self.blocks.get(position) else { return };
        if let (Place::Continues { bytes, .. }, Some(node)) = (place, self.node_mut(position)) {
            node.remove(u32::from(total), bytes);
        }
        self.open.clear();
        if let Some(block) = self.blocks.pop_back() {
            self.sealed_bytes -= block.bytes.len();
            if let Some(runs) = &mut self.runs {
                runs.take(position, block);
                runs.dropped(position, position + 1);
            }
        }
    }

    /// Takes the tombstones behind the last live entry from the last block, which has it.
    fn cut_last_block(&mut self) -> Result<(), OutOfMemory> {
        let id = self.last_live;
        self.reserve_index()?;
        self.reopen(0)?;
        let position = self.blocks.len().wrapping_sub(1);
        let node_first = self.blocks.get(self.node_start(position)).map_or(id, |block| block.first);
        let Some(block) = self.blocks.get(position) else { return Ok(()) };
        let mut scan = Scan::start(block.first);
        let (mut last, mut end) = (block.first, None);
        let (mut total, mut bytes) = (0_u16, 0_u32);
        while let Some(found) = scan.next(&self.open) {
            if found.id <= id {
                last = found.id;
                continue;
            }
            end = end.or(Some(found.at));
            total += 1;
            bytes = bytes.saturating_add(node_bytes_of(&found, &self.open, node_first));
        }
        let Some(end) = end else { return Ok(()) };
        self.touch(position);
        self.open.truncate(end);
        if let Some(block) = self.blocks.get_mut(position) {
            block.last = last;
            block.total -= total;
            if let Place::Continues { bytes: counted, .. } = &mut block.place {
                *counted = counted.saturating_sub(bytes);
            }
        }
        if let Some(node) = self.node_mut(position) {
            node.remove(u32::from(total), bytes);
        }
        self.rebuild_index();
        Ok(())
    }
}

/// What an entry that is not the first of its node was counted for in the node.
fn node_bytes_of(found: &Found, block: &[u8], node_first: EntryId) -> u32 {
    let (mut names_bytes, mut values_bytes) = (0, 0);
    found.entry(block).for_each_text(&mut |text| {
        (names_bytes, values_bytes) = (values_bytes, names_bytes + text_bytes(text));
    });
    let differences = (found.id.ms().wrapping_sub(node_first.ms()), found.id.seq().wrapping_sub(node_first.seq()));
    let names_bytes = (!found.has_same_names()).then_some(names_bytes);
    u32::try_from(geometry::entry_bytes(differences, u64::from(found.fields), names_bytes, values_bytes))
        .unwrap_or(u32::MAX)
}

fn text_bytes(text: &[u8]) -> u64 {
    parse_i64(text).map_or_else(|| geometry::text_bytes(text.len()), geometry::integer_bytes)
}
