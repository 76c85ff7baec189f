//! The journal: effects as bytes, in units that are all or nothing.
//!
//! It knows how effects are written and read, not what they do, and not where the bytes are stored.
//!
//! *Design.* One command, or one MULTI/EXEC, is a unit: its length, then its effects. A key is written out once and
//! gets a number; later effects name the number, and an effect on the same key as the one before names nothing. So do
//! the field names of entries: half of a small entry are names, and most entries have those of the one before. Such
//! numbers hold for a *run* of units: a run ends when the bytes are taken or exceed [`RUN_BYTES_MAX`], so whoever stores
//! them can cut between runs and read each piece without the others.
//!
//! *Why not requests.* A request would have to be decided again on replay, with the same clock, limits and code. An
//! effect says what came out: the ID, the ranges removed, the owner, time and count of a pending entry.
//!
//! *Layout.* A unit is a varint length and that many bytes of effects. An effect is a tag byte and its operands.
//! Varints are LEB128; byte strings are a varint length and the bytes; entry IDs are two varints, except where a list
//! of ascending IDs is told as differences. The first effect of a run is `Begin`: database 0, no keys, last ID 0-0.
//!
//! *Invariants*
//! 1. `position` counts the units ever closed with at least one effect in them.
//! 2. Between units, `bytes` holds whole units only.
//! 3. While a run goes on, `names` says where in `bytes` the first [`NAMES_MAX`] sets of names stand that the run wrote.
//! 4. Tags are never given a second meaning: stored journals outlive the code.

use alloc::vec::Vec;

use super::Position;
use super::effect::{Effect, Owned};
use crate::id::EntryId;
use crate::memory::OutOfMemory;

/// A run that is longer begins anew, so that a stored piece stays below the size that suits IndexedDB.
const RUN_BYTES_MAX: usize = 48 << 10;

/// How many sets of field names get a number in a run. Whoever has more of them mostly has none twice.
pub(super) const NAMES_MAX: usize = 16;

/// What `Begin` and the naming of keys cost at most beside the key's own bytes.
const PREAMBLE_BYTES_MAX: usize = 32;

/// The tag of each effect. Stored: never renumber.
pub(super) mod tag {
    pub(crate) const BEGIN: u8 = 0;
    pub(crate) const SELECT: u8 = 1;
    pub(crate) const KEY: u8 = 2;
    pub(crate) const SAME_KEY: u8 = 3;
    pub(crate) const CREATE: u8 = 4;
    pub(crate) const ADD: u8 = 5;
    pub(crate) const ADD_IN_NEW_NODE: u8 = 6;
    pub(crate) const TRIM: u8 = 7;
    pub(crate) const DELETE: u8 = 8;
    pub(crate) const SET_ID: u8 = 9;
    pub(crate) const CONFIGURE: u8 = 10;
    pub(crate) const PRODUCED: u8 = 11;
    pub(crate) const EXPIRE_PRODUCED: u8 = 12;
    pub(crate) const GROUP_CREATE: u8 = 13;
    pub(crate) const GROUP_SET: u8 = 14;
    pub(crate) const GROUP_DESTROY: u8 = 15;
    pub(crate) const CONSUMER_CREATE: u8 = 16;
    pub(crate) const CONSUMER_DELETE: u8 = 17;
    pub(crate) const OWN: u8 = 18;
    pub(crate) const RELEASE: u8 = 19;
    pub(crate) const FORGET: u8 = 20;
    pub(crate) const SET_BYTES: u8 = 21;
    pub(crate) const EXPIRE: u8 = 22;
    pub(crate) const REMOVE: u8 = 23;
    pub(crate) const RENAME: u8 = 24;
    pub(crate) const FLUSH: u8 = 25;
    pub(crate) const FLUSH_ALL: u8 = 26;
    pub(crate) const TRIM_PURGE: u8 = 27;
    pub(crate) const DELETE_PURGE: u8 = 28;
    pub(crate) const RESTORE: u8 = 29;
    pub(crate) const ADD_SAME_NAMES: u8 = 30;
    pub(crate) const ADD_SAME_NAMES_IN_NEW_NODE: u8 = 31;
}

