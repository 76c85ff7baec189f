//! A sorted list of keys, four bytes each, whose order only the caller knows.
//!
//! A key stands for a record that lives elsewhere, and the list asks a function how the record of a key compares with
//! what is sought. So one structure, compiled once, keeps a group's pending entries by ID, a consumer's by ID, the
//! order of delivery, groups and consumers by name, and timers.
//!
//! *Design.* A deque of chunks, each up to 128 keys in one allocation. A search walks down the first keys of the
//! chunks and then into one chunk. Removal looks for the chunk in the same way but then for the key itself among
//! contiguous numbers, which touches no further record. A chunk may begin anywhere in its allocation, so that taking
//! from the front is a matter of a counter. Lists of one chunk start with room for four keys and double.
//!
//! *Full chunks.* A key that belongs before the first or behind the last of a full chunk opens a chunk of its own: keys
//! that arrive in order fill chunks to the brim. Any other splits the chunk in the middle. A chunk of 32 keys or fewer
//! is merged into a neighbour if both together have at most 96, so that removals at random leave no crumbs and the
//! next insertion does not split again.
//!
//! *Why not a tree.* With two `BTreeMap`s over a slab a pending entry took 107 bytes; with three such lists over pages
//! it takes 45. And a `BTreeMap` cannot be refused memory without aborting.
//!
//! *Reservation.* `reserve(n)` promises the next `n` insertions room in the list as a whole. Where an insertion
//! would split a chunk and the allocator refuses the new one, keys are shifted from chunk to chunk to where there is
//! room: slow, but it cannot fail. To reserve a chunk for each possible split instead would cost 512 bytes a key.
//! The promise also keeps removals from giving back the memory that it needs. Empty chunks that are kept for it stand
//! at the end of the deque.
//!
//! *Invariants*
//! 1. Keys are strictly ascending in the caller's order.
//! 2. The first `filled` chunks hold keys; those behind them hold none.
//! 3. Of several chunks each has room for 128 keys.
//! 4. `len` is the number of keys, `capacity` the number there is room for.
//! 5. A chunk knows its first key.
//! 6. There is room for at least `promised` more keys, and no chunk is kept empty without need.
//! 7. An empty list that promised nothing holds no memory.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::invariant::ensure;
use crate::memory::OutOfMemory;
use crate::memory::{give_up, grown_capacity};

const CHUNK_KEYS_MAX: usize = 128;
const CHUNK_KEYS_MIN: usize = 4;
/// At or below this a chunk is offered to its neighbours,
const SPARSE_KEYS_MAX: usize = 32;
/// who take it if no more than this is the result.
const MERGED_KEYS_MAX: usize = 96;

/// How the record of a key compares with what is sought: `Less` if it stands before.
pub(crate) type Compare<'a> = &'a mut dyn FnMut(u32) -> Ordering;

/// A sorted list of keys; see the head of this file.
pub(crate) struct SortedKeys {
    chunks: VecDeque<Chunk>,
    filled: u32,
    len: u32,
    capacity: u32,
    promised: u32,
}

/// A place in the list: that of a key, or the end. Any change of the list makes it meaningless.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cursor {
    chunk: usize,
    at: usize,
}

impl Default for SortedKeys {
    fn default() -> Self {
        SortedKeys::new()
    }
}

impl SortedKeys {
    pub(crate) const fn new() -> Self {
        SortedKeys { chunks: VecDeque::new(), filled: 0, len: 0, capacity: 0, promised: 0 }
    }

    /// Makes the next `n` insertions infallible, also when keys are removed in between. The newest reservation
    /// replaces an older one; `reserve(0)` gives it up.
    pub(crate) fn reserve(&mut self, n: usize) -> Result<(), OutOfMemory> {
        let promised = u32::try_from(n).map_err(|_| OutOfMemory)?;
        let provided = if self.room() >= n { Ok(()) } else { self.provide(n) };
        if provided.is_ok() {
            self.promised = promised;
        }
        self.release_spares();
        provided
    }

