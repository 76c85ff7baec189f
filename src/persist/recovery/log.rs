//! Reads a log from where the snapshot ends, as far as it can be followed, and looks at what stands behind.
//!
//! It knows neither the medium nor what to do about damage: it finds where the log breaks, if it does, and whether that
//! may be the trace of an append that was cut short.
//!
//! *Invariants*
//! 1. Only whole groups are handed over, each once, in order, and none behind a break.
//! 2. `behind` counts the chunks read since the last whole group.

use super::super::bytes::DecodeFault;
use super::super::chunk::{Chunk, ChunkAssembler, ChunkFault, ChunkGroup, Tail};
use super::super::manifest::Manifest;
use super::error::{Damage, LogBreak, OpenError, StoredValue};
use super::request::{RecoveryItem, Stored};
use crate::engine::ReplayError;

/// Whoever applies what is read.
pub(super) type Sink<'a> = dyn FnMut(RecoveryItem<'_>) -> Result<(), ReplayError> + 'a;

/// Chunks, and the bytes of all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ChunkCount {
    /// How many chunks.
    pub chunks: u64,
    /// All their bytes.
    pub bytes: u64,
}

/// A log that is being read; see the head of this file.
pub(super) struct LogReader {
    /// None until the first chunk has told which log it is, if there is no manifest to tell.
    assembler: Option<ChunkAssembler>,
    /// No chunk below this is looked at any more.
    next_sequence: u64,
    /// The last chunk that was looked at.
    last_seen: u64,
    whole: ChunkCount,
    behind: ChunkCount,
    units: u64,
    clock_ms: u64,
    broken: Option<LogBreak>,
    rest: Rest,
}

/// What was seen behind a break.
#[derive(Default)]
struct Rest {
    /// Whether a group ended there.
    has_end: bool,
    /// Whether another append than the broken one left something whole.
    is_of_later_append: bool,
}

impl LogReader {
    pub(super) fn new(manifest: Option<&Manifest>) -> LogReader {
        let tail = manifest.map(Manifest::tail);
        let sequence = tail.map_or(0, |tail| tail.sequence);
        LogReader {
            assembler: tail.map(ChunkAssembler::new),
            next_sequence: sequence.saturating_add(1),
            last_seen: sequence,
            whole: ChunkCount::default(),
            behind: ChunkCount::default(),
            units: 0,
            clock_ms: 0,
            broken: None,
            rest: Rest::default(),
        }
    }

    /// Takes the chunk that is stored under a sequence, and hands over the group that ends with it.
    pub(super) fn take(&mut self, sequence: u64, stored: &Stored, sink: &mut Sink<'_>) -> Result<(), OpenError> {
        self.next_sequence = sequence.saturating_add(1);
        self.last_seen = sequence;
        self.behind.chunks += 1;
        if let Stored::Bytes(bytes) = stored {
            self.behind.bytes += bytes.len() as u64;
        }
        if self.broken.is_none() {
            let Some(damage) = self.follow(sequence, stored, sink)? else { return Ok(()) };
            self.note_break(damage);
        }
        self.look_at(sequence, stored);
        Ok(())
    }

    /// Notes that there are no more chunks.
    pub(super) fn end(&mut self) {
        let is_open = self.assembler.as_ref().is_some_and(ChunkAssembler::is_group_open);
        if self.broken.is_none() && is_open {
            self.note_break(Damage::GroupOpen);
        }
    }

    /// The sequence from which on to read.
    pub(super) fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// The last chunk that was there, whatever it was.
    pub(super) fn last_seen(&self) -> u64 {
        self.last_seen
    }

    /// Where the whole groups end, if it is known which log this is.
    pub(super) fn tail(&self) -> Option<Tail> {
        self.assembler.as_ref().map(ChunkAssembler::whole_tail)
    }

    /// Where the log breaks.
    pub(super) fn broken(&self) -> Option<LogBreak> {
        self.broken
    }

    /// Whether the break may be the trace of one append that was cut short, the last: nothing tells that another append
    /// was placed behind it. The chunks of one append may have reached the disk in any order.
    pub(super) fn may_be_torn(&self) -> bool {
        self.broken.is_some_and(|broken| broken.damage.is_tear()) && !self.rest.is_of_later_append
    }

    /// The chunks of the groups that were handed over, marks included.
    pub(super) fn whole(&self) -> ChunkCount {
        self.whole
    }

    /// The chunks behind them.
    pub(super) fn behind(&self) -> ChunkCount {
        self.behind
    }

