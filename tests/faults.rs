//! Every request of a whole life fails once, in every way; and between any two requests the process dies or the power
//! goes.
//!
//! Twenty workloads of random commands run on stores of random small sizes, snapshots included. The storage's operations
//! are counted, those of opening too. Then each workload is run again for each operation and each way to fail: writing
//! recovers, everything becomes durable, and who opens the storage finds the state. And it is run again for each
//! operation with an end before it: who opens finds a state that was, not older than what had been acknowledged.
//!
//! `BROOKLET_FAULTS_WORKLOADS` says how many workloads there are, and `BROOKLET_SEED` repeats one.
#![allow(dead_code, reason = "each test program uses its part of the support files")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/history.rs"]
mod history;
#[path = "support/host.rs"]
mod host;
#[path = "support/sequences.rs"]
mod sequences;
#[path = "support/storage.rs"]
mod storage;

use std::collections::BTreeMap;
use std::ops::Range;

use brooklet::persist::{Mode, RecoveryConfig, StorageFault, StoreConfig, WriterConfig};
use brooklet::{Config, Engine, Position};

use engine::{compare_views, recorded_view};
use generate::Generator;
use host::{Host, START_MS};
use random::Random;
use sequences::*;
use steps::{Step, next_step, number_from_environment, random_settings};
use storage::{Fault, Faults, MemoryStorage};

const WORKLOADS: u64 = 20;
const STEPS: usize = 200;

const WAYS: [Fault; 6] = [
    Fault::Fails(StorageFault::Io),
    Fault::Fails(StorageFault::Quota),
    Fault::Fails(StorageFault::Closed),
    Fault::FailsAfterSuccess(StorageFault::Io),
    Fault::FailsAfterSuccess(StorageFault::NoAnswer),
    Fault::NeverAnswers,
];

/// Commands, and the sizes of the store that they run on.
struct Workload {
    seed: u64,
    engine: Config,
    store: StoreConfig,
    steps: Vec<Step>,
    /// What an owner before has left: nothing, or the beginning of the life, with a snapshot that he did not finish.
    left: MemoryStorage,
    /// The hash of the state at each position.
    hashes: BTreeMap<Position, u64>,
    /// The operations of the storage from the opening to the end of the life.
    operations: Range<u64>,
}

impl Workload {
    fn new(seed: u64) -> Workload {
        let mut generator = Generator::new(seed, generate::Mode::All);
        let engine = engine::config(&random_settings(&mut generator));
        let mut live = Engine::new(engine.clone());
        let mut steps: Vec<Step> = Vec::new();
        for _ in 0..STEPS {
            let step = next_step(&mut generator);
            let replies = engine::run_step(&mut live, &step);
            for (command, reply) in step.commands.iter().zip(&replies) {
                generator.observe(command, reply);
            }
            steps.push(step);
        }
        let store = store_config(&mut Random::new(seed));
        let left = MemoryStorage::default();
        let mut workload = Workload { seed, engine, store, steps, left, hashes: BTreeMap::new(), operations: 0..0 };
        if seed % 2 == 1 {
            let begun = workload.steps.drain(..STEPS / 3).collect();
            workload.leave(begun);
        }
        workload.live_undisturbed();
        workload
    }

    /// An owner runs these and dies in the middle of a snapshot.
    fn leave(&mut self, steps: Vec<Step>) {
        let mut host = self.open(self.left.clone());
        let later = core::mem::replace(&mut self.steps, steps);
        self.run_steps(&mut host, &mut |_| ());
        self.steps = later;
        host.store.compact();
        if host.run_until("PutParts") {
            host.perform_kept();
        }
        self.left = host.storage;
    }

    fn live_undisturbed(&mut self) {
        let mut host = self.open(self.left.clone());
        let begin = host.storage.operations;
        let mut hashes = BTreeMap::from([(host.engine.position(), host.engine.state_hash())]);
        self.live(&mut host, &mut |host| {
            hashes.insert(host.engine.position(), host.engine.state_hash());
        });
        assert!(host.store.status().snapshots >= 1, "seed {}: hardly anything happens", self.seed);
        self.hashes = hashes;
        self.operations = begin..host.storage.operations;
        self.check_complete(host, "nothing fails");
    }

    fn open(&self, storage: MemoryStorage) -> Host {
        let recovery = RecoveryConfig { page_bytes: 3000, ..RecoveryConfig::new(77) };
        let opened = Host::open(storage, self.engine.clone(), self.store.clone(), recovery, START_MS);
        opened.unwrap_or_else(|error| panic!("seed {}: {error}", self.seed)).0
    }

    /// Runs everything, or until the host dies.
    fn live(&self, host: &mut Host, after_step: &mut dyn FnMut(&Host)) {
        self.run_steps(host, after_step);
        host.store.compact();
        host.store.sync();
        host.settle();
    }

    fn run_steps(&self, host: &mut Host, after_step: &mut dyn FnMut(&Host)) {
        for step in self.steps.iter().filter(|step| !step.commands.is_empty()) {
            if host.is_dead() {
                return;
            }
            host.now_ms = START_MS + step.now_ms;
            let now_ms = host.store.clock(host.now_ms);
            engine::run_step(&mut host.engine, &Step { now_ms, ..step.clone() });
            host.gather();
            after_step(host);
            host.pump();
        }
    }

