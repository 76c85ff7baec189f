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
//! *Image.* Numbers are varints, bytes have their length in front, an ID is its two numbers.
//!
//! | producers | |
//! |---|---|
//! | number of producers | each in the order of names: |
//! | - name | bytes; longer ones stand behind their beginnings |
//! | - number of records | at least one, each in the order of arrival: |
//! | -- ID that the producer gave | bytes |
//! | -- milliseconds of the entry's ID | less those of the record before, zigzag |
//! | -- sequence of the entry's ID | |
//! | -- time of arrival | |
//!
//! *Invariants*
//! 1. A producer has a record; both of its lists hold the same records, one ascending by ID, one by arrival.
//! 2. `records` counts the records of all producers.
//! 3. `text_bytes` is the sum of the lengths of all names and IDs.
//! 4. `by_age` holds each record once, ascending by time, and among equal times by key.

use alloc::boxed::Box;
use alloc::string::String;

use crate::id::EntryId;
use crate::image::{ImageFault, ImageReader, ImageWriter};
use crate::memory::{OutOfMemory, try_boxed};
use crate::slots::Slots;
use crate::sorted_keys::SortedKeys;

/// One remembered append.
struct Record {
    iid: Box<[u8]>,
    id: EntryId,
    at_ms: u64,
    producer: u32,
    /// The number under which it arrived.
    arrival: u64,
}

