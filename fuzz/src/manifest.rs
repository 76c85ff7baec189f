//! The manifest, and any bytes whatsoever as a whole storage.
//!
//! The first byte says how the storage is opened, the second what fails meanwhile, the third what becomes of the rest:
//! one manifest, a storage told value by value, or changes to a real storage.
//!
//! *Checked*: nothing panics, and nothing is allocated by an announced size; a manifest that was decoded encodes to the
//! same bytes; opening ends, with a state or with a refusal that has changed nothing but the epoch; a state passes
//! `validate()` and bears commands of all kinds; what the writer stores of them behind the log is there when the storage
//! is opened once more, and shows the same; and a failure of the storage on the way changes nothing about all that.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::LazyLock;

use brooklet::Engine;
use brooklet::persist::{
    Answer, Level, MANIFEST_HEADER_BYTES, Manifest, NUMBER_END, OnCorruption, OnDataLoss, OpenError, Part, PartRef,
    Recovered, Recovery, RecoveryAnswer, RecoveryConfig, RecoveryItem, StorageFault, Witness, Writer, WriterConfig,
    WriterRequest,
};

use super::dump::dump;
use super::input::Input;
use super::journals::{KEYS, LATER_MS, new_engine, run_traffic};
use super::storage::{self, Fault, MemoryStorage};
use super::values::{
    FIXTURES, LOG_ID, Place, RealLog, Record, change_record, key, mend_chain, mend_seal, number, place, records, told,
};

/// The storage is given more requests than it has values, but not many more.
const REQUESTS_MAX: u64 = 1000;
/// The log that begins if nothing is found.
const NEW_LOG_ID: u64 = 0xfeed;

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let config = config(input.byte());
    let fault = fault(input.byte());
    let records = match input.byte() {
        b'm' => return check_codec(input.rest()),
        b'r' => changed_storage(input),
        _ => records(input.rest()),
    };
    for (key, value) in &records {
        if place(*key) == Place::Manifest {
            check_codec(value);
        }
    }
    let mut storage = storage_of(&records);
    if config.on_corruption == OnCorruption::Salvage && config.on_data_loss == OnDataLoss::Refuse {
        // What was put aside is missed by a witness that saw it, until there is a newer one.
        storage.witness = None;
    }
    if let Some((operation, fault)) = fault {
        let mut other = storage.clone();
        open_twice(&mut other, config, operation, fault);
    }
    let Ok((recovered, mut engine)) = open(&mut storage, config) else { return };
    if recovered.epoch.is_some() {
        go_on(&mut storage, config, &recovered, &mut engine);
    }
}

/// What a corpus begins with: a name and an input each.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let real = |settings: u8, fault: u8, changes: &[u8]| [&[settings, fault, b'r'], changes].concat();
    let mut seeds = vec![
        ("empty".into(), Vec::new()),
        ("real".into(), real(0, 0, &[])),
        ("real-only-looked-at".into(), real(2, 0, &[])),
        ("real-in-small-pages".into(), real(16, 0, &[])),
        ("real-with-a-failure".into(), real(16, 64 | 9, &[])),
        ("real-with-a-failed-claim".into(), real(0, 128 | 5, &[])),
        ("real-without-an-answer".into(), real(16, 192 | 11, &[])),
        ("real-without-a-part".into(), real(0, 0, &[1, 0xf0])),
        ("real-without-the-manifest".into(), real(12, 0, &[3, 0xf0])),
        ("real-holed-and-salvaged".into(), real(4, 0, &[5, 0xf0])),
        ("real-without-its-end-and-accepted".into(), real(8, 0, &[8, 0xf0])),
        ("real-torn-without-a-witness".into(), real(1, 0, &[8, 1, 70, 0, 4, 0, 11, 0xf0])),
        ("real-with-a-leftover".into(), real(0, 0, &[0, 0xf4, 0, 0xec, 9])),
        ("storage".into(), [&b"\0\0s"[..], &told(&REAL)].concat()),
        ("manifest".into(), [&b"\0\0m"[..], include_bytes!("../../tests/fixtures/v1/good.manifest")].concat()),
        (
            "manifest-too-new".into(),
            [&b"\0\0m"[..], include_bytes!("../../tests/fixtures/v1/too_new.manifest")].concat(),
        ),
    ];
    for (settings, (name, log)) in [0, 1, 4, 4, 0].into_iter().zip(FIXTURES) {
        seeds.push((format!("fixture-{name}"), [&[settings, 0, b's'], log].concat()));
    }
    seeds
}

