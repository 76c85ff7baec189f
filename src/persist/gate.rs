//! The reply gate: replies wait here until what they depend on is stored.
//!
//! It knows callers, positions and numbers that stand for replies; it does not know what a reply is, nor who delivers
//! it. So nothing that anybody has seen can be undone by a crash: not to the one who wrote it, and not to the one who
//! read it.
//!
//! *Design.* A caller's replies are a list, linked through one vector of slots, and leave in the order in which they
//! came, even if a later one depends on less. So only the first of each caller matters: it stands in one of two heaps,
//! of those that wait for `written` and those that wait for `durable`, the lowest position on top. When a position is
//! reached, replies are taken one by one; each costs the logarithm of the number of callers that wait.
//!
//! *Why not one list of all replies by position.* A reply that depends on an old position may come after one of the same
//! caller that depends on a new one. With a heap of callers, ten thousand replies in a pipeline cost one place in it.
//!
//! *Invariants*
//! 1. A caller that is known has a reply; its list leads from `first` to `last` through replies that are its own.
//! 2. Each caller stands once in the heap of its first reply's level, and knows where.
//! 3. No reply in a heap depends on less than the one above it.
//! 4. Callers are known by ascending number.

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::bytes::EncodeFault;
use super::writer::Level;
use crate::engine::Position;
use crate::invariant::ensure;
use crate::memory::{OutOfMemory, grown_capacity};
use crate::slots::{NO_KEY, Slots};
use crate::sorted_keys::SortedKeys;

/// What a reply depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Nothing: whoever asked for `applied` takes the risk, and does not wait for earlier replies either.
    Nothing,
    /// The journal up to a position, at a level.
    Stored(Level, Position),
}

/// A reply that may leave, or never will.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeldReply {
    /// Who waits for it.
    pub caller: u64,
    /// The number that stands for it.
    pub token: u64,
}

/// The replies that wait; see the head of this file.
#[derive(Default)]
pub struct ReplyGate {
    replies: Slots<Reply>,
    callers: Slots<Caller>,
    by_number: SortedKeys,
    /// Callers whose first reply waits for `written`, and those whose first waits for `durable`.
    heaps: [Vec<u32>; 2],
    reached: [Position; 2],
    /// Tells replies with the same position apart.
    arrivals: u64,
}

struct Reply {
    token: u64,
    level: Level,
    position: Position,
    arrival: u64,
    next: u32,
}

struct Caller {
    number: u64,
    first: u32,
    last: u32,
    /// Where it stands in the heap of its first reply.
    place: u32,
}

impl ReplyGate {
    /// A gate at which the journal is stored up to these positions.
    pub fn new(written: Position, durable: Position) -> ReplyGate {
        ReplyGate { reached: [written, durable], ..ReplyGate::default() }
    }

    /// Makes the next `n` calls of [`ReplyGate::hold`] infallible.
    pub fn reserve(&mut self, n: usize) -> Result<(), EncodeFault> {
        Ok(self.try_reserve(n)?)
    }

    /// Holds a reply, or gives it back if it may leave at once. Room must have been reserved.
    pub fn hold(&mut self, caller: u64, need: Need, token: u64) -> Option<HeldReply> {
        let Need::Stored(level, position) = need else { return Some(HeldReply { caller, token }) };
        let known = self.find(caller);
        if known.is_none() && self.is_reached(level, position) {
            return Some(HeldReply { caller, token });
        }
        self.arrivals += 1;
        let reply = self.replies.insert(Reply { token, level, position, arrival: self.arrivals, next: NO_KEY });
        match known {
            Some(key) => self.add_last(key, reply),
            None => self.add_caller(caller, reply),
        }
        None
    }

    /// Notes how far the journal is stored. [`ReplyGate::take`] then has the replies that may leave.
    pub fn release(&mut self, written: Position, durable: Position) {
        let [reached_written, reached_durable] = &mut self.reached;
        *reached_written = written.max(*reached_written);
        *reached_durable = durable.max(*reached_durable);
    }

