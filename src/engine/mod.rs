//! The engine: logical databases of keys, commands on them, effects, waiting readers.

use alloc::vec::Vec;

use crate::reply::{Protocol, Reply};

/// How an engine is set up. `Config::default()` is a good choice for everything but the hash seed.
#[derive(Clone, Debug)]
pub struct Config {
    /// Seeds the hash of key names. The engine has no randomness of its own: a host that takes names from strangers
    /// passes two random numbers, so that nobody can choose names that collide.
    pub hash_seed: [u64; 2],
    /// Whether effects are written down for [`Engine::take_effects`]. An engine without a storage leaves this off.
    pub journal: bool,
    /// The memory in bytes beyond which commands that add answer `-OOM`. 0 is no limit.
    pub memory_bytes_max: u64,
    /// The size in bytes of the engine's own encoding beyond which a reply is refused.
    pub reply_bytes_max: usize,
    /// `stream-node-max-bytes`: the virtual size at which a logical node is full. 0 means 1 GiB.
    pub node_bytes_max: u64,
    /// `stream-node-max-entries`: the number of entries at which a logical node is full. 0 is no limit.
    pub node_entries_max: u64,
    /// `stream-idmp-duration`: how long new streams remember a producer's IDs, in seconds.
    pub idmp_duration_s: u64,
    /// `stream-idmp-maxsize`: how many IDs new streams remember for each producer.
    pub idmp_entries_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            hash_seed: [0, 0],
            journal: false,
            memory_bytes_max: 0,
            reply_bytes_max: 64 << 20,
            node_bytes_max: 4096,
            node_entries_max: 100,
            idmp_duration_s: 100,
            idmp_entries_max: 100,
        }
    }
}

/// What the engine has to know about who calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Session {
    /// The logical database, 0 to 15.
    pub database: u8,
    /// The protocol in which MAXSIZE counts reply bytes.
    pub protocol: Protocol,
}

/// A point in the journal: the number of units written before and at it. A reply may be shown once the journal is
/// stored up to the reply's position.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Position(pub u64);

/// The name of a blocked reader, unique over the life of an engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WaiterId(pub u64);

/// How a call ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The reply is written, and depends on this position.
    Done(Position),
    /// No reply yet: [`Engine::take_ready`] will yield it under this name.
    Blocked(WaiterId),
}

/// A blocked reader that has its reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ready {
    /// Who waited.
    pub waiter: WaiterId,
    /// What the reply depends on.
    pub position: Position,
}

/// Redis Streams in memory.
pub struct Engine {
    config: Config,
}

impl Engine {
    /// An empty engine.
    pub fn new(config: Config) -> Engine {
        Engine { config }
    }

    /// Runs one command. `reply` is cleared first. Errors are replies, too.
    pub fn call(&mut self, _now_ms: u64, _session: Session, _argv: &[&[u8]], reply: &mut Reply) -> Outcome {
        reply.clear();
        Outcome::Done(Position(0))
    }

    /// Runs commands as one MULTI/EXEC: one clock, one unit of effects, blocking commands answer at once, and waiting
    /// readers are served after the last one. The reply is an array with a reply (or error) for each command.
    pub fn exec(&mut self, _now_ms: u64, _session: Session, _batch: &[&[&[u8]]], reply: &mut Reply) -> Outcome {
        reply.clear();
        Outcome::Done(Position(0))
    }

    /// Lets time pass: expires keys, ends waits that timed out, serves readers whose entries matured. To be called
    /// when [`Engine::next_deadline`] is reached; calling it more often is harmless.
    pub fn advance(&mut self, _now_ms: u64) {}

    /// The next time, in milliseconds, at which [`Engine::advance`] has something to do.
    pub fn next_deadline(&self) -> Option<u64> {
        None
    }

    /// The next waiting reader that has its reply, in the order in which they were served. To be asked after each
    /// `call`, `exec` and `advance` until it is `None`.
    pub fn take_ready(&mut self, _reply: &mut Reply) -> Option<Ready> {
        None
    }

    /// Ends a wait without a reply, because the reader went away. False if it no longer waits.
    pub fn cancel(&mut self, _waiter: WaiterId) -> bool {
        false
    }

    /// Moves the effect bytes written since the last time to the end of `out`, whole units only. Returns the position
    /// they reach.
    pub fn take_effects(&mut self, _out: &mut Vec<u8>) -> Position {
        Position(0)
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Checks every invariant of every structure; for tests. The error describes the first breach.
    pub fn validate(&self) -> Result<(), alloc::string::String> {
        Ok(())
    }
}
