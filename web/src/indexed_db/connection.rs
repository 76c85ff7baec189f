//! The connection, and the life of a transaction on it.
//!
//! *Opening ends what was before.* The transactions of the connection before are aborted. Those that were told to commit
//! cannot be, and may still happen. So an opening is answered when a transaction over all stores on the new connection
//! has ended: transactions with common stores run in the order in which they were made, whatever connection they are of.
//! If it may write, it also tries whether a transaction that was told to commit is all or nothing: a request that has to
//! fail and one behind it that does not. Either way it leaves nothing behind: where the transaction aborts, nothing of it
//! happens; where it completes, its last request takes back the first.
//!
//! *Nothing is created for whoever only reads.* Creating is given up in the middle, which undoes it, and what would have been
//! opened looks empty.
//!
//! *The version stays 1.* A tab with an older version that keeps its connection would block the upgrade for ever. What the
//! format is, the values say themselves.

use super::State;
use super::batch::Writing;
use super::js::{Arg, Js, Placing};
use super::reading::Reading;
use crate::storage::{Answer, Question, StorageFault};

/// The stores.
pub(super) const LOG: &str = "log";
pub(super) const META: &str = "meta";
pub(super) const PARTS: &str = "parts";
pub(super) const QUARANTINE: &str = "quarantine";
pub(super) const HEAD: &str = "head";
pub(super) const HEAL: &str = "heal";

/// What questions are about. The key of `head` lies in its rows, those of the others beside the values.
const STORES: [&str; 5] = [LOG, META, PARTS, QUARANTINE, HEAD];

/// The database there is, or is not.
pub(super) enum Connection {
    None,
    /// `indexedDB.open` is under way.
    Opening {
        request: Js,
        read_only: bool,
        /// There is none, and none is to be created.
        is_absent: bool,
        question: Question,
    },
    /// `indexedDB.deleteDatabase` is under way.
    Deleting {
        request: Js,
        question: Question,
    },
    /// Opened by somebody who only reads, and there is none.
    Absent,
    Open(Js),
}

/// A transaction that is under way, and who waits for it.
pub(super) struct Transaction {
    pub(super) handle: Js,
    pub(super) content: Content,
    /// What a request has failed with, the first that did.
    pub(super) fault: Option<StorageFault>,
    pub(super) question: Question,
}

/// What a transaction is for.
pub(super) enum Content {
    /// It is the first on its connection.
    Opening,
    Reading(Reading),
    Writing(Writing),
    /// One slice of healing; so many follow.
    Healing(u32),
}

/// How a transaction is begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    Read,
    Write { is_durable: bool },
}

impl State {
    pub(super) fn open(&mut self, read_only: bool, question: Question) {
        self.disconnect();
        match Js::global("indexedDB").call("open", &[Arg::Text(&self.database_name()), Arg::Number(1)]) {
            Ok(request) => {
                self.hear_of(&request, &["onupgradeneeded", "onsuccess", "onerror"]);
                self.connection = Connection::Opening { request, read_only, is_absent: false, question };
            }
            Err(fault) => self.answer(question, Answer::Failed(fault)),
        }
    }

    pub(super) fn destroy(&mut self, question: Question) {
        match Js::global("indexedDB").call("deleteDatabase", &[Arg::Text(&self.database_name())]) {
            Ok(request) => {
                self.hear_of(&request, &["onsuccess", "onerror"]);
                self.connection = Connection::Deleting { request, question };
            }
            Err(fault) => {
                self.answer(question, Answer::Failed(fault));
                self.let_go();
            }
        }
    }

    /// Gives up the connection and everything that was asked for on it.
    pub(super) fn disconnect(&mut self) {
        match core::mem::replace(&mut self.connection, Connection::None) {
            Connection::Open(database) => database.tell("close"),
            Connection::Opening { question, .. } | Connection::Deleting { question, .. } => {
                self.answer(question, Answer::Failed(StorageFault::Closed));
            }
            Connection::None | Connection::Absent => {}
        }
        self.forget_transactions();
    }

    /// Gives up all transactions, and whoever waits for them hears that nobody knows. They are aborted, since one that is
    /// not heard any more would end without the fence's row. One that was told to commit has it, and cannot be aborted.
    fn forget_transactions(&mut self) {
        for transaction in core::mem::take(&mut self.transactions) {
            transaction.handle.tell("abort");
            self.answer(transaction.question, Answer::Failed(StorageFault::Closed));
        }
    }

