//! The storage of a database in a browser: IndexedDB, fenced inside its transactions, with a Web Lock and a witness.
//!
//! *Design.* One IndexedDB database per name, at version 1 for ever, with six stores: `log` (chunks by sequence), `meta` (the
//! manifest), `parts`, `quarantine`, `head` (the fence, see `fence`) and `heal` (see `healing`). A question becomes one
//! transaction with everything placed in it at once, and waits in a list; when the transaction has ended, what its
//! requests hold is the answer. Everything that JavaScript calls back comes through one function, [`Shared::hear`], with a
//! number that says what it is about.
//!
//! *Why not futures.* They are 9 KB more of the module (an executor, a state machine and a closure for each await), and what
//! they hide is what matters here: which requests are placed in the same task.
//!
//! *Why success is not heard.* What was not answered before the page went would not be placed any more, and an open
//! transaction blocks the next page in WebKit. Only what has to read before it writes waits for a request: claiming, writing
//! with an epoch that was not claimed here, moving into quarantine, and reading a chunk whose key is not known.
//!
//! *What is an answer.* A batch is done when its transaction has fired `complete` and no request in it has failed: in Firefox
//! a transaction that was told to commit completes although a request before the last one has failed. An opening finds
//! out whether it is so; where it is, only a batch that puts a single value is told to commit (`connection`).
//!
//! *Files.* `js` is the only one that knows JavaScript. `connection` opens, ends and hears transactions; `reading`, `batch` and
//! `healing` say what is in them, and `fence` which rows keep a stale owner out. `lock` and `witness` have nothing to do with
//! IndexedDB. How much room there is, and whether it is kept, `navigator.storage` tells JavaScript itself.
//!
//! *Invariants*
//! 1. Each question is answered once, unless the storage was closed: nothing is answered after that.
//! 2. No answer is given while the state is borrowed: whoever hears it may ask the next thing at once.
//! 3. What is in the list of transactions is of the last connection there was, and nothing else can still happen but what was
//!    told to commit.

mod batch;
mod connection;
mod fence;
mod healing;
mod js;
mod lock;
#[cfg(feature = "raw-storage")]
mod raw;
mod reading;
mod witness;

use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;

use self::connection::{Connection, Transaction};
use self::js::{Callback, Js};
use self::lock::Lock;
#[cfg(feature = "raw-storage")]
pub use self::raw::RawIndexedDb;
use self::witness::Notes;
use crate::storage::{Answer, Question, Request, Storage, Traits};

/// Beyond 64 KiB, Chromium's LevelDB store keeps a value in a file of its own: five times slower, and never synced.
const VALUE_BYTES_MAX: usize = 60_000;

/// A database in IndexedDB; see the head of this file.
pub struct IndexedDb {
    shared: Rc<Shared>,
}

impl IndexedDb {
    /// The storage of the database with this name. Nothing is opened yet.
    pub fn new(name: &str) -> IndexedDb {
        IndexedDb { shared: Shared::new(name) }
    }

    /// Deletes a database and its witness. Answered with [`Answer::Done`], also if there is none, once nobody has it open;
    /// whoever has it open closes it when asked to by the platform.
    pub fn destroy(name: &str, question: Question) {
        Shared::new(name).run(|state| state.destroy(question));
    }

    /// Whether another one has taken the lock away.
    pub fn is_robbed(&self) -> bool {
        matches!(self.shared.state.borrow().lock, Lock::Robbed)
    }
}

impl Storage for IndexedDb {
    fn traits(&self) -> Traits {
        Traits { is_sync: false, can_tear: false, loses_on_failed_sync: false, value_bytes_max: VALUE_BYTES_MAX }
    }

    fn ask(&mut self, request: &Request<'_>, question: Question) {
        self.shared.run(|state| state.ask(request, question));
    }

    // Chromium's LevelDB store takes more; elsewhere there is nothing to do.
    fn heal(&mut self, question: Question) {
        self.shared.run(|state| state.heal(question));
    }

    fn close(&mut self) {
        self.shared.run(State::close);
    }
}

impl Drop for IndexedDb {
    fn drop(&mut self) {
        self.close();
    }
}

/// What the storage and JavaScript hold together. The callback holds it too, until the storage is closed.
struct Shared {
    state: RefCell<State>,
}

