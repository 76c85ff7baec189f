//! The exports: one object, a dozen methods.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem::ManuallyDrop;

use brooklet::{Config, Outcome, Position, Reply, Session, WaiterId};
use brooklet_web::Host;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::throw_str;

use crate::answer::Answer;
use crate::options::{configured, write_statistics};
use crate::request::{Misfit, with_batch, with_words};

/// A request buffer larger than this is given back after its call.
const REQUEST_BYTES_KEPT: usize = 1 << 20;

/// One database, as JavaScript sees it; see the head of this crate.
#[wasm_bindgen]
pub struct Door {
    /// An instance goes as a whole, with its memory: code that takes an engine apart would never run.
    host: ManuallyDrop<Host>,
    request: Vec<u8>,
    reply: Reply,
    answer: Box<Answer>,
}

#[wasm_bindgen]
impl Door {
    /// An empty database in memory. Throws if the platform has no random numbers.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::new_without_default, reason = "JavaScript knows no Default")]
    pub fn new() -> Door {
        let Ok(host) = Host::in_memory(Config::default()) else {
            throw_str("brooklet needs crypto.getRandomValues, which this platform does not have");
        };
        Door { host: ManuallyDrop::new(host), request: Vec::new(), reply: Reply::new(), answer: Box::default() }
    }

    /// Makes room for a request of so many bytes and says where to write it; 0 if there is no memory. What was
    /// written there before is kept.
    pub fn room(&mut self, bytes: usize) -> *mut u8 {
        let missing = bytes.saturating_sub(self.request.len());
        if self.request.try_reserve(missing).is_err() {
            return core::ptr::null_mut();
        }
        self.request.resize(self.request.len() + missing, 0);
        self.request.as_mut_ptr()
    }

    /// Where the answer to a call stands; it does not move.
    pub fn answer(&self) -> *const u32 {
        self.answer.address()
    }

    /// Runs the command in the first bytes of the request. True if there is a reply, false if the caller has to wait.
    pub fn call(&mut self, bytes: usize, now_ms: f64) -> bool {
        let Door { host, request, reply, .. } = self;
        let session = Session::default();
        let request = request.get(..bytes).unwrap_or(&[]);
        let outcome = with_words(request, |words| host.call(now_ms as u64, session, words, reply));
        self.conclude(outcome)
    }

    /// Runs the batch in the first bytes of the request as one unit.
    pub fn exec(&mut self, bytes: usize, now_ms: f64) -> bool {
        let Door { host, request, reply, .. } = self;
        let session = Session::default();
        let request = request.get(..bytes).unwrap_or(&[]);
        let outcome = with_batch(request, |batch| host.exec(now_ms as u64, session, batch, reply));
        self.conclude(outcome)
    }

    /// Lets time pass.
    pub fn advance(&mut self, now_ms: f64) {
        self.host.advance(now_ms as u64);
        self.answer.tell_all(Position(0), WaiterId(0), &self.reply, self.host.next_deadline());
    }

    /// Takes the reply of the next reader that waited. False if there is none.
    pub fn take(&mut self) -> bool {
        let Some(ready) = self.host.take_ready(&mut self.reply) else { return false };
        self.answer.tell_all(ready.position, ready.waiter, &self.reply, self.host.next_deadline());
        true
    }

    /// Ends a wait without a reply. False if nobody waits under this number.
    pub fn cancel(&mut self, waiter: f64) -> bool {
        let waited = self.host.cancel(WaiterId(waiter as u64));
        self.answer.tell_all(Position(0), WaiterId(0), &self.reply, self.host.next_deadline());
        waited
    }

    /// Writes the names of all streams as a reply.
    pub fn streams(&mut self) {
        self.host.write_streams(&mut self.reply);
        self.answer.tell_all(Position(0), WaiterId(0), &self.reply, self.host.next_deadline());
    }

    /// Sets the options; one that is negative keeps its value.
    pub fn configure(
        &mut self,
        memory_bytes_max: f64,
        reply_bytes_max: f64,
        node_bytes_max: f64,
        node_entries_max: f64,
        idempotent_seconds: f64,
        idempotent_entries_max: f64,
    ) {
        let limits = [
            memory_bytes_max,
            reply_bytes_max,
            node_bytes_max,
            node_entries_max,
            idempotent_seconds,
            idempotent_entries_max,
        ];
        let config = configured(self.host.config().clone(), limits);
        self.host.configure(config);
    }

    /// Writes memory, waiting readers and what was counted as a reply.
    pub fn statistics(&mut self) {
        write_statistics(&self.host, &mut self.reply);
        self.answer.tell_all(Position(0), WaiterId(0), &self.reply, self.host.next_deadline());
    }

    /// Ends a call: what cannot be run is answered with an error line, as everything else is.
    fn conclude(&mut self, outcome: Result<Outcome, Misfit>) -> bool {
        let outcome = outcome.unwrap_or_else(|misfit| {
            self.reply.clear();
            self.reply.error(match misfit {
                Misfit::Truncated => b"ERR Protocol error: a word of the request ends beyond its end",
                Misfit::OutOfMemory => b"OOM no memory for the words of the request",
            });
            Outcome::Done(Position(0))
        });
        if self.request.len() > REQUEST_BYTES_KEPT {
            self.request = Vec::new();
        }
        self.answer.tell(outcome, &self.reply, self.host.next_deadline())
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
impl Door {
    /// How large the request buffer is.
    pub(crate) fn request_bytes(&self) -> usize {
        self.request.capacity()
    }
}
