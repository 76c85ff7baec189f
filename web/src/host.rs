//! The engine, and what the platform adds to it.
//!
//! *Design.* A host owns an engine and passes calls on to it. It takes the hash seed from the platform's random numbers,
//! and lets memory grow in large steps. It has no clock: whoever calls says what time it is, so that one call sees one
//! time wherever it comes from. If it is stored, what a call wrote is handed to the pump before the call returns.
//!
//! *Why not leave this to the callers.* There are two, the npm package's door and the Rust library, and what has to
//! happen around a call has to happen in both.

use alloc::boxed::Box;
use alloc::rc::Rc;

use brooklet::persist::Level;
use brooklet::{CommandFlags, Config, Engine, Outcome, Position, Ready, Reply, Session, Statistics, WaiterId, command};

use crate::growth::Growth;
use crate::pump::{Condition, Durability, Notify, Pump, StorageOptions};
use crate::storage::Storage;

/// Why no host could be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// The platform has no random numbers, and without them anybody could choose key names that collide.
    NoRandomness,
}

/// An engine on its platform; see the head of this file.
pub struct Host {
    engine: Engine,
    growth: Growth,
    pump: Option<Pump>,
}

impl Host {
    /// An empty engine in memory. The hash seed in `config` is replaced by random numbers.
    pub fn in_memory(config: Config) -> Result<Host, OpenError> {
        Ok(Host { engine: engine(config)?, growth: Growth::default(), pump: None })
    }

    /// An engine that is stored. It is there when [`Host::condition`] says so: until then, and after an end, commands are
    /// refused. To be driven at once, and whenever `notify` is told.
    pub fn stored(
        config: Config,
        storage: Box<dyn Storage>,
        options: StorageOptions,
        notify: Rc<dyn Notify>,
    ) -> Result<Host, OpenError> {
        let pump = Pump::new(storage, options, random()?, notify);
        Ok(Host { engine: engine(Config { journal: true, ..config })?, growth: Growth::default(), pump: Some(pump) })
    }

    /// Runs one command; see [`Engine::call`].
    pub fn call(&mut self, now_ms: u64, session: Session, argv: &[&[u8]], reply: &mut Reply) -> Outcome {
        let Some(now_ms) = self.begin(now_ms, &[argv], reply) else { return Outcome::Done(Position(0)) };
        let outcome = self.engine.call(now_ms, session, argv, reply);
        self.settle(now_ms);
        outcome
    }

    /// Runs commands as one unit; see [`Engine::exec`].
    pub fn exec(&mut self, now_ms: u64, session: Session, batch: &[&[&[u8]]], reply: &mut Reply) -> Outcome {
        let Some(now_ms) = self.begin(now_ms, batch, reply) else { return Outcome::Done(Position(0)) };
        let outcome = self.engine.exec(now_ms, session, batch, reply);
        self.settle(now_ms);
        outcome
    }

    /// Lets time pass; see [`Engine::advance`].
    pub fn advance(&mut self, now_ms: u64) {
        self.drive(now_ms);
        if self.condition() == Condition::Open {
            let now_ms = self.clock(now_ms);
            self.engine.advance(now_ms);
            self.settle(now_ms);
        }
    }

    /// The next reader that waited and has its reply; see [`Engine::take_ready`].
    pub fn take_ready(&mut self, reply: &mut Reply) -> Option<Ready> {
        let may_hold = self.pump.as_mut().is_none_or(Pump::reserve_reply);
        if may_hold { self.engine.take_ready(reply) } else { None }
    }

    /// Ends a wait without a reply; see [`Engine::cancel`].
    pub fn cancel(&mut self, waiter: WaiterId) -> bool {
        self.engine.cancel(waiter)
    }

    /// When [`Host::advance`] has something to do.
    pub fn next_deadline(&self) -> Option<u64> {
        let engine = self.engine.next_deadline();
        match &self.pump {
            None => engine,
            Some(pump) => {
                let engine = engine.filter(|_| pump.condition() == Condition::Open);
                [engine, pump.deadline()].into_iter().flatten().min()
            }
        }
    }

    /// The names of the streams; see [`Engine::streams`].
    #[cfg(feature = "async")]
    pub(crate) fn streams(&self) -> impl Iterator<Item = &[u8]> {
        self.engine.streams(Session::default().database)
    }

    /// The engine's configuration.
    pub fn config(&self) -> &Config {
        self.engine.config()
    }

    /// Changes the configuration; see [`Engine::configure`].
    pub fn configure(&mut self, config: Config) {
        self.engine.configure(config);
    }

    /// Writes the names of the streams, or of all keys, as an array of strings; an error if it would be too large.
    pub fn write_names(&self, all_keys: bool, reply: &mut Reply) {
        reply.clear();
        let array = reply.open_array();
        let mut count = 0;
        let (streams, keys) = (self.engine.streams(0), self.engine.keys(0));
        for name in streams.take_while(|_| !all_keys).chain(keys.take_while(|_| all_keys)) {
            let words_before = reply.words().len();
            reply.bulk(name);
            if reply.words().len() == words_before {
                reply.clear();
                reply.error(b"OOM the reply has no room for all names");
                return;
            }
            count += 1;
        }
        reply.close_array(array, count);
    }

