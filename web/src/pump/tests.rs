//! The pump against a storage in memory that answers when it is told to, or at once.

use std::boxed::Box;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::vec::Vec;

use brooklet::persist::{Level, Mode, OpenError, Refusal, StorageFault, Stored};
use brooklet::{Config, Outcome, Reply, Session, Value};

use super::{Condition, End, Notify, StorageOptions, Urgency};
use crate::host::Host;
use crate::storage::{Answer, Batch, Question, Request, Storage, Traits};

type Bytes = Vec<u8>;

/// What is stored.
#[derive(Default)]
struct Disk {
    epoch: u64,
    manifest: Option<Bytes>,
    witness: Option<Bytes>,
    log: BTreeMap<u64, Bytes>,
    parts: BTreeMap<u64, Bytes>,
    is_locked: bool,
}

/// What goes wrong with questions of a kind.
#[derive(Clone, Copy, PartialEq)]
enum Trouble {
    Fails(StorageFault),
    NoAnswer,
}

/// The storage, as a test sees it.
#[derive(Default)]
struct Bench {
    disk: RefCell<Disk>,
    waiting: RefCell<VecDeque<(Question, Answer)>>,
    asked: RefCell<Vec<&'static str>>,
    trouble: RefCell<Vec<(&'static str, Trouble)>>,
    is_sync: Cell<bool>,
    can_tear: Cell<bool>,
    tasks: Cell<usize>,
}

struct Bound(Rc<Bench>);

impl Storage for Bound {
    fn traits(&self) -> Traits {
        Traits {
            is_sync: self.0.is_sync.get(),
            can_tear: self.0.can_tear.get(),
            loses_on_failed_sync: false,
            value_bytes_max: 60_000,
        }
    }

    fn ask(&mut self, request: &Request<'_>, question: Question) {
        let name = name(request);
        self.0.asked.borrow_mut().push(name);
        let trouble = {
            let mut all = self.0.trouble.borrow_mut();
            let place = all.iter().position(|&(kind, _)| kind == name);
            place.map(|place| all.remove(place).1)
        };
        let answer = match trouble {
            Some(Trouble::NoAnswer) => return,
            Some(Trouble::Fails(fault)) => Answer::Failed(fault),
            None => self.0.perform(request),
        };
        if self.0.is_sync.get() {
            question.answer(answer);
        } else {
            self.0.waiting.borrow_mut().push_back((question, answer));
        }
    }

    fn heal(&mut self, question: Question) {
        self.0.asked.borrow_mut().push("heal");
        if self.0.is_sync.get() {
            question.answer(Answer::Done);
        } else {
            self.0.waiting.borrow_mut().push_back((question, Answer::Done));
        }
    }

