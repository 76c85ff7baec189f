//! The list against a plain sorted vector.

use super::*;
use std::cell::Cell;

std::thread_local! {
    static EXHAUSTED: Cell<bool> = const { Cell::new(false) };
}

/// Lets a test play an allocator that has nothing left for a split.
pub(super) fn is_allocator_exhausted() -> bool {
    EXHAUSTED.get()
}

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) % u64::from(limit)) as u32
    }
}

/// A list whose keys are their own records, beside a plain sorted vector.
struct Pair {
    list: SortedKeys,
    plain: Vec<u32>,
}

impl Pair {
    fn new() -> Pair {
        Pair { list: SortedKeys::new(), plain: Vec::new() }
    }

    fn insert(&mut self, key: u32) {
        let Err(at) = self.plain.binary_search(&key) else { return };
        self.list.reserve(1).unwrap();
        self.list.insert(key, &mut |other| other.cmp(&key));
        self.plain.insert(at, key);
    }

    fn remove(&mut self, key: u32) {
        let found = self.plain.binary_search(&key);
        assert_eq!(self.list.remove(key, &mut |other| other.cmp(&key)), found.is_ok());
        if let Ok(at) = found {
            self.plain.remove(at);
        }
    }

    #[track_caller]
    fn check(&self) {
        self.list.validate(&mut |one, other| one.cmp(&other)).unwrap();
        assert_eq!(self.list.iter().collect::<Vec<_>>(), self.plain);
        assert_eq!((self.list.first(), self.list.last()), (self.plain.first().copied(), self.plain.last().copied()));
        assert_eq!(self.list.len(), self.plain.len());
    }

    #[track_caller]
    fn check_search(&self, sought: u32) {
        let at = self.plain.partition_point(|&key| key < sought);
        let place = self.list.seek(&mut |key| key.cmp(&sought));
        assert_eq!(self.list.iter_from(place).collect::<Vec<_>>(), self.plain[at..]);
        assert_eq!(self.list.get(place), self.plain.get(at).copied());
        let before = self.list.before(place).and_then(|place| self.list.get(place));
        assert_eq!(before, at.checked_sub(1).map(|at| self.plain[at]));
        let found = self.list.find(&mut |key| key.cmp(&sought));
        assert_eq!(found, self.plain.binary_search(&sought).ok().map(|at| self.plain[at]));
    }
}

fn pop_front(list: &mut SortedKeys) -> Option<u32> {
    list.remove_at(Cursor { chunk: 0, at: 0 })
}

#[test]
fn random_insertions_and_removals_agree_with_a_plain_vector() {
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let mut pair = Pair::new();
        // Each phase leans to one side, so that lists grow large, shrink, empty and grow again.
        for phase in 0..8 {
            let insertions = [9, 2, 8, 1, 7, 3, 6, 0][phase];
            for _ in 0..500 {
                let key = dice.below(2000);
                if dice.below(10) < insertions {
                    pair.insert(key);
                } else if dice.below(8) == 0 {
                    assert_eq!(pop_front(&mut pair.list), pair.plain.first().copied());
                    pair.plain.drain(..pair.plain.len().min(1));
                } else {
                    let near = pair.plain.partition_point(|&other| other < key);
                    pair.remove(pair.plain.get(near).copied().unwrap_or(key));
                }
                pair.check();
                pair.check_search(dice.below(2001));
            }
        }
    }
}

#[test]
fn keys_in_order_fill_chunks_to_the_brim_in_both_directions() {
    let count = 128 * 50;
    let mut upwards = SortedKeys::new();
    let mut downwards = SortedKeys::new();
    for key in 0..count {
        upwards.reserve(1).unwrap();
        upwards.push_back(key);
        downwards.reserve(1).unwrap();
        downwards.insert(count - key, &mut |other| other.cmp(&(count - key)));
    }
    assert_eq!((upwards.capacity, downwards.capacity), (count, count));
    assert!(upwards.memory() < count as usize * 45 / 10);
}

#[test]
fn small_lists_are_small_and_empty_ones_hold_nothing() {
    let mut pair = Pair::new();
    for (key, room) in [(0, 4), (1, 4), (2, 4), (3, 4), (4, 8), (5, 8), (6, 8), (7, 8), (8, 16)] {
        pair.insert(key);
        assert_eq!(pair.list.memory(), size_of::<Chunk>() + room * 4);
    }
    (0..9).for_each(|key| pair.remove(key));
    assert_eq!(pair.list.memory(), 0);
    pair.check();
}

#[test]
fn random_removal_leaves_no_crumbs() {
    let mut pair = Pair::new();
    (0..128 * 100).for_each(|key| pair.insert(key));
    (0..128 * 100).filter(|key| key % 16 != 0).for_each(|key| pair.remove(key));
    pair.check();
    assert!(pair.list.memory() <= pair.list.len() * 16, "{}", pair.list.memory());
}

#[test]
fn a_promise_outlives_removals_and_is_used_up() {
    let mut list = SortedKeys::new();
    list.reserve(300).unwrap();
    (0..10).for_each(|key| list.push_back(key));
    (0..10).for_each(|_| assert!(pop_front(&mut list).is_some()));
    let reserved = list.memory();
    assert!(reserved >= 290 * 4);
    list.validate(&mut |one, other| one.cmp(&other)).unwrap();
    (0..289).for_each(|key| list.push_back(key));
    assert!(list.memory() <= reserved);
    (0..289).for_each(|_| assert!(pop_front(&mut list).is_some()));
    assert!(list.memory() > 0);
    list.skip_promised();
    assert_eq!(list.memory(), 0);
}

#[test]
fn promised_insertions_succeed_when_no_chunk_is_to_be_had() {
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let mut pair = Pair::new();
        (0..128 * 6).for_each(|key| pair.insert(key * 100));
        (0..200).for_each(|_| pair.remove(dice.below(128 * 6) * 100));
        let promised = 150;
        pair.list.reserve(promised).unwrap();
        let memory = pair.list.memory();
        // What comes next must find its place in what there is: no reservation, no new chunk.
        EXHAUSTED.set(true);
        for _ in 0..promised {
            let key = dice.below(128 * 600);
            let Err(at) = pair.plain.binary_search(&key) else { continue };
            pair.list.insert(key, &mut |other| other.cmp(&key));
            pair.plain.insert(at, key);
            pair.check();
        }
        EXHAUSTED.set(false);
        assert!(pair.list.memory() <= memory);
    }
}

#[test]
fn impossible_sizes_are_refused_and_clearing_gives_all_back() {
    let mut list = SortedKeys::new();
    assert_eq!(list.reserve(usize::MAX), Err(OutOfMemory));
    assert_eq!(list.memory(), 0);
    list.reserve(1000).unwrap();
    list.push_back(1);
    list = SortedKeys::new();
    assert_eq!((list.memory(), list.first()), (0, None));
}
