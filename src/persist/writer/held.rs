//! Chunks that were formed and may be needed again: in order, without gaps, never changed.
//!
//! *Design.* A queue of bytes. In front stand chunks that are written and kept until they are durable, which only a
//! medium asks for whose failed sync loses what was written; from `carry_from` on stand those that the next append has to
//! carry, whether or not one that carries them is on its way.
//!
//! *Invariants*
//! 1. The chunk at place `n` has the sequence `before.sequence + 1 + n`.
//! 2. `before.sequence < carry_from <= last + 1`.
//! 3. `bytes` and `kept_bytes` are the sums over all chunks, and over those below `carry_from`.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use super::super::chunk::{EncodedChunk, Tail};
use crate::invariant::ensure;
use crate::memory::OutOfMemory;

/// Chunks that may be needed again; see the head of this file.
pub(super) struct Held {
    chunks: VecDeque<EncodedChunk>,
    /// The newest chunk that is not held any more.
    before: Tail,
    carry_from: u64,
    bytes: usize,
    kept_bytes: usize,
}

impl Held {
    pub(super) fn new(before: Tail) -> Held {
        Held { chunks: VecDeque::new(), before, carry_from: before.sequence + 1, bytes: 0, kept_bytes: 0 }
    }

    /// Adds the chunks of a group, all or none.
    pub(super) fn append(&mut self, group: Vec<EncodedChunk>) -> Result<(), OutOfMemory> {
        self.chunks.try_reserve(group.len())?;
        for chunk in group {
            debug_assert_eq!(chunk.sequence, self.last() + 1, "a group that does not follow");
            self.bytes += chunk.bytes.len();
            self.chunks.push_back(chunk);
        }
        Ok(())
    }

    /// Notes that everything up to a sequence is written.
    pub(super) fn mark_written(&mut self, through: u64) {
        self.set_carry_from(self.carry_from.max(through + 1));
    }

    /// Lets chunks go up to a sequence.
    pub(super) fn release(&mut self, through: u64) {
        self.mark_written(through);
        while self.before.sequence < through.min(self.last()) {
            let Some(chunk) = self.chunks.pop_front() else { return };
            self.bytes -= chunk.bytes.len();
            self.kept_bytes -= chunk.bytes.len();
            self.before = Tail { sequence: chunk.sequence, checksum: chunk.checksum, ..self.before };
        }
    }

    /// Has everything from a sequence on carried again, or from the first chunk that is held.
    pub(super) fn carry_again(&mut self, from: u64) {
        self.set_carry_from(self.carry_from.min(from.max(self.before.sequence + 1)));
    }

    /// Forgets all chunks, as if each were stored.
    pub(super) fn clear(&mut self) {
        self.release(self.last());
        self.chunks = VecDeque::new();
    }

    /// A chunk, if it is held.
    pub(super) fn chunk(&self, sequence: u64) -> Option<&EncodedChunk> {
        let place = sequence.checked_sub(self.before.sequence + 1)?;
        self.chunks.get(usize::try_from(place).ok()?)
    }

    /// The sequence from which on chunks have to be carried.
    pub(super) fn carry_from(&self) -> u64 {
        self.carry_from
    }

    /// The sequence of the last chunk ever formed.
    pub(super) fn last(&self) -> u64 {
        self.before.sequence + self.chunks.len() as u64
    }

    /// Whether a storage that ends in `tail` may be ours: nothing that is needed and not held is missing, and its last
    /// chunk is one of these. An empty log cannot say whose it is.
    pub(super) fn fits(&self, tail: Tail) -> bool {
        let held = self.chunk(tail.sequence).map(|chunk| (chunk.sequence, chunk.checksum));
        let ours = held.unwrap_or((self.before.sequence, self.before.checksum));
        let is_of_log = tail.log_id == self.before.log_id || tail.sequence == 0;
        is_of_log && (tail.sequence, tail.checksum) == ours
    }

    /// Whether nothing has to be carried.
    pub(super) fn is_written(&self) -> bool {
        self.carry_from > self.last()
    }

    /// The bytes of the chunks that have to be carried.
    pub(super) fn unwritten_bytes(&self) -> usize {
        self.bytes - self.kept_bytes
    }

    /// The bytes of the chunks that are written and kept.
    pub(super) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// The memory held.
    pub(super) fn memory(&self) -> usize {
        self.chunks.capacity() * size_of::<EncodedChunk>() + self.bytes
    }

    /// Checks the invariants in the head of this file.
    pub(super) fn validate(&self) -> Result<(), String> {
        let (mut bytes, mut kept_bytes) = (0, 0);
        for (sequence, chunk) in (self.before.sequence + 1..).zip(&self.chunks) {
            ensure(chunk.sequence == sequence, "held 1: a chunk in a wrong place")?;
            bytes += chunk.bytes.len();
            kept_bytes += if sequence < self.carry_from { chunk.bytes.len() } else { 0 };
        }
        let carries = self.before.sequence < self.carry_from && self.carry_from <= self.last() + 1;
        ensure(carries, "held 2: what is carried does not follow what was let go")?;
        ensure((bytes, kept_bytes) == (self.bytes, self.kept_bytes), "held 3: the sums of bytes are wrong")
    }

    fn set_carry_from(&mut self, sequence: u64) {
        let sequence = sequence.min(self.last() + 1);
        let gained = self.bytes_between(self.carry_from, sequence);
        let lost = self.bytes_between(sequence, self.carry_from);
        self.kept_bytes = self.kept_bytes + gained - lost;
        self.carry_from = sequence;
    }

    fn bytes_between(&self, from: u64, to: u64) -> usize {
        (from..to).filter_map(|sequence| self.chunk(sequence)).map(|chunk| chunk.bytes.len()).sum()
    }
}
