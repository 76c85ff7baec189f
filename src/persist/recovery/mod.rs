//! Recovery: from what a storage holds to the state that was acknowledged, or to a refusal that says why not.
//!
//! It is a state machine: it knows no medium and no clock, asks one thing at a time and is told the answer. What has to
//! be applied it hands to the engine piece by piece, and keeps none of it: what it holds is one page.
//!
//! *Design.* There are two rounds. The first looks, to find a version that this one cannot read or an erased storage
//! before anything is written, and to learn which epochs there were. Then the claim is written, which fences everybody
//! else. The second round reads everything again, since an older owner may have written until the claim, and nothing of
//! his can land after it. Whoever only looks skips the first round and the claim; if an owner is at work meanwhile, what
//! he moves under the reader looks like damage, and looking again is the cure.
//!
//! *Rules*
//! 1. Neither manifest nor log: a new log, unless the witness saw one.
//! 2. A damaged manifest or part is refused, always: what is behind it is worthless without it. So is a log that begins
//!    in the middle without a manifest, and a snapshot without one.
//! 3. Chunks count as long as the chain holds, from the manifest's tail on. What the manifest covers is not read.
//! 4. Where the medium can tear: what one append that was cut short may leave behind at the end is dropped and counted.
//! 5. Every other break is refused. With consent what comes before it is loaded, the rest is put aside, and the manifest
//!    says so for ever. There has to be something before it.
//! 6. A log that ends before what the witness saw durable is refused. With consent it is loaded and marked, too.
//! 7. What is too new is refused, before the claim if the manifest or the last chunk says so.
//! 8. Only after everything is read, and found right or accepted, there is one more write: it cuts off what is torn, or
//!    marks the loss.
//!
//! *Why the mark of the new epoch is not written here.* It is a chunk; the writer makes it part of its first append.
//!
//! *Invariants*
//! 1. Before the claim nothing is written. A failed opening has written the claim at most, unless it was the last write
//!    itself that failed, and that one may be repeated.
//! 2. Answers to a request that was given up, or answered already, change nothing.
//! 3. After an end nothing is asked.

use alloc::vec::Vec;

use super::bytes::DecodeFault;
use super::chunk::{Chunk, Tail};
use super::manifest::Manifest;
use super::part::{PartFault, PartRef};
use crate::engine::ReplayError;
use crate::memory::{OutOfMemory, try_push};

mod error;
mod log;
mod request;
mod shared;

pub use error::{Damage, Erased, LogBreak, Loss, OpenError, StoredValue, TailLoss};
pub use log::ChunkCount;
use log::{LogReader, Sink};
pub use request::{
    OnCorruption, OnDataLoss, RecoveryAnswer, RecoveryConfig, RecoveryItem, RecoveryRequest, Stored, Witness,
};
pub use shared::{StorageFault, Ticket};

/// What an opened storage holds, and how to go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovered {
    /// Where the writer goes on.
    pub tail: Tail,
    /// The epoch that was claimed; none if nothing was.
    pub epoch: Option<u64>,
    /// Units in the groups that were handed over.
    pub units: u64,
    /// The latest time that the log, the manifest or the witness knows. If it was not closed, something may have been
    /// seen of what is lost: then the first ID that a clock gives has to be above this.
    pub clock_ms: u64,
    /// Whether the last owner closed it, so that nothing can be lost; a new one is clean.
    pub was_clean: bool,
    /// Whether there was nothing.
    pub is_new: bool,
    /// What was lost, with consent.
    pub losses: Vec<Loss>,
    /// Whether anything was ever lost of this log.
    pub is_lossy: bool,
    /// What was dropped at the end as the trace of a torn append.
    pub tail_dropped: ChunkCount,
    /// What a next snapshot would make superfluous.
    pub log: ChunkCount,
    /// The manifest, if there is one.
    pub manifest: Option<Manifest>,
    /// The ID for the next new part: above that of any part in the storage, listed or not.
    pub next_part_id: u64,
    /// What may be deleted at leisure.
    pub leftovers: Leftovers,
}

