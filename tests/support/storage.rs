//! A storage in memory, with everything that goes wrong with real ones as a switch.
//!
//! It keeps bytes under keys and knows nothing of what they mean. A transaction is all or nothing, also where the medium
//! is made of files: that these may be torn is a switch ([`MemoryStorage::cut_log`]), as every other damage.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use brooklet::persist::{
    self, Chunk, Manifest, RecoveryAnswer, RecoveryRequest, StorageFault, Store, StoreAnswer, StoreRequest, Stored,
    Tail, Ticket, Witness,
};

pub(crate) type Bytes = Rc<Vec<u8>>;

/// What a storage holds. Copies share the bytes.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Contents {
    pub(crate) log: BTreeMap<u64, Bytes>,
    pub(crate) parts: BTreeMap<u64, Bytes>,
    pub(crate) manifest: Option<Bytes>,
    pub(crate) epochs: BTreeSet<u64>,
    pub(crate) quarantine: BTreeMap<u64, Bytes>,
}

impl Contents {
    /// The same without the rows of the epochs.
    pub(crate) fn without_epochs(&self) -> Contents {
        Contents { epochs: BTreeSet::new(), ..self.clone() }
    }
}

/// How far a transaction gets before its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Level {
    Written,
    Durable,
}

/// One stored value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Place {
    Manifest,
    Part(u64),
    Chunk(u64),
}

/// What happens to an operation instead of its success.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// It fails and has done nothing.
    Fails(StorageFault),
    /// It fails, and was done all the same.
    FailsAfterSuccess(StorageFault),
    /// It is done, and nobody is told.
    NeverAnswers,
}

/// The switches.
#[derive(Clone, Default)]
pub(crate) struct Faults {
    /// What happens to the operations with these numbers, from 0.
    pub(crate) at: BTreeMap<u64, Fault>,
    /// Values that cannot be read, and make each reading fail that wants others as well.
    pub(crate) unreadable: BTreeSet<Place>,
    /// Somebody holds the lock.
    pub(crate) is_locked: bool,
}

#[derive(Clone, Default)]
pub(crate) struct MemoryStorage {
    pub(crate) stored: Contents,
    /// What survives the loss of power for sure, and then what was stored after each transaction since.
    durable: Contents,
    since: Vec<Contents>,
    /// Lies elsewhere, and survives what happens to the rest.
    pub(crate) witness: Option<Witness>,
    pub(crate) faults: Faults,
    /// How many operations there were.
    pub(crate) operations: u64,
}

/// What a store asked for, with all its bytes, so that it can be done later.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) ticket: Ticket,
    pub(crate) work: Work,
}

/// What there is to do.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Append { epoch: u64, level: Level, chunks: Vec<(u64, Bytes)> },
    Reopen,
    NewSegment,
    PutParts { epoch: u64, parts: Vec<(u64, Bytes)> },
    ListParts,
    Flip { epoch: u64, manifest: Bytes, delete_log_upto: u64 },
    ReadManifest,
    DeleteParts { epoch: u64, ids: Vec<u64> },
    DeleteLog { epoch: u64, upto: u64 },
    WriteWitness(Witness),
}

impl Work {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Work::Append { .. } => "append",
            Work::Reopen => "reopen",
            Work::NewSegment => "new segment",
            Work::PutParts { .. } => "put parts",
            Work::ListParts => "list parts",
            Work::Flip { .. } => "flip",
            Work::ReadManifest => "read manifest",
            Work::DeleteParts { .. } => "delete parts",
            Work::DeleteLog { .. } => "delete log",
            Work::WriteWitness(_) => "write witness",
        }
    }

    /// The epoch under which it is asked for, if it writes to the storage.
    pub(crate) fn epoch(&self) -> Option<u64> {
        match self {
            Work::Append { epoch, .. }
            | Work::PutParts { epoch, .. }
            | Work::Flip { epoch, .. }
            | Work::DeleteParts { epoch, .. }
            | Work::DeleteLog { epoch, .. } => Some(*epoch),
            _ => None,
        }
    }
}

