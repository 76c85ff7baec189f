//! The lock of a database: a Web Lock with its name.
//!
//! *Design.* A lock is held until what was returned to whoever granted it is resolved. That is an object with a method `then`,
//! which the platform calls with the function that resolves it: a promise needs no more. To wait for so long and no longer
//! is a signal that a timer gives; if the lock was granted before, nobody listens to it any more.
//!
//! *What it is for.* It tells two tabs of each other before they write. It is not what keeps a stale owner out: one whose lock
//! was taken away goes on until he hears of it. That is the fence. So where there are no locks, everybody has one.

use super::js::{Arg, Js};
use super::{About, State};
use crate::storage::{Answer, Question, StorageFault};

/// The platform takes delays below 2^31 ms. Who waits longer, waits for ever.
const WAIT_MS_END: u64 = 1 << 31;

pub(super) enum Lock {
    None,
    Waiting {
        question: Question,
        /// Ends the waiting.
        controller: Js,
    },
    Held {
        /// What lets go of it; missing until the platform has told.
        release: Js,
    },
    /// Another one has taken it.
    Robbed,
}

impl State {
    pub(super) fn ask_lock(&mut self, wait_ms: u64, steals: bool, question: Question) {
        match self.lock {
            Lock::Held { .. } => return self.answer(question, Answer::Done),
            // It is asked for once at a time.
            Lock::Waiting { .. } => return self.answer(question, Answer::Locked),
            Lock::None | Lock::Robbed => {}
        }
        match self.request_lock(wait_ms, steals) {
            Ok(controller) => self.lock = Lock::Waiting { question, controller },
            Err(_) => self.answer(question, Answer::Done),
        }
    }

    /// Asks the platform; an error if there are no locks.
    fn request_lock(&self, wait_ms: u64, steals: bool) -> Result<Js, StorageFault> {
        let (mut controller, signal) = (Js::MISSING, Js::object());
        let how = if steals {
            Arg::Json("{\"steal\":true}")
        } else if wait_ms == 0 {
            Arg::Json("{\"ifAvailable\":true}")
        } else {
            controller = Js::global("AbortController").construct(&[])?;
            if wait_ms < WAIT_MS_END {
                let abort = controller.get("abort").call("bind", &[Arg::Value(&controller)])?;
                Js::global("globalThis").call("setTimeout", &[Arg::Value(&abort), Arg::Number(wait_ms)])?;
            }
            signal.set("signal", &controller.get("signal"));
            Arg::Value(&signal)
        };
        let granted = self.callback.about(About::Granted as u32);
        let refused = self.callback.about(About::Refused as u32);
        let locks = Js::global("navigator").get("locks");
        let promise = locks.call("request", &[Arg::Text(&self.database_name()), how, Arg::Value(&granted)])?;
        promise.call("then", &[Arg::Missing, Arg::Value(&refused)])?;
        Ok(controller)
    }

    /// The lock is ours, or, if it is missing, is not to be had now. Returned is what it is held with.
    pub(super) fn hear_lock(&mut self, lock: &Js) -> Js {
        let Lock::Waiting { question, .. } = core::mem::replace(&mut self.lock, Lock::None) else { return Js::MISSING };
        if lock.is_missing() {
            self.answer(question, Answer::Locked);
            return Js::MISSING;
        }
        let held = Js::object();
        held.set("then", &self.callback.about(About::Held as u32));
        self.lock = Lock::Held { release: Js::MISSING };
        self.answer(question, Answer::Done);
        held
    }

    /// What lets go of the lock.
    pub(super) fn hear_hold(&mut self, resolve: &Js) {
        match &mut self.lock {
            Lock::Held { release } => *release = resolve.clone(),
            // It was let go meanwhile.
            _ => resolve.tell("call"),
        }
    }

    /// The waiting has ended, or the lock was taken away.
    pub(super) fn hear_refusal(&mut self, error: &Js) {
        match core::mem::replace(&mut self.lock, Lock::None) {
            Lock::Waiting { question, .. } => {
                // Everything else says that there are no locks here.
                let has_waited = error.get("name").is("AbortError");
                self.answer(question, if has_waited { Answer::Locked } else { Answer::Done });
            }
            Lock::Held { .. } | Lock::Robbed => self.lock = Lock::Robbed,
            Lock::None => {}
        }
    }

    pub(super) fn release_lock(&mut self) {
        match core::mem::replace(&mut self.lock, Lock::None) {
            Lock::Held { release } => release.tell("call"),
            Lock::Waiting { controller, .. } => {
                controller.tell("abort");
            }
            Lock::None | Lock::Robbed => {}
        }
    }
}
