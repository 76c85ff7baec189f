//! The writer: gathers effects, forms them into chunks, and asks for appends until each chunk is stored.
//!
//! It is a state machine: it knows no medium and no clock, asks one question at a time and is told the answers. What it
//! is told in return is the promise of the whole library: [`Writer::written`] and [`Writer::durable`] say up to which
//! position effects are stored, and they never say it too early.
//!
//! *Design.* While an append is unanswered, effects are gathered; the answer lets everything gathered go as one group.
//! Chunks stay in memory, unchanged, until an append that carried them was answered. Every append carries all chunks
//! that are not known to be written, oldest first: so none can land while one before it is missing, whatever became of
//! the appends in between, and an append of which nobody knows whether it succeeded is simply carried again. Storing a
//! chunk a second time under the same sequence changes nothing, since it is the same chunk.
//!
//! *Why a retry does not gather anew.* If the first attempt did land after all, two different chunks would have had the
//! same sequence, and a reader of the first may already have seen its effects.
//!
//! *Failure.* A failed append, or one that is not answered in time, means that the connection to the storage is given
//! up: after a pause the writer asks to reopen, compares where the log ends now with what it holds, and carries on from
//! there. Meanwhile it refuses writes ([`Writer::refusal`]); what was pushed is kept. Where a failed sync may have lost
//! what was written before (files: the kernel drops the pages and the next sync succeeds), chunks are kept until they
//! are durable, and after a failed durable append everything that is kept goes to a new segment instead.
//! Two ends are final: another owner has taken over, or the log does not end in a chunk of ours.
//!
//! *Levels.* A durable append covers everything before it. An append without chunks is a barrier: it makes durable what
//! is written, or tries whether the storage works again.
//!
//! *Invariants*
//! 1. `durable <= written <=` the position of the last unit in a chunk `<=` the position of the last unit pushed.
//! 2. An append begins with the oldest chunk that is not known to be written, and ends with the newest one formed.
//! 3. The level of an append is not below that of an unanswered one that it repeats, so its answer is theirs as well.
//! 4. The chunks under one sequence are the same in all appends.
//! 5. After an end nothing is held, nothing is asked, and neither `written` nor `durable` moves.

use alloc::string::String;
use alloc::vec::Vec;

use super::bytes::EncodeFault;
use super::chunk::{CHUNK_BYTES_MAX, EncodedChunk, Tail};
use super::storage::{StorageFault, Ticket};
use crate::engine::Position;
use crate::invariant::ensure;
use crate::memory::OutOfMemory;
use crate::planted::{Bug, planted};

mod gathered;
mod held;
#[cfg(test)]
mod tests;

use gathered::Gathered;
use held::Held;

/// How many appends may be unanswered at a time. More than one are only placed when the page is about to go, and each
/// of them repeats all chunks of the ones before.
const PLACED_MAX: usize = 4;

/// How long a storage may take to sync what was written, in mode `everysec`.
const STRICT_EVERY_MS: u64 = 1000;

/// What an append that was answered promises.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// It survives the end of the process.
    Written,
    /// The platform was asked to let it survive the loss of power, and said yes. So does everything before it.
    Durable,
}

/// When appends are durable, in Redis' words for `appendfsync`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// Each append.
    Always,
    /// One each second, as long as there is something to make durable.
    #[default]
    EverySecond,
    /// Only when asked for.
    No,
}

/// How a writer is set up.
#[derive(Clone, Debug)]
pub struct WriterConfig {
    /// When appends are durable.
    pub mode: Mode,
    /// The largest value that the storage takes well.
    pub chunk_bytes_max: usize,
    /// How many bytes of effects make a group, if there are more. Only a run that alone is larger exceeds it.
    pub group_bytes_max: usize,
    /// The unwritten bytes above which the writer calls itself busy; above twice as many it is overloaded.
    pub busy_bytes: usize,
    /// How long the storage may take for an answer.
    pub answer_ms_max: u64,
    /// The pause after a first failure; each further one doubles it.
    pub retry_ms_min: u64,
    /// The longest pause.
    pub retry_ms_max: u64,
    /// Whether a failed sync may lose what was written before, as with files. Then chunks are kept until they are
    /// durable, and no more of them than half of `busy_bytes`.
    pub keeps_until_durable: bool,
}

