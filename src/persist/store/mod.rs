//! The store: the one state machine that joins the writer, snapshots and the witness, and asks for all I/O.
//!
//! It knows no medium and no clock. Whoever drives it runs commands on an engine, hands over what they wrote, does what
//! is asked and tells what became of it; the order of all that is decided here. It begins where recovery ends.
//!
//! *Design.* Appends come first and wait for nothing else: a snapshot that fails, or a witness that cannot be noted,
//! never keeps anybody from writing. Beside the append one other request is under way at a time. It has the same names
//! and the same watchdog as the writer's, and while the writer has trouble nothing else is asked, so that there is one
//! place which decides whether the connection is any good. If something else than an append failed on it, the writer
//! reopens before the next append.
//!
//! A snapshot begins between two commands: what they wrote is gathered and formed into chunks, and the engine begins
//! to tell units of that moment. Its work is done in slices when there is time. An end, whoever tells of it, ends all.
//!
//! *Why not a request that both appends and puts parts.* It would be one transaction less for a small snapshot; but an
//! append would fail for reasons of the snapshot, and its repetition would be larger than the attempt.
//!
//! *The clock.* Chunks, manifests and witnesses tell the latest time that a command may have seen, and after an
//! unclean end commands see a later one; nor is it ever earlier than the opening. So their time never goes back,
//! though the host's may. While the host's is still behind that, an end is not called clean: the next owner would
//! believe the host, and what was lost before could be given again.
//!
//! *Invariants*
//! 1. At most one request is under way that is not the writer's.
//! 2. Names of requests are given once, to the writer's and to the others.
//! 3. After an end nothing is asked, and no snapshot is under way.
//! 4. Nothing is doomed that the manifest lists, or the one that may have replaced it.
//! 5. A witness that says that the log was closed is written last, when everything is durable.

use alloc::string::String;
use alloc::vec::Vec;

use super::bytes::EncodeFault;
use super::chunk::EncodedChunk;
use super::recovery::{ChunkCount, Loss, Recovered};
use super::storage::{StorageFault, Ticket};
use super::witness::Witness;
use super::writer::{Answer, Append, Refusal, Writer, WriterRequest};
use crate::engine::{Engine, Position};
use crate::invariant::ensure;
use crate::planted::{Bug, planted};

mod attempt;
mod backoff;
mod catalog;
mod compaction;
mod loader;
mod notes;
mod request;

use attempt::Start;
use compaction::{Compaction, Consequence, Task};
pub use loader::Loader;
use notes::Notes;
pub use request::{SnapshotFault, SnapshotProgress, StoreAnswer, StoreConfig, StoreRequest, StoreStatus};

/// For so many bytes of effects memory is kept from one command to the next.
const EFFECTS_KEPT: usize = 64 << 10;

/// A store; see the head of this file.
pub struct Store {
    config: StoreConfig,
    log_id: u64,
    epoch: u64,
    writer: Writer,
    /// Effects that were taken from the engine and not yet pushed, because memory was refused.
    effects: Vec<u8>,
    effects_position: Position,
    compaction: Compaction,
    notes: Notes,
    /// The request that is under way, appends and the like apart.
    placed: Option<Placed>,
    /// Never goes back.
    clock_ms: u64,
    /// Where the clock began: not before the opening, and later than anything that is known to have been seen before an
    /// unclean end.
    clock_ms_min: u64,
    state: State,
    last_fault: Option<StorageFault>,
    losses: Vec<Loss>,
    is_lossy: bool,
}

