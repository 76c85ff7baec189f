//! The pump: drives recovery and the store against a storage, on the event loop.
//!
//! It decides nothing about what is stored: that is `brooklet::persist`, which asks and is told. It knows when to ask: it
//! carries questions to the storage, answers back, and asks its host to be driven again when there will be something to
//! do. Of the event loop it knows that much.
//!
//! *Design.* Being driven is one function, whoever calls it and why: it takes the answers that have come, asks for
//! whatever is to be asked, and does a slice of work for a snapshot. What was written by commands waits for the next task
//! (commands of one task go together, and a timer would be held back in a hidden tab). Where the storage answers at
//! once, it is written when the first reply is to be held that depends on it: so nothing is held there, and a thousand
//! appends of which only the last one is answered are one write.
//!
//! *Why not futures.* There would be a task for each thing that is under way, an executor, and the order in which they
//! run; here there is one state machine inside another.
//!
//! *Invariants*
//! 1. The store is told of each answer to what it asked, in the order in which they came, until a connection is given up:
//!    of what was asked on that one, nothing is told any more.
//! 2. A reply that depends on what is not stored is not released.
//! 3. After an end nothing is asked, and nobody waits at the gate.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;

use brooklet::persist::{Append, StorageFault};
use brooklet::persist::{
    ChunkCount, EncodeFault, Level, Loss, Mode, Need, OnCorruption, OnDataLoss, OpenError, Recovered, Refusal,
    ReplyGate, Store, StoreAnswer, StoreConfig, StoreRequest, StoreStatus, Ticket, WriterConfig,
};
use brooklet::{Engine, Position};

use crate::storage::{Answer, Batch, Request, Storage};

mod inbox;
mod line;
mod opening;
mod reopening;
#[cfg(test)]
mod tests;

use line::{Line, Purpose};
use opening::Opening;
use reopening::Reopening;

/// How a database is opened that is stored.
#[derive(Clone, Copy, Debug, Default)]
pub struct StorageOptions {
    /// When appends are durable, and what a reply waits for.
    pub mode: Mode,
    /// Whether only to look.
    pub is_read_only: bool,
    /// What to do about damage.
    pub on_corruption: OnCorruption,
    /// What to do about loss.
    pub on_data_loss: OnDataLoss,
    /// How long to wait for the lock, in ms; `u64::MAX` is for ever.
    pub lock_wait_ms: u64,
    /// Whether to take the lock from whoever holds it.
    pub steals_lock: bool,
}

/// Whoever drives the host.
pub trait Notify {
    /// Asks for [`Host::drive`](crate::Host::drive), once what runs now has returned.
    fn soon(&self, urgency: Urgency);
}

/// How soon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Urgency {
    /// When whatever runs has returned: in a microtask.
    AtOnce,
    /// In a task of its own, after other tasks.
    NextTask,
}

/// How far a database is that is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// It is being opened.
    Opening,
    /// It is there.
    Open,
    /// It is not there any more, or never was.
    Ended(End),
}

/// Why a database is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It could not be opened.
    Unopened(OpenError),
    /// It had to stop.
    Stopped(Refusal),
    /// It was closed, and everything is stored.
    Closed,
}

/// What is to be told about how a database is stored.
#[derive(Clone, Debug)]
pub struct Durability<'a> {
    /// What the store says; none if nothing is written.
    pub status: Option<StoreStatus>,
    /// Up to where everything is written.
    pub written: Position,
    /// Up to where everything is durable.
    pub durable: Position,
    /// Up to where everything has happened.
    pub applied: Position,
    /// The bytes that are not written yet.
    pub unwritten_bytes: usize,
    /// Why writes are refused, if they are.
    pub refusal: Option<Refusal>,
    /// What was lost, with consent, when it was opened.
    pub losses: &'a [Loss],
    /// What a torn append had left.
    pub tail_dropped: ChunkCount,
    /// Whether the owner before had closed it.
    pub was_clean: bool,
    /// Whether the storage is still being made safe after an end that was not clean: until then another such end may cost
    /// more than what was not acknowledged.
    pub is_healing: bool,
}

