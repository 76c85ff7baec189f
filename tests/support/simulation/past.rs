//! The past of an owner: its journal, unit by unit, as an engine beside the storage has written it.
//!
//! It is the model. The storage's log has to be a beginning of it, and the state that comes out of a storage has to be
//! the one that this beginning gives. Positions here are global: they count the units since the log began, and go on
//! over crashes, as far as what they count has survived.

use std::collections::BTreeMap;

use brooklet::{Config, Engine};

use super::trace::{Checked, breach};

/// A journal; see the head of this file.
#[derive(Clone, Default)]
pub(crate) struct Past {
    journal: Vec<u8>,
    /// Where each unit ends.
    ends: Vec<usize>,
    /// The unit in which a tag was first written.
    tags: BTreeMap<u64, u64>,
}

impl Past {
    /// Takes what an engine has written since the last time, that counts from `offset`.
    pub(crate) fn take(&mut self, shadow: &mut Engine, offset: u64) -> Checked {
        let mut start = self.journal.len();
        let position = shadow.take_effects(&mut self.journal);
        while let Some((head, length)) = self.journal.get(start..).and_then(unit_length) {
            start += head + length;
            self.ends.push(start);
        }
        if start != self.journal.len() || self.position() != position.0 + offset {
            return breach("I2", format!("the journal has {} units and says {position:?}", self.position()));
        }
        Ok(())
    }

    pub(crate) fn position(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Notes that an entry with this tag is written by a unit.
    pub(crate) fn tag(&mut self, tag: u64, position: u64) {
        self.tags.entry(tag).or_insert(position);
    }

    pub(crate) fn position_of(&self, tag: u64) -> Option<u64> {
        self.tags.get(&tag).copied()
    }

    /// The state after so many units.
    pub(crate) fn state_at(&self, position: u64, config: &Config) -> Checked<Engine> {
        let end = position.checked_sub(1).map_or(0, |last| self.ends[last as usize]);
        let mut engine = Engine::new(Config { journal: true, ..config.clone() });
        match engine.replay(&self.journal[..end]) {
            Ok(()) => Ok(engine),
            Err(error) => breach("I2", format!("the model's journal: {error}")),
        }
    }

    /// Forgets what did not survive.
    pub(crate) fn truncate(&mut self, position: u64) {
        self.ends.truncate(position as usize);
        self.journal.truncate(self.ends.last().copied().unwrap_or(0));
        self.tags.retain(|_, written| *written <= position);
    }
}

/// The bytes that say how long a unit is, and how long it is.
fn unit_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        length |= usize::from(byte & 127) << (7 * index);
        if byte < 128 {
            return Some((index + 1, length));
        }
    }
    None
}
