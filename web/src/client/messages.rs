//! Messages: entries that were delivered to a consumer of a group, as they come.
//!
//! *Design.* First come the entries that are pending for this consumer, since nobody else will deliver them after a
//! reload; then new ones, with XREADGROUP, which waits. A few are fetched at once. What was fetched and is not handed
//! out when the messages are dropped is given back (XNACK SILENT), as if it had not been delivered; so is what the
//! engine has delivered to a wait that ended before its future was polled again.
//!
//! *Why the wait lives in [`Messages`] and not in the future* that `next` returns. To drop that future ends a wait. But if
//! the engine has answered by then, the messages in its answer are this consumer's already: they are kept for the next
//! call.
//!
//! Entries that are pending and not in the stream any more are passed over, as XREADGROUP with CLAIM does it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::{Context, Poll, ready};

use brooklet::{EntryId, Reply};

use super::answer::{Answer, Call};
use super::entry::Entry;
use super::error::Result;
use super::group::{Group, Nack, PendingEntry, pending_entries};
use super::reading::{Delivered, Walk};
use super::words::{Word, Words};

/// How many messages are fetched at once unless it is said otherwise.
const AHEAD: u64 = 10;

/// An entry that was delivered to a consumer, and is pending until it is acknowledged or given back.
#[derive(Clone)]
pub struct Message {
    /// The entry.
    pub entry: Entry,
    /// How often it was delivered, this time included.
    pub deliveries: u64,
    /// How long it had been pending for somebody before; `None` if it was for nobody.
    pub idle_ms: Option<u64>,
    group: Group,
}

impl Message {
    /// The ID of the entry.
    pub fn id(&self) -> EntryId {
        self.entry.id()
    }

    /// See [`Entry::get`].
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&str> {
        self.entry.get(name)
    }

    /// The work is done. This need not be awaited.
    pub fn ack(&self) -> Call<u64> {
        self.group.ack(&[self.id()])
    }

    /// The work was not done, and somebody else may try: see [`Group::nack`]. This need not be awaited.
    pub fn nack(&self, nack: Nack) -> Call<u64> {
        self.group.nack(&[self.id()], nack)
    }

    fn new(group: &Group, entry: Entry, before: Option<(Option<u64>, u64)>) -> Message {
        let (idle_ms, deliveries) = before.unwrap_or((None, 0));
        Message { entry, deliveries: deliveries.saturating_add(1), idle_ms, group: group.clone() }
    }
}

/// The messages for a consumer of a group.
pub struct Messages {
    group: Group,
    consumer: Words,
    claim_idle_ms: Option<u64>,
    ahead: u64,
    /// How many messages are still to be told.
    count: Option<u64>,
    /// The ID after which entries that are pending already are still to be told; `None` when that is over.
    pending_after: Option<EntryId>,
    page: VecDeque<Message>,
    /// The next page, asked for.
    answer: Option<Answer>,
}

impl Messages {
    pub(super) fn new(group: Group, consumer: &impl Word) -> Messages {
        Messages {
            group,
            consumer: Words::default().word(consumer),
            claim_idle_ms: None,
            ahead: AHEAD,
            count: None,
            pending_after: Some(EntryId::MIN),
            page: VecDeque::new(),
            answer: None,
        }
    }

    /// Takes over what was pending for so long, whoever has it, and what was given back, before new entries.
    pub fn claim_idle_ms(mut self, claim_idle_ms: u64) -> Messages {
        self.claim_idle_ms = Some(claim_idle_ms);
        self
    }

    /// How many messages are fetched at once, 1 at least: they are pending for this consumer while it works on the first
    /// of them.
    pub fn ahead(mut self, messages: u64) -> Messages {
        self.ahead = messages.max(1);
        self
    }

    /// Ends after so many messages; else there is no end.
    pub fn count(mut self, messages: u64) -> Messages {
        self.count = Some(messages);
        self
    }

    /// The next message, which may take for ever. To drop this future ends the wait, and loses nothing. `None` after
    /// [`Messages::count`].
    pub async fn next(&mut self) -> Result<Option<Message>> {
        if self.count == Some(0) {
            return Ok(None);
        }
        let message = {
            let turning = Turning(self);
            poll_fn(|context| turning.0.poll_message(context)).await?
        };
        self.count = self.count.map(|count| count - 1);
        Ok(Some(message))
    }

    fn poll_message(&mut self, context: &Context<'_>) -> Poll<Result<Message>> {
        loop {
            if let Some(message) = self.page.pop_front() {
                return Poll::Ready(Ok(message));
            }
            ready!(self.poll_page(context))?;
        }
    }

