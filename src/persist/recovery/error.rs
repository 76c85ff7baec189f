//! Why a storage could not be opened, and what was lost where it was opened all the same.

use core::fmt;

use super::super::bytes::{DecodeFault, EncodeFault};
use super::super::chunk::ChunkFault;
use super::super::part::PartFault;
use crate::engine::ReplayError;
use crate::memory::OutOfMemory;
use crate::persist::storage::StorageFault;

/// Why a storage could not be opened. Nothing in it has changed but the epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// There was a log, and it is gone.
    Erased(Erased),
    /// The snapshot is damaged: there is nothing to begin with.
    CorruptSnapshot {
        /// The part; none if it is the manifest.
        part: Option<u64>,
        /// What is wrong with it.
        damage: Damage,
    },
    /// The log cannot be followed to its end.
    CorruptLog(LogBreak),
    /// The end of the log is gone, though it was durable.
    DataLoss(TailLoss),
    /// It was written by a version whose values this one cannot read.
    TooNew {
        /// The value.
        value: StoredValue,
        /// The version needed to read it.
        major: u8,
        /// Its flags, of which one may be unknown.
        flags: u8,
    },
    /// Another owner holds the lock.
    Locked,
    /// Another owner has taken over meanwhile.
    Fenced {
        /// The epoch that was claimed.
        epoch: u64,
    },
    /// The storage failed.
    Storage {
        /// What it was doing.
        doing: &'static str,
        /// How it failed.
        fault: StorageFault,
    },
    /// A value is whole, and does not fit the state before it.
    Unreplayable {
        /// The value: a part, or the first chunk of a group.
        value: StoredValue,
        /// What the engine said.
        error: ReplayError,
    },
    /// There is no memory for what is stored.
    OutOfMemory,
    /// Sequences or part IDs have come to the end of their range.
    OutOfRange,
}

/// One of the stored values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoredValue {
    /// The manifest.
    Manifest,
    /// The part with this ID.
    Part(u64),
    /// The chunk with this sequence.
    Chunk(u64),
}

/// What is wrong with a stored value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Damage {
    /// It is not there.
    Missing,
    /// The storage cannot read it, though it can read others.
    Unreadable,
    /// It is no manifest.
    Manifest(DecodeFault),
    /// It is no part, or another one.
    Part(PartFault),
    /// It is no chunk, or not the one that should stand there.
    Chunk(ChunkFault),
    /// The log ends inside a group.
    GroupOpen,
}

impl Damage {
    /// Whether an append that was cut short can leave this behind. A chunk that is whole and does not belong there is
    /// another thing: somebody wrote it.
    pub(super) fn is_tear(&self) -> bool {
        use DecodeFault::{BadChecksum, BadMagic, Excess, Torn};
        match self {
            Damage::Missing | Damage::Unreadable | Damage::GroupOpen => true,
            Damage::Chunk(ChunkFault::Undecodable(fault)) => {
                matches!(fault, Torn { .. } | Excess { .. } | BadMagic | BadChecksum { .. })
            }
            Damage::Chunk(_) | Damage::Manifest(_) | Damage::Part(_) => false,
        }
    }
}

/// Where a log cannot be followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogBreak {
    /// The last chunk of the last whole group before it; 0 if there is none.
    pub last_good: u64,
    /// The first chunk that is damaged, missing, or not the one that should stand there.
    pub first_bad: u64,
    /// The first whole chunk behind it, if there is one.
    pub next_good: Option<u64>,
    /// What is wrong with the first bad one.
    pub damage: Damage,
}

/// A log that was durable once, and is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Erased {
    /// The log that was seen.
    pub log_id: u64,
    /// The last chunk of it that was seen to be durable.
    pub durable_sequence: u64,
    /// The log that is there instead, if one is.
    pub found: Option<u64>,
}

/// Chunks that were durable once, and are not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TailLoss {
    /// The first of them.
    pub from: u64,
    /// The last of them.
    pub to: u64,
    /// Whether these may be a loss that was accepted before: the log is marked as lossy, and may have been opened since
    /// the witness was noted.
    pub may_be_accepted: bool,
}