struct Placed {
    ticket: Ticket,
    purpose: Purpose,
    placed_ms: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Purpose {
    Compact(Task),
    WriteWitness,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Open,
    Closing,
    Closed,
}

impl Store {
    /// The store of an owner that has recovered an engine. Who has only looked is no owner, and refused.
    pub fn new(
        config: StoreConfig,
        engine: &Engine,
        mut recovered: Recovered,
        now_ms: u64,
    ) -> Result<Store, EncodeFault> {
        debug_assert!(engine.config().journal, "an engine that writes no journal");
        let epoch = recovered.epoch.ok_or(EncodeFault::OutOfRange)?;
        let noted_ms = if recovered.was_clean { 0 } else { recovered.clock_ms.saturating_add(1) };
        // What was lost once, even before a clean end, may have been seen at any time up to now.
        let clock_ms = if planted(Bug::ReuseIdAfterCrash) { 0 } else { now_ms.max(noted_ms) };
        let mut writer = Writer::new(config.writer.clone(), recovered.tail, engine.position())?;
        writer.note_clock(clock_ms);
        writer.take_over(now_ms, epoch)?;
        Ok(Store {
            log_id: recovered.tail.log_id,
            epoch,
            writer,
            effects: Vec::new(),
            effects_position: engine.position(),
            compaction: Compaction::new(&mut recovered, epoch),
            notes: Notes::new(&config),
            placed: None,
            clock_ms,
            clock_ms_min: clock_ms,
            state: State::Open,
            last_fault: None,
            losses: recovered.losses,
            is_lossy: recovered.is_lossy,
            config,
        })
    }

    /// Takes what the engine has written to its journal. To be called after each command, batch of commands or advance.
    /// If memory is refused nothing is lost, and the same call later may succeed.
    pub fn gather(&mut self, engine: &mut Engine) -> Result<(), EncodeFault> {
        if self.state == State::Closed {
            return Ok(());
        }
        self.writer.push(&mut self.effects, self.effects_position)?;
        self.effects_position = engine.take_effects(&mut self.effects);
        self.writer.push(&mut self.effects, self.effects_position)?;
        if self.effects.capacity() > EFFECTS_KEPT {
            self.effects = Vec::new();
        }
        Ok(())
    }

    /// The next thing to ask for, if any. To be called until there is none, after each [`Store::gather`], each answer
    /// and each slice of work, and when [`Store::deadline`] has come. If memory is refused nothing is lost, and the same
    /// call later may succeed.
    pub fn next_request(&mut self, engine: &mut Engine, now_ms: u64) -> Result<Option<StoreRequest>, EncodeFault> {
        self.clock(now_ms);
        self.watch(now_ms);
        if self.state == State::Closing {
            self.compaction.stop();
            self.writer.sync();
        }
        if !self.is_closed() && self.may_begin_snapshot(engine, now_ms) {
            self.begin_snapshot(engine, now_ms);
        }
        self.compaction.watch_memory(engine, now_ms, &self.config);
        if !self.compaction.is_telling() && engine.is_snapshot_open() {
            engine.abandon_snapshot();
        }
        if self.is_closed() {
            return Ok(None);
        }
        let asked = self.writer.next_request(now_ms)?;
        if let Some(Refusal::Failing(fault)) = self.writer.refusal() {
            self.last_fault = Some(fault);
        }
        match asked {
            Some(WriterRequest::Append(append)) => {
                self.compaction.note_append(append.first_sequence);
                Ok(Some(StoreRequest::Append(append)))
            }
            Some(WriterRequest::Reopen(ticket)) => Ok(Some(StoreRequest::Reopen(ticket))),
            Some(WriterRequest::NewSegment(ticket)) => Ok(Some(StoreRequest::NewSegment(ticket))),
            None if self.placed.is_some() || !self.writer.is_healthy() => Ok(None),
            None => Ok(self.next_other(now_ms)),
        }
    }

    /// A slice of the work for a snapshot. To be called when there is time, while [`Store::wants_time`]; then
    /// [`Store::next_request`]. If memory is refused, the snapshot is given up and another one tried later.
    pub fn work(&mut self, engine: &mut Engine, now_ms: u64) {
        self.clock(now_ms);
        if self.wants_time() {
            self.compaction.work(engine, now_ms, &self.config);
        }
    }

    /// Whether there is work to do for a snapshot.
    pub fn wants_time(&self) -> bool {
        self.state == State::Open && self.compaction.wants_time(&self.config)
    }

    /// The chunks of an append that was just asked for, with their sequences.
    pub fn chunks(&self, append: &Append) -> impl Iterator<Item = &EncodedChunk> {
        self.writer.chunks(append)
    }

