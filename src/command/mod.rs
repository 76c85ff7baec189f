//! Commands: one file each, found through one table, run by the functions of `run.rs`.
//!
//! A command file holds its syntax, a struct of what was asked, `parse` and `run`. Parsing looks at words only and
//! changes nothing. Running looks things up, decides, and commits effects; an error before the first effect leaves the
//! state as it was.

use crate::engine::{Database, Engine, KeyRef, Position, Session, effect::Effect};
use crate::error::{Error, Known};
use crate::group::{Group, GroupKey};
use crate::id::EntryId;
use crate::planted::{Bug, planted};
use crate::reply::{Mark, Reply};
use crate::stream::Stream;

mod args;
mod ids;
mod reading;
mod run;
mod table;
mod threshold;

mod del;
mod dump;
mod echo;
mod exists;
mod expire;
mod flush;
mod get;
mod persist;
mod ping;
mod rename;
mod restore;
mod set;
mod time;
mod ttl;
mod type_of;
mod xack;
mod xackdel;
mod xadd;
mod xaddif;
mod xautoclaim;
mod xcfgset;
mod xclaim;
mod xdel;
mod xdelex;
mod xgroup;
mod xidmprecord;
mod xinfo;
mod xlen;
mod xnack;
mod xpending;
mod xrange;
mod xread;
mod xreadgroup;
mod xrevrange;
mod xsetid;
mod xtrim;

pub use table::{CommandDocumentation, CommandFlags, CommandInfo, KeyPositions, command, commands};

/// What a blocked reader waits for.
#[derive(Default)]
pub(crate) struct Block {
    /// When it gives up; never, if none.
    pub(crate) deadline_ms: Option<u64>,
    /// When a pending entry becomes claimable.
    pub(crate) mature_ms: Option<u64>,
    /// Whether it reads through a group.
    pub(crate) is_group_read: bool,
    /// Where its keys stand among the words, and how many they are.
    pub(crate) first_key: usize,
    pub(crate) keys: usize,
    /// Words to keep as this ID: what `$` stood for when the command was called.
    pub(crate) replaced: alloc::vec::Vec<(usize, EntryId)>,
}

/// One command being run.
pub(crate) struct Call<'e, 'a> {
    pub(crate) engine: &'e mut Engine,
    pub(crate) reply: &'e mut Reply,
    pub(crate) argv: &'a [&'a [u8]],
    pub(crate) now_ms: u64,
    pub(crate) session: Session,
    /// Whether the command may wait: not inside an EXEC.
    pub(crate) may_block: bool,
    /// Where its reply begins.
    pub(crate) start: Mark,
    /// There is nothing to reply yet, and this is waited for.
    pub(crate) blocked: Option<Block>,
    /// The newest effect that the reply tells of.
    pub(crate) depends: Position,
    /// What error lines show.
    pub(crate) known: Known<'a>,
}