/// What a snapshot that was given up, or not tidied up after, has left behind. There is nothing of the kind after a
/// loss: it might help whoever tries to save something.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Leftovers {
    /// Parts that no manifest lists.
    pub part_ids: Vec<u64>,
    /// The last of the chunks that the manifest covers, if any of them is still there.
    pub log_upto: Option<u64>,
}

/// Opens a storage; see the head of this file.
pub struct Recovery {
    config: RecoveryConfig,
    stage: Stage,
    asked: Option<Ticket>,
    tickets: u64,
    /// The highest epoch that was found.
    epoch: u64,
    claimed: Option<u64>,
    manifest: Option<Manifest>,
    witness: Option<Witness>,
    log_bounds: Option<(u64, u64)>,
    part_ids: Vec<u64>,
    parts_loaded: usize,
    log: LogReader,
    /// How much is read value by value, because reading more at once failed: parts up to this number, bytes of chunks.
    singly_parts: usize,
    singly_bytes: usize,
    /// The manifest that says that something was lost.
    lossy_manifest: Vec<u8>,
    losses: Vec<Loss>,
    outcome: Option<Result<Recovered, OpenError>>,
}

/// What is asked next, or was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Manifest,
    Witness,
    LogBounds,
    Epoch,
    LastChunk,
    Claim,
    PartIds,
    Parts,
    Log,
    Cut,
    Mark,
    Ended,
}

impl Recovery {
    /// The opening of a storage. The engine has to be empty, and to be dropped if the opening fails.
    pub fn new(config: RecoveryConfig) -> Recovery {
        Recovery {
            config,
            stage: Stage::Manifest,
            asked: None,
            tickets: 0,
            epoch: 0,
            claimed: None,
            manifest: None,
            witness: None,
            log_bounds: None,
            part_ids: Vec::new(),
            parts_loaded: 0,
            log: LogReader::new(None),
            singly_parts: 0,
            singly_bytes: 0,
            lossy_manifest: Vec::new(),
            losses: Vec::new(),
            outcome: None,
        }
    }

