//! Snapshots one after another: when one is due, what it asks for, what becomes of it, what it leaves behind.
//!
//! It asks one thing at a time and never touches the log; the store gives its requests their names.
//!
//! *Design.* A snapshot that begins covers the log up to that moment. Its parts are put under IDs that no manifest
//! names, so that they are invisible until the flip: one transaction that replaces the manifest and deletes the log
//! before it. Before the flip a listing says whether all parts are there, the old ones that are listed again included;
//! one that is not is forgotten, and the next attempt writes its content anew. The same listing says what will be
//! superfluous after the flip, whoever left it there.
//!
//! A flip that failed may have happened. Then nothing is deleted and no other snapshot begun until the manifest was
//! read: it is the new one, or the old one, or this owner has lost the storage.
//!
//! An append that carries chunks which the flip covers may be done after it: it was under way already, or the writer
//! repeats it while nobody knows of the flip. If there was such a one, these chunks are deleted once more, as soon as it
//! is answered.
//!
//! *Why a snapshot that fails is begun anew, and its parts are not used.* Where a sync that failed loses what was
//! written, a part that was reported as stored may be gone without being missing.
//!
//! *When.* As soon as the log is longer than what the last snapshot wrote and than an eighth of what it has, or has very
//! many chunks; and when most of what is stored stands for state that was deleted, as far as the engine's memory tells.
//! How large the parts are in relation to that memory, the last snapshot has shown.
//!
//! *Why an eighth.* The manifest lists all parts, however few of them are new: with a snapshot for each megabyte, the
//! manifests of a gigabyte that only grew would be a fifth of all that is written. Reading the snapshot takes eight times
//! as long as reading such a log.
//!
//! *Invariants*
//! 1. An ID is given once, also if the snapshot is given up.
//! 2. While an attempt is open nothing is deleted. So no part that either manifest may list is.
//! 3. At any time one of at most two manifests is stored: the one of `standing`, and that of an attempt whose flip was
//!    asked for. `catalog` is what the first one lists, but for what was found to be missing.

use alloc::string::String;
use alloc::vec::Vec;

use super::super::bytes::{DecodeFault, EncodeFault};
use super::super::manifest::Manifest;
use super::super::recovery::{ChunkCount, Recovered, Stored};
use super::super::storage::StorageFault;
use super::super::writer::Refusal;
use super::StoreConfig;
use super::attempt::{Attempt, Names, NewPart, Stage, Start, payload_bytes_max};
use super::backoff::Backoff;
use super::catalog::{Catalog, Doomed};
use super::request::{SnapshotFault, SnapshotProgress, StoreAnswer};
use crate::engine::{Engine, Position, SnapshotStep};
use crate::planted::{Bug, planted};

/// What a step counts at least that tells a slice how much it has done.
const STEP_BYTES_MIN: usize = 256;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Task {
    PutParts,
    ListParts,
    Flip { upto: u64 },
    ReadManifest,
    DeleteParts,
    DeleteLog { upto: u64 },
}

/// What follows from an answer for everybody else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Consequence {
    /// A snapshot counts that covers the log up to this chunk and position.
    Covered(u64, Position),
    /// The connection may be gone.
    Distrust,
    /// This owner has lost the storage.
    End(Refusal),
}

/// The manifest that is stored, as far as it takes to know it again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Standing {
    log_id: u64,
    epoch: u64,
    upto_sequence: u64,
    upto_checksum: u64,
    state_hash: u64,
    created_ms: u64,
    next_part_id: u64,
}

impl Standing {
    fn new(manifest: &Manifest) -> Standing {
        let &Manifest { log_id, epoch, upto_sequence, upto_checksum, state_hash, created_ms, next_part_id, .. } =
            manifest;
        Standing { log_id, epoch, upto_sequence, upto_checksum, state_hash, created_ms, next_part_id }
    }
}

/// Snapshots one after another; see the head of this file.
pub(super) struct Compaction {
    log_id: u64,
    epoch: u64,
    is_lossy: bool,
    catalog: Catalog,
    standing: Option<Standing>,
    /// What the flip of the attempt would make of it.
    candidate: Option<Standing>,
    next_part_id: u64,
    /// Parts with lower IDs that no manifest lists may be of use to somebody, since something was lost.
    spared_below: u64,
    doomed: Doomed,
    attempt: Option<Attempt>,
    wanted: bool,
    /// The bytes of the log that were there when all chunks had these bytes.
    log_bytes: u64,
    formed_bytes: u64,
    /// What the last snapshot wrote, and the engine's memory when it began.
    last_bytes: u64,
    last_memory: Option<u64>,
    finished: u64,
    fault: Option<SnapshotFault>,
    backoff: Backoff,
    /// Deleting has pauses of its own: it may fail for other reasons.
    tidying: Backoff,
}

