//! What was promised to the world outside: what stores have acknowledged, and what callers have seen.
//!
//! *Seen* is what a reply told when it left the gate. It is noted from the reply itself: the entries in it carry tags,
//! and the past knows which unit wrote each of them. So a gate that lets a reply go too early is found out even if the
//! engine told it the wrong position.
//!
//! *IDs.* For each key the highest ID that anybody has seen: an ID that a clock gives has to be above it. Whoever
//! deletes, renames or overwrites a key, or sets its last ID, makes its IDs available again, as in Redis; so each of
//! these begins a new generation of the key, and what was seen of an older one does not count. A key that may expire has
//! an endless number of generations.

use std::collections::{BTreeMap, BTreeSet};

use brooklet::EntryId;
use brooklet::persist::Level;

/// A key of a database.
pub(crate) type Name = (u8, Vec<u8>);

/// A promise for each level: what is written survives the process, what is durable survives the loss of power.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Levels {
    pub(crate) written: u64,
    pub(crate) durable: u64,
}

impl Levels {
    pub(crate) fn raise(&mut self, level: Level, position: u64) {
        self.written = self.written.max(position);
        if level == Level::Durable {
            self.durable = self.durable.max(position);
        }
    }

    /// What has to be there after a crash.
    pub(crate) fn after(&self, loses_power: bool) -> u64 {
        if loses_power { self.durable } else { self.written }
    }
}

/// What was promised; see the head of this file.
#[derive(Default)]
pub(crate) struct Promises {
    /// The effects that callers have seen.
    pub(crate) seen: Levels,
    ids: BTreeMap<Name, EntryId>,
    /// The same without what went with the power.
    kept: BTreeMap<Name, EntryId>,
    generations: BTreeMap<Name, u64>,
    /// Counts with each key's generation: all keys began a new one.
    era: u64,
    expiring: BTreeSet<Name>,
}

impl Promises {
    pub(crate) fn generation(&self, name: &Name) -> u64 {
        self.era + self.generations.get(name).copied().unwrap_or(0)
    }

    /// Somebody has seen an ID of a key of this generation.
    pub(crate) fn see_id(&mut self, name: &Name, generation: u64, id: EntryId) {
        if self.generation(name) == generation && !self.expiring.contains(name) {
            for ids in [&mut self.ids, &mut self.kept] {
                let highest = ids.entry(name.clone()).or_insert(id);
                *highest = id.max(*highest);
            }
        }
    }

    /// The highest ID of a key that anybody has seen.
    pub(crate) fn seen_id(&self, name: &Name) -> Option<EntryId> {
        self.ids.get(name).copied()
    }

    /// The highest IDs that were seen and have not gone with the power.
    pub(crate) fn kept_ids(&self) -> impl Iterator<Item = (&Name, EntryId)> {
        self.kept.iter().map(|(name, id)| (name, *id))
    }

    /// What a command makes available again.
    pub(crate) fn renew(&mut self, database: u8, command: &[Vec<u8>]) {
        let Some((name, arguments)) = command.split_first() else { return };
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let may_expire = matches!(name.as_str(), "set" | "rename") || name.contains("expire");
        match name.as_str() {
            "del" | "unlink" | "rename" | "set" | "xsetid" | "expire" | "pexpire" | "expireat" | "pexpireat" => {
                for key in arguments.iter().map(|key| (database, key.clone())) {
                    self.ids.remove(&key);
                    self.kept.remove(&key);
                    *self.generations.entry(key.clone()).or_default() += 1;
                    if may_expire {
                        self.expiring.insert(key);
                    }
                }
            }
            "flushdb" | "flushall" => self.forget_ids(),
            _ => {}
        }
    }

    /// All IDs are available again.
    pub(crate) fn forget_ids(&mut self) {
        self.ids.clear();
        self.kept.clear();
        self.era += 1;
    }

    /// The power went, and the clock has gone back: what was seen of what is lost cannot be known, but for what was
    /// noted of the time.
    pub(crate) fn forget_ids_above(&mut self, clock_ms: u64) {
        self.ids.retain(|_, id| id.ms() <= clock_ms);
        self.era += 1;
    }

    /// Whoever consents to a loss gives up what was promised.
    pub(crate) fn forget_effects(&mut self) {
        self.seen = Levels::default();
    }

    /// An owner has opened the storage at this position: everything before it is durable, and promised.
    pub(crate) fn reopened(&mut self, position: u64, has_lost: bool) {
        if has_lost {
            self.kept.clear();
        }
        self.seen = Levels { written: position, durable: position };
    }
}