impl Job {
    /// Fetches what belongs to a request that was just asked for.
    pub(crate) fn new(store: &Store, request: &StoreRequest) -> Job {
        let copied = |bytes: &[u8]| Rc::new(bytes.to_vec());
        let work = match *request {
            StoreRequest::Append(ref append) => {
                let level = match append.level {
                    persist::Level::Written => Level::Written,
                    persist::Level::Durable => Level::Durable,
                };
                let chunks: Vec<_> = store.chunks(append).map(|chunk| (chunk.sequence, copied(&chunk.bytes))).collect();
                assert_eq!(chunks.len() as u64, append.chunks, "an append without its chunks");
                Work::Append { epoch: append.epoch, level, chunks }
            }
            StoreRequest::Reopen(_) => Work::Reopen,
            StoreRequest::NewSegment(_) => Work::NewSegment,
            StoreRequest::PutParts { ticket, epoch } => {
                let parts: Vec<_> = store.parts(ticket).map(|(id, bytes)| (id, copied(bytes))).collect();
                assert!(!parts.is_empty(), "no parts to put");
                Work::PutParts { epoch, parts }
            }
            StoreRequest::ListParts { .. } => Work::ListParts,
            StoreRequest::Flip { epoch, delete_log_upto, .. } => {
                Work::Flip { epoch, manifest: copied(store.manifest()), delete_log_upto }
            }
            StoreRequest::ReadManifest { .. } => Work::ReadManifest,
            StoreRequest::DeleteParts { ticket, epoch } => {
                let ids: Vec<u64> = store.doomed(ticket).collect();
                assert!(!ids.is_empty(), "no parts to delete");
                Work::DeleteParts { epoch, ids }
            }
            StoreRequest::DeleteLog { epoch, upto, .. } => Work::DeleteLog { epoch, upto },
            StoreRequest::WriteWitness { witness, .. } => Work::WriteWitness(witness),
        };
        Job { ticket: request.ticket(), work }
    }
}

/// What an append, a flip and the like are told.
pub(crate) type Written = Result<(), RecoveryAnswer>;

// What an owner does. The simplest form: the operation, without the switches that act on requests.
impl MemoryStorage {
    /// Takes over, unless the epoch was taken.
    pub(crate) fn claim(&mut self, epoch: u64) -> Written {
        self.fence(epoch)?;
        if !self.stored.epochs.insert(epoch) {
            return Err(RecoveryAnswer::Fenced);
        }
        self.committed(Level::Durable);
        Ok(())
    }

    /// Stores chunks; one with the same sequence is replaced.
    pub(crate) fn append(&mut self, epoch: u64, level: Level, chunks: &[(u64, &[u8])]) -> Written {
        self.fence(epoch)?;
        for (sequence, bytes) in chunks {
            self.stored.log.insert(*sequence, Rc::new(bytes.to_vec()));
        }
        self.committed(level);
        Ok(())
    }

    pub(crate) fn put_parts(&mut self, epoch: u64, parts: &[(u64, &[u8])]) -> Written {
        self.fence(epoch)?;
        for (id, bytes) in parts {
            self.stored.parts.insert(*id, Rc::new(bytes.to_vec()));
        }
        self.committed(Level::Written);
        Ok(())
    }

    /// Replaces the manifest and deletes the chunks up to a sequence.
    pub(crate) fn flip(&mut self, epoch: u64, manifest: &[u8], delete_log_upto: u64) -> Written {
        self.fence(epoch)?;
        self.stored.manifest = Some(Rc::new(manifest.to_vec()));
        self.stored.log.retain(|&sequence, _| sequence > delete_log_upto);
        self.committed(Level::Durable);
        Ok(())
    }

    pub(crate) fn delete_parts(&mut self, epoch: u64, ids: &[u64]) -> Written {
        self.fence(epoch)?;
        self.stored.parts.retain(|id, _| !ids.contains(id));
        self.committed(Level::Written);
        Ok(())
    }

