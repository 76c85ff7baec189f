//! Producers: what a stream remembers of idempotent appends, so that a repeated one is answered and not added.
//!
//! It knows producers, their IDs and the entry IDs these led to; it does not know the entries.
//!
//! *Design.* Records live in slots. Each producer keeps its records twice: sorted by ID, to find a repetition, and in
//! order of arrival, to forget the oldest when there are too many. All records together are sorted by age, to forget
//! those that are too old: at a thousand appends a second that happens each millisecond, and must not look at the
//! others. Producers are sorted by name and go with their last record.
//!
//! *Why the time of arrival is kept.* Redis judges a record's age by the entry ID; an ID ahead of the clock is then
//! remembered for ever.
//!
//! *Invariants*
//! 1. A producer has a record; both of its lists hold the same records, the first ascending by ID.
//! 2. `records` counts the records of all producers.
//! 3. `text_bytes` is the sum of the lengths of all names and IDs.
//! 4. `by_age` holds each record once, ascending by time, and among equal times by key.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;

use crate::id::EntryId;
use crate::memory::{OutOfMemory, try_boxed};
use crate::slots::Slots;
use crate::sorted_keys::SortedKeys;

/// One remembered append.
struct Record {
    iid: Box<[u8]>,
    id: EntryId,
    at_ms: u64,
    producer: u32,
}

struct Producer {
    name: Box<[u8]>,
    by_iid: SortedKeys,
    by_arrival: VecDeque<u32>,
}

/// All producers of one stream.
#[derive(Default)]
pub(crate) struct Producers {
    records: Slots<Record>,
    producers: Slots<Producer>,
    by_name: SortedKeys,
    by_age: SortedKeys,
    text_bytes: usize,
    lists_bytes: usize,
}

/// A record that is reserved and can be inserted without failing.
pub(crate) struct Reserved {
    iid: Box<[u8]>,
    new_producer: Option<Producer>,
}

impl Producers {
    /// How many producers are known.
    pub(crate) fn len(&self) -> usize {
        self.producers.len()
    }

    /// How many IDs are remembered.
    pub(crate) fn records_len(&self) -> usize {
        self.records.len()
    }

    /// The heap bytes held.
    pub(crate) fn memory(&self) -> usize {
        let shared = self.by_name.memory() + self.by_age.memory();
        self.records.memory() + self.producers.memory() + shared + self.lists_bytes + self.text_bytes
    }

    /// The entry that this producer's ID led to.
    pub(crate) fn find(&self, producer: &[u8], iid: &[u8]) -> Option<EntryId> {
        let producer = self.producers.get(self.find_producer(producer)?)?;
        let record = producer.by_iid.find(&mut |key| self.compare_iid(key, iid))?;
        self.records.get(record).map(|record| record.id)
    }

    /// Makes room for one record of this producer.
    pub(crate) fn reserve(&mut self, producer: &[u8], iid: &[u8]) -> Result<Reserved, OutOfMemory> {
        self.records.reserve(1)?;
        self.by_age.reserve(1)?;
        let iid = try_boxed(iid)?;
        let found = self.find_producer(producer);
        if let Some(known) = found.and_then(|key| self.producers.get_mut(key)) {
            let before = known.memory();
            let reserved = known.by_iid.reserve(1).and_then(|()| Ok(known.by_arrival.try_reserve(1)?));
            self.lists_bytes = (self.lists_bytes + known.memory()).saturating_sub(before);
            reserved?;
            return Ok(Reserved { iid, new_producer: None });
        }
        self.producers.reserve(1)?;
        self.by_name.reserve(1)?;
        let mut new_producer =
            Producer { name: try_boxed(producer)?, by_iid: SortedKeys::new(), by_arrival: VecDeque::new() };
        new_producer.by_iid.reserve(1)?;
        new_producer.by_arrival.try_reserve(1)?;
        Ok(Reserved { iid, new_producer: Some(new_producer) })
    }

    /// Remembers an ID; beyond `entries_max` the producer's oldest is forgotten. Nothing happens if it is known.
    pub(crate) fn insert(&mut self, producer: &[u8], reserved: Reserved, id: EntryId, at_ms: u64, entries_max: usize) {
        if self.find(producer, &reserved.iid).is_some() {
            return;
        }
        let key = match (self.find_producer(producer), reserved.new_producer) {
            (Some(key), _) => key,
            (None, Some(new_producer)) => self.insert_producer(new_producer),
            (None, None) => return,
        };
        self.text_bytes += reserved.iid.len();
        let record = self.records.insert(Record { iid: reserved.iid, id, at_ms, producer: key });
        let records = &self.records;
        self.by_age.insert(record, &mut |other| age(records, other).cmp(&(at_ms, record)));
        let Some(producer) = self.producers.get_mut(key) else { return };
        let before = producer.memory();
        let iid = records.get(record).map_or(&[][..], |record| &record.iid);
        producer.by_iid.insert(record, &mut |other| records.get(other).map_or(&[][..], |other| &other.iid).cmp(iid));
        producer.by_arrival.push_back(record);
        self.lists_bytes = (self.lists_bytes + producer.memory()).saturating_sub(before);
        let surplus = producer.by_arrival.len().saturating_sub(entries_max);
        for _ in 0..surplus {
            self.forget(key, 0);
        }
    }

