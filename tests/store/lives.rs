//! Random lives of a store: one seed decides the commands, what the storage does with each request and when the answer
//! comes, how the clock goes, when the process dies or the power goes, when another owner takes over.
//!
//! What is known of the truth is the hash of the state at each position. After each thing that the storage does, the
//! manifest that stands has all its parts. Whenever somebody opens the storage, the state is one that was, not older
//! than what had been acknowledged; no part ID is given twice; nobody who was superseded is told that anything is
//! stored; and once nothing fails any more, everything becomes durable and nothing is left that is not needed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use brooklet::persist::{
    Manifest, Mode, RecoveryConfig, Refusal, StorageFault, Store, StoreAnswer, StoreConfig, Ticket, WriterConfig,
};
use brooklet::{Config, Engine, Position, Reply, Session};

use crate::history::open_into;
use crate::random::Random;
use crate::steps::number_from_environment;
use crate::storage::{Job, MemoryStorage, Work};

const SEEDS: u64 = 300;
const EVENTS: u64 = 3000;
const LOG_ID: u64 = 77;

fn random_config(random: &mut Random) -> StoreConfig {
    let modes = [Mode::Always, Mode::EverySecond, Mode::No];
    StoreConfig {
        writer: WriterConfig {
            mode: modes[random.below(3) as usize],
            chunk_bytes_max: 100 + random.below(300) as usize,
            group_bytes_max: 300 + random.below(600) as usize,
            keeps_until_durable: random.percent(30),
            retry_ms_max: 2000,
            ..WriterConfig::default()
        },
        log_bytes_min: 500 + random.below(3000),
        log_chunks_max: 5 + random.below(60),
        part_bytes_max: 60 + random.below(400) as usize,
        put_bytes_max: 500 + random.below(6000) as usize,
        work_bytes: 100 + random.below(1000) as usize,
        delete_parts_max: 1 + random.below(40) as usize,
        witness_every_ms: 1000,
    }
}