impl Compaction {
    /// Goes on with what was recovered, as its owner.
    pub(super) fn new(recovered: &mut Recovered, epoch: u64) -> Compaction {
        let manifest = recovered.manifest.take();
        let leftovers = core::mem::take(&mut recovered.leftovers);
        Compaction {
            log_id: recovered.tail.log_id,
            epoch,
            is_lossy: recovered.is_lossy,
            standing: manifest.as_ref().map(Standing::new),
            catalog: manifest.map_or(Catalog::default(), |manifest| Catalog::new(manifest.parts)),
            candidate: None,
            next_part_id: recovered.next_part_id,
            spared_below: if recovered.losses.is_empty() { 0 } else { recovered.next_part_id },
            doomed: Doomed::new(leftovers.part_ids, leftovers.log_upto),
            attempt: None,
            wanted: false,
            log_bytes: recovered.log.bytes,
            formed_bytes: 0,
            last_bytes: 0,
            last_memory: None,
            finished: 0,
            fault: None,
            backoff: Backoff::default(),
            tidying: Backoff::default(),
        }
    }

    /// Asks for a snapshot.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// The log behind the snapshot, if it ends with this chunk and all chunks have these bytes.
    pub(super) fn log(&self, last_sequence: u64, formed_bytes: u64) -> ChunkCount {
        let bytes = (self.log_bytes + formed_bytes).saturating_sub(self.formed_bytes);
        ChunkCount { chunks: last_sequence.saturating_sub(self.covered_sequence()), bytes }
    }

    /// Whether a snapshot should begin, of an engine with so much memory and such a log.
    pub(super) fn is_due(&mut self, now_ms: u64, config: &StoreConfig, log: ChunkCount, memory: u64) -> bool {
        self.backoff.watch(now_ms);
        self.tidying.watch(now_ms);
        if self.attempt.is_some() || self.backoff.is_paused() {
            return false;
        }
        // What failed for want of room has to be deleted first, unless that does not succeed either.
        if !self.doomed.is_empty() && !self.tidying.is_paused() {
            return false;
        }
        self.wanted &= log.chunks > 0;
        let log_bytes_max = config.log_bytes_min.max(self.last_bytes).max(self.catalog.bytes() / 8);
        let is_long = log.bytes > log_bytes_max || log.chunks > config.log_chunks_max;
        let stored = self.catalog.bytes().saturating_add(log.bytes);
        let is_waste = stored > self.bytes_expected(memory).saturating_mul(2).saturating_add(config.log_bytes_min);
        log.chunks > 0 && (self.wanted || is_long || is_waste)
    }

