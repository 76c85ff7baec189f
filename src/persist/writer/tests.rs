//! The writer against a storage that fails in every way that concerns appends.
//!
//! One seed decides everything: what is pushed, when the clock moves and whereto, what the storage does with each
//! request, when the answer comes or whether it comes at all, when the process dies or the power goes, when another
//! owner takes over. After each event the rules are checked that nobody may break: the log has no hole, a sequence
//! never changes its bytes, nothing is acknowledged that is not stored, memory is bounded, and in the end, when the
//! storage works again, everything pushed becomes durable.
//!
//! Each rule inside the writer is then broken once: the simulation has to notice.

use std::collections::{BTreeMap, VecDeque};
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use super::super::chunk::{Chunk, ChunkAssembler, Tail};
use super::*;

const LOG_ID: u64 = 77;

const SEEDS: u64 = 2_000;

/// Small sizes, so that each boundary is met often.
fn small_config(random: &mut Random, medium: Medium) -> WriterConfig {
    WriterConfig {
        mode: *random.pick(&[Mode::Always, Mode::EverySecond, Mode::No]),
        chunk_bytes_max: 100 + random.below(200) as usize,
        group_bytes_max: 200 + random.below(600) as usize,
        busy_bytes: 2_000,
        answer_ms_max: 10_000,
        retry_ms_min: 50,
        retry_ms_max: 2_000,
        keeps_until_durable: medium == Medium::File,
    }
}

/// What a writer may hold: twice what makes it busy, the push that exceeded it, what is kept until it is durable, the
/// headers of very small chunks, and what vectors reserve ahead.
const MEMORY_MAX: usize = 64 << 10;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Mostly something usual, sometimes something large.
    fn size(&mut self, usual_max: u64, large_max: u64) -> u64 {
        let max = if self.one_in(15) { large_max } else { usual_max };
        1 + self.below(max)
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len() as u64) as usize]
    }
}

/// IndexedDB and Durable Objects store an append as a whole or not at all. In a file it can be torn, and a failed sync
/// loses what was written before without telling the next one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Medium {
    Atomic,
    File,
}

#[derive(Clone)]
struct StoredChunk {
    bytes: Vec<u8>,
    is_durable: bool,
    /// Dropped by a failed sync: gone when the power goes, whatever later syncs say.
    is_doomed: bool,
}

/// What a storage is asked for, in the order in which it was asked.
#[derive(Clone)]
enum Job {
    Append { append: Append, chunks: Vec<(u64, Vec<u8>)>, connection: u64 },
    Reopen(Ticket),
    NewSegment(Ticket),
}

enum Report {
    Answered(Ticket, Answer),
    Reopened(Ticket, Tail, u64),
}

#[derive(Default)]
struct Storage {
    segments: Vec<BTreeMap<u64, StoredChunk>>,
    /// Where the snapshot ends, and all units that it covers.
    snapshot: Option<(Tail, usize)>,
    epoch: u64,
    connection: u64,
    is_broken: bool,
    jobs: VecDeque<Job>,
    reports: VecDeque<Report>,
}

impl Storage {
    fn last_sequence(&self) -> u64 {
        let stored = self.segments.iter().filter_map(|segment| segment.keys().last()).max();
        stored.copied().unwrap_or(0).max(self.base().sequence)
    }

    fn base(&self) -> Tail {
        self.snapshot.map_or(Tail::new(LOG_ID), |(tail, _)| tail)
    }

    fn put(&mut self, sequence: u64, bytes: &[u8]) -> Result<(), String> {
        if sequence > self.last_sequence() + 1 {
            return Err(format!("a hole: chunk {sequence} behind chunk {}", self.last_sequence()));
        }
        let old = self.segments.iter().find_map(|segment| segment.get(&sequence));
        if old.is_some_and(|old| old.bytes != bytes) {
            return Err(format!("chunk {sequence} has changed"));
        }
        let segment = self.segments.last_mut().unwrap();
        let fresh = StoredChunk { bytes: bytes.to_vec(), is_durable: false, is_doomed: false };
        segment.entry(sequence).or_insert(fresh);
        Ok(())
    }

    fn sync(&mut self, medium: Medium) {
        // A database has one log; of files only the open one is synced.
        let first = if medium == Medium::File { self.segments.len() - 1 } else { 0 };
        for chunk in self.segments[first..].iter_mut().flat_map(BTreeMap::values_mut) {
            chunk.is_durable |= !chunk.is_doomed;
        }
    }

    fn fail_sync(&mut self) {
        for chunk in self.segments.last_mut().unwrap().values_mut().filter(|chunk| !chunk.is_durable) {
            chunk.is_doomed = true;
        }
    }

