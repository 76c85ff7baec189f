//! The keyspace: sixteen logical databases of named values.
//!
//! It knows names, values, expiry times and who waits on a name; it knows neither commands nor the clock.
//!
//! *Design.* A database keeps its keys in slots with small stable numbers, and finds a number through a hash table of
//! slot numbers with linear probing. A number stays good while the key lives, so SCAN can walk the slots in order and
//! everybody else (waiters, timers, the journal) can hold on to a key without its name. A key that has no value but
//! readers waiting on it keeps its slot: it is *vacant*, and invisible to commands.
//!
//! *Why not a map from the standard library.* Its growth cannot be refused, a second table would be needed for SCAN's
//! promise, and in the wasm module it costs three times the code.
//!
//! *Invariants*
//! 1. Each slot's name is found by probing from its hash to the first free bucket, and each bucket names a live slot.
//! 2. At most three quarters of the buckets are taken, so that each probe ends.
//! 3. `live` counts the keys that have a value; a vacant key has a waiter or is being created by the running command.
//! 4. `values_bytes` is the sum of what names, values and lists of waiters take. A database without keys holds nothing.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::Position;
use super::journal::{Interned, JournalKey};
use crate::hash::hash;
use crate::memory::{Boxed, OutOfMemory, try_boxed};
use crate::slots::Slots;
use crate::sorted_keys::SortedKeys;
use crate::stream::Stream;

/// How many logical databases there are.
pub(crate) const DATABASES: u8 = 16;

/// A key that is read from a snapshot keeps its number if not more than one in so many numbers up to it is in use. The
/// number is somebody's claim; the names are there.
const SPARSE_MAX: usize = 64;

/// A key of a database, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct KeyRef {
    pub(crate) database: u8,
    pub(crate) slot: u32,
}

/// What a key can hold.
pub(crate) enum Stored {
    Stream(Boxed<Stream>),
    Bytes(Box<[u8]>),
}

impl Stored {
    /// The heap bytes of the value.
    fn memory(&self) -> usize {
        match self {
            Stored::Stream(stream) => size_of::<Stream>() + stream.memory(),
            Stored::Bytes(bytes) => bytes.len(),
        }
    }
}

/// A name and what belongs to it.
pub(crate) struct Key {
    name: Box<[u8]>,
    value: Option<Stored>,
    expires_ms: Option<u64>,
    /// The position of the newest effect on this key.
    changed: Position,
    interned: Interned,
    /// The readers that wait on this name, by arrival.
    waiters: Option<Boxed<SortedKeys>>,
    /// Whether the key is on the list of names whose waiters have to be looked at.
    signalled: bool,
    /// What this key contributed to `values_bytes` when it was last settled.
    settled_bytes: usize,
}

impl Key {
    fn vacant(name: Box<[u8]>) -> Key {
        Key {
            name,
            value: None,
            expires_ms: None,
            changed: Position(0),
            interned: Interned::default(),
            waiters: None,
            signalled: false,
            settled_bytes: 0,
        }
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(crate) fn value(&self) -> Option<&Stored> {
        self.value.as_ref()
    }

    pub(crate) fn stream(&self) -> Option<&Stream> {
        match &self.value {
            Some(Stored::Stream(stream)) => Some(stream),
            _ => None,
        }
    }

    pub(crate) fn stream_mut(&mut self) -> Option<&mut Stream> {
        match &mut self.value {
            Some(Stored::Stream(stream)) => Some(stream),
            _ => None,
        }
    }

    pub(crate) fn expires_ms(&self) -> Option<u64> {
        self.expires_ms
    }

    pub(crate) fn set_expires_ms(&mut self, expires_ms: Option<u64>) {
        self.expires_ms = expires_ms;
    }

    pub(crate) fn changed(&self) -> Position {
        self.changed
    }

    pub(crate) fn set_changed(&mut self, position: Position) {
        self.changed = position;
    }

    pub(crate) fn waiters(&self) -> Option<&SortedKeys> {
        self.waiters.as_deref()
    }

    pub(crate) fn waiters_mut(&mut self) -> &mut Option<Boxed<SortedKeys>> {
        &mut self.waiters
    }

    /// Marks the key as signalled; true if it was not yet and somebody waits on it.
    pub(crate) fn signal(&mut self) -> bool {
        self.waiters.is_some() && !core::mem::replace(&mut self.signalled, true)
    }

    pub(crate) fn clear_signal(&mut self) {
        self.signalled = false;
    }

    pub(crate) fn journal_key(&mut self, database: u8) -> JournalKey<'_> {
        JournalKey { database, name: &self.name, interned: &mut self.interned }
    }

