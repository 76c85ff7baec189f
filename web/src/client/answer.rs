//! Futures of replies.
//!
//! *Design.* The command has run when the future is made: it holds the reply, or the number under which it waits. So a
//! request needs no copy that outlives the call, and replies come in the order of the calls. To drop a future that
//! waits ends the wait; a command that has run stays run.
//!
//! *Why not futures that run their command when they are first polled*, as is usual. The order of writes would depend on
//! the order in which an executor polls, and an acknowledgement that nobody awaits would not happen.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use brooklet::{Reply, Token, Value};

use super::database::Shared;
use super::error::{Error, RedisError, Result};

/// A future of several steps.
pub type Running<T> = Pin<Box<dyn Future<Output = Result<T>>>>;

/// The reply to a command, and what is read from it. The command has run, whether this is awaited or not.
pub struct Call<T = Value> {
    answer: Answer,
    read: fn(&Reply) -> Result<T>,
}

impl<T> Call<T> {
    pub(super) fn new(answer: Answer, read: fn(&Reply) -> Result<T>) -> Call<T> {
        Call { answer, read }
    }
}

impl<T> Future for Call<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let reply = ready!(self.answer.poll_reply(context))?;
        Poll::Ready((self.read)(&reply))
    }
}

/// A reply that is there, or will be.
pub(super) struct Answer {
    state: State,
}

enum State {
    Done(Result<Reply>),
    Waiting(Rc<Shared>, u64),
    Taken,
}

impl Answer {
    pub(super) fn done(reply: Reply) -> Answer {
        Answer { state: State::Done(Ok(reply)) }
    }

    pub(super) fn failed(error: Error) -> Answer {
        Answer { state: State::Done(Err(error)) }
    }

    pub(super) fn waiting(shared: Rc<Shared>, number: u64) -> Answer {
        Answer { state: State::Waiting(shared, number) }
    }

    /// The reply; an error line is an error. To be asked until it is ready, and then no more.
    pub(super) fn poll_reply(&mut self, context: &Context<'_>) -> Poll<Result<Reply>> {
        if let State::Waiting(shared, number) = &self.state {
            let reply = ready!(shared.poll(*number, context));
            self.state = State::Done(reply);
        }
        match core::mem::replace(&mut self.state, State::Taken) {
            State::Done(reply) => Poll::Ready(reply.and_then(without_error)),
            // A future that has ended and is polled again may do anything but harm.
            State::Waiting(..) | State::Taken => Poll::Pending,
        }
    }

    /// The reply, if it is there, whether what it tells of is stored or not. A wait ends.
    pub(super) fn now(mut self) -> Option<Result<Reply>> {
        match core::mem::replace(&mut self.state, State::Taken) {
            State::Done(reply) => Some(reply.and_then(without_error)),
            State::Waiting(shared, number) => shared.cancel(number).map(without_error),
            State::Taken => None,
        }
    }

    /// Whether the engine has not answered yet.
    pub(super) fn is_asleep(&self) -> bool {
        match &self.state {
            State::Waiting(shared, number) => shared.is_asleep(*number),
            State::Done(_) | State::Taken => false,
        }
    }
}

impl Future for Answer {
    type Output = Result<Reply>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Reply>> {
        self.poll_reply(context)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let State::Waiting(shared, number) = &self.state {
            shared.cancel(*number);
        }
    }
}

fn without_error(reply: Reply) -> Result<Reply> {
    match reply.tokens().next() {
        Some(Token::Error(line)) => Err(Error::Redis(RedisError::new(line))),
        _ => Ok(reply),
    }
}
