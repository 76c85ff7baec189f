//! The entries of a range, in pages.
//!
//! *Design.* A page is asked for when the one before it is used up, and begins after the last ID of that. So memory holds
//! a page however long the range is, and entries that are added or deleted meanwhile are seen or not, each at most once.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Bound;

use brooklet::EntryId;

use super::entry::Entry;
use super::error::Result;
use super::reading;
use super::stream::Stream;

const PAGE_ENTRIES: u64 = 100;

/// The entries whose IDs lie in a range.
pub struct Range {
    stream: Stream,
    /// What was not asked for yet, both ends included; `None` when nothing is left.
    rest: Option<(EntryId, EntryId)>,
    reverse: bool,
    /// How many entries are still to be told.
    count: Option<u64>,
    page: VecDeque<Entry>,
}

impl Range {
    pub(super) fn new(stream: Stream, start: Bound<EntryId>, end: Bound<EntryId>) -> Range {
        let from = match start {
            Bound::Included(id) => Some(id),
            Bound::Excluded(id) => id.successor(),
            Bound::Unbounded => Some(EntryId::MIN),
        };
        let to = match end {
            Bound::Included(id) => Some(id),
            Bound::Excluded(id) => id.predecessor(),
            Bound::Unbounded => Some(EntryId::MAX),
        };
        Range { stream, rest: from.zip(to), reverse: false, count: None, page: VecDeque::new() }
    }

    /// So many entries at most.
    pub fn count(mut self, entries: u64) -> Range {
        self.count = Some(entries);
        self
    }

    /// The newest first.
    pub fn reverse(mut self) -> Range {
        self.reverse = true;
        self
    }

    /// The next entry; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Entry>> {
        if self.count == Some(0) {
            return Ok(None);
        }
        if self.page.is_empty() {
            self.turn().await?;
        }
        let entry = self.page.pop_front();
        if entry.is_some() {
            self.count = self.count.map(|count| count - 1);
        }
        Ok(entry)
    }

    /// All entries that are left.
    pub async fn collect(mut self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        while let Some(entry) = self.next().await? {
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Takes the next page, if there is one.
    async fn turn(&mut self) -> Result<()> {
        let Some((from, to)) = self.rest else { return Ok(()) };
        let asked = self.count.unwrap_or(u64::MAX).min(PAGE_ENTRIES);
        let words = match self.reverse {
            false => self.stream.command("XRANGE").word(from).word(to),
            true => self.stream.command("XREVRANGE").word(to).word(from),
        };
        let answer = self.stream.database().run(&words.word("COUNT").word(asked));
        let entries = reading::entries(&answer.await?)?;
        self.rest = match entries.last().filter(|_| entries.len() as u64 == asked).map(Entry::id) {
            None => None,
            Some(last) if self.reverse => last.predecessor().map(|to| (from, to)),
            Some(last) => last.successor().map(|from| (from, to)),
        };
        self.page = entries.into();
        Ok(())
    }
}
