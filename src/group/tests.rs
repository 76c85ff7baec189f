//! A group against the naive oracle, its memory, and what a reservation guarantees.

use std::vec::Vec;

use super::pages::TIME_MS_MAX;
use super::{Consumer, ConsumerKey, Group, Pending};
use crate::id::EntryId;

#[path = "../../tests/support/naive_pending.rs"]
mod naive_pending;
use naive_pending::{NaiveEntry, NaivePending};

/// Numbers that look random and are the same in each run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % limit
    }
}

pub(super) fn add_consumer(group: &mut Group, name: &str) -> ConsumerKey {
    let name = group.reserve_consumer(name.as_bytes()).unwrap();
    group.create_consumer(name, 0)
}

pub(super) fn own(
    group: &mut Group,
    id: EntryId,
    consumer: Option<ConsumerKey>,
    time_ms: u64,
    deliveries: i64,
) -> bool {
    group.reserve_pending(consumer, 1).unwrap();
    group.reserve_deliveries(deliveries, 1).unwrap();
    group.own(id, consumer, time_ms, deliveries)
}

fn plain(pending: Pending) -> NaiveEntry {
    let Pending { id, time_ms, deliveries, consumer } = pending;
    NaiveEntry { id: (id.ms(), id.seq()), time_ms, deliveries, consumer }
}

/// One of the three walks over some group.
pub(super) type Walk<'a> = &'a dyn Fn(&mut dyn FnMut(Pending) -> bool);

fn collect(walk: Walk<'_>) -> Vec<NaiveEntry> {
    let mut entries = Vec::new();
    walk(&mut |pending| {
        entries.push(plain(pending));
        true
    });
    entries
}

fn in_delivery_order(group: &Group) -> Vec<u64> {
    collect(&|f| group.walk_delivery(f)).iter().map(|entry| entry.id.0).collect()
}

/// A group and the oracle, to which the same is done.
struct Pair {
    group: Group,
    naive: NaivePending,
    consumers: Vec<ConsumerKey>,
}

impl Pair {
    fn new() -> Pair {
        let mut group = Group::new(EntryId::MIN, Some(0));
        let consumers = ["zoe", "ann", "bob"].map(|name| add_consumer(&mut group, name));
        Pair { group, naive: NaivePending::default(), consumers: consumers.to_vec() }
    }

    fn own(&mut self, id: (u64, u64), consumer: Option<ConsumerKey>, time_ms: u64, deliveries: i64) {
        let moved = own(&mut self.group, EntryId::new(id.0, id.1), consumer, time_ms, deliveries);
        assert_eq!(moved, self.naive.own(id, consumer, time_ms, deliveries));
    }

    fn forget(&mut self, id: (u64, u64)) {
        assert_eq!(self.group.forget(EntryId::new(id.0, id.1)), self.naive.forget(id));
    }

    fn check(&self) {
        self.group.validate().unwrap();
        let by_id = self.naive.by_id();
        let by_delivery = self.naive.by_delivery();
        assert_eq!(collect(&|f| self.group.walk(EntryId::MIN, f)), by_id);
        assert_eq!(collect(&|f| self.group.walk_delivery(f)), by_delivery);
        for &consumer in &self.consumers {
            let expected = self.naive.of_consumer(consumer);
            assert_eq!(collect(&|f| self.group.walk_consumer(consumer, EntryId::MIN, f)), expected);
            assert_eq!(self.group.consumer_ref(consumer).unwrap().pending_len(), expected.len() as u64);
        }
        let id = |entry: &NaiveEntry| EntryId::new(entry.id.0, entry.id.1);
        assert_eq!(self.group.first_pending(), by_id.first().map(id));
        assert_eq!(self.group.last_pending(), by_id.last().map(id));
        assert_eq!(self.group.pending_len(), by_id.len() as u64);
        let unowned = by_id.iter().filter(|entry| entry.consumer.is_none()).count();
        assert_eq!(self.group.unowned_len(), unowned as u64);
    }