    /// What can be read: a chunk in a newer segment stands for the older one, which is the same.
    fn visible(&self) -> BTreeMap<u64, Vec<u8>> {
        let all = self.segments.iter().flatten();
        all.map(|(&sequence, chunk)| (sequence, chunk.bytes.clone())).collect()
    }

    /// The power goes: of what is not durable, each segment keeps a prefix that chance decides, in a database one of
    /// whole groups.
    fn lose_power(&mut self, random: &mut Random, medium: Medium) {
        for segment in &mut self.segments {
            let loose: Vec<u64> = segment.iter().filter(|(_, it)| !it.is_durable).map(|(&it, _)| it).collect();
            let mut kept = random.below(loose.len() as u64 + 1) as usize;
            let is_last = |place: usize| Chunk::decode(&segment[&loose[place]].bytes).unwrap().is_last;
            while medium == Medium::Atomic && kept > 0 && !is_last(kept - 1) {
                kept -= 1;
            }
            for (index, sequence) in loose.iter().enumerate() {
                if index >= kept || segment[sequence].is_doomed {
                    segment.remove(sequence);
                }
            }
        }
    }
}

struct World {
    random: Random,
    medium: Medium,
    storage: Storage,
    writer: Writer,
    broken: Option<Rule>,
    /// All effects that were pushed and not lost, and where each unit ends.
    history: Vec<u8>,
    ends: Vec<usize>,
    now_ms: u64,
    has_faults: bool,
    /// A chunk that had been acknowledged was taken away.
    is_damaged: bool,
    /// Where a snapshot that is waiting to be stored ends.
    sealed: Option<(Tail, Position)>,
    /// What happened, and how often.
    seen: BTreeMap<&'static str, u64>,
}

impl World {
    fn new(seed: u64, broken: Option<Rule>) -> World {
        let mut random = Random(seed);
        let medium = *random.pick(&[Medium::Atomic, Medium::File]);
        let config = small_config(&mut random, medium);
        let writer = Writer::new(config, Tail::new(LOG_ID), Position(0)).unwrap();
        let storage = Storage { segments: vec![BTreeMap::new()], ..Storage::default() };
        let mut world = World {
            random,
            medium,
            storage,
            writer,
            broken,
            history: Vec::new(),
            ends: Vec::new(),
            now_ms: 1_000_000,
            has_faults: true,
            is_damaged: false,
            sealed: None,
            seen: BTreeMap::new(),
        };
        world.open().unwrap();
        world
    }