impl<'a> Call<'_, 'a> {
    /// The reply depends on this effect.
    pub(crate) fn depends_on(&mut self, position: Position) {
        if !planted(Bug::ReadsDependOnNothing) {
            self.depends = self.depends.max(position);
        }
    }

    /// The database of the session.
    pub(crate) fn database(&self) -> &Database {
        self.engine.database(self.session.database)
    }

    /// The key of this name, if it has a value and has not expired.
    #[inline(never)]
    pub(crate) fn lookup(&mut self, name: &[u8]) -> Option<KeyRef> {
        let Some(at) = self.engine.find(self.session.database, name) else {
            self.depends_on(self.database().removed());
            return None;
        };
        let (changed, expires_ms) = self.engine.key(at).map(|key| (key.changed(), key.expires_ms()))?;
        if expires_ms.is_some_and(|expires_ms| expires_ms <= self.now_ms) {
            // Without memory for the effect the key stays, and is not there for this call all the same.
            let removed = self.engine.commit(at, &Effect::Remove);
            self.engine.counters_mut().expired_keys += u64::from(removed.is_ok());
            return None;
        }
        self.depends_on(changed);
        Some(at)
    }

    /// The stream of this name. An error if the key holds something else.
    pub(crate) fn lookup_stream(&mut self, name: &[u8]) -> Result<Option<KeyRef>, Error> {
        let Some(at) = self.lookup(name) else { return Ok(None) };
        if self.engine.stream(at).is_some() { Ok(Some(at)) } else { Err(Error::WrongType) }
    }

    /// The stream of this name, and its group. None if either is missing.
    pub(crate) fn lookup_group(&mut self, name: &[u8], group: &[u8]) -> Result<Option<(KeyRef, GroupKey)>, Error> {
        let Some(at) = self.lookup_stream(name)? else { return Ok(None) };
        Ok(self.engine.stream(at).and_then(|stream| stream.group(group)).map(|(key, _)| (at, key)))
    }

    /// Applies an effect and writes it to the journal.
    pub(crate) fn commit(&mut self, at: KeyRef, effect: &Effect<'_>) -> Result<(), Error> {
        self.engine.commit(at, effect)?;
        Ok(())
    }

    /// The same for an effect that was promised.
    pub(crate) fn commit_promised(&mut self, at: KeyRef, effect: &Effect<'_>) -> Result<(), Error> {
        self.engine.commit_promised(at, effect)?;
        Ok(())
    }

    /// Makes room in the journal for an effect that will be committed after others.
    pub(crate) fn promise(&mut self, at: KeyRef, effect: &Effect<'_>) -> Result<(), Error> {
        self.engine.promise(at, effect)?;
        Ok(())
    }

    /// Counts changes by Redis' measure.
    pub(crate) fn count_changes(&mut self, changes: usize) {
        self.engine.counters_mut().changes += changes as u64;
    }

    /// Fails if the reply written so far did not fit: to be asked before the state is changed.
    pub(crate) fn check_reply(&self) -> Result<(), Error> {
        Ok(self.reply.check()?)
    }

    /// An empty stream under this name, which must be free.
    pub(crate) fn create_stream(&mut self, name: &[u8]) -> Result<KeyRef, Error> {
        let at = self.engine.find_or_create(self.session.database, name)?;
        if self.engine.key(at).is_some_and(|key| key.value().is_some()) {
            // Expired, and there was no memory to say so.
            return Err(Error::OutOfMemory);
        }
        let config = self.engine.config();
        let effect = Effect::Create {
            idmp_duration_s: u32::try_from(config.idmp_duration_s).unwrap_or(u32::MAX),
            idmp_entries_max: u32::try_from(config.idmp_entries_max).unwrap_or(u32::MAX),
        };
        let created = self.engine.commit(at, &effect);
        if created.is_err() {
            self.engine.drop_vacant(at);
        }
        created?;
        Ok(at)
    }
}

/// The stream that a lookup found. Between the lookup and the first effect it is there: the error only stands where
/// there would otherwise be a panic.
fn found_stream(engine: &Engine, at: KeyRef) -> Result<&Stream, Error> {
    engine.stream(at).ok_or(Error::NoSuchKey)
}

/// The stream and the group that a lookup found.
fn found_group(engine: &Engine, found: (KeyRef, GroupKey)) -> Result<(&Stream, &Group), Error> {
    let stream = found_stream(engine, found.0)?;
    Ok((stream, stream.groups().group(found.1).ok_or(Error::NoSuchKey)?))
}

/// Answers with the lines of a HELP text.
fn reply_help(call: &mut Call<'_, '_>, lines: &[&str]) {
    call.reply.array(lines.len());
    lines.iter().for_each(|line| call.reply.simple(line));
}

/// Containers are never run themselves: the table resolves their subcommands.
fn no_container(_: &mut Call<'_, '_>) -> Result<(), Error> {
    Err(Error::UnknownCommand)
}