    fn check_from(&self, id: (u64, u64), consumer: ConsumerKey) {
        let from = EntryId::new(id.0, id.1);
        let not_before = |entries: Vec<NaiveEntry>| -> Vec<_> { entries.into_iter().filter(|e| e.id >= id).collect() };
        assert_eq!(collect(&|f| self.group.walk(from, f)), not_before(self.naive.by_id()));
        let walked = collect(&|f| self.group.walk_consumer(consumer, from, f));
        assert_eq!(walked, not_before(self.naive.of_consumer(consumer)));
        assert_eq!(self.group.pending(from).map(plain), self.naive.get(id));
        assert_eq!(self.group.is_pending(from), self.naive.get(id).is_some());
    }

    /// A list of IDs as somebody may acknowledge it: runs as they stand in the list, jumps back and ahead, repetitions,
    /// and IDs that are not pending.
    fn check_retained(&self, dice: &mut Dice) {
        let by_id = self.naive.by_id();
        let mut at = 0;
        let mut ids = Vec::new();
        for _ in 0..dice.below(20) {
            at = match dice.below(8) {
                0 => dice.below(by_id.len() as u64 + 1) as usize,
                1 => at.saturating_sub(1),
                2 => at,
                _ => at + 1,
            };
            let (ms, seq) = by_id.get(at).map_or((u64::MAX, 0), |entry| entry.id);
            ids.push(EntryId::new(ms, if dice.below(8) == 0 { seq + 1 } else { seq }));
        }
        let expected: Vec<EntryId> = ids.iter().copied().filter(|&id| self.group.is_pending(id)).collect();
        self.group.retain_pending(&mut ids);
        assert_eq!(ids, expected);
    }
}

#[test]
fn random_changes_agree_with_the_oracle() {
    for seed in 0..10 {
        let mut dice = Dice(seed);
        let mut pair = Pair::new();
        let mut now_ms = 1_000_000;
        let mut next_ms = 1;
        // Every other run starts with several pages and chunks, and empties some of them.
        for _ in 0..seed % 2 * 600 {
            next_ms += 1;
            let consumer = pair.consumers[dice.below(3) as usize];
            pair.own((next_ms, 7), Some(consumer), now_ms, 1);
        }
        for step in 0..700 {
            // A clock that mostly stands still, sometimes goes on and sometimes back, down to 0 and beyond 48 bits.
            match dice.below(12) {
                0 => now_ms += dice.below(100),
                1 => now_ms -= dice.below(100),
                _ => {}
            }
            let time_ms = match dice.below(20) {
                0 => 0,
                1 => u64::MAX - dice.below(3),
                2 => TIME_MS_MAX - 1,
                _ => now_ms,
            };
            let deliveries = match dice.below(12) {
                0 => i64::MAX,
                1 => i64::MAX - 1,
                2 => 65_530 + dice.below(8) as i64,
                _ => dice.below(5) as i64,
            };
            let consumer = pair.consumers[dice.below(pair.consumers.len() as u64) as usize];
            let owner = if dice.below(6) == 0 { None } else { Some(consumer) };
            let known = match pair.naive.entries.len() as u64 {
                0 => (1, 0),
                len => pair.naive.entries[dice.below(len) as usize].id,
            };
            // Each run grows first and shrinks in the end.
            let growth = if step < 400 { 12 } else { 2 };
            match dice.below(growth + 12) {
                0..5 => pair.forget(known),
                5..8 => pair.own(known, owner, time_ms, deliveries),
                8 => pair.own((dice.below(next_ms), dice.below(2)), owner, time_ms, deliveries),
                9 => pair.forget((dice.below(next_ms), 1)),
                10 if dice.below(12) == 0 => {
                    let dropped = pair.group.delete_consumer(consumer);
                    assert_eq!(dropped, pair.naive.delete_consumer(consumer));
                    assert!(pair.group.consumer_ref(consumer).is_none());
                    pair.consumers.retain(|&other| other != consumer);
                    let name = std::format!("consumer {step}");
                    pair.consumers.push(add_consumer(&mut pair.group, &name));
                }
                10 => pair.forget(pair.naive.by_delivery().first().map_or((0, 0), |entry| entry.id)),
                11 => pair.forget(pair.naive.by_id().first().map_or((0, 0), |entry| entry.id)),
                _ => {
                    for _ in 0..1 + dice.below(4) {
                        next_ms += dice.below(3);
                        pair.own((next_ms, 7), Some(consumer), now_ms, 1);
                    }
                }
            }
            pair.check();
            pair.check_from((dice.below(next_ms + 1), dice.below(9)), pair.consumers[0]);
            pair.check_retained(&mut dice);
        }
        pair.naive.by_id().iter().for_each(|entry| pair.forget(entry.id));
        pair.check();
        assert_eq!(pair.group.pending.memory(), 0);
    }
}