    /// What to ask for now; none while something is unanswered, and after the end.
    pub fn next_request(&mut self) -> Option<(Ticket, RecoveryRequest<'_>)> {
        if self.asked.is_some() || self.stage == Stage::Ended {
            return None;
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.asked = Some(ticket);
        Some((ticket, self.request()))
    }

    /// Tells what became of a request. What has to be applied is handed to `sink` before this returns. Whoever waits
    /// for an answer too long tells that there was none; should it come later, it is not heeded.
    pub fn answered(
        &mut self,
        ticket: Ticket,
        answer: RecoveryAnswer,
        sink: &mut dyn FnMut(RecoveryItem<'_>) -> Result<(), ReplayError>,
    ) {
        if self.asked != Some(ticket) {
            return;
        }
        self.asked = None;
        match self.take(answer, sink) {
            Ok(stage) => self.stage = stage,
            Err(error) => self.end(Err(error)),
        }
    }

    /// How it ended, once it has.
    pub fn take_outcome(&mut self) -> Option<Result<Recovered, OpenError>> {
        self.outcome.take()
    }

    fn request(&self) -> RecoveryRequest<'_> {
        let epoch = self.claimed.unwrap_or(0);
        let from_sequence = self.log.next_sequence();
        let behind_tail = self.log.tail().map_or(1, |tail| tail.next_sequence());
        match self.stage {
            Stage::Manifest => RecoveryRequest::ReadManifest,
            Stage::Witness => RecoveryRequest::ReadWitness,
            Stage::LogBounds => RecoveryRequest::ListLog,
            Stage::Epoch => RecoveryRequest::ReadEpoch,
            Stage::LastChunk => {
                RecoveryRequest::ReadLogOne { from_sequence: self.log_bounds.map_or(0, |(_, last)| last) }
            }
            Stage::Claim => RecoveryRequest::Claim { epoch: self.epoch.saturating_add(1) },
            Stage::PartIds => RecoveryRequest::ListParts,
            Stage::Parts => RecoveryRequest::ReadParts(self.parts_page()),
            Stage::Log if self.singly_bytes > 0 => RecoveryRequest::ReadLogOne { from_sequence },
            Stage::Log => RecoveryRequest::ReadLog { from_sequence, bytes_max: self.config.page_bytes },
            Stage::Cut => RecoveryRequest::CutLog { epoch, from_sequence: behind_tail },
            Stage::Mark | Stage::Ended => RecoveryRequest::MarkLossy {
                epoch,
                manifest: &self.lossy_manifest,
                quarantine_from: Some(behind_tail).filter(|_| self.log.behind().chunks > 0),
            },
        }
    }

    fn take(&mut self, answer: RecoveryAnswer, sink: &mut Sink<'_>) -> Result<Stage, OpenError> {
        match (self.stage, answer) {
            (_, RecoveryAnswer::Failed(fault)) => self.retry_singly(fault),
            (_, RecoveryAnswer::Fenced) => Err(self.fenced()),
            (_, RecoveryAnswer::Locked) => Err(OpenError::Locked),
            (Stage::Manifest, RecoveryAnswer::Manifest(stored)) => self.take_manifest(&stored),
            (Stage::Witness, RecoveryAnswer::Witness(witness)) => {
                self.epoch = self.epoch.max(witness.map_or(0, |witness| witness.epoch));
                self.witness = witness;
                Ok(Stage::LogBounds)
            }
            (Stage::LogBounds, RecoveryAnswer::LogBounds(bounds)) => self.take_log_bounds(bounds),
            (Stage::Epoch, RecoveryAnswer::Epoch(epoch)) => {
                self.epoch = self.epoch.max(epoch);
                Ok(if self.log_bounds.is_some() { Stage::LastChunk } else { Stage::Claim })
            }
            (Stage::LastChunk, RecoveryAnswer::LogPage { chunks, .. }) => self.look_at_last(&chunks),
            (Stage::Claim, RecoveryAnswer::Done) => {
                self.claimed = Some(self.epoch.saturating_add(1));
                Ok(Stage::Manifest)
            }
            (Stage::PartIds, RecoveryAnswer::PartIds(ids)) => self.take_part_ids(ids),
            (Stage::Parts, RecoveryAnswer::Parts(parts)) => self.take_parts(&parts, sink),
            (Stage::Log, RecoveryAnswer::LogPage { chunks, has_more }) => self.take_log(&chunks, has_more, sink),
            (Stage::Cut | Stage::Mark, RecoveryAnswer::Done) => self.succeed(),
            _ => Err(self.storage_failed(StorageFault::Io)),
        }
    }

    /// Whether this is the first round, before the claim.
    fn is_looking(&self) -> bool {
        !self.config.is_read_only && self.claimed.is_none()
    }

    // The manifest and what is around it.

    fn take_manifest(&mut self, stored: &Stored) -> Result<Stage, OpenError> {
        let damaged = |damage| OpenError::CorruptSnapshot { part: None, damage };
        self.manifest = match stored {
            Stored::Missing => None,
            Stored::Unreadable => return Err(damaged(Damage::Unreadable)),
            Stored::Bytes(bytes) => Some(Manifest::decode(bytes).map_err(|fault| match fault {
                DecodeFault::OutOfMemory => OpenError::OutOfMemory,
                DecodeFault::TooNew { major, flags } => {
                    OpenError::TooNew { value: StoredValue::Manifest, major, flags }
                }
                fault => damaged(Damage::Manifest(fault)),
            })?),
        };
        self.epoch = self.epoch.max(self.manifest.as_ref().map_or(0, |manifest| manifest.epoch));
        Ok(Stage::Witness)
    }

    fn take_log_bounds(&mut self, bounds: Option<(u64, u64)>) -> Result<Stage, OpenError> {
        self.log_bounds = bounds;
        if !self.is_looking() {
            return Ok(Stage::PartIds);
        }
        // Where the first round can tell that the log is gone, the claim need not be written.
        let log_id = self.manifest.as_ref().map(|manifest| manifest.log_id);
        if (log_id.is_some() || bounds.is_none())
            && let Some(erased) = self.erased(log_id)
        {
            self.require_consent_to_loss(OpenError::Erased(erased))?;
        }
        Ok(Stage::Epoch)
    }

    fn look_at_last(&mut self, chunks: &[(u64, Stored)]) -> Result<Stage, OpenError> {
        let Some((sequence, Stored::Bytes(bytes))) = chunks.first() else { return Ok(Stage::Claim) };
        match Chunk::decode(bytes) {
            Ok(chunk) => self.epoch = self.epoch.max(chunk.epoch),
            Err(DecodeFault::TooNew { major, flags }) => {
                return Err(OpenError::TooNew { value: StoredValue::Chunk(*sequence), major, flags });
            }
            // Damage is judged in its place, when everything before it has been read.
            Err(_) => {}
        }
        Ok(Stage::Claim)
    }

    // The snapshot.

    fn take_part_ids(&mut self, ids: Vec<u64>) -> Result<Stage, OpenError> {
        self.part_ids = ids;
        let begins_with_snapshot = self.log_bounds.is_none_or(|(first, _)| first > 1);
        if self.manifest.is_none() && !self.part_ids.is_empty() && begins_with_snapshot {
            return Err(OpenError::CorruptSnapshot { part: None, damage: Damage::Missing });
        }
        self.log = LogReader::new(self.manifest.as_ref());
        Ok(if self.parts_page().is_empty() { Stage::Log } else { Stage::Parts })
    }

    /// The parts to read next: as many as fit into a page, but one at least, if there are any left.
    fn parts_page(&self) -> &[PartRef] {
        let parts = self.manifest.as_ref().map_or(&[][..], |manifest| &manifest.parts);
        let rest = parts.get(self.parts_loaded..).unwrap_or(&[]);
        let mut bytes = 0;
        let mut count = 0;
        for part in rest {
            bytes += part.length as usize;
            let is_too_much = bytes > self.config.page_bytes || self.parts_loaded < self.singly_parts;
            if count > 0 && is_too_much {
                break;
            }
            count += 1;
        }
        rest.get(..count).unwrap_or(rest)
    }

    fn take_parts(&mut self, stored: &[Stored], sink: &mut Sink<'_>) -> Result<Stage, OpenError> {
        let page = self.parts_page();
        if stored.len() != page.len() {
            return Err(self.storage_failed(StorageFault::Io));
        }
        let log_id = self.manifest.as_ref().map_or(0, |manifest| manifest.log_id);
        for (listed, stored) in page.iter().zip(stored) {
            load_part(listed, log_id, stored, sink)?;
        }
        self.parts_loaded += stored.len();
        if !self.parts_page().is_empty() {
            return Ok(Stage::Parts);
        }
        let state_hash = self.manifest.as_ref().map_or(0, |manifest| manifest.state_hash);
        sink(RecoveryItem::SnapshotEnd { state_hash })
            .map_err(|error| OpenError::Unreplayable { value: StoredValue::Manifest, error })?;
        Ok(Stage::Log)
    }

    // The log.

    fn take_log(&mut self, chunks: &[(u64, Stored)], has_more: bool, sink: &mut Sink<'_>) -> Result<Stage, OpenError> {
        let before = self.log.next_sequence();
        for (sequence, stored) in chunks {
            if *sequence >= self.log.next_sequence() {
                self.log.take(*sequence, stored, sink)?;
            }
            let length = if let Stored::Bytes(bytes) = stored { bytes.len() } else { 0 };
            self.singly_bytes = self.singly_bytes.saturating_sub(length.max(1));
        }
        if has_more && !chunks.is_empty() {
            let has_moved = self.log.next_sequence() > before;
            return if has_moved { Ok(Stage::Log) } else { Err(self.storage_failed(StorageFault::Io)) };
        }
        self.log.end();
        self.conclude()
    }

    /// Decides about everything that was read.
    fn conclude(&mut self) -> Result<Stage, OpenError> {
        if self.claimed.is_some_and(|claimed| self.tail().epoch >= claimed) {
            return Err(self.fenced());
        }
        self.judge_break()?;
        self.judge_witness()?;
        if self.config.is_read_only {
            return self.succeed();
        }
        let has_rest = self.log.behind().chunks > 0;
        let is_marked = self.manifest.as_ref().is_some_and(|manifest| manifest.is_lossy);
        match self.is_lossy_now() {
            true if has_rest || !is_marked => self.prepare_mark(),
            _ if has_rest => Ok(Stage::Cut),
            _ => self.succeed(),
        }
    }

    fn judge_break(&mut self) -> Result<(), OpenError> {
        let Some(broken) = self.log.broken() else { return Ok(()) };
        if self.config.can_tear && self.log.may_be_torn() {
            return Ok(());
        }
        if self.config.on_corruption == OnCorruption::Refuse || broken.last_good == 0 {
            return Err(OpenError::CorruptLog(broken));
        }
        Ok(try_push(&mut self.losses, Loss::Rest(broken))?)
    }

    fn judge_witness(&mut self) -> Result<(), OpenError> {
        let is_empty = self.manifest.is_none() && self.log_bounds.is_none();
        let log_id = if is_empty { None } else { self.log.tail().map(|tail| tail.log_id) };
        if let Some(erased) = self.erased(log_id) {
            self.require_consent_to_loss(OpenError::Erased(erased))?;
            try_push(&mut self.losses, Loss::Erased(erased))?;
        } else if let Some(loss) = self.tail_loss() {
            self.require_consent_to_loss(OpenError::DataLoss(loss))?;
            try_push(&mut self.losses, Loss::Tail(loss))?;
        }
        Ok(())
    }

    /// What the witness saw and is gone, if this is the log that is there.
    fn erased(&self, found: Option<u64>) -> Option<Erased> {
        let Witness { log_id, durable_sequence, .. } = self.witness?;
        let is_gone = durable_sequence > 0 && found != Some(log_id);
        is_gone.then_some(Erased { log_id, durable_sequence, found })
    }

    /// What the witness saw behind the end. What stands behind a break that was accepted is not lost once more.
    fn tail_loss(&self) -> Option<TailLoss> {
        let to = self.witness?.durable_sequence;
        let last = if self.losses.is_empty() { self.tail().sequence } else { self.log.last_seen() };
        (to > last).then(|| TailLoss { from: last.saturating_add(1), to })
    }

    fn require_consent_to_loss(&self, error: OpenError) -> Result<(), OpenError> {
        if self.config.on_data_loss == OnDataLoss::Accept { Ok(()) } else { Err(error) }
    }

    /// Whether something of this log was lost that was not lost before.
    fn is_lossy_now(&self) -> bool {
        self.losses.iter().any(|loss| !matches!(loss, Loss::Erased(_)))
    }

    fn prepare_mark(&mut self) -> Result<Stage, OpenError> {
        let fresh = Manifest {
            log_id: self.tail().log_id,
            created_ms: self.log.clock_ms(),
            next_part_id: self.next_part_id(),
            ..Manifest::default()
        };
        // Its epoch stays: the chunks behind the snapshot have none below it, and may have one below ours.
        let manifest = Manifest { is_lossy: true, ..self.manifest.take().unwrap_or(fresh) };
        self.lossy_manifest = manifest.encode()?;
        self.manifest = Some(manifest);
        Ok(Stage::Mark)
    }

    // Ends.

    fn succeed(&mut self) -> Result<Stage, OpenError> {
        let tail = self.tail();
        let manifest_ms = self.manifest.as_ref().map_or(0, |manifest| manifest.created_ms);
        let witness_ms = self.witness.map_or(0, |witness| witness.clock_ms);
        let is_salvaged = self.losses.iter().any(|loss| matches!(loss, Loss::Rest(_)));
        let tail_dropped = if is_salvaged { ChunkCount::default() } else { self.log.behind() };
        let is_new = self.manifest.is_none() && self.log_bounds.is_none();
        let was_closed = self.witness.is_some_and(|witness| {
            witness.is_clean && (witness.log_id, witness.durable_sequence) == (tail.log_id, tail.sequence)
        });
        let next_part_id = self.next_part_id();
        let leftovers = if self.losses.is_empty() { self.leftovers()? } else { Leftovers::default() };
        let losses = core::mem::take(&mut self.losses);
        let manifest = self.manifest.take();
        self.end(Ok(Recovered {
            tail,
            epoch: self.claimed,
            units: self.log.units(),
            clock_ms: self.log.clock_ms().max(manifest_ms).max(witness_ms),
            was_clean: losses.is_empty() && tail_dropped.chunks == 0 && (is_new || was_closed),
            is_new,
            is_lossy: manifest.as_ref().is_some_and(|manifest| manifest.is_lossy)
                || losses.iter().any(|loss| !matches!(loss, Loss::Erased(_))),
            losses,
            tail_dropped,
            log: self.log.whole(),
            manifest,
            next_part_id,
            leftovers,
        }));
        Ok(Stage::Ended)
    }

    fn leftovers(&mut self) -> Result<Leftovers, OutOfMemory> {
        let manifest = self.manifest.as_ref();
        let listed = manifest.map_or(&[][..], |manifest| &manifest.parts);
        let mut sorted = Vec::new();
        sorted.try_reserve_exact(listed.len())?;
        sorted.extend(listed.iter().map(|part| part.id));
        sorted.sort_unstable();
        let mut part_ids = core::mem::take(&mut self.part_ids);
        part_ids.retain(|id| sorted.binary_search(id).is_err());
        let upto = manifest.map_or(0, |manifest| manifest.upto_sequence);
        let log_upto = self.log_bounds.filter(|&(first, _)| first <= upto).map(|_| upto);
        Ok(Leftovers { part_ids, log_upto })
    }

    /// The ID for the next new part. A snapshot that was given up has left parts that no manifest counts.
    fn next_part_id(&self) -> u64 {
        let counted = self.manifest.as_ref().map_or(0, |manifest| manifest.next_part_id);
        let found = self.part_ids.iter().max().map_or(0, |id| id.saturating_add(1));
        counted.max(found)
    }

    fn tail(&self) -> Tail {
        self.log.tail().unwrap_or(Tail::new(self.config.new_log_id))
    }

    fn end(&mut self, outcome: Result<Recovered, OpenError>) {
        self.stage = Stage::Ended;
        self.outcome = Some(outcome);
    }

    // Failures of the storage.

    /// One value that cannot be read may let the reading of many fail: then each is read by itself, as many as failed
    /// together. On a connection that is gone that would be useless.
    fn retry_singly(&mut self, fault: StorageFault) -> Result<Stage, OpenError> {
        let may_be_one = matches!(fault, StorageFault::Io | StorageFault::NoAnswer);
        match self.stage {
            Stage::Parts if may_be_one && self.parts_page().len() > 1 => {
                self.singly_parts = self.parts_loaded + self.parts_page().len();
            }
            Stage::Log if may_be_one && self.singly_bytes == 0 => self.singly_bytes = self.config.page_bytes.max(1),
            _ => return Err(self.storage_failed(fault)),
        }
        Ok(self.stage)
    }

    fn storage_failed(&self, fault: StorageFault) -> OpenError {
        let doing = match self.stage {
            Stage::Manifest => "reading the manifest",
            Stage::Witness => "reading the witness",
            Stage::LogBounds => "listing the log",
            Stage::Epoch => "reading the epoch",
            Stage::Claim => "claiming the epoch",
            Stage::PartIds => "listing the parts",
            Stage::Parts => "reading parts",
            Stage::LastChunk | Stage::Log | Stage::Ended => "reading the log",
            Stage::Cut => "cutting off what is torn",
            Stage::Mark => "marking the loss",
        };
        OpenError::Storage { doing, fault }
    }

    fn fenced(&self) -> OpenError {
        OpenError::Fenced { epoch: self.claimed.unwrap_or(self.epoch.saturating_add(1)) }
    }
}

fn load_part(listed: &PartRef, log_id: u64, stored: &Stored, sink: &mut Sink<'_>) -> Result<(), OpenError> {
    let value = StoredValue::Part(listed.id);
    let damaged = |damage| OpenError::CorruptSnapshot { part: Some(listed.id), damage };
    let bytes = match stored {
        Stored::Bytes(bytes) => bytes,
        Stored::Missing => return Err(damaged(Damage::Missing)),
        Stored::Unreadable => return Err(damaged(Damage::Unreadable)),
    };
    let part = listed.decode(log_id, bytes).map_err(|fault| match fault {
        PartFault::Undecodable(DecodeFault::OutOfMemory) => OpenError::OutOfMemory,
        PartFault::Undecodable(DecodeFault::TooNew { major, flags }) => OpenError::TooNew { value, major, flags },
        fault => damaged(Damage::Part(fault)),
    })?;
    sink(RecoveryItem::Part(part)).map_err(|error| OpenError::Unreplayable { value, error })
}
