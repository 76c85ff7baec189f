//! The futures that wait for a reply, each under a number.
//!
//! *Design.* A future that waits leaves its waker here. First it may wait in the engine, under the engine's name for it; then
//! its reply may be held until what it tells of is stored. When it may leave, the future finds it when it is polled.
//!
//! *Invariants*
//! 1. Each reader that waits in the engine has a place here; so does each reply that is held, or was not taken yet.
//! 2. Numbers are given once.

use alloc::collections::BTreeMap;
use core::mem;
use core::task::{Poll, Waker};

use brooklet::{Reply, WaiterId};

/// How far a reader is.
enum Reader {
    /// It waits in the engine; the waker is missing until its future is polled.
    Asleep(WaiterId, Option<Waker>),
    /// The engine has answered, and what it tells of is not stored yet.
    Held(Reply, Option<Waker>),
    /// The reply may leave.
    Ready(Reply),
}

impl Reader {
    fn waker(self) -> Option<Waker> {
        match self {
            Reader::Asleep(_, waker) | Reader::Held(_, waker) => waker,
            Reader::Ready(_) => None,
        }
    }
}

/// All readers; see the head of this file.
#[derive(Default)]
pub(super) struct Waiting {
    readers: BTreeMap<u64, Reader>,
    in_engine: BTreeMap<WaiterId, u64>,
    last_number: u64,
}

impl Waiting {
    /// A number for whoever comes.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// A reader begins to wait in the engine.
    pub(super) fn begin(&mut self, waiter: WaiterId) -> u64 {
        let number = self.next_number();
        self.readers.insert(number, Reader::Asleep(waiter, None));
        self.in_engine.insert(waiter, number);
        number
    }

    /// A reply is held.
    pub(super) fn hold(&mut self, number: u64, reply: Reply) {
        self.readers.insert(number, Reader::Held(reply, None));
    }

    /// The engine has answered a reader: his number.
    pub(super) fn wake(&mut self, waiter: WaiterId) -> Option<u64> {
        self.in_engine.remove(&waiter)
    }

    /// The reply of a reader who was woken, which is held or may leave. The waker, if any, is for the caller to wake.
    pub(super) fn answer(&mut self, number: u64, reply: Reply, is_held: bool) -> Option<Waker> {
        let reader = self.readers.get_mut(&number)?;
        if let (true, Reader::Asleep(_, waker)) = (is_held, &mut *reader) {
            *reader = Reader::Held(reply, waker.take());
            return None;
        }
        mem::replace(reader, Reader::Ready(reply)).waker()
    }

    /// A reply that was held may leave. The waker, if any, is for the caller to wake.
    pub(super) fn release(&mut self, number: u64) -> Option<Waker> {
        let reader = self.readers.get_mut(&number)?;
        let Reader::Held(reply, waker) = reader else { return None };
        let (reply, waker) = (mem::take(reply), waker.take());
        *reader = Reader::Ready(reply);
        waker
    }

    /// Takes the reply, or leaves the waker. What is in `waker` afterwards is for the caller to drop, when nothing is
    /// borrowed any more. `None` if nobody waits under this number.
    pub(super) fn take(&mut self, number: u64, waker: &mut Option<Waker>) -> Option<Poll<Reply>> {
        match self.readers.get_mut(&number)? {
            Reader::Asleep(_, place) | Reader::Held(_, place) => {
                mem::swap(place, waker);
                Some(Poll::Pending)
            }
            Reader::Ready(reply) => {
                let reply = mem::take(reply);
                self.readers.remove(&number);
                Some(Poll::Ready(reply))
            }
        }
    }

    /// Whether a reader still waits in the engine.
    pub(super) fn is_asleep(&self, number: u64) -> bool {
        matches!(self.readers.get(&number), Some(Reader::Asleep(..)))
    }

    /// Forgets a reader. What it waited for in the engine, its waker, and its reply if there is one, are for the caller.
    pub(super) fn end(&mut self, number: u64) -> (Option<WaiterId>, Option<Waker>, Option<Reply>) {
        match self.readers.remove(&number) {
            Some(Reader::Asleep(waiter, waker)) => {
                self.in_engine.remove(&waiter);
                (Some(waiter), waker, None)
            }
            Some(Reader::Held(reply, waker)) => (None, waker, Some(reply)),
            Some(Reader::Ready(reply)) => (None, None, Some(reply)),
            None => (None, None, None),
        }
    }

    /// Forgets all readers. Their wakers are for the caller to wake.
    pub(super) fn end_all(&mut self) -> impl Iterator<Item = Waker> + use<> {
        self.in_engine.clear();
        mem::take(&mut self.readers).into_values().filter_map(Reader::waker)
    }
}