fn config(byte: u8) -> RecoveryConfig {
    let has = |bit: u8| byte & bit != 0;
    RecoveryConfig {
        can_tear: has(1),
        is_read_only: has(2),
        on_corruption: if has(4) { OnCorruption::Salvage } else { OnCorruption::Refuse },
        on_data_loss: if has(8) { OnDataLoss::Accept } else { OnDataLoss::Refuse },
        page_bytes: if has(16) { 200 } else { 1 << 20 },
        ..RecoveryConfig::new(NEW_LOG_ID)
    }
}

/// What fails, and at which operation: nothing below 64.
fn fault(byte: u8) -> Option<(u64, Fault)> {
    let fault = match byte >> 6 {
        0 => return None,
        1 => Fault::Fails(StorageFault::Io),
        2 => Fault::FailsAfterSuccess(StorageFault::Closed),
        _ => Fault::NeverAnswers,
    };
    Some((u64::from(byte & 63), fault))
}

/// A manifest that can be decoded is written again as it was, unless another version wrote it.
fn check_codec(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    mend_seal(&mut bytes);
    let Ok(manifest) = Manifest::decode(&bytes) else { return };
    let encoded = manifest.encode().expect("what can be read can be written");
    assert_eq!(Manifest::decode(&encoded).as_ref(), Ok(&manifest));
    let is_of_version_1 = bytes[4] == 1
        && bytes[5] <= 1
        && usize::from(u16::from_le_bytes([bytes[6], bytes[7]])) == MANIFEST_HEADER_BYTES
        && bytes[68..72] == [1, 0, 0, 0];
    assert!(encoded == bytes || !is_of_version_1, "a manifest is written otherwise than it was read");
}

// ---------------------------------------------------------------------------------------------------------------------
// Storages
// ---------------------------------------------------------------------------------------------------------------------

/// The values of a real storage: a snapshot in three parts, the log behind it, two epochs, a witness.
static REAL: LazyLock<Vec<Record>> = LazyLock::new(|| {
    let log = RealLog::new();
    let covered = log.moments[2];
    let mut records = Vec::new();
    let mut parts = Vec::new();
    let mut from = 0;
    for (id, moment) in log.moments[..3].iter().enumerate() {
        let payload = &log.journal[from..moment.journal_bytes];
        from = moment.journal_bytes;
        let part = Part { log_id: LOG_ID, id: id as u64, kind: 1, payload };
        let (bytes, listed) = part.encode().expect("the numbers are in range");
        records.push((key(Place::Part, listed.id), bytes));
        parts.push(listed);
    }
    let manifest = Manifest {
        log_id: LOG_ID,
        epoch: covered.tail.epoch,
        upto_sequence: covered.tail.sequence,
        upto_checksum: covered.tail.checksum,
        state_hash: 42,
        created_ms: 4000,
        next_part_id: 3,
        is_lossy: false,
        parts,
    };
    records.push((key(Place::Manifest, 0), manifest.encode().expect("the numbers are in range")));
    records.extend(log.records().into_iter().filter(|(sequence, _)| *sequence > covered.tail.sequence));
    let last = log.moments.last().expect("it has groups").tail;
    records.extend((1..=last.epoch).map(|epoch| (key(Place::Epoch, epoch), Vec::new())));
    let mut witness = Vec::new();
    for value in [LOG_ID, last.epoch, last.sequence, 6000] {
        witness.extend_from_slice(&value.to_le_bytes());
    }
    witness.push(0);
    records.push((key(Place::Witness, 0), witness));
    records
});

fn changed_storage(mut input: Input<'_>) -> Vec<Record> {
    let mut records = REAL.clone();
    while !input.is_empty() {
        change_record(&mut records, &mut input);
    }
    records
}