    /// What a snapshot would have, of an engine with so much memory.
    fn bytes_expected(&self, memory: u64) -> u64 {
        let Some(last_memory) = self.last_memory else { return memory };
        let bytes = u128::from(self.catalog.bytes()) * u128::from(memory) / u128::from(last_memory.max(1));
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// Begins a snapshot. The engine begins one at the same moment.
    pub(super) fn begin(&mut self, start: Start) {
        self.wanted = false;
        self.attempt = Some(Attempt::new(start, self.next_part_id));
    }

    /// Notes that it could not begin.
    pub(super) fn fail_to_begin(&mut self, now_ms: u64, config: &StoreConfig, fault: EncodeFault) {
        self.pause(now_ms, config, SnapshotFault::Encoding(fault));
    }

    /// Whether the engine is to tell units.
    pub(super) fn is_telling(&self) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| attempt.stage == Stage::Telling)
    }

    /// Gives the attempt up if it may be the reason why the engine holds more than it may: what has to be kept for a
    /// snapshot counts as well. If it held too much before, a snapshot does not make it worse for long.
    pub(super) fn watch_memory(&mut self, engine: &Engine, now_ms: u64, config: &StoreConfig) {
        let memory_max = engine.config().memory_bytes_max;
        let is_limited = memory_max > 0 && engine.memory() > memory_max;
        let is_to_blame = self.attempt.as_ref().is_some_and(|attempt| attempt.start.memory <= memory_max);
        if is_limited && is_to_blame && self.is_telling() {
            self.give_up(now_ms, config, SnapshotFault::Abandoned);
        }
    }

    /// Whether units can be told now: not while a whole batch waits.
    pub(super) fn wants_time(&self, config: &StoreConfig) -> bool {
        let attempt = self.attempt.as_ref().filter(|attempt| attempt.stage == Stage::Telling);
        attempt.is_some_and(|attempt| !attempt.is_batch_full(config.put_bytes_max))
    }

    /// A slice of work.
    pub(super) fn work(&mut self, engine: &mut Engine, now_ms: u64, config: &StoreConfig) {
        let mut done = 0;
        while done < config.work_bytes.max(1) && self.wants_time(config) {
            match self.step(engine, payload_bytes_max(config.part_bytes_max)) {
                Ok(bytes) => done += bytes.max(STEP_BYTES_MIN),
                Err(fault) => self.give_up(now_ms, config, fault),
            }
        }
    }

    /// Cuts a part, or has the next unit told. Returns how many bytes that made.
    fn step(&mut self, engine: &mut Engine, payload_bytes_max: usize) -> Result<usize, SnapshotFault> {
        let Some(attempt) = &mut self.attempt else { return Ok(0) };
        if attempt.has_unit() {
            attempt.cut(self.log_id, payload_bytes_max).map_err(SnapshotFault::Encoding)?;
            return Ok(payload_bytes_max);
        }
        let (catalog, next_part_id) = (&self.catalog, &mut self.next_part_id);
        let mut names = Names { catalog, next_part_id, payload_bytes_max };
        match engine.next_unit(&mut names, attempt.unit_mut()) {
            SnapshotStep::Changed(span) => attempt.take_unit(span),
            SnapshotStep::Unchanged(span) => {
                let parts = self.catalog.find(span).ok_or(SnapshotFault::PartMissing(span.first))?;
                attempt.list(parts).map_err(|refused| SnapshotFault::Encoding(refused.into()))?;
            }
            SnapshotStep::Worked => {}
            SnapshotStep::Done { state_hash } => {
                attempt.release_unit();
                attempt.stage = Stage::Told { state_hash };
            }
            SnapshotStep::Abandoned => return Err(SnapshotFault::Abandoned),
        }
        Ok(0)
    }

    /// Gives the attempt up, unless its flip may have happened. What was stored of it is doomed.
    pub(super) fn give_up(&mut self, now_ms: u64, config: &StoreConfig, fault: SnapshotFault) {
        if self.stop() {
            self.pause(now_ms, config, fault);
        }
    }

    /// Another attempt is made after a pause, whatever was the reason for this one.
    fn pause(&mut self, now_ms: u64, config: &StoreConfig, fault: SnapshotFault) {
        self.wanted = true;
        self.fault = Some(fault);
        self.backoff.fail(now_ms, &config.writer);
    }

    /// Stops the attempt, unless its flip may have happened. What was stored of it is doomed. False if there is none.
    pub(super) fn stop(&mut self) -> bool {
        let may_count = |attempt: &Attempt| matches!(attempt.stage, Stage::Flipping | Stage::Unknown(_));
        let stopped = self.attempt.take_if(|attempt| !may_count(attempt));
        self.doom(stopped)
    }

    fn doom(&mut self, attempt: Option<Attempt>) -> bool {
        let Some(attempt) = attempt else { return false };
        self.doomed.give_up(attempt.first_id()..self.next_part_id);
        true
    }

    /// Forgets everything that is under way, at the end.
    pub(super) fn end(&mut self) {
        self.attempt = None;
    }

    /// Notes that an append from this chunk on is asked for, or unanswered when a flip is asked for.
    pub(super) fn note_append(&mut self, first_sequence: u64) {
        let may_count = |attempt: &&mut Attempt| matches!(attempt.stage, Stage::Flipping | Stage::Unknown(_));
        if let Some(attempt) = self.attempt.as_mut().filter(may_count) {
            attempt.note_append(first_sequence);
        }
    }

    /// What to ask for now, if anything. The log is left alone while an append is unanswered that begins with this chunk.
    pub(super) fn next_task(
        &mut self,
        now_ms: u64,
        clock_ms: u64,
        config: &StoreConfig,
        first_unanswered: Option<u64>,
    ) -> Option<Task> {
        self.backoff.watch(now_ms);
        self.tidying.watch(now_ms);
        let Some(attempt) = &mut self.attempt else { return self.tidy(config, first_unanswered) };
        if planted(Bug::TruncateBeforeFlip)
            && let Some(upto) = self.doomed.log_upto()
        {
            return Some(Task::DeleteLog { upto });
        }
        match attempt.stage {
            Stage::Telling | Stage::Told { .. } if attempt.wants_put(config.put_bytes_max) => {
                attempt.put_batch();
                Some(Task::PutParts)
            }
            Stage::Told { .. } => Some(Task::ListParts),
            Stage::Checked { state_hash } => match self.prepare_flip(clock_ms, state_hash) {
                Ok(upto) => Some(Task::Flip { upto }),
                Err(fault) => {
                    self.give_up(now_ms, config, SnapshotFault::Encoding(fault));
                    None
                }
            },
            Stage::Unknown(_) if !self.backoff.is_paused() => Some(Task::ReadManifest),
            Stage::Telling | Stage::Flipping | Stage::Unknown(_) => None,
        }
    }

    fn prepare_flip(&mut self, clock_ms: u64, state_hash: u64) -> Result<u64, EncodeFault> {
        let Some(attempt) = &mut self.attempt else { return Err(EncodeFault::OutOfRange) };
        let tail = attempt.start.tail;
        let manifest = Manifest {
            log_id: self.log_id,
            epoch: self.epoch,
            upto_sequence: tail.sequence + u64::from(planted(Bug::CoverTooMuch)),
            upto_checksum: tail.checksum,
            state_hash,
            created_ms: clock_ms,
            next_part_id: self.next_part_id,
            is_lossy: self.is_lossy,
            parts: Vec::new(),
        };
        self.candidate = Some(Standing::new(&manifest));
        let (catalog, spared_below) = (&self.catalog, self.spared_below);
        attempt.make_manifest(manifest, &|id| id < spared_below && !catalog.has(id))?;
        attempt.stage = Stage::Flipping;
        Ok(tail.sequence)
    }

    fn tidy(&mut self, config: &StoreConfig, first_unanswered: Option<u64>) -> Option<Task> {
        if self.tidying.is_paused() || planted(Bug::LeaveSuperfluousParts) {
            return None;
        }
        // An append that is unanswered might store again what was deleted.
        let is_at_rest = |upto: &u64| first_unanswered.is_none_or(|first| first > *upto);
        if let Some(upto) = self.doomed.log_upto().filter(is_at_rest) {
            return Some(Task::DeleteLog { upto });
        }
        self.doomed.ask(config.delete_parts_max).then_some(Task::DeleteParts)
    }

    /// When there is something to ask for although nothing else happens.
    pub(super) fn deadline(&self) -> Option<u64> {
        let tidying_ms = self.tidying.until_ms().filter(|_| self.attempt.is_none());
        [self.backoff.until_ms(), tidying_ms].into_iter().flatten().min()
    }

    /// Tells what became of a task.
    pub(super) fn answered(
        &mut self,
        now_ms: u64,
        config: &StoreConfig,
        task: Task,
        answer: StoreAnswer,
    ) -> Option<Consequence> {
        match (task, answer) {
            (Task::PutParts, StoreAnswer::Done) => {
                if let Some(attempt) = &mut self.attempt {
                    attempt.put_done();
                }
                None
            }
            (Task::ListParts, StoreAnswer::PartIds(ids)) => {
                self.check(now_ms, config, ids);
                None
            }
            (Task::Flip { .. }, StoreAnswer::Done) => self.finish(),
            (Task::ReadManifest, StoreAnswer::Manifest(stored)) => self.judge(now_ms, config, &stored),
            (Task::DeleteParts, StoreAnswer::Done) => {
                self.doomed.deleted();
                self.tidying.succeed();
                None
            }
            (Task::DeleteLog { .. }, StoreAnswer::Done) => {
                self.doomed.log_deleted();
                self.tidying.succeed();
                None
            }
            (_, StoreAnswer::Failed(fault)) => self.failed(now_ms, config, task, fault),
            (..) => self.failed(now_ms, config, task, StorageFault::Io),
        }
    }

    fn failed(&mut self, now_ms: u64, config: &StoreConfig, task: Task, fault: StorageFault) -> Option<Consequence> {
        match task {
            Task::PutParts | Task::ListParts => self.give_up(now_ms, config, SnapshotFault::Storage(fault)),
            Task::Flip { .. } if planted(Bug::IgnoreFlipUnknown) => {
                let failed = self.attempt.take();
                self.doom(failed);
            }
            Task::Flip { .. } => {
                if let Some(attempt) = &mut self.attempt {
                    attempt.stage = Stage::Unknown(fault);
                }
            }
            Task::ReadManifest => self.backoff.fail(now_ms, &config.writer),
            Task::DeleteParts | Task::DeleteLog { .. } => self.tidying.fail(now_ms, &config.writer),
        }
        // Where there is no room the connection works. But it must not be the one of a flip that may still happen.
        let is_fine = fault == StorageFault::Quota && !matches!(task, Task::Flip { .. });
        (!is_fine).then_some(Consequence::Distrust)
    }

    fn check(&mut self, now_ms: u64, config: &StoreConfig, ids: Vec<u64>) {
        let Some(attempt) = &mut self.attempt else { return };
        let Stage::Told { state_hash } = attempt.stage else { return };
        match attempt.check(ids) {
            Ok(()) => {
                attempt.stage = Stage::Checked { state_hash };
                if planted(Bug::TruncateBeforeFlip) {
                    self.doomed = Doomed::new(Vec::new(), Some(attempt.start.tail.sequence));
                }
            }
            Err(missing) => {
                self.catalog.retain(attempt.found());
                self.give_up(now_ms, config, SnapshotFault::PartMissing(missing));
            }
        }
    }

    /// Decides what became of a flip.
    fn judge(&mut self, now_ms: u64, config: &StoreConfig, stored: &Stored) -> Option<Consequence> {
        let attempt = self.attempt.as_ref()?;
        let Stage::Unknown(fault) = attempt.stage else { return None };
        let found = match stored {
            Stored::Bytes(bytes) if bytes == attempt.manifest() => return self.finish(),
            Stored::Bytes(bytes) => match Manifest::decode(bytes) {
                Ok(manifest) if manifest.epoch > self.epoch => return Some(Consequence::End(Refusal::Fenced)),
                Ok(manifest) => Some(Standing::new(&manifest)),
                Err(DecodeFault::OutOfMemory) => {
                    self.backoff.fail(now_ms, &config.writer);
                    return None;
                }
                Err(_) => return Some(Consequence::End(Refusal::Corrupt)),
            },
            Stored::Missing => None,
            Stored::Unreadable => {
                self.backoff.fail(now_ms, &config.writer);
                return None;
            }
        };
        if found != self.standing {
            return Some(Consequence::End(Refusal::Corrupt));
        }
        let failed = self.attempt.take();
        self.doom(failed);
        self.pause(now_ms, config, SnapshotFault::Storage(fault));
        None
    }

    /// The attempt's manifest is stored, and durable.
    fn finish(&mut self) -> Option<Consequence> {
        let attempt = self.attempt.take_if(|attempt| matches!(attempt.stage, Stage::Flipping | Stage::Unknown(_)))?;
        let Start { tail, position, formed_bytes, memory } = attempt.start;
        self.standing = self.candidate.take();
        (self.log_bytes, self.formed_bytes) = (0, formed_bytes);
        (self.last_bytes, self.last_memory) = (attempt.new_bytes(), Some(memory));
        let (catalog, part_ids, log_upto) = attempt.finish();
        self.catalog = catalog;
        self.doomed.replace(part_ids, log_upto);
        self.finished += 1;
        self.fault = None;
        self.backoff.succeed();
        Some(Consequence::Covered(tail.sequence, position))
    }

    /// The parts that are being put.
    pub(super) fn parts(&self) -> &[NewPart] {
        self.attempt.as_ref().map_or(&[], Attempt::put)
    }

    /// The manifest for the flip.
    pub(super) fn manifest(&self) -> &[u8] {
        self.attempt.as_ref().map_or(&[], Attempt::manifest)
    }

    /// The IDs of the parts to delete.
    pub(super) fn doomed(&self) -> impl Iterator<Item = u64> {
        self.doomed.asked()
    }

    /// The last chunk that the snapshot covers.
    pub(super) fn covered_sequence(&self) -> u64 {
        self.standing.map_or(0, |standing| standing.upto_sequence)
    }

    /// When the snapshot was made.
    pub(super) fn created_ms(&self) -> u64 {
        self.standing.map_or(0, |standing| standing.created_ms)
    }

    /// How many parts the snapshot has, and all their bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        (self.catalog.len() as u64, self.catalog.bytes())
    }

    /// How far the snapshot is that is being taken.
    pub(super) fn progress(&self) -> Option<SnapshotProgress> {
        self.attempt.as_ref().map(|attempt| SnapshotProgress {
            parts: attempt.parts() as u64,
            bytes: attempt.new_bytes(),
            is_told: attempt.stage != Stage::Telling,
        })
    }

    /// How many snapshots were finished, and why the last one was given up.
    pub(super) fn outcome(&self) -> (u64, Option<SnapshotFault>) {
        (self.finished, self.fault)
    }

    /// The memory held.
    pub(super) fn memory(&self) -> usize {
        self.catalog.memory() + self.doomed.memory() + self.attempt.as_ref().map_or(0, Attempt::memory)
    }

    /// Checks the invariants in the head of this file, and those of the parts.
    pub(super) fn validate(&self) -> Result<(), String> {
        self.catalog.validate()?;
        self.doomed.validate(&self.catalog)?;
        self.attempt.as_ref().map_or(Ok(()), |attempt| attempt.validate(self.next_part_id))
    }
}
