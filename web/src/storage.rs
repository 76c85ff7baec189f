//! What a storage is: it moves bytes, and knows nothing of streams.
//!
//! *Design.* A storage is asked for one thing at a time by name, and answers each question once, at once or later, with
//! the [`Question`] that it was given. All that is written is one kind of request, a [`Batch`]: it names the epoch of
//! whoever writes, and happens as a whole or not at all. So there is one place in a storage that fences, one that
//! commits, and nothing in it that has to know what a flip or an append is.
//!
//! *Why not futures.* An `async fn` for each of ten methods is 9 KB of the module more, and a storage that answers at once
//! would need an executor to be heard.
//!
//! *What a storage has to keep to*
//! 1. A batch is stored as a whole or not at all, however the process ends. Where that cannot be, because it is files:
//!    parts first, then chunks, the manifest, and what is deleted last; and [`Traits::can_tear`] says so.
//! 2. If an epoch above that of a batch was claimed, nothing of the batch is stored and the answer is
//!    [`Answer::Fenced`]. A batch that was answered with [`Answer::Done`] is there for whoever claims later.
//! 3. Batches happen in the order in which they were asked for, also if one fails: one that comes later may happen then.
//! 4. A durable batch makes durable everything before it.
//! 5. After [`Request::Open`], nothing that was asked for on the connection before can happen any more, unless it has
//!    happened by the time of the answer. What was unanswered is answered with [`StorageFault::Closed`]. The witness is
//!    outside of this: notes only happen in the order in which they were asked for.
//! 6. After [`Storage::close`] nothing is answered any more.

use alloc::rc::Rc;
use alloc::vec::Vec;

pub use brooklet::persist::{StorageFault, Stored};

/// What a storage is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Traits {
    /// Whether every question is answered before [`Storage::ask`] returns. Then no reply waits: what it tells of is
    /// written first.
    pub is_sync: bool,
    /// Whether the end of a process may leave the last batch half stored.
    pub can_tear: bool,
    /// Whether a durable batch that fails may take with it what was written before, as with files.
    pub loses_on_failed_sync: bool,
    /// The largest value that it takes well.
    pub value_bytes_max: usize,
}

/// A storage; see the head of this file.
pub trait Storage {
    /// What it is like. Always the same.
    fn traits(&self) -> Traits;

    /// Asks for something. What is borrowed is not there any more when this has returned.
    fn ask(&mut self, request: &Request<'_>, question: Question);

    /// Makes it safe after an end that was not clean, where the platform takes more for that than an opening. It may take
    /// a while, and disturbs nobody. Answered with [`Answer::Done`].
    fn heal(&mut self, question: Question) {
        question.answer(Answer::Done);
    }

    /// Lets go of the connection and of the lock. Nothing is asked afterwards.
    fn close(&mut self);
}

/// What a storage is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request<'a> {
    /// Become the only one to open it, until [`Storage::close`]. Asked for once at a time. Answered with [`Answer::Done`] or [`Answer::Locked`]. A
    /// storage for which there are no locks says [`Answer::Done`]: the fence is what it rests on.
    Lock {
        /// How long to wait if another holds it, in ms; `u64::MAX` is for ever.
        wait_ms: u64,
        /// Take it from whoever holds it.
        steals: bool,
    },
    /// Give up the connection, if there is one, and open a new one. Answered with [`Answer::Done`].
    Open {
        /// Begin a new segment, where there are any: from now on chunks go there, and one that is there replaces one with
        /// the same sequence in an older segment.
        new_segment: bool,
        /// Nothing will be written, and nothing is to be created. If there is nothing, it looks empty.
        read_only: bool,
    },
    /// The bytes in the manifest's place. Answered with [`Answer::Value`].
    ReadManifest,
    /// The bytes in the witness' place, outside of where the rest is. Answered with [`Answer::Value`].
    ReadWitness,
    /// The newest epoch that was ever claimed; 0 if there is none. Answered with [`Answer::Number`].
    ReadEpoch,
    /// The first and the last sequence in the log, by their keys. Answered with [`Answer::Bounds`].
    ListLog,
    /// Chunks in the order of their sequences, one at least. Answered with [`Answer::Chunks`].
    ReadLog {
        /// None with a lower sequence.
        from_sequence: u64,
        /// After how many bytes to stop; a page may also be shorter, and only one without chunks is the end. With 0, one chunk is read by its own key, and if it cannot be read although the
        /// storage works, that is [`Stored::Unreadable`].
        bytes_max: usize,
    },
    /// The IDs of all parts, by their keys. Answered with [`Answer::Ids`].
    ListParts,
    /// The bytes of these parts, in this order. Answered with [`Answer::Values`].
    ReadParts(&'a [u64]),
    /// Store and delete. Answered with [`Answer::Done`] or [`Answer::Fenced`].
    Write(Batch<'a>),
    /// Note the witness, in place of the one before. Answered with [`Answer::Done`].
    WriteWitness(&'a [u8]),
}

/// What is stored and deleted as a whole, in the order of the fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Batch<'a> {
    /// The epoch of the owner.
    pub epoch: u64,
    /// Whether the epoch is claimed by this: the answer is [`Answer::Fenced`] unless it is above all that were claimed.
    pub claims: bool,
    /// Whether it has to survive the loss of power.
    pub is_durable: bool,
    /// Parts, by their IDs.
    pub parts: &'a [(u64, &'a [u8])],
    /// Chunks of the log, by their sequences; one that is there is replaced.
    pub chunks: &'a [(u64, &'a [u8])],
    /// The manifest, in place of the one before.
    pub manifest: Option<&'a [u8]>,
    /// This chunk and all before it are deleted.
    pub delete_log_upto: Option<u64>,
    /// This chunk and all behind it are deleted.
    pub delete_log_from: Option<u64>,
    /// This chunk and all behind it go from the log into quarantine, as they are. What cannot be read cannot be moved, and
    /// is deleted.
    pub quarantine_from: Option<u64>,
    /// The IDs of parts to delete, as far as they are there.
    pub delete_parts: &'a [u64],
}

/// What a storage answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is done.
    Done,
    /// It failed, or nobody knows.
    Failed(StorageFault),
    /// Another owner has taken over.
    Fenced,
    /// Another holds the lock.
    Locked,
    /// A value.
    Value(Stored),
    /// A number.
    Number(u64),
    /// The first and the last sequence, unless the log is empty.
    Bounds(Option<(u64, u64)>),
    /// Chunks with the sequences under which they are stored, in ascending order.
    Chunks {
        /// The chunks.
        chunks: Vec<(u64, Stored)>,
        /// Whether there may be more behind them. Where that is unknown it is true, and a page without chunks is the end.
        has_more: bool,
    },
    /// The IDs of parts.
    Ids(Vec<u64>),
    /// Values, one for each that was asked for.
    Values(Vec<Stored>),
}

/// A question that waits for its answer.
pub struct Question {
    number: u64,
    listener: Rc<dyn Listener>,
}

/// Whoever hears answers.
pub trait Listener {
    /// Hears the answer to a question. It may come while the question is being asked.
    fn hear(&self, number: u64, answer: Answer);
}

impl Question {
    /// A question with a number, by which whoever asks knows it again.
    pub fn new(number: u64, listener: Rc<dyn Listener>) -> Question {
        Question { number, listener }
    }

    /// Answers it.
    pub fn answer(self, answer: Answer) {
        self.listener.hear(self.number, answer);
    }
}
