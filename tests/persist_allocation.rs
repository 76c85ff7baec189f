//! Memory that is refused, at each point where the persistence core asks for it.
//!
//! Each workload is run once for every allocation that the engine, the store and recovery make, with that one refused,
//! and once more with that one and all later ones of the same call refused. The storage is not refused any: it stands
//! for somebody else. Whatever happens, every invariant holds afterwards and nothing is lost: in the end everything is
//! durable, and who opens the storage finds the state. An allocation that cannot be refused ends the process, so this
//! test would not survive one.
#![allow(dead_code, reason = "each test program uses its part of the support files")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/refusing.rs"]
mod refusing;
#[path = "support/storage.rs"]
mod storage;

use brooklet::persist::{
    EncodeFault, Level, Loader, Need, OpenError, Recovered, Recovery, RecoveryConfig, Refusal, ReplyGate, StorageFault,
    Store, StoreConfig, Witness, WriterConfig,
};
use brooklet::{Config, Engine, Position, Reply, Session};

use refusing::{Refusals, repeated, without_memory};
use storage::{Fault, Job, MemoryStorage, Work};

/// Commands, a line each; `{n}` counts up with each repetition of the line that `* times` asks for. After a command
/// everything is done that is asked for. Lines with a `!` are about the store.
const WORKLOADS: &[(&str, &[&str])] = &[
    ("append", &["30* XADD s {n}-1 name value{n}", "!sync", "XDEL s 3-1", "XTRIM s MAXLEN 5", "!flush", "DEL s"]),
    (
        "groups",
        &[
            "12* XADD s {n}-1 f v{n}",
            "XGROUP CREATE s g 0",
            "XREADGROUP GROUP g c COUNT 9 STREAMS s >",
            "XACK s g 1-1 3-1",
            "XCLAIM s g d 0 2-1",
            "!compact",
            "XREADGROUP GROUP g c STREAMS s >",
            "XGROUP DESTROY s g",
            "!compact",
        ],
    ),
    ("snapshots", &["40* XADD s {n}-1 f value{n}{n}{n}", "!compact", "20* XADD s 7{n}-1 f v", "!compact", "!compact"]),
    (
        "a large unit",
        &["XADD s 1-1 f LARGE", "XADD t 1-1 f v", "!compact", "XADD s 2-1 f v", "SET text LARGE", "!compact"],
    ),
    (
        "changes during a snapshot",
        &[
            "20* XADD s {n}-1 f value{n}",
            "20* XADD t {n}-1 f value{n}",
            "XGROUP CREATE t g 0",
            "!begin",
            "XADD s 30-1 f v",
            "!step",
            "XDEL s 3-1 4-1",
            "!step",
            "XREADGROUP GROUP g c STREAMS t >",
            "XTRIM t MAXLEN 3",
            "!step",
            "RENAME t u",
            "!go",
        ],
    ),
    ("everything goes", &["30* XADD s {n}-1 f value{n}", "!begin", "!step", "FLUSHALL", "XADD s 1-1 f v", "!go"]),
    (
        "appends fail",
        &[
            "20* XADD s {n}-1 f v",
            "!fail Append",
            "XADD s 30-1 f v",
            "XADD s 31-1 f v",
            "!pass",
            "!lose Append",
            "XADD s 32-1 f v",
        ],
    ),
    (
        "flips fail",
        &[
            "20* XADD s {n}-1 f value{n}",
            "!fail Flip",
            "!compact",
            "XADD s 50-1 f v",
            "!lose Flip",
            "!compact",
            "XADD s 51-1 f v",
            "!pass",
        ],
    ),
    (
        "snapshots fail",
        &[
            "20* XADD s {n}-1 f value{n}",
            "!fail PutParts",
            "!compact",
            "!fail ListParts",
            "!pass",
            "!fail DeleteParts",
            "!pass",
        ],
    ),
    (
        "owners follow each other",
        &[
            "20* XADD s {n}-1 f value{n}",
            "!compact",
            "5* XADD s 5{n}-1 f v",
            "!close",
            "XADD s 60-1 f v",
            "!begin",
            "!step",
            "!reopen",
            "XADD s 61-1 f v",
            "!compact",
            "!reopen",
            "XADD s 62-1 f LARGE",
        ],
    ),
];

#[test]
fn every_allocation_may_be_refused() {
    let mut points = 0;
    for (name, lines) in WORKLOADS {
        for stays_exhausted in [false, true] {
            let mut refused = 0;
            while run_workload(name, lines, refused, stays_exhausted) {
                refused += 1;
            }
            assert!(refused > 100, "{name} asks for memory {refused} times only");
            points += refused;
        }
    }
    println!("{points} points");
}

