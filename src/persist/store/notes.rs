//! When something is noted for the witness.
//!
//! *Design.* A note follows what became durable, never before it and not more often than the storage of the witness
//! likes. The first one comes right after the first durable append of an owner: until then the note of the owner before
//! stands, which after a loss speaks of what is gone. A failed note is no harm, and is tried again when the next is due.
//!
//! *Invariants*
//! 1. What is noted as durable was reported as durable.
//! 2. After a note that the log was closed nothing is noted.

use super::StoreConfig;

/// When something is noted; see the head of this file.
pub(super) struct Notes {
    every_ms: u64,
    /// What the last note said, whether or not it arrived.
    noted_sequence: u64,
    noted_ms: Option<u64>,
    /// Whether the last one is known to have arrived.
    has_arrived: bool,
    is_last: bool,
}

impl Notes {
    pub(super) fn new(config: &StoreConfig) -> Notes {
        let every_ms = config.witness_every_ms;
        Notes { every_ms, noted_sequence: 0, noted_ms: None, has_arrived: true, is_last: false }
    }

    /// Whether it is time for a note that this chunk is durable. A clock that went back begins anew.
    pub(super) fn is_due(&mut self, now_ms: u64, durable_sequence: u64) -> bool {
        self.noted_ms = self.noted_ms.map(|noted_ms| noted_ms.min(now_ms));
        self.due_ms(durable_sequence).is_some_and(|due_ms| due_ms <= now_ms)
    }

    /// When the next note is due, if there is something to note.
    pub(super) fn due_ms(&self, durable_sequence: u64) -> Option<u64> {
        let is_news = durable_sequence > self.noted_sequence || (!self.has_arrived && durable_sequence > 0);
        let due_ms = self.noted_ms.map_or(0, |noted_ms| noted_ms.saturating_add(self.every_ms));
        (is_news && !self.is_last).then_some(due_ms)
    }

    /// Notes what is being noted.
    pub(super) fn asked(&mut self, now_ms: u64, durable_sequence: u64, is_last: bool) {
        self.noted_sequence = durable_sequence;
        self.noted_ms = Some(now_ms);
        self.has_arrived = false;
        self.is_last = is_last;
    }

    pub(super) fn arrived(&mut self) {
        self.has_arrived = true;
    }

    /// Whether it was noted, or tried to, that the log is closed.
    pub(super) fn is_last(&self) -> bool {
        self.is_last
    }
}
