//! How a store is set up, what it asks for, what it can be told, and what it says about itself.

use alloc::vec::Vec;

use super::super::bytes::EncodeFault;
use super::super::chunk::{CHUNK_BYTES_MAX, Tail};
use super::super::recovery::{ChunkCount, Stored};
use super::super::storage::{StorageFault, Ticket};
use super::super::witness::Witness;
use super::super::writer::{Append, WriterConfig};

/// How a store is set up.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// How the log is written. Its pauses and how long it waits for an answer hold for everything that is asked.
    pub writer: WriterConfig,
    /// The log that is never too long for reading it again, in bytes.
    pub log_bytes_min: u64,
    /// The chunks after which a log is too long, however small they are.
    pub log_chunks_max: u64,
    /// The largest part, frame included: what the storage takes well.
    pub part_bytes_max: usize,
    /// How many bytes of parts are put at once. One part more may come.
    pub put_bytes_max: usize,
    /// How many bytes of units a slice of work tells. One unit more may come.
    pub work_bytes: usize,
    /// How many parts are deleted at once.
    pub delete_parts_max: usize,
    /// The least time between two notes for the witness.
    pub witness_every_ms: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        StoreConfig {
            writer: WriterConfig::default(),
            log_bytes_min: 1 << 20,
            log_chunks_max: 1000,
            part_bytes_max: CHUNK_BYTES_MAX,
            put_bytes_max: 256 << 10,
            work_bytes: 128 << 10,
            delete_parts_max: 1000,
            witness_every_ms: 1000,
        }
    }
}

/// What the store asks for. At most one append and one of the others may be unanswered, but for appends placed by
/// [`Store::flush_now`](super::Store::flush_now). What is borrowed from the store has to be fetched before it is told
/// anything else.
///
/// Whatever has an epoch is one transaction that fails as a whole, with [`StoreAnswer::Fenced`], if another owner has
/// taken over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreRequest {
    /// Store chunks, which [`Store::chunks`](super::Store::chunks) has. Answered with [`StoreAnswer::Done`].
    Append(Append),
    /// Give up the connection, open a new one, cut off what is torn, and say where the log ends: with the last chunk, or
    /// with the manifest if that is later. What was asked for on the old connection is done by then, or never will be.
    /// Answered with [`StoreAnswer::Reopened`].
    Reopen(Ticket),
    /// Give up the connection, open a new one, and begin a new segment: from now on chunks go there, and one that is
    /// there replaces one with the same sequence in an older segment. Answered with [`StoreAnswer::Done`].
    NewSegment(Ticket),
    /// Store parts, which [`Store::parts`](super::Store::parts) has. Nobody needs them to be durable before the flip.
    /// Answered with [`StoreAnswer::Done`].
    PutParts {
        /// Its name.
        ticket: Ticket,
        /// The owner's epoch, for the fence.
        epoch: u64,
    },
    /// The IDs of all parts, by their keys. Answered with [`StoreAnswer::PartIds`].
    ListParts {
        /// Its name.
        ticket: Ticket,
    },
    /// Replace the manifest by [`Store::manifest`](super::Store::manifest) and delete the chunks that it covers, in one
    /// durable transaction, which makes durable everything before it. Answered with [`StoreAnswer::Done`].
    Flip {
        /// Its name.
        ticket: Ticket,
        /// The owner's epoch, for the fence.
        epoch: u64,
        /// This chunk and all before it.
        delete_log_upto: u64,
    },
    /// The bytes in the manifest's place, once no flip that was asked for before can happen any more. Answered with
    /// [`StoreAnswer::Manifest`].
    ReadManifest {
        /// Its name.
        ticket: Ticket,
    },
    /// Delete the parts of [`Store::doomed`](super::Store::doomed), as far as they are there. Answered with
    /// [`StoreAnswer::Done`].
    DeleteParts {
        /// Its name.
        ticket: Ticket,
        /// The owner's epoch, for the fence.
        epoch: u64,
    },
    /// Delete chunks that the manifest covers, as far as they are there. Answered with [`StoreAnswer::Done`].
    DeleteLog {
        /// Its name.
        ticket: Ticket,
        /// The owner's epoch, for the fence.
        epoch: u64,
        /// This chunk and all before it.
        upto: u64,
    },
    /// Note the witness outside the storage, in place of the one before. Answered with [`StoreAnswer::Done`].
    WriteWitness {
        /// Its name.
        ticket: Ticket,
        /// What to note.
        witness: Witness,
    },
}

impl StoreRequest {
    /// The name by which it is answered.
    pub fn ticket(&self) -> Ticket {
        match *self {
            StoreRequest::Append(Append { ticket, .. })
            | StoreRequest::Reopen(ticket)
            | StoreRequest::NewSegment(ticket)
            | StoreRequest::PutParts { ticket, .. }
            | StoreRequest::ListParts { ticket }
            | StoreRequest::Flip { ticket, .. }
            | StoreRequest::ReadManifest { ticket }
            | StoreRequest::DeleteParts { ticket, .. }
            | StoreRequest::DeleteLog { ticket, .. }
            | StoreRequest::WriteWitness { ticket, .. } => ticket,
        }
    }
}

/// What became of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StoreAnswer {
    /// It is done.
    Done,
    /// It failed, or nobody knows.
    Failed(StorageFault),
    /// Another owner has taken over.
    Fenced,
    /// There is a new connection.
    Reopened {
        /// Where the log ends: the default if there is neither manifest nor log.
        tail: Tail,
        /// The newest epoch that was ever claimed.
        epoch: u64,
    },
    /// The IDs of all parts.
    PartIds(Vec<u64>),
    /// The manifest.
    Manifest(Stored),
}

/// What a store says about itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StoreStatus {
    /// The owner's epoch.
    pub epoch: u64,
    /// The last chunk that is written.
    pub written_sequence: u64,
    /// The last chunk that is durable.
    pub durable_sequence: u64,
    /// The log behind the snapshot.
    pub log: ChunkCount,
    /// The last chunk that the snapshot covers; 0 if there is no snapshot.
    pub covered_sequence: u64,
    /// When the snapshot was finished; 0 if there is none.
    pub snapshot_ms: u64,
    /// How many parts the snapshot has.
    pub parts: u64,
    /// All their bytes.
    pub parts_bytes: u64,
    /// How far the snapshot is that is being taken, if one is.
    pub progress: Option<SnapshotProgress>,
    /// How many snapshots this owner has finished.
    pub snapshots: u64,
    /// Why the last snapshot was given up; none once another one is finished.
    pub snapshot_fault: Option<SnapshotFault>,
    /// What the storage failed with last, whatever it was doing.
    pub last_fault: Option<StorageFault>,
    /// Whether anything was ever lost of this log.
    pub is_lossy: bool,
}

/// How far a snapshot is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SnapshotProgress {
    /// How many parts it lists so far.
    pub parts: u64,
    /// The bytes of those of them that it wrote, or is about to write.
    pub bytes: u64,
    /// Whether all units are told.
    pub is_told: bool,
}

/// Why a snapshot was given up. Another one is tried later; nothing is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotFault {
    /// The storage failed.
    Storage(StorageFault),
    /// Something could not be encoded: mostly there was no memory for it.
    Encoding(EncodeFault),
    /// The part with this ID is not there, although it was stored once. The next snapshot writes its content anew.
    PartMissing(u64),
    /// It was in the way: everything was deleted meanwhile, or the engine had no memory for it, or was about to refuse
    /// writes for want of memory.
    Abandoned,
}
