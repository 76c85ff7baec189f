//! The medium: a storage in memory that keeps what it was told to, loses what it may lose, and says what it did.
//!
//! There are two kinds. In a database a transaction is all or nothing, and what was not durable is lost from the end. In
//! files the last append may be torn, and a failed sync loses what was written before it although later syncs succeed.
//!
//! It checks one rule by itself, since nobody else sees every write (I6): what stands under a sequence stays the same,
//! as long as nothing was lost.

use std::collections::BTreeMap;
use std::rc::Rc;

use brooklet::persist::{Chunk, Manifest, StoreAnswer, Tail};

use super::trace::{Checked, breach};
use crate::random::Random;
use crate::storage::{Bytes, Job, Level, MemoryStorage, Work};

/// What kind of medium it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Transactions are atomic.
    Database,
    /// Appends may be torn, and failed syncs lose data.
    Files,
}

pub(crate) struct Medium {
    pub(crate) kind: Kind,
    pub(crate) storage: MemoryStorage,
    /// Chunks that a failed sync has dropped: they can be read until the power goes.
    doomed: Vec<Bytes>,
    /// What was stored under each sequence, since something was lost the last time.
    landed: BTreeMap<u64, Bytes>,
    /// What was stored before, and went with the power.
    pub(crate) lost: Vec<(u64, Bytes)>,
}

impl Medium {
    pub(crate) fn new(kind: Kind) -> Medium {
        Medium {
            kind,
            storage: MemoryStorage::default(),
            doomed: Vec::new(),
            landed: BTreeMap::new(),
            lost: Vec::new(),
        }
    }

    /// Does what the owner of an epoch asks, wholly and well. What is delivered once more than it was asked for is nothing that anybody
    /// waits for.
    pub(crate) fn perform(&mut self, job: &Job, epoch: u64, is_repeated: bool) -> Checked<StoreAnswer> {
        match &job.work {
            Work::Append { epoch, level, chunks } => {
                // Nobody syncs a file unasked: a failure would be told to nobody.
                let is_written_only = is_repeated && self.kind == Kind::Files;
                let level = if is_written_only { Level::Written } else { *level };
                self.append(*epoch, level, chunks)
            }
            Work::Reopen => self.reopen(),
            Work::NewSegment => {
                // That of a superseded owner is a file that nobody reads.
                if self.storage.stored.epochs.last() == Some(&epoch) {
                    self.doom_undurable();
                }
                Ok(StoreAnswer::Done)
            }
            _ => Ok(self.storage.perform_job(job)),
        }
    }

    fn append(&mut self, epoch: u64, level: Level, chunks: &[(u64, Bytes)]) -> Checked<StoreAnswer> {
        let borrowed: Vec<(u64, &[u8])> = chunks.iter().map(|(sequence, bytes)| (*sequence, &***bytes)).collect();
        if self.storage.append(epoch, level, &borrowed).is_err() {
            return Ok(StoreAnswer::Fenced);
        }
        for (sequence, bytes) in chunks {
            let landed = self.landed.entry(*sequence).or_insert_with(|| bytes.clone());
            if landed != bytes {
                return breach("I6", format!("chunk {sequence} was stored, and is replaced by another"));
            }
        }
        Ok(StoreAnswer::Done)
    }

    /// Opens a new connection: what is torn is cut off, and where the log ends is read.
    fn reopen(&mut self) -> Checked<StoreAnswer> {
        let epoch = self.storage.stored.epochs.last().copied().unwrap_or(0);
        Ok(StoreAnswer::Reopened { tail: self.tail()?, epoch })
    }