/// The pump; see the head of this file.
pub(crate) struct Pump {
    options: StorageOptions,
    line: Line,
    stage: Stage,
    gate: ReplyGate,
    /// A task was asked for, and has not come yet.
    awaits_task: bool,
    /// Memory was refused; it is tried again then.
    retry_ms: Option<u64>,
    tail_dropped: ChunkCount,
    was_clean: bool,
    is_healing: bool,
    losses: Vec<Loss>,
}

enum Stage {
    Opening(Box<Opening>),
    /// Only looked at.
    Shown,
    Running(Box<Running>),
    Ended(End),
}

struct Running {
    store: Store,
    epoch: u64,
    reopening: Option<Reopening>,
}

/// The pause after which what had no memory is tried again.
const RETRY_MS: u64 = 100;

impl Pump {
    /// A pump that opens a storage when it is driven. `new_log_id` is random.
    pub(crate) fn new(
        storage: Box<dyn Storage>,
        options: StorageOptions,
        new_log_id: u64,
        notify: Rc<dyn Notify>,
    ) -> Pump {
        let line = Line::new(storage, notify);
        let opening = Opening::new(&options, new_log_id, line.traits().can_tear);
        Pump {
            options,
            line,
            stage: Stage::Opening(Box::new(opening)),
            gate: ReplyGate::default(),
            awaits_task: false,
            retry_ms: None,
            tail_dropped: ChunkCount::default(),
            was_clean: true,
            is_healing: false,
            losses: Vec::new(),
        }
    }

    /// Takes the answers that have come, and asks for what is to be asked. To be called when [`Notify::soon`] has asked
    /// for it, and when [`Pump::deadline`] has come.
    pub(crate) fn drive(&mut self, engine: &mut Engine, now_ms: u64) {
        self.awaits_task = false;
        self.retry_ms = None;
        if let Stage::Running(running) = &mut self.stage {
            running.store.work(engine, now_ms);
        }
        self.run(engine, now_ms);
    }

    /// To be called after each call into the engine: what it wrote is taken, and will be stored.
    pub(crate) fn gather(&mut self, engine: &mut Engine, now_ms: u64) {
        let Stage::Running(running) = &mut self.stage else { return };
        let before = running.store.pushed();
        if running.store.gather(engine).is_err() {
            self.retry_ms = Some(now_ms.saturating_add(RETRY_MS));
        }
        if running.store.pushed() > before {
            self.await_task();
        }
    }

    /// Asks for everything at once: the page may be gone before the next task.
    pub(crate) fn flush_now(&mut self, engine: &mut Engine, now_ms: u64) {
        let Stage::Running(running) = &mut self.stage else { return };
        running.store.flush_now();
        self.run(engine, now_ms);
    }

    /// Asks for everything to be durable, and says up to where.
    pub(crate) fn sync(&mut self, engine: &mut Engine, now_ms: u64) -> Position {
        let Stage::Running(running) = &mut self.stage else { return Position(0) };
        let position = running.store.sync();
        self.run(engine, now_ms);
        position
    }

    /// Stores everything, says so in the witness, and lets go of the storage.
    pub(crate) fn close(&mut self, engine: &mut Engine, now_ms: u64) {
        match &mut self.stage {
            Stage::Running(running) => {
                running.store.close();
                self.run(engine, now_ms);
            }
            Stage::Opening(_) | Stage::Shown => self.end(End::Closed),
            Stage::Ended(_) => {}
        }
    }

    /// Lets go of the storage, whatever is not stored.
    pub(crate) fn abandon(&mut self) {
        if !matches!(self.stage, Stage::Ended(_)) {
            self.end(End::Closed);
        }
    }

    /// The time that commands see; see [`Store::clock`].
    pub(crate) fn clock(&mut self, now_ms: u64) -> u64 {
        match &mut self.stage {
            Stage::Running(running) => running.store.clock(now_ms),
            _ => now_ms,
        }
    }

    /// How far it is.
    pub(crate) fn condition(&self) -> Condition {
        match &self.stage {
            Stage::Opening(_) => Condition::Opening,
            Stage::Shown | Stage::Running(_) => Condition::Open,
            Stage::Ended(end) => Condition::Ended(*end),
        }
    }