/// What is called back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum About {
    /// An event of IndexedDB.
    Event = 0,
    /// A step towards the witness has been made, or could not be.
    Noted = 1,
    NotNoted = 2,
    /// The lock is ours, or is not to be had now.
    Granted = 3,
    /// The lock was not granted, or was taken away.
    Refused = 4,
    /// The platform holds the lock until we say so.
    Held = 5,
}

struct State {
    name: String,
    callback: Callback,
    /// The callback about events.
    hears_event: Js,
    connection: Connection,
    transactions: Vec<Transaction>,
    /// Whether a transaction that was told to commit is all or nothing in this browser.
    commits_whole: bool,
    /// The epoch that was claimed here last.
    claimed: u64,
    /// How long the chunks of the last page were, on average; 0 if there was none.
    chunk_bytes: usize,
    lock: Lock,
    notes: Notes,
    /// What is to be answered once the state is not borrowed any more.
    answers: Vec<(Question, Answer)>,
}

impl Shared {
    fn new(name: &str) -> Rc<Shared> {
        let state = State {
            name: name.to_string(),
            callback: Callback::nobody(),
            hears_event: Js::MISSING,
            connection: Connection::None,
            transactions: Vec::new(),
            commits_whole: false,
            claimed: 0,
            chunk_bytes: 0,
            lock: Lock::None,
            notes: Notes::default(),
            answers: Vec::new(),
        };
        let shared = Rc::new(Shared { state: RefCell::new(state) });
        let called = Rc::clone(&shared);
        let callback = Callback::new(move |about, value| called.hear(about, &value));
        let mut state = shared.state.borrow_mut();
        state.hears_event = callback.about(About::Event as u32);
        state.callback = callback;
        drop(state);
        shared
    }

    /// Does something with the state, and gives the answers that came of it.
    fn run<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let result = act(&mut self.state.borrow_mut());
        self.give_answers();
        result
    }

    #[inline(never)]
    fn give_answers(&self) {
        loop {
            let mut state = self.state.borrow_mut();
            if state.answers.is_empty() {
                return;
            }
            let (question, answer) = state.answers.remove(0);
            drop(state);
            question.answer(answer);
        }
    }

    /// Everything that JavaScript tells. What is returned counts where a lock was granted.
    fn hear(&self, about: u32, value: &Js) -> Js {
        self.run(|state| {
            match about {
                about if about == About::Event as u32 => state.hear_event(value),
                about if about == About::Noted as u32 => state.hear_note(Ok(value)),
                about if about == About::NotNoted as u32 => state.hear_note(Err(value)),
                about if about == About::Granted as u32 => return state.hear_lock(value),
                about if about == About::Refused as u32 => state.hear_refusal(value),
                _ => state.hear_hold(value),
            }
            Js::MISSING
        })
    }
}

impl State {
    #[inline(never)]
    fn ask(&mut self, request: &Request<'_>, question: Question) {
        match *request {
            Request::Lock { wait_ms, steals } => self.ask_lock(wait_ms, steals, question),
            Request::Open { read_only, .. } => self.open(read_only, question),
            Request::ReadWitness => self.read_witness(question),
            Request::WriteWitness(bytes) => self.write_witness(bytes, question),
            Request::Write(ref batch) => self.write(batch, question),
            Request::ReadManifest
            | Request::ReadEpoch
            | Request::ListLog
            | Request::ReadLog { .. }
            | Request::ListParts
            | Request::ReadParts(_) => self.read(request, question),
        }
    }

    #[inline(never)]
    fn answer(&mut self, question: Question, answer: Answer) {
        self.answers.push((question, answer));
    }

    fn close(&mut self) {
        self.disconnect();
        self.transactions.clear();
        self.release_lock();
        self.notes.forget();
        self.answers.clear();
        self.let_go();
    }

    /// Lets go of the callback, which holds the state. Whatever JavaScript still calls finds nothing to do.
    fn let_go(&mut self) {
        self.callback = Callback::nobody();
        self.hears_event = Js::MISSING;
    }

    /// The name of the database in IndexedDB, and of its lock.
    fn database_name(&self) -> String {
        let mut name = String::from("brooklet:");
        name.push_str(&self.name);
        name
    }
}
