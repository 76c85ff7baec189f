//! Delivery counts: 64 bits of meaning in the 16 bits that a pending record has for them.
//!
//! *Design.* Counts up to 65,533 are stored as they are. One code means the largest possible count, which FATAL sets
//! and which is therefore not rare. Another one means: look into a table beside, sorted by the key of the record. Only
//! somebody who sets a large count deliberately needs that table; a group that never saw one has no memory for it.
//!
//! *Invariant*: the table holds a count for each record whose code says so, and no other.

use alloc::string::String;
use core::cmp::Ordering;

use crate::invariant::ensure;
use crate::memory::OutOfMemory;
use crate::slots::Slots;
use crate::sorted_keys::SortedKeys;

use super::PendingKey;

const LARGEST: u16 = 65_534;
const IN_TABLE: u16 = 65_535;

/// The counts that need the table.
pub(super) struct LargeCounts {
    counts: Slots<LargeCount>,
    by_record: SortedKeys,
}

struct LargeCount {
    record: PendingKey,
    deliveries: i64,
}

impl LargeCounts {
    pub(super) const fn new() -> LargeCounts {
        LargeCounts { counts: Slots::new(), by_record: SortedKeys::new() }
    }

    /// Makes `n` calls of `encode` with counts up to `deliveries` infallible.
    pub(super) fn reserve(&mut self, deliveries: i64, n: usize) -> Result<(), OutOfMemory> {
        if deliveries < i64::from(LARGEST) {
            return Ok(());
        }
        self.counts.reserve(n)?;
        self.by_record.reserve(n)
    }

    /// The code of a count, which is never negative; replaces what the record had in the table.
    pub(super) fn encode(&mut self, record: PendingKey, old_code: u16, deliveries: i64) -> u16 {
        self.forget(record, old_code);
        let deliveries = deliveries.max(0);
        match u16::try_from(deliveries) {
            Ok(code) if code < LARGEST => code,
            _ if deliveries == i64::MAX => LARGEST,
            _ => {
                let place = self.by_record.seek(&mut |key| self.compare(key, record));
                let key = self.counts.insert(LargeCount { record, deliveries });
                self.by_record.insert_at(place, key);
                IN_TABLE
            }
        }
    }

    #[inline]
    pub(super) fn decode(&self, record: PendingKey, code: u16) -> i64 {
        match code {
            LARGEST => i64::MAX,
            IN_TABLE => self.find(record).and_then(|key| self.counts.get(key)).map_or(0, |count| count.deliveries),
            _ => i64::from(code),
        }
    }

    /// Drops what a record with this code has in the table.
    #[inline]
    pub(super) fn forget(&mut self, record: PendingKey, code: u16) {
        if code == IN_TABLE {
            self.remove(record);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    pub(super) fn memory(&self) -> usize {
        self.counts.memory() + self.by_record.memory()
    }

    /// Checks the invariant in the head of this file; `code` tells the code of a record.
    pub(super) fn validate(&self, code: &dyn Fn(PendingKey) -> u16) -> Result<(), String> {
        self.counts.validate()?;
        let record = |key| self.counts.get(key).map(|count| count.record);
        self.by_record.validate(&mut |one, other| record(one).cmp(&record(other)))?;
        let as_coded = self.counts.iter().all(|(_, count)| code(count.record) == IN_TABLE);
        ensure(
            as_coded && self.by_record.len() == self.len(),
            "counts: the table holds a count that is not referred to",
        )
    }

    fn find(&self, record: PendingKey) -> Option<u32> {
        self.by_record.find(&mut |key| self.compare(key, record))
    }

    #[inline(never)]
    fn remove(&mut self, record: PendingKey) {
        let place = self.by_record.seek(&mut |key| self.compare(key, record));
        if let Some(key) = self.by_record.remove_at(place) {
            self.counts.remove(key);
        }
    }

    fn compare(&self, key: u32, record: PendingKey) -> Ordering {
        self.counts.get(key).map_or(Ordering::Less, |count| count.record.cmp(&record))
    }
}

/// Whether a count with this code is in the table.
pub(super) fn is_in_table(code: u16) -> bool {
    code == IN_TABLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_survives_and_only_large_ones_take_memory() {
        let mut counts = LargeCounts::new();
        for deliveries in [0, 1, 65_533, i64::MAX] {
            let code = counts.encode(7, 0, deliveries);
            assert_eq!(counts.decode(7, code), deliveries);
        }
        assert_eq!(counts.memory(), 0);
        let mut codes = [0; 5];
        for (record, deliveries) in (0..).zip([65_534, 65_535, 65_536, i64::MAX - 1, 100_000]) {
            counts.reserve(deliveries, 1).unwrap();
            codes[record] = counts.encode(record as u32, 0, deliveries);
            assert_eq!(counts.decode(record as u32, codes[record]), deliveries);
        }
        counts.validate(&|record| codes[record as usize]).unwrap();
        codes[2] = counts.encode(2, codes[2], 5);
        codes[3] = counts.encode(3, codes[3], 70_000);
        assert_eq!([2, 3].map(|record| counts.decode(record, codes[record as usize])), [5, 70_000]);
        assert_eq!(counts.len(), 4);
        counts.validate(&|record| codes[record as usize]).unwrap();
        counts.forget(0, codes[0]);
        assert_eq!(counts.len(), 3);
    }
}