    fn memory(&self) -> usize {
        let waiters = self.waiters().map_or(0, |list| size_of::<SortedKeys>() + list.memory());
        self.name.len() + self.value.as_ref().map_or(0, Stored::memory) + waiters
    }
}

/// One logical database.
#[derive(Default)]
pub(crate) struct Database {
    keys: Slots<Key>,
    /// Slot numbers plus one; 0 is a free bucket. The length is a power of two, or 0.
    buckets: Vec<u32>,
    live: usize,
    /// The position of the newest effect that made a name of this database disappear: who finds nothing depends on it.
    removed: Position,
}

/// All databases.
pub(crate) struct Keyspace {
    databases: [Database; DATABASES as usize],
    hash_seed: [u64; 2],
    values_bytes: usize,
}

impl Keyspace {
    pub(crate) fn new(hash_seed: [u64; 2]) -> Keyspace {
        Keyspace { databases: Default::default(), hash_seed, values_bytes: 0 }
    }

    /// The database. Numbers were checked where they came in.
    pub(crate) fn database(&self, number: u8) -> &Database {
        let index = usize::from(number % DATABASES);
        #[allow(clippy::indexing_slicing, reason = "the index is taken modulo the length of the array")]
        &self.databases[index]
    }

    fn database_mut(&mut self, number: u8) -> &mut Database {
        let index = usize::from(number % DATABASES);
        #[allow(clippy::indexing_slicing, reason = "the index is taken modulo the length of the array")]
        &mut self.databases[index]
    }

    /// The memory held: names, values, slots and buckets.
    pub(crate) fn memory(&self) -> usize {
        self.values_bytes + self.databases.iter().map(Database::memory).sum::<usize>()
    }

    /// The number of a name, vacant or not.
    pub(crate) fn find(&self, database: u8, name: &[u8]) -> Option<KeyRef> {
        let (_, slot) = self.database(database).probe(hash(self.hash_seed, name), name);
        slot.map(|slot| KeyRef { database, slot })
    }

    pub(crate) fn key(&self, at: KeyRef) -> Option<&Key> {
        self.database(at.database).keys.get(at.slot)
    }

    pub(crate) fn key_mut(&mut self, at: KeyRef) -> Option<&mut Key> {
        self.database_mut(at.database).keys.get_mut(at.slot)
    }

    /// The number of a name, made vacant if there was none.
    pub(crate) fn find_or_create(&mut self, database: u8, name: &[u8]) -> Result<KeyRef, OutOfMemory> {
        let seed = self.hash_seed;
        let target = self.database_mut(database);
        let hash = hash(seed, name);
        if let (_, Some(slot)) = target.probe(hash, name) {
            return Ok(KeyRef { database, slot });
        }
        let name = try_boxed(name)?;
        let reserved = target.reserve(seed);
        if reserved.is_err() {
            target.release_if_empty();
        }
        reserved?;
        let (bucket, _) = target.probe(hash, &name);
        let slot = target.keys.insert(Key::vacant(name));
        target.set_bucket(bucket, slot + 1);
        let at = KeyRef { database, slot };
        self.settle(at);
        Ok(at)
    }