struct World {
    random: Random,
    storage: MemoryStorage,
    engine: Engine,
    store: Store,
    /// The hash of the state at each position.
    hashes: BTreeMap<Position, u64>,
    now_ms: u64,
    next_entry: u64,
    connection: u64,
    is_broken: bool,
    jobs: VecDeque<(u64, Job)>,
    answers: VecDeque<(Ticket, StoreAnswer)>,
    ids_given: BTreeSet<u64>,
    has_faults: bool,
    is_superseded: bool,
    seen: BTreeMap<&'static str, u64>,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random::new(seed);
        let mut storage = MemoryStorage::default();
        let (engine, store) = open(&mut storage, &mut random, 1_000_000);
        World {
            random,
            storage,
            hashes: BTreeMap::from([(engine.position(), engine.state_hash())]),
            engine,
            store,
            now_ms: 1_000_000,
            next_entry: 1,
            connection: 0,
            is_broken: false,
            jobs: VecDeque::new(),
            answers: VecDeque::new(),
            ids_given: BTreeSet::new(),
            has_faults: true,
            is_superseded: false,
            seen: BTreeMap::new(),
        }
    }

    fn note(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn live(&mut self) {
        for _ in 0..EVENTS {
            self.event();
            self.check();
        }
        self.come_to_rest();
    }

    fn event(&mut self) {
        match self.random.below(1000) {
            0..120 => self.command(),
            120..380 => self.ask(),
            380..540 => self.store.work(&mut self.engine, self.now_ms),
            540..760 => self.execute(),
            760..960 => self.deliver(),
            960..980 => self.now_ms += [1, 20, 500, 1500, 11_000][self.random.below(5) as usize],
            980..982 => self.now_ms = self.now_ms.saturating_sub(self.random.below(5000)),
            982..986 => self.store.compact(),
            986..988 => drop(self.store.sync()),
            988..990 => self.store.flush_now(),
            990..996 => self.look(),
            996 => self.crash(false),
            997 => self.crash(true),
            998 => self.take_over(),
            _ => self.close(),
        }
    }

    fn check(&mut self) {
        self.store.validate().expect("no invariant is broken");
        let refusal = self.store.refusal();
        let is_expected = match refusal {
            Some(Refusal::Fenced) => self.is_superseded,
            Some(Refusal::Corrupt) => false,
            _ => true,
        };
        assert!(is_expected, "{refusal:?} without a reason");
        assert!(self.store.memory() < 200_000, "{} bytes are held", self.store.memory());
    }

    fn command(&mut self) {
        if self.store.refusal().is_some() {
            return;
        }
        let key = ["a", "b", "c"][self.random.below(3) as usize];
        self.next_entry += 1;
        let (entry, recent) = (self.next_entry, self.next_entry.saturating_sub(self.random.below(20)));
        let size = if self.random.percent(4) { 3000 } else { 1 + self.random.below(60) as usize };
        let line = match self.random.below(40) {
            0..24 => format!("XADD {key} {entry}-1 field {}", "v".repeat(size)),
            24..28 => format!("XDEL {key} {recent}-1"),
            28..30 => format!("XTRIM {key} MAXLEN {}", self.random.below(30)),
            30..32 => format!("XGROUP CREATE {key} group 0 MKSTREAM"),
            32..35 => format!("XREADGROUP GROUP group me COUNT 3 STREAMS {key} >"),
            35..37 => format!("XACK {key} group {recent}-1"),
            37 => format!("DEL {key}"),
            38 => format!("SET {key} {entry}"),
            _ if self.random.percent(10) => "FLUSHALL".into(),
            _ => format!("RENAME {key} d"),
        };
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let clock_ms = self.store.clock(self.now_ms);
        self.engine.call(clock_ms, Session::default(), &argv, &mut Reply::new());
        self.store.gather(&mut self.engine).expect("there is memory");
        self.hashes.insert(self.engine.position(), self.engine.state_hash());
    }

    fn ask(&mut self) {
        let Some(request) = self.store.next_request(&mut self.engine, self.now_ms).expect("there is memory") else {
            return;
        };
        let job = Job::new(&self.store, &request);
        if let Work::PutParts { parts, .. } = &job.work {
            for (id, _) in parts {
                assert!(self.ids_given.insert(*id), "part ID {id} is given twice");
            }
        }
        self.jobs.push_back((self.connection, job));
    }

    /// The storage does the next thing it was asked for, or the next append before it.
    fn execute(&mut self) {
        let is_append = |job: &Job| matches!(job.work, Work::Append { .. });
        let first_append = self.jobs.iter().position(|(_, job)| is_append(job));
        let place = first_append.filter(|_| self.random.percent(30)).unwrap_or(0);
        let Some((connection, job)) = self.jobs.remove(place) else { return };
        let is_reopening = matches!(job.work, Work::Reopen | Work::NewSegment);
        let is_outside = matches!(job.work, Work::WriteWitness(_));
        let is_dead = !is_reopening && !is_outside && (connection != self.connection || self.is_broken);
        let percent = if matches!(job.work, Work::Flip { .. }) { 50 } else { 12 };
        let fails = self.has_faults && self.random.percent(percent);
        if is_dead {
            return self.answer_failure(job.ticket);
        }
        if fails && self.random.percent(50) {
            self.is_broken |= self.random.percent(50);
            self.note("a request fails");
            return self.answer_failure(job.ticket);
        }
        if is_reopening {
            self.note("reopened");
            self.connection += 1;
            self.is_broken = false;
        }
        let answer = self.storage.perform_job(&job);
        self.check_manifest();
        self.note(match &job.work {
            Work::Flip { .. } if fails => "a flip happens and fails",
            Work::Flip { .. } => "a flip",
            Work::PutParts { .. } if fails => "a put happens and fails",
            Work::ReadManifest => "a manifest is read",
            Work::DeleteParts { .. } => "parts are deleted",
            _ => "something else",
        });
        if fails {
            return self.answer_failure(job.ticket);
        }
        self.answers.push_back((job.ticket, answer));
        if self.has_faults && is_append(&job) && self.random.percent(8) {
            self.note("an append is stored twice");
            self.jobs.push_back((connection, job));
        }
    }

    fn answer_failure(&mut self, ticket: Ticket) {
        if self.has_faults && self.random.percent(25) {
            return self.note("no answer");
        }
        let faults = [StorageFault::Io, StorageFault::Quota, StorageFault::Closed];
        let fault = faults[self.random.below(3) as usize];
        self.answers.push_back((ticket, StoreAnswer::Failed(fault)));
    }

    fn deliver(&mut self) {
        let Some((ticket, answer)) = self.answers.pop_front() else { return };
        if self.has_faults && self.random.percent(10) {
            return self.answers.push_back((ticket, answer));
        }
        if self.random.percent(10) {
            self.answers.push_back((ticket, answer.clone()));
        }
        self.store.answered(self.now_ms, ticket, answer);
    }

    /// All parts that the manifest lists are there.
    fn check_manifest(&self) {
        let Some(manifest) = &self.storage.stored.manifest else { return };
        let manifest = Manifest::decode(manifest).expect("it is whole");
        for listed in &manifest.parts {
            let part = self.storage.stored.parts.get(&listed.id);
            let part = part.unwrap_or_else(|| panic!("part {} is listed and gone", listed.id));
            listed.decode(LOG_ID, part).expect("it is the one that is listed");
        }
    }

    /// Somebody looks what would be there if the process died now, or the power went.
    fn look(&mut self) {
        let mut process = self.storage.clone();
        self.check_opens(&mut process, self.store.written());
        let mut power = self.storage.clone();
        power.lose_power(self.random.below(power.undurable() as u64 + 1) as usize);
        self.check_opens(&mut power, self.store.durable());
    }

    fn check_opens(&self, storage: &mut MemoryStorage, acknowledged: Position) {
        let (engine, _) = open(storage, &mut self.random.clone(), self.now_ms);
        self.check_state(&engine, acknowledged);
    }

    /// Finds the position at which the state was this one; it has to be late enough.
    fn check_state(&self, engine: &Engine, acknowledged: Position) {
        let found = engine.state_hash();
        let is_known = self.hashes.range(acknowledged..).any(|(_, &hash)| hash == found);
        let was = self.hashes.iter().rfind(|(_, hash)| **hash == found).map(|(position, _)| position.0);
        assert!(is_known, "the state was that of position {was:?}, and {} was acknowledged", acknowledged.0);
    }

    fn crash(&mut self, loses_power: bool) {
        let acknowledged = if loses_power { self.store.durable() } else { self.store.written() };
        if loses_power {
            let survivors = self.random.below(self.storage.undurable() as u64 + 1) as usize;
            self.storage.lose_power(survivors);
            self.note("the power goes");
        } else {
            self.note("the process dies");
        }
        self.reopen(acknowledged);
    }

    /// Another owner takes over, and this one goes on for a while.
    fn take_over(&mut self) {
        let mut other = self.storage.clone();
        let (engine, _) = open(&mut other, &mut self.random.clone(), self.now_ms);
        self.storage = other;
        let acknowledged = self.store.written();
        let before = self.storage.stored.clone();
        self.is_superseded = true;
        for _ in 0..self.random.below(60) {
            match self.random.below(5) {
                0 => self.command(),
                1 => self.ask(),
                2 => self.execute(),
                3 => self.deliver(),
                _ => self.store.work(&mut self.engine, self.now_ms),
            }
            self.now_ms += self.random.below(300);
            self.check();
        }
        assert!(self.storage.stored == before, "a superseded owner has written");
        let hash = engine.state_hash();
        let stored = self.hashes.iter().rfind(|(_, found)| **found == hash).map(|(position, _)| *position);
        let claimed = self.store.written();
        assert!(stored.is_some_and(|stored| claimed <= stored), "a superseded owner acknowledges what is not stored");
        self.note("another owner takes over");
        self.reopen(acknowledged);
    }

    fn close(&mut self) {
        if !self.random.percent(50) {
            return;
        }
        self.store.close();
        for _ in 0..400 {
            self.ask();
            self.execute();
            self.deliver();
            self.now_ms += 50;
            self.check();
        }
        if self.store.is_closed() && self.store.refusal().is_none() {
            self.note("closed");
            let last = self.engine.position();
            assert_eq!(self.store.durable(), last);
            self.reopen(last);
        } else {
            self.crash(false);
        }
    }

    /// A new owner goes on with what is there.
    fn reopen(&mut self, acknowledged: Position) {
        let (engine, store) = open(&mut self.storage, &mut self.random, self.now_ms);
        self.check_state(&engine, acknowledged);
        self.hashes = BTreeMap::from([(engine.position(), engine.state_hash())]);
        (self.engine, self.store) = (engine, store);
        // What never arrived, or went with the power, was given to nobody.
        let manifest = self.storage.stored.manifest.as_ref().map(|bytes| Manifest::decode(bytes).expect("whole"));
        let counted = manifest.map_or(0, |manifest| manifest.next_part_id);
        let stored = &self.storage.stored.parts;
        self.ids_given.retain(|id| *id < counted || stored.contains_key(id));
        self.jobs.clear();
        self.answers.clear();
        self.is_superseded = false;
        self.is_broken = false;
        self.connection += 1;
    }

    /// Nothing fails any more: everything becomes durable, and nothing is left but what is needed.
    fn come_to_rest(&mut self) {
        self.has_faults = false;
        self.store.sync();
        for round in 0..3000 {
            if round == 1000 {
                self.store.compact();
            }
            self.ask();
            self.execute();
            self.deliver();
            self.store.work(&mut self.engine, self.now_ms);
            self.now_ms += 20;
            self.check();
        }
        assert_eq!(self.store.refusal(), None);
        assert_eq!(self.store.durable(), self.engine.position(), "stuck");
        let status = self.store.status();
        assert_eq!((status.progress, status.snapshot_fault), (None, None), "stuck");
        let listed = self.storage.stored.manifest.as_ref().map(|bytes| Manifest::decode(bytes).expect("whole"));
        let listed = listed.expect("there was time enough for a snapshot").parts;
        assert_eq!(self.storage.stored.parts.len(), listed.len(), "something is left");
        let log: Vec<u64> = self.storage.stored.log.keys().copied().collect();
        assert!(log.len() as u64 <= status.log.chunks, "{log:?} is left");
        assert_eq!(self.storage.witness.map(|witness| witness.durable_sequence), Some(status.durable_sequence));
        self.reopen(self.engine.position());
    }
}

