//! The readers that wait, by the engine's names for them.
//!
//! *Design.* A future that waits leaves its waker here. When the engine has its reply, the reply takes the waker's place,
//! and the future finds it when it is polled.
//!
//! *Invariants*
//! 1. Each reader that waits in the engine has a place here; so does each whose reply was not taken yet.

use alloc::collections::BTreeMap;
use core::mem;
use core::task::{Poll, Waker};

use brooklet::{Reply, WaiterId};

/// How far a reader is.
enum Reader {
    /// It waits; the waker is missing until its future is polled.
    Asleep(Option<Waker>),
    /// The engine has answered.
    Ready(Reply),
}

impl Reader {
    fn waker(self) -> Option<Waker> {
        match self {
            Reader::Asleep(waker) => waker,
            Reader::Ready(_) => None,
        }
    }
}

/// All readers; see the head of this file.
#[derive(Default)]
pub(super) struct Waiting {
    readers: BTreeMap<WaiterId, Reader>,
}

impl Waiting {
    /// A reader begins to wait.
    pub(super) fn begin(&mut self, waiter: WaiterId) {
        self.readers.insert(waiter, Reader::Asleep(None));
    }

    /// The engine has answered. The waker, if any, is for the caller to wake.
    pub(super) fn answer(&mut self, waiter: WaiterId, reply: Reply) -> Option<Waker> {
        let reader = self.readers.get_mut(&waiter)?;
        mem::replace(reader, Reader::Ready(reply)).waker()
    }

    /// Takes the reply, or leaves the waker. What is in `waker` afterwards is for the caller to drop, when nothing is
    /// borrowed any more. `None` if nobody waits under this name.
    pub(super) fn take(&mut self, waiter: WaiterId, waker: &mut Option<Waker>) -> Option<Poll<Reply>> {
        let reader = self.readers.get_mut(&waiter)?;
        if let Reader::Asleep(place) = reader {
            mem::swap(place, waker);
            return Some(Poll::Pending);
        }
        match self.readers.remove(&waiter)? {
            Reader::Ready(reply) => Some(Poll::Ready(reply)),
            Reader::Asleep(_) => None,
        }
    }

    /// Whether a reader still waits for its reply.
    pub(super) fn is_asleep(&self, waiter: WaiterId) -> bool {
        matches!(self.readers.get(&waiter), Some(Reader::Asleep(_)))
    }

    /// Forgets a reader. Its waker is for the caller to drop.
    pub(super) fn end(&mut self, waiter: WaiterId) -> Option<Waker> {
        self.readers.remove(&waiter)?.waker()
    }

    /// Forgets all readers. Their wakers are for the caller to wake.
    pub(super) fn end_all(&mut self) -> impl Iterator<Item = Waker> + use<> {
        mem::take(&mut self.readers).into_values().filter_map(Reader::waker)
    }
}