    /// Forgets what was remembered at or before `through_ms`.
    pub(crate) fn expire(&mut self, through_ms: u64) {
        while let Some(oldest) = self.by_age.first()
            && let Some(record) = self.records.get(oldest).filter(|record| record.at_ms <= through_ms)
        {
            // The first to arrive, unless the clock ran back since.
            let arrived = self.producers.get(record.producer).map(|producer| producer.by_arrival.iter());
            let Some(place) = arrived.and_then(|mut records| records.position(|&other| other == oldest)) else {
                return;
            };
            self.forget(record.producer, place);
        }
    }

    /// When the oldest record was remembered.
    pub(crate) fn oldest_ms(&self) -> Option<u64> {
        self.by_age.first().and_then(|oldest| self.records.get(oldest)).map(|record| record.at_ms)
    }

    fn insert_producer(&mut self, producer: Producer) -> u32 {
        self.text_bytes += producer.name.len();
        self.lists_bytes += producer.memory();
        let key = self.producers.insert(producer);
        let producers = &self.producers;
        let name = producers.get(key).map_or(&[][..], |producer| &producer.name);
        self.by_name.insert(key, &mut |other| producers.get(other).map_or(&[][..], |other| &other.name).cmp(name));
        key
    }

    /// Forgets the record at this place of the producer's order of arrival.
    fn forget(&mut self, key: u32, place: usize) {
        let Some(producer) = self.producers.get_mut(key) else { return };
        let before = producer.memory();
        let Some(oldest) = producer.by_arrival.remove(place) else { return };
        let records = &self.records;
        let iid = records.get(oldest).map_or(&[][..], |record| &record.iid);
        producer.by_iid.remove(oldest, &mut |other| records.get(other).map_or(&[][..], |other| &other.iid).cmp(iid));
        self.text_bytes = self.text_bytes.saturating_sub(iid.len());
        self.lists_bytes = (self.lists_bytes + producer.memory()).saturating_sub(before);
        let is_empty = producer.by_arrival.is_empty();
        self.by_age.remove(oldest, &mut |other| age(records, other).cmp(&age(records, oldest)));
        drop(self.records.remove(oldest));
        if is_empty {
            self.remove_producer(key);
        }
    }

    fn remove_producer(&mut self, key: u32) {
        let producers = &self.producers;
        let name = producers.get(key).map_or(&[][..], |producer| &producer.name);
        self.by_name.remove(key, &mut |other| producers.get(other).map_or(&[][..], |other| &other.name).cmp(name));
        if let Some(producer) = self.producers.remove(key) {
            self.text_bytes = self.text_bytes.saturating_sub(producer.name.len());
            self.lists_bytes = self.lists_bytes.saturating_sub(producer.memory());
        }
    }

    fn find_producer(&self, name: &[u8]) -> Option<u32> {
        self.by_name.find(&mut |key| self.producers.get(key).map_or(&[][..], |producer| &producer.name).cmp(name))
    }

    fn compare_iid(&self, key: u32, iid: &[u8]) -> core::cmp::Ordering {
        self.records.get(key).map_or(&[][..], |record| &record.iid).cmp(iid)
    }

    /// Checks the invariants.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let mut records = 0;
        let mut text_bytes = 0;
        let mut lists_bytes = 0;
        for (_, producer) in self.producers.iter() {
            if producer.by_arrival.is_empty() || producer.by_arrival.len() != producer.by_iid.len() {
                return Err(String::from("producers: 1 the lists of a producer differ"));
            }
            let mut last: Option<&[u8]> = None;
            for key in producer.by_iid.iter() {
                let Some(record) = self.records.get(key) else {
                    return Err(String::from("producers: 1 a record is missing"));
                };
                if last.is_some_and(|last| last >= &*record.iid) {
                    return Err(String::from("producers: 1 records are out of order"));
                }
                last = Some(&record.iid);
                text_bytes += record.iid.len();
            }
            records += producer.by_arrival.len();
            text_bytes += producer.name.len();
            lists_bytes += producer.memory();
        }
        if records != self.records.len() {
            return Err(String::from("producers: 2 the number of records is off"));
        }
        if text_bytes != self.text_bytes || lists_bytes != self.lists_bytes {
            return Err(String::from("producers: 3 the account of memory is off"));
        }
        if self.by_age.len() != self.records.len() {
            return Err(String::from("producers: 4 a record is missing among the ages"));
        }
        self.by_age.validate(&mut |one, other| age(&self.records, one).cmp(&age(&self.records, other)))
    }
}

/// What orders records by age.
fn age(records: &Slots<Record>, record: u32) -> (u64, u32) {
    (records.get(record).map_or(0, |record| record.at_ms), record)
}

impl Producer {
    /// The heap bytes of both lists.
    fn memory(&self) -> usize {
        self.by_iid.memory() + self.by_arrival.capacity() * size_of::<u32>()
    }
}
