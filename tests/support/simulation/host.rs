//! An owner of the storage: an engine with its store and its reply gate, as a process holds them. It dies with all of it.
//!
//! Beside the engine runs its shadow: a second engine that gets the same calls and has no storage. It writes the past
//! that the storage is compared with, and answers the same, whatever snapshots are taken of the other. It was loaded
//! from the same storage: an engine that replayed everything shows the same, but where several keys expire in the same
//! millisecond it need not take them in the same order.

use std::collections::{BTreeMap, VecDeque};

use brooklet::persist::{Append, Level, Manifest, Need, ReplyGate, Store, StoreAnswer, Ticket};
use brooklet::{Engine, EntryId, Outcome, Position, Reply, Session, Value, WaiterId};

use super::checks::ChunkBook;
use super::clients::Request;
use super::past::Past;
use super::promises::Name;
use super::trace::{Breach, Checked, breach, ensure};
use super::world::added_id;
use crate::compare;
use crate::storage::{Job, Work};

/// A request of a client that was run.
pub(crate) struct Asked {
    pub(crate) client: usize,
    pub(crate) request: Request,
    pub(crate) level: Option<Level>,
    /// The key to which an entry was added, and its generation then.
    pub(crate) added_to: Option<(Name, u64)>,
}

/// A reply on its way out.
pub(crate) struct Told {
    pub(crate) asked: Asked,
    pub(crate) reply: Value,
    /// What it depends on, as the engine says.
    pub(crate) position: u64,
}

/// Something that the storage was asked for.
pub(crate) struct Delivery {
    pub(crate) job: Job,
    /// The connection on which it was asked.
    pub(crate) connection: u64,
    /// It is not done before this time.
    pub(crate) not_before_ms: u64,
    /// Whether it was done before, and comes once more.
    pub(crate) is_repeated: bool,
}

/// What came of a request at once.
#[derive(Default)]
pub(crate) struct Given {
    /// The replies that may leave.
    pub(crate) left: Vec<Told>,
    /// The ID that was given to an entry, if one was asked for, whether or not anybody knows yet.
    pub(crate) added: Option<(Name, EntryId)>,
}

/// An owner; see the head of this file.
pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) shadow: Engine,
    pub(crate) store: Store,
    pub(crate) past: Past,
    gate: ReplyGate,
    /// The engine counts from where its snapshot was taken; this leads to the global count.
    offset: u64,
    pub(crate) epoch: u64,
    pub(crate) connection: u64,
    pub(crate) is_broken: bool,
    pub(crate) jobs: VecDeque<Delivery>,
    pub(crate) answers: VecDeque<(Ticket, StoreAnswer)>,
    told: BTreeMap<u64, Told>,
    tokens: u64,
    waiting: BTreeMap<WaiterId, Asked>,
    /// Where another owner has taken over: nothing behind this may be acknowledged or shown.
    pub(crate) superseded_at: Option<u64>,
    /// Whether the storage did anything twice.
    pub(crate) has_repeats: bool,
    /// How many requests were answered with an error.
    pub(crate) errors: u64,
}

impl Host {
    pub(crate) fn new(engine: Engine, shadow: Engine, store: Store, past: Past, epoch: u64, offset: u64) -> Host {
        let gate = ReplyGate::new(store.written(), store.durable());
        Host {
            engine,
            shadow,
            store,
            past,
            gate,
            offset,
            epoch,
            connection: 0,
            is_broken: false,
            jobs: VecDeque::new(),
            answers: VecDeque::new(),
            told: BTreeMap::new(),
            tokens: 0,
            waiting: BTreeMap::new(),
            superseded_at: None,
            has_repeats: false,
            errors: 0,
        }
    }

    pub(crate) fn written(&self) -> u64 {
        self.store.written().0 + self.offset
    }

    pub(crate) fn durable(&self) -> u64 {
        self.store.durable().0 + self.offset
    }

    /// The clock that commands see.
    pub(crate) fn clock(&mut self, now_ms: u64) -> u64 {
        self.store.clock(now_ms)
    }

    pub(crate) fn is_waiting(&self, client: usize) -> bool {
        self.waiting.values().any(|asked| asked.client == client)
    }

    pub(crate) fn held_replies(&self, client: usize) -> usize {
        self.told.values().filter(|told| told.asked.client == client).count()
    }