#[test]
fn consumers_are_found_and_listed_by_name() {
    let mut group = Group::new(EntryId::new(5, 5), None);
    assert_eq!(group.memory(), 0);
    let [bob, empty, ann] = ["bob", "", "ann"].map(|name| add_consumer(&mut group, name));
    let names: Vec<_> = group.consumers().map(|(_, consumer)| consumer.name()).collect();
    assert_eq!(names, [&b""[..], b"ann", b"bob"]);
    assert_eq!((group.consumer(b"ann"), group.consumer(b""), group.consumer(b"bo")), (Some(ann), Some(empty), None));
    assert_eq!(add_consumer(&mut group, "bob"), bob);
    assert_eq!(group.consumers_len(), 3);
    group.touch_seen(bob, 40);
    group.touch_active(bob, 41);
    let times = |consumer: &Consumer| (consumer.seen_ms(), consumer.active_ms());
    assert_eq!(group.consumer_ref(bob).map(times), Some((40, Some(41))));
    assert_eq!(group.consumer_ref(ann).map(times), Some((0, None)));
    assert_eq!(group.delete_consumer(bob), 0);
    assert_eq!((group.consumer(b"bob"), group.delete_consumer(bob)), (None, 0));
    group.validate().unwrap();
}

#[test]
fn equal_times_stand_in_the_order_in_which_they_were_set() {
    let mut group = Group::new(EntryId::MIN, None);
    let ann = Some(add_consumer(&mut group, "ann"));
    let bob = Some(add_consumer(&mut group, "bob"));
    for (ms, consumer, time_ms) in [(4, ann, 50), (2, ann, 50), (9, bob, 50), (3, ann, 49), (1, bob, 51)] {
        own(&mut group, EntryId::new(ms, 0), consumer, time_ms, 1);
    }
    assert_eq!(in_delivery_order(&group), [3, 4, 2, 9, 1]);
    assert!(!own(&mut group, EntryId::new(4, 0), ann, 50, 2));
    assert_eq!(in_delivery_order(&group), [3, 2, 9, 4, 1]);
    // Released entries go first, first in, first out, even before one that claims to be from 1970.
    assert!(own(&mut group, EntryId::new(1, 0), None, 99, 1));
    assert!(own(&mut group, EntryId::new(9, 0), None, 99, 1));
    assert!(own(&mut group, EntryId::new(3, 0), bob, 0, 1));
    assert!(!own(&mut group, EntryId::new(1, 0), None, 99, 1));
    assert_eq!(in_delivery_order(&group), [9, 1, 3, 2, 4]);
    group.validate().unwrap();
}

#[test]
fn used_up_order_numbers_are_dealt_anew() {
    let mut group = Group::new(EntryId::MIN, None);
    let ann = Some(add_consumer(&mut group, "ann"));
    for (ms, consumer, time_ms) in [(1, None, 0), (2, None, 0), (3, None, 0), (4, ann, 7), (5, ann, 7), (6, ann, 8)] {
        own(&mut group, EntryId::new(ms, 0), consumer, time_ms, 1);
    }
    group.pending.set_order(EntryId::new(3, 0), u32::MAX);
    group.pending.set_order(EntryId::new(5, 0), u32::MAX);
    own(&mut group, EntryId::new(1, 0), None, 0, 1);
    own(&mut group, EntryId::new(4, 0), ann, 7, 1);
    group.validate().unwrap();
    assert_eq!(in_delivery_order(&group), [2, 3, 1, 5, 4, 6]);
}