fn config() -> StoreConfig {
    StoreConfig {
        writer: WriterConfig { chunk_bytes_max: 300, group_bytes_max: 1000, ..WriterConfig::default() },
        log_bytes_min: 1500,
        part_bytes_max: 300,
        put_bytes_max: 700,
        work_bytes: 500,
        delete_parts_max: 2,
        ..StoreConfig::default()
    }
}

/// Runs a workload with one allocation refused. False if it makes fewer than that.
fn run_workload(name: &str, lines: &[&str], refused: u64, stays_exhausted: bool) -> bool {
    let refusals = Refusals::after(refused, stays_exhausted, name);
    let large = "abcdefgh".repeat(150);
    let mut owner = Owner::open(MemoryStorage::default(), refusals);
    for line in lines.iter().flat_map(|line| repeated(line)) {
        owner = owner.run(&line.replace("LARGE", &large));
    }
    owner.store.compact();
    owner.settle();
    let context = owner.refusals.context.clone();
    assert_eq!(owner.store.refusal(), None, "{context}");
    assert_eq!(owner.store.durable(), owner.engine.position(), "{context}");
    assert_eq!(owner.store.status().snapshot_fault, None, "{context}");
    let parts = owner.storage.stored.parts.len() as u64;
    assert_eq!(parts, owner.store.status().parts, "{context}: something is left");
    let state_hash = owner.engine.state_hash();
    let again = Owner::open(owner.storage, Refusals::none(context.clone()));
    assert_eq!(again.engine.state_hash(), state_hash, "{context}");
    owner.refusals.are_over()
}

struct Owner {
    engine: Engine,
    store: Store,
    storage: MemoryStorage,
    now_ms: u64,
    refusals: Refusals,
    /// The next request of this kind gets this fault.
    fault: Option<(String, Fault)>,
}

impl Owner {
    fn open(mut storage: MemoryStorage, mut refusals: Refusals) -> Owner {
        loop {
            match recover(&mut storage, &mut refusals) {
                Some((engine, recovered)) => {
                    let config = config();
                    let (store, refused) = refusals.during(|| Store::new(config, &engine, recovered, 1000));
                    match store {
                        Ok(store) => return Owner { engine, store, storage, now_ms: 1000, refusals, fault: None },
                        Err(fault) => assert!(refused && fault == EncodeFault::OutOfMemory, "{}", refusals.context),
                    }
                }
                None => assert!(refusals.are_over(), "{}", refusals.context),
            }
        }
    }