/// How a key was last named: in which run, by which number.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Interned {
    run: u64,
    number: u32,
}

/// A key as the journal has to know it.
pub(crate) struct JournalKey<'a> {
    pub(crate) database: u8,
    pub(crate) name: &'a [u8],
    pub(crate) interned: &'a mut Interned,
}

/// The bytes of effects since they were last taken.
#[derive(Default)]
pub(crate) struct Journal {
    enabled: bool,
    bytes: Vec<u8>,
    position: u64,
    /// Where the open unit begins; its effects follow the one byte kept for its length.
    unit_start: usize,
    /// Whether the open unit has an effect.
    unit_written: bool,
    /// Bytes promised to effects that are decided and not yet written.
    promised: usize,
    /// The number of the run, from 1; 0 stands for "not named in any".
    run: u64,
    run_start: usize,
    /// Whether the next effect must begin a run.
    run_ended: bool,
    run_keys: u32,
    database: u8,
    current: Option<(u8, u32)>,
    last_id: EntryId,
    names: [Names; NAMES_MAX],
    names_len: u8,
    /// The set used last.
    names_latest: u8,
}

/// Where the bytes of a set of names stand, its count in front.
#[derive(Clone, Copy, Default)]
struct Names {
    start: usize,
    end: usize,
}

impl Journal {
    /// A journal, which writes bytes only if `enabled`; positions are counted in any case.
    pub(crate) fn new(enabled: bool) -> Journal {
        Journal { enabled, run_ended: true, ..Journal::default() }
    }

    /// The position of the last closed unit.
    pub(crate) fn position(&self) -> Position {
        Position(self.position)
    }

    /// The position that the open unit will have.
    pub(crate) fn next_position(&self) -> Position {
        Position(self.position + 1)
    }

    /// Whether bytes are written.
    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Bytes waiting to be taken.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The memory held.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// Begins a unit.
    pub(crate) fn open_unit(&mut self) {
        self.unit_start = self.bytes.len();
        self.unit_written = false;
        self.promised = 0;
    }

    /// Ends the unit: nothing remains of one without effects. Returns the position of what was written.
    pub(crate) fn close_unit(&mut self) -> Option<Position> {
        self.promised = 0;
        if !self.unit_written {
            return None;
        }
        self.unit_written = false;
        self.position += 1;
        self.write_unit_length();
        if self.bytes.len() - self.run_start > RUN_BYTES_MAX {
            self.run_ended = true;
        }
        Some(Position(self.position))
    }

    /// Counts a unit that was read back.
    pub(crate) fn count_replayed_unit(&mut self) {
        self.position += 1;
    }

    /// Promises room for an effect of at most so many bytes, the key's name included. Promises add up until they are
    /// kept, so that a command can reserve for all its effects before it writes the first.
    pub(crate) fn promise(&mut self, bytes: usize) -> Result<(), OutOfMemory> {
        if self.enabled {
            let promised = self.promised.saturating_add(bytes + PREAMBLE_BYTES_MAX);
            self.bytes.try_reserve(promised)?;
            self.promised = promised;
        }
        Ok(())
    }

    /// The promise for one effect is kept. So a transaction of a million effects is given room for what it writes, not
    /// for the most that it might have written.
    pub(crate) fn release(&mut self, bytes: usize) {
        self.promised = self.promised.saturating_sub(bytes + PREAMBLE_BYTES_MAX);
    }

    /// A command ended: what it promised and did not write was not needed.
    pub(crate) fn release_all(&mut self) {
        self.promised = 0;
    }

    /// Writes an effect on a key.
    pub(crate) fn write(&mut self, key: JournalKey<'_>, effect: &Effect<'_>) {
        self.start_effect();
        if self.enabled {
            self.write_key(key);
            self.write_effect(effect);
        }
    }