    /// Makes a new name vacant under a number of the caller's choice, while a snapshot is read; under the next free one if
    /// the number is out of all proportion to how many names there are. Nothing may be removed before
    /// [`Keyspace::end_load`]. `None` if the name or the number is taken.
    pub(crate) fn create_at(&mut self, at: KeyRef, name: &[u8]) -> Result<Option<KeyRef>, OutOfMemory> {
        let seed = self.hash_seed;
        let target = self.database_mut(at.database);
        let hash = hash(seed, name);
        if target.probe(hash, name).1.is_some() {
            return Ok(None);
        }
        let name = try_boxed(name)?;
        target.reserve(seed)?;
        let (bucket, _) = target.probe(hash, &name);
        let sparse_end = (target.keys.len() + 1).saturating_mul(SPARSE_MAX);
        let slot = if (at.slot as usize) < sparse_end { at.slot } else { target.keys.end() };
        if !target.keys.insert_at(slot, Key::vacant(name))? {
            return Ok(None);
        }
        target.set_bucket(bucket, slot + 1);
        let at = KeyRef { slot, ..at };
        self.settle(at);
        Ok(Some(at))
    }

    /// Ends reading a snapshot: from now on keys are made and removed as usual.
    pub(crate) fn end_load(&mut self) {
        self.databases.iter_mut().for_each(|database| database.keys.thread());
    }

    /// Gives the key this value (or none) and returns what it had.
    pub(crate) fn set_value(&mut self, at: KeyRef, value: Option<Stored>) -> Option<Stored> {
        let key = self.key_mut(at)?;
        let comes = usize::from(value.is_some());
        let before = core::mem::replace(&mut key.value, value);
        let database = self.database_mut(at.database);
        database.live = (database.live + comes).saturating_sub(usize::from(before.is_some()));
        self.settle(at);
        before
    }

    /// Brings the account of memory up to date after a change of the key's value or of its waiters.
    pub(crate) fn settle(&mut self, at: KeyRef) {
        let Some(key) = self.key_mut(at) else { return };
        let bytes = key.memory();
        let before = core::mem::replace(&mut key.settled_bytes, bytes);
        self.values_bytes = (self.values_bytes + bytes).saturating_sub(before);
    }

    /// Notes that a name lost its value at this position.
    pub(crate) fn note_removed(&mut self, database: u8, position: Position) {
        self.database_mut(database).removed = position;
    }

    /// Frees the slot of a key without value and without waiters.
    pub(crate) fn drop_vacant(&mut self, at: KeyRef) {
        let seed = self.hash_seed;
        let Some(key) = self.key(at) else { return };
        if key.value.is_some() || key.waiters.is_some() || key.signalled {
            return;
        }
        let bytes = key.settled_bytes;
        let hash = hash(seed, &key.name);
        let database = self.database_mut(at.database);
        database.free_bucket(seed, hash, at.slot);
        drop(database.keys.remove(at.slot));
        database.release_if_empty();
        self.values_bytes = self.values_bytes.saturating_sub(bytes);
    }

    /// The first key at or after a slot number: how to walk a database while it changes.
    pub(crate) fn next_from(&self, database: u8, slot: u32) -> Option<KeyRef> {
        self.database(database).keys.iter_from(slot).next().map(|(slot, _)| KeyRef { database, slot })
    }

    /// Checks the invariants.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let mut bytes = 0;
        for database in &self.databases {
            database.validate(self.hash_seed)?;
            if database.keys.len() == 0 && database.memory() > 0 {
                return Err(String::from("keyspace: 4 an empty database holds memory"));
            }
            bytes += database.keys.iter().map(|(_, key)| key.memory()).sum::<usize>();
        }
        if bytes == self.values_bytes { Ok(()) } else { Err(String::from("keyspace: 4 the account of memory is off")) }
    }
}

impl Database {
    /// How many keys have a value.
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// What the absence of a key depends on.
    pub(crate) fn removed(&self) -> Position {
        self.removed
    }

    /// The bytes of slots and buckets.
    fn memory(&self) -> usize {
        self.keys.memory() + self.buckets.capacity() * size_of::<u32>()
    }

    fn release_if_empty(&mut self) {
        if self.keys.len() == 0 {
            self.keys.release_if_empty();
            self.buckets = Vec::new();
        }
    }

