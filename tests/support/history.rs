//! A real engine's journal in a storage, and how a storage is opened again: what the tests of recovery start from.

use brooklet::persist::{
    EncodedChunk, Manifest, OnCorruption, OnDataLoss, OpenError, Part, Recovered, Recovery, RecoveryAnswer,
    RecoveryConfig, RecoveryItem, RecoveryRequest, StorageFault, Tail, Witness,
};
use brooklet::{Config, Engine, ReplayError};

use crate::engine::{self, View, compare_views, recorded_view};
use crate::generate::{Generator, Mode};
use crate::model::Settings;
use crate::steps::{next_step, random_settings};
use crate::storage::{Contents, Level, MemoryStorage};

pub(crate) const LOG_ID: u64 = 0x0123_4567_89ab_cdef;
/// For the log that is begun if nothing is found.
pub(crate) const NEW_LOG_ID: u64 = 0xfeed;
/// The clock of the first owner is behind this by the engine's.
const BASE_MS: u64 = 1_700_000_000_000;
const PART_OF_JOURNAL: u8 = 1;

/// A moment at which a group was complete.
pub(crate) struct Moment {
    /// The last chunk of the group.
    pub(crate) tail: Tail,
    /// How many journal bytes and units there were.
    pub(crate) journal_bytes: usize,
    pub(crate) units: u64,
    pub(crate) base_ms: u64,
    now_ms: u64,
    view: Option<View>,
}

/// How much is written, and how it is cut.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) journal_bytes: usize,
    pub(crate) group_bytes: usize,
    pub(crate) chunk_bytes_max: usize,
    /// Whether the state is noted after each group; it costs more than everything else.
    pub(crate) has_views: bool,
}

/// A log as its owner wrote it: an epoch mark, then groups.
pub(crate) struct History {
    settings: Settings,
    pub(crate) chunks: Vec<EncodedChunk>,
    pub(crate) moments: Vec<Moment>,
    pub(crate) journal: Vec<u8>,
}

impl History {
    pub(crate) fn new(seed: u64, shape: Shape) -> History {
        let mut generator = Generator::new(seed, Mode::All);
        let settings = random_settings(&mut generator);
        let mut live = Engine::new(journaling(&settings));
        let mut tail = Tail::new(LOG_ID);
        let mut chunks = Vec::new();
        tail.append_epoch_mark(1, BASE_MS, &mut chunks).expect("the numbers are in range");
        let mut history = History { settings, chunks, moments: Vec::new(), journal: Vec::new() };
        let now_ms = generator.now_ms();
        let empty = shape.has_views.then(|| recorded_view(&mut live, now_ms));
        history.note(tail, 0, BASE_MS, now_ms, empty);
        let mut group = Vec::new();
        while history.journal.len() < shape.journal_bytes {
            let step = next_step(&mut generator);
            let replies = engine::run_step(&mut live, &step);
            for (command, reply) in step.commands.iter().zip(&replies) {
                generator.observe(command, reply);
            }
            if live.effects_len() < shape.group_bytes {
                continue;
            }
            // Looking at a key may let it expire, which is an effect of its own.
            let view = shape.has_views.then(|| recorded_view(&mut live, step.now_ms));
            let units = live.take_effects(&mut group).0;
            let new_units = (units - history.last().units) as u32;
            let base_ms = BASE_MS + step.now_ms;
            tail.append_group(&group, new_units, base_ms, shape.chunk_bytes_max, &mut history.chunks)
                .expect("the numbers are in range");
            history.journal.append(&mut group);
            history.note(tail, units, base_ms, step.now_ms, view);
        }
        history
    }

    fn note(&mut self, tail: Tail, units: u64, base_ms: u64, now_ms: u64, view: Option<View>) {
        let journal_bytes = self.journal.len();
        self.moments.push(Moment { tail, journal_bytes, units, base_ms, now_ms, view });
    }

    pub(crate) fn last(&self) -> &Moment {
        self.moments.last().expect("there is the epoch mark")
    }

    /// The moment at which the log ended with this chunk.
    pub(crate) fn moment(&self, sequence: u64) -> &Moment {
        let found = self.moments.iter().find(|moment| moment.tail.sequence == sequence);
        found.unwrap_or_else(|| panic!("chunk {sequence} does not end a group"))
    }

    /// The last moment before this chunk.
    pub(crate) fn moment_before(&self, sequence: u64) -> &Moment {
        let found = self.moments.iter().rfind(|moment| moment.tail.sequence < sequence);
        found.unwrap_or_else(|| panic!("no group ends before chunk {sequence}"))
    }

    /// A storage with the whole log, each group appended at this level.
    pub(crate) fn stored(&self, level: Level) -> MemoryStorage {
        let mut storage = MemoryStorage::default();
        storage.claim(1).expect("the storage is empty");
        let mut first = 0;
        for moment in &self.moments {
            let end = moment.tail.sequence as usize;
            let group: Vec<(u64, &[u8])> =
                self.chunks[first..end].iter().map(|chunk| (chunk.sequence, &*chunk.bytes)).collect();
            storage.append(1, level, &group).expect("nobody else is there");
            first = end;
        }
        storage
    }