    fn delete_log(&mut self, epoch: u64, upto: u64) -> Written {
        self.fence(epoch)?;
        self.stored.log.retain(|&sequence, _| sequence > upto);
        self.committed(Level::Written);
        Ok(())
    }

    fn cut(&mut self, epoch: u64, from_sequence: u64) -> Written {
        self.fence(epoch)?;
        self.stored.log.split_off(&from_sequence);
        self.committed(Level::Durable);
        Ok(())
    }

    fn mark_lossy(&mut self, epoch: u64, manifest: &[u8], quarantine_from: Option<u64>) -> Written {
        self.fence(epoch)?;
        self.stored.manifest = Some(Rc::new(manifest.to_vec()));
        if let Some(from) = quarantine_from {
            let mut rest = self.stored.log.split_off(&from);
            self.stored.quarantine.append(&mut rest);
        }
        self.committed(Level::Durable);
        Ok(())
    }

    /// Refuses whoever was superseded.
    fn fence(&self, epoch: u64) -> Written {
        if self.newest_epoch() > epoch { Err(RecoveryAnswer::Fenced) } else { Ok(()) }
    }

    fn newest_epoch(&self) -> u64 {
        self.stored.epochs.last().copied().unwrap_or(0)
    }

    fn committed(&mut self, level: Level) {
        if level == Level::Durable {
            self.durable = self.stored.clone();
            self.since.clear();
        } else {
            self.since.push(self.stored.clone());
        }
    }
}

// What is asked.
impl MemoryStorage {
    /// Does what is asked; none if there is never an answer.
    pub(crate) fn execute(&mut self, request: &RecoveryRequest<'_>) -> Option<RecoveryAnswer> {
        self.with_faults(&mut |storage| storage.perform(request), &RecoveryAnswer::Failed)
    }

    /// Does what a store asked for; none if there is never an answer.
    pub(crate) fn execute_job(&mut self, job: &Job) -> Option<StoreAnswer> {
        self.with_faults(&mut |storage| storage.perform_job(job), &StoreAnswer::Failed)
    }

    /// Does what a store asks for, at once.
    pub(crate) fn answer(&mut self, store: &Store, request: &StoreRequest) -> Option<StoreAnswer> {
        self.execute_job(&Job::new(store, request))
    }

    /// Runs an operation, or lets happen what is to happen instead.
    fn with_faults<A>(
        &mut self,
        operation: &mut dyn FnMut(&mut MemoryStorage) -> A,
        failed: &dyn Fn(StorageFault) -> A,
    ) -> Option<A> {
        let fault = self.faults.at.get(&self.operations).copied();
        self.operations += 1;
        match fault {
            Some(Fault::Fails(fault)) => Some(failed(fault)),
            Some(Fault::FailsAfterSuccess(fault)) => {
                operation(self);
                Some(failed(fault))
            }
            Some(Fault::NeverAnswers) => {
                operation(self);
                None
            }
            None => Some(operation(self)),
        }
    }

    /// Does what a store asked for. Nothing goes wrong but what a fence refuses.
    pub(crate) fn perform_job(&mut self, job: &Job) -> StoreAnswer {
        let written = match &job.work {
            Work::Append { epoch, level, chunks } => {
                let chunks: Vec<(u64, &[u8])> = chunks.iter().map(|(key, bytes)| (*key, &***bytes)).collect();
                self.append(*epoch, *level, &chunks)
            }
            Work::Reopen => return StoreAnswer::Reopened { tail: self.tail(), epoch: self.newest_epoch() },
            Work::NewSegment => Ok(()),
            Work::PutParts { epoch, parts } => {
                let parts: Vec<(u64, &[u8])> = parts.iter().map(|(key, bytes)| (*key, &***bytes)).collect();
                self.put_parts(*epoch, &parts)
            }
            Work::ListParts => return StoreAnswer::PartIds(self.stored.parts.keys().copied().collect()),
            Work::Flip { epoch, manifest, delete_log_upto } => self.flip(*epoch, manifest, *delete_log_upto),
            Work::ReadManifest => return StoreAnswer::Manifest(self.manifest()),
            Work::DeleteParts { epoch, ids } => self.delete_parts(*epoch, ids),
            Work::DeleteLog { epoch, upto } => self.delete_log(*epoch, *upto),
            Work::WriteWitness(witness) => {
                self.witness = Some(*witness);
                Ok(())
            }
        };
        match written {
            Ok(()) => StoreAnswer::Done,
            Err(_) => StoreAnswer::Fenced,
        }
    }