    /// Runs a request. The replies that came of it wait at the gate; those that may leave at once are returned.
    pub(crate) fn run(&mut self, asked: Asked, now_ms: u64) -> Checked<Given> {
        let now_ms = self.clock(now_ms);
        let session = Session { database: asked.request.database, ..Session::default() };
        let before = self.shadow.position().0 + self.offset;
        let (mut reply, mut other) = (Reply::new(), Reply::new());
        let commands: Vec<Vec<&[u8]>> =
            asked.request.commands.iter().map(|words| words.iter().map(Vec::as_slice).collect()).collect();
        let (outcome, expected) = match commands.as_slice() {
            [argv] => (
                self.engine.call(now_ms, session, argv, &mut reply),
                self.shadow.call(now_ms, session, argv, &mut other),
            ),
            batch => {
                let batch: Vec<&[&[u8]]> = batch.iter().map(Vec::as_slice).collect();
                (
                    self.engine.exec(now_ms, session, &batch, &mut reply),
                    self.shadow.exec(now_ms, session, &batch, &mut other),
                )
            }
        };
        if let (Some(tag), true) = (asked.request.tag, self.shadow.position().0 + self.offset > before) {
            self.past.tag(tag, before + 1);
        }
        let (mut left, mut added) = (Vec::new(), None);
        match (outcome, expected) {
            (Outcome::Done(position), Outcome::Done(expected)) => {
                let position = self.global(position, expected)?;
                let reply = same_reply(&reply, &other)?;
                self.errors += u64::from(matches!(reply, Value::Error(_)));
                let name = asked.added_to.as_ref().filter(|_| commands.len() == 1).map(|(name, _)| name.clone());
                added = name.zip(added_id(&reply));
                left.extend(self.hold(Told { asked, reply, position })?);
            }
            (Outcome::Blocked(waiter), Outcome::Blocked(expected)) if waiter == expected => {
                self.waiting.insert(waiter, asked);
            }
            _ => return breach("I5", format!("the engine ended with {outcome:?}, its shadow with {expected:?}")),
        }
        left.extend(self.take_woken()?);
        Ok(Given { left, added })
    }

    /// Lets time pass in the engine.
    pub(crate) fn advance(&mut self, now_ms: u64) -> Checked<Vec<Told>> {
        let now_ms = self.clock(now_ms);
        self.engine.advance(now_ms);
        self.shadow.advance(now_ms);
        self.take_woken()
    }

    /// A waiting client goes away, if one waits.
    pub(crate) fn cancel_one(&mut self) -> Checked<bool> {
        let Some(waiter) = self.waiting.keys().next().copied() else { return Ok(false) };
        self.waiting.remove(&waiter);
        let cancelled = (self.engine.cancel(waiter), self.shadow.cancel(waiter));
        ensure("I5", cancelled == (true, true), || format!("{waiter:?} waits, and does not: {cancelled:?}"))?;
        Ok(true)
    }

    fn take_woken(&mut self) -> Checked<Vec<Told>> {
        let (mut reply, mut other) = (Reply::new(), Reply::new());
        let mut left = Vec::new();
        loop {
            match (self.engine.take_ready(&mut reply), self.shadow.take_ready(&mut other)) {
                (None, None) => return Ok(left),
                (Some(ready), Some(expected)) if ready.waiter == expected.waiter => {
                    let position = self.global(ready.position, expected.position)?;
                    let reply = same_reply(&reply, &other)?;
                    let Some(asked) = self.waiting.remove(&ready.waiter) else {
                        return breach("I5", format!("{:?} was woken and did not wait", ready.waiter));
                    };
                    left.extend(self.hold(Told { asked, reply, position })?);
                }
                (ready, expected) => return breach("I5", format!("{ready:?} was woken, and not {expected:?}")),
            }
        }
    }

    /// The global position of a reply, which is the same for both.
    fn global(&self, position: Position, expected: Position) -> Checked<u64> {
        ensure("I5", position == expected, || {
            format!("a reply depends on {position:?}, and says the shadow, on {expected:?}")
        })?;
        Ok(if position.0 == 0 { 0 } else { position.0 + self.offset })
    }