    fn close(&mut self) {
        self.0.asked.borrow_mut().push("close");
        self.0.disk.borrow_mut().is_locked = false;
    }
}

impl Notify for Bench {
    fn soon(&self, _: Urgency) {
        self.tasks.set(self.tasks.get() + 1);
    }
}

fn name(request: &Request<'_>) -> &'static str {
    match request {
        Request::Lock { .. } => "lock",
        Request::Open { new_segment: false, .. } => "open",
        Request::Open { .. } => "open segment",
        Request::ReadManifest => "manifest",
        Request::ReadWitness => "witness",
        Request::ReadEpoch => "epoch",
        Request::ListLog => "bounds",
        Request::ReadLog { .. } => "log",
        Request::ListParts => "part ids",
        Request::ReadParts(_) => "parts",
        Request::Write(Batch { claims: true, .. }) => "claim",
        Request::Write(Batch { manifest: Some(_), .. }) => "flip",
        Request::Write(Batch { delete_log_from: Some(_), .. }) => "cut",
        Request::Write(Batch { delete_parts: [_, ..], .. } | Batch { delete_log_upto: Some(_), .. }) => "delete",
        Request::Write(Batch { parts: [_, ..], .. }) => "put",
        Request::Write(_) => "append",
        Request::WriteWitness(_) => "note",
    }
}

impl Bench {
    fn perform(&self, request: &Request<'_>) -> Answer {
        let mut disk = self.disk.borrow_mut();
        let disk = &mut *disk;
        let stored = |bytes: Option<&Bytes>| bytes.map_or(Stored::Missing, |bytes| Stored::Bytes(bytes.clone()));
        match *request {
            Request::Lock { .. } if disk.is_locked => Answer::Locked,
            Request::Lock { .. } => {
                disk.is_locked = true;
                Answer::Done
            }
            Request::Open { .. } => Answer::Done,
            Request::ReadManifest => Answer::Value(stored(disk.manifest.as_ref())),
            Request::ReadWitness => Answer::Value(stored(disk.witness.as_ref())),
            Request::ReadEpoch => Answer::Number(disk.epoch),
            Request::ListLog => {
                let ends = (disk.log.first_key_value(), disk.log.last_key_value());
                Answer::Bounds(ends.0.map(|(&first, _)| first).zip(ends.1.map(|(&last, _)| last)))
            }
            Request::ReadLog { from_sequence, bytes_max } => {
                let (mut bytes, mut chunks) = (0, Vec::new());
                for (&sequence, chunk) in disk.log.range(from_sequence..) {
                    chunks.push((sequence, Stored::Bytes(chunk.clone())));
                    bytes += chunk.len();
                    if bytes >= bytes_max {
                        break;
                    }
                }
                Answer::Chunks { chunks, has_more: true }
            }
            Request::ListParts => Answer::Ids(disk.parts.keys().copied().collect()),
            Request::ReadParts(ids) => Answer::Values(ids.iter().map(|id| stored(disk.parts.get(id))).collect()),
            Request::Write(batch) => disk.write(&batch),
            Request::WriteWitness(bytes) => {
                disk.witness = Some(bytes.to_vec());
                Answer::Done
            }
        }
    }
}

impl Disk {
    fn write(&mut self, batch: &Batch<'_>) -> Answer {
        let is_stale = if batch.claims { batch.epoch <= self.epoch } else { batch.epoch < self.epoch };
        if is_stale {
            return Answer::Fenced;
        }
        self.epoch = batch.epoch;
        self.parts.extend(batch.parts.iter().map(|&(id, bytes)| (id, bytes.to_vec())));
        self.log.extend(batch.chunks.iter().map(|&(sequence, bytes)| (sequence, bytes.to_vec())));
        if let Some(manifest) = batch.manifest {
            self.manifest = Some(manifest.to_vec());
        }
        self.log.retain(|&sequence, _| {
            batch.delete_log_upto.is_none_or(|upto| sequence > upto)
                && batch.delete_log_from.is_none_or(|from| sequence < from)
                && batch.quarantine_from.is_none_or(|from| sequence < from)
        });
        self.parts.retain(|id, _| !batch.delete_parts.contains(id));
        Answer::Done
    }
}

/// A database on a bench.
struct Rig {
    bench: Rc<Bench>,
    host: Host,
    now_ms: u64,
    next_token: u64,
}

impl Rig {
    fn begin(bench: &Rc<Bench>, options: StorageOptions) -> Rig {
        let storage = Box::new(Bound(Rc::clone(bench)));
        let listener: Rc<Bench> = Rc::clone(bench);
        let host = Host::stored(Config::default(), storage, options, listener).unwrap();
        let mut rig = Rig { bench: Rc::clone(bench), host, now_ms: 1_000_000, next_token: 0 };
        rig.host.drive(rig.now_ms);
        rig
    }

    /// Opened, and so far as to have written that it has taken over.
    fn open(bench: &Rc<Bench>, options: StorageOptions) -> Rig {
        let mut rig = Rig::begin(bench, options);
        rig.settle();
        assert_eq!(rig.host.condition(), Condition::Open);
        rig
    }

    /// Has one question answered.
    fn answer(&mut self) -> bool {
        let Some((question, answer)) = self.bench.waiting.borrow_mut().pop_front() else { return false };
        question.answer(answer);
        self.host.drive(self.now_ms);
        true
    }

    /// Until nothing is under way.
    fn settle(&mut self) {
        self.host.drive(self.now_ms);
        while self.answer() {}
    }

    /// Lets time pass in steps.
    fn pass(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(10) {
            self.now_ms += 10;
            self.settle();
        }
    }

    fn call(&mut self, line: &str) -> Option<Value> {
        let (value, _) = self.hold(line, None);
        value
    }

    /// The reply, and the token under which it is held; none if it may leave at once.
    fn hold(&mut self, line: &str, level: Option<Level>) -> (Option<Value>, Option<u64>) {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let mut reply = Reply::new();
        let outcome = self.host.call(self.now_ms, Session::default(), &words, &mut reply);
        let Outcome::Done(position) = outcome else { panic!("{line} waits") };
        self.next_token += 1;
        let is_held = self.host.hold(self.now_ms, position, level, self.next_token);
        (reply.to_value(), is_held.then_some(self.next_token))
    }

    fn released(&mut self) -> Vec<u64> {
        core::iter::from_fn(|| self.host.take_released()).collect()
    }

    fn error(&mut self, line: &str) -> std::string::String {
        match self.call(line) {
            Some(Value::Error(error)) => std::string::String::from_utf8(error).unwrap(),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn count(&self, name: &str) -> usize {
        self.bench.asked.borrow().iter().filter(|asked| **asked == name).count()
    }

    fn fail(&self, name: &'static str, trouble: Trouble) {
        self.bench.trouble.borrow_mut().push((name, trouble));
    }

    /// The process dies.
    fn crash(self) -> Rc<Bench> {
        self.bench.waiting.borrow_mut().clear();
        self.bench.disk.borrow_mut().is_locked = false;
        Rc::clone(&self.bench)
    }
}

fn bench(is_sync: bool) -> Rc<Bench> {
    let bench = Rc::new(Bench::default());
    bench.is_sync.set(is_sync);
    bench
}

fn integer(value: i64) -> Option<Value> {
    Some(Value::Integer(value))
}

#[test]
fn a_reply_waits_until_it_is_written() {
    let mut rig = Rig::open(&bench(false), StorageOptions::default());
    let tasks = rig.bench.tasks.get();
    let (_, first) = rig.hold("XADD s 1-1 a b", None);
    let (_, second) = rig.hold("XADD s 2-1 a b", None);
    let (length, third) = rig.hold("XLEN s", None);
    assert_eq!(length, integer(2));
    let (other, none) = rig.hold("XLEN other", None);
    assert_eq!((other, none), (integer(0), None), "it depends on nothing that is not written");
    assert_eq!(rig.bench.tasks.get(), tasks + 1, "a task for all of them");
    rig.host.drive(rig.now_ms);
    assert_eq!(rig.count("append"), 2, "the mark, and both entries together");
    assert_eq!(rig.released(), []);
    assert!(rig.answer());
    assert_eq!(rig.released().into_iter().map(Some).collect::<Vec<_>>(), [first, second, third]);
}

#[test]
fn a_storage_that_answers_at_once_has_written_before_the_call_returns() {
    let bench = bench(true);
    let mut rig = Rig::open(&bench, StorageOptions { mode: Mode::Always, ..StorageOptions::default() });
    assert_eq!(rig.hold("XADD s 1-1 a b", None).1, None);
    assert_eq!(bench.disk.borrow().log.len(), 2);
    // Of which nobody waits for the replies goes with the next one of which somebody does, or with the next task.
    for entry in 2..100 {
        let id = std::format!("{entry}-1");
        let words: [&[u8]; 5] = [b"XADD", b"s", id.as_bytes(), b"a", b"b"];
        rig.host.call(rig.now_ms, Session::default(), &words, &mut Reply::new());
    }
    assert_eq!(bench.disk.borrow().log.len(), 2);
    let tasks = bench.tasks.get();
    assert!(tasks > 0);
    assert_eq!(rig.hold("XLEN s", None), (integer(99), None));
    assert_eq!(bench.disk.borrow().log.len(), 3);
}

#[test]
fn what_was_written_is_there_after_a_crash() {
    for is_sync in [false, true] {
        let mut rig = Rig::open(&bench(is_sync), StorageOptions::default());
        assert_eq!(rig.call("XGROUP CREATE s g 0 MKSTREAM"), Some(Value::Simple("OK".into())));
        rig.call("XADD s 1-1 a b");
        rig.call("XREADGROUP GROUP g c STREAMS s >");
        rig.settle();
        let mut rig = Rig::open(&rig.crash(), StorageOptions::default());
        assert_eq!(rig.call("XLEN s"), integer(1));
        assert_eq!(rig.call("XACK s g 1-1"), integer(1));
    }
}

#[test]
fn levels_are_waited_for() {
    let mut rig = Rig::open(&bench(false), StorageOptions::default());
    let (_, durable) = rig.hold("XADD s 1-1 a b", Some(Level::Durable));
    let (_, written) = rig.hold("XADD s 2-1 a b", None);
    rig.settle();
    assert_eq!(rig.released().into_iter().map(Some).collect::<Vec<_>>(), [written, durable], "one sync for both");
    let (_, written) = rig.hold("XADD s 3-1 a b", None);
    rig.settle();
    assert_eq!(rig.released(), written.into_iter().collect::<Vec<_>>());
    let durability = rig.host.durability().unwrap();
    assert!(durability.durable < durability.written, "nobody has asked for more");
    let position = rig.host.sync(rig.now_ms);
    assert_eq!(position, rig.host.position());
    rig.settle();
    assert_eq!(rig.host.durability().unwrap().durable, position);

    let options = StorageOptions { mode: Mode::Always, ..StorageOptions::default() };
    let mut rig = Rig::open(&bench(false), options);
    let (_, held) = rig.hold("XADD s 1-1 a b", None);
    rig.settle();
    assert_eq!(rig.released(), held.into_iter().collect::<Vec<_>>());
    assert_eq!(rig.host.durability().unwrap().durable, rig.host.position());
}

#[test]
fn writes_are_refused_while_the_storage_fails_and_nothing_is_lost() {
    for (fault, says) in [(StorageFault::Io, "the storage fails"), (StorageFault::Quota, "no room")] {
        let mut rig = Rig::open(&bench(false), StorageOptions::default());
        let (_, held) = rig.hold("XADD s 1-1 a b", None);
        rig.fail("append", Trouble::Fails(fault));
        rig.fail("open", Trouble::Fails(fault));
        rig.settle();
        let error = rig.error("XADD s 2-1 a b");
        assert!(error.starts_with("MISCONF") && error.contains(says), "{error}");
        assert_eq!(rig.call("XLEN s"), integer(1), "reading goes on");
        assert_eq!(rig.host.durability().unwrap().refusal, Some(Refusal::Failing(fault)));
        rig.pass(1000);
        assert_eq!(rig.released().first().copied(), held, "{fault:?}");
        assert_eq!(rig.host.durability().unwrap().refusal, None);
        assert!(rig.call("XADD s 2-1 a b").is_some());
        rig.settle();
        let mut rig = Rig::open(&rig.crash(), StorageOptions::default());
        assert_eq!(rig.call("XLEN s"), integer(2));
    }
}

#[test]
fn a_storage_that_does_not_answer_is_opened_again() {
    let mut rig = Rig::open(&bench(false), StorageOptions::default());
    rig.fail("append", Trouble::NoAnswer);
    let (_, held) = rig.hold("XADD s 1-1 a b", None);
    rig.pass(9_000);
    assert_eq!((rig.count("open"), rig.released().len()), (1, 0));
    let deadline = rig.host.next_deadline().unwrap();
    assert!(deadline > rig.now_ms && deadline <= rig.now_ms + 2_000, "{deadline}");
    rig.pass(2_000);
    assert_eq!(rig.count("open"), 2);
    assert_eq!(rig.released(), held.into_iter().collect::<Vec<_>>());
}

#[test]
fn whoever_was_overtaken_stops() {
    let bench = bench(false);
    let mut old = Rig::open(&bench, StorageOptions::default());
    old.call("XADD s 1-1 a b");
    old.settle();
    old.released();
    bench.disk.borrow_mut().is_locked = false;
    let mut new = Rig::open(&bench, StorageOptions::default());
    let (_, held) = old.hold("XADD s 2-1 a b", None);
    old.settle();
    assert_eq!(old.host.condition(), Condition::Ended(End::Stopped(Refusal::Fenced)));
    assert!(held.is_some() && old.released().is_empty());
    let before = bench.asked.borrow().len();
    assert!(old.error("XLEN s").starts_with("MISCONF"));
    old.pass(20_000);
    assert_eq!(bench.asked.borrow().len(), before, "it asks for nothing any more");
    assert_eq!(new.call("XLEN s"), integer(1));
}

#[test]
fn what_vanishes_under_its_owner_ends_him() {
    let mut rig = Rig::open(&bench(false), StorageOptions::default());
    rig.call("XADD s 1-1 a b");
    rig.settle();
    *rig.bench.disk.borrow_mut() = Disk::default();
    rig.fail("append", Trouble::Fails(StorageFault::Closed));
    rig.call("XADD s 2-1 a b");
    rig.pass(200);
    assert_eq!(rig.host.condition(), Condition::Ended(End::Stopped(Refusal::Corrupt)));
}

#[test]
fn closing_stores_everything_and_says_so() {
    for is_sync in [false, true] {
        let mut rig = Rig::open(&bench(is_sync), StorageOptions::default());
        rig.call("XADD s 1-1 a b");
        rig.host.close(rig.now_ms);
        rig.settle();
        assert_eq!(rig.host.condition(), Condition::Ended(End::Closed));
        assert_eq!(rig.bench.asked.borrow().last(), Some(&"close"));
        let rig = Rig::open(&Rc::clone(&rig.bench), StorageOptions::default());
        assert!(rig.host.durability().unwrap().was_clean);
    }
}

#[test]
fn a_storage_is_healed_after_an_end_that_was_not_clean() {
    let mut rig = Rig::open(&bench(false), StorageOptions::default());
    rig.call("XADD s 1-1 a b");
    rig.settle();
    let mut rig = Rig::begin(&rig.crash(), StorageOptions::default());
    while rig.count("heal") == 0 {
        assert!(rig.answer());
    }
    assert!(rig.host.durability().unwrap().is_healing);
    assert_eq!(rig.call("XLEN s"), integer(1), "nobody waits for it");
    rig.settle();
    assert!(!rig.host.durability().unwrap().is_healing);
    rig.pass(100);
    rig.host.close(rig.now_ms);
    rig.settle();
    let rig = Rig::open(&Rc::clone(&rig.bench), StorageOptions::default());
    assert_eq!(rig.count("heal"), 1, "after a clean end there is nothing to heal");
}

#[test]
fn an_opening_that_is_closed_lets_go() {
    let mut rig = Rig::begin(&bench(false), StorageOptions::default());
    rig.answer();
    rig.host.close(rig.now_ms);
    assert_eq!(rig.host.condition(), Condition::Ended(End::Closed));
    rig.settle();
    assert!(!rig.bench.disk.borrow().is_locked);
}

#[test]
fn a_connection_that_dies_while_it_is_opened_is_replaced() {
    for name in ["open", "manifest", "claim", "log"] {
        let bench = bench(false);
        let mut rig = Rig::open(&bench, StorageOptions::default());
        rig.call("XADD s 1-1 a b");
        rig.settle();
        let bench = rig.crash();
        bench.trouble.borrow_mut().extend([(name, Trouble::Fails(StorageFault::Closed)); 2]);
        let mut rig = Rig::open(&bench, StorageOptions::default());
        assert_eq!(rig.call("XLEN s"), integer(1), "{name}");
    }
    let rig = Rig::begin(&bench(false), StorageOptions::default());
    rig.bench.trouble.borrow_mut().extend([("open", Trouble::Fails(StorageFault::Closed)); 3]);
    let mut rig = rig;
    rig.settle();
    let fault = OpenError::Storage { doing: "opening", fault: StorageFault::Closed };
    assert_eq!(rig.host.condition(), Condition::Ended(End::Unopened(fault)));
}

#[test]
fn an_opening_without_an_answer_ends() {
    let bench = bench(false);
    bench.trouble.borrow_mut().push(("epoch", Trouble::NoAnswer));
    let mut rig = Rig::begin(&bench, StorageOptions::default());
    while rig.answer() {}
    assert_eq!(rig.host.condition(), Condition::Opening);
    assert_eq!(rig.host.next_deadline(), Some(rig.now_ms + 10_000));
    rig.pass(10_000);
    let fault = OpenError::Storage { doing: "reading the epoch", fault: StorageFault::NoAnswer };
    assert_eq!(rig.host.condition(), Condition::Ended(End::Unopened(fault)));
    assert!(!bench.disk.borrow().is_locked);
}

#[test]
fn a_storage_that_is_held_is_refused() {
    let bench = bench(false);
    let _first = Rig::open(&bench, StorageOptions::default());
    let mut second = Rig::begin(&bench, StorageOptions::default());
    second.settle();
    assert_eq!(second.host.condition(), Condition::Ended(End::Unopened(OpenError::Locked)));
}

#[test]
fn whoever_only_looks_writes_nothing() {
    let bench = bench(false);
    let mut owner = Rig::open(&bench, StorageOptions::default());
    owner.call("XADD s 1-1 a b");
    owner.settle();
    let epoch = bench.disk.borrow().epoch;
    bench.asked.borrow_mut().clear();
    let options = StorageOptions { is_read_only: true, ..StorageOptions::default() };
    let mut looker = Rig::open(&bench, options);
    assert_eq!(looker.call("XLEN s"), integer(1));
    assert!(looker.error("XADD s 2-1 a b").starts_with("READONLY"));
    looker.host.close(looker.now_ms);
    let wrote = ["lock", "claim", "append", "note"].iter().any(|name| looker.count(name) > 0);
    assert!(!wrote && bench.disk.borrow().epoch == epoch);
    assert_eq!(owner.call("XLEN s"), integer(1));
}

#[test]
fn whoever_looks_while_the_log_is_shortened_looks_again() {
    let bench = bench(false);
    let mut owner = Rig::open(&bench, StorageOptions::default());
    for entry in 1..=20 {
        owner.call(&std::format!("XADD s {entry}-1 a b"));
        owner.settle();
    }
    let options = StorageOptions { is_read_only: true, ..StorageOptions::default() };
    let mut looker = Rig::begin(&bench, options);
    let before = looker.count("bounds");
    while looker.count("bounds") == before {
        assert!(looker.answer());
    }
    // The owner takes a snapshot between two questions.
    owner.host.compact(owner.now_ms);
    let (question, answer) = bench.waiting.borrow_mut().pop_front().unwrap();
    owner.pass(100);
    assert!(owner.count("flip") > 0);
    question.answer(answer);
    looker.settle();
    assert_eq!(looker.host.condition(), Condition::Open);
    assert_eq!(looker.call("XLEN s"), integer(20));

    // What stays damaged is told.
    let (first, _) = bench.disk.borrow_mut().parts.pop_first().unwrap();
    let mut looker = Rig::begin(&bench, options);
    looker.settle();
    let Condition::Ended(End::Unopened(OpenError::CorruptSnapshot { part, .. })) = looker.host.condition() else {
        panic!("a part is missing: {:?}", looker.host.condition());
    };
    assert_eq!(part, Some(first));
}

#[test]
fn snapshots_are_taken_and_opened_from() {
    let mut rig = Rig::open(&bench(false), StorageOptions::default());
    for entry in 1..=3000 {
        rig.call(&std::format!("XADD s {entry}-1 a {}", "x".repeat(500)));
        if entry % 3 == 0 {
            rig.settle();
        }
    }
    rig.pass(2_000);
    assert!(rig.count("flip") > 0, "a log of a megabyte and more is replaced by a snapshot");
    let covered = rig.host.durability().unwrap().status.unwrap().covered_sequence;
    assert!(covered > 0 && rig.bench.disk.borrow().log.keys().all(|&sequence| sequence > covered));
    let mut rig = Rig::open(&rig.crash(), StorageOptions::default());
    assert_eq!(rig.call("XLEN s"), integer(3000));
    // Somebody asks for one.
    rig.host.compact(rig.now_ms);
    let before = rig.count("flip");
    rig.pass(100);
    assert!(rig.count("flip") > before);
}

#[test]
fn a_torn_end_is_cut_off_when_it_is_opened_again() {
    let bench = bench(false);
    bench.can_tear.set(true);
    let mut rig = Rig::open(&bench, StorageOptions::default());
    rig.call("XADD s 1-1 a b");
    rig.settle();
    rig.released();
    let (_, held) = rig.hold("XADD s 2-1 a b", None);
    rig.fail("append", Trouble::Fails(StorageFault::Io));
    rig.host.drive(rig.now_ms);
    bench.disk.borrow_mut().log.insert(3, b"BRC1 and no more".to_vec());
    rig.pass(200);
    assert_eq!((rig.count("cut"), rig.released()), (1, held.into_iter().collect()));
    let mut rig = Rig::open(&rig.crash(), StorageOptions::default());
    assert_eq!(rig.call("XLEN s"), integer(2));
}

#[test]
fn commands_before_it_is_open_are_refused() {
    let mut rig = Rig::begin(&bench(false), StorageOptions::default());
    assert!(rig.error("XLEN s").starts_with("LOADING"));
    assert!(rig.host.next_deadline().is_none(), "the lock has a time of its own");
    rig.settle();
    assert_eq!(rig.call("XLEN s"), integer(0));
}