    /// Why commands that write are refused now, as an error line.
    pub(crate) fn refusal_line(&self) -> Option<&'static [u8]> {
        match &self.stage {
            Stage::Shown => Some(b"READONLY the database was opened to be looked at, and nothing in it can be changed"),
            Stage::Running(running) => running.store.refusal().map(misconf),
            Stage::Opening(_) => Some(b"LOADING the database is being opened"),
            Stage::Ended(_) => Some(b"MISCONF the database has ended"),
        }
    }

    /// Whether whoever adds should wait.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(&self.stage, Stage::Running(running) if running.store.is_busy())
    }

    /// Whether whoever adds is to be refused.
    pub(crate) fn is_overloaded(&self) -> bool {
        matches!(&self.stage, Stage::Running(running) if running.store.is_overloaded())
    }

    /// Whether the storage fails.
    pub(crate) fn is_failing(&self) -> bool {
        matches!(&self.stage, Stage::Running(running) if running.store.refusal().is_some())
    }

    /// When [`Pump::drive`] has something to do although nothing else happens.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let own = match &self.stage {
            Stage::Opening(opening) => opening.deadline(),
            Stage::Running(running) => running.store.deadline(),
            Stage::Shown | Stage::Ended(_) => None,
        };
        [own, self.retry_ms].into_iter().flatten().min()
    }

    // Replies.

    /// Makes room for one more reply at the gate.
    pub(crate) fn reserve_reply(&mut self) -> bool {
        self.gate.reserve(1).is_ok()
    }

    /// Holds a reply until what it depends on is stored, at the level of the mode unless another one is given. False if
    /// it may leave at once. Room was made for it.
    pub(crate) fn hold(
        &mut self,
        engine: &mut Engine,
        now_ms: u64,
        position: Position,
        level: Option<Level>,
        token: u64,
    ) -> bool {
        let Stage::Running(running) = &mut self.stage else { return false };
        let usual = if self.options.mode == Mode::Always { Level::Durable } else { Level::Written };
        let level = level.unwrap_or(usual);
        let reached = if level == Level::Durable { running.store.durable() } else { running.store.written() };
        if position > reached {
            if level == Level::Durable {
                running.store.sync();
            }
            if self.line.traits().is_sync {
                self.run(engine, now_ms);
            } else {
                self.await_task();
            }
        }
        let need = Need::Stored(level, position);
        // Each reply is a caller of its own: none waits for another one, as with all promises.
        self.gate.hold(token, need, token).is_none()
    }

    /// The next reply that may leave.
    pub(crate) fn take_released(&mut self) -> Option<u64> {
        self.gate.take().map(|held| held.token)
    }

    /// What is to be told.
    pub(crate) fn durability(&self) -> Durability<'_> {
        let store = if let Stage::Running(running) = &self.stage { Some(&running.store) } else { None };
        Durability {
            status: store.map(Store::status),
            written: store.map_or(Position(0), Store::written),
            durable: store.map_or(Position(0), Store::durable),
            applied: store.map_or(Position(0), Store::pushed),
            unwritten_bytes: store.map_or(0, Store::unwritten_bytes),
            refusal: store.and_then(Store::refusal),
            losses: &self.losses,
            tail_dropped: self.tail_dropped,
            was_clean: self.was_clean,
            is_healing: self.is_healing,
        }
    }

    /// Asks for a snapshot.
    pub(crate) fn compact(&mut self, engine: &mut Engine, now_ms: u64) {
        let Stage::Running(running) = &mut self.stage else { return };
        running.store.compact();
        self.run(engine, now_ms);
    }

    // Questions and answers.

    fn run(&mut self, engine: &mut Engine, now_ms: u64) {
        self.line.set_driven(true);
        loop {
            while let Some((purpose, answer)) = self.line.take() {
                self.take_answer(engine, now_ms, purpose, answer);
            }
            if !self.ask(engine, now_ms) {
                break;
            }
        }
        self.line.set_driven(false);
        let Stage::Running(running) = &mut self.stage else { return };
        self.gate.release(running.store.written(), running.store.durable());
        let wants_time = running.store.wants_time();
        if running.store.is_closed() {
            let end = running.store.refusal().map_or(End::Closed, End::Stopped);
            self.end(end);
        } else if wants_time {
            self.await_task();
        }
    }

    fn await_task(&mut self) {
        if !self.awaits_task {
            self.awaits_task = true;
            self.line.notify(Urgency::NextTask);
        }
    }

    fn end(&mut self, end: End) {
        self.line.close();
        self.stage = Stage::Ended(end);
    }

    /// Asks for the next thing. Whether there was one.
    fn ask(&mut self, engine: &mut Engine, now_ms: u64) -> bool {
        match &mut self.stage {
            Stage::Opening(opening) => {
                if opening.deadline().is_some_and(|deadline| now_ms >= deadline) {
                    drop(self.line.give_up());
                    self.take_opening(engine, now_ms, Answer::Failed(StorageFault::NoAnswer));
                    return true;
                }
                opening.ask(&mut self.line, now_ms)
            }
            Stage::Running(running) => match running.store.next_request(engine, now_ms) {
                Ok(Some(request)) => {
                    running.ask(&mut self.line, now_ms, request);
                    true
                }
                Ok(None) => false,
                Err(_) => {
                    self.retry_ms = Some(now_ms.saturating_add(RETRY_MS));
                    false
                }
            },
            Stage::Shown | Stage::Ended(_) => false,
        }
    }

    fn take_answer(&mut self, engine: &mut Engine, now_ms: u64, purpose: Purpose, answer: Answer) {
        match purpose {
            Purpose::Prepare | Purpose::Recover => self.take_opening(engine, now_ms, answer),
            Purpose::Serve(ticket) => {
                if let Stage::Running(running) = &mut self.stage {
                    running.store.answered(now_ms, ticket, answer_for_store(answer));
                }
            }
            // What could not be healed is tried again by the next opening.
            Purpose::Heal => self.is_healing = answer != Answer::Done,
            Purpose::Reopen => {
                let can_tear = self.line.traits().can_tear;
                if let Stage::Running(running) = &mut self.stage {
                    running.take_reopened(&mut self.line, now_ms, answer, can_tear);
                }
            }
        }
    }

    fn take_opening(&mut self, engine: &mut Engine, now_ms: u64, answer: Answer) {
        let Stage::Opening(opening) = &mut self.stage else { return };
        match opening.take(answer, engine) {
            None => {}
            Some(Ok(recovered)) => self.opened(engine, now_ms, recovered),
            Some(Err(error)) => self.end(End::Unopened(error)),
        }
    }

    fn opened(&mut self, engine: &mut Engine, now_ms: u64, recovered: Recovered) {
        self.tail_dropped = recovered.tail_dropped;
        self.was_clean = recovered.was_clean;
        self.losses.clone_from(&recovered.losses);
        let Some(epoch) = recovered.epoch else {
            self.stage = Stage::Shown;
            return;
        };
        let config = self.store_config();
        match Store::new(config, engine, recovered, now_ms) {
            Ok(store) => {
                self.gate = ReplyGate::new(store.written(), store.durable());
                self.stage = Stage::Running(Box::new(Running { store, epoch, reopening: None }));
                if !self.was_clean {
                    self.is_healing = true;
                    self.line.heal();
                }
            }
            Err(EncodeFault::OutOfMemory) => self.end(End::Unopened(OpenError::OutOfMemory)),
            Err(_) => self.end(End::Unopened(OpenError::OutOfRange)),
        }
    }

    fn store_config(&self) -> StoreConfig {
        let traits = self.line.traits();
        let writer = WriterConfig {
            mode: self.options.mode,
            chunk_bytes_max: traits.value_bytes_max,
            keeps_until_durable: traits.loses_on_failed_sync,
            ..WriterConfig::default()
        };
        StoreConfig { writer, part_bytes_max: traits.value_bytes_max, ..StoreConfig::default() }
    }
}