    /// The next reply that may leave, if there is one: those with the lowest position first, each caller's in order.
    pub fn take(&mut self) -> Option<HeldReply> {
        let key = self.heaps.iter().find_map(|heap| heap.first().copied().filter(|&key| self.is_ready(key)))?;
        self.take_first(key)
    }

    /// The next reply that never may leave, now that nothing more will be stored; the gate is empty when there is none.
    /// To be called when [`ReplyGate::take`] has no more.
    pub fn reject(&mut self) -> Option<HeldReply> {
        let key = self.heaps.iter().find_map(|heap| heap.first().copied())?;
        self.take_first(key)
    }

    /// Forgets a caller and its replies, and returns how many there were.
    pub fn drop_caller(&mut self, caller: u64) -> usize {
        let before = self.replies.len();
        if let Some(key) = self.find(caller) {
            self.leave_heap(key);
            let mut reply = self.remove_caller(key);
            while let Some(removed) = self.replies.remove(reply) {
                reply = removed.next;
            }
        }
        before - self.replies.len()
    }

    /// How many replies wait.
    pub fn len(&self) -> usize {
        self.replies.len()
    }

    /// Whether no reply waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory held.
    pub fn memory(&self) -> usize {
        let heaps = self.heaps.iter().map(Vec::capacity).sum::<usize>() * size_of::<u32>();
        self.replies.memory() + self.callers.memory() + self.by_number.memory() + heaps
    }

    /// Gives back the memory of an empty gate.
    pub fn release_memory(&mut self) {
        if self.is_empty() {
            let [written, durable] = self.reached;
            *self = ReplyGate { arrivals: self.arrivals, ..ReplyGate::new(written, durable) };
        }
    }

    /// Checks the invariants in the head of this file.
    pub fn validate(&self) -> Result<(), String> {
        self.replies.validate()?;
        self.callers.validate()?;
        let mut listed = 0;
        for (key, caller) in self.callers.iter() {
            listed += self.validate_list(caller)?;
            let heap = self.level(key).map(|level| self.heap(level));
            let stands = heap.and_then(|heap| heap.get(caller.place as usize).copied());
            ensure(stands == Some(key), "gate 2: a caller is not where it says")?;
            ensure(self.find(caller.number) == Some(key), "gate 4: a caller is not known by its number")?;
        }
        ensure(listed == self.replies.len(), "gate 1: a reply belongs to nobody")?;
        ensure(self.by_number.len() == self.callers.len(), "gate 4: a number without a caller")?;
        let standing: usize = self.heaps.iter().map(Vec::len).sum();
        ensure(standing == self.callers.len(), "gate 2: a caller stands twice")?;
        for heap in &self.heaps {
            for (place, &key) in heap.iter().enumerate().skip(1) {
                let above = heap.get((place - 1) / 2).copied().unwrap_or(NO_KEY);
                ensure(self.order(above) <= self.order(key), "gate 3: a heap is out of order")?;
            }
        }
        Ok(())
    }

    fn validate_list(&self, caller: &Caller) -> Result<usize, String> {
        let (mut count, mut key, mut arrival) = (0, caller.first, 0);
        while let Some(reply) = self.replies.get(key) {
            ensure(reply.arrival > arrival, "gate 1: a list out of order")?;
            ensure((reply.next == NO_KEY) == (key == caller.last), "gate 1: a list that ends elsewhere")?;
            (count, key, arrival) = (count + 1, reply.next, reply.arrival);
        }
        ensure(count > 0, "gate 1: a caller without a reply")?;
        Ok(count)
    }

    fn try_reserve(&mut self, n: usize) -> Result<(), OutOfMemory> {
        self.replies.reserve(n)?;
        self.callers.reserve(n)?;
        self.by_number.reserve(n)?;
        // Any caller may come to stand in either heap.
        let standing = self.callers.len() + n;
        for heap in &mut self.heaps {
            if heap.capacity() < standing {
                heap.try_reserve_exact(grown_capacity(heap.capacity(), standing) - heap.len())?;
            }
        }
        Ok(())
    }

    fn is_reached(&self, level: Level, position: Position) -> bool {
        let [written, durable] = self.reached;
        position <= if level == Level::Written { written } else { durable }
    }