    /// Uses up one promised insertion without inserting.
    pub(crate) fn skip_promised(&mut self) {
        self.promised = self.promised.saturating_sub(1);
        self.release_spares();
    }

    /// Appends a key of which the caller knows that it comes last.
    pub(crate) fn push_back(&mut self, key: u32) {
        self.insert_at(self.end(), key);
    }

    /// Puts a key where its order says.
    pub(crate) fn insert(&mut self, key: u32, compare: Compare<'_>) {
        self.insert_at(self.seek(compare), key);
    }

    /// Puts a key before the one at `place`.
    pub(crate) fn insert_at(&mut self, place: Cursor, key: u32) {
        let Cursor { mut chunk, mut at } = place;
        // Between two chunks the end of the left one is as good as the front of the right one; room decides.
        if at == 0 && chunk > 0 && (chunk == self.filled() || !self.is_full(chunk - 1)) {
            chunk -= 1;
            at = self.chunk_len(chunk);
        }
        if self.is_full(chunk) {
            self.insert_into_full(chunk, at, key);
        } else if let Some(chosen) = self.chunks.get_mut(chunk) {
            chosen.insert(at, key);
            self.filled = self.filled.max(1);
        }
        self.len += 1;
        self.promised = self.promised.saturating_sub(1);
    }

    /// Removes a key; `compare` says how others compare with it. False if it is not there.
    pub(crate) fn remove(&mut self, key: u32, compare: Compare<'_>) -> bool {
        let chunk = if self.first() == Some(key) { 0 } else { self.chunk_of(compare) };
        match self.chunk(chunk).iter().position(|&other| other == key) {
            Some(at) => self.remove_at(Cursor { chunk, at }).is_some(),
            None => false,
        }
    }

    /// Removes the key at a place.
    pub(crate) fn remove_at(&mut self, place: Cursor) -> Option<u32> {
        let key = self.chunks.get_mut(place.chunk)?.remove(place.at)?;
        self.len -= 1;
        match self.chunk_len(place.chunk) {
            0 => self.retire(place.chunk),
            1..=SPARSE_KEYS_MAX => self.merge_around(place.chunk),
            _ => {}
        }
        self.release_spares();
        Some(key)
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    #[inline]
    pub(crate) fn first(&self) -> Option<u32> {
        self.chunk(0).first().copied()
    }

    #[inline]
    pub(crate) fn last(&self) -> Option<u32> {
        self.chunk(self.filled().wrapping_sub(1)).last().copied()
    }

    /// The key that compares equal.
    pub(crate) fn find(&self, compare: Compare<'_>) -> Option<u32> {
        let key = self.get(self.seek(compare))?;
        if compare(key) == Ordering::Equal { Some(key) } else { None }
    }

    /// The place of the first key that is not less than what is sought, or the end.
    #[inline(never)]
    pub(crate) fn seek(&self, compare: Compare<'_>) -> Cursor {
        // Most searches are for what comes behind everything or for the very first: both are answered at once.
        if !matches!(self.last(), Some(last) if compare(last) != Ordering::Less) {
            return self.end();
        }
        let chunk = self.chunk_of(compare);
        let keys = self.chunk(chunk);
        let at = match keys.first() {
            Some(&first) if compare(first) == Ordering::Less => {
                keys.partition_point(|&key| compare(key) == Ordering::Less)
            }
            _ => 0,
        };
        if at == keys.len() { Cursor { chunk: chunk + 1, at: 0 } } else { Cursor { chunk, at } }
    }

    /// The place behind the last key.
    pub(crate) fn end(&self) -> Cursor {
        Cursor { chunk: self.filled(), at: 0 }
    }

    /// The key at a place; none at the end.
    pub(crate) fn get(&self, place: Cursor) -> Option<u32> {
        self.chunk(place.chunk).get(place.at).copied()
    }

    /// The place before another one; none before the first.
    pub(crate) fn before(&self, place: Cursor) -> Option<Cursor> {
        match place.at.checked_sub(1) {
            Some(at) => Some(Cursor { chunk: place.chunk, at }),
            None => {
                let chunk = place.chunk.checked_sub(1)?;
                Some(Cursor { chunk, at: self.chunk_len(chunk).checked_sub(1)? })
            }
        }
    }

    /// All keys in order.
    pub(crate) fn iter(&self) -> Keys<'_> {
        self.iter_from(Cursor { chunk: 0, at: 0 })
    }

