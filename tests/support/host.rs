//! An engine with its store and a storage in memory: what an adapter and a host do, one after the other.
//!
//! A host does everything that is asked at once, unless a switch of the storage says otherwise, and lets time pass only
//! when it is told to. When it dies, what is left is the storage.

use std::collections::VecDeque;

use brooklet::persist::{Loader, OpenError, Recovered, RecoveryConfig, Store, StoreConfig, StoreRequest, Ticket};
use brooklet::{Config, Engine, Position, Reply, Session};

use crate::history::open_into;
use crate::storage::{Job, MemoryStorage};

/// What the clock shows when a host begins.
pub(crate) const START_MS: u64 = 1_000_000;
/// How long a host waits for a storage to work again.
const PATIENCE_MS: u64 = 3_600_000;

pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    pub(crate) storage: MemoryStorage,
    pub(crate) now_ms: u64,
    /// Everything that was asked for, by name.
    pub(crate) asked: Vec<String>,
    jobs: VecDeque<Job>,
    kept: Option<Job>,
    /// After so many operations of the storage the host dies.
    pub(crate) dies_after: Option<u64>,
}

impl Host {
    /// Opens a storage and goes on as its owner.
    pub(crate) fn open(
        mut storage: MemoryStorage,
        engine: Config,
        store: StoreConfig,
        recovery: RecoveryConfig,
        now_ms: u64,
    ) -> Result<(Host, Recovered), OpenError> {
        let mut engine = Engine::new(Config { journal: true, ..engine });
        let mut loader = Loader::new();
        let opened = open_into(&mut storage, recovery, &mut |item| loader.take(&mut engine, item));
        let recovered = opened?;
        engine.validate().expect("no invariant is broken");
        let store = Store::new(store, &engine, recovered.clone(), now_ms).expect("there is memory");
        let host = Host {
            engine,
            store,
            storage,
            now_ms,
            asked: Vec::new(),
            jobs: VecDeque::new(),
            kept: None,
            dies_after: None,
        };
        Ok((host, recovered))
    }

    /// Runs a command line and hands over what it wrote. Nothing is asked for yet.
    pub(crate) fn run(&mut self, line: &str) -> Position {
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let clock_ms = self.store.clock(self.now_ms);
        let mut reply = Reply::new();
        self.engine.call(clock_ms, Session::default(), &argv, &mut reply);
        let is_error = matches!(reply.to_value(), Some(brooklet::Value::Error(_)));
        assert!(!is_error, "{line}: {:?}", reply.to_value());
        self.gather();
        self.engine.position()
    }

    pub(crate) fn gather(&mut self) {
        self.store.gather(&mut self.engine).expect("there is memory");
        self.check();
    }

    /// The next thing that is asked for.
    pub(crate) fn ask(&mut self) -> Option<StoreRequest> {
        let request = self.store.next_request(&mut self.engine, self.now_ms).expect("there is memory");
        self.check();
        if let Some(request) = &request {
            let text = format!("{request:?}");
            self.asked.extend(text.split([' ', '(']).next().map(String::from));
        }
        request
    }

    /// Does what was asked for.
    pub(crate) fn perform(&mut self, request: &StoreRequest) {
        let job = Job::new(&self.store, request);
        self.execute(&job);
    }

    /// Does everything until something of this name is asked for, which is kept undone. False if it is not.
    pub(crate) fn run_until(&mut self, name: &str) -> bool {
        loop {
            while let Some(request) = self.ask() {
                if self.asked.last().is_some_and(|asked| asked == name) {
                    self.kept = Some(Job::new(&self.store, &request));
                    return true;
                }
                self.perform(&request);
            }
            if !self.store.wants_time() {
                return false;
            }
            self.store.work(&mut self.engine, self.now_ms);
            self.check();
        }
    }

    /// Does what was kept.
    pub(crate) fn perform_kept(&mut self) {
        let job = self.kept.take().expect("something was kept");
        self.execute(&job);
    }

    /// The name of what was kept.
    pub(crate) fn kept_ticket(&self) -> Ticket {
        self.kept.as_ref().expect("something was kept").ticket
    }

    pub(crate) fn execute(&mut self, job: &Job) {
        if let Some(answer) = self.storage.execute_job(job) {
            self.store.answered(self.now_ms, job.ticket, answer);
            self.check();
        }
    }

    /// Does everything that is asked for, and no work.
    pub(crate) fn pump_without_work(&mut self) {
        while let Some(request) = self.ask() {
            self.perform(&request);
        }
    }

    /// Does everything that is asked for, and the work for snapshots, until nothing more is to be done at this time.
    pub(crate) fn pump(&mut self) {
        self.pump_counting(&mut |_| 0);
    }

    /// The same; adds up what `count` says of each thing that was done.
    pub(crate) fn pump_counting(&mut self, count: &mut dyn FnMut(&Job) -> u64) -> u64 {
        let mut sum = 0;
        loop {
            while let Some(request) = self.ask() {
                self.jobs.push_back(Job::new(&self.store, &request));
            }
            if let Some(job) = self.jobs.pop_front() {
                if self.is_dead() {
                    return sum;
                }
                sum += count(&job);
                self.execute(&job);
            } else if self.store.wants_time() {
                self.store.work(&mut self.engine, self.now_ms);
                self.check();
            } else {
                return sum;
            }
        }
    }

    /// Lets time pass until there is nothing left to do, or nothing can be done.
    pub(crate) fn settle(&mut self) {
        let end_ms = self.now_ms + PATIENCE_MS;
        self.pump();
        while let Some(deadline_ms) = self.store.deadline().filter(|&deadline_ms| deadline_ms <= end_ms) {
            if self.is_dead() {
                return;
            }
            let before = (self.now_ms, self.storage.operations);
            self.now_ms = self.now_ms.max(deadline_ms);
            self.pump();
            assert_ne!(before, (self.now_ms, self.storage.operations), "a deadline without anything to do");
        }
        assert!(self.now_ms < end_ms, "it never comes to rest");
    }

    /// Closes, and returns the storage that is left.
    pub(crate) fn close(mut self) -> MemoryStorage {
        self.store.close();
        self.settle();
        assert!(self.store.is_closed());
        self.storage
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dies_after.is_some_and(|operations| self.storage.operations >= operations)
    }

    #[track_caller]
    fn check(&self) {
        self.store.validate().expect("no invariant is broken");
    }
}
