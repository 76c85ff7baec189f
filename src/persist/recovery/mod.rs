//! Recovery: from what a storage holds to the state that was acknowledged, or to a refusal that says why not.
//!
//! It is a state machine: it knows no medium and no clock, asks one thing at a time and is told the answer. What has to
//! be applied it hands to the engine piece by piece, and keeps none of it: what it holds is one page.
//!
//! *Design.* There are two rounds. The first looks, to find a version that this one cannot read or an erased storage
//! before anything is written, and to learn which epochs there were. Then the claim is written, which fences everybody
//! else. The second round reads everything again, since an older owner may have written until the claim, and nothing of
//! his can land after it. Whoever only looks skips the first round and the claim; if an owner is at work meanwhile, what
//! he moves under the reader looks like damage, and looking again is the cure. The first round cures itself: what looks
//! erased may have moved from the log into a snapshot between two questions, so it is believed the second time.
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

use super::bytes::{DecodeFault, NUMBER_END};
use super::chunk::Chunk;
use super::manifest::Manifest;
use super::part::{PartFault, PartRef};
use super::storage::{StorageFault, Ticket};
use super::witness::Witness;
use crate::engine::ReplayError;
use crate::memory::OutOfMemory;
use crate::sort::sort;

mod error;
mod log;
mod request;
mod verdict;

pub use error::{Damage, Erased, LogBreak, Loss, OpenError, StoredValue, TailLoss};
pub use log::ChunkCount;
use log::{LogReader, Sink};
pub use request::{OnCorruption, OnDataLoss, RecoveryAnswer, RecoveryConfig, RecoveryItem, RecoveryRequest, Stored};
pub use verdict::{Leftovers, Recovered};

/// Opens a storage; see the head of this file.
pub struct Recovery {
    config: RecoveryConfig,
    stage: Stage,
    asked: Option<Ticket>,
    tickets: u64,
    /// The highest epoch that was found.
    epoch: u64,
    claimed: Option<u64>,
    /// The storage looked erased, and is looked at again.
    looks_erased: bool,
    manifest: Option<Manifest>,
    witness: Option<Witness>,
    log_bounds: Option<(u64, u64)>,
    leftovers: Leftovers,
    next_part_id: u64,
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
            looks_erased: false,
            manifest: None,
            witness: None,
            log_bounds: None,
            leftovers: Leftovers::default(),
            next_part_id: 0,
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
            // At the end nothing is asked.
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
                if self.log_bounds.is_some() { Ok(Stage::LastChunk) } else { self.go_on_to_claim() }
            }
            (Stage::LastChunk, RecoveryAnswer::LogPage { chunks, .. }) => self.look_at_last(&chunks),
            (Stage::Claim, RecoveryAnswer::Done) => {
                self.claimed = Some(self.epoch.saturating_add(1));
                Ok(Stage::Manifest)
            }
            (Stage::PartIds, RecoveryAnswer::PartIds(ids)) => self.take_part_ids(ids),
            (Stage::Parts, RecoveryAnswer::Parts(parts)) => self.take_parts(&parts, sink),
            (Stage::Log, RecoveryAnswer::LogPage { chunks, has_more }) => self.take_log(&chunks, has_more, sink),
            (Stage::Cut | Stage::Mark, RecoveryAnswer::Done) => Ok(self.succeed()),
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
            if !self.looks_erased {
                self.looks_erased = true;
                return Ok(Stage::Manifest);
            }
            self.require_consent_to_loss(OpenError::Erased(erased))?;
        }
        Ok(Stage::Epoch)
    }

    fn look_at_last(&mut self, chunks: &[(u64, Stored)]) -> Result<Stage, OpenError> {
        let Some((sequence, Stored::Bytes(bytes))) = chunks.first() else { return self.go_on_to_claim() };
        match Chunk::decode(bytes) {
            Ok(chunk) => self.epoch = self.epoch.max(chunk.epoch),
            Err(DecodeFault::TooNew { major, flags }) => {
                return Err(OpenError::TooNew { value: StoredValue::Chunk(*sequence), major, flags });
            }
            // Damage is judged in its place, when everything before it has been read.
            Err(_) => {}
        }
        self.go_on_to_claim()
    }

    /// There has to be an epoch above all that were found, or no chunk could be written afterwards.
    fn go_on_to_claim(&self) -> Result<Stage, OpenError> {
        if self.epoch.saturating_add(1) < NUMBER_END { Ok(Stage::Claim) } else { Err(OpenError::OutOfRange) }
    }

    // The snapshot.

    fn take_part_ids(&mut self, mut ids: Vec<u64>) -> Result<Stage, OpenError> {
        let begins_with_snapshot = self.log_bounds.is_none_or(|(first, _)| first > 1);
        if self.manifest.is_none() && !ids.is_empty() && begins_with_snapshot {
            return Err(OpenError::CorruptSnapshot { part: None, damage: Damage::Missing });
        }
        // A snapshot that was given up has left parts with IDs that no manifest counts.
        let counted = self.manifest.as_ref().map_or(0, |manifest| manifest.next_part_id);
        let found = ids.iter().max().map_or(0, |id| id.saturating_add(1));
        self.next_part_id = counted.max(found);
        let listed = self.listed_ids()?;
        ids.retain(|id| listed.binary_search(id).is_err());
        let upto = self.manifest.as_ref().map_or(0, |manifest| manifest.upto_sequence);
        let log_upto = self.log_bounds.filter(|&(first, _)| first <= upto).map(|_| upto);
        self.leftovers = Leftovers { part_ids: ids, log_upto };
        self.log = LogReader::new(self.manifest.as_ref());
        Ok(if self.parts_page().is_empty() { Stage::Log } else { Stage::Parts })
    }

    /// The IDs of the parts that the manifest lists, in order.
    fn listed_ids(&self) -> Result<Vec<u64>, OutOfMemory> {
        let mut ids = Vec::new();
        if let Some(manifest) = &self.manifest {
            ids.try_reserve_exact(manifest.parts.len())?;
            ids.extend(manifest.parts.iter().map(|part| part.id));
            sort(&mut ids, &mut |one, other| one < other);
        }
        Ok(ids)
    }

    /// The parts to read next: as many as fit into a page, but one at least, if there are any left.
    fn parts_page(&self) -> &[PartRef] {
        let parts = self.manifest.as_ref().map_or(&[][..], |manifest| &manifest.parts);
        let rest = parts.get(self.parts_loaded..).unwrap_or(&[]);
        let (mut bytes, mut count) = (0_usize, 0);
        for part in rest {
            bytes = bytes.saturating_add(part.length as usize);
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