impl Default for WriterConfig {
    fn default() -> Self {
        WriterConfig {
            mode: Mode::default(),
            chunk_bytes_max: CHUNK_BYTES_MAX,
            group_bytes_max: 1 << 20,
            busy_bytes: 8 << 20,
            answer_ms_max: 10_000,
            retry_ms_min: 50,
            retry_ms_max: 10_000,
            keeps_until_durable: false,
        }
    }
}

/// What the writer asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriterRequest {
    /// Store chunks. Answered with [`Writer::answered`].
    Append(Append),
    /// Give up the connection, open a new one, cut off what is torn, and say where the log ends. Answered with
    /// [`Writer::reopened`], or with [`Writer::answered`] if it failed.
    Reopen(Ticket),
    /// Give up the connection, open a new one, and begin a new segment: from now on chunks go there, and one that is
    /// there replaces one with the same sequence in an older segment. Answered with [`Writer::answered`].
    NewSegment(Ticket),
}

/// An append: chunks to store in one transaction that fails as a whole if another owner has taken over. The chunks are
/// borrowed from the writer ([`Writer::chunks`]) and have to be fetched before the writer is told anything else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Append {
    /// Its name.
    pub ticket: Ticket,
    /// What its answer promises.
    pub level: Level,
    /// The epoch of the owner, for the fence.
    pub epoch: u64,
    /// The sequence of its first chunk.
    pub first_sequence: u64,
    /// How many chunks it has; none if it is a barrier.
    pub chunks: u64,
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is done.
    Done,
    /// It failed, or nobody knows.
    Failed(StorageFault),
    /// Another owner has taken over.
    Fenced,
}

/// Why writes are to be refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The storage failed. It is tried again, and nothing is lost.
    Failing(StorageFault),
    /// Another owner has taken over: what is not written never will be.
    Fenced,
    /// The log does not end in a chunk of ours: what was written is damaged or gone, and nothing more is written.
    Corrupt,
}

/// The writer; see the head of this file.
pub struct Writer {
    config: WriterConfig,
    /// What the next chunk is made from.
    tail: Tail,
    gathered: Gathered,
    held: Held,
    /// The unanswered appends, oldest first.
    placed: Vec<Placed>,
    state: State,
    /// What failed last, until an append is done.
    fault: Option<StorageFault>,
    /// Failures since an append was done.
    failures: u32,
    /// Whether a failed sync has to be cured by a new segment.
    needs_segment: bool,
    tickets: u64,
    written: Position,
    durable: Position,
    /// The last chunks that `written` and `durable` are about, and those that only say who is the owner.
    written_sequence: u64,
    durable_sequence: u64,
    /// The bytes of all chunks that were ever formed.
    formed_bytes: u64,
    /// No chunk says that it is from before this time.
    clock_ms: u64,
    /// Whether the connection may be gone although no append has said so.
    distrusts_connection: bool,
    /// What was asked to be made durable.
    sync_wanted: Position,
    /// Whether the next append is durable in any case.
    strict_wanted: bool,
    /// When the last durable append was placed, unless it failed.
    strict_placed_ms: Option<u64>,
    flush_wanted: bool,
    #[cfg(test)]
    broken: Option<Rule>,
}

/// An unanswered append.
#[derive(Clone, Copy, Debug)]
struct Placed {
    ticket: Ticket,
    level: Level,
    first_sequence: u64,
    last_sequence: u64,
    /// The position of the last unit that will be written.
    position: Position,
    placed_ms: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Appends are placed.
    Open,
    /// A request failed; nothing is asked before this time.
    Paused { failed_ms: u64, until_ms: u64 },
    /// A connection or a segment was asked for.
    Mending { ticket: Ticket, asked_ms: u64 },
    /// Nothing is asked any more.
    Ended(Refusal),
}

impl Writer {
    /// A writer that goes on behind `tail`, the end of the log. `position` is where the engine stands that was rebuilt
    /// from it: the take-over, which comes before reading and is durable, has made everything durable up to there.
    pub fn new(config: WriterConfig, tail: Tail, position: Position) -> Result<Writer, EncodeFault> {
        let mut placed = Vec::new();
        placed.try_reserve_exact(PLACED_MAX).map_err(OutOfMemory::from)?;
        Ok(Writer {
            gathered: Gathered::new(config.group_bytes_max, position),
            config,
            tail,
            held: Held::new(tail),
            placed,
            state: State::Open,
            fault: None,
            failures: 0,
            needs_segment: false,
            tickets: 0,
            written: position,
            durable: position,
            written_sequence: tail.sequence,
            durable_sequence: tail.sequence,
            formed_bytes: 0,
            clock_ms: 0,
            distrusts_connection: false,
            sync_wanted: position,
            strict_wanted: false,
            strict_placed_ms: None,
            flush_wanted: false,
            #[cfg(test)]
            broken: None,
        })
    }