    /// How many units were handed over.
    pub(super) fn units(&self) -> u64 {
        self.units
    }

    /// The latest clock in any chunk, one behind a break included: somebody may have seen an ID that it gave.
    pub(super) fn clock_ms(&self) -> u64 {
        self.clock_ms
    }

    /// Takes a chunk as the next one, or says why it is not.
    fn follow(&mut self, sequence: u64, stored: &Stored, sink: &mut Sink<'_>) -> Result<Option<Damage>, OpenError> {
        if sequence != self.expected() {
            return Ok(Some(Damage::Missing));
        }
        let bytes = match stored {
            Stored::Bytes(bytes) => bytes,
            Stored::Missing => return Ok(Some(Damage::Missing)),
            Stored::Unreadable => return Ok(Some(Damage::Unreadable)),
        };
        // Decoded once more by the assembler: a checksum costs little beside the replay of what it covers.
        let Chunk { log_id, base_ms, .. } = match Chunk::decode(bytes) {
            Ok(chunk) => chunk,
            Err(fault) => return broken_by(sequence, ChunkFault::Undecodable(fault)),
        };
        let assembler = self.assembler.get_or_insert_with(|| ChunkAssembler::new(Tail::new(log_id)));
        let group = match assembler.push(bytes) {
            Ok(group) => group,
            Err(fault) => return broken_by(sequence, fault.fault),
        };
        self.clock_ms = self.clock_ms.max(base_ms);
        if let Some(group) = group {
            apply(&group, sink)?;
            self.units = self.units.saturating_add(u64::from(group.units));
            self.whole.chunks += self.behind.chunks;
            self.whole.bytes += self.behind.bytes;
            self.behind = ChunkCount::default();
        }
        Ok(None)
    }

    fn expected(&self) -> u64 {
        self.assembler.as_ref().map_or(1, |assembler| assembler.tail().next_sequence())
    }

    fn note_break(&mut self, damage: Damage) {
        let last_good = self.tail().map_or(0, |tail| tail.sequence);
        self.broken = Some(LogBreak { last_good, first_bad: self.expected(), next_good: None, damage });
    }

    /// Looks at a chunk that does not count any more for what it tells about the break.
    fn look_at(&mut self, sequence: u64, stored: &Stored) {
        let (Some(broken), Stored::Bytes(bytes)) = (&mut self.broken, stored) else { return };
        if sequence <= broken.first_bad {
            return;
        }
        // A value that is too new is whole as well.
        let chunk = match Chunk::decode(bytes) {
            Ok(chunk) => Some(chunk),
            Err(DecodeFault::TooNew { .. }) => None,
            Err(_) => return,
        };
        let log_id = self.assembler.as_ref().map(|assembler| assembler.tail().log_id);
        let is_of_this_log =
            |chunk: &Chunk<'_>| chunk.sequence == sequence && log_id.is_none_or(|log_id| log_id == chunk.log_id);
        if chunk.as_ref().is_some_and(|chunk| !is_of_this_log(chunk)) {
            return;
        }
        broken.next_good = broken.next_good.or(Some(sequence));
        self.clock_ms = self.clock_ms.max(chunk.map_or(0, |chunk| chunk.base_ms));
        self.rest.is_of_later_append |= self.rest.has_end || chunk.is_none_or(|chunk| chunk.is_first);
        self.rest.has_end |= chunk.is_some_and(|chunk| chunk.is_last);
    }
}

fn apply(group: &ChunkGroup<'_>, sink: &mut Sink<'_>) -> Result<(), OpenError> {
    if group.is_epoch_mark {
        return Ok(());
    }
    let value = StoredValue::Chunk(group.first_sequence);
    sink(RecoveryItem::Group(*group)).map_err(|error| OpenError::Unreplayable { value, error })
}

/// What a refused chunk means: damage, unless it is not the chunk that is to blame.
fn broken_by(sequence: u64, fault: ChunkFault) -> Result<Option<Damage>, OpenError> {
    match fault {
        ChunkFault::OutOfMemory | ChunkFault::Undecodable(DecodeFault::OutOfMemory) => Err(OpenError::OutOfMemory),
        ChunkFault::Undecodable(DecodeFault::TooNew { major, flags }) => {
            Err(OpenError::TooNew { value: StoredValue::Chunk(sequence), major, flags })
        }
        fault => Ok(Some(Damage::Chunk(fault))),
    }
}