/// What was lost, with the consent of whoever opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// A whole log.
    Erased(Erased),
    /// The end of the log.
    Tail(TailLoss),
    /// What stood behind the last good chunk, and is in quarantine.
    Rest(LogBreak),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            OpenError::Erased(ref erased) => {
                write!(f, "{erased}. To go on without it, open with on_data_loss: Accept")
            }
            OpenError::CorruptSnapshot { part, damage } => {
                let value = part.map_or(StoredValue::Manifest, StoredValue::Part);
                write!(f, "{value} is damaged: {damage}. Nothing was changed; restore the storage from a copy")
            }
            OpenError::CorruptLog(ref broken) => {
                write!(f, "{broken}. ")?;
                if broken.last_good == 0 {
                    return f.write_str("Nothing before it can be saved, and nothing was changed");
                }
                f.write_str("To load what comes before and put the rest aside, open with on_corruption: Salvage")
            }
            OpenError::DataLoss(ref loss) => {
                write!(f, "{loss}. To go on without them, open with on_data_loss: Accept")
            }
            OpenError::TooNew { value, major, flags } => {
                let fault = DecodeFault::TooNew { major, flags };
                write!(f, "{value} cannot be read: {fault}. Nothing was changed; open with a newer version")
            }
            OpenError::Locked => {
                f.write_str("another owner holds the storage: wait until it is closed, or take it over")
            }
            OpenError::Fenced { epoch } => {
                write!(f, "another owner has taken over after epoch {epoch} was asked for: open again to take it back")
            }
            OpenError::Storage { doing, fault } => write!(f, "the storage failed while {doing}: {fault}. Open again"),
            OpenError::Unreplayable { value, ref error } => {
                write!(f, "{value} is whole, but {error}. Nothing was changed")
            }
            OpenError::OutOfMemory => f.write_str("there is no memory for what is stored. Nothing was changed"),
            OpenError::OutOfRange => f.write_str("the numbers of this log are used up. Nothing was changed"),
        }
    }
}

impl core::error::Error for OpenError {}

impl From<OutOfMemory> for OpenError {
    fn from(_: OutOfMemory) -> Self {
        OpenError::OutOfMemory
    }
}

impl From<EncodeFault> for OpenError {
    fn from(fault: EncodeFault) -> Self {
        match fault {
            EncodeFault::OutOfMemory => OpenError::OutOfMemory,
            EncodeFault::OutOfRange => OpenError::OutOfRange,
        }
    }
}

impl fmt::Display for StoredValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            StoredValue::Manifest => f.write_str("the manifest"),
            StoredValue::Part(id) => write!(f, "part {id}"),
            StoredValue::Chunk(sequence) => write!(f, "chunk {sequence}"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Missing => f.write_str("it is missing"),
            Damage::Unreadable => f.write_str("the storage cannot read it"),
            Damage::Manifest(fault) => fault.fmt(f),
            Damage::Part(fault) => fault.fmt(f),
            Damage::Chunk(fault) => fault.fmt(f),
            Damage::GroupOpen => f.write_str("the log ends inside its group"),
        }
    }
}

impl fmt::Display for StorageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StorageFault::Io => "it could not read or write",
            StorageFault::Quota => "there is no room",
            StorageFault::Closed => "the connection is gone",
            StorageFault::NoAnswer => "there was no answer in time",
        })
    }
}

impl fmt::Display for LogBreak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LogBreak { last_good, first_bad, next_good, ref damage } = *self;
        write!(f, "the log is whole up to chunk {last_good}, and chunk {first_bad} is damaged: {damage}")?;
        match next_good {
            Some(next_good) => write!(f, "; the next whole one is chunk {next_good}"),
            None => f.write_str("; no whole one follows"),
        }
    }
}

impl fmt::Display for Erased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Erased { log_id, durable_sequence, found } = *self;
        match found {
            None => f.write_str("the storage is empty")?,
            Some(found) => write!(f, "the storage holds log {found:016x}")?,
        }
        write!(f, ", but log {log_id:016x} was there, durable up to chunk {durable_sequence}: it was erased")
    }
}

impl fmt::Display for TailLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TailLoss { from, to, may_be_accepted } = *self;
        write!(f, "the chunks {from} to {to} were durable and are gone from the end of the log")?;
        if may_be_accepted {
            f.write_str("; it may be a loss that was accepted before, since when no witness was noted")?;
        }
        Ok(())
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Erased(erased) => erased.fmt(f),
            Loss::Tail(loss) => loss.fmt(f),
            Loss::Rest(broken) => write!(f, "{broken}; what stood behind is in quarantine"),
        }
    }
}