    /// Goes on as the owner of `epoch`: the next append is durable and has a mark that says so.
    pub fn take_over(&mut self, now_ms: u64, epoch: u64) -> Result<(), EncodeFault> {
        let (mut tail, mut mark) = (self.tail, Vec::new());
        tail.append_epoch_mark(epoch, self.base_ms(now_ms), &mut mark)?;
        self.hold(mark, tail)?;
        self.strict_wanted = true;
        Ok(())
    }

    /// Takes all `effects`: whole runs, of which the last unit has `position`. If memory is refused they stay where they
    /// are, and are taken with the next ones. After an end they are dropped.
    pub fn push(&mut self, effects: &mut Vec<u8>, position: Position) -> Result<(), EncodeFault> {
        if self.is_ended() {
            effects.clear();
            return Ok(());
        }
        Ok(self.gathered.push(effects, position)?)
    }

    /// Asks for all that was pushed to be made durable, and returns up to which position that is.
    pub fn sync(&mut self) -> Position {
        self.sync_wanted = self.gathered.position();
        self.sync_wanted
    }

    /// Has the next request ask for everything at once, although an append is unanswered and whatever its size: the
    /// page may be gone before the answer comes.
    pub fn flush_now(&mut self) {
        self.flush_wanted = true;
    }

    /// Forms all that is gathered into chunks without placing them, and says where the log will end then. A snapshot
    /// that begins at this moment covers the log up to there.
    pub fn seal(&mut self, now_ms: u64) -> Result<(Tail, Position), EncodeFault> {
        while self.form_group(now_ms)? {}
        Ok((self.tail, self.gathered.taken()))
    }

    /// Notes that a snapshot up to where [`Writer::seal`] said is stored and durable, and that the log before it is gone.
    pub fn covered(&mut self, sequence: u64, position: Position) {
        if self.is_ended() {
            return;
        }
        self.held.release(sequence);
        self.advance(position.min(self.gathered.taken()), sequence.min(self.held.last()), Level::Durable);
    }

    /// What to ask for now, if anything. To be called after each push, each answer, and when [`Writer::deadline`] has
    /// come. If memory is refused nothing is lost, and the same call later may succeed.
    pub fn next_request(&mut self, now_ms: u64) -> Result<Option<WriterRequest>, EncodeFault> {
        self.watch(now_ms);
        match self.state {
            State::Open if self.distrusts_connection && self.placed.is_empty() => Ok(Some(self.mend(now_ms))),
            State::Open => Ok(self.next_append(now_ms)?.map(WriterRequest::Append)),
            State::Paused { until_ms, .. } if now_ms >= until_ms => Ok(Some(self.mend(now_ms))),
            State::Paused { .. } | State::Mending { .. } | State::Ended(_) => Ok(None),
        }
    }

    /// The chunks of an append that was just asked for, with their sequences.
    pub fn chunks(&self, append: &Append) -> impl Iterator<Item = &EncodedChunk> {
        let sequences = append.first_sequence..append.first_sequence + append.chunks;
        sequences.filter_map(|sequence| self.held.chunk(sequence))
    }

    /// Tells what became of a request. Answers to requests that were given up are heeded only if they say that another
    /// owner has taken over: everything else is found out by asking again.
    pub fn answered(&mut self, now_ms: u64, ticket: Ticket, answer: Answer) {
        if ticket.0 > self.tickets || self.is_ended() {
            return;
        }
        let is_mending = matches!(self.state, State::Mending { ticket: asked, .. } if asked == ticket);
        let place = self.placed.iter().position(|placed| placed.ticket == ticket);
        let is_ignored = answer == Answer::Fenced && self.breaks(Rule::HeedTheFence);
        let answer = if is_ignored { Answer::Done } else { answer };
        match (answer, place) {
            (Answer::Fenced, _) => self.end(Refusal::Fenced),
            (Answer::Done, _) if is_mending => self.begin_segment(),
            (Answer::Done, Some(place)) => self.append_done(place),
            (Answer::Failed(fault), _) if is_mending => self.fail(now_ms, fault),
            (Answer::Failed(fault), Some(place)) => self.append_failed(now_ms, place, fault),
            _ => {}
        }
    }