    /// Begins a transaction over some stores.
    pub(super) fn begin(&mut self, stores: &[&str], access: Access) -> Result<Js, StorageFault> {
        let Connection::Open(database) = &self.connection else { return Err(StorageFault::Closed) };
        let (mode, durability) = match access {
            Access::Read => ("readonly", "{}"),
            Access::Write { is_durable: false } => ("readwrite", "{\"durability\":\"relaxed\"}"),
            Access::Write { is_durable: true } => ("readwrite", "{\"durability\":\"strict\"}"),
        };
        match database.call("transaction", &[Arg::Texts(stores), Arg::Text(mode), Arg::Json(durability)]) {
            Ok(transaction) => {
                self.hear_of(&transaction, &["oncomplete", "onabort", "onerror"]);
                Ok(transaction)
            }
            Err(fault) => {
                if fault == StorageFault::Closed {
                    self.lose_connection();
                }
                Err(fault)
            }
        }
    }

    /// Places requests in a new transaction, and waits for its end; if that fails, nothing of it happens.
    pub(super) fn transact(
        &mut self,
        stores: &[&str],
        access: Access,
        question: Question,
        place: impl FnOnce(&mut State, &mut Placing<'_>) -> Content,
    ) {
        match self.begin(stores, access) {
            Ok(handle) => {
                let mut placing = Placing::new(&handle);
                let content = place(self, &mut placing);
                let fault = placing.fault;
                self.wait_for(handle, content, fault, question);
            }
            Err(fault) => self.answer(question, Answer::Failed(fault)),
        }
    }

    #[inline(never)]
    fn wait_for(&mut self, handle: Js, content: Content, fault: Option<StorageFault>, question: Question) {
        if let Some(fault) = fault {
            handle.tell("abort");
            self.answer(question, Answer::Failed(fault));
        } else {
            self.transactions.push(Transaction { handle, content, fault, question });
        }
    }

    pub(super) fn hear_of(&self, target: &Js, events: &[&str]) {
        for event in events {
            target.set(event, &self.hears_event);
        }
    }

    pub(super) fn hear_event(&mut self, event: &Js) {
        let kind = event.get("type");
        let target = event.get("target");
        match &self.connection {
            Connection::Opening { request, .. } | Connection::Deleting { request, .. } if *request == target => {
                return self.hear_request(&kind, &target);
            }
            Connection::Open(database) if *database == target => {
                // Somebody deletes the database, or it was lost. What was placed before somebody deletes it still happens,
                // and is answered then.
                target.tell("close");
                self.connection = Connection::None;
                if kind.is("close") {
                    self.forget_transactions();
                }
                return;
            }
            _ => {}
        }
        let of = target.get("transaction");
        let handle = if of.is_missing() { &target } else { &of };
        match self.transactions.iter().position(|transaction| transaction.handle == *handle) {
            Some(index) if kind.is("complete") || kind.is("abort") => self.end(index, &kind),
            Some(index) => self.go_on(index, event, &target),
            None => leave(&kind, &target),
        }
    }

    /// An event of the request that opens or deletes.
    fn hear_request(&mut self, kind: &Js, target: &Js) {
        if kind.is("upgradeneeded") {
            let Connection::Opening { read_only, is_absent, .. } = &mut self.connection else { return };
            *is_absent = *read_only;
            if *read_only || create_stores(&target.get("result")).is_err() {
                target.get("transaction").tell("abort");
            }
            return;
        }
        let failure = kind.is("error").then(|| target.get("error").fault());
        match (core::mem::replace(&mut self.connection, Connection::None), failure) {
            (Connection::Opening { read_only, question, .. }, None) => {
                let database = target.get("result");
                self.hear_of(&database, &["onversionchange", "onclose"]);
                self.connection = Connection::Open(database);
                self.begin_connection(read_only, question);
            }
            (Connection::Opening { is_absent: true, question, .. }, Some(_)) => {
                self.connection = Connection::Absent;
                self.answer(question, Answer::Done);
            }
            (Connection::Opening { question, .. }, Some(fault)) => self.answer(question, Answer::Failed(fault)),
            (Connection::Deleting { question, .. }, Some(fault)) => {
                self.answer(question, Answer::Failed(fault));
                self.let_go();
            }
            (Connection::Deleting { question, .. }, None) => self.remove_witness(question),
            (other, _) => self.connection = other,
        }
    }

    /// The transaction that ends what was before; see the head of this file.
    fn begin_connection(&mut self, read_only: bool, question: Question) {
        let access = if read_only { Access::Read } else { Access::Write { is_durable: false } };
        self.transact(&STORES, access, question, |_, placing| {
            if read_only {
                placing.place(HEAD, "count", &[]);
            } else {
                placing.place(HEAD, "add", &[Arg::Json("{\"id\":\"trial\"}")]);
                placing.place(HEAD, "add", &[Arg::Json("{\"id\":\"trial\"}")]);
                placing.place(HEAD, "delete", &[Arg::Text("trial")]);
                placing.commit();
            }
            Content::Opening
        });
        if self.transactions.is_empty() {
            // It could not be begun, so there is no connection.
            self.disconnect();
        }
    }

    /// A transaction has ended.
    fn end(&mut self, index: usize, kind: &Js) {
        let Transaction { handle, content, fault, question } = self.transactions.swap_remove(index);
        let is_complete = kind.is("complete");
        let error = handle.get("error");
        let failure = match fault {
            _ if !is_complete && !error.is_missing() => Some(error.fault()),
            None if !is_complete => Some(StorageFault::Io),
            fault => fault,
        };
        match content {
            Content::Opening => {
                // What is no abort by the request that has to fail says nothing about commits, or even that the opening
                // has failed. WebKit names no error then; Firefox names another one, and is believed to be as it was.
                let name = error.get("name");
                let has_refused = error.is_missing() || name.is("ConstraintError");
                self.commits_whole = !is_complete && has_refused;
                match failure {
                    Some(fault) if !is_complete && !has_refused && !name.is("AbortError") => {
                        self.disconnect();
                        self.answer(question, Answer::Failed(fault));
                    }
                    _ => self.answer(question, Answer::Done),
                }
            }
            Content::Reading(reading) => self.end_reading(&reading, failure, question),
            Content::Writing(writing) => self.end_writing(&writing, failure, question),
            Content::Healing(slices) => self.end_healing(slices, failure, question),
        }
    }

    /// A request in a transaction has succeeded, if that was to be heard, or has failed.
    fn go_on(&mut self, index: usize, event: &Js, target: &Js) {
        let Some(transaction) = self.transactions.get_mut(index) else { return };
        let has_failed = event.get("type").is("error");
        let mut placing = Placing::new(&transaction.handle);
        let is_harmless = match &mut transaction.content {
            Content::Reading(reading) => reading.go_on(&mut placing, target, has_failed),
            Content::Writing(writing) => writing.go_on(&mut placing, target, has_failed, &self.hears_event),
            Content::Opening | Content::Healing(_) => false,
        };
        let mut fault = placing.fault;
        if fault.is_some() {
            placing.abort();
        }
        if is_harmless {
            // A failure that was reckoned with does not abort the transaction.
            event.tell("preventDefault");
        } else if has_failed {
            fault = Some(target.get("error").fault());
        }
        transaction.fault = transaction.fault.or(fault);
    }

    fn lose_connection(&mut self) {
        self.connection = Connection::None;
        self.forget_transactions();
    }
}

/// The stores of a new database.
fn create_stores(database: &Js) -> Result<(), StorageFault> {
    for store in [LOG, META, PARTS, QUARANTINE, HEAL] {
        database.call("createObjectStore", &[Arg::Text(store)])?;
    }
    let head = database.call("createObjectStore", &[Arg::Text(HEAD), Arg::Json("{\"keyPath\":\"id\"}")])?;
    head.call("createIndex", &[Arg::Text("claim"), Arg::Text("claim"), Arg::Json("{\"unique\":true}")])?;
    Ok(())
}

/// An event of what was given up: a database that is open all the same is closed, and one that would be created is not.
fn leave(kind: &Js, target: &Js) {
    if kind.is("upgradeneeded") {
        target.get("transaction").tell("abort");
    } else if kind.is("success") {
        target.get("result").tell("close");
    }
}
