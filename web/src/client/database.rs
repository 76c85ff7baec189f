//! A database: the engine, the readers that wait in it, its timer, and what is stored of it.
//!
//! *Design.* A handle is a counted reference, and so are streams and groups; the database ends with the last of them.
//! After each call into the engine the readers that have their replies are woken, and the timer is set to the next
//! deadline. They are woken when nothing is borrowed any more: whoever is woken may call at once. If it is stored, a
//! reply waits until what it tells of is, and the event loop drives the pump.
//!
//! *Why not a task of its own* that owns the engine and is sent requests. A command takes less than a microsecond, and a
//! message to a task takes longer; and what runs at once is in order without a queue.
//!
//! *Invariants*
//! 1. Once `end` is set there is no engine, and nobody waits.

use alloc::boxed::Box;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{OnceCell, RefCell, RefMut};
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use brooklet::persist::Level;
use brooklet::{Outcome, Reply, Session};

use super::answer::{Answer, Call, Running};
use super::error::{Error, Result};
use super::inspection::Inspection;
use super::multi::Multi;
use super::opening::OpenStored;
use super::options::Options;
use super::reading;
use super::stream::Stream;
use super::tasks::Tasks;
use super::timer::{Timer, now_ms};
use super::waiting::Waiting;
use super::words::{Word, Words};
use crate::host::Host;
use crate::pump::{Condition, Durability, Notify, StorageOptions, Urgency};
use crate::storage::Storage;

/// A database. A clone is another handle on the same one.
#[derive(Clone)]
pub struct Brooklet {
    shared: Rc<Shared>,
}

impl Brooklet {
    /// Opens a database in memory: it lasts as long as its handles.
    pub fn open(options: Options) -> Result<Brooklet> {
        let host = Host::in_memory(options.config())?;
        Ok(Brooklet { shared: Shared::new(host, false) })
    }

    /// Opens a database in a storage, with what was stored there.
    pub fn open_in(storage: impl Storage + 'static) -> OpenStored {
        OpenStored::new(Box::new(storage))
    }

    /// Opens the database of this name in IndexedDB, with what was stored there.
    #[cfg(feature = "indexed-db")]
    pub fn open_indexed_db(name: &str) -> OpenStored {
        Brooklet::open_in(crate::indexed_db::IndexedDb::new(name))
    }