    /// Tells where the log ends after a request to reopen, and the newest epoch under which it was taken over.
    pub fn reopened(&mut self, ticket: Ticket, stored: Tail, epoch: u64) {
        match self.state {
            State::Mending { ticket: asked, .. } if asked == ticket && !self.needs_segment => {}
            _ => return,
        }
        if epoch > self.tail.epoch || stored.epoch > self.tail.epoch {
            self.end(Refusal::Fenced);
        } else if epoch < self.tail.epoch || !(self.held.fits(stored) || self.breaks(Rule::CompareTheTail)) {
            self.end(Refusal::Corrupt);
        } else {
            self.held.carry_again(stored.next_sequence());
            self.distrusts_connection = false;
            self.state = State::Open;
        }
    }

    /// The position up to which effects are written. Never goes back.
    pub fn written(&self) -> Position {
        self.written
    }

    /// The position up to which effects are durable. Never goes back.
    pub fn durable(&self) -> Position {
        self.durable
    }

    /// The position of the last unit that was pushed.
    pub fn pushed(&self) -> Position {
        self.gathered.position()
    }

    /// Why writes are to be refused, if they are.
    pub fn refusal(&self) -> Option<Refusal> {
        match self.state {
            State::Ended(refusal) => Some(refusal),
            _ => self.fault.map(Refusal::Failing),
        }
    }

    /// When [`Writer::next_request`] has something to ask although nothing else happens.
    pub fn deadline(&self) -> Option<u64> {
        match self.state {
            State::Ended(_) => None,
            State::Paused { until_ms, .. } => Some(until_ms),
            State::Mending { asked_ms, .. } => Some(asked_ms.saturating_add(self.config.answer_ms_max)),
            State::Open => match self.placed.first() {
                Some(oldest) => Some(oldest.placed_ms.saturating_add(self.config.answer_ms_max)),
                None if self.config.mode == Mode::EverySecond && self.durable < self.written => {
                    Some(self.strict_placed_ms.map_or(0, |placed_ms| placed_ms.saturating_add(STRICT_EVERY_MS)))
                }
                None => None,
            },
        }
    }

    /// The bytes that are pushed and not written.
    pub fn unwritten_bytes(&self) -> usize {
        self.gathered.bytes() + self.held.unwritten_bytes()
    }

    /// Whether whoever adds should wait.
    pub fn is_busy(&self) -> bool {
        self.unwritten_bytes() > self.config.busy_bytes
    }

    /// Whether whoever adds and cannot wait should be refused.
    pub fn is_overloaded(&self) -> bool {
        self.unwritten_bytes() > self.config.busy_bytes.saturating_mul(2)
    }

    /// The memory held.
    pub fn memory(&self) -> usize {
        self.gathered.memory() + self.held.memory() + self.placed.capacity() * size_of::<Placed>()
    }

    /// Checks the invariants in the head of this file, and those of the parts.
    pub fn validate(&self) -> Result<(), String> {
        self.gathered.validate()?;
        self.held.validate()?;
        let formed = self.gathered.taken();
        let positions = [self.durable, self.written, formed, self.gathered.position()];
        ensure(positions.is_sorted(), "writer 1: positions out of order")?;
        let sequences = [self.durable_sequence, self.written_sequence, self.tail.sequence];
        ensure(sequences.is_sorted(), "writer 1: sequences out of order")?;
        ensure(self.held.last() == self.tail.sequence, "writer 2: a chunk was formed and is not held")?;
        ensure(self.placed.is_sorted_by_key(|placed| placed.ticket), "writer 3: tickets out of order")?;
        ensure(self.placed.is_sorted_by_key(|placed| placed.level), "writer 3: a later append is of a lower level")?;
        ensure(self.placed.is_sorted_by_key(|placed| placed.last_sequence), "writer 2: a later append ends earlier")?;
        ensure(self.placed.len() <= PLACED_MAX, "writer 3: too many appends")?;
        let is_quiet = self.placed.is_empty() && self.unwritten_bytes() == 0 && self.held.kept_bytes() == 0;
        ensure(!self.is_ended() || is_quiet, "writer 5: something is held after the end")
    }