    /// The parts to put for a request that was just asked for, with their IDs.
    pub fn parts(&self, ticket: Ticket) -> impl Iterator<Item = (u64, &[u8])> {
        let is_asked = self.is_placed(ticket, Task::PutParts);
        let parts = if is_asked { self.compaction.parts() } else { &[] };
        parts.iter().map(|part| (part.id, &*part.bytes))
    }

    /// The manifest for the flip that was just asked for.
    pub fn manifest(&self) -> &[u8] {
        self.compaction.manifest()
    }

    /// The IDs of the parts to delete for a request that was just asked for.
    pub fn doomed(&self, ticket: Ticket) -> impl Iterator<Item = u64> {
        let is_asked = self.is_placed(ticket, Task::DeleteParts);
        self.compaction.doomed().take_while(move |_| is_asked)
    }

    /// Tells what became of a request. Answers to requests that were given up are heeded only if they say that another
    /// owner has taken over.
    pub fn answered(&mut self, now_ms: u64, ticket: Ticket, answer: StoreAnswer) {
        self.clock(now_ms);
        if !self.writer.has_named(ticket) || self.is_closed() {
            return;
        }
        let is_ignored = answer == StoreAnswer::Fenced && planted(Bug::SkipEpoch);
        let answer = if is_ignored { StoreAnswer::Done } else { answer };
        if answer == StoreAnswer::Fenced {
            return self.end(Refusal::Fenced);
        }
        if let StoreAnswer::Failed(fault) = answer {
            self.last_fault = Some(fault);
        }
        if let Some(placed) = self.placed.take_if(|placed| placed.ticket == ticket) {
            return self.settle(now_ms, placed.purpose, answer);
        }
        match answer {
            StoreAnswer::Done => self.writer.answered(now_ms, ticket, Answer::Done),
            StoreAnswer::Failed(fault) => self.writer.answered(now_ms, ticket, Answer::Failed(fault)),
            StoreAnswer::Reopened { tail, epoch } => self.writer.reopened(ticket, tail, epoch),
            _ => self.writer.answered(now_ms, ticket, Answer::Failed(StorageFault::Io)),
        }
        self.end_with_writer();
    }

    /// When [`Store::next_request`] has something to ask although nothing else happens.
    pub fn deadline(&self) -> Option<u64> {
        if self.is_closed() {
            return None;
        }
        let own = match &self.placed {
            Some(placed) => Some(placed.placed_ms.saturating_add(self.config.writer.answer_ms_max)),
            None if self.state == State::Closing || !self.writer.is_healthy() => None,
            None => {
                let note_ms = self.notes.due_ms(self.writer.durable_sequence());
                [note_ms, self.compaction.deadline()].into_iter().flatten().min()
            }
        };
        [self.writer.deadline(), own].into_iter().flatten().min()
    }

    /// Asks for all that was gathered to be made durable, and returns up to which position that is.
    pub fn sync(&mut self) -> Position {
        self.writer.sync()
    }

    /// Has the next request ask for everything at once, although an append is unanswered and whatever its size: the
    /// page may be gone before the answer comes.
    pub fn flush_now(&mut self) {
        self.writer.flush_now();
    }

    /// Asks for a snapshot of what there will be when it can begin, if anything has changed since the last one.
    pub fn compact(&mut self) {
        self.compaction.want();
    }

    /// Makes everything durable, notes that it is, and then asks for nothing any more. What is gathered meanwhile is
    /// stored as well.
    pub fn close(&mut self) {
        if self.state == State::Open {
            self.state = State::Closing;
        }
        self.writer.sync();
    }

    /// Whether nothing is asked any more, because it is closed or because it has ended.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed || self.writer.is_ended()
    }

    /// The position up to which effects are written. Never goes back.
    pub fn written(&self) -> Position {
        self.writer.written()
    }

    /// The position up to which effects are durable. Never goes back.
    pub fn durable(&self) -> Position {
        self.writer.durable()
    }

    /// The position up to which effects were gathered.
    pub fn pushed(&self) -> Position {
        self.writer.pushed()
    }