    /// A life in which something happens to the storage's operations.
    fn live_with(&self, faults: BTreeMap<u64, Fault>) -> Host {
        let mut host = self.open(self.left.clone());
        host.storage.faults.at = faults;
        self.live(&mut host, &mut |_| ());
        host
    }

    /// Everything is durable, nothing is left that is not needed, and who opens the storage finds the state.
    fn check_complete(&self, host: Host, what: &str) {
        let what = format!("seed {}, {what}", self.seed);
        assert_eq!(host.store.refusal(), None, "{what}");
        assert_eq!(host.store.durable(), host.engine.position(), "{what}");
        let status = host.store.status();
        assert_eq!((status.progress, status.snapshot_fault), (None, None), "{what}");
        assert_eq!(host.storage.stored.parts.len() as u64, status.parts, "{what}: something is left");
        let state_hash = host.engine.state_hash();
        assert_eq!(Some(&state_hash), self.hashes.values().next_back(), "{what}");
        let (mut storage, mut engine, now_ms) = (host.storage, host.engine, host.now_ms);
        storage.faults = Faults::default();
        storage.lose_power(0);
        let mut recovered = self.open(storage);
        assert_eq!(recovered.engine.state_hash(), state_hash, "{what}");
        compare_views(&recorded_view(&mut engine, now_ms), &recorded_view(&mut recovered.engine, now_ms))
            .unwrap_or_else(|difference| panic!("{what}: {difference}"));
    }

    /// Who opens the storage finds a state that was, and goes on from it.
    fn check_recovers(&self, mut storage: MemoryStorage, acknowledged: Position, issued: Position, what: &str) {
        storage.faults = Faults::default();
        let mut host = self.open(storage);
        let found = host.engine.state_hash();
        let is_known = self.hashes.range(acknowledged..=issued).any(|(_, &hash)| hash == found);
        assert!(is_known, "seed {}, {what}: acknowledged {acknowledged:?}, issued {issued:?}", self.seed);
        host.store.compact();
        host.settle();
        let parts = host.storage.stored.parts.len() as u64;
        assert_eq!(parts, host.store.status().parts, "seed {}, {what}: something is left", self.seed);
        let again = self.open(host.close());
        assert_eq!(again.engine.state_hash(), found, "seed {}, {what}: open(open(x)) = open(x)", self.seed);
    }
}

/// Small sizes, so that a short life has several of everything.
fn store_config(random: &mut Random) -> StoreConfig {
    let modes = [Mode::Always, Mode::EverySecond, Mode::No];
    StoreConfig {
        writer: WriterConfig {
            mode: modes[random.below(3) as usize],
            chunk_bytes_max: 100 + random.below(300) as usize,
            group_bytes_max: 300 + random.below(600) as usize,
            keeps_until_durable: random.percent(30),
            ..WriterConfig::default()
        },
        log_bytes_min: 700 + random.below(800),
        log_chunks_max: 10 + random.below(30),
        part_bytes_max: 80 + random.below(400) as usize,
        put_bytes_max: 500 + random.below(1500) as usize,
        delete_parts_max: 1 + random.below(20) as usize,
        ..StoreConfig::default()
    }
}

fn workloads() -> impl Iterator<Item = Workload> {
    let seeds = match number_from_environment("BROOKLET_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number_from_environment("BROOKLET_FAULTS_WORKLOADS").unwrap_or(WORKLOADS),
    };
    seeds.map(Workload::new)
}

#[test]
fn every_request_may_fail_in_every_way() {
    let mut points = 0;
    for workload in workloads() {
        for operation in workload.operations.clone() {
            for way in WAYS {
                let host = workload.live_with(BTreeMap::from([(operation, way)]));
                workload.check_complete(host, &format!("{way:?} at operation {operation}"));
                points += 1;
            }
        }
    }
    println!("{points} points");
}

/// From some operation on nothing works any more; in the end it does again.
#[test]
fn from_any_request_on_everything_may_fail_for_a_while() {
    for workload in workloads() {
        for operation in workload.operations.clone() {
            let way = WAYS[operation as usize % WAYS.len()];
            let length = 1 + operation % 40;
            let host = workload.live_with((operation..operation + length).map(|at| (at, way)).collect());
            workload.check_complete(host, &format!("{way:?} from operation {operation} on, {length} times"));
        }
    }
}

#[test]
fn between_any_two_requests_everything_may_end() {
    for workload in workloads() {
        for operation in workload.operations.clone() {
            let mut host = workload.open(workload.left.clone());
            host.dies_after = Some(operation);
            workload.live(&mut host, &mut |_| ());
            let (written, durable, issued) = (host.store.written(), host.store.durable(), host.engine.position());
            let storage = host.storage;
            workload.check_recovers(storage.clone(), written, issued, &format!("dead before operation {operation}"));
            let undurable = storage.undurable();
            for survivors in [0, undurable / 2, undurable.saturating_sub(1)] {
                let mut storage = storage.clone();
                storage.lose_power(survivors);
                let what = format!("no power before operation {operation}, {survivors} of {undurable} survive");
                workload.check_recovers(storage, durable, issued, &what);
            }
        }
    }
}