    fn hold(&mut self, told: Told) -> Checked<Option<Told>> {
        self.gate.reserve(1).map_err(refused)?;
        let local = Position(told.position.saturating_sub(self.offset));
        let need = told.asked.level.map_or(Need::Nothing, |level| Need::Stored(level, local));
        self.tokens += 1;
        let held = self.gate.hold(told.asked.client as u64, need, self.tokens);
        self.told.insert(self.tokens, told);
        Ok(held.and_then(|held| self.told.remove(&held.token)))
    }

    /// Notes how far the storage is, and returns the replies that may leave.
    pub(crate) fn release(&mut self) -> Vec<Told> {
        self.gate.release(self.store.written(), self.store.durable());
        let mut left = Vec::new();
        while let Some(held) = self.gate.take() {
            left.extend(self.told.remove(&held.token));
        }
        left
    }

    /// All that will never be answered, because this owner has come to its end.
    pub(crate) fn abandon(&mut self) -> Vec<Asked> {
        let held = std::mem::take(&mut self.told).into_values().map(|told| told.asked);
        held.chain(std::mem::take(&mut self.waiting).into_values()).collect()
    }

    /// Takes what the shadow has written.
    pub(crate) fn take_past(&mut self) -> Checked {
        self.past.take(&mut self.shadow, self.offset)
    }

    /// Asks the store for everything that it wants to be done.
    pub(crate) fn pump(&mut self, now_ms: u64, book: &mut ChunkBook) -> Checked<Vec<&'static str>> {
        self.store.gather(&mut self.engine).map_err(refused)?;
        self.take_past()?;
        let mut names = Vec::new();
        while let Some(request) = self.store.next_request(&mut self.engine, now_ms).map_err(refused)? {
            let job = Job::new(&self.store, &request);
            let epoch = job.work.epoch().unwrap_or(self.epoch);
            ensure("I6", epoch == self.epoch, || format!("the owner of epoch {} writes as {epoch}", self.epoch))?;
            if let Work::Append { chunks, .. } = &job.work {
                chunks.iter().try_for_each(|(_, bytes)| book.note(bytes))?;
            }
            if let Work::Flip { manifest, .. } = &job.work {
                self.note_covered(manifest, book)?;
            }
            names.push(job.work.name());
            self.jobs.push_back(Delivery { job, connection: self.connection, not_before_ms: 0, is_repeated: false });
        }
        Ok(names)
    }

    /// A snapshot may cover chunks that were formed and will never be stored.
    fn note_covered(&self, manifest: &[u8], book: &mut ChunkBook) -> Checked {
        let Ok(manifest) = Manifest::decode(manifest) else { return breach("I2", "a manifest that cannot be decoded") };
        let mut first_sequence = manifest.upto_sequence;
        let formed = |first_sequence, chunks| {
            let (ticket, level, epoch) = (Ticket(0), Level::Written, self.epoch);
            let append = Append { ticket, level, epoch, first_sequence, chunks };
            self.store.chunks(&append).map(|chunk| chunk.bytes.clone()).collect::<Vec<_>>()
        };
        while first_sequence > 0 && !formed(first_sequence, 1).is_empty() {
            first_sequence -= 1;
        }
        let chunks = manifest.upto_sequence - first_sequence;
        formed(first_sequence + 1, chunks).iter().try_for_each(|bytes| book.note(bytes))
    }

    pub(crate) fn validate(&self) -> Checked {
        let valid = self.engine.validate().and_then(|()| self.store.validate()).and_then(|()| self.gate.validate());
        valid.map_err(|what| Breach { rule: "validate", what })
    }
}

/// Memory that is refused, which nothing here does.
pub(crate) fn refused(fault: impl std::fmt::Display) -> Breach {
    Breach { rule: "memory", what: format!("{fault}, though nothing is refused") }
}

/// The reply of the engine and its shadow, which has to be the same.
fn same_reply(reply: &Reply, other: &Reply) -> Checked<Value> {
    let (Ok(reply), Ok(mut other)) = (value(reply), value(other)) else { return breach("I5", "no reply at all") };
    let mut masked = reply.clone();
    compare::mask(&mut masked, compare::UNRECORDED);
    compare::mask(&mut other, compare::UNRECORDED);
    if masked == other {
        return Ok(reply);
    }
    breach("I5", format!("the engine replied\n{}its shadow\n{}", compare::show(&masked), compare::show(&other)))
}

fn value(reply: &Reply) -> Result<Value, ()> {
    reply.to_value().ok_or(())
}
