//! A database: the engine, the readers that wait in it, and its timer.
//!
//! *Design.* A handle is a counted reference, and so are streams and groups; the database ends with the last of them.
//! After each call into the engine the readers that have their replies are woken, and the timer is set to the engine's
//! next deadline. They are woken when nothing is borrowed any more: whoever is woken may call at once.
//!
//! *Why not a task of its own* that owns the engine and is sent requests. A command takes less than a microsecond, and a
//! message to a task takes longer; and what runs at once is in order without a queue.

use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{RefCell, RefMut};
use core::task::{Context, Poll};

use brooklet::{Outcome, Reply, Session, WaiterId};

use super::answer::{Answer, Call};
use super::error::{Error, Result};
use super::inspection::Inspection;
use super::multi::Multi;
use super::options::Options;
use super::reading;
use super::stream::Stream;
use super::timer::{Timer, now_ms};
use super::waiting::Waiting;
use super::words::{Word, Words};
use crate::host::Host;

/// A database. A clone is another handle on the same one.
#[derive(Clone)]
pub struct Brooklet {
    shared: Rc<Shared>,
}

impl Brooklet {
    /// Opens a database in memory: it lasts as long as its handles.
    pub fn open(options: Options) -> Result<Brooklet> {
        let host = Host::in_memory(options.config())?;
        let shared = Rc::new_cyclic(|shared: &Weak<Shared>| {
            let shared = shared.clone();
            let run = move || {
                if let Some(shared) = shared.upgrade() {
                    shared.advance();
                }
            };
            Shared {
                state: RefCell::new(State { host: Some(host), waiting: Waiting::default() }),
                timer: Timer::new(run),
            }
        });
        Ok(Brooklet { shared })
    }

    /// The stream of this name, which need not exist.
    pub fn stream(&self, name: impl Word) -> Stream {
        Stream::new(self.clone(), &name)
    }

    /// Runs any command. An error line is an [`Error::Redis`]; entry IDs are text in the reply. A command that has to wait,
    /// such as a read with BLOCK, waits by itself: to drop the future ends the wait.
    pub fn call<W: AsRef<[u8]>>(&self, words: &[W]) -> Call {
        let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
        Call::new(self.shared.call(&words), reading::value)
    }

    /// Several commands as one: nothing comes between them.
    pub fn multi(&self) -> Multi {
        Multi::new(self.clone())
    }

    /// What there is: streams, groups, consumers, memory, as plain data.
    pub fn inspect(&self) -> Result<Inspection> {
        Inspection::of(self)
    }

    /// Ends the database, for all handles. Whoever waits is told [`Error::Closed`], and so is whoever calls afterwards.
    pub fn close(&self) {
        let mut state = self.shared.state.borrow_mut();
        let host = state.host.take();
        let wakers = state.waiting.end_all();
        drop(state);
        drop(host);
        self.shared.timer.set(None);
        wakers.for_each(|waker| waker.wake());
    }

    pub(super) fn run(&self, words: &Words) -> Answer {
        self.shared.call(&words.slices())
    }

    pub(super) fn run_all(&self, batch: &[Words]) -> Answer {
        let batch: Vec<Vec<&[u8]>> = batch.iter().map(Words::slices).collect();
        let batch: Vec<&[&[u8]]> = batch.iter().map(Vec::as_slice).collect();
        self.shared.run(&mut |host, reply| host.exec(now_ms(), Session::default(), &batch, reply))
    }

    /// Looks at the engine.
    pub(super) fn with_host<T>(&self, look: impl FnOnce(&Host) -> T) -> Result<T> {
        self.shared.state.borrow().host.as_ref().map(look).ok_or(Error::Closed)
    }
}

/// What the handles of a database share.
pub(super) struct Shared {
    state: RefCell<State>,
    timer: Timer,
}

struct State {
    /// `None` when the database was closed.
    host: Option<Host>,
    waiting: Waiting,
}

impl Shared {
    fn call(self: &Rc<Self>, words: &[&[u8]]) -> Answer {
        self.run(&mut |host, reply| host.call(now_ms(), Session::default(), words, reply))
    }

    fn run(self: &Rc<Self>, run: &mut dyn FnMut(&mut Host, &mut Reply) -> Outcome) -> Answer {
        let mut state = self.state.borrow_mut();
        let Some(host) = &mut state.host else { return Answer::failed(Error::Closed) };
        let mut reply = Reply::new();
        let outcome = run(host, &mut reply);
        let answer = match outcome {
            Outcome::Done(_) => Answer::done(reply),
            Outcome::Blocked(waiter) => {
                state.waiting.begin(waiter);
                Answer::waiting(Rc::clone(self), waiter)
            }
        };
        self.settle(state);
        answer
    }

    /// Lets time pass.
    fn advance(&self) {
        self.timer.has_fired();
        let mut state = self.state.borrow_mut();
        if let Some(host) = &mut state.host {
            host.advance(now_ms());
            self.settle(state);
        }
    }

    /// Ends a call into the engine.
    fn settle(&self, mut borrowed: RefMut<'_, State>) {
        let State { host, waiting } = &mut *borrowed;
        let Some(host) = host else { return };
        let mut wakers = Vec::new();
        let mut reply = Reply::new();
        while let Some(ready) = host.take_ready(&mut reply) {
            wakers.extend(waiting.answer(ready.waiter, core::mem::take(&mut reply)));
        }
        self.timer.set(host.next_deadline());
        drop(borrowed);
        for waker in wakers {
            waker.wake();
        }
    }

    /// The reply to a reader, if it is there; else its waker is kept.
    pub(super) fn poll(&self, waiter: WaiterId, context: &Context<'_>) -> Poll<Result<Reply>> {
        let mut waker = Some(context.waker().clone());
        let taken = self.state.borrow_mut().waiting.take(waiter, &mut waker);
        taken.map_or(Poll::Ready(Err(Error::Closed)), |reply| reply.map(Ok))
    }

    /// Whether a reader still waits for its reply.
    pub(super) fn is_asleep(&self, waiter: WaiterId) -> bool {
        self.state.borrow().waiting.is_asleep(waiter)
    }

    /// Ends a wait whose reply nobody will take.
    pub(super) fn cancel(&self, waiter: WaiterId) {
        let mut state = self.state.borrow_mut();
        let waker = state.waiting.end(waiter);
        if let Some(host) = &mut state.host {
            host.cancel(waiter);
            self.timer.set(host.next_deadline());
        }
        drop(state);
        drop(waker);
    }
}