    /// Writes an effect on a whole database, or on all of them.
    pub(crate) fn write_flush(&mut self, database: Option<u8>) {
        self.start_effect();
        if !self.enabled {
            return;
        }
        match database {
            None => self.bytes.push(tag::FLUSH_ALL),
            Some(database) => {
                self.select(database);
                self.bytes.push(tag::FLUSH);
            }
        }
    }

    /// Moves all closed units to the end of `out`.
    pub(crate) fn take(&mut self, out: &mut Vec<u8>) {
        if out.is_empty() {
            core::mem::swap(out, &mut self.bytes);
        } else {
            out.extend_from_slice(&self.bytes);
        }
        self.bytes.clear();
        self.run_ended = true;
    }

    fn start_effect(&mut self) {
        let first = !core::mem::replace(&mut self.unit_written, true);
        if !self.enabled || !first {
            return;
        }
        self.bytes.push(0);
        if core::mem::take(&mut self.run_ended) {
            self.run += 1;
            self.run_start = self.unit_start;
            self.run_keys = 0;
            self.database = 0;
            self.current = None;
            self.last_id = EntryId::MIN;
            self.names_len = 0;
            self.names_latest = 0;
            self.bytes.push(tag::BEGIN);
        }
    }

    /// Puts the length of the unit in front of it. One byte was kept; a longer length moves the unit.
    fn write_unit_length(&mut self) {
        if !self.enabled {
            return;
        }
        let start = self.unit_start;
        let length = self.bytes.len() - start - 1;
        if let (Ok(short @ 0..128), Some(place)) = (u8::try_from(length), self.bytes.get_mut(start)) {
            *place = short;
            return;
        }
        let mut encoded = [0; 10];
        let used = encode_varint(length as u64, &mut encoded);
        let end = self.bytes.len();
        self.bytes.resize(end + used - 1, 0);
        self.bytes.copy_within(start + 1..end, start + used);
        for (place, byte) in self.bytes.iter_mut().skip(start).zip(encoded).take(used) {
            *place = byte;
        }
        for names in self.names.iter_mut().filter(|names| names.start > start) {
            names.start += used - 1;
            names.end += used - 1;
        }
    }

    fn select(&mut self, database: u8) {
        if self.database != database {
            self.database = database;
            self.current = None;
            self.bytes.push(tag::SELECT);
            self.bytes.push(database);
        }
    }

    fn write_key(&mut self, key: JournalKey<'_>) {
        if key.interned.run != self.run {
            self.select(key.database);
            *key.interned = Interned { run: self.run, number: self.run_keys };
            self.run_keys += 1;
            self.bytes.push(tag::KEY);
            self.put_bytes(key.name);
        } else if self.current != Some((key.database, key.interned.number)) {
            self.select(key.database);
            self.bytes.push(tag::SAME_KEY);
            self.put_varint(u64::from(key.interned.number));
        }
        self.current = Some((key.database, key.interned.number));
    }

