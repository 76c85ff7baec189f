//! The answers that have come and were not looked at yet.
//!
//! *Design.* A storage may answer while it is being asked, or from inside an event handler of its own, where nothing of ours
//! may be borrowed and nothing of its own asked again. So an answer is put here, and the host is told to drive the pump as
//! soon as whatever runs has returned; a pump that is being driven looks again by itself.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use super::{Notify, Urgency};
use crate::storage::{Answer, Listener};

/// The answers; see the head of this file.
pub(super) struct Inbox {
    answers: RefCell<VecDeque<(u64, Answer)>>,
    is_driven: Cell<bool>,
    notify: Rc<dyn Notify>,
}

impl Inbox {
    pub(super) fn new(notify: Rc<dyn Notify>) -> Inbox {
        Inbox { answers: RefCell::default(), is_driven: Cell::new(false), notify }
    }

    /// Somebody looks here until there is nothing left, or has stopped doing so.
    pub(super) fn set_driven(&self, is_driven: bool) {
        self.is_driven.set(is_driven);
    }

    pub(super) fn take(&self) -> Option<(u64, Answer)> {
        self.answers.borrow_mut().pop_front()
    }

    pub(super) fn notify(&self, urgency: Urgency) {
        self.notify.soon(urgency);
    }
}

impl Listener for Inbox {
    fn hear(&self, number: u64, answer: Answer) {
        let is_first = {
            let mut answers = self.answers.borrow_mut();
            answers.push_back((number, answer));
            answers.len() == 1
        };
        if is_first && !self.is_driven.get() {
            self.notify.soon(Urgency::AtOnce);
        }
    }
}