struct Producer {
    name: Box<[u8]>,
    by_iid: SortedKeys,
    by_arrival: SortedKeys,
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
    /// How many records ever arrived.
    arrivals: u64,
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
            let reserved = known.by_iid.reserve(1).and_then(|()| known.by_arrival.reserve(1));
            self.lists_bytes = (self.lists_bytes + known.memory()).saturating_sub(before);
            reserved?;
            return Ok(Reserved { iid, new_producer: None });
        }
        self.producers.reserve(1)?;
        self.by_name.reserve(1)?;
        let mut new_producer =
            Producer { name: try_boxed(producer)?, by_iid: SortedKeys::new(), by_arrival: SortedKeys::new() };
        new_producer.by_iid.reserve(1)?;
        new_producer.by_arrival.reserve(1)?;
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
        let record =
            self.records.insert(Record { iid: reserved.iid, id, at_ms, producer: key, arrival: self.arrivals });
        self.arrivals += 1;
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
            let oldest = self.producers.get(key).and_then(|producer| producer.by_arrival.first());
            oldest.into_iter().for_each(|oldest| self.forget(oldest));
        }
    }

    /// Forgets what was remembered at or before `through_ms`.
    pub(crate) fn expire(&mut self, through_ms: u64) {
        while let Some(oldest) = self.by_age.first()
            && self.records.get(oldest).is_some_and(|record| record.at_ms <= through_ms)
        {
            self.forget(oldest);
        }
    }

    /// When the oldest record was remembered.
    pub(crate) fn oldest_ms(&self) -> Option<u64> {
        self.by_age.first().and_then(|oldest| self.records.get(oldest)).map(|record| record.at_ms)
    }

    /// Writes all that is remembered.
    pub(crate) fn write(&self, out: &mut ImageWriter<'_>) {
        out.varint(self.len() as u64);
        for producer in self.by_name.iter().filter_map(|key| self.producers.get(key)) {
            out.bytes(&producer.name);
            out.varint(producer.by_arrival.len() as u64);
            let mut before = EntryId::MIN;
            for record in producer.by_arrival.iter().filter_map(|key| self.records.get(key)) {
                out.bytes(&record.iid);
                out.id_after(before, record.id);
                out.varint(record.at_ms);
                before = record.id;
            }
        }
    }

    /// Reads what `write` wrote. Records of one time may come to be forgotten in another order than before, which
    /// nobody sees, since time makes them go together.
    pub(crate) fn load(image: &mut ImageReader<'_>) -> Result<Producers, ImageFault> {
        let mut producers = Producers::default();
        let mut name_before: Option<&[u8]> = None;
        for _ in 0..image.varint()? {
            let name = image.bytes()?;
            let records = image.varint()?;
            if records == 0 || name_before.is_some_and(|before| before >= name) {
                return Err(ImageFault::Misfit("a producer is out of order or remembers nothing"));
            }
            name_before = Some(name);
            let mut before = EntryId::MIN;
            for _ in 0..records {
                let iid = image.bytes()?;
                if producers.find(name, iid).is_some() {
                    return Err(ImageFault::Misfit("a producer remembers an ID twice"));
                }
                let reserved = producers.reserve(name, iid)?;
                before = image.id_after(before)?;
                producers.insert(name, reserved, before, image.varint()?, usize::MAX);
            }
        }
        Ok(producers)
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

    /// Forgets a record.
    fn forget(&mut self, oldest: u32) {
        let records = &self.records;
        let Some(Record { iid, producer: key, arrival, .. }) = records.get(oldest) else { return };
        let (key, arrival) = (*key, *arrival);
        let Some(producer) = self.producers.get_mut(key) else { return };
        let before = producer.memory();
        producer.by_arrival.remove(oldest, &mut |other| arrival_of(records, other).cmp(&arrival));
        producer.by_iid.remove(oldest, &mut |other| records.get(other).map_or(&[][..], |other| &other.iid).cmp(iid));
        self.text_bytes = self.text_bytes.saturating_sub(iid.len());
        self.lists_bytes = (self.lists_bytes + producer.memory()).saturating_sub(before);
        let is_empty = producer.by_arrival.len() == 0;
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
            if producer.by_arrival.len() == 0 || producer.by_arrival.len() != producer.by_iid.len() {
                return Err(String::from("producers: 1 the lists of a producer differ"));
            }
            producer
                .by_arrival
                .validate(&mut |one, other| arrival_of(&self.records, one).cmp(&arrival_of(&self.records, other)))?;
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

/// What orders records by arrival.
fn arrival_of(records: &Slots<Record>, record: u32) -> u64 {
    records.get(record).map_or(0, |record| record.arrival)
}

impl Producer {
    /// The heap bytes of both lists.
    fn memory(&self) -> usize {
        self.by_iid.memory() + self.by_arrival.memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::vec::Vec;

    /// Numbers that look random and are the same in each run.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (self.0 >> 33) % limit
        }
    }

    fn image(producers: &Producers) -> Vec<u8> {
        let mut image = Vec::new();
        let mut writer = ImageWriter::new(&mut image);
        producers.write(&mut writer);
        writer.finish().unwrap();
        image
    }

    fn load(image: &[u8]) -> Result<Producers, ImageFault> {
        let mut reader = ImageReader::new(image);
        let producers = Producers::load(&mut reader)?;
        producers.validate().unwrap();
        if reader.is_at_end() { Ok(producers) } else { Err(ImageFault::Misfit("more than producers")) }
    }

    /// Appends or expires, in all of these alike; the clock runs on, stands still, or runs back.
    fn change(all: &mut [&mut Producers], dice: &mut Dice, now_ms: &mut u64) {
        *now_ms = (*now_ms + dice.below(5)).saturating_sub(dice.below(4));
        let (name, iid) = (format!("p{}", dice.below(4)), format!("{}", dice.below(60)));
        let (id, expires) = (EntryId::new(*now_ms + dice.below(9), dice.below(3)), dice.below(30) == 0);
        for producers in all {
            if expires {
                producers.expire(now_ms.saturating_sub(10));
            } else {
                let reserved = producers.reserve(name.as_bytes(), iid.as_bytes()).unwrap();
                producers.insert(name.as_bytes(), reserved, id, *now_ms, 20);
            }
            producers.validate().unwrap();
        }
    }

    #[test]
    fn what_was_read_back_goes_on_like_what_was_not() {
        let mut dice = Dice(1);
        for _ in 0..60 {
            let (mut producers, mut now_ms) = (Producers::default(), 1000);
            for _ in 0..dice.below(200) {
                change(&mut [&mut producers], &mut dice, &mut now_ms);
            }
            let mut loaded = load(&image(&producers)).unwrap();
            for _ in 0..100 {
                assert!(image(&loaded) == image(&producers));
                let counts = |producers: &Producers| (producers.len(), producers.records_len(), producers.oldest_ms());
                assert_eq!(counts(&loaded), counts(&producers));
                for (name, iid) in [("p0", "7"), ("p3", "59"), ("p9", "1")] {
                    let found = producers.find(name.as_bytes(), iid.as_bytes());
                    assert_eq!(loaded.find(name.as_bytes(), iid.as_bytes()), found);
                }
                change(&mut [&mut producers, &mut loaded], &mut dice, &mut now_ms);
            }
        }
    }

    #[test]
    fn damaged_images_are_refused_or_make_sound_producers() {
        let (mut dice, mut now_ms, mut producers) = (Dice(2), 1000, Producers::default());
        (0..60).for_each(|_| change(&mut [&mut producers], &mut dice, &mut now_ms));
        let whole = image(&producers);
        assert!(producers.len() == 4 && load(&whole).is_ok());
        for len in 0..whole.len() {
            assert!(load(&whole[..len]).is_err());
        }
        let mut accepted = 0;
        let mut try_it = |image: &[u8]| {
            if let Ok(producers) = load(image) {
                accepted += 1;
                assert!(self::image(&producers).len() <= image.len(), "something was made up");
            }
        };
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            try_it(&flipped);
        }
        for _ in 0..20_000 {
            let mut random = whole.clone();
            let from = dice.below(whole.len() as u64) as usize;
            random[from..].iter_mut().take(dice.below(6) as usize).for_each(|byte| *byte = dice.below(256) as u8);
            try_it(&random);
            let noise: Vec<u8> = (0..dice.below(40)).map(|_| dice.below(256) as u8 & 131).collect();
            try_it(&noise);
        }
        assert!(accepted > 1000, "{accepted}");
    }

    #[test]
    fn what_producers_cannot_be_is_refused() {
        type Told<'a> = (&'a [u8], &'a [&'a [u8]]);
        let load_of = |producers: &[Told<'_>]| {
            let mut image = Vec::new();
            let mut writer = ImageWriter::new(&mut image);
            writer.varint(producers.len() as u64);
            for (name, iids) in producers {
                writer.bytes(name);
                writer.varint(iids.len() as u64);
                for iid in *iids {
                    writer.bytes(iid);
                    [2, 0, 5].into_iter().for_each(|number| writer.varint(number));
                }
            }
            writer.finish().unwrap();
            load(&image).map(|producers| producers.records_len())
        };
        assert_eq!(load_of(&[]), Ok(0));
        assert_eq!(load_of(&[(b"a", &[b"x", b""]), (b"b", &[b"x"])]), Ok(3));
        assert!(load_of(&[(b"b", &[b"x"]), (b"a", &[b"x"])]).is_err());
        assert!(load_of(&[(b"a", &[b"x"]), (b"a", &[b"y"])]).is_err());
        assert!(load_of(&[(b"a", &[])]).is_err());
        assert!(load_of(&[(b"a", &[b"x", b"x"])]).is_err());
    }
}