    // For the store, whose requests use the same connection and the same names.

    /// A name that no request had before.
    pub(super) fn next_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Whether a request was ever named so.
    pub(super) fn has_named(&self, ticket: Ticket) -> bool {
        ticket.0 <= self.tickets
    }

    /// Notes what commands may have seen on the clock: chunks formed from now on are not from before that.
    pub(super) fn note_clock(&mut self, clock_ms: u64) {
        self.clock_ms = self.clock_ms.max(clock_ms);
    }

    /// Has the storage reopened before the next append, since something else than an append failed on the connection.
    pub(super) fn distrust_connection(&mut self) {
        self.distrusts_connection = true;
    }

    /// Whether the connection is there and nothing has failed on it.
    pub(super) fn is_healthy(&self) -> bool {
        self.state == State::Open && self.fault.is_none() && !self.distrusts_connection
    }

    /// The first chunk that an unanswered append carries, if one is unanswered; a barrier begins behind the last.
    pub(super) fn first_unanswered(&self) -> Option<u64> {
        self.placed.iter().map(|placed| placed.first_sequence).min()
    }

    /// The end of what was formed so far.
    pub(super) fn tail(&self) -> Tail {
        self.tail
    }

    /// The position of the last unit in a chunk.
    pub(super) fn formed(&self) -> Position {
        self.gathered.taken()
    }

    /// The bytes of all chunks that were formed so far.
    pub(super) fn formed_bytes(&self) -> u64 {
        self.formed_bytes
    }

    /// The last chunk that is written.
    pub(super) fn written_sequence(&self) -> u64 {
        self.written_sequence
    }

    /// The last chunk that is durable.
    pub(super) fn durable_sequence(&self) -> u64 {
        self.durable_sequence
    }

    /// Whether everything that was pushed is durable, the mark of the owner included.
    pub(super) fn is_all_durable(&self) -> bool {
        self.gathered.bytes() == 0 && self.durable_sequence == self.tail.sequence
    }

    /// Writes nothing any more.
    pub(super) fn end(&mut self, refusal: Refusal) {
        self.state = State::Ended(refusal);
        self.placed.clear();
        self.gathered.clear();
        self.held.clear();
    }