    /// Begins to open a database in a storage.
    pub(super) fn stored(options: &Options, storage: Box<dyn Storage>, stored: StorageOptions) -> Result<Brooklet> {
        let driver = Rc::new(Driver::default());
        let notify: Rc<Driver> = Rc::clone(&driver);
        let shared = Shared::new(Host::stored(options.config(), storage, stored, notify)?, true);
        // It is the first and the last time.
        let _ = driver.shared.set(Rc::downgrade(&shared));
        shared.drive();
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

    /// What there is: streams, groups, consumers, memory, as plain data. It shows what is not stored yet, too.
    pub fn inspect(&self) -> Result<Inspection> {
        Inspection::of(self)
    }

    /// Asks for everything that was called to be written, in this task. The future tells when it is.
    pub fn flush(&self) -> Running<()> {
        self.shared.flush_now();
        self.stored_up_to_now(Level::Written)
    }

    /// Asks for everything that was called to be durable. The future tells when it is.
    pub fn sync(&self) -> Running<()> {
        self.stored_up_to_now(Level::Durable)
    }

    fn stored_up_to_now(&self, level: Level) -> Running<()> {
        let answer = self.shared.run(Some(level), &mut |host, _| Outcome::Done(host.position()));
        Box::pin(async move { answer.await.map(drop) })
    }

    /// Looks at how it is stored; none if it is not.
    pub fn durability<T>(&self, look: impl FnOnce(Option<&Durability<'_>>) -> T) -> Result<T> {
        self.with_host(|host| look(host.durability().as_ref()))
    }

    /// Ends the database, for all handles, when everything is stored. Whoever waits is told [`Error::Closed`], and so is
    /// whoever calls afterwards. It is done, whether the future is awaited or not; that tells when. If the database has ended
    /// by itself, there is nothing to do.
    pub fn close(&self) -> Running<()> {
        let was_there = self.shared.close();
        let database = self.clone();
        Box::pin(async move {
            match poll_fn(|context| database.shared.poll_end(context)).await {
                error if was_there && error != Error::Closed => Err(error),
                _ => Ok(()),
            }
        })
    }

    /// Whether it is there.
    pub(super) fn poll_open(&self, context: &Context<'_>) -> Poll<Result<()>> {
        self.shared.poll_open(context)
    }

    pub(super) fn run(&self, words: &Words) -> Answer {
        self.shared.call(&words.slices())
    }

    pub(super) fn run_all(&self, batch: &[Words]) -> Answer {
        let batch: Vec<Vec<&[u8]>> = batch.iter().map(Words::slices).collect();
        let batch: Vec<&[&[u8]]> = batch.iter().map(Vec::as_slice).collect();
        self.shared.run(None, &mut |host, reply| host.exec(now_ms(), Session::default(), &batch, reply))
    }

    /// Looks at the engine.
    pub(super) fn with_host<T>(&self, look: impl FnOnce(&Host) -> T) -> Result<T> {
        let state = self.shared.state.borrow();
        state.host.as_ref().map(look).ok_or_else(|| state.why())
    }
}

/// Whoever drives the pump of a database.
#[derive(Default)]
struct Driver {
    shared: OnceCell<Weak<Shared>>,
}

impl Notify for Driver {
    fn soon(&self, urgency: Urgency) {
        let shared = self.shared.get().and_then(Weak::upgrade);
        let Some(tasks) = shared.as_ref().and_then(|shared| shared.tasks.as_ref()) else { return };
        match urgency {
            Urgency::AtOnce => tasks.at_once(),
            Urgency::NextTask => tasks.next_task(),
        }
    }
}

/// What the handles of a database share.
pub(super) struct Shared {
    state: RefCell<State>,
    timer: Timer,
    /// If it is stored.
    tasks: Option<Tasks>,
}

struct State {
    /// `None` when the database has ended.
    host: Option<Host>,
    end: Option<Error>,
    is_closing: bool,
    waiting: Waiting,
    /// Whoever waits for the database to be there, or to end.
    watchers: Vec<Waker>,
}

impl State {
    /// Why there is no engine.
    fn why(&self) -> Error {
        self.end.clone().unwrap_or(Error::Closed)
    }
}

impl Shared {
    fn new(host: Host, is_stored: bool) -> Rc<Shared> {
        Rc::new_cyclic(|shared: &Weak<Shared>| {
            let with = |run: fn(&Shared)| {
                let shared = shared.clone();
                move || {
                    if let Some(shared) = shared.upgrade() {
                        run(&shared);
                    }
                }
            };
            let waiting = Waiting::default();
            let state = State { host: Some(host), end: None, is_closing: false, waiting, watchers: Vec::new() };
            Shared {
                state: RefCell::new(state),
                timer: Timer::new(with(Shared::advance)),
                tasks: is_stored.then(|| Tasks::new(with(Shared::drive), with(Shared::flush_now))),
            }
        })
    }

    fn call(self: &Rc<Self>, words: &[&[u8]]) -> Answer {
        self.run(None, &mut |host, reply| host.call(now_ms(), Session::default(), words, reply))
    }

    /// Runs something, whose reply is held until what it tells of is stored, at the level of the mode if none is given.
    fn run(self: &Rc<Self>, level: Option<Level>, run: &mut dyn FnMut(&mut Host, &mut Reply) -> Outcome) -> Answer {
        let mut borrowed = self.state.borrow_mut();
        let State { host: Some(host), is_closing: false, waiting, .. } = &mut *borrowed else {
            return Answer::failed(borrowed.why());
        };
        let mut reply = Reply::new();
        let answer = match run(host, &mut reply) {
            Outcome::Done(position) => {
                let number = waiting.next_number();
                if host.hold(now_ms(), position, level, number) {
                    waiting.hold(number, reply);
                    Answer::waiting(Rc::clone(self), number)
                } else {
                    Answer::done(reply)
                }
            }
            Outcome::Blocked(waiter) => Answer::waiting(Rc::clone(self), waiting.begin(waiter)),
        };
        self.settle(borrowed);
        answer
    }

    /// Lets time pass.
    fn advance(&self) {
        self.timer.has_fired();
        self.with_host(|host| host.advance(now_ms()));
    }

    /// Takes what the storage has answered.
    fn drive(&self) {
        self.with_host(|host| host.drive(now_ms()));
    }

    fn flush_now(&self) {
        self.with_host(|host| host.flush_now(now_ms()));
    }

    fn with_host(&self, run: impl FnOnce(&mut Host)) {
        let mut state = self.state.borrow_mut();
        if let Some(host) = &mut state.host {
            run(host);
            self.settle(state);
        }
    }

    /// Begins to close it. Whether it was there.
    fn close(&self) -> bool {
        let mut borrowed = self.state.borrow_mut();
        let State { host, is_closing, .. } = &mut *borrowed;
        let Some(host) = host else { return false };
        *is_closing = true;
        match self.tasks {
            Some(_) => {
                host.close(now_ms());
                self.settle(borrowed);
            }
            None => self.end(borrowed, Error::Closed),
        }
        true
    }

    /// Ends a call into the engine.
    fn settle(&self, mut borrowed: RefMut<'_, State>) {
        let State { host, waiting, watchers, .. } = &mut *borrowed;
        let Some(host) = host else { return };
        let mut wakers = Vec::new();
        let mut reply = Reply::new();
        while let Some(ready) = host.take_ready(&mut reply) {
            let Some(number) = waiting.wake(ready.waiter) else { continue };
            let is_held = host.hold(now_ms(), ready.position, None, number);
            wakers.extend(waiting.answer(number, core::mem::take(&mut reply), is_held));
        }
        while let Some(number) = host.take_released() {
            wakers.extend(waiting.release(number));
        }
        self.timer.set(host.next_deadline());
        match host.condition() {
            Condition::Opening => {}
            Condition::Open => wakers.append(watchers),
            Condition::Ended(end) => {
                self.end(borrowed, end.into());
                return wake(wakers);
            }
        }
        drop(borrowed);
        wake(wakers);
    }

    /// Ends the database.
    fn end(&self, mut state: RefMut<'_, State>, why: Error) {
        let host = state.host.take();
        state.end = Some(why);
        let mut wakers: Vec<Waker> = state.waiting.end_all().collect();
        wakers.append(&mut state.watchers);
        drop(state);
        drop(host);
        self.timer.set(None);
        wake(wakers);
    }

    fn poll_open(&self, context: &Context<'_>) -> Poll<Result<()>> {
        let mut state = self.state.borrow_mut();
        match state.host.as_ref().map(Host::condition) {
            None => Poll::Ready(Err(state.why())),
            Some(Condition::Opening) => {
                state.watchers.push(context.waker().clone());
                Poll::Pending
            }
            Some(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_end(&self, context: &Context<'_>) -> Poll<Error> {
        let mut state = self.state.borrow_mut();
        if state.host.is_none() {
            return Poll::Ready(state.why());
        }
        state.watchers.push(context.waker().clone());
        Poll::Pending
    }

    /// The reply to a reader, if it may leave; else its waker is kept.
    pub(super) fn poll(&self, number: u64, context: &Context<'_>) -> Poll<Result<Reply>> {
        let mut waker = Some(context.waker().clone());
        let mut state = self.state.borrow_mut();
        let taken = state.waiting.take(number, &mut waker);
        let polled = taken.map_or_else(|| Poll::Ready(Err(state.why())), |reply| reply.map(Ok));
        drop(state);
        polled
    }

    /// Whether a reader still waits in the engine.
    pub(super) fn is_asleep(&self, number: u64) -> bool {
        self.state.borrow().waiting.is_asleep(number)
    }

    /// Ends a wait. The reply, if there is one already, though what it tells of may not be stored.
    pub(super) fn cancel(&self, number: u64) -> Option<Reply> {
        let mut state = self.state.borrow_mut();
        let (waiter, waker, reply) = state.waiting.end(number);
        if let (Some(host), Some(waiter)) = (&mut state.host, waiter) {
            host.cancel(waiter);
            self.timer.set(host.next_deadline());
        }
        drop(state);
        drop(waker);
        reply
    }
}

fn wake(wakers: Vec<Waker>) {
    for waker in wakers {
        waker.wake();
    }
}
