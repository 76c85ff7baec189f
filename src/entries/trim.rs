//! Trimming: which entries a threshold asks to remove. Nothing is removed here.
//!
//! *Why a decision.* What was trimmed goes into the journal as the IDs removed, never as the threshold, and all memory
//! for that is reserved before anything changes. So these functions only read.
//!
//! Exact trimming removes entries from the front up to the threshold. Approximate trimming (`~`) removes whole nodes
//! from the front, as long as each is *eligible*: without it the log is still as long as asked for, or its last ID,
//! deleted or not, lies before the lowest ID asked for. A limit stops before the node that would exceed it.
//!
//! When entries are judged one by one (because a group may still refer to them), nodes are no longer removed as a
//! whole, and `~` is as exact as `=`. Nodes still matter: the walk ends behind the first one that is not eligible.

use super::log::Entries;
use crate::id::EntryId;
use crate::memory::OutOfMemory;

/// What is to be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Threshold {
    /// The newest so many entries.
    MaxLen(u64),
    /// The entries from this ID on.
    MinId(EntryId),
}

/// A request to trim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Trim {
    pub threshold: Threshold,
    /// Whole nodes only.
    pub approximate: bool,
    /// The most entries to remove, for approximate trimming; `None` is no limit.
    pub limit: Option<u64>,
}

/// A decision: the live entries up to an ID are to be removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Removal {
    /// The last ID to be removed, `None` when nothing is.
    pub through: Option<EntryId>,
    /// How many live entries that removes.
    pub count: u64,
}

impl Removal {
    const NOTHING: Removal = Removal { through: None, count: 0 };
}

impl Entries {
    /// What trimming removes, when any entry may be removed.
    pub(crate) fn plan_trim(&self, trim: &Trim) -> Removal {
        if trim.approximate {
            return self.plan_whole_nodes(trim);
        }
        match trim.threshold {
            Threshold::MaxLen(length) => self.plan_oldest(self.live.saturating_sub(length)),
            Threshold::MinId(id) => self.plan_before(id),
        }
    }

    /// What trimming removes, when `removable` decides for each entry. The IDs to be removed are passed to `range` as
    /// first and last, both included, one call for each run without a live entry that stays. Returns how many.
    pub(crate) fn plan_trim_each(
        &self,
        trim: &Trim,
        removable: &mut dyn FnMut(EntryId) -> bool,
        range: &mut dyn FnMut(EntryId, EntryId) -> Result<(), OutOfMemory>,
    ) -> Result<u64, OutOfMemory> {
        let mut removed = 0;
        let mut run: Option<(EntryId, EntryId)> = None;
        let mut start = 0;
        'nodes: while let Some(node) = self.node(start) {
            let live = u64::from(node.live);
            if self.limit_stops(trim, removed, live) {
                break;
            }
            let end = self.node_end(start);
            let eligible = self.is_eligible(trim.threshold, removed, live, end);
            let (Some(first), Some(last)) = (self.blocks.get(start), self.blocks.get(end - 1)) else { break };
            for entry in self.range(first.first, last.last) {
                let id = entry.id();
                if self.is_kept(trim.threshold, removed, id) {
                    break 'nodes;
                }
                if removable(id) {
                    removed += 1;
                    run = Some((run.map_or(id, |(first, _)| first), id));
                } else if let Some((first, last)) = run.take() {
                    range(first, last)?;
                }
            }
            if !eligible {
                break;
            }
            start = end;
        }
        if let Some((first, last)) = run {
            range(first, last)?;
        }
        Ok(removed)
    }

    fn plan_whole_nodes(&self, trim: &Trim) -> Removal {
        let mut removal = Removal::NOTHING;
        let mut start = 0;
        while let Some(node) = self.node(start) {
            let live = u64::from(node.live);
            if self.limit_stops(trim, removal.count, live) {
                break;
            }
            let end = self.node_end(start);
            if !self.is_eligible(trim.threshold, removal.count, live, end) {
                break;
            }
            removal.count += live;
            removal.through = self.blocks.get(end - 1).map(|block| block.last);
            start = end;
        }
        removal
    }

    /// The oldest `count` entries.
    fn plan_oldest(&self, count: u64) -> Removal {
        let through = match count {
            0 => return Removal::NOTHING,
            1 => Some(self.first_live),
            _ => self.oldest(count - 1),
        };
        Removal { through, count }
    }

    /// The ID of the live entry that has `older` live entries before it.
    fn oldest(&self, mut older: u64) -> Option<EntryId> {
        for block in self.blocks.range(self.position(self.first_live)..) {
            match older.checked_sub(u64::from(block.live)) {
                Some(rest) => older = rest,
                None => {
                    let mut scan = self.scan_of(block);
                    let bytes = self.bytes_of(block);
                    for _ in 0..older {
                        scan.next_live(bytes)?;
                    }
                    return scan.next_live(bytes).map(|found| found.id);
                }
            }
        }
        None
    }

    /// The entries before `id`.
    fn plan_before(&self, id: EntryId) -> Removal {
        let mut removal = Removal::NOTHING;
        if self.live == 0 || self.first_live >= id {
            return removal;
        }
        for block in self.blocks.range(self.position(self.first_live)..) {
            if block.last >= id {
                let mut scan = self.scan_of(block);
                let bytes = self.bytes_of(block);
                while block.live > 0
                    && let Some(found) = scan.next_live(bytes).filter(|found| found.id < id)
                {
                    removal = Removal { through: Some(found.id), count: removal.count + 1 };
                }
                break;
            }
            removal.count += u64::from(block.live);
            removal.through = Some(block.last);
        }
        removal
    }

    fn limit_stops(&self, trim: &Trim, removed: u64, live: u64) -> bool {
        trim.approximate && trim.limit.is_some_and(|limit| removed.saturating_add(live) > limit)
    }

    /// Whether `~` may remove the node with `live` entries and its end at block `end`, after `removed` before it.
    fn is_eligible(&self, threshold: Threshold, removed: u64, live: u64, end: usize) -> bool {
        match threshold {
            Threshold::MaxLen(length) => self.live.saturating_sub(removed).saturating_sub(live) >= length,
            Threshold::MinId(id) => self.blocks.get(end - 1).is_some_and(|block| block.last < id),
        }
    }

    /// Whether the threshold is met, so that the entry and all after it stay.
    fn is_kept(&self, threshold: Threshold, removed: u64, id: EntryId) -> bool {
        match threshold {
            Threshold::MaxLen(length) => self.live.saturating_sub(removed) <= length,
            Threshold::MinId(min) => id >= min,
        }
    }
}