    fn write_effect(&mut self, effect: &Effect<'_>) {
        match *effect {
            Effect::Create { idmp_duration_s, idmp_entries_max } => {
                self.put(tag::CREATE, &[u64::from(idmp_duration_s), u64::from(idmp_entries_max)]);
            }
            Effect::Add { id, opens_node, fields } => self.write_add(id, opens_node, fields.as_chunks().0),
            Effect::Trim { ranges, purge } => {
                self.bytes.push(if purge { tag::TRIM_PURGE } else { tag::TRIM });
                self.put_varint(ranges.len() as u64);
                let mut last = EntryId::MIN;
                for &(from, to) in ranges {
                    self.put_id_after(last, from);
                    self.put_id_after(from, to);
                    last = to;
                }
            }
            Effect::Delete { ids, purge } => {
                self.bytes.push(if purge { tag::DELETE_PURGE } else { tag::DELETE });
                self.put_ids(ids);
            }
            Effect::SetId { last_id, entries_added, max_deleted } => {
                self.bytes.push(tag::SET_ID);
                self.put_id(last_id);
                self.put_varint(entries_added);
                self.put_id(max_deleted);
            }
            Effect::Configure { idmp_duration_s, idmp_entries_max } => {
                self.put(tag::CONFIGURE, &[u64::from(idmp_duration_s), u64::from(idmp_entries_max)]);
            }
            Effect::Produced { producer, iid, id, at_ms } => {
                self.bytes.push(tag::PRODUCED);
                self.put_bytes(producer);
                self.put_bytes(iid);
                self.put_id(id);
                self.put_varint(at_ms);
            }
            Effect::ExpireProduced { through_ms } => self.put(tag::EXPIRE_PRODUCED, &[through_ms]),
            Effect::GroupCreate { group, last_id, entries_read } => {
                self.put_group(tag::GROUP_CREATE, group, last_id, entries_read);
            }
            Effect::GroupSet { group, last_id, entries_read } => {
                self.put_group(tag::GROUP_SET, group, last_id, entries_read);
            }
            Effect::GroupDestroy { group } => {
                self.bytes.push(tag::GROUP_DESTROY);
                self.put_bytes(group);
            }
            Effect::ConsumerCreate { group, consumer, now_ms } => {
                self.bytes.push(tag::CONSUMER_CREATE);
                self.put_bytes(group);
                self.put_bytes(consumer);
                self.put_varint(now_ms);
            }
            Effect::ConsumerDelete { group, consumer } => {
                self.bytes.push(tag::CONSUMER_DELETE);
                self.put_bytes(group);
                self.put_bytes(consumer);
            }
            Effect::Own { group, consumer, now_ms, time_ms, items } => {
                self.bytes.push(if consumer.is_some() { tag::OWN } else { tag::RELEASE });
                self.put_bytes(group);
                if let Some(consumer) = consumer {
                    self.put_bytes(consumer);
                }
                self.put_varint(now_ms);
                self.put_varint(now_ms.wrapping_sub(time_ms));
                self.put_owned(items);
            }
            Effect::Forget { group, ids } => {
                self.bytes.push(tag::FORGET);
                self.put_bytes(group);
                self.put_ids(ids);
            }
            Effect::SetBytes { value, expires_ms } => {
                self.bytes.push(tag::SET_BYTES);
                self.put_option(expires_ms);
                self.put_bytes(value);
            }
            Effect::Restore { value, expires_ms } => {
                self.bytes.push(tag::RESTORE);
                self.put_option(expires_ms);
                self.put_bytes(value);
            }
            Effect::Expire { at_ms } => {
                self.bytes.push(tag::EXPIRE);
                self.put_option(at_ms);
            }
            Effect::Remove => self.bytes.push(tag::REMOVE),
            Effect::Rename { to } => {
                self.bytes.push(tag::RENAME);
                self.put_bytes(to);
            }
        }
    }

    fn write_add(&mut self, id: EntryId, opens_node: bool, fields: &[[&[u8]; 2]]) {
        let known = self.find_names(fields);
        self.bytes.push(match (known.is_some(), opens_node) {
            (false, false) => tag::ADD,
            (false, true) => tag::ADD_IN_NEW_NODE,
            (true, false) => tag::ADD_SAME_NAMES,
            (true, true) => tag::ADD_SAME_NAMES_IN_NEW_NODE,
        });
        self.put_next_id(id);
        let count = fields.len() as u64;
        match known {
            Some(number) => {
                self.names_latest = number;
                self.bytes.push(number);
            }
            None => {
                let start = self.bytes.len();
                self.put_varint(count);
                for [name, _] in fields {
                    self.put_bytes(name);
                }
                if let Some(names) = self.names.get_mut(usize::from(self.names_len)) {
                    *names = Names { start, end: self.bytes.len() };
                    self.names_latest = self.names_len;
                    self.names_len += 1;
                }
            }
        }
        self.put_varint(count);
        for [_, value] in fields {
            self.put_bytes(value);
        }
    }

    /// The number of the set of these names, if this run has it.
    #[inline]
    fn find_names(&self, fields: &[[&[u8]; 2]]) -> Option<u8> {
        let is_it = |&number: &u8| self.has_names(number, fields);
        core::iter::once(self.names_latest).chain(0..self.names_len).find(is_it)
    }