    /// The keys from a place on.
    pub(crate) fn iter_from(&self, place: Cursor) -> Keys<'_> {
        let rest = self.chunk(place.chunk).get(place.at..).unwrap_or(&[]);
        Keys { list: self, chunk: place.chunk, rest: rest.iter() }
    }

    /// The bytes on the heap.
    #[inline]
    pub(crate) fn memory(&self) -> usize {
        self.chunks.capacity() * size_of::<Chunk>() + self.capacity as usize * size_of::<u32>()
    }

    /// Checks the invariants in the head of this file; `compare` compares the records of two keys.
    pub(crate) fn validate(&self, compare: &mut dyn FnMut(u32, u32) -> Ordering) -> Result<(), String> {
        let ascending = self.iter().zip(self.iter().skip(1)).all(|(one, next)| compare(one, next) == Ordering::Less);
        ensure(ascending, "sorted keys 1: not strictly ascending")?;
        let as_filled = self.chunks.iter().enumerate().all(|(i, chunk)| (chunk.len > 0) == (i < self.filled()));
        ensure(as_filled && self.filled() <= self.chunks.len(), "sorted keys 2: an empty chunk between others")?;
        let alone = self.chunks.len() == 1;
        let sized = self.chunks.iter().all(|chunk| alone || chunk.keys.len() == CHUNK_KEYS_MAX);
        ensure(sized, "sorted keys 3: a small chunk beside others")?;
        let len: usize = self.chunks.iter().map(|chunk| chunk.keys().len()).sum();
        let capacity: usize = self.chunks.iter().map(|chunk| chunk.keys.len()).sum();
        let counted = len == self.len() && capacity == self.capacity as usize && self.iter().count() == len;
        ensure(counted, "sorted keys 4: a counter is wrong")?;
        let known = self.chunks.iter().all(|chunk| chunk.len == 0 || chunk.keys().first() == Some(&chunk.first));
        ensure(known, "sorted keys 5: a chunk does not know its first key")?;
        ensure(self.room() >= self.promised as usize, "sorted keys 6: a promise cannot be kept")?;
        let spare = self.chunks.back().filter(|chunk| chunk.len == 0).map(|chunk| chunk.keys.len());
        let needed = spare.is_none_or(|spare| self.room() - spare < self.promised as usize);
        ensure(needed, "sorted keys 6: a chunk is kept empty without need")?;
        ensure(self.len > 0 || self.promised > 0 || self.memory() == 0, "sorted keys 7: an empty list holds memory")
    }

    #[inline]
    fn filled(&self) -> usize {
        self.filled as usize
    }

    /// How many more keys fit into the chunks there are.
    fn room(&self) -> usize {
        (self.capacity - self.len) as usize
    }

    #[inline]
    fn chunk(&self, chunk: usize) -> &[u32] {
        self.chunks.get(chunk).map_or(&[], Chunk::keys)
    }

    #[inline]
    fn chunk_len(&self, chunk: usize) -> usize {
        self.chunks.get(chunk).map_or(0, |chunk| usize::from(chunk.len))
    }

    /// Whether a chunk takes no more keys; one that does not exist takes none.
    #[inline]
    fn is_full(&self, chunk: usize) -> bool {
        self.chunks.get(chunk).is_none_or(Chunk::is_full)
    }

    /// The only chunk in which a key that compares equal can be: the last one whose first key is not greater.
    fn chunk_of(&self, compare: Compare<'_>) -> usize {
        let mut begins_behind = |chunk: usize| match self.chunks.get(chunk) {
            Some(chunk) if chunk.len > 0 => compare(chunk.first) == Ordering::Greater,
            _ => true,
        };
        // Queues are worked off at the front.
        if begins_behind(1) {
            return 0;
        }
        let (mut found, mut beyond) = (1, self.filled());
        while beyond - found > 1 {
            let middle = found + (beyond - found) / 2;
            if begins_behind(middle) {
                beyond = middle;
            } else {
                found = middle;
            }
        }
        found
    }

    #[inline(never)]
    fn insert_into_full(&mut self, chunk: usize, at: usize, key: u32) {
        if self.chunks.len() <= 1
            && self.grow_lone_chunk(1).is_ok()
            && let Some(lone) = self.chunks.get_mut(0)
            && !lone.is_full()
        {
            lone.insert(at, key);
            self.filled = 1;
            return;
        }
        match self.empty_chunk() {
            Ok(empty) => self.insert_with_chunk(empty, chunk, at, key),
            Err(OutOfMemory) => self.insert_by_shifting(chunk, at, key),
        }
    }

    /// Inserts into a full chunk with the help of an empty one.
    fn insert_with_chunk(&mut self, mut empty: Chunk, chunk: usize, at: usize, key: u32) {
        let len = self.chunk_len(chunk);
        let place = if at == 0 { chunk } else { chunk + 1 };
        if at == 0 || at == len {
            empty.insert(0, key);
        } else if let Some(full) = self.chunks.get_mut(chunk) {
            full.split_into(&mut empty);
            match at.checked_sub(full.keys().len()) {
                Some(at) if at > 0 => empty.insert(at, key),
                _ => full.insert(at, key),
            }
        }
        self.chunks.insert(place, empty);
        self.filled += 1;
    }

    /// Inserts into a full chunk without another one: each chunk from here to the nearest one with room hands a key on.
    #[cold]
    fn insert_by_shifting(&mut self, chunk: usize, at: usize, key: u32) {
        if !self.shift_right(chunk, at, key) && !self.shift_left(chunk, at, key) {
            give_up();
        }
    }

    fn shift_right(&mut self, mut chunk: usize, mut at: usize, key: u32) -> bool {
        if at == self.chunk_len(chunk) {
            chunk += 1;
            at = 0;
        }
        let Some(target) = (chunk..self.filled()).find(|&candidate| !self.is_full(candidate)) else { return false };
        for giver in (chunk..target).rev() {
            self.hand_on(giver, self.chunk_len(giver) - 1, giver + 1, 0);
        }
        self.put(chunk, at, key);
        true
    }

    fn shift_left(&mut self, mut chunk: usize, mut at: usize, key: u32) -> bool {
        if at == 0 && chunk > 0 {
            chunk -= 1;
            at = self.chunk_len(chunk);
        }
        let Some(target) = (0..=chunk).rev().find(|&candidate| !self.is_full(candidate)) else { return false };
        for giver in target + 1..=chunk {
            self.hand_on(giver, 0, giver - 1, self.chunk_len(giver - 1));
        }
        // What stood before the place has moved on by one, unless the chunk itself had room.
        self.put(chunk, if target == chunk { at } else { at - 1 }, key);
        true
    }

    fn hand_on(&mut self, giver: usize, from: usize, taker: usize, to: usize) {
        if let Some(key) = self.chunks.get_mut(giver).and_then(|chunk| chunk.remove(from)) {
            self.put(taker, to, key);
        }
    }

    fn put(&mut self, chunk: usize, at: usize, key: u32) {
        if let Some(chunk) = self.chunks.get_mut(chunk) {
            chunk.insert(at, key);
        }
    }

    /// An empty chunk: a spare one, or a new one for which the deque has a place.
    fn empty_chunk(&mut self) -> Result<Chunk, OutOfMemory> {
        if self.chunks.len() > self.filled()
            && let Some(spare) = self.chunks.pop_back()
        {
            return Ok(spare);
        }
        #[cfg(test)]
        if tests::is_allocator_exhausted() {
            return Err(OutOfMemory);
        }
        self.reserve_chunks(1)?;
        let chunk = Chunk::try_new(CHUNK_KEYS_MAX)?;
        self.capacity += CHUNK_KEYS_MAX as u32;
        Ok(chunk)
    }

    /// Allocates until `n` more keys fit.
    #[inline(never)]
    fn provide(&mut self, n: usize) -> Result<(), OutOfMemory> {
        if u32::try_from(self.len().saturating_add(n)).is_err() {
            return Err(OutOfMemory);
        }
        if self.chunks.len() <= 1 {
            self.grow_lone_chunk(n)?;
        }
        let chunks = n.saturating_sub(self.room()).div_ceil(CHUNK_KEYS_MAX);
        self.reserve_chunks(chunks)?;
        for _ in 0..chunks {
            self.chunks.push_back(Chunk::try_new(CHUNK_KEYS_MAX)?);
            self.capacity += CHUNK_KEYS_MAX as u32;
        }
        Ok(())
    }

    /// Lets a list of one chunk, or none, have one with room for `n` more keys, as far as one chunk can.
    fn grow_lone_chunk(&mut self, n: usize) -> Result<(), OutOfMemory> {
        let capacity = self.len().saturating_add(n).min(CHUNK_KEYS_MAX).next_power_of_two().max(CHUNK_KEYS_MIN);
        if capacity <= self.capacity as usize {
            return Ok(());
        }
        self.reserve_chunks(1 - self.chunks.len())?;
        let mut grown = Chunk::try_new(capacity)?;
        if let Some(lone) = self.chunks.pop_front() {
            grown.append(lone.keys());
        }
        self.chunks.push_front(grown);
        self.capacity = capacity as u32;
        Ok(())
    }

    fn reserve_chunks(&mut self, n: usize) -> Result<(), OutOfMemory> {
        let (len, capacity) = (self.chunks.len(), self.chunks.capacity());
        if len + n > capacity {
            self.chunks.try_reserve_exact(grown_capacity(capacity, len + n) - len)?;
        }
        Ok(())
    }

    /// Merges a sparse chunk with a neighbour that has room.
    fn merge_around(&mut self, chunk: usize) {
        let fits = |left: usize| {
            left + 1 < self.filled() && self.chunk_len(left) + self.chunk_len(left + 1) <= MERGED_KEYS_MAX
        };
        let left = match chunk.checked_sub(1) {
            Some(left) if fits(left) => left,
            _ if fits(chunk) => chunk,
            _ => return,
        };
        let Some(mut right) = self.chunks.remove(left + 1) else { return };
        if let Some(left) = self.chunks.get_mut(left) {
            left.append(right.keys());
        }
        right.clear();
        self.keep_as_spare(right);
    }

    /// Takes an empty chunk out of the order.
    fn retire(&mut self, chunk: usize) {
        if let Some(mut empty) = self.chunks.remove(chunk) {
            empty.clear();
            self.keep_as_spare(empty);
        }
    }

    fn keep_as_spare(&mut self, chunk: Chunk) {
        self.filled -= 1;
        self.chunks.push_back(chunk);
    }

    /// Gives back the empty chunks that no promise needs.
    fn release_spares(&mut self) {
        while self.chunks.len() > self.filled() {
            let spare = self.chunks.back().map_or(0, |chunk| chunk.keys.len());
            if self.room() - spare < self.promised as usize {
                return;
            }
            self.chunks.pop_back();
            self.capacity -= spare as u32;
        }
        if self.chunks.is_empty() {
            self.chunks = VecDeque::new();
        }
    }
}