    /// All keys with a value, in slot order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Key)> {
        self.keys.iter().filter(|(_, key)| key.value.is_some())
    }

    /// The bucket where the name is or would go, and its slot if it is there.
    #[inline]
    fn probe(&self, hash: u64, name: &[u8]) -> (usize, Option<u32>) {
        let Some(mask) = self.buckets.len().checked_sub(1) else { return (0, None) };
        let mut bucket = hash as usize & mask;
        loop {
            let Some(slot) = self.bucket(bucket).checked_sub(1) else { return (bucket, None) };
            if self.keys.get(slot).is_some_and(|key| *key.name == *name) {
                return (bucket, Some(slot));
            }
            bucket = (bucket + 1) & mask;
        }
    }

    fn bucket(&self, bucket: usize) -> u32 {
        self.buckets.get(bucket).copied().unwrap_or(0)
    }

    fn set_bucket(&mut self, bucket: usize, content: u32) {
        if let Some(place) = self.buckets.get_mut(bucket) {
            *place = content;
        }
    }

    /// Room for one more key: a slot, and buckets at most three quarters full.
    fn reserve(&mut self, seed: [u64; 2]) -> Result<(), OutOfMemory> {
        self.keys.reserve(1)?;
        if (self.keys.len() + 1) * 4 <= self.buckets.len() * 3 {
            return Ok(());
        }
        let size = (self.buckets.len() * 2).max(8);
        let mut buckets = Vec::new();
        buckets.try_reserve_exact(size)?;
        buckets.resize(size, 0);
        self.buckets = buckets;
        let mask = size - 1;
        for (slot, key) in self.keys.iter() {
            let mut bucket = hash(seed, &key.name) as usize & mask;
            while self.buckets.get(bucket).is_some_and(|&content| content != 0) {
                bucket = (bucket + 1) & mask;
            }
            if let Some(place) = self.buckets.get_mut(bucket) {
                *place = slot + 1;
            }
        }
        Ok(())
    }

    /// Empties the bucket of a slot and moves later ones of the same run back, so that no probe breaks off early.
    fn free_bucket(&mut self, seed: [u64; 2], hash_of_slot: u64, slot: u32) {
        let Some(mask) = self.buckets.len().checked_sub(1) else { return };
        let mut hole = hash_of_slot as usize & mask;
        while self.bucket(hole) != slot + 1 {
            if self.bucket(hole) == 0 {
                return;
            }
            hole = (hole + 1) & mask;
        }
        let mut bucket = hole;
        loop {
            bucket = (bucket + 1) & mask;
            let Some(other) = self.bucket(bucket).checked_sub(1) else { break };
            let home = self.keys.get(other).map_or(bucket, |key| hash(seed, &key.name) as usize & mask);
            // Whoever's home lies cyclically at or before the hole may move into it.
            if (bucket.wrapping_sub(home) & mask) >= (bucket.wrapping_sub(hole) & mask) {
                self.set_bucket(hole, other + 1);
                hole = bucket;
            }
        }
        self.set_bucket(hole, 0);
    }

    fn validate(&self, seed: [u64; 2]) -> Result<(), String> {
        let taken = self.buckets.iter().filter(|&&content| content != 0).count();
        if taken != self.keys.len() {
            return Err(String::from("keyspace: 1 buckets and slots differ in number"));
        }
        if taken * 4 > self.buckets.len() * 3 {
            return Err(String::from("keyspace: 2 too full"));
        }
        for (slot, key) in self.keys.iter() {
            if self.probe(hash(seed, &key.name), &key.name).1 != Some(slot) {
                return Err(String::from("keyspace: 1 a name is not found"));
            }
            if key.value.is_none() && key.waiters.is_none() {
                return Err(String::from("keyspace: 3 a vacant key without waiters"));
            }
            if let Some(stream) = key.stream() {
                stream.validate()?;
            }
        }
        let live = self.iter().count();
        if live == self.live { Ok(()) } else { Err(String::from("keyspace: 3 the number of live keys is off")) }
    }
}