    /// The same with a snapshot of the state at a moment: parts of a few journal bytes each.
    pub(crate) fn stored_with_snapshot(&self, moment: &Moment, parts: usize) -> (MemoryStorage, Manifest) {
        let mut storage = self.stored(Level::Durable);
        let mut listed = Vec::new();
        for (id, payload) in self.runs_until(moment, parts).into_iter().enumerate() {
            let part = Part { log_id: LOG_ID, id: id as u64, kind: PART_OF_JOURNAL, payload };
            let (bytes, reference) = part.encode().expect("the numbers are in range");
            storage.put_parts(1, &[(reference.id, &bytes)]).expect("nobody else is there");
            listed.push(reference);
        }
        let manifest = Manifest {
            log_id: LOG_ID,
            epoch: 1,
            upto_sequence: moment.tail.sequence,
            upto_checksum: moment.tail.checksum,
            state_hash: 42,
            created_ms: moment.base_ms,
            next_part_id: listed.len() as u64,
            is_lossy: false,
            parts: listed,
        };
        storage.flip(1, &manifest.encode().expect("in range"), moment.tail.sequence).expect("nobody else is there");
        (storage, manifest)
    }

    /// The journal until a moment, cut between groups.
    fn runs_until(&self, moment: &Moment, parts: usize) -> Vec<&[u8]> {
        let ends: Vec<usize> = self.moments.iter().map(|moment| moment.journal_bytes).collect();
        let count = ends.iter().filter(|&&end| end <= moment.journal_bytes).count();
        let mut starts: Vec<usize> = (0..parts).map(|part| ends[part * count / parts]).collect();
        starts.dedup();
        let next = starts.iter().skip(1).copied().chain([moment.journal_bytes]);
        starts.iter().zip(next).map(|(&from, to)| &self.journal[from..to]).collect()
    }

    /// A storage with the chunks from one moment to another, and a manifest without parts that covers those before.
    pub(crate) fn stored_from(&self, covered: &Moment, last: &Moment) -> MemoryStorage {
        let mut storage = MemoryStorage::default();
        storage.claim(1).expect("the storage is empty");
        let Tail { log_id, epoch, sequence: upto_sequence, checksum: upto_checksum } = covered.tail;
        let manifest = Manifest { log_id, epoch, upto_sequence, upto_checksum, ..Manifest::default() };
        storage.flip(1, &manifest.encode().expect("in range"), 0).expect("nobody else is there");
        for chunk in &self.chunks[covered.tail.sequence as usize..last.tail.sequence as usize] {
            storage.append(1, Level::Durable, &[(chunk.sequence, &chunk.bytes)]).expect("nobody else is there");
        }
        storage
    }

    /// How much of the journal is left out by a snapshot without parts.
    fn end_of_empty_snapshot(&self, manifest: &[u8]) -> usize {
        match Manifest::decode(manifest) {
            Ok(manifest) if manifest.parts.is_empty() && manifest.upto_sequence > 0 => {
                self.moment(manifest.upto_sequence).journal_bytes
            }
            _ => 0,
        }
    }

    /// What a witness noted after this moment.
    pub(crate) fn witness(moment: &Moment) -> Witness {
        let Tail { log_id, epoch, sequence, .. } = moment.tail;
        Witness { log_id, epoch, durable_sequence: sequence, clock_ms: moment.base_ms + 1, is_clean: false }
    }

    /// Opens a storage with an engine, and compares everything that can be seen with the moment that was recovered.
    pub(crate) fn open_and_compare(&self, storage: &mut MemoryStorage, config: RecoveryConfig) -> Recovered {
        let mut engine = Engine::new(journaling(&self.settings));
        let recovered = open_into(storage, config, &mut |item| match item {
            RecoveryItem::Part(part) => engine.replay(part.payload),
            RecoveryItem::SnapshotEnd { .. } => Ok(()),
            RecoveryItem::Group(group) => engine.replay(group.journal),
        });
        let recovered = recovered.unwrap_or_else(|error| panic!("{error}"));
        let moment = self.moment(recovered.tail.sequence);
        assert_eq!(recovered.tail, moment.tail);
        assert_eq!(engine.position().0, moment.units);
        engine.validate().expect("no invariant is broken");
        let expected = moment.view.as_ref().expect("views were asked for");
        compare_views(expected, &recorded_view(&mut engine, moment.now_ms))
            .unwrap_or_else(|difference| panic!("{difference}"));
        recovered
    }