fn storage_of(records: &[Record]) -> MemoryStorage {
    let mut storage = MemoryStorage::default();
    let stored = &mut storage.stored;
    for (key, value) in records {
        let value = Rc::new(value.clone());
        match place(*key) {
            Place::Chunk => drop(stored.log.insert(number(*key), value)),
            Place::Part => drop(stored.parts.insert(number(*key), value)),
            Place::Manifest => stored.manifest = Some(value),
            Place::Epoch => drop(stored.epochs.insert(number(*key))),
            Place::Witness => storage.witness = witness(&value),
        }
    }
    mend(&mut storage);
    storage
}

fn witness(bytes: &[u8]) -> Option<Witness> {
    let (numbers, [flag, ..]) = bytes.split_at_checked(32)? else { return None };
    let numbers: Vec<u64> =
        numbers.chunks(8).map(|bytes| bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte))).collect();
    let [log_id, epoch, durable_sequence, clock_ms] = numbers[..] else { return None };
    Some(Witness { log_id, epoch, durable_sequence, clock_ms, is_clean: flag & 1 != 0 })
}

/// Repairs all checksums, those by which one value names another included.
fn mend(storage: &mut MemoryStorage) {
    let stored = &mut storage.stored;
    let mut listed = Vec::new();
    for (&id, value) in &mut stored.parts {
        let value = Rc::make_mut(value);
        let checksum = mend_seal(value);
        listed.push(PartRef { id, length: u32::try_from(value.len()).expect("values are small"), checksum });
    }
    let (mut upto, mut previous) = (0, 0);
    if let Some(manifest) = &mut stored.manifest {
        let manifest = Rc::make_mut(manifest);
        for part in &listed {
            list(manifest, part);
        }
        mend_seal(manifest);
        if let Ok(manifest) = Manifest::decode(manifest) {
            (upto, previous) = (manifest.upto_sequence, manifest.upto_checksum);
        }
    }
    mend_chain(stored.log.iter_mut().filter(|(key, _)| **key > upto).map(|(_, value)| Rc::make_mut(value)), previous);
}

