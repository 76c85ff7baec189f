//! The engine: logical databases of keys, the effects on them, the readers that wait. It knows no command.
//!
//! *Design.* A command decides, and hands each decision over as an [`Effect`] on a key; the engine
//! applies it, writes it to the journal, moves the key's position and signals the readers that wait on the key. The
//! same function applies effects on replay. What a command looks up marks what its reply depends on.
//!
//! *Invariants*
//! 1. State changes through `apply` alone, so that replaying the journal gives the same state. Not journaled, and so
//!    not restored: when consumers were last seen, how many repeated appends were answered, statistics.
//! 2. An effect that fails has changed nothing and is not in the journal.
//! 3. Between calls no key is signalled and no unit is open.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use crate::entries::NodeLimits;
use crate::memory::OutOfMemory;
use crate::reply::{Protocol, REPLY_BYTES_MAX, REPLY_BYTES_MIN, Reply};
use crate::stream::{ProducerLimits, Stream};

mod apply;
pub(crate) mod dump;
pub(crate) mod effect;
mod journal;
mod keyspace;
mod replay;
mod snapshot;
mod statistics;
mod timers;
mod wait;

use apply::Fault;
use effect::Effect;
use journal::Journal;
use keyspace::Keyspace;
pub(crate) use keyspace::{DATABASES, Database, Key, KeyRef, Stored};
pub use replay::ReplayError;
use snapshot::Snapshots;
pub use snapshot::{PartNames, SnapshotStep};
pub(crate) use statistics::Counters;
pub use statistics::{CommandStatistics, Statistics};
use timers::Timers;
pub(crate) use timers::{Purpose, Timer};
use wait::Waiters;
pub(crate) use wait::{OwnedRequest, Waiter};

/// Times are kept in 48 bits, which last until the year 10889. A later clock stands still there.
const NOW_MS_MAX: u64 = (1 << 48) - 1;

/// For so many signalled keys memory is kept: most calls signal none, and the others mostly one.
const SIGNALLED_KEPT: usize = 16;

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
    /// The size in bytes of the engine's own encoding beyond which a reply is refused. The engine takes the nearest
    /// that it can keep to: from 320, which the replies of writes need, to 2^28 - 1.
    pub reply_bytes_max: usize,
    /// `stream-node-max-bytes`: the virtual size at which a logical node is full. 0 means 1 GiB.
    pub node_bytes_max: u64,
    /// `stream-node-max-entries`: the number of entries at which a logical node is full. 0 is no limit.
    pub node_entries_max: u64,
    /// `stream-idmp-duration`: how long new streams remember a producer's IDs, in seconds. The engine takes
    /// the nearest from 1 to 86,400, as XCFGSET allows.
    pub idmp_duration_s: u64,
    /// `stream-idmp-maxsize`: how many IDs new streams remember for each producer. The engine takes the nearest
    /// from 1 to 10,000, as XCFGSET allows.
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