    /// Opens a storage, and compares the journal bytes that come out with those that went in.
    pub(crate) fn open(&self, storage: &mut MemoryStorage, config: RecoveryConfig) -> Result<Recovered, OpenError> {
        let begin = storage.stored.manifest.as_ref().map_or(0, |bytes| self.end_of_empty_snapshot(bytes));
        let mut journal = Vec::new();
        let recovered = open_into(storage, config, &mut |item| {
            match item {
                RecoveryItem::Part(part) => journal.extend_from_slice(part.payload),
                RecoveryItem::SnapshotEnd { state_hash } => assert_eq!(state_hash, 42),
                RecoveryItem::Group(group) => {
                    assert!(!group.is_epoch_mark, "there is nothing to apply");
                    journal.extend_from_slice(group.journal);
                }
            }
            Ok(())
        })?;
        if recovered.tail.sequence == 0 {
            assert_eq!(journal.len(), 0);
        } else {
            let moment = self.moment(recovered.tail.sequence);
            assert_eq!(recovered.tail, moment.tail);
            assert!(journal == self.journal[begin..moment.journal_bytes], "other journal bytes");
        }
        Ok(recovered)
    }
}

/// Opens a storage. Whatever happens, nothing may have changed but the epoch, unless all was well in the end; and for
/// whoever only looks not even that.
pub(crate) fn open_into(
    storage: &mut MemoryStorage,
    config: RecoveryConfig,
    sink: &mut dyn FnMut(RecoveryItem<'_>) -> Result<(), ReplayError>,
) -> Result<Recovered, OpenError> {
    let before = storage.stored.clone();
    let outcome = run(storage, config, sink);
    if config.is_read_only {
        assert!(storage.stored == before, "a reader has written");
    } else if outcome.is_err() && storage.faults.at.is_empty() {
        assert!(storage.stored.without_epochs() == before.without_epochs(), "a failed opening has written");
    }
    outcome
}

fn run(
    storage: &mut MemoryStorage,
    config: RecoveryConfig,
    sink: &mut dyn FnMut(RecoveryItem<'_>) -> Result<(), ReplayError>,
) -> Result<Recovered, OpenError> {
    let mut recovery = Recovery::new(config);
    while let Some((ticket, request)) = recovery.next_request() {
        let answer = storage.execute(&request);
        let answer = answer.unwrap_or(RecoveryAnswer::Failed(StorageFault::NoAnswer));
        check_page(&answer, config.page_bytes);
        assert!(recovery.next_request().is_none(), "it asked twice");
        recovery.answered(ticket, answer, sink);
    }
    recovery.take_outcome().expect("nothing is asked after the end only")
}

/// Pages are what bounds the memory of an opening.
fn check_page(answer: &RecoveryAnswer, page_bytes: usize) {
    use brooklet::persist::Stored;
    let length = |stored: &Stored| if let Stored::Bytes(bytes) = stored { bytes.len() } else { 0 };
    let lengths: Vec<usize> = match answer {
        RecoveryAnswer::Parts(parts) => parts.iter().map(length).collect(),
        RecoveryAnswer::LogPage { chunks, .. } => chunks.iter().map(|(_, stored)| length(stored)).collect(),
        _ => return,
    };
    let all: usize = lengths.iter().sum();
    assert!(lengths.len() <= 1 || all <= page_bytes, "a page of {all} bytes");
}

/// Opens, and shows each request to `meanwhile` before it is executed, until that says that it has seen enough.
pub(crate) fn open_while(
    storage: &mut MemoryStorage,
    config: RecoveryConfig,
    meanwhile: &mut dyn FnMut(&mut MemoryStorage, &RecoveryRequest<'_>) -> bool,
) -> Result<Recovered, OpenError> {
    let mut recovery = Recovery::new(config);
    let mut is_over = false;
    while let Some((ticket, request)) = recovery.next_request() {
        is_over = is_over || meanwhile(storage, &request);
        let answer = storage.execute(&request).expect("nothing is switched on");
        recovery.answered(ticket, answer, &mut |_| Ok(()));
    }
    recovery.take_outcome().expect("nothing is asked after the end only")
}

/// Everything that is asked, by name.
pub(crate) fn requests(storage: &mut MemoryStorage, config: RecoveryConfig) -> Vec<String> {
    let mut names = Vec::new();
    let _ = open_while(storage, config, &mut |_, request| {
        let text = format!("{request:?}");
        names.extend(text.split([' ', '(']).next().map(String::from));
        false
    });
    names
}

pub(crate) fn config() -> RecoveryConfig {
    RecoveryConfig::new(NEW_LOG_ID)
}

pub(crate) fn tearable() -> RecoveryConfig {
    RecoveryConfig { can_tear: true, ..config() }
}

pub(crate) fn salvaging() -> RecoveryConfig {
    RecoveryConfig { on_corruption: OnCorruption::Salvage, ..config() }
}

pub(crate) fn accepting() -> RecoveryConfig {
    RecoveryConfig { on_data_loss: OnDataLoss::Accept, ..config() }
}

pub(crate) fn read_only() -> RecoveryConfig {
    RecoveryConfig { is_read_only: true, ..config() }
}

/// The same storage, for the next attempt.
pub(crate) fn contents(storage: &MemoryStorage) -> Contents {
    storage.stored.clone()
}

fn journaling(settings: &Settings) -> Config {
    Config { journal: true, ..engine::config(settings) }
}