    fn run(mut self, line: &str) -> Owner {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("!sync", _) => drop(self.store.sync()),
            ("!flush", _) => self.store.flush_now(),
            ("!compact", _) => self.store.compact(),
            ("!begin", _) => {
                self.store.compact();
                self.step();
                return self;
            }
            ("!step", _) => {
                self.step();
                return self;
            }
            ("!go", _) => {}
            ("!pass", _) => return self.settled(),
            ("!fail", kind) => {
                self.fault = Some((kind.into(), Fault::Fails(StorageFault::Io)));
                return self;
            }
            ("!lose", kind) => {
                self.fault = Some((kind.into(), Fault::NeverAnswers));
                return self;
            }
            ("!close", _) => {
                self.store.close();
                self.settle();
                return Owner::open(self.storage, self.refusals);
            }
            ("!reopen", _) => return Owner::open(self.storage, self.refusals),
            _ => {
                self.command(line);
                let is_snapshot_slow = self.store.status().progress.is_some();
                if is_snapshot_slow {
                    return self;
                }
            }
        }
        self.pump();
        self
    }

    fn settled(mut self) -> Owner {
        self.settle();
        self
    }

    fn command(&mut self, line: &str) {
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let now_ms = self.store.clock(self.now_ms);
        let mut reply = Reply::new();
        let (engine, store) = (&mut self.engine, &mut self.store);
        self.refusals.during(|| engine.call(now_ms, Session::default(), &argv, &mut reply));
        let (gathered, refused) = self.refusals.during(|| store.gather(engine));
        let is_right = if refused { gathered != Err(EncodeFault::OutOfRange) } else { gathered.is_ok() };
        assert!(is_right, "{}: {gathered:?}", self.refusals.context);
        // What could not be taken is taken with what comes next.
        if gathered.is_err() {
            self.store.gather(&mut self.engine).expect("there is memory again");
        }
        self.check();
    }

    /// Everything that is asked for is done, then one slice of work, then what that made to ask for.
    fn step(&mut self) {
        self.do_what_is_asked();
        let (engine, store, now_ms) = (&mut self.engine, &mut self.store, self.now_ms);
        self.refusals.during(|| store.work(engine, now_ms));
        self.check();
        self.do_what_is_asked();
    }

    fn do_what_is_asked(&mut self) {
        while let Some(job) = self.ask() {
            self.execute(&job);
        }
    }

    fn pump(&mut self) {
        self.step();
        while self.store.wants_time() {
            self.step();
        }
    }

    fn settle(&mut self) {
        self.pump();
        let end_ms = self.now_ms + 600_000;
        while let Some(deadline_ms) = self.store.deadline().filter(|&deadline_ms| deadline_ms <= end_ms) {
            self.now_ms = self.now_ms.max(deadline_ms);
            self.pump();
        }
    }

    fn ask(&mut self) -> Option<Job> {
        let (engine, store, now_ms) = (&mut self.engine, &mut self.store, self.now_ms);
        let (asked, refused) = self.refusals.during(|| store.next_request(engine, now_ms));
        self.check();
        match asked {
            Ok(request) => request.map(|request| Job::new(&self.store, &request)),
            Err(fault) => {
                assert!(refused && fault == EncodeFault::OutOfMemory, "{}", self.refusals.context);
                self.ask()
            }
        }
    }

    fn execute(&mut self, job: &Job) {
        let kind = format!("{:?}", job.work);
        if let Some((_, fault)) = self.fault.take_if(|(name, _)| kind.starts_with(name.as_str())) {
            self.storage.faults.at.insert(self.storage.operations, fault);
        }
        if let Work::WriteWitness(witness) = job.work {
            let (encoded, refused) = self.refusals.during(|| witness.encode());
            let decoded = encoded.map(|bytes| Witness::decode(&bytes));
            assert!(refused || decoded == Ok(Ok(witness)), "{}", self.refusals.context);
        }
        let Some(answer) = self.storage.execute_job(job) else { return };
        let (store, now_ms, ticket) = (&mut self.store, self.now_ms, job.ticket);
        self.refusals.during(|| store.answered(now_ms, ticket, answer));
        self.check();
    }

    fn check(&self) {
        let context = &self.refusals.context;
        self.store.validate().unwrap_or_else(|breach| panic!("{context}: {breach}"));
        self.engine.validate().unwrap_or_else(|breach| panic!("{context}: {breach}"));
        let is_working = matches!(self.store.refusal(), None | Some(Refusal::Failing(_)));
        assert!(is_working, "{context}: {:?}", self.store.refusal());
    }
}

/// Recovers; none if memory was refused.
fn recover(storage: &mut MemoryStorage, refusals: &mut Refusals) -> Option<(Engine, Recovered)> {
    let before = storage.stored.without_epochs();
    let mut engine = Engine::new(Config { journal: true, node_entries_max: 5, ..Config::default() });
    let mut loader = Loader::new();
    let mut recovery = Recovery::new(RecoveryConfig { page_bytes: 900, ..RecoveryConfig::new(7) });
    let mut any_refused = false;
    while let Some((ticket, request)) = recovery.next_request() {
        let answer = storage.execute(&request).expect("recovery meets no faults here");
        let take = &mut |item: brooklet::persist::RecoveryItem<'_>| loader.take(&mut engine, item);
        any_refused |= refusals.during(|| recovery.answered(ticket, answer, take)).1;
    }
    let outcome = recovery.take_outcome().expect("nothing is asked after the end only");
    match outcome {
        Ok(recovered) => {
            engine.validate().expect("no invariant is broken");
            Some((engine, recovered))
        }
        Err(error) => {
            let is_told = matches!(error, OpenError::OutOfMemory | OpenError::Unreplayable { .. });
            assert!(any_refused && is_told, "{}: {error}", refusals.context);
            assert!(storage.stored.without_epochs() == before, "{}: a failed opening has written", refusals.context);
            None
        }
    }
}

#[test]
fn the_gate_asks_for_memory_only_when_room_is_reserved() {
    let mut gate = ReplyGate::default();
    for round in 0..50_u64 {
        gate.reserve(20).expect("there is memory");
        without_memory(|| {
            for reply in 0..20 {
                let token = 20 * round + reply;
                let level = if token % 3 == 0 { Level::Durable } else { Level::Written };
                assert!(gate.hold(token % 150, Need::Stored(level, Position(token + 1)), token).is_none());
            }
            gate.release(Position(15 * round), Position(14 * round));
            while gate.take().is_some() {}
            gate.drop_caller(7 * round);
        });
        gate.validate().expect("the invariants hold");
    }
    assert!(gate.len() > 50);
}