    fn is_ready(&self, key: u32) -> bool {
        self.first(key).is_some_and(|reply| self.is_reached(reply.level, reply.position))
    }

    fn find(&self, number: u64) -> Option<u32> {
        let callers = &self.callers;
        self.by_number.find(&mut |key| callers.get(key).map(|caller| caller.number).cmp(&Some(number)))
    }

    fn add_last(&mut self, key: u32, reply: u32) {
        let Some(caller) = self.callers.get_mut(key) else { return };
        let before = core::mem::replace(&mut caller.last, reply);
        if let Some(before) = self.replies.get_mut(before) {
            before.next = reply;
        }
    }

    fn add_caller(&mut self, number: u64, reply: u32) {
        let key = self.callers.insert(Caller { number, first: reply, last: reply, place: 0 });
        let callers = &self.callers;
        self.by_number.insert(key, &mut |other| callers.get(other).map(|caller| caller.number).cmp(&Some(number)));
        self.enter_heap(key);
    }

    /// Takes a caller out of the lists, but not out of its heap; returns its first reply.
    fn remove_caller(&mut self, key: u32) -> u32 {
        let Some(number) = self.callers.get(key).map(|caller| caller.number) else { return NO_KEY };
        let callers = &self.callers;
        self.by_number.remove(key, &mut |other| callers.get(other).map(|caller| caller.number).cmp(&Some(number)));
        self.callers.remove(key).map_or(NO_KEY, |caller| caller.first)
    }

    fn take_first(&mut self, key: u32) -> Option<HeldReply> {
        let Caller { number, first, .. } = *self.callers.get(key)?;
        self.leave_heap(key);
        let reply = self.replies.remove(first)?;
        if reply.next == NO_KEY {
            self.remove_caller(key);
        } else if let Some(caller) = self.callers.get_mut(key) {
            caller.first = reply.next;
            self.enter_heap(key);
        }
        Some(HeldReply { caller: number, token: reply.token })
    }

    fn first(&self, key: u32) -> Option<&Reply> {
        self.replies.get(self.callers.get(key)?.first)
    }

    fn level(&self, key: u32) -> Option<Level> {
        self.first(key).map(|reply| reply.level)
    }

    fn order(&self, key: u32) -> Option<(Position, u64)> {
        self.first(key).map(|reply| (reply.position, reply.arrival))
    }

    fn heap(&self, level: Level) -> &Vec<u32> {
        let [written, durable] = &self.heaps;
        if level == Level::Written { written } else { durable }
    }

    fn heap_mut(&mut self, level: Level) -> &mut Vec<u32> {
        let [written, durable] = &mut self.heaps;
        if level == Level::Written { written } else { durable }
    }

    fn enter_heap(&mut self, key: u32) {
        let Some(level) = self.level(key) else { return };
        let heap = self.heap_mut(level);
        debug_assert!(heap.len() < heap.capacity(), "a caller without reservation");
        heap.push(key);
        let place = heap.len() - 1;
        self.rise(level, place, key);
    }

    fn leave_heap(&mut self, key: u32) {
        let Some(level) = self.level(key) else { return };
        let place = self.callers.get(key).map_or(0, |caller| caller.place as usize);
        let heap = self.heap_mut(level);
        let Some(moved) = heap.pop() else { return };
        if moved != key {
            self.sink(level, place, moved);
            let place = self.callers.get(moved).map_or(0, |caller| caller.place as usize);
            self.rise(level, place, moved);
        }
    }

    /// Puts a key where it belongs between `place` and the top.
    fn rise(&mut self, level: Level, mut place: usize, key: u32) {
        while place > 0 {
            let above = (place - 1) / 2;
            let Some(&other) = self.heap(level).get(above) else { break };
            if self.order(other).cmp(&self.order(key)) != Ordering::Greater {
                break;
            }
            self.stand(level, place, other);
            place = above;
        }
        self.stand(level, place, key);
    }

