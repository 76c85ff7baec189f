//! A group of consumers, by its name.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::future::IntoFuture;
use core::ops::{Bound, RangeBounds};

use brooklet::{EntryId, Reply};

use super::answer::{Answer, Call, Running};
use super::error::{Error, Result};
use super::messages::{self, Message, Messages};
use super::reading::{self, Walk};
use super::stream::Stream;
use super::words::{Word, Words};

/// A group that is made, if it is not there, when this is awaited.
#[must_use = "nothing is made before it is awaited"]
pub struct OpenGroup {
    group: Group,
    from: Words,
}

impl OpenGroup {
    pub(super) fn new(stream: Stream, name: &impl Word) -> OpenGroup {
        let name = Words::default().word(name).get(0).unwrap_or(&[]).into();
        OpenGroup { group: Group { stream, name }, from: Words::of("0") }
    }

    /// The ID after which a new group begins, or `"$"` for what is added from now on. Without this it begins with the
    /// first entry. A group that is there keeps its place.
    pub fn from(mut self, id: impl Word) -> OpenGroup {
        self.from = Words::default().word(id);
        self
    }
}

impl IntoFuture for OpenGroup {
    type Output = Result<Group>;
    type IntoFuture = Running<Group>;

    fn into_future(self) -> Running<Group> {
        let mut words = self.group.command("XGROUP CREATE");
        words.extend(&self.from);
        let answer = self.group.run(&words.word("MKSTREAM"));
        Box::pin(async move {
            match answer.await {
                Err(Error::Redis(error)) if error.code() == "BUSYGROUP" => Ok(self.group),
                outcome => outcome.map(|_| self.group),
            }
        })
    }
}

/// A group of consumers of a stream. A clone is the same group.
#[derive(Clone)]
pub struct Group {
    stream: Stream,
    name: Rc<[u8]>,
}

/// What is said of a message that is given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Nack {
    /// It was not looked at: the delivery does not count.
    Silent,
    /// Working on it failed: the delivery counts.
    #[default]
    Fail,
    /// It can never succeed: its count becomes the largest there is.
    Fatal,
}

/// What is pending in a group, summed up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PendingSummary {
    /// How many entries are pending.
    pub count: u64,
    /// The lowest and the highest of their IDs.
    pub ids: Option<(EntryId, EntryId)>,
    /// How many of them each consumer has, by name.
    pub consumers: Vec<(Vec<u8>, u64)>,
}

/// A pending entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PendingEntry {
    /// Its ID.
    pub id: EntryId,
    /// Whose it is; `None` after it was given back.
    pub consumer: Option<Vec<u8>>,
    /// The time since it was delivered; `None` after it was given back.
    pub idle_ms: Option<u64>,
    /// How often it was delivered.
    pub deliveries: u64,
}

impl Group {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The stream whose group it is.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The messages for a consumer: first those that are pending for it (from before a reload, say), then new ones as
    /// they come.
    pub fn read(&self, consumer: impl Word) -> Messages {
        Messages::new(self.clone(), &consumer)
    }

    /// Acknowledges entries: they are not pending any more. Tells how many were.
    pub fn ack(&self, ids: &[EntryId]) -> Call<u64> {
        let mut words = self.command("XACK");
        for id in ids {
            words.push(id);
        }
        Call::new(self.run(&words), reading::count)
    }

    /// Gives entries back: they stay pending, belong to nobody, and are the first that a reader with
    /// [`Messages::claim_idle_ms`] gets. Tells how many were pending.
    pub fn nack(&self, ids: &[EntryId], nack: Nack) -> Call<u64> {
        let mode = match nack {
            Nack::Silent => "SILENT",
            Nack::Fail => "FAIL",
            Nack::Fatal => "FATAL",
        };
        let mut words = self.command("XNACK").word(mode).word("IDS").word(ids.len());
        for id in ids {
            words.push(id);
        }
        Call::new(self.run(&words), reading::count)
    }

    /// Takes those of the entries over for a consumer that were idle so long, and tells which.
    pub fn claim(&self, consumer: impl Word, min_idle_ms: u64, ids: &[EntryId]) -> Running<Vec<Message>> {
        let mut batch: Vec<Words> = ids.iter().map(|id| self.command("XPENDING").word(id).word(id).word(1)).collect();
        let mut claim = self.command("XCLAIM").word(consumer).word(min_idle_ms);
        for id in ids {
            claim.push(id);
        }
        batch.push(claim);
        let (answer, group) = (self.stream.database().run_all(&batch), self.clone());
        Box::pin(async move { messages::claimed(&group, &answer.await?) })
    }

    /// What is pending, summed up.
    pub fn pending(&self) -> Call<PendingSummary> {
        Call::new(self.run(&self.command("XPENDING")), summary)
    }

    /// What is pending in a range of IDs, entry by entry, so many at most.
    pub fn pending_entries(&self, ids: impl RangeBounds<EntryId>, count: u64) -> Call<Vec<PendingEntry>> {
        let mut words = self.command("XPENDING");
        for (bound, unbounded) in [(ids.start_bound(), "-"), (ids.end_bound(), "+")] {
            match bound {
                Bound::Included(id) => words.push(id),
                Bound::Excluded(id) => words.push(&alloc::format!("({id}")),
                Bound::Unbounded => words.push(unbounded),
            }
        }
        Call::new(self.run(&words.word(count)), |reply| pending_entries(&mut Walk::new(reply)))
    }

    /// A command (of one word or two) with the names of stream and group behind it.
    pub(super) fn command(&self, command: &str) -> Words {
        self.stream.command(command).word(&*self.name)
    }

    fn run(&self, words: &Words) -> Answer {
        self.stream.database().run(words)
    }
}

fn summary(reply: &Reply) -> Result<PendingSummary> {
    let mut walk = Walk::new(reply);
    walk.array()?;
    let count = walk.count()?;
    let ids = walk.id_or_null()?.zip(walk.id_or_null()?);
    let len = walk.array()?;
    let consumer = |_| {
        walk.array()?;
        let name = walk.bytes()?.to_vec();
        let count = core::str::from_utf8(walk.bytes()?).ok().and_then(|text| text.parse().ok());
        Ok((name, count.ok_or(Error::Reply)?))
    };
    let consumers = (0..len).map(consumer).collect::<Result<_>>()?;
    Ok(PendingSummary { count, ids, consumers })
}

/// The entries of an XPENDING with a range.
pub(super) fn pending_entries(walk: &mut Walk<'_>) -> Result<Vec<PendingEntry>> {
    let len = walk.array()?;
    let entry = |_| {
        walk.array()?;
        let (id, consumer) = (walk.id()?, walk.bytes()?);
        let (idle_ms, deliveries) = (walk.integer()?, walk.count()?);
        let idle_ms = u64::try_from(idle_ms).ok();
        Ok(PendingEntry { id, consumer: idle_ms.map(|_| consumer.to_vec()), idle_ms, deliveries })
    };
    (0..len).map(entry).collect()
}