    /// Whether nothing is written any more.
    pub(super) fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }

    fn next_append(&mut self, now_ms: u64) -> Result<Option<Append>, EncodeFault> {
        let hurries = self.flush_wanted && self.may_place_more();
        if !self.placed.is_empty() && !hurries {
            return Ok(None);
        }
        // What has to be carried goes alone, so that no retry is larger than the attempt.
        while (hurries || self.held.is_written()) && self.form_group(now_ms)? {}
        self.flush_wanted = false;
        let last_sequence = self.held.last();
        let has_new_chunks = match self.placed.last() {
            Some(newest) => last_sequence > newest.last_sequence,
            None => !self.held.is_written(),
        };
        let level = self.level(now_ms);
        let is_barrier_due = self.placed.is_empty() && (self.fault.is_some() || self.owes(level));
        if !has_new_chunks && !is_barrier_due {
            return Ok(None);
        }
        Ok(Some(self.place(now_ms, level)))
    }

    /// Whether an append may be placed although others are unanswered. Not behind a durable one where a failed sync
    /// loses what was written: the next sync would succeed, and its answer might come first.
    fn may_place_more(&self) -> bool {
        let may_have_failed = self.config.keeps_until_durable && self.awaits_durable();
        self.placed.len() < PLACED_MAX && !may_have_failed
    }

    fn awaits_durable(&self) -> bool {
        self.placed.iter().any(|placed| placed.level == Level::Durable)
    }

    /// Whether an append of this level is due even without chunks.
    fn owes(&self, level: Level) -> bool {
        level == Level::Durable && (self.strict_wanted || self.durable < self.written)
    }

    /// Forms the next group that is gathered, if there is one.
    fn form_group(&mut self, now_ms: u64) -> Result<bool, EncodeFault> {
        let Some(group) = self.gathered.front() else { return Ok(false) };
        let (mut tail, mut chunks) = (self.tail, Vec::new());
        let base_ms = self.base_ms(now_ms);
        let cut = usize::from(planted(Bug::DropUnitTail) && group.units > 1);
        let bytes = group.bytes.get(..group.bytes.len() - cut).unwrap_or(group.bytes);
        tail.append_group(bytes, group.units, base_ms, self.config.chunk_bytes_max, &mut chunks)?;
        let (length, position) = (group.bytes.len(), group.position);
        self.hold(chunks, tail)?;
        self.gathered.take_front(length, position);
        Ok(true)
    }

    fn base_ms(&self, now_ms: u64) -> u64 {
        now_ms.max(self.clock_ms)
    }

    /// Keeps chunks that were formed, after which the log ends in `tail`.
    fn hold(&mut self, chunks: Vec<EncodedChunk>, tail: Tail) -> Result<(), OutOfMemory> {
        let bytes: usize = chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        self.held.append(chunks)?;
        self.formed_bytes += bytes as u64;
        self.tail = tail;
        Ok(())
    }

    /// The level of the next append, which reaches to the last chunk formed.
    fn level(&self, now_ms: u64) -> Level {
        let is_asked_for = self.sync_wanted > self.durable && self.gathered.taken() >= self.sync_wanted;
        let is_due = match self.config.mode {
            Mode::Always => true,
            Mode::EverySecond => {
                self.strict_placed_ms.is_none_or(|placed_ms| now_ms.saturating_sub(placed_ms) >= STRICT_EVERY_MS)
            }
            Mode::No => false,
        };
        let repeats_durable = self.awaits_durable();
        let keeps_much = self.held.kept_bytes() + self.held.unwritten_bytes() > self.config.busy_bytes / 2;
        let keeps_too_much = self.config.keeps_until_durable && keeps_much;
        let is_durable = self.strict_wanted || is_asked_for || is_due || repeats_durable || keeps_too_much;
        if is_durable { Level::Durable } else { Level::Written }
    }

    fn place(&mut self, now_ms: u64, level: Level) -> Append {
        let ticket = self.next_ticket();
        let (mut first_sequence, last_sequence) = (self.held.carry_from(), self.held.last());
        if let Some(newest) = self.placed.last().filter(|_| self.breaks(Rule::CarryAgain)) {
            first_sequence = newest.last_sequence + 1;
        }
        if level == Level::Durable {
            self.strict_placed_ms = Some(now_ms);
        }
        let position = if self.breaks(Rule::ClaimWhatIsCarried) { self.pushed() } else { self.gathered.taken() };
        self.placed.push(Placed { ticket, level, first_sequence, last_sequence, position, placed_ms: now_ms });
        if planted(Bug::AckBeforeComplete) {
            self.advance(position, last_sequence, level);
        }
        let chunks = (last_sequence + 1).saturating_sub(first_sequence);
        Append { ticket, level, epoch: self.tail.epoch, first_sequence, chunks }
    }

    /// An append was done, and with it all that were placed before and carried the same chunks.
    fn append_done(&mut self, place: usize) {
        let Some(&done) = self.placed.get(place) else { return };
        self.placed.drain(..=place);
        self.fault = None;
        self.failures = 0;
        let is_durable = done.level == Level::Durable;
        if is_durable {
            self.strict_wanted = false;
        }
        if is_durable || !self.config.keeps_until_durable || self.breaks(Rule::KeepUntilDurable) {
            self.held.release(done.last_sequence);
        } else {
            self.held.mark_written(done.last_sequence);
        }
        let level = if self.breaks(Rule::TellLevelsApart) { Level::Durable } else { done.level };
        self.advance(done.position, done.last_sequence, level);
    }

    fn advance(&mut self, position: Position, sequence: u64, level: Level) {
        self.written = self.written.max(position);
        self.written_sequence = self.written_sequence.max(sequence);
        if level == Level::Durable {
            self.durable = self.durable.max(position);
            self.durable_sequence = self.durable_sequence.max(sequence);
        }
    }

    /// An append failed. If a later one is on its way, that carries the same chunks and decides.
    fn append_failed(&mut self, now_ms: u64, place: usize, fault: StorageFault) {
        if place + 1 == self.placed.len() {
            self.fail(now_ms, fault);
        } else {
            self.placed.remove(place);
        }
    }

    /// Gives up all requests and pauses.
    fn fail(&mut self, now_ms: u64, fault: StorageFault) {
        self.needs_segment |=
            self.awaits_durable() && self.config.keeps_until_durable && !self.breaks(Rule::TrustNoFailedSync);
        self.placed.clear();
        if self.breaks(Rule::KeepWhatFailed) {
            self.held.release(self.held.last());
        }
        self.strict_placed_ms = None;
        self.distrusts_connection = false;
        self.fault = Some(fault);
        let pause_ms = self.config.retry_ms_min.saturating_mul(1 << self.failures.min(30));
        let until_ms = now_ms.saturating_add(pause_ms.min(self.config.retry_ms_max));
        self.failures = self.failures.saturating_add(1);
        self.state = State::Paused { failed_ms: now_ms, until_ms };
    }

    fn mend(&mut self, now_ms: u64) -> WriterRequest {
        let ticket = self.next_ticket();
        self.state = State::Mending { ticket, asked_ms: now_ms };
        if self.needs_segment { WriterRequest::NewSegment(ticket) } else { WriterRequest::Reopen(ticket) }
    }

    /// A new segment is there: all that is not durable goes into it.
    fn begin_segment(&mut self) {
        if !self.needs_segment {
            return;
        }
        self.needs_segment = false;
        self.distrusts_connection = false;
        self.strict_wanted = true;
        self.held.carry_again(0);
        self.state = State::Open;
    }

    /// Gives up a request that takes too long. A clock that went back would let everything take too long, or nothing:
    /// what began in its future begins now.
    fn watch(&mut self, now_ms: u64) {
        for placed in &mut self.placed {
            placed.placed_ms = placed.placed_ms.min(now_ms);
        }
        self.strict_placed_ms = self.strict_placed_ms.map(|placed_ms| placed_ms.min(now_ms));
        let oldest_ms = match &mut self.state {
            State::Open => self.placed.first().map(|oldest| oldest.placed_ms),
            State::Paused { failed_ms, until_ms } => {
                let ahead_ms = failed_ms.saturating_sub(now_ms);
                (*failed_ms, *until_ms) = (*failed_ms - ahead_ms, *until_ms - ahead_ms);
                None
            }
            State::Mending { asked_ms, .. } => {
                *asked_ms = now_ms.min(*asked_ms);
                Some(*asked_ms)
            }
            State::Ended(_) => None,
        };
        if oldest_ms.is_some_and(|since_ms| now_ms - since_ms >= self.config.answer_ms_max) {
            self.fail(now_ms, StorageFault::NoAnswer);
        }
    }

    /// Whether a rule is to be broken: by a test beside this file in one writer, or by a planted bug in all.
    fn breaks(&self, rule: Rule) -> bool {
        #[cfg(test)]
        if self.broken == Some(rule) {
            return true;
        }
        rule.bug().is_some_and(planted)
    }
}