impl Running {
    fn ask(&mut self, line: &mut Line, now_ms: u64, request: StoreRequest) {
        let ticket = request.ticket();
        let purpose = Purpose::Serve(ticket);
        let write = |line: &mut Line, batch| line.ask(purpose, &Request::Write(batch));
        match request {
            StoreRequest::Append(append) => self.append(line, append),
            StoreRequest::Reopen(ticket) => {
                self.give_up_connection(line, now_ms);
                self.reopening = Some(Reopening::begin(line, ticket));
            }
            StoreRequest::NewSegment(_) => {
                self.give_up_connection(line, now_ms);
                line.ask(purpose, &Request::Open { new_segment: true, read_only: false });
            }
            StoreRequest::PutParts { ticket, epoch } => {
                let parts: Vec<(u64, &[u8])> = self.store.parts(ticket).collect();
                write(line, Batch { epoch, parts: &parts, ..Batch::default() });
            }
            StoreRequest::ListParts { .. } => line.ask(purpose, &Request::ListParts),
            StoreRequest::Flip { epoch, delete_log_upto, .. } => {
                let (manifest, delete_log_upto) = (Some(self.store.manifest()), Some(delete_log_upto));
                write(line, Batch { epoch, is_durable: true, manifest, delete_log_upto, ..Batch::default() });
            }
            StoreRequest::ReadManifest { .. } => line.ask(purpose, &Request::ReadManifest),
            StoreRequest::DeleteParts { ticket, epoch } => {
                let ids: Vec<u64> = self.store.doomed(ticket).collect();
                write(line, Batch { epoch, delete_parts: &ids, ..Batch::default() });
            }
            StoreRequest::DeleteLog { epoch, upto, .. } => {
                write(line, Batch { epoch, delete_log_upto: Some(upto), ..Batch::default() });
            }
            StoreRequest::WriteWitness { ticket, witness } => match witness.encode() {
                Ok(bytes) => line.ask(purpose, &Request::WriteWitness(&bytes)),
                Err(_) => self.store.answered(now_ms, ticket, StoreAnswer::Failed(StorageFault::Io)),
            },
        }
    }