#[test]
fn a_walk_ends_when_told_to() {
    let mut group = Group::new(EntryId::MIN, None);
    let ann = add_consumer(&mut group, "ann");
    (1..=300).for_each(|ms| assert!(own(&mut group, EntryId::new(ms, 0), Some(ann), 5, 1)));
    let walks: [Walk<'_>; 3] =
        [&|f| group.walk(EntryId::MIN, f), &|f| group.walk_consumer(ann, EntryId::MIN, f), &|f| group.walk_delivery(f)];
    for walk in walks {
        let mut seen = 0;
        walk(&mut |_| {
            seen += 1;
            seen < 200
        });
        assert_eq!(seen, 200);
    }
}

#[test]
fn after_a_reservation_nothing_more_is_allocated_in_order() {
    let mut group = Group::new(EntryId::MIN, None);
    let ann = add_consumer(&mut group, "ann");
    let count = 1000;
    group.reserve_pending(Some(ann), count).unwrap();
    let reserved = group.memory();
    for ms in 1..=count as u64 {
        // Forgetting in between must not give away what the rest of the calls needs.
        if ms % 10 == 0 {
            assert!(group.forget(EntryId::new(ms - 1, 0)));
        }
        group.own(EntryId::new(ms, 0), Some(ann), 5, 1);
        assert_eq!(group.memory(), reserved);
    }
    group.validate().unwrap();
}

#[test]
fn a_reservation_is_used_up_by_calls_that_only_renew() {
    let mut group = Group::new(EntryId::MIN, None);
    let ann = add_consumer(&mut group, "ann");
    let empty = group.memory();
    (1..=100).for_each(|ms| assert!(own(&mut group, EntryId::new(ms, 0), Some(ann), 5, 1)));
    group.reserve_pending(Some(ann), 100).unwrap();
    (1..=100).for_each(|ms| assert!(!group.own(EntryId::new(ms, 0), Some(ann), 6, 2)));
    (1..=100).for_each(|ms| assert!(group.forget(EntryId::new(ms, 0))));
    assert_eq!(group.memory(), empty);
    group.validate().unwrap();
}

#[test]
fn a_refused_reservation_promises_nothing() {
    let mut group = Group::new(EntryId::MIN, None);
    let ann = add_consumer(&mut group, "ann");
    let before = group.memory();
    assert!(group.reserve_pending(Some(ann), usize::MAX).is_err());
    assert_eq!(group.memory(), before);
    group.validate().unwrap();
}

/// 10 consumers, batches of 100.
fn deliver(count: u64) -> (Group, Vec<ConsumerKey>) {
    let mut group = Group::new(EntryId::MIN, None);
    let consumers: Vec<_> =
        (b'a'..b'k').map(|name| add_consumer(&mut group, &std::string::String::from(char::from(name)))).collect();
    for (batch, &consumer) in (0..count / 100).zip(consumers.iter().cycle()) {
        group.reserve_pending(Some(consumer), 100).unwrap();
        for ms in batch * 100 + 1..=batch * 100 + 100 {
            group.own(EntryId::new(ms, 0), Some(consumer), batch, 1);
        }
    }
    (group, consumers)
}

#[test]
fn a_pending_entry_takes_56_bytes_at_most() {
    let count = 100_000;
    let (mut group, consumers) = deliver(count);
    let delivered = group.memory() as f64 / count as f64;
    assert!(delivered <= 48.0, "{delivered}");
    let mut dice = Dice(1);
    for time_ms in 0..200_000 {
        let consumer = consumers[dice.below(10) as usize];
        own(&mut group, EntryId::new(1 + dice.below(count), 0), Some(consumer), 10_000 + time_ms / 100, 2);
    }
    let claimed = group.memory() as f64 / count as f64;
    assert!(claimed <= 56.0, "{claimed}");
    group.validate().unwrap();
}

#[test]
fn a_small_group_is_small() {
    let mut group = Group::new(EntryId::MIN, None);
    let ann = Some(add_consumer(&mut group, "ann"));
    let empty = group.memory();
    own(&mut group, EntryId::new(1, 0), ann, 5, 1);
    let one = group.memory() - empty;
    assert!(one <= 300, "{one}");
}