/// The rules that keep what was acknowledged. The tests break one at a time to see that the simulation notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rule {
    /// An append repeats what is unanswered.
    CarryAgain,
    /// What failed is carried by the next append.
    KeepWhatFailed,
    /// An answer acknowledges what its append carried, not what was pushed since.
    ClaimWhatIsCarried,
    /// Written is not durable.
    TellLevelsApart,
    /// After reopening, the log has to end in a chunk of ours.
    CompareTheTail,
    /// An owner that was superseded stops.
    HeedTheFence,
    /// Where a failed sync loses what was written, it is kept until it is durable.
    KeepUntilDurable,
    /// After a failed sync nothing more goes into the same segment.
    TrustNoFailedSync,
}

impl Rule {
    /// The bug that breaks it; none where only the tests beside this file would notice.
    fn bug(self) -> Option<Bug> {
        match self {
            Rule::CarryAgain => Some(Bug::CarryOnlyNew),
            Rule::KeepWhatFailed => Some(Bug::ForgetWhatFailed),
            Rule::ClaimWhatIsCarried => Some(Bug::ClaimWhatIsGathered),
            Rule::TellLevelsApart => Some(Bug::CallWrittenDurable),
            Rule::CompareTheTail => None,
            Rule::HeedTheFence => Some(Bug::SkipEpoch),
            Rule::KeepUntilDurable => Some(Bug::ReleaseBeforeDurable),
            Rule::TrustNoFailedSync => Some(Bug::TrustFailedSync),
        }
    }
}