/// The keys of a list from some place on.
pub(crate) struct Keys<'a> {
    list: &'a SortedKeys,
    chunk: usize,
    rest: core::slice::Iter<'a, u32>,
}

impl Iterator for Keys<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if let Some(&key) = self.rest.next() {
            return Some(key);
        }
        self.chunk += 1;
        self.rest = self.list.chunk(self.chunk).iter();
        self.rest.next().copied()
    }
}

/// Up to 128 keys, anywhere in their allocation. The first one is kept here too, or a search, which asks for the
/// first keys of many chunks, would touch the allocation of each: one more cache miss a step.
struct Chunk {
    keys: Box<[u32]>,
    first: u32,
    start: u8,
    len: u8,
}

impl Chunk {
    fn try_new(capacity: usize) -> Result<Chunk, OutOfMemory> {
        let mut keys = Vec::new();
        keys.try_reserve_exact(capacity)?;
        keys.resize(capacity, 0);
        Ok(Chunk { keys: keys.into_boxed_slice(), first: 0, start: 0, len: 0 })
    }

    #[inline]
    fn start(&self) -> usize {
        usize::from(self.start)
    }

    #[inline]
    fn end(&self) -> usize {
        usize::from(self.start) + usize::from(self.len)
    }

    #[inline]
    fn keys(&self) -> &[u32] {
        self.keys.get(self.start()..self.end()).unwrap_or(&[])
    }