    fn note(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn run(&mut self, events: u64) -> Result<(), String> {
        for _ in 0..events {
            self.event()?;
            self.check()?;
            if self.is_damaged && self.writer.refusal() == Some(Refusal::Corrupt) {
                self.note("damage is noticed");
                return Ok(());
            }
        }
        self.come_to_rest()
    }

    fn event(&mut self) -> Result<(), String> {
        match self.random.below(300) {
            0..60 => self.push(),
            60..140 => self.ask()?,
            140..200 => self.execute()?,
            200..260 => self.deliver(),
            260..274 => self.now_ms += *self.random.pick(&[1, 20, 500, 1_500, 11_000]),
            274..276 => self.now_ms -= self.random.below(5_000),
            276..280 => self.writer.flush_now(),
            280..284 => drop(self.writer.sync()),
            284..294 => self.snapshot()?,
            294 => self.crash(false)?,
            295 => self.crash(true)?,
            296 => self.take_over()?,
            _ => self.damage(),
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), String> {
        self.writer.validate()?;
        if self.writer.memory() > MEMORY_MAX {
            return Err(format!("{} bytes are held", self.writer.memory()));
        }
        let is_final = matches!(self.writer.refusal(), Some(Refusal::Corrupt | Refusal::Fenced));
        if is_final && !self.is_damaged {
            return Err(format!("{:?} without a reason", self.writer.refusal()));
        }
        Ok(())
    }

    /// Some units in some runs, unless the writer is overloaded or refuses.
    fn push(&mut self) {
        if self.writer.is_overloaded() || self.writer.refusal().is_some() {
            return;
        }
        let mut effects = Vec::new();
        let units = self.random.size(3, 60);
        for index in 0..units {
            let begins_run = index == 0 || self.random.one_in(5);
            let start = effects.len();
            let length = self.random.size(40, 700) as usize;
            push_unit(&mut effects, length, if begins_run { 0 } else { 5 }, self.random.next() as u8);
            self.history.extend_from_slice(&effects[start..]);
            self.ends.push(self.history.len());
        }
        self.writer.push(&mut effects, Position(self.ends.len() as u64)).unwrap();
        assert!(effects.is_empty());
    }

    fn ask(&mut self) -> Result<(), String> {
        let connection = self.storage.connection;
        let job = match self.writer.next_request(self.now_ms).unwrap() {
            None => return Ok(()),
            Some(WriterRequest::Reopen(ticket)) => Job::Reopen(ticket),
            Some(WriterRequest::NewSegment(ticket)) => Job::NewSegment(ticket),
            Some(WriterRequest::Append(append)) => {
                let chunks: Vec<_> =
                    self.writer.chunks(&append).map(|chunk| (chunk.sequence, chunk.bytes.clone())).collect();
                if chunks.len() as u64 != append.chunks {
                    return Err("an append without its chunks".to_string());
                }
                Job::Append { append, chunks, connection }
            }
        };
        self.storage.jobs.push_back(job);
        Ok(())
    }

    /// The storage does the next thing it was asked for, well or badly.
    fn execute(&mut self) -> Result<(), String> {
        let Some(job) = self.storage.jobs.pop_front() else { return Ok(()) };
        let fails = self.has_faults && self.random.one_in(4);
        match job {
            Job::Append { append, chunks, connection } => self.execute_append(append, &chunks, connection, fails),
            Job::Reopen(ticket) => {
                if fails {
                    self.report_failure(ticket);
                    return Ok(());
                }
                self.note("reopened");
                self.storage.connection += 1;
                self.storage.is_broken = false;
                let (tail, _) = self.read()?;
                self.storage.reports.push_back(Report::Reopened(ticket, tail, self.storage.epoch));
                Ok(())
            }
            Job::NewSegment(ticket) => {
                if fails {
                    self.report_failure(ticket);
                    return Ok(());
                }
                self.note("a new segment");
                self.storage.segments.push(BTreeMap::new());
                self.storage.connection += 1;
                self.storage.is_broken = false;
                self.storage.reports.push_back(Report::Answered(ticket, Answer::Done));
                Ok(())
            }
        }
    }

    fn execute_append(
        &mut self,
        append: Append,
        chunks: &[(u64, Vec<u8>)],
        connection: u64,
        fails: bool,
    ) -> Result<(), String> {
        let ticket = append.ticket;
        if append.epoch < self.storage.epoch {
            self.note("fenced");
            self.storage.reports.push_back(Report::Answered(ticket, Answer::Fenced));
            return Ok(());
        }
        let is_dead = connection != self.storage.connection || self.storage.is_broken;
        if is_dead || (fails && self.random.one_in(2)) {
            self.storage.is_broken |= self.random.one_in(2);
            self.note("an append fails");
            self.report_failure(ticket);
            return Ok(());
        }
        for (sequence, bytes) in chunks {
            self.storage.put(*sequence, bytes)?;
        }
        if append.level == Level::Durable && self.medium == Medium::File && fails {
            self.storage.fail_sync();
            self.note("a sync fails");
        } else if append.level == Level::Durable && !(fails && self.random.one_in(2)) {
            self.storage.sync(self.medium);
        }
        if chunks.is_empty() {
            self.note("a barrier");
        }
        if fails {
            self.note("an append fails and is stored");
            self.report_failure(ticket);
            return Ok(());
        }
        self.storage.reports.push_back(Report::Answered(ticket, Answer::Done));
        if self.has_faults && self.random.one_in(10) {
            self.note("an append is stored twice");
            // Nobody syncs a file unasked: a failure would be told to nobody.
            let level = if self.medium == Medium::File { Level::Written } else { append.level };
            let job = Job::Append { append: Append { level, ..append }, chunks: chunks.to_vec(), connection };
            self.storage.jobs.push_back(job);
        }
        Ok(())
    }

    /// A failure, or silence.
    fn report_failure(&mut self, ticket: Ticket) {
        let faults = [StorageFault::Io, StorageFault::Quota, StorageFault::Closed];
        let fault = *self.random.pick(&faults);
        if self.random.one_in(3) {
            self.note("no answer");
        } else {
            self.storage.reports.push_back(Report::Answered(ticket, Answer::Failed(fault)));
        }
    }

    /// An answer arrives, mostly in order, sometimes twice.
    fn deliver(&mut self) {
        let Some(report) = self.storage.reports.pop_front() else { return };
        if self.has_faults && self.random.one_in(10) {
            self.storage.reports.push_back(report);
            return self.note("an answer is overtaken");
        }
        match report {
            Report::Reopened(ticket, tail, epoch) => self.writer.reopened(ticket, tail, epoch),
            Report::Answered(ticket, answer) => {
                self.writer.answered(self.now_ms, ticket, answer);
                if self.random.one_in(5) {
                    self.writer.answered(self.now_ms, ticket, answer);
                }
            }
        }
    }

    /// Begins a snapshot, or stores the one that was begun as soon as the log has reached it.
    fn snapshot(&mut self) -> Result<(), String> {
        if self.medium == Medium::File || self.is_damaged || self.writer.refusal().is_some() {
            return Ok(());
        }
        let Some((tail, position)) = self.sealed else {
            self.sealed = Some(self.writer.seal(self.now_ms).unwrap());
            return Ok(());
        };
        if self.writer.written() >= position && self.storage.last_sequence() >= tail.sequence {
            self.sealed = None;
            self.note("a snapshot");
            self.storage.snapshot = Some((tail, position.0 as usize));
            self.storage.sync(self.medium);
            for segment in &mut self.storage.segments {
                segment.retain(|&sequence, _| sequence > tail.sequence);
            }
            self.writer.covered(tail.sequence, position);
        }
        Ok(())
    }

    /// The process dies, or the power goes: what was acknowledged has to be there.
    fn crash(&mut self, loses_power: bool) -> Result<(), String> {
        let acknowledged = if loses_power { self.writer.durable() } else { self.writer.written() };
        for _ in 0..self.random.below(3) {
            self.execute()?;
        }
        self.tear()?;
        self.note("a crash");
        if loses_power {
            self.note("the power goes");
            self.storage.lose_power(&mut self.random, self.medium);
        }
        self.restart(acknowledged)
    }

    /// In a file, chance decides how much of an append was written when the process dies.
    fn tear(&mut self) -> Result<(), String> {
        let job = self.storage.jobs.pop_front();
        let Some(Job::Append { append, chunks, connection }) = job else { return Ok(()) };
        let is_writable = connection == self.storage.connection && append.epoch == self.storage.epoch;
        if self.medium == Medium::File && is_writable && !self.storage.is_broken {
            let count = self.random.below(chunks.len() as u64 + 1) as usize;
            self.note("an append is torn");
            for (sequence, bytes) in &chunks[..count] {
                self.storage.put(*sequence, bytes)?;
            }
        }
        Ok(())
    }

    /// Another owner takes over while this one goes on for a while.
    fn take_over(&mut self) -> Result<(), String> {
        if self.is_damaged {
            return Ok(());
        }
        self.storage.epoch += 1;
        let (_, units) = self.read()?;
        let acknowledged = self.writer.written();
        for _ in 0..self.random.below(60) {
            match self.random.below(4) {
                0 => self.push(),
                1 => self.ask()?,
                2 => self.execute()?,
                _ => self.deliver(),
            }
            self.now_ms += self.random.below(500);
            self.writer.validate()?;
            if self.writer.written().0 > units as u64 {
                return Err("a superseded owner acknowledges what is not stored".to_string());
            }
        }
        self.restart(acknowledged)
    }

    /// Loses the last group although it was acknowledged; the writer has to notice when it reopens.
    fn damage(&mut self) {
        let last = self.storage.last_sequence();
        let is_quiet = self.storage.jobs.is_empty() && self.storage.reports.is_empty();
        let will_reopen = matches!(self.writer.state, State::Paused { .. }) && self.medium == Medium::Atomic;
        let is_acknowledged = self.writer.held.carry_from() == last + 1 && self.storage.base().sequence < last;
        if is_quiet && will_reopen && is_acknowledged {
            let log = &mut self.storage.segments[0];
            log.pop_last();
            while log.last_key_value().is_some_and(|(_, chunk)| !Chunk::decode(&chunk.bytes).unwrap().is_last) {
                log.pop_last();
            }
            self.is_damaged = true;
        }
    }

    /// A new owner reads what is there and goes on from it.
    fn restart(&mut self, acknowledged: Position) -> Result<(), String> {
        if self.is_damaged {
            let seen = core::mem::take(&mut self.seen);
            *self = World { seen, ..World::new(self.random.next(), self.broken) };
            return Ok(());
        }
        let (tail, units) = self.read()?;
        if (units as u64) < acknowledged.0 {
            return Err(format!("{units} units are stored, {} were acknowledged", acknowledged.0));
        }
        // Taking over is durable, and cuts off what is torn.
        let whole = self.storage.visible().into_iter().filter(|&(sequence, _)| sequence <= tail.sequence);
        let durable = |bytes| StoredChunk { bytes, is_durable: true, is_doomed: false };
        self.storage.segments = vec![whole.map(|(sequence, bytes)| (sequence, durable(bytes))).collect()];
        self.storage.jobs.clear();
        self.storage.reports.clear();
        self.ends.truncate(units);
        self.history.truncate(self.ends.last().copied().unwrap_or(0));
        self.sealed = None;
        let config = small_config(&mut self.random, self.medium);
        self.writer = Writer::new(config, tail, Position(units as u64)).map_err(|fault| fault.to_string())?;
        self.open()
    }

    fn open(&mut self) -> Result<(), String> {
        self.storage.epoch += 1;
        self.storage.connection += 1;
        self.storage.is_broken = false;
        self.writer.broken = self.broken;
        self.writer.take_over(self.now_ms, self.storage.epoch).map_err(|fault| fault.to_string())
    }

    /// Reads the log as recovery would: the end of the last whole group, and how many units there are up to it. What is
    /// read has to be the beginning of what was pushed.
    fn read(&self) -> Result<(Tail, usize), String> {
        let mut units = self.storage.snapshot.map_or(0, |(_, units)| units);
        let mut read = self.history[..units.checked_sub(1).map_or(0, |last| self.ends[last])].to_vec();
        let mut assembler = ChunkAssembler::new(self.storage.base());
        // A repeated append may bring back what a snapshot has removed.
        for (_, bytes) in self.storage.visible().range(self.storage.base().sequence + 1..) {
            if let Some(group) = assembler.push(bytes).map_err(|fault| fault.to_string())? {
                units += group.units as usize;
                read.extend_from_slice(group.journal);
            }
        }
        if assembler.is_group_open() && self.medium == Medium::Atomic {
            return Err("half a group is stored".to_string());
        }
        let end = units.checked_sub(1).map_or(Some(0), |last| self.ends.get(last).copied());
        if end != Some(read.len()) || !self.history.starts_with(&read) {
            return Err("what is stored is not what was pushed".to_string());
        }
        Ok((assembler.whole_tail(), units))
    }

    /// The storage works again: everything becomes durable, and the writer no longer refuses anything.
    fn come_to_rest(&mut self) -> Result<(), String> {
        self.has_faults = false;
        let wanted = self.writer.sync();
        for _ in 0..400 {
            self.ask()?;
            self.execute()?;
            self.deliver();
            self.now_ms += 50;
            self.check()?;
            if self.is_damaged && self.writer.refusal() == Some(Refusal::Corrupt) {
                return Ok(());
            }
        }
        if self.writer.durable() < wanted || self.writer.refusal().is_some() || self.writer.unwritten_bytes() > 0 {
            let (durable, refusal) = (self.writer.durable(), self.writer.refusal());
            return Err(format!("stuck: {durable:?} of {wanted:?}, {refusal:?}"));
        }
        let acknowledged = self.writer.durable();
        self.crash(true)?;
        if self.is_damaged || self.ends.len() as u64 >= acknowledged.0 {
            return Ok(());
        }
        Err("what was durable is gone".to_string())
    }
}

fn push_unit(effects: &mut Vec<u8>, length: usize, tag: u8, fill: u8) {
    assert!((1..1 << 14).contains(&length));
    if length >= 128 {
        effects.push((length & 127) as u8 | 128);
        effects.push((length >> 7) as u8);
    } else {
        effects.push(length as u8);
    }
    effects.push(tag);
    effects.resize(effects.len() + length - 1, fill);
}

#[test]
fn nothing_acknowledged_is_ever_lost() {
    let mut seen = BTreeMap::new();
    for seed in 0..SEEDS {
        let mut world = World::new(seed, None);
        if let Err(reason) = world.run(600) {
            panic!("seed {seed}: {reason}");
        }
        for (what, times) in world.seen {
            *seen.entry(what).or_insert(0) += times;
        }
    }
    // A simulation in which nothing happens proves nothing.
    assert_eq!(seen.len(), 15, "{seen:?}");
    assert!(seen.values().all(|&times| times >= SEEDS / 20), "{seen:?}");
}

#[test]
fn breaking_any_rule_is_noticed() {
    let rules = [
        Rule::CarryAgain,
        Rule::KeepWhatFailed,
        Rule::ClaimWhatIsCarried,
        Rule::TellLevelsApart,
        Rule::CompareTheTail,
        Rule::HeedTheFence,
        Rule::KeepUntilDurable,
        Rule::TrustNoFailedSync,
    ];
    for rule in rules {
        let noticed = (0..500).find_map(|seed| World::new(seed, Some(rule)).run(600).err());
        assert!(noticed.is_some(), "{rule:?} can be broken and nobody notices");
    }
}