    /// Of what was asked on a connection that is given up, the store is told that there will be no answer.
    fn give_up_connection(&mut self, line: &mut Line, now_ms: u64) {
        self.reopening = None;
        for purpose in line.give_up() {
            if let Purpose::Serve(ticket) = purpose {
                self.store.answered(now_ms, ticket, StoreAnswer::Failed(StorageFault::Closed));
            }
        }
    }

    fn append(&mut self, line: &mut Line, append: Append) {
        let chunks: Vec<(u64, &[u8])> =
            self.store.chunks(&append).map(|chunk| (chunk.sequence, &*chunk.bytes)).collect();
        let is_durable = append.level == Level::Durable;
        let batch = Batch { epoch: append.epoch, is_durable, chunks: &chunks, ..Batch::default() };
        line.ask(Purpose::Serve(append.ticket), &Request::Write(batch));
    }

    fn take_reopened(&mut self, line: &mut Line, now_ms: u64, answer: Answer, can_tear: bool) {
        let Some(reopening) = &mut self.reopening else { return };
        let ticket: Ticket = reopening.ticket();
        if let Some(answer) = reopening.take(line, answer, self.epoch, can_tear) {
            self.reopening = None;
            self.store.answered(now_ms, ticket, answer);
        }
    }
}

fn answer_for_store(answer: Answer) -> StoreAnswer {
    match answer {
        Answer::Done => StoreAnswer::Done,
        Answer::Failed(fault) => StoreAnswer::Failed(fault),
        Answer::Fenced => StoreAnswer::Fenced,
        Answer::Value(stored) => StoreAnswer::Manifest(stored),
        Answer::Ids(ids) => StoreAnswer::PartIds(ids),
        Answer::Locked | Answer::Number(_) | Answer::Bounds(_) | Answer::Chunks { .. } | Answer::Values(_) => {
            StoreAnswer::Failed(StorageFault::Io)
        }
    }
}

/// As Redis says it when it cannot save.
fn misconf(refusal: Refusal) -> &'static [u8] {
    match refusal {
        Refusal::Failing(StorageFault::Quota) => {
            b"MISCONF there is no room to store what is written: writes are refused until there is. Nothing is lost; \
              make room elsewhere in this origin, or on this disk"
        }
        Refusal::Failing(_) => {
            b"MISCONF the storage fails: writes are refused until it works again, which is tried all the time. Nothing \
              is lost"
        }
        Refusal::Fenced => b"MISCONF another owner has taken over the storage: open again",
        Refusal::Corrupt => b"MISCONF the log was damaged under its owner: open again",
    }
}
