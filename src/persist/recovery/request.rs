//! What recovery asks a storage, what it can be told, and what it hands over to the engine.

use alloc::vec::Vec;

use super::super::chunk::ChunkGroup;
use super::super::part::{Part, PartRef};
use super::super::witness::Witness;
use crate::persist::storage::StorageFault;

/// What recovery asks for. It asks one thing at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecoveryRequest<'a> {
    /// The bytes in the manifest's place. Answered with [`RecoveryAnswer::Manifest`].
    ReadManifest,
    /// What was noted outside the storage. Answered with [`RecoveryAnswer::Witness`].
    ReadWitness,
    /// The newest epoch that was ever claimed; 0 if there is none. Answered with [`RecoveryAnswer::Epoch`].
    ReadEpoch,
    /// The first and the last sequence in the log, by their keys. Answered with [`RecoveryAnswer::LogBounds`].
    ListLog,
    /// The IDs of all parts, by their keys. Answered with [`RecoveryAnswer::PartIds`].
    ListParts,
    /// Become the owner: in one durable transaction, write the row of this epoch and nothing else. It fences everybody
    /// else, and what was written before it is durable with it. Answered with [`RecoveryAnswer::Done`].
    Claim {
        /// The epoch, above all that were found.
        epoch: u64,
    },
    /// The bytes of these parts, in this order. Answered with [`RecoveryAnswer::Parts`].
    ReadParts(&'a [PartRef]),
    /// Chunks in the order of their sequences, one at least. Answered with [`RecoveryAnswer::LogPage`].
    ReadLog {
        /// None with a lower sequence.
        from_sequence: u64,
        /// After how many bytes to stop.
        bytes_max: usize,
    },
    /// One chunk, read by its own key, because reading many at once failed: the first that is there. If the chunk cannot
    /// be read although the storage works, that is [`Stored::Unreadable`]. Answered with [`RecoveryAnswer::LogPage`].
    ReadLogOne {
        /// None with a lower sequence.
        from_sequence: u64,
    },
    /// Delete what is left of an append that was torn, so that the next chunks can take its place. Answered with
    /// [`RecoveryAnswer::Done`].
    CutLog {
        /// The owner's epoch, for the fence.
        epoch: u64,
        /// This chunk and all behind it.
        from_sequence: u64,
    },
    /// Note for ever that something was lost, and put aside what stands behind the loss, in one durable transaction; where
    /// there is none, first the manifest. Answered with [`RecoveryAnswer::Done`].
    MarkLossy {
        /// The owner's epoch, for the fence.
        epoch: u64,
        /// The manifest that replaces the one that is there, if one is.
        manifest: &'a [u8],
        /// This chunk and all behind it go from the log into quarantine, as they are. What cannot be read cannot be moved,
        /// and is deleted.
        quarantine_from: Option<u64>,
    },
}

/// What became of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RecoveryAnswer {
    /// The manifest.
    Manifest(Stored),
    /// The witness, if there is one.
    Witness(Option<Witness>),
    /// The newest epoch.
    Epoch(u64),
    /// The first and the last sequence, unless the log is empty.
    LogBounds(Option<(u64, u64)>),
    /// The IDs of all parts.
    PartIds(Vec<u64>),
    /// Parts, one for each that was asked for.
    Parts(Vec<Stored>),
    /// Chunks with the sequences under which they are stored, in ascending order.
    LogPage {
        /// The chunks.
        chunks: Vec<(u64, Stored)>,
        /// Whether there may be more behind them. Where that is unknown it is true, and a page without chunks is the end.
        has_more: bool,
    },
    /// It is done.
    Done,
    /// It failed, or nobody knows.
    Failed(StorageFault),
    /// Another owner has taken over.
    Fenced,
    /// Another owner holds the lock.
    Locked,
}

/// A value in a storage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stored {
    /// Its bytes, whatever they are.
    Bytes(Vec<u8>),
    /// There is none.
    Missing,
    /// It is there, and the storage cannot read it, though it can read others.
    Unreadable,
}

/// What the engine has to apply, in this order: all parts, the end of the snapshot, all groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecoveryItem<'a> {
    /// A part of the snapshot.
    Part(Part<'a>),
    /// There are no more parts; the state has this hash. It is told only if there were parts.
    SnapshotEnd {
        /// The hash in the manifest.
        state_hash: u64,
    },
    /// Journal bytes.
    Group(ChunkGroup<'a>),
}

/// What to do where the log cannot be followed to its end, although what is there begins well.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnCorruption {
    /// Refuse to open.
    #[default]
    Refuse,
    /// Load what comes before, put aside what comes behind, and never forget it.
    Salvage,
}

/// What to do where less is stored than the witness saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnDataLoss {
    /// Refuse to open.
    #[default]
    Refuse,
    /// Load what is there, and say what is not.
    Accept,
}

/// How a storage is opened.
#[derive(Clone, Copy, Debug)]
pub struct RecoveryConfig {
    /// The ID of the log, should it begin now: random.
    pub new_log_id: u64,
    /// Whether the medium may leave the last append half written, as files do.
    pub can_tear: bool,
    /// Whether only to look: nothing is claimed and nothing written.
    pub is_read_only: bool,
    /// What to do about damage.
    pub on_corruption: OnCorruption,
    /// What to do about loss.
    pub on_data_loss: OnDataLoss,
    /// How many bytes to read at once. One value more may come.
    pub page_bytes: usize,
}

impl RecoveryConfig {
    /// An owner that refuses everything that is not right, on a medium with atomic appends.
    pub fn new(new_log_id: u64) -> RecoveryConfig {
        RecoveryConfig {
            new_log_id,
            can_tear: false,
            is_read_only: false,
            on_corruption: OnCorruption::default(),
            on_data_loss: OnDataLoss::default(),
            page_bytes: 1 << 20,
        }
    }
}