    #[inline]
    fn is_full(&self) -> bool {
        usize::from(self.len) == self.keys.len()
    }

    /// Puts a key before the one at `at`, into a chunk that is not full.
    #[inline]
    fn insert(&mut self, at: usize, key: u32) {
        let len = usize::from(self.len);
        if at == len && self.end() == self.keys.len() {
            // All to the front at once, or a queue would move all of its keys for each one that is appended.
            self.keys.copy_within(self.start().., 0);
            self.start = 0;
        }
        let (start, end) = (self.start(), self.end());
        let moves_front = start > 0 && (end == self.keys.len() || at < len / 2);
        if moves_front {
            self.keys.copy_within(start..start + at, start - 1);
            self.start -= 1;
        } else if at < len {
            self.keys.copy_within(start + at..end, start + at + 1);
        }
        let place = self.start() + at;
        if let Some(place) = self.keys.get_mut(place) {
            *place = key;
            self.len += 1;
        }
        if at == 0 {
            self.first = key;
        }
    }

    #[inline]
    fn remove(&mut self, at: usize) -> Option<u32> {
        let key = *self.keys().get(at)?;
        let (start, end) = (self.start(), self.end());
        if at < usize::from(self.len) / 2 || at == 0 {
            self.keys.copy_within(start..start + at, start + 1);
            self.start += 1;
        } else {
            self.keys.copy_within(start + at + 1..end, start + at);
        }
        self.len -= 1;
        if at == 0 {
            self.update_first();
        }
        Some(key)
    }

    /// Moves the upper half into an empty chunk.
    fn split_into(&mut self, upper: &mut Chunk) {
        let half = usize::from(self.len) / 2;
        upper.clear();
        upper.append(self.keys().get(half..).unwrap_or(&[]));
        self.len = half as u8;
    }

    /// Appends keys for which there is room.
    fn append(&mut self, keys: &[u32]) {
        self.keys.copy_within(self.start()..self.end(), 0);
        self.start = 0;
        let (len, total) = (self.end(), self.end() + keys.len());
        if let Some(place) = self.keys.get_mut(len..total) {
            place.copy_from_slice(keys);
            self.len = total as u8;
        }
        self.update_first();
    }

    fn update_first(&mut self) {
        self.first = self.keys().first().copied().unwrap_or(0);
    }

    fn clear(&mut self) {
        self.start = 0;
        self.len = 0;
    }
}

#[cfg(test)]
mod tests;