/// Lets a manifest list a part as it is, wherever it lists it.
fn list(manifest: &mut [u8], part: &PartRef) {
    let Some((_, rows)) = manifest.split_at_mut_checked(MANIFEST_HEADER_BYTES) else { return };
    for row in rows.chunks_exact_mut(20) {
        if row.starts_with(&part.id.to_le_bytes()) {
            row[8..12].copy_from_slice(&part.length.to_le_bytes());
            row[12..].copy_from_slice(&part.checksum.to_le_bytes());
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Opening
// ---------------------------------------------------------------------------------------------------------------------

/// Opens a storage, and checks what is promised of every opening.
fn open(storage: &mut MemoryStorage, config: RecoveryConfig) -> Result<(Recovered, Engine), OpenError> {
    let before = storage.stored.clone();
    let mut engine = new_engine();
    let mut recovery = Recovery::new(config);
    let mut requests = 0;
    while let Some((ticket, request)) = recovery.next_request() {
        requests += 1;
        assert!(requests < REQUESTS_MAX, "it asks for ever");
        let answer = storage.execute(&request).unwrap_or(RecoveryAnswer::Failed(StorageFault::NoAnswer));
        assert!(recovery.next_request().is_none(), "it asked twice");
        recovery.answered(ticket, answer, &mut |item| match item {
            RecoveryItem::Part(part) => engine.replay(part.payload),
            RecoveryItem::SnapshotEnd { .. } => Ok(()),
            RecoveryItem::Group(group) => engine.replay(group.journal),
        });
    }
    let outcome = recovery.take_outcome().expect("nothing is asked after the end only");
    engine.validate().expect("after an opening");
    if config.is_read_only {
        assert!(storage.stored == before, "a reader has written");
    } else if outcome.is_err() && storage.faults.at.is_empty() {
        assert!(storage.stored.without_epochs() == before.without_epochs(), "a failed opening has written");
    }
    let recovered = outcome.inspect_err(|error| assert!(!error.to_string().is_empty()))?;
    check_recovered(storage, &config, &recovered);
    Ok((recovered, engine))
}

fn check_recovered(storage: &MemoryStorage, config: &RecoveryConfig, recovered: &Recovered) {
    let stored = &storage.stored;
    assert_eq!(recovered.epoch.is_none(), config.is_read_only);
    if let Some(epoch) = recovered.epoch {
        assert_eq!(stored.epochs.last(), Some(&epoch), "the claim is the newest epoch");
        assert!(recovered.tail.epoch < epoch, "somebody has written under the new epoch");
        let last = stored.log.keys().next_back().copied().unwrap_or(0);
        assert!(last <= recovered.tail.sequence, "something is left behind the end");
    }
    assert!(stored.parts.keys().all(|id| *id < recovered.next_part_id), "an ID would be given twice");
    let parts = recovered.manifest.as_ref().map_or(&[][..], |manifest| &manifest.parts);
    let listed: BTreeSet<u64> = parts.iter().map(|part| part.id).collect();
    for id in &recovered.leftovers.part_ids {
        assert!(stored.parts.contains_key(id) && !listed.contains(id), "part {id} is no leftover");
    }
    let is_lossy = !recovered.losses.is_empty() && !recovered.is_new;
    assert!(recovered.was_clean <= (!is_lossy && recovered.tail_dropped.chunks == 0), "clean, and something is lost");
}

/// Opens a storage that fails once, and then again: the second opening ends as one without any failure.
fn open_twice(storage: &mut MemoryStorage, config: RecoveryConfig, operation: u64, fault: Fault) {
    let without = open(&mut storage.clone(), config);
    if matches!(without, Err(OpenError::Fenced { .. })) {
        // A log of an epoch that nobody has claimed. It ends with the first opening that claims one above it.
        return;
    }
    storage.faults.at.insert(operation, fault);
    let first = open(storage, config);
    storage.faults.at.clear();
    let tail = |outcome: &Result<(Recovered, Engine), OpenError>| outcome.as_ref().map(|(it, _)| it.tail).ok();
    if first.is_ok() {
        assert_eq!(tail(&first), tail(&without), "a failure was survived, and the state is another");
    }
    let second = open(storage, config);
    assert_eq!(tail(&second), tail(&without), "a failure has changed the storage");
}

/// Runs commands, stores what they did, and opens the storage once more.
fn go_on(storage: &mut MemoryStorage, config: RecoveryConfig, recovered: &Recovered, engine: &mut Engine) {
    let epoch = recovered.epoch.expect("it was claimed");
    let now_ms = LATER_MS;
    let writer_config = WriterConfig { chunk_bytes_max: 300, ..WriterConfig::default() };
    let mut writer = Writer::new(writer_config, recovered.tail, engine.position()).expect("there is memory");
    let is_at_end = recovered.tail.sequence + REQUESTS_MAX > NUMBER_END || epoch + 1 >= NUMBER_END;
    if is_at_end {
        return;
    }
    writer.take_over(now_ms, epoch).expect("the numbers are in range");
    run_traffic(engine, now_ms);
    let mut effects = Vec::new();
    let position = engine.take_effects(&mut effects);
    writer.push(&mut effects, position).expect("there is memory");
    while let Some(request) = writer.next_request(now_ms).expect("the numbers are in range") {
        let WriterRequest::Append(append) = request else { panic!("nothing has failed: {request:?}") };
        let chunks: Vec<(u64, &[u8])> = writer.chunks(&append).map(|chunk| (chunk.sequence, &*chunk.bytes)).collect();
        let level = if append.level == Level::Durable { storage::Level::Durable } else { storage::Level::Written };
        storage.append(append.epoch, level, &chunks).expect("the epoch is ours");
        writer.answered(now_ms, append.ticket, Answer::Done);
        writer.validate().expect("after an answer");
    }
    assert_eq!(writer.written(), position, "all is written");

    let (again, mut reopened) = open(storage, config).expect("it was opened before, and nothing has happened");
    assert_eq!((again.tail.epoch, again.is_lossy), (epoch, recovered.is_lossy));
    assert_eq!(reopened.position(), engine.position());
    assert_eq!(dump(&mut reopened, now_ms + 1000, KEYS), dump(engine, now_ms + 1000, KEYS), "opened, and before");
}
