//! Waiting readers: who waits on which names, since when, for how long.
//!
//! It knows arrival order and time limits; it does not know what a reader wants, only the request to run again.
//!
//! *Design.* A waiter keeps its request as it was, with `$` already replaced by the ID it stood for, so that waking
//! means running the command once more. It hangs on each of its keys; a key lists its waiters by arrival.
//!
//! *Why the request is run again* and not resumed: between blocking and waking the key may have been deleted, replaced
//! or renamed, the group destroyed, the consumer deleted. Running the command again gives the answer that Redis gives.
//!
//! *Invariants*
//! 1. A waiter is on the list of each of its keys, once, and each list holds live waiters only, by arrival.
//! 2. A key with an empty list has no list.
//! 3. `held_bytes` is the sum of what the waiters hold. When nobody waits and no reply is left, nothing is held.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use super::keyspace::{KeyRef, Keyspace};
use super::{Position, Ready, Session, WaiterId};
use crate::memory::{OutOfMemory, try_box};
use crate::reply::Reply;
use crate::slots::Slots;
use crate::sorted_keys::SortedKeys;

/// A request that outlives its caller: all words in one piece.
#[derive(Default, Debug)]
pub(crate) struct OwnedRequest {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl OwnedRequest {
    /// Copies a request, word by word as `word` says.
    pub(crate) fn copy(argv: &[&[u8]], replaced: &[(usize, crate::id::EntryId)]) -> Result<OwnedRequest, OutOfMemory> {
        let mut request = OwnedRequest::default();
        request.ends.try_reserve_exact(argv.len())?;
        let mut replaced = replaced.iter().peekable();
        for (place, word) in argv.iter().enumerate() {
            match replaced.next_if(|(at, _)| *at == place) {
                Some((_, id)) => request.push(id.to_text().as_bytes())?,
                None => request.push(word)?,
            }
        }
        Ok(request)
    }

    fn push(&mut self, word: &[u8]) -> Result<(), OutOfMemory> {
        self.bytes.try_reserve(word.len())?;
        self.bytes.extend_from_slice(word);
        self.ends.push(self.bytes.len());
        Ok(())
    }

    /// The words again.
    pub(crate) fn words(&self) -> Result<Vec<&[u8]>, OutOfMemory> {
        let mut words = Vec::new();
        words.try_reserve_exact(self.ends.len())?;
        let mut start = 0;
        for &end in &self.ends {
            words.push(self.bytes.get(start..end).unwrap_or(&[]));
            start = end;
        }
        Ok(words)
    }

    fn memory(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>()
    }
}

/// A reader that waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) id: WaiterId,
    pub(crate) session: Session,
    pub(crate) request: OwnedRequest,
    /// When it gives up; never, if none.
    pub(crate) deadline_ms: Option<u64>,
    /// When a pending entry that it wants to claim is idle long enough.
    pub(crate) mature_ms: Option<u64>,
    /// The position at which its request was last run in vain: as long as nothing changes, it need not be run again.
    pub(crate) tried: Position,
    /// Whether it reads through a group: then it also wakes when its key goes.
    pub(crate) is_group_read: bool,
    pub(crate) keys: Vec<KeyRef>,
}

/// All waiting readers, and those that have their reply.
#[derive(Default)]
pub(crate) struct Waiters {
    slots: Slots<Waiter>,
    by_arrival: SortedKeys,
    ready: VecDeque<(Ready, Reply)>,
    next_id: u64,
    /// What the requests and lists of keys of all waiters take.
    held_bytes: usize,
}

impl Waiters {
    /// How many readers wait.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Waiter> {
        self.slots.get(slot)
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Waiter> {
        self.slots.get_mut(slot)
    }

    /// Takes a waiter's request, to run it.
    pub(crate) fn take_request(&mut self, slot: u32) -> Option<OwnedRequest> {
        let request = core::mem::take(&mut self.slots.get_mut(slot)?.request);
        self.held_bytes = self.held_bytes.saturating_sub(request.memory());
        Some(request)
    }

    /// Gives a waiter its request back.
    pub(crate) fn put_request(&mut self, slot: u32, request: OwnedRequest) {
        if let Some(waiter) = self.slots.get_mut(slot) {
            self.held_bytes += request.memory();
            waiter.request = request;
        }
    }

    /// The slot of a waiter.
    pub(crate) fn find(&self, id: WaiterId) -> Option<u32> {
        let slots = &self.slots;
        self.by_arrival.find(&mut |slot| slots.get(slot).map(|waiter| waiter.id).cmp(&Some(id)))
    }

    /// The memory held, without the replies that wait to be taken.
    pub(crate) fn memory(&self) -> usize {
        let ready = self.ready.capacity() * size_of::<(Ready, Reply)>();
        self.slots.memory() + self.by_arrival.memory() + ready + self.held_bytes
    }