    /// Puts a key where it belongs between `place` and the bottom.
    fn sink(&mut self, level: Level, mut place: usize, key: u32) {
        loop {
            let heap = self.heap(level);
            let below = [2 * place + 1, 2 * place + 2];
            let lower = below.into_iter().filter_map(|place| Some((place, *heap.get(place)?)));
            let Some((next, other)) = lower.min_by_key(|&(_, key)| self.order(key)) else { break };
            if self.order(other) >= self.order(key) {
                break;
            }
            self.stand(level, place, other);
            place = next;
        }
        self.stand(level, place, key);
    }

    fn stand(&mut self, level: Level, place: usize, key: u32) {
        if let Some(slot) = self.heap_mut(level).get_mut(place) {
            *slot = key;
        }
        if let Some(caller) = self.callers.get_mut(key) {
            caller.place = place as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    const WRITTEN: Level = Level::Written;
    const DURABLE: Level = Level::Durable;

    #[track_caller]
    fn hold(gate: &mut ReplyGate, caller: u64, level: Level, position: u64, token: u64) -> bool {
        gate.reserve(1).unwrap();
        let left = gate.hold(caller, Need::Stored(level, Position(position)), token);
        gate.validate().unwrap();
        left.is_some()
    }

    #[track_caller]
    fn release(gate: &mut ReplyGate, written: u64, durable: u64) -> Vec<(u64, u64)> {
        gate.release(Position(written), Position(durable));
        let mut left = Vec::new();
        while let Some(held) = gate.take() {
            gate.validate().unwrap();
            left.push((held.caller, held.token));
        }
        left
    }

    #[test]
    fn the_lowest_positions_leave_first_and_each_callers_replies_in_order() {
        let mut gate = ReplyGate::default();
        for (caller, position, token) in [(1, 5, 10), (2, 3, 20), (1, 2, 11), (3, 9, 30), (2, 6, 21), (4, 3, 40)] {
            assert!(!hold(&mut gate, caller, WRITTEN, position, token));
        }
        assert_eq!(release(&mut gate, 2, 0), []);
        assert_eq!(release(&mut gate, 5, 0), [(2, 20), (4, 40), (1, 10), (1, 11)]);
        assert_eq!(release(&mut gate, 9, 0), [(2, 21), (3, 30)]);
        assert!(gate.is_empty());
    }

    #[test]
    fn a_reply_that_needs_durable_holds_back_the_callers_next_one() {
        let mut gate = ReplyGate::new(Position(1), Position(1));
        assert!(hold(&mut gate, 1, DURABLE, 1, 9));
        assert!(!hold(&mut gate, 1, DURABLE, 2, 10));
        assert!(!hold(&mut gate, 1, WRITTEN, 1, 11));
        assert!(!hold(&mut gate, 2, WRITTEN, 2, 20));
        assert_eq!(release(&mut gate, 2, 1), [(2, 20)]);
        assert_eq!(release(&mut gate, 2, 2), [(1, 10), (1, 11)]);
        // What was reached stays reached.
        assert_eq!(release(&mut gate, 0, 0), []);
        assert!(hold(&mut gate, 1, DURABLE, 2, 12));
    }

    #[test]
    fn whoever_asks_for_no_promise_overtakes() {
        let mut gate = ReplyGate::default();
        assert!(!hold(&mut gate, 1, WRITTEN, 1, 10));
        assert_eq!(gate.hold(1, Need::Nothing, 11), Some(HeldReply { caller: 1, token: 11 }));
    }

    #[test]
    fn rejected_replies_come_in_each_callers_order_and_dropped_ones_not_at_all() {
        let mut gate = ReplyGate::default();
        for token in 0..30 {
            let level = if token % 2 == 0 { WRITTEN } else { DURABLE };
            assert!(!hold(&mut gate, token % 3, level, 100 - token, token));
        }
        assert_eq!((gate.drop_caller(1), gate.drop_caller(1), gate.len()), (10, 0, 20));
        gate.validate().unwrap();
        let mut rejected: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        while let Some(HeldReply { caller, token }) = gate.reject() {
            gate.validate().unwrap();
            rejected.entry(caller).or_default().push(token);
        }
        let expected = [0, 2].map(|caller| (caller, (0..10).map(|n| 3 * n + caller).collect()));
        assert_eq!(rejected, BTreeMap::from(expected));
        gate.release_memory();
        assert_eq!(gate.memory(), 0);
    }

    #[test]
    fn memory_is_given_back_by_an_empty_gate_alone() {
        let mut gate = ReplyGate::default();
        assert!(!hold(&mut gate, 1, WRITTEN, 1, 10));
        let memory = gate.memory();
        gate.release_memory();
        gate.validate().unwrap();
        assert_eq!(gate.memory(), memory);
        assert_eq!(release(&mut gate, 1, 0), [(1, 10)]);
        gate.release_memory();
        assert_eq!(gate.memory(), 0);
        // What was reached is not forgotten with it.
        assert!(hold(&mut gate, 1, WRITTEN, 1, 11));
    }

    #[test]
    fn a_reservation_serves_callers_that_change_between_the_levels() {
        let mut gate = ReplyGate::default();
        gate.reserve(2_000).unwrap();
        let memory = gate.memory();
        for token in 0..2_000 {
            let level = if token / 100 % 2 == 0 { WRITTEN } else { DURABLE };
            assert!(gate.hold(token % 100, Need::Stored(level, Position(1 + token)), token).is_none());
        }
        gate.validate().unwrap();
        for position in 0..=2_000 {
            let left = release(&mut gate, position, position);
            assert_eq!(left, position.checked_sub(1).map(|token| (token % 100, token)).into_iter().collect::<Vec<_>>());
        }
        assert!(gate.memory() <= memory);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        let mut gate = ReplyGate::default();
        assert_eq!(gate.reserve(usize::MAX), Err(EncodeFault::OutOfMemory));
        assert!(!hold(&mut gate, 1, WRITTEN, 1, 1));
    }

    /// A list in the order of arrival: the oracle.
    #[derive(Default)]
    struct NaiveGate {
        replies: Vec<(u64, Level, u64, u64)>,
        reached: [u64; 2],
    }

    impl NaiveGate {
        fn hold(&mut self, caller: u64, level: Level, position: u64, token: u64) -> bool {
            let waits = self.replies.iter().any(|reply| reply.0 == caller);
            let leaves = !waits && position <= self.reached[level as usize];
            if !leaves {
                self.replies.push((caller, level, position, token));
            }
            leaves
        }

        /// Those that may leave, each caller's in order.
        fn release(&mut self) -> BTreeMap<u64, Vec<u64>> {
            let mut left: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
            let mut blocked = Vec::new();
            let reached = self.reached;
            self.replies.retain(|&(caller, level, position, token)| {
                let leaves = !blocked.contains(&caller) && position <= reached[level as usize];
                if leaves {
                    left.entry(caller).or_default().push(token);
                } else {
                    blocked.push(caller);
                }
                !leaves
            });
            left
        }
    }

    #[test]
    fn it_does_what_a_list_does() {
        let mut state = 1_u64;
        let mut below = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % end
        };
        let (mut gate, mut naive) = (ReplyGate::default(), NaiveGate::default());
        let mut position = 0;
        for token in 0..20_000 {
            position += below(2);
            let caller = below(12);
            match below(20) {
                0..14 => {
                    let level = if below(3) == 0 { DURABLE } else { WRITTEN };
                    let needed = position.saturating_sub(below(5) * below(5));
                    let leaves = hold(&mut gate, caller, level, needed, token);
                    assert_eq!(leaves, naive.hold(caller, level, needed, token));
                }
                14 => {
                    let before = naive.replies.len();
                    naive.replies.retain(|reply| reply.0 != caller);
                    assert_eq!(gate.drop_caller(caller), before - naive.replies.len());
                    gate.validate().unwrap();
                }
                _ => {
                    let [written, durable] = naive.reached;
                    let written = written + below(position - written + 1);
                    naive.reached = [written, durable + below(written - durable + 1)];
                    let mut left: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
                    for (caller, token) in release(&mut gate, naive.reached[0], naive.reached[1]) {
                        left.entry(caller).or_default().push(token);
                    }
                    assert_eq!(left, naive.release());
                }
            }
            assert_eq!(gate.len(), naive.replies.len());
        }
    }
}
