//! Running commands: alone, in an EXEC, and again when a waiting reader is woken.

use super::table::{self, CommandInfo};
use super::{Block, Call};
use crate::engine::effect::Effect;
use crate::engine::{
    DATABASES, Engine, KeyRef, Outcome, OwnedRequest, Position, Purpose, Session, Waiter, WaiterId, clamp_now,
};
use crate::error::{Error, Known, Request};
use crate::memory::try_push;
use crate::planted::{Bug, planted};
use crate::reply::Reply;

/// Who runs a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// A caller.
    Alone,
    /// An EXEC: nothing waits, and what is refused was refused before.
    InExec,
    /// The engine, for a reader that was woken: it was counted when it was called.
    Again,
}

impl Engine {
    /// Runs one command. `reply` is cleared first. Errors are replies, too.
    ///
    /// `now_ms` is the time as the host sees it, in milliseconds since 1970. It may stand still or run backwards; IDs
    /// and effects stay in order.
    pub fn call(&mut self, now_ms: u64, session: Session, argv: &[&[u8]], reply: &mut Reply) -> Outcome {
        let now_ms = clamp_now(now_ms);
        reply.clear();
        reply.set_bytes_max(self.config().reply_bytes_max);
        if self.refuse_database(session, reply) {
            return Outcome::Done(Position(0));
        }
        self.open_unit();
        let (blocked, depends) = run(self, now_ms, session, argv, reply, Mode::Alone);
        let written = self.close_unit();
        let outcome = match blocked {
            None => Outcome::Done(written.unwrap_or(depends)),
            Some(block) => match self.wait(session, argv, block) {
                Ok(waiter) => Outcome::Blocked(waiter),
                Err(error) => {
                    self.show_error(error, argv, Known::default(), reply);
                    Outcome::Done(written.unwrap_or(depends))
                }
            },
        };
        self.serve(now_ms);
        self.prune_timers();
        outcome
    }

    /// Runs commands as one MULTI/EXEC: one clock, one unit of effects, blocking commands answer at once, and waiting
    /// readers are served after the last one. The reply is an array with a reply (or error) for each command; there is
    /// no rolling back. A batch with a command that does not exist, has a wrong number of arguments or is refused for
    /// memory is not begun: the reply is the error `EXECABORT`.
    pub fn exec(&mut self, now_ms: u64, session: Session, batch: &[&[&[u8]]], reply: &mut Reply) -> Outcome {
        let now_ms = clamp_now(now_ms);
        reply.clear();
        reply.set_bytes_max(self.config().reply_bytes_max);
        if self.refuse_database(session, reply) {
            return Outcome::Done(Position(0));
        }
        if batch.iter().any(|argv| self.check_command(argv).is_err()) {
            self.counters_mut().count_error(Error::ExecAbort.prefix());
            self.show_error(Error::ExecAbort, &[], Known::default(), reply);
            return Outcome::Done(Position(0));
        }
        self.open_unit();
        reply.array(batch.len());
        let mut depends = Position(0);
        for argv in batch {
            let (_, position) = run(self, now_ms, session, argv, reply, Mode::InExec);
            depends = depends.max(position);
        }
        let position = self.close_unit().unwrap_or(depends);
        self.serve(now_ms);
        self.prune_timers();
        Outcome::Done(position)
    }

    /// Checks a command without running it, as MULTI does when it queues one: that it exists, has the right number of
    /// arguments, and is not refused for memory. The error line goes to `reply`.
    pub fn check(&mut self, argv: &[&[u8]], reply: &mut Reply) -> bool {
        reply.clear();
        match self.check_command(argv) {
            Ok(_) => true,
            Err(error) => {
                self.show_error(error, argv, Known::default(), reply);
                false
            }
        }
    }

    /// Lets time pass: expires keys, ends waits that timed out, serves readers whose entries matured. To be called
    /// when [`Engine::next_deadline`] is reached; calling it more often is harmless.
    pub fn advance(&mut self, now_ms: u64) {
        let now_ms = clamp_now(now_ms);
        while let Some(timer) = self.next_due(now_ms) {
            match timer.purpose {
                Purpose::Expire => {
                    self.open_unit();
                    let removed = self.commit(timer.key(), &Effect::Remove).is_ok();
                    self.counters_mut().expired_keys += u64::from(removed);
                    self.close_unit();
                }
                Purpose::ForgetProduced => self.forget_produced(timer.key(), now_ms),
                Purpose::TimeOut => {
                    let mut reply = Reply::new();
                    reply.null_array();
                    self.answer(timer.slot, self.position(), reply);
                }
                Purpose::Mature => self.resume(timer.slot, now_ms),
            }
            self.serve(now_ms);
        }
        self.prune_timers();
    }

    fn forget_produced(&mut self, at: KeyRef, now_ms: u64) {
        let Some(limits) = self.stream(at).map(|stream| stream.producer_limits()) else { return };
        self.open_unit();
        let through_ms = now_ms.saturating_sub(u64::from(limits.duration_s) * 1000);
        // Without memory for the effect the IDs are remembered a little longer: until the next one is.
        let _ = self.commit(at, &Effect::ExpireProduced { through_ms });
        self.close_unit();
    }

    /// Answers an error if the session's database does not exist.
    fn refuse_database(&mut self, session: Session, reply: &mut Reply) -> bool {
        let refused = session.database >= DATABASES;
        if refused {
            self.counters_mut().count_error(Error::DatabaseRange.prefix());
            self.show_error(Error::DatabaseRange, &[], Known::default(), reply);
        }
        refused
    }