    /// Lets a reader wait on its keys.
    pub(crate) fn block(
        &mut self,
        mut waiter: Waiter,
        keyspace: &mut Keyspace,
    ) -> Result<(WaiterId, u32), OutOfMemory> {
        self.slots.reserve(1)?;
        self.by_arrival.reserve(1)?;
        // Whoever waits will have a reply: room for it is made while waiting can still be refused.
        self.ready.try_reserve(self.slots.len() + 1)?;
        waiter.keys.sort_unstable_by_key(|key| (key.database, key.slot));
        waiter.keys.dedup();
        for &at in &waiter.keys {
            let Some(key) = keyspace.key_mut(at) else { continue };
            match key.waiters_mut() {
                Some(list) => list.reserve(1)?,
                none => none.insert(try_box(SortedKeys::new())?).reserve(1)?,
            }
        }
        let id = WaiterId(self.next_id);
        self.next_id += 1;
        waiter.id = id;
        self.held_bytes += waiter.memory();
        let slot = self.slots.insert(waiter);
        self.by_arrival.push_back(slot);
        for &at in self.slots.get(slot).map_or(&[][..], |waiter| &waiter.keys) {
            if let Some(list) = keyspace.key_mut(at).and_then(|key| key.waiters_mut().as_mut()) {
                list.push_back(slot);
            }
            keyspace.settle(at);
        }
        Ok((id, slot))
    }

    /// Takes away the empty lists that a failed [`Waiters::block`] may have left, and vacant keys with them.
    pub(crate) fn drop_unused(keys: &[KeyRef], keyspace: &mut Keyspace) {
        for &at in keys {
            let Some(key) = keyspace.key_mut(at) else { continue };
            if key.waiters().is_some_and(|list| list.len() == 0) {
                *key.waiters_mut() = None;
            }
            keyspace.settle(at);
            keyspace.drop_vacant(at);
        }
    }

    /// Ends a wait.
    pub(crate) fn remove(&mut self, slot: u32, keyspace: &mut Keyspace) -> Option<Waiter> {
        let id = self.slots.get(slot)?.id;
        let slots = &self.slots;
        let mut by_id = |other: u32| slots.get(other).map(|waiter| waiter.id).cmp(&Some(id));
        self.by_arrival.remove(slot, &mut by_id);
        for &at in slots.get(slot).map_or(&[][..], |waiter| &waiter.keys) {
            if let Some(list) = keyspace.key_mut(at).and_then(|key| key.waiters_mut().as_mut()) {
                list.remove(slot, &mut by_id);
            }
        }
        let waiter = self.slots.remove(slot)?;
        self.held_bytes = self.held_bytes.saturating_sub(waiter.memory());
        Waiters::drop_unused(&waiter.keys, keyspace);
        Some(waiter)
    }

    /// Hands a waiter its reply.
    pub(crate) fn push_ready(&mut self, waiter: WaiterId, position: Position, reply: Reply) {
        self.ready.push_back((Ready { waiter, position }, reply));
    }

    /// The next reader that has its reply.
    pub(crate) fn pop_ready(&mut self) -> Option<(Ready, Reply)> {
        let next = self.ready.pop_front();
        self.release_if_unused();
        next
    }

    /// Gives all memory back when nobody waits and no reply is left.
    pub(crate) fn release_if_unused(&mut self) {
        if self.slots.len() == 0 && self.ready.is_empty() {
            *self = Waiters { next_id: self.next_id, ..Waiters::default() };
        }
    }

    /// Checks the invariants.
    pub(crate) fn validate(&self, keyspace: &Keyspace) -> Result<(), String> {
        let held_bytes: usize = self.slots.iter().map(|(_, waiter)| waiter.memory()).sum();
        if held_bytes != self.held_bytes {
            return Err(String::from("wait: 3 the account of memory is off"));
        }
        if self.slots.len() == 0 && self.ready.is_empty() && self.memory() > 0 {
            return Err(String::from("wait: 3 memory is held for nobody"));
        }
        for (slot, waiter) in self.slots.iter() {
            for &at in &waiter.keys {
                let list = keyspace.key(at).and_then(|key| key.waiters());
                if list.is_none_or(|list| list.iter().filter(|&other| other == slot).count() != 1) {
                    return Err(String::from("wait: 1 a waiter is not on the list of its key"));
                }
            }
        }
        for database in 0..super::keyspace::DATABASES {
            let mut next = keyspace.next_from(database, 0);
            while let Some(at) = next {
                if let Some(list) = keyspace.key(at).and_then(|key| key.waiters()) {
                    self.validate_list(list)?;
                }
                next = keyspace.next_from(database, at.slot + 1);
            }
        }
        Ok(())
    }

    fn validate_list(&self, list: &SortedKeys) -> Result<(), String> {
        if list.len() == 0 {
            return Err(String::from("wait: 2 an empty list"));
        }
        let mut last = None;
        for slot in list.iter() {
            let Some(waiter) = self.slots.get(slot) else {
                return Err(String::from("wait: 1 a list names a waiter that is gone"));
            };
            if last.is_some_and(|last| last >= waiter.id) {
                return Err(String::from("wait: 1 a list is not in order of arrival"));
            }
            last = Some(waiter.id);
        }
        Ok(())
    }
}

impl Waiter {
    fn memory(&self) -> usize {
        self.request.memory() + self.keys.capacity() * size_of::<KeyRef>()
    }
}