    /// Asks for the next page, and takes it when it is there.
    fn poll_page(&mut self, context: &Context<'_>) -> Poll<Result<()>> {
        let mut answer = self.answer.take().unwrap_or_else(|| self.ask());
        let Poll::Ready(reply) = answer.poll_reply(context) else {
            self.answer = Some(answer);
            return Poll::Pending;
        };
        Poll::Ready(reply.and_then(|reply| self.take_page(&reply)))
    }

    fn ask(&self) -> Answer {
        let database = self.group.stream().database();
        let count = self.count.unwrap_or(u64::MAX).min(self.ahead);
        let mut read = Words::of("XREADGROUP GROUP").word(self.group.name());
        read.extend(&self.consumer);
        let mut read = read.word("COUNT").word(count);
        match self.pending_after {
            Some(after) => {
                let mut pending = self.group.command("XPENDING").word(alloc::format!("({after}")).word("+").word(count);
                pending.extend(&self.consumer);
                let read = read.word("STREAMS").word(self.group.stream().name()).word(after);
                database.run_all(&[pending, read])
            }
            None => {
                if let Some(claim_idle_ms) = self.claim_idle_ms {
                    read = read.word("CLAIM").word(claim_idle_ms);
                }
                database.run(&read.word("BLOCK").word(0).word("STREAMS").word(self.group.stream().name()).word(">"))
            }
        }
    }

    fn take_page(&mut self, reply: &Reply) -> Result<()> {
        let mut walk = Walk::new(reply);
        if self.pending_after.is_none() {
            let delivered = walk.read()?;
            self.page = delivered.into_iter().filter_map(|it| new_or_claimed(&self.group, it)).collect();
            return Ok(());
        }
        walk.array()?;
        let pending = pending_entries(&mut walk)?;
        let delivered = walk.read()?;
        self.pending_after = delivered.last().map(|it| it.id);
        self.page = join(&self.group, pending, delivered);
        Ok(())
    }

    /// Everything that was fetched and not handed out.
    fn left(&mut self) -> Vec<EntryId> {
        let mut left: Vec<EntryId> = self.page.iter().map(Message::id).collect();
        if let Some(Ok(reply)) = self.answer.take().and_then(Answer::now)
            && self.take_page(&reply).is_ok()
        {
            left.extend(self.page.iter().map(Message::id));
        }
        left
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        let left = self.left();
        if !left.is_empty() {
            drop(self.group.nack(&left, Nack::Silent));
        }
    }
}

/// A call of [`Messages::next`] that has not ended. Dropped, it ends the wait, unless that was answered already.
struct Turning<'a>(&'a mut Messages);

impl Drop for Turning<'_> {
    fn drop(&mut self) {
        self.0.answer = self.0.answer.take().filter(|answer| !answer.is_asleep());
    }
}

/// A message from a read of new entries, with or without CLAIM.
fn new_or_claimed(group: &Group, delivered: Delivered) -> Option<Message> {
    let before = delivered.before.map(|(idle_ms, deliveries)| {
        let deliveries = u64::try_from(deliveries).unwrap_or(0);
        // What was never delivered has no idle time: it is new.
        (u64::try_from(idle_ms).ok().filter(|_| deliveries > 0), deliveries)
    });
    Some(Message::new(group, delivered.entry?, before))
}

/// Messages from what was pending before, and the entries, both in the order of their IDs.
fn join(group: &Group, pending: Vec<PendingEntry>, delivered: Vec<Delivered>) -> VecDeque<Message> {
    let mut pending = pending.into_iter().peekable();
    let message = |it: Delivered| {
        let before = loop {
            match pending.next_if(|before| before.id <= it.id) {
                Some(before) if before.id == it.id => break Some((before.idle_ms, before.deliveries)),
                Some(_) => {}
                None => break None,
            }
        };
        Some(Message::new(group, it.entry?, before))
    };
    delivered.into_iter().filter_map(message).collect()
}

/// The messages of a claim: for each ID what was pending before, then the entries, in the order in which they were named.
pub(super) fn claimed(group: &Group, reply: &Reply) -> Result<Vec<Message>> {
    let mut walk = Walk::new(reply);
    let replies = walk.array()?;
    let mut pending = Vec::new();
    for _ in 1..replies {
        pending.extend(pending_entries(&mut walk)?);
    }
    let len = walk.array()?;
    let mut messages = Vec::new();
    for _ in 0..len {
        let delivered = walk.delivered()?;
        let before = pending.iter().find(|it| it.id == delivered.id).map(|it| (it.idle_ms, it.deliveries));
        messages.extend(delivered.entry.map(|entry| Message::new(group, entry, before)));
    }
    Ok(messages)
}