impl Config {
    fn clamp(self) -> Config {
        Config {
            reply_bytes_max: self.reply_bytes_max.clamp(REPLY_BYTES_MIN, REPLY_BYTES_MAX),
            idmp_duration_s: self.idmp_duration_s.clamp(1, u64::from(ProducerLimits::DURATION_S_MAX)),
            idmp_entries_max: self.idmp_entries_max.clamp(1, u64::from(ProducerLimits::ENTRIES_MAX)),
            ..self
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
///
/// Commands go in through [`Engine::call`] and [`Engine::exec`]; what came of them is read from the reply, from
/// [`Engine::take_ready`] for readers that waited, and from [`Engine::take_effects`] for whoever stores the journal.
pub struct Engine {
    config: Config,
    keyspace: Keyspace,
    journal: Journal,
    snapshots: Snapshots,
    waiters: Waiters,
    timers: Timers,
    /// Keys whose waiters have to be looked at, in the order in which they changed.
    signalled: VecDeque<KeyRef>,
    counters: Counters,
}

impl Engine {
    /// An empty engine.
    pub fn new(config: Config) -> Engine {
        Engine {
            keyspace: Keyspace::new(config.hash_seed),
            journal: Journal::new(config.journal),
            snapshots: Snapshots::default(),
            waiters: Waiters::default(),
            timers: Timers::default(),
            signalled: VecDeque::new(),
            counters: Counters::default(),
            config: config.clamp(),
        }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Changes the configuration. What is already stored stays as it is; `hash_seed` and `journal` cannot change any
    /// more and keep their values.
    pub fn configure(&mut self, config: Config) {
        let Config { hash_seed, journal, .. } = self.config;
        self.config = Config { hash_seed, journal, ..config.clamp() };
    }

    /// The position of the newest effect.
    pub fn position(&self) -> Position {
        self.journal.position()
    }

    /// Moves the effect bytes written since the last time to the end of `out`, whole units only, and returns the
    /// position they reach. Each piece taken can be replayed after the pieces before it.
    pub fn take_effects(&mut self, out: &mut Vec<u8>) -> Position {
        self.journal.take(out);
        self.journal.position()
    }

    /// How many bytes of effects wait to be taken.
    pub fn effects_len(&self) -> usize {
        self.journal.len()
    }

    /// The next time, in milliseconds, at which [`Engine::advance`] has something to do.
    pub fn next_deadline(&self) -> Option<u64> {
        self.timers.first().map(|timer| timer.at_ms)
    }

    /// The next waiting reader that has its reply, in the order in which they were served. To be asked after each
    /// `call`, `exec` and `advance` until it is `None`.
    pub fn take_ready(&mut self, reply: &mut Reply) -> Option<Ready> {
        let (ready, answer) = self.waiters.pop_ready()?;
        *reply = answer;
        Some(ready)
    }

    /// Ends a wait without a reply, because the reader went away. False if it no longer waits.
    pub fn cancel(&mut self, waiter: WaiterId) -> bool {
        let Some(slot) = self.waiters.find(waiter) else { return false };
        drop(self.waiters.remove(slot, &mut self.keyspace));
        self.waiters.release_if_unused();
        self.prune_timers();
        true
    }

    /// The memory the engine holds by its own account, in bytes: what `memory_bytes_max` is compared with.
    pub fn memory(&self) -> u64 {
        let parts = [
            self.keyspace.memory(),
            self.journal.memory(),
            self.snapshots.memory(),
            self.waiters.memory(),
            self.timers.memory(),
        ];
        parts.iter().map(|&part| part as u64).sum()
    }

    /// The names of the streams of a database, in no order that means anything. A stream whose time to expire has come
    /// is among them until [`Engine::advance`] or a command notices. There is none in a database that does not exist.
    pub fn streams(&self, database: u8) -> impl Iterator<Item = &[u8]> {
        let database = (database < DATABASES).then(|| self.keyspace.database(database));
        let keys = database.into_iter().flat_map(Database::iter);
        keys.filter(|(_, key)| key.stream().is_some()).map(|(_, key)| key.name())
    }

    /// The names of all keys of a database, likewise.
    pub fn keys(&self, database: u8) -> impl Iterator<Item = &[u8]> {
        let database = (database < DATABASES).then(|| self.keyspace.database(database));
        let keys = database.into_iter().flat_map(Database::iter);
        keys.filter(|(_, key)| key.value().is_some()).map(|(_, key)| key.name())
    }

    /// What was counted since the engine began, or since the last reset.
    pub fn statistics(&self) -> Statistics<'_> {
        Statistics::new(&self.counters, self.waiters.len())
    }

    /// Sets the counters back to zero.
    pub fn reset_statistics(&mut self) {
        self.counters = Counters::default();
    }

    /// Checks every invariant of every structure; for tests. The error describes the first breach.
    pub fn validate(&self) -> Result<(), String> {
        self.keyspace.validate()?;
        self.waiters.validate(&self.keyspace)?;
        self.validate_snapshots()?;
        if !self.signalled.is_empty() {
            return Err(String::from("engine: 3 a key is signalled"));
        }
        Ok(())
    }

    // For commands.

    pub(crate) fn database(&self, database: u8) -> &Database {
        self.keyspace.database(database)
    }

    pub(crate) fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    pub(crate) fn node_limits(&self) -> NodeLimits {
        NodeLimits { bytes_max: self.config.node_bytes_max, entries_max: self.config.node_entries_max }
    }

    /// Whether the engine holds more than it may.
    pub(crate) fn is_memory_exceeded(&self) -> bool {
        self.config.memory_bytes_max > 0 && self.memory() > self.config.memory_bytes_max
    }

    /// The key of this name that has a value, without regard to its expiry.
    pub(crate) fn find(&self, database: u8, name: &[u8]) -> Option<KeyRef> {
        let at = self.keyspace.find(database, name)?;
        self.keyspace.key(at)?.value().map(|_| at)
    }

    pub(crate) fn key(&self, at: KeyRef) -> Option<&Key> {
        self.keyspace.key(at)
    }

    pub(crate) fn stream(&self, at: KeyRef) -> Option<&Stream> {
        self.keyspace.key(at)?.stream()
    }

    /// For what is not journaled: when a consumer was seen, repeated appends.
    pub(crate) fn stream_mut(&mut self, at: KeyRef) -> Option<&mut Stream> {
        self.before_change(at);
        self.keyspace.key_mut(at)?.stream_mut()
    }

    /// Makes room in a stream for an entry that is decided but will only be added after other effects.
    pub(crate) fn reserve_add(&mut self, at: KeyRef, fields: &[&[u8]], opens_node: bool) -> Result<(), OutOfMemory> {
        let reserved = self.stream_mut(at).map_or(Ok(()), |stream| stream.reserve_add(fields, opens_node));
        self.keyspace.settle(at);
        reserved
    }

    /// The number of a name, to create a value under it. The caller ends with [`Engine::drop_vacant`] if it does not.
    pub(crate) fn find_or_create(&mut self, database: u8, name: &[u8]) -> Result<KeyRef, OutOfMemory> {
        self.keyspace.find_or_create(database, name)
    }

    /// Forgets a name that was found or created, if it has neither value nor waiters.
    pub(crate) fn drop_vacant(&mut self, at: KeyRef) {
        self.keyspace.drop_vacant(at);
    }

    /// Begins a unit of effects.
    pub(crate) fn open_unit(&mut self) {
        self.journal.open_unit();
    }

    /// Ends the unit, and returns its position if it has effects.
    pub(crate) fn close_unit(&mut self) -> Option<Position> {
        self.journal.close_unit()
    }

    /// Makes room in the journal for an effect that is decided but will only be committed after others.
    pub(crate) fn promise(&mut self, at: KeyRef, effect: &Effect<'_>) -> Result<(), OutOfMemory> {
        self.journal.promise(self.journal_bytes_max(at, effect))
    }

    /// Applies an effect and writes it to the journal. If the memory for it is not there, nothing has changed.
    pub(crate) fn commit(&mut self, at: KeyRef, effect: &Effect<'_>) -> Result<(), OutOfMemory> {
        let bytes_max = self.journal_bytes_max(at, effect);
        self.journal.promise(bytes_max)?;
        self.apply_and_write(at, effect, bytes_max)
    }

    /// The same for an effect for which the journal has made room.
    pub(crate) fn commit_promised(&mut self, at: KeyRef, effect: &Effect<'_>) -> Result<(), OutOfMemory> {
        self.apply_and_write(at, effect, self.journal_bytes_max(at, effect))
    }

    /// Ends a command. Promises that it did not need are taken back.
    pub(crate) fn release_promises(&mut self) {
        self.journal.release_all();
    }

    /// The most bytes that the effect takes in the journal, if there is one.
    fn journal_bytes_max(&self, at: KeyRef, effect: &Effect<'_>) -> usize {
        if !self.journal.is_enabled() {
            return 0;
        }
        effect.encoded_bytes_max() + self.keyspace.key(at).map_or(0, |key| key.name().len())
    }

    fn apply_and_write(&mut self, at: KeyRef, effect: &Effect<'_>, bytes_max: usize) -> Result<(), OutOfMemory> {
        let position = self.journal.next_position();
        let applied = self.apply(at, effect, position);
        self.journal.release(bytes_max);
        debug_assert!(!matches!(applied, Err(Fault::Misfit(_))), "{applied:?}: {effect:?}");
        applied?;
        if let Some(key) = self.keyspace.key_mut(at) {
            self.journal.write(key.journal_key(at.database), effect);
        }
        if matches!(effect, Effect::Remove | Effect::Rename { .. }) {
            self.keyspace.drop_vacant(at);
        }
        Ok(())
    }

    /// Removes all keys of a database, or of all databases.
    pub(crate) fn flush(&mut self, database: Option<u8>) -> Result<(), OutOfMemory> {
        self.journal.promise(0)?;
        let position = self.journal.next_position();
        self.apply_flush(database, position);
        self.journal.write_flush(database);
        Ok(())
    }

    /// Puts a key on the list of those whose waiters have to be looked at. Without memory for the list, the readers
    /// stay waiting until the next change: a wake-up late, never an entry lost.
    fn signal(&mut self, at: KeyRef) {
        if let Some(key) = self.keyspace.key_mut(at)
            && self.signalled.try_reserve(1).is_ok()
            && key.signal()
        {
            self.signalled.push_back(at);
        }
    }

    /// Forgets all signals: nobody waits while a journal is read.
    fn drop_signals(&mut self) {
        while self.next_signalled().is_some() {}
    }

    /// Takes the first signalled key.
    pub(crate) fn next_signalled(&mut self) -> Option<KeyRef> {
        let Some(at) = self.signalled.pop_front() else {
            if self.signalled.capacity() > SIGNALLED_KEPT {
                self.signalled = VecDeque::new();
            }
            return None;
        };
        if let Some(key) = self.keyspace.key_mut(at) {
            key.clear_signal();
        }
        Some(at)
    }

    // Waiting.

    pub(crate) fn waiter(&self, slot: u32) -> Option<&Waiter> {
        self.waiters.get(slot)
    }

    /// Lets a reader wait.
    pub(crate) fn block(&mut self, waiter: Waiter) -> Result<WaiterId, OutOfMemory> {
        self.timers.reserve(2)?;
        let (deadline_ms, mature_ms) = (waiter.deadline_ms, waiter.mature_ms);
        let (id, slot) = self.waiters.block(waiter, &mut self.keyspace)?;
        let timers = [(deadline_ms, Purpose::TimeOut), (mature_ms, Purpose::Mature)];
        for (at_ms, purpose) in timers {
            if let Some(at_ms) = at_ms {
                self.timers.push(Timer::of_waiter(at_ms, purpose, id, slot));
            }
        }
        Ok(id)
    }

    /// Takes back what a refused [`Engine::block`] left behind.
    pub(crate) fn unblock_failed(&mut self, keys: &[KeyRef]) {
        Waiters::drop_unused(keys, &mut self.keyspace);
        self.waiters.release_if_unused();
    }

    /// The waiters of a key by arrival.
    pub(crate) fn waiters_of(&self, at: KeyRef) -> Result<Vec<u32>, OutOfMemory> {
        let Some(list) = self.keyspace.key(at).and_then(|key| key.waiters()) else { return Ok(Vec::new()) };
        let mut slots = Vec::new();
        slots.try_reserve_exact(list.len())?;
        slots.extend(list.iter());
        Ok(slots)
    }

    /// Takes a waiter's request, to run it.
    pub(crate) fn take_request(&mut self, slot: u32) -> Option<OwnedRequest> {
        self.waiters.take_request(slot)
    }

    /// Gives a waiter its request back, because it has to wait on; until when its claim may succeed is new.
    pub(crate) fn keep_waiting(&mut self, slot: u32, request: OwnedRequest, mature_ms: Option<u64>) {
        self.waiters.put_request(slot, request);
        let position = self.position();
        let Some(waiter) = self.waiters.get_mut(slot) else { return };
        waiter.tried = position;
        if waiter.mature_ms != mature_ms {
            waiter.mature_ms = mature_ms;
            if let (Some(at_ms), true) = (mature_ms, self.timers.reserve(1).is_ok()) {
                self.timers.push(Timer::of_waiter(at_ms, Purpose::Mature, waiter.id, slot));
            }
        }
    }

    /// Ends a wait with a reply.
    pub(crate) fn answer(&mut self, slot: u32, position: Position, reply: Reply) {
        if let Some(waiter) = self.waiters.remove(slot, &mut self.keyspace) {
            self.waiters.push_ready(waiter.id, position, reply);
        }
    }

    // Time.

    /// Takes the next due timer that is still wanted.
    pub(crate) fn next_due(&mut self, now_ms: u64) -> Option<Timer> {
        loop {
            let timer = self.timers.pop_due(now_ms)?;
            if self.is_wanted(&timer) {
                return Some(timer);
            }
        }
    }

    /// Drops timers that are no longer wanted: from the front always, all of them now and then.
    pub(crate) fn prune_timers(&mut self) {
        while self.timers.first().is_some_and(|timer| !self.is_wanted(&timer)) {
            self.timers.pop();
        }
        if self.timers.wants_cleaning() {
            let mut timers = core::mem::take(&mut self.timers);
            timers.clean(&mut |timer| self.is_wanted(timer));
            self.timers = timers;
        }
        self.timers.shrink();
    }

    fn is_wanted(&self, timer: &Timer) -> bool {
        let wanted_ms = match timer.purpose {
            Purpose::Expire => self.keyspace.key(timer.key()).and_then(|key| key.expires_ms()),
            Purpose::ForgetProduced => {
                self.keyspace.key(timer.key()).and_then(|key| key.stream()?.produced_deadline_ms())
            }
            Purpose::TimeOut => self.waiter_of(timer).and_then(|waiter| waiter.deadline_ms),
            Purpose::Mature => self.waiter_of(timer).and_then(|waiter| waiter.mature_ms),
        };
        wanted_ms == Some(timer.at_ms)
    }

    /// The waiter that a timer is about, if it still waits: another one may have its slot.
    fn waiter_of(&self, timer: &Timer) -> Option<&Waiter> {
        self.waiters.get(timer.slot).filter(|waiter| Some(waiter.id) == timer.waiter)
    }
}

/// The clock as the engine uses it.
pub(crate) fn clamp_now(now_ms: u64) -> u64 {
    now_ms.min(NOW_MS_MAX)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn call(engine: &mut Engine, database: u8, line: &str) -> Outcome {
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        engine.call(1, Session { database, ..Session::default() }, &argv, &mut Reply::new())
    }

    fn streams(engine: &Engine, database: u8) -> Vec<&[u8]> {
        let mut names: Vec<&[u8]> = engine.streams(database).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn streams_are_walked_and_nothing_else() {
        let mut engine = Engine::new(Config::default());
        assert!(streams(&engine, 0).is_empty() && engine.keys(0).next().is_none());
        for line in ["XADD b 1-1 f v", "SET text x", "XGROUP CREATE a g 0 MKSTREAM", "XADD gone 1-1 f v", "DEL gone"] {
            assert!(matches!(call(&mut engine, 0, line), Outcome::Done(_)), "{line}");
        }
        // A name on which somebody waits is not there yet.
        assert!(matches!(call(&mut engine, 0, "XREAD BLOCK 0 STREAMS waited $"), Outcome::Blocked(_)));
        call(&mut engine, 15, "XADD other 1-1 f v");
        assert_eq!(streams(&engine, 0), [b"a", b"b"]);
        assert_eq!(streams(&engine, 15), [b"other"]);
        let mut keys: Vec<&[u8]> = engine.keys(0).collect();
        keys.sort_unstable();
        assert_eq!(keys, [&b"a"[..], b"b", b"text"]);
        assert!(streams(&engine, 1).is_empty() && streams(&engine, 16).is_empty());
    }
}
