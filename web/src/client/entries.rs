//! The entries after an ID, as they come.
//!
//! *Design.* One command catches up and waits: XREAD with BLOCK answers at once while there is something. `$` is resolved
//! when the reading begins, so nothing that is added after that is missed, whenever the first entry is asked for. The
//! place moves on when a page is taken, never before: a wait that is given up loses nothing.

use alloc::collections::VecDeque;

use brooklet::Reply;

use super::answer::Answer;
use super::entry::Entry;
use super::error::{Error, Result};
use super::reading::{self, Walk};
use super::stream::Stream;
use super::words::{Word, Words};

const PAGE_ENTRIES: u64 = 100;

/// The entries of a stream after an ID: those that are there, then those that come.
pub struct Entries {
    stream: Stream,
    from: From,
    /// How many entries are still to be told.
    count: Option<u64>,
    page: VecDeque<Entry>,
}

/// Where the next page begins.
enum From {
    /// After this ID.
    After(Words),
    /// After the last ID that the stream had when the reading began; this is what the engine says of the stream.
    Now(Answer),
}

impl Entries {
    pub(super) fn new(stream: Stream, after: &impl Word) -> Entries {
        let after = Words::default().word(after);
        let from = match after.get(0) {
            Some(b"$") => From::Now(stream.database().run(&stream.command("XINFO STREAM"))),
            _ => From::After(after),
        };
        Entries { stream, from, count: None, page: VecDeque::new() }
    }

    /// Ends after so many entries; else there is no end.
    pub fn count(mut self, entries: u64) -> Entries {
        self.count = Some(entries);
        self
    }

    /// The next entry, which may take for ever. To drop this future ends the wait, and loses nothing. `None` after
    /// [`Entries::count`].
    pub async fn next(&mut self) -> Result<Option<Entry>> {
        if self.count == Some(0) {
            return Ok(None);
        }
        while self.page.is_empty() {
            self.turn().await?;
        }
        self.count = self.count.map(|count| count - 1);
        Ok(self.page.pop_front())
    }

    /// Waits for the next page.
    async fn turn(&mut self) -> Result<()> {
        if let From::Now(answer) = &mut self.from {
            let last = match answer.await {
                Ok(reply) => last_id(&reply)?,
                Err(Error::Redis(error)) if error.line() == "ERR no such key" => Words::of("0-0"),
                Err(error) => return Err(error),
            };
            self.from = From::After(last);
        }
        let From::After(after) = &self.from else { return Err(Error::Reply) };
        let asked = self.count.unwrap_or(u64::MAX).min(PAGE_ENTRIES);
        let mut words = Words::of("XREAD BLOCK 0 COUNT").word(asked).word("STREAMS").word(self.stream.name());
        words.extend(after);
        let reply = self.stream.database().run(&words).await?;
        for delivered in reading::read(&reply)? {
            self.from = From::After(Words::default().word(delivered.id));
            self.page.extend(delivered.entry);
        }
        Ok(())
    }
}

/// The last ID that a stream ever had.
fn last_id(reply: &Reply) -> Result<Words> {
    let mut walk = Walk::new(reply);
    for _ in 0..walk.map()? {
        if walk.bytes()? == b"last-generated-id" {
            return Ok(Words::default().word(walk.id()?));
        }
        walk.skip()?;
    }
    Err(Error::Reply)
}
