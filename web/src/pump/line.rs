//! The line to a storage: questions with numbers, and what each was asked for.
//!
//! *Invariants*
//! 1. Numbers are given once. An answer to a question that was forgotten is dropped.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;

use brooklet::persist::Ticket;

use super::inbox::Inbox;
use super::{Notify, Urgency};
use crate::storage::{Answer, Question, Request, Storage, Traits};

/// What a question was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// The lock, or the first connection.
    Prepare,
    /// Recovery.
    Recover,
    /// The store, which knows it by this name.
    Serve(Ticket),
    /// A step on the way to a new connection.
    Reopen,
    /// Making it safe after an end that was not clean.
    Heal,
}

/// The line; see the head of this file.
pub(super) struct Line {
    storage: Box<dyn Storage>,
    inbox: Rc<Inbox>,
    last_number: u64,
    asked: Vec<(u64, Purpose)>,
}

impl Line {
    pub(super) fn new(storage: Box<dyn Storage>, notify: Rc<dyn Notify>) -> Line {
        Line { storage, inbox: Rc::new(Inbox::new(notify)), last_number: 0, asked: Vec::new() }
    }

    pub(super) fn traits(&self) -> Traits {
        self.storage.traits()
    }

    pub(super) fn ask(&mut self, purpose: Purpose, request: &Request<'_>) {
        let question = self.question(purpose);
        self.storage.ask(request, question);
    }

    pub(super) fn heal(&mut self) {
        let question = self.question(Purpose::Heal);
        self.storage.heal(question);
    }

    fn question(&mut self, purpose: Purpose) -> Question {
        self.last_number += 1;
        self.asked.push((self.last_number, purpose));
        let listener: Rc<Inbox> = Rc::clone(&self.inbox);
        Question::new(self.last_number, listener)
    }

    /// The next answer that somebody waits for.
    pub(super) fn take(&mut self) -> Option<(Purpose, Answer)> {
        loop {
            let (number, answer) = self.inbox.take()?;
            if let Some(place) = self.asked.iter().position(|&(asked, _)| asked == number) {
                let (_, purpose) = self.asked.swap_remove(place);
                return Some((purpose, answer));
            }
        }
    }

    /// Nobody waits any more for answers to anything that was asked; what that was.
    pub(super) fn give_up(&mut self) -> impl Iterator<Item = Purpose> + use<> {
        core::mem::take(&mut self.asked).into_iter().map(|(_, purpose)| purpose)
    }

    pub(super) fn set_driven(&self, is_driven: bool) {
        self.inbox.set_driven(is_driven);
    }

    pub(super) fn notify(&self, urgency: Urgency) {
        self.inbox.notify(urgency);
    }

    pub(super) fn close(&mut self) {
        self.asked.clear();
        self.storage.close();
    }
}