    #[inline]
    fn has_names(&self, number: u8, fields: &[[&[u8]; 2]]) -> bool {
        if number >= self.names_len {
            return false;
        }
        let names = self.names.get(usize::from(number)).and_then(|names| self.bytes.get(names.start..names.end));
        let Some(rest) = names.and_then(|names| strip_number(names, fields.len())) else { return false };
        let rest = fields.iter().try_fold(rest, |rest, [name, _]| strip_number(rest, name.len())?.strip_prefix(*name));
        rest.is_some_and(<[u8]>::is_empty)
    }

    fn put(&mut self, tag: u8, numbers: &[u64]) {
        self.bytes.push(tag);
        for &number in numbers {
            self.put_varint(number);
        }
    }

    fn put_group(&mut self, tag: u8, group: &[u8], last_id: EntryId, entries_read: Option<u64>) {
        self.bytes.push(tag);
        self.put_bytes(group);
        self.put_id(last_id);
        self.put_option(entries_read);
    }

    /// The ID of a new entry, as the difference to the one added before in this run: the streams of one program move
    /// along with the clock.
    fn put_next_id(&mut self, id: EntryId) {
        let step = id.ms().wrapping_sub(self.last_id.ms()).cast_signed();
        self.put_varint(zigzag(step));
        self.put_varint(id.seq());
        self.last_id = id;
    }

    fn put_ids(&mut self, ids: &[EntryId]) {
        self.put_varint(ids.len() as u64);
        let mut last = EntryId::MIN;
        for &id in ids {
            self.put_id_after(last, id);
            last = id;
        }
    }

    fn put_owned(&mut self, items: &[Owned]) {
        self.put_varint(items.len() as u64);
        let mut last = EntryId::MIN;
        for item in items {
            self.put_id_after(last, item.id);
            self.put_varint(item.deliveries.cast_unsigned());
            last = item.id;
        }
    }

    fn put_id(&mut self, id: EntryId) {
        self.put_varint(id.ms());
        self.put_varint(id.seq());
    }

    /// An ID in a list, told from the one before: lists are mostly ascending and close together.
    fn put_id_after(&mut self, last: EntryId, id: EntryId) {
        self.put_varint(zigzag(id.ms().wrapping_sub(last.ms()).cast_signed()));
        self.put_varint(id.seq());
    }

    /// A number that may be missing: 0 for none, otherwise one more than the number (which never is the largest).
    fn put_option(&mut self, value: Option<u64>) {
        self.put_varint(value.map_or(0, |value| value.saturating_add(1)));
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        match u8::try_from(bytes.len()) {
            Ok(short @ 0..128) => self.bytes.push(short),
            _ => self.put_varint(bytes.len() as u64),
        }
        self.bytes.extend_from_slice(bytes);
    }

    #[inline]
    fn put_varint(&mut self, value: u64) {
        if value < 128 {
            self.bytes.push(value as u8);
            return;
        }
        let mut encoded = [0; 10];
        let used = encode_varint(value, &mut encoded);
        self.bytes.extend_from_slice(encoded.get(..used).unwrap_or(&[]));
    }
}

/// What follows a number in front of `bytes`, if that is the one.
#[inline]
fn strip_number(bytes: &[u8], number: usize) -> Option<&[u8]> {
    let (&first, rest) = bytes.split_first()?;
    if number < 128 {
        return (usize::from(first) == number).then_some(rest);
    }
    let mut encoded = [0; 10];
    let used = encode_varint(number as u64, &mut encoded);
    bytes.strip_prefix(encoded.get(..used)?)
}

/// Signed numbers near zero as small unsigned ones.
pub(super) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

/// The inverse of [`zigzag`].
pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// Writes a varint into `out` and returns its length.
fn encode_varint(mut value: u64, out: &mut [u8; 10]) -> usize {
    let mut used = 0;
    for place in out {
        used += 1;
        *place = (value & 127) as u8;
        value >>= 7;
        if value == 0 {
            break;
        }
        *place |= 128;
    }
    used
}