    /// Where the log ends, as an adapter finds out: the last chunk, or what the manifest covers.
    fn tail(&mut self) -> Checked<Tail> {
        let base = self.storage.stored.manifest.as_ref().and_then(|bytes| Manifest::decode(bytes).ok());
        let base = base.map(|manifest| manifest.tail());
        while let Some((sequence, bytes)) = self.storage.stored.log.last_key_value() {
            if base.is_some_and(|tail| tail.sequence >= *sequence) {
                break;
            }
            match Chunk::decode(bytes) {
                Ok(chunk) if chunk.is_last => {
                    let Chunk { log_id, epoch, checksum, .. } = chunk;
                    return Ok(Tail { log_id, epoch, sequence: *sequence, checksum });
                }
                _ if self.kind == Kind::Files => drop(self.storage.stored.log.pop_last()),
                _ => return breach("I2", format!("the log ends inside a group, with chunk {sequence}")),
            }
        }
        Ok(base.unwrap_or(Tail::new(0)))
    }

    /// A durable append, of which the sync fails: it was written, and may be lost.
    pub(crate) fn fail_sync(&mut self, epoch: u64, chunks: &[(u64, Bytes)]) -> Checked {
        if self.append(epoch, Level::Written, chunks)? == StoreAnswer::Done {
            self.doom_undurable();
        }
        Ok(())
    }

    /// No later sync reaches what is not durable by now.
    fn doom_undurable(&mut self) {
        if self.kind == Kind::Files {
            // Also what was written anew since: the power may take that, and leave what was there before.
            self.doomed.extend(self.storage.undurable_chunks().cloned());
        }
    }

    /// The process dies while an append is under way: in a file, chance decides how much of it was written.
    pub(crate) fn tear(&mut self, job: &Job, random: &mut Random) {
        let Work::Append { epoch, chunks, .. } = &job.work else { return };
        if self.kind != Kind::Files || chunks.is_empty() {
            return;
        }
        let whole = random.below(chunks.len() as u64) as usize;
        let (sequence, bytes) = &chunks[whole];
        let cut = random.below(bytes.len() as u64) as usize;
        let mut written: Vec<(u64, &[u8])> =
            chunks[..whole].iter().map(|(sequence, bytes)| (*sequence, bytes.as_slice())).collect();
        if cut > 0 && !self.storage.stored.log.contains_key(sequence) {
            written.push((*sequence, &bytes[..cut]));
        }
        // A superseded owner's is refused, which is as good.
        let _ = self.storage.append(*epoch, Level::Written, &written);
    }

    /// The power goes. Says whether anything was lost.
    pub(crate) fn lose_power(&mut self, random: &mut Random) -> bool {
        let durable: Vec<u64> = self.storage.durable_log().keys().copied().collect();
        let undurable = self.storage.undurable() as u64;
        let survivors = random.below(undurable + 1);
        self.storage.lose_power(survivors as usize);
        let doomed = std::mem::take(&mut self.doomed);
        let before = self.storage.stored.log.len();
        self.storage.stored.log.retain(|_, bytes| !doomed.iter().any(|other| Rc::ptr_eq(bytes, other)));
        let last = self.storage.stored.log.last_key_value();
        let last = last.filter(|(sequence, _)| !durable.contains(sequence)).map(|(_, bytes)| bytes.len() as u64);
        if let (Kind::Files, Some(bytes)) = (self.kind, last) {
            self.storage.cut_log(random.below(bytes + 1) as usize);
        }
        self.storage.settle();
        survivors < undurable || before != self.storage.stored.log.len()
    }

    /// The first chunk of the last group, or of what is left of it.
    pub(crate) fn last_group(&self) -> u64 {
        let begins = |bytes: &Bytes| Chunk::decode(bytes).is_ok_and(|chunk| chunk.is_first);
        let first = self.storage.stored.log.iter().rfind(|(_, bytes)| begins(bytes));
        first.map_or(0, |(sequence, _)| *sequence)
    }

    /// An owner has read the log up to here: what comes behind is free to be written anew.
    pub(crate) fn opened(&mut self, tail: u64) {
        self.lost.extend(self.landed.split_off(&(tail + 1)));
        self.doomed.clear();
    }
}