    /// The memory that the engine holds by its own account, in bytes.
    pub fn memory(&self) -> u64 {
        self.engine.memory()
    }

    /// What the engine has counted.
    pub fn statistics(&self) -> Statistics<'_> {
        self.engine.statistics()
    }

    // What is stored.

    /// Takes what the storage has answered, and asks it for what is to be asked.
    pub fn drive(&mut self, now_ms: u64) {
        if let Some(pump) = &mut self.pump {
            pump.drive(&mut self.engine, now_ms);
            self.growth.settle();
        }
    }

    /// Whether it is there.
    pub fn condition(&self) -> Condition {
        self.pump.as_ref().map_or(Condition::Open, Pump::condition)
    }

    /// Holds a reply until what it depends on is stored, at the level of the mode unless another one is given; then
    /// [`Host::take_released`] has its token. False if it may leave at once. To be called once after each call, and after
    /// each reader that was taken.
    pub fn hold(&mut self, now_ms: u64, position: Position, level: Option<Level>, token: u64) -> bool {
        let Host { engine, pump, .. } = self;
        pump.as_mut().is_some_and(|pump| pump.hold(engine, now_ms, position, level, token))
    }

    /// The next reply that may leave. After an end none does any more.
    pub fn take_released(&mut self) -> Option<u64> {
        self.pump.as_mut()?.take_released()
    }

    /// Whether so much waits to be written that whoever adds should wait, too. Twice as much is refused.
    pub fn is_busy(&self) -> bool {
        self.pump.as_ref().is_some_and(Pump::is_busy)
    }

    /// Whether writes are refused, because the storage fails.
    pub fn is_failing(&self) -> bool {
        self.pump.as_ref().is_some_and(Pump::is_failing)
    }

    /// Asks the storage for everything at once: the page may be gone before the next task.
    pub fn flush_now(&mut self, now_ms: u64) {
        if let Some(pump) = &mut self.pump {
            pump.flush_now(&mut self.engine, now_ms);
        }
    }

    /// Up to where everything is that was called so far.
    pub fn position(&self) -> Position {
        self.engine.position()
    }

    /// Asks for everything to be made durable, and says up to where that is.
    pub fn sync(&mut self, now_ms: u64) -> Position {
        let Host { engine, pump, .. } = self;
        pump.as_mut().map_or(engine.position(), |pump| pump.sync(engine, now_ms))
    }

    /// Asks for a snapshot, behind which the log is short.
    pub fn compact(&mut self, now_ms: u64) {
        if let Some(pump) = &mut self.pump {
            pump.compact(&mut self.engine, now_ms);
        }
    }

    /// Stores everything and lets go of the storage. It is done when [`Host::condition`] says so.
    pub fn close(&mut self, now_ms: u64) {
        if let Some(pump) = &mut self.pump {
            pump.close(&mut self.engine, now_ms);
        }
    }

    /// Lets go of the storage at once, whatever is not stored.
    pub fn abandon(&mut self) {
        if let Some(pump) = &mut self.pump {
            pump.abandon();
        }
    }

    /// What is to be told about how it is stored; none if it is not.
    pub fn durability(&self) -> Option<Durability<'_>> {
        self.pump.as_ref().map(Pump::durability)
    }

    /// Whether commands may run, and at what time. Otherwise the reply says why not.
    fn begin(&mut self, now_ms: u64, batch: &[&[&[u8]]], reply: &mut Reply) -> Option<u64> {
        let Some(pump) = &mut self.pump else { return Some(now_ms) };
        let has = |is: fn(&CommandFlags) -> bool| {
            batch.iter().any(|argv| command(argv).is_some_and(|command| is(&command.flags)))
        };
        let refused = match pump.refusal_line() {
            Some(line) if pump.condition() != Condition::Open || has(|flags| flags.write) => Some(line),
            None if pump.is_overloaded() && has(|flags| flags.deny_oom) => Some(OVERLOADED),
            _ if !pump.reserve_reply() => Some(&b"OOM no memory to hold the reply"[..]),
            _ => None,
        };
        let Some(line) = refused else { return Some(pump.clock(now_ms)) };
        reply.clear();
        reply.error(line);
        None
    }

    fn clock(&mut self, now_ms: u64) -> u64 {
        self.pump.as_mut().map_or(now_ms, |pump| pump.clock(now_ms))
    }

    /// Ends a call into the engine.
    fn settle(&mut self, now_ms: u64) {
        if let Some(pump) = &mut self.pump {
            pump.gather(&mut self.engine, now_ms);
        }
        self.growth.settle();
    }
}

const OVERLOADED: &[u8] =
    b"BUSY more waits to be stored than is kept in memory: add again when what was added is written";

fn engine(config: Config) -> Result<Engine, OpenError> {
    let hash_seed = [random()?, random()?];
    Ok(Engine::new(Config { hash_seed, ..config }))
}

fn random() -> Result<u64, OpenError> {
    getrandom::u64().map_err(|_| OpenError::NoRandomness)
}
