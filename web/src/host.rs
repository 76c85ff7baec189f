//! The engine, and what the platform adds to it.
//!
//! *Design.* A host owns an engine and passes calls on to it. It takes the hash seed from the platform's random numbers,
//! and lets memory grow in large steps. It has no clock: whoever calls says what time it is, so that one call sees one
//! time wherever it comes from.
//!
//! *Why not leave this to the callers.* There are two, the npm package's door and the Rust library, and what has to
//! happen around a call has to happen in both.

use brooklet::{Config, Engine, Outcome, Ready, Reply, Session, Statistics, WaiterId};

use crate::growth::Growth;

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
}

impl Host {
    /// An empty engine in memory. The hash seed in `config` is replaced by random numbers.
    pub fn in_memory(config: Config) -> Result<Host, OpenError> {
        let hash_seed = [random()?, random()?];
        Ok(Host { engine: Engine::new(Config { hash_seed, ..config }), growth: Growth::default() })
    }

    /// Runs one command; see [`Engine::call`].
    pub fn call(&mut self, now_ms: u64, session: Session, argv: &[&[u8]], reply: &mut Reply) -> Outcome {
        let outcome = self.engine.call(now_ms, session, argv, reply);
        self.growth.settle();
        outcome
    }

    /// Runs commands as one unit; see [`Engine::exec`].
    pub fn exec(&mut self, now_ms: u64, session: Session, batch: &[&[&[u8]]], reply: &mut Reply) -> Outcome {
        let outcome = self.engine.exec(now_ms, session, batch, reply);
        self.growth.settle();
        outcome
    }

    /// Lets time pass; see [`Engine::advance`].
    pub fn advance(&mut self, now_ms: u64) {
        self.engine.advance(now_ms);
        self.growth.settle();
    }

    /// The next reader that waited and has its reply; see [`Engine::take_ready`].
    pub fn take_ready(&mut self, reply: &mut Reply) -> Option<Ready> {
        self.engine.take_ready(reply)
    }

    /// Ends a wait without a reply; see [`Engine::cancel`].
    pub fn cancel(&mut self, waiter: WaiterId) -> bool {
        self.engine.cancel(waiter)
    }

    /// When [`Host::advance`] has something to do.
    pub fn next_deadline(&self) -> Option<u64> {
        self.engine.next_deadline()
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

    /// Writes the names of the streams as an array of strings; an error if it would be too large.
    pub fn write_streams(&self, reply: &mut Reply) {
        reply.clear();
        let array = reply.open_array();
        let mut count = 0;
        for name in self.engine.streams(0) {
            let words_before = reply.words().len();
            reply.bulk(name);
            if reply.words().len() == words_before {
                reply.clear();
                reply.error(b"OOM the reply has no room for the names of all streams");
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
}

fn random() -> Result<u64, OpenError> {
    getrandom::u64().map_err(|_| OpenError::NoRandomness)
}