    /// Where the log ends: with the last chunk, or with the manifest if that is later.
    fn tail(&self) -> Tail {
        let manifest = self.stored.manifest.as_ref();
        let covered = manifest.map(|bytes| Manifest::decode(bytes).expect("the manifest is whole").tail());
        let last = self.stored.log.values().next_back();
        let last = last.map(|bytes| {
            let Chunk { log_id, epoch, sequence, checksum, .. } = Chunk::decode(bytes).expect("the chunk is whole");
            Tail { log_id, epoch, sequence, checksum }
        });
        covered.into_iter().chain(last).max_by_key(|tail| tail.sequence).unwrap_or_default()
    }

    fn perform(&mut self, request: &RecoveryRequest<'_>) -> RecoveryAnswer {
        let written = match *request {
            RecoveryRequest::ReadManifest => return RecoveryAnswer::Manifest(self.manifest()),
            RecoveryRequest::ReadWitness => return RecoveryAnswer::Witness(self.witness),
            RecoveryRequest::ReadEpoch => return RecoveryAnswer::Epoch(self.newest_epoch()),
            RecoveryRequest::ListLog => {
                let log = &self.stored.log;
                let bounds = log.keys().next().copied().zip(log.keys().next_back().copied());
                return RecoveryAnswer::LogBounds(bounds);
            }
            RecoveryRequest::ListParts => {
                return RecoveryAnswer::PartIds(self.stored.parts.keys().copied().collect());
            }
            RecoveryRequest::ReadParts(parts) => {
                let ids: Vec<u64> = parts.iter().map(|part| part.id).collect();
                return self.read_parts(&ids);
            }
            RecoveryRequest::ReadLog { from_sequence, bytes_max } => return self.read_log(from_sequence, bytes_max),
            RecoveryRequest::ReadLogOne { from_sequence } => return self.read_log_one(from_sequence),
            RecoveryRequest::Claim { .. } if self.faults.is_locked => return RecoveryAnswer::Locked,
            RecoveryRequest::Claim { epoch } => self.claim(epoch),
            RecoveryRequest::CutLog { epoch, from_sequence } => self.cut(epoch, from_sequence),
            RecoveryRequest::MarkLossy { epoch, manifest, quarantine_from } => {
                self.mark_lossy(epoch, manifest, quarantine_from)
            }
        };
        written.err().unwrap_or(RecoveryAnswer::Done)
    }

    fn read(&self, place: Place, bytes: Option<&Bytes>) -> Stored {
        match bytes {
            _ if self.faults.unreadable.contains(&place) => Stored::Unreadable,
            Some(bytes) => Stored::Bytes(bytes.to_vec()),
            None => Stored::Missing,
        }
    }

    fn manifest(&self) -> Stored {
        self.read(Place::Manifest, self.stored.manifest.as_ref())
    }

    fn read_parts(&self, ids: &[u64]) -> RecoveryAnswer {
        if ids.len() > 1 && ids.iter().any(|&id| self.faults.unreadable.contains(&Place::Part(id))) {
            return RecoveryAnswer::Failed(StorageFault::Io);
        }
        RecoveryAnswer::Parts(ids.iter().map(|id| self.read(Place::Part(*id), self.stored.parts.get(id))).collect())
    }