    /// Writes the line of an error.
    #[cold]
    #[inline(never)]
    fn show_error(&self, error: Error, argv: &[&[u8]], known: Known<'_>, reply: &mut Reply) {
        let bytes_max = self.config().reply_bytes_max;
        error.reply(&Request { argv, command: table::name(argv), bytes_max, known }, reply);
    }

    /// Whether a command could be run at all.
    fn check_command(&self, argv: &[&[u8]]) -> Result<(usize, &'static CommandInfo), Error> {
        let (place, command) = table::find(argv)?;
        if !table::is_arity_right(command, argv.len()) {
            return Err(Error::Arity);
        }
        if command.flags.deny_oom && self.is_memory_exceeded() {
            return Err(Error::OutOfMemory);
        }
        Ok((place, command))
    }

    /// Makes a blocked caller a waiter.
    fn wait<'a>(&mut self, session: Session, argv: &'a [&'a [u8]], block: Block) -> Result<WaiterId, Error> {
        let mut keys = alloc::vec::Vec::new();
        let names = argv.iter().skip(block.first_key).take(block.keys);
        let collected = names.into_iter().try_for_each(|name| {
            let at = self.find_or_create(session.database, name)?;
            try_push(&mut keys, at)
        });
        let waiting = collected.and_then(|()| {
            let request = OwnedRequest::copy(argv, &block.replaced)?;
            let mut hung = alloc::vec::Vec::new();
            hung.try_reserve_exact(keys.len())?;
            hung.extend_from_slice(&keys);
            self.block(Waiter {
                id: WaiterId(0),
                session,
                request,
                deadline_ms: block.deadline_ms,
                mature_ms: block.mature_ms,
                tried: self.position(),
                is_group_read: block.is_group_read,
                keys: hung,
            })
        });
        if waiting.is_err() {
            self.unblock_failed(&keys);
        }
        Ok(waiting?)
    }

    /// Serves the readers that wait on keys that changed: key by key as they changed, reader by reader as they came.
    fn serve(&mut self, now_ms: u64) {
        while let Some(at) = self.next_signalled() {
            // Without memory for the list the readers wait for the next change.
            for slot in self.waiters_of(at).unwrap_or_default() {
                if self.waiter(slot).is_some_and(|waiter| self.may_be_served(at, waiter)) {
                    self.resume(slot, now_ms);
                }
            }
            self.drop_vacant(at);
        }
    }

    /// Whether it is worth running a waiter's command because this key of its changed. A reader of a thousand keys that
    /// all changed is run once. A plain reader sleeps on while its key is gone or holds something else.
    fn may_be_served(&self, at: KeyRef, waiter: &Waiter) -> bool {
        waiter.tried < self.position() && (waiter.is_group_read || self.stream(at).is_some())
    }

    /// Runs a waiter's command again. If there still is nothing to answer, it waits on in its place.
    fn resume(&mut self, slot: u32, now_ms: u64) {
        let Some(session) = self.waiter(slot).map(|waiter| waiter.session) else { return };
        let Some(request) = self.take_request(slot) else { return };
        let mut reply = Reply::new();
        reply.set_bytes_max(self.config().reply_bytes_max);
        self.open_unit();
        let ended = match request.words() {
            Ok(argv) => run(self, now_ms, session, &argv, &mut reply, Mode::Again),
            Err(_) => (Some(Block::default()), Position(0)),
        };
        let written = self.close_unit();
        match ended {
            (None, _) if planted(Bug::WakeReadersAtApplied) => self.answer(slot, Position(0), reply),
            (None, depends) => self.answer(slot, written.unwrap_or(depends), reply),
            (Some(block), _) => self.keep_waiting(slot, request, block.mature_ms),
        }
    }
}

/// Runs one command and writes its reply or its error, or says what it waits for.
fn run<'a>(
    engine: &mut Engine,
    now_ms: u64,
    session: Session,
    argv: &'a [&'a [u8]],
    reply: &mut Reply,
    mode: Mode,
) -> (Option<Block>, Position) {
    let start = reply.mark();
    let found = match mode {
        Mode::Alone => engine.check_command(argv),
        Mode::InExec | Mode::Again => table::find(argv),
    };
    let (place, command) = match found {
        Ok(found) => found,
        Err(error) => {
            if let Ok((place, _)) = table::find(argv) {
                engine.counters_mut().command(place).rejected_calls += 1;
            }
            engine.counters_mut().count_error(error.prefix());
            engine.show_error(error, argv, Known::default(), reply);
            return (None, Position(0));
        }
    };
    if mode != Mode::Again {
        engine.counters_mut().command(place).calls += 1;
    }
    let may_block = mode != Mode::InExec;
    let mut call = Call {
        engine,
        reply,
        argv,
        now_ms,
        session,
        may_block,
        start,
        blocked: None,
        depends: Position(0),
        known: Known::default(),
    };
    let result = call.check_small_reply().and_then(|()| (command.run)(&mut call));
    let result = result.and_then(|()| call.check_reply());
    let Call { depends, known, blocked, .. } = call;
    engine.release_promises();
    match result {
        Ok(()) => (blocked, depends),
        Err(error) => {
            reply.truncate(start);
            engine.counters_mut().command(place).failed_calls += 1;
            engine.counters_mut().count_error(error.prefix());
            engine.show_error(error, argv, known, reply);
            (None, depends)
        }
    }
}

impl<'a> Call<'_, 'a> {
    /// Makes room for a small reply before anything happens, so that a write whose reply is small cannot fail after.
    fn check_small_reply(&mut self) -> Result<(), Error> {
        Ok(self.reply.reserve_small()?)
    }
}