    /// Why writes are to be refused, if they are.
    pub fn refusal(&self) -> Option<Refusal> {
        self.writer.refusal()
    }

    /// Whether whoever adds should wait.
    pub fn is_busy(&self) -> bool {
        self.writer.is_busy()
    }

    /// Whether whoever adds and cannot wait should be refused.
    pub fn is_overloaded(&self) -> bool {
        self.writer.is_overloaded()
    }

    /// The bytes that are gathered and not written.
    pub fn unwritten_bytes(&self) -> usize {
        self.writer.unwritten_bytes() + self.effects.len()
    }

    /// The clock that commands may see, in ms: never behind what was seen before, nor behind what may have been seen
    /// before an unclean end. So no ID that anybody has seen is given a second time.
    pub fn clock(&mut self, now_ms: u64) -> u64 {
        self.clock_ms = self.clock_ms.max(now_ms);
        self.writer.note_clock(self.clock_ms);
        self.clock_ms
    }

    /// What was lost, with consent, when the storage was opened.
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// What is to be told about it.
    pub fn status(&self) -> StoreStatus {
        let (parts, parts_bytes) = self.compaction.size();
        let (snapshots, snapshot_fault) = self.compaction.outcome();
        StoreStatus {
            epoch: self.epoch,
            written_sequence: self.writer.written_sequence(),
            durable_sequence: self.writer.durable_sequence(),
            log: self.log(),
            covered_sequence: self.compaction.covered_sequence(),
            snapshot_ms: self.compaction.created_ms(),
            parts,
            parts_bytes,
            progress: self.compaction.progress(),
            snapshots,
            snapshot_fault,
            last_fault: self.last_fault,
            is_lossy: self.is_lossy,
        }
    }

    /// The memory held.
    pub fn memory(&self) -> usize {
        self.writer.memory() + self.effects.capacity() + self.compaction.memory()
    }

    /// Checks the invariants in the head of this file, and those of the parts.
    pub fn validate(&self) -> Result<(), String> {
        self.writer.validate()?;
        self.compaction.validate()?;
        let is_quiet = self.placed.is_none() && self.compaction.progress().is_none();
        ensure(!self.writer.is_ended() || is_quiet, "store 3: something is under way after the end")?;
        let is_named = self.placed.as_ref().is_none_or(|placed| self.writer.has_named(placed.ticket));
        ensure(is_named, "store 2: a request has a name that was not given")
    }

    // Snapshots.

    /// The log behind the snapshot, formed chunks included.
    fn log(&self) -> ChunkCount {
        self.compaction.log(self.writer.tail().sequence, self.writer.formed_bytes())
    }

    fn may_begin_snapshot(&mut self, engine: &Engine, now_ms: u64) -> bool {
        let is_quiet = self.state == State::Open && self.placed.is_none() && self.writer.is_healthy();
        // Parts without log and manifest would be a snapshot that has lost its manifest.
        let has_log = self.writer.durable_sequence() > 0;
        let mut log = self.log();
        // What is gathered has no chunks yet.
        log.chunks += u64::from(self.writer.pushed() > self.writer.formed());
        is_quiet && has_log && self.compaction.is_due(now_ms, &self.config, log, engine.memory())
    }

    /// Begins a snapshot of what there is now. If memory is refused, it is tried again after a pause.
    fn begin_snapshot(&mut self, engine: &mut Engine, now_ms: u64) {
        let sealed = self.gather(engine).and_then(|()| self.writer.seal(now_ms));
        let (tail, position) = match sealed {
            Ok(sealed) => sealed,
            Err(fault) => return self.compaction.fail_to_begin(now_ms, &self.config, fault),
        };
        debug_assert_eq!(position, engine.position(), "a snapshot of something else than the log tells");
        let formed_bytes = self.writer.formed_bytes();
        self.compaction.begin(Start { tail, position, formed_bytes, memory: engine.memory() });
        engine.begin_snapshot();
    }

    // Requests that are not the writer's.

