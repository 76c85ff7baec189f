//! The exports: one object, some twenty methods.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::ManuallyDrop;

use brooklet::persist::Level;
use brooklet::{Config, Outcome, Position, Reply, Session, WaiterId};
use brooklet_web::storage::Storage;
use brooklet_web::{Host, IndexedDb};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::throw_str;

use crate::answer::Answer;
use crate::options::{configured, storage_options, storage_traits};
use crate::report::{write_durability, write_statistics};
use crate::request::{Misfit, with_batch, with_words};
use crate::storage::{Client, ClientStorage, Notified, Unanswered};

/// A request buffer larger than this is given back after its call.
const REQUEST_BYTES_KEPT: usize = 1 << 20;

const NO_RANDOMNESS: &str = "brooklet needs crypto.getRandomValues, which this platform does not have";

/// One database, as JavaScript sees it; see the head of this crate.
#[wasm_bindgen]
pub struct Door {
    /// An instance goes as a whole, with its memory: code that takes an engine apart would never run.
    host: ManuallyDrop<Host>,
    request: Vec<u8>,
    reply: Reply,
    answer: Box<Answer>,
    client: Option<Rc<Client>>,
    unanswered: Rc<Unanswered>,
}

#[wasm_bindgen]
impl Door {
    /// An empty database in memory. Throws if the platform has no random numbers.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::new_without_default, reason = "JavaScript knows no Default")]
    pub fn new() -> Door {
        let Ok(host) = Host::in_memory(Config::default()) else { throw_str(NO_RANDOMNESS) };
        Door {
            host: ManuallyDrop::new(host),
            request: Vec::new(),
            reply: Reply::new(),
            answer: Box::default(),
            client: None,
            unanswered: Rc::default(),
        }
    }

    /// Replaces the empty database by one that is stored in the client's storage. `options` and `traits` are flags, which
    /// options.rs names.
    pub fn open(&mut self, client: Client, traits: u32, value_bytes_max: f64, options: u32, lock_wait_ms: f64) {
        let client = Rc::new(client);
        let traits = storage_traits(traits, value_bytes_max);
        let storage = ClientStorage::new(Rc::clone(&client), traits, Rc::clone(&self.unanswered));
        self.open_in(client, Box::new(storage), options, lock_wait_ms);
    }

    /// Replaces the empty database by the one in IndexedDB whose name stands in the first bytes of the request.
    pub fn open_idb(&mut self, client: Client, bytes: usize, options: u32, lock_wait_ms: f64) {
        let name = String::from_utf8_lossy(self.request.get(..bytes).unwrap_or(&[]));
        let storage = Box::new(IndexedDb::new(&name));
        self.open_in(Rc::new(client), storage, options, lock_wait_ms);
    }

    /// Takes an answer of so many bytes that the client's storage has given later.
    pub fn answered(&mut self, number: f64, bytes: usize) {
        if let Some(client) = &self.client {
            self.unanswered.answer(client, number as u64, bytes);
        }
    }

    /// Takes what the storage has answered, and asks it for what is to be asked.
    pub fn drive(&mut self, now_ms: f64) {
        self.host.drive(now_ms as u64);
        self.tell();
    }

    /// Holds a reply until what it depends on is stored: at the level of the mode (0), written (1) or durable (2). False if
    /// it may leave at once.
    pub fn hold(&mut self, position: f64, level: u32, token: f64, now_ms: f64) -> bool {
        let position = Position(position as u64);
        let is_held = self.host.hold(now_ms as u64, position, level_of(level), token as u64);
        self.tell_state();
        is_held
    }

    /// The next reply that may leave; 0 if there is none.
    pub fn released(&mut self) -> f64 {
        self.host.take_released().unwrap_or(0) as f64
    }

    /// Asks for everything so far to be written (1) or durable (2), and holds a reply until it is. False if it is already.
    pub fn store(&mut self, level: u32, token: f64, now_ms: f64) -> bool {
        let position = self.host.position();
        self.hold(position.0 as f64, level, token, now_ms)
    }

    /// Asks the storage for everything at once, since the page may go.
    pub fn flush(&mut self, now_ms: f64) {
        self.host.flush_now(now_ms as u64);
        self.tell();
    }

    /// Stores everything and lets go of the storage.
    pub fn close(&mut self, now_ms: f64) {
        self.host.close(now_ms as u64);
        self.tell();
    }

    /// Lets go of the storage at once, whatever is not stored.
    pub fn abandon(&mut self) {
        self.host.abandon();
    }

    /// Writes how it is stored as a reply, and why it has ended, if it has.
    pub fn durability(&mut self) {
        write_durability(&self.host, &mut self.reply);
        self.tell();
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
        self.tell();
    }

    /// Takes the reply of the next reader that waited. False if there is none.
    pub fn take(&mut self) -> bool {
        let Some(ready) = self.host.take_ready(&mut self.reply) else { return false };
        self.answer.tell_all(ready.position, ready.waiter, &self.reply, &self.host);
        true
    }

    /// Ends a wait without a reply. False if nobody waits under this number.
    pub fn cancel(&mut self, waiter: f64) -> bool {
        let waited = self.host.cancel(WaiterId(waiter as u64));
        self.tell();
        waited
    }

    /// Writes the names of all streams as a reply, or of all keys (1).
    pub fn names(&mut self, all_keys: u32) {
        self.host.write_names(all_keys != 0, &mut self.reply);
        self.tell();
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
        self.tell();
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
        self.answer.tell(outcome, &self.reply, &self.host)
    }

    fn open_in(&mut self, client: Rc<Client>, storage: Box<dyn Storage>, options: u32, lock_wait_ms: f64) {
        let options = storage_options(options, lock_wait_ms);
        let notify = Rc::new(Notified(Rc::clone(&client)));
        let config = self.host.config().clone();
        let Ok(host) = Host::stored(config, storage, options, notify) else { throw_str(NO_RANDOMNESS) };
        self.host = ManuallyDrop::new(host);
        self.client = Some(client);
    }

    /// The reply stays as it is.
    fn tell_state(&mut self) {
        self.answer.tell_state(&self.host);
    }

    fn tell(&mut self) {
        self.answer.tell_all(Position(0), WaiterId(0), &self.reply, &self.host);
    }
}

const DURABLE: u32 = 2;

fn level_of(level: u32) -> Option<Level> {
    match level {
        0 => None,
        DURABLE => Some(Level::Durable),
        _ => Some(Level::Written),
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
impl Door {
    /// How large the request buffer is.
    pub(crate) fn request_bytes(&self) -> usize {
        self.request.capacity()
    }
}
