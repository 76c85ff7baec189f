//! A model of a stream's entries, written for clarity: nodes are vectors of entries, everything is found by looking at
//! everything, and a node's size is counted anew each time. It shares no code and no type with the engine.

use std::string::ToString;
use std::vec::Vec;

/// An entry ID: milliseconds and sequence.
pub(crate) type Id = (u64, u64);

/// The names and values of an entry.
pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// What trimming keeps: the newest entries, or those from an ID on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keep {
    Newest(u64),
    From(Id),
}

#[derive(Clone)]
struct Entry {
    id: Id,
    fields: Fields,
    deleted: bool,
}

/// The entries of a stream, in nodes.
#[derive(Clone, Default)]
pub(crate) struct NaiveEntries {
    nodes: Vec<Vec<Entry>>,
}

impl NaiveEntries {
    pub(crate) fn live(&self) -> Vec<(Id, Fields)> {
        let entries = self.nodes.iter().flatten();
        entries.filter(|entry| !entry.deleted).map(|entry| (entry.id, entry.fields.clone())).collect()
    }

    pub(crate) fn live_ids(&self) -> Vec<Id> {
        self.nodes.iter().flatten().filter(|entry| !entry.deleted).map(|entry| entry.id).collect()
    }

    pub(crate) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn opens_node(&self, fields: &Fields, bytes_max: u64, entries_max: u64) -> bool {
        const GIB: u64 = 1 << 30;
        let Some(node) = self.nodes.last() else { return true };
        let added: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes_max = if bytes_max == 0 || bytes_max > GIB { GIB } else { bytes_max };
        let is_full = entries_max > 0 && node.len() as u64 >= entries_max;
        is_full || node_bytes(node) + added as u64 >= bytes_max
    }

    pub(crate) fn append(&mut self, id: Id, fields: Fields, opens_node: bool) {
        if opens_node || self.nodes.is_empty() {
            self.nodes.push(Vec::new());
        }
        self.nodes.last_mut().unwrap().push(Entry { id, fields, deleted: false });
    }

    /// If there is a tombstone behind an ID, all go that stand behind the last live entry.
    pub(crate) fn cut_behind(&mut self, id: Id) {
        let Some(node) = self.nodes.last_mut() else { return };
        if node.last().is_some_and(|entry| entry.id > id) {
            while node.last().is_some_and(|entry| entry.deleted) {
                node.pop();
            }
        }
    }

    /// Removes the live entries of a range; returns their IDs.
    pub(crate) fn remove_range(&mut self, from: Id, to: Id) -> Vec<Id> {
        let mut removed = Vec::new();
        for entry in self.nodes.iter_mut().flatten() {
            if !entry.deleted && from <= entry.id && entry.id <= to {
                entry.deleted = true;
                removed.push(entry.id);
            }
        }
        self.nodes.retain(|node| live_count(node) > 0);
        removed
    }

    /// The IDs which trimming removes when any entry may be removed.
    pub(crate) fn trimmed(&self, keep: Keep, approximate: bool, limit: Option<u64>) -> Vec<Id> {
        let mut ids = self.live_ids();
        if !approximate {
            let kept = match keep {
                Keep::Newest(length) => ids.len().min(length as usize),
                Keep::From(min) => ids.iter().filter(|&&id| id >= min).count(),
            };
            ids.truncate(ids.len() - kept);
            return ids;
        }
        let mut removed = 0;
        for node in &self.nodes {
            let live = live_count(node);
            if limit.is_some_and(|limit| removed + live > limit) || !self.is_eligible(node, keep, removed) {
                break;
            }
            removed += live;
        }
        ids.truncate(removed as usize);
        ids
    }

    /// The IDs which trimming removes when each entry is judged.
    pub(crate) fn trimmed_each(
        &self,
        keep: Keep,
        approximate: bool,
        limit: Option<u64>,
        removable: impl Fn(Id) -> bool,
    ) -> Vec<Id> {
        let length = self.live_ids().len() as u64;
        let mut ids = Vec::new();
        for node in &self.nodes {
            let removed = ids.len() as u64;
            if approximate && limit.is_some_and(|limit| removed + live_count(node) > limit) {
                break;
            }
            let eligible = self.is_eligible(node, keep, removed);
            for entry in node.iter().filter(|entry| !entry.deleted) {
                let reached = match keep {
                    Keep::Newest(kept) => length - ids.len() as u64 <= kept,
                    Keep::From(min) => entry.id >= min,
                };
                if reached {
                    return ids;
                }
                if removable(entry.id) {
                    ids.push(entry.id);
                }
            }
            if !eligible {
                break;
            }
        }
        ids
    }

    fn is_eligible(&self, node: &[Entry], keep: Keep, removed: u64) -> bool {
        match keep {
            Keep::Newest(kept) => self.live_ids().len() as u64 - removed >= kept + live_count(node),
            Keep::From(min) => node.last().is_some_and(|entry| entry.id < min),
        }
    }
}

fn live_count(node: &[Entry]) -> u64 {
    node.iter().filter(|entry| !entry.deleted).count() as u64
}

/// The size of a node in Redis.
fn node_bytes(node: &[Entry]) -> u64 {
    let first = &node[0];
    let live = live_count(node) as i64;
    let names = |entry: &Entry| entry.fields.iter().map(|(name, _)| size(name)).sum::<u64>();
    let values = |entry: &Entry| entry.fields.iter().map(|(_, value)| size(value)).sum::<u64>();
    let number = |value: i64| size(value.to_string().as_bytes());

    let deleted = node.len() as i64 - live;
    let mut bytes = 7 + number(live) + number(deleted) + number(first.fields.len() as i64) + names(first) + number(0);
    for entry in node {
        let count = entry.fields.len() as i64;
        let ms = entry.id.0.wrapping_sub(first.id.0) as i64;
        let seq = entry.id.1.wrapping_sub(first.id.1) as i64;
        bytes += number(0) + number(ms) + number(seq) + values(entry);
        let same_names = entry.fields.iter().map(|field| &field.0).eq(first.fields.iter().map(|field| &field.0));
        bytes += if same_names { number(count + 3) } else { number(count) + names(entry) + number(2 * count + 4) };
    }
    bytes
}

/// The size of one element of a node in Redis: its data, and its length once more.
fn size(text: &[u8]) -> u64 {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    let data = match number.filter(|number| number.to_string().as_bytes() == text) {
        Some(0..=127) => 1,
        Some(-4096..=4095) => 2,
        Some(-32_768..=32_767) => 3,
        Some(-8_388_608..=8_388_607) => 4,
        Some(-2_147_483_648..=2_147_483_647) => 5,
        Some(_) => 9,
        None if text.len() < 64 => text.len() as u64 + 1,
        None if text.len() < 4096 => text.len() as u64 + 2,
        None => text.len() as u64 + 5,
    };
    match data {
        0..=127 => data + 1,
        128..=16_383 => data + 2,
        16_384..=2_097_151 => data + 3,
        _ => data + 4,
    }
}