    fn next_other(&mut self, now_ms: u64) -> Option<StoreRequest> {
        if self.state == State::Closing {
            // A flip of which nobody knows is judged by whoever opens next.
            let is_stored = self.effects.is_empty() && self.writer.is_all_durable();
            return is_stored.then(|| self.write_witness(now_ms, true));
        }
        if self.notes.is_due(now_ms, self.writer.durable_sequence()) {
            return Some(self.write_witness(now_ms, false));
        }
        let first_unanswered = self.writer.first_unanswered();
        let task = self.compaction.next_task(now_ms, self.clock_ms, &self.config, first_unanswered)?;
        if let Some(first_sequence) = first_unanswered {
            self.compaction.note_append(first_sequence);
        }
        let (epoch, ticket) = (self.epoch, self.place(now_ms, Purpose::Compact(task)));
        Some(match task {
            Task::PutParts => StoreRequest::PutParts { ticket, epoch },
            Task::ListParts => StoreRequest::ListParts { ticket },
            Task::Flip { upto } => StoreRequest::Flip { ticket, epoch, delete_log_upto: upto },
            Task::ReadManifest => StoreRequest::ReadManifest { ticket },
            Task::DeleteParts => StoreRequest::DeleteParts { ticket, epoch },
            Task::DeleteLog { upto } => StoreRequest::DeleteLog { ticket, epoch, upto },
        })
    }

    fn write_witness(&mut self, now_ms: u64, is_last: bool) -> StoreRequest {
        let written_sequence = Some(self.writer.written_sequence()).filter(|_| planted(Bug::WitnessTooEarly));
        let durable_sequence = written_sequence.unwrap_or(self.writer.durable_sequence());
        self.notes.asked(now_ms, durable_sequence, is_last);
        let is_clean = is_last && now_ms >= self.clock_ms_min;
        let (log_id, epoch, clock_ms) = (self.log_id, self.epoch, self.clock_ms);
        let ticket = self.place(now_ms, Purpose::WriteWitness);
        let witness = Witness { log_id, epoch, durable_sequence, clock_ms, is_clean };
        StoreRequest::WriteWitness { ticket, witness }
    }

    fn place(&mut self, now_ms: u64, purpose: Purpose) -> Ticket {
        let ticket = self.writer.next_ticket();
        self.placed = Some(Placed { ticket, purpose, placed_ms: now_ms });
        ticket
    }

    fn is_placed(&self, ticket: Ticket, task: Task) -> bool {
        let is_it = |placed: &Placed| placed.ticket == ticket && placed.purpose == Purpose::Compact(task);
        self.placed.as_ref().is_some_and(is_it)
    }

    fn settle(&mut self, now_ms: u64, purpose: Purpose, answer: StoreAnswer) {
        match purpose {
            Purpose::WriteWitness => {
                if answer == StoreAnswer::Done {
                    self.notes.arrived();
                }
                if self.notes.is_last() {
                    self.state = State::Closed;
                }
            }
            Purpose::Compact(task) => match self.compaction.answered(now_ms, &self.config, task, answer) {
                Some(Consequence::Covered(sequence, position)) => self.writer.covered(sequence, position),
                Some(Consequence::Distrust) => self.writer.distrust_connection(),
                Some(Consequence::End(refusal)) => self.end(refusal),
                None => {}
            },
        }
    }

    /// Gives up a request that takes too long. A request from a time that is still to come begins now.
    fn watch(&mut self, now_ms: u64) {
        let Some(placed) = &mut self.placed else { return };
        placed.placed_ms = placed.placed_ms.min(now_ms);
        if now_ms - placed.placed_ms >= self.config.writer.answer_ms_max {
            let ticket = placed.ticket;
            self.answered(now_ms, ticket, StoreAnswer::Failed(StorageFault::NoAnswer));
        }
    }

    fn end(&mut self, refusal: Refusal) {
        self.writer.end(refusal);
        self.end_with_writer();
    }

    /// After an end of the writer nothing else is under way.
    fn end_with_writer(&mut self) {
        if self.writer.is_ended() {
            self.placed = None;
            self.compaction.end();
        }
    }
}