    fn read_log(&self, from_sequence: u64, bytes_max: usize) -> RecoveryAnswer {
        let mut rest = self.stored.log.range(from_sequence..).peekable();
        let (mut chunks, mut length) = (Vec::new(), 0);
        while let Some((sequence, bytes)) = rest.next_if(|(_, bytes)| length == 0 || length + bytes.len() <= bytes_max)
        {
            if self.faults.unreadable.contains(&Place::Chunk(*sequence)) {
                return RecoveryAnswer::Failed(StorageFault::Io);
            }
            length += bytes.len();
            chunks.push((*sequence, Stored::Bytes(bytes.to_vec())));
        }
        RecoveryAnswer::LogPage { chunks, has_more: rest.peek().is_some() }
    }

    fn read_log_one(&self, from_sequence: u64) -> RecoveryAnswer {
        let found = self.stored.log.range(from_sequence..).next();
        let read = |(sequence, bytes): (&u64, &Bytes)| (*sequence, self.read(Place::Chunk(*sequence), Some(bytes)));
        // As with a cursor on keys, which knows that there is more only by going on.
        RecoveryAnswer::LogPage { chunks: found.map(read).into_iter().collect(), has_more: found.is_some() }
    }
}

// What happens to it.
impl MemoryStorage {
    /// The power goes: of what was not durable, the first transactions survive.
    pub(crate) fn lose_power(&mut self, survivors: usize) {
        self.stored = match survivors.min(self.since.len()) {
            0 => self.durable.clone(),
            count => self.since[count - 1].clone(),
        };
        self.committed(Level::Durable);
    }

    /// What is there is durable from now on.
    pub(crate) fn settle(&mut self) {
        self.committed(Level::Durable);
    }

    /// The log that survives the loss of power for sure.
    pub(crate) fn durable_log(&self) -> &BTreeMap<u64, Bytes> {
        &self.durable.log
    }

    /// All chunks that are not durable, each as it was written each time.
    pub(crate) fn undurable_chunks(&self) -> impl Iterator<Item = &Bytes> {
        let logs = self.since.iter().map(|contents| &contents.log);
        logs.flatten().filter(|(sequence, _)| !self.durable.log.contains_key(sequence)).map(|(_, bytes)| bytes)
    }

    /// How many transactions are not durable.
    pub(crate) fn undurable(&self) -> usize {
        self.since.len()
    }

    /// Everything is gone, except what lies elsewhere.
    pub(crate) fn erase(&mut self) {
        self.stored = Contents::default();
        self.committed(Level::Durable);
    }

    /// A bit of a value changes, at a position that is taken modulo its length.
    pub(crate) fn flip_bit(&mut self, place: Place, bit: usize) {
        let bytes = match place {
            Place::Manifest => self.stored.manifest.as_mut(),
            Place::Part(id) => self.stored.parts.get_mut(&id),
            Place::Chunk(sequence) => self.stored.log.get_mut(&sequence),
        };
        let bytes = Rc::make_mut(bytes.expect("there is such a value"));
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }

    /// A value vanishes.
    pub(crate) fn drop_value(&mut self, place: Place) {
        let dropped = match place {
            Place::Manifest => self.stored.manifest.take(),
            Place::Part(id) => self.stored.parts.remove(&id),
            Place::Chunk(sequence) => self.stored.log.remove(&sequence),
        };
        assert!(dropped.is_some(), "there was no {place:?}");
    }

    /// The log, as one file with chunk after chunk, loses its last bytes.
    pub(crate) fn cut_log(&mut self, mut bytes: usize) {
        while let Some(mut last) = self.stored.log.last_entry() {
            let length = last.get().len();
            if bytes < length {
                Rc::make_mut(last.get_mut()).truncate(length - bytes);
                return;
            }
            bytes -= length;
            last.remove();
        }
    }

    /// The bytes of everything but the rows of the epochs and the quarantine.
    pub(crate) fn bytes(&self) -> usize {
        let parts: usize = self.stored.parts.values().map(|bytes| bytes.len()).sum();
        self.log_bytes() + parts + self.stored.manifest.as_ref().map_or(0, |bytes| bytes.len())
    }

    /// The length of the log as one file.
    pub(crate) fn log_bytes(&self) -> usize {
        self.stored.log.values().map(|bytes| bytes.len()).sum()
    }
}