/// An engine and a store, as the next owner. The clock of the host may be anything.
fn open(storage: &mut MemoryStorage, random: &mut Random, now_ms: u64) -> (Engine, Store) {
    let mut engine = Engine::new(Config { journal: true, node_entries_max: 7, ..Config::default() });
    let mut loader = brooklet::persist::Loader::new();
    let recovery = RecoveryConfig { page_bytes: 2000, ..RecoveryConfig::new(LOG_ID) };
    let recovered = open_into(storage, recovery, &mut |item| loader.take(&mut engine, item)).expect("it opens");
    engine.validate().expect("no invariant is broken");
    let store = Store::new(random_config(random), &engine, recovered, now_ms).expect("there is memory");
    (engine, store)
}

#[test]
fn nothing_that_was_acknowledged_is_lost_whatever_happens() {
    let (first, count) = match number_from_environment("BROOKLET_SEED") {
        Some(seed) => (seed, 1),
        None => (0, number_from_environment("BROOKLET_STORE_SEEDS").unwrap_or(SEEDS)),
    };
    let mut seen: BTreeMap<&'static str, u64> = BTreeMap::new();
    for seed in first..first + count {
        let lived = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            world.live();
            world.seen
        });
        let Ok(lived) = lived else { panic!("seed {seed}; BROOKLET_SEED={seed} repeats it") };
        for (what, times) in lived {
            *seen.entry(what).or_default() += times;
        }
    }
    // A simulation in which nothing happens proves nothing.
    if count >= 100 {
        assert_eq!(seen.len(), 14, "{seen:?}");
        assert!(seen.values().all(|&times| times >= count / 10), "{seen:?}");
    }
}
