//! Rules 7 and 8: what is too new is not touched; looking, claiming, reading and the last write come in this order.

use brooklet::persist::{Manifest, OpenError, RecoveryAnswer, RecoveryRequest, StoredValue, Witness};
use xxhash_rust::xxh64::xxh64;

use crate::history::{History, accepting, config, contents, open_while, read_only, requests, salvaging, tearable};
use crate::storage::{Level, MemoryStorage};
use crate::{SMALL, with_snapshot};

/// Raises the version in a chunk's head and repairs its checksum, as a later version would write it.
fn as_newer_chunk(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[4] = 2;
    let covered: Vec<u8> = [&bytes[..56], &bytes[64..]].concat();
    bytes[56..64].copy_from_slice(&xxh64(&covered, 0).to_le_bytes());
    bytes
}

fn with_checksum_at_end(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 8;
    let checksum = xxh64(&bytes[..end], 0).to_le_bytes();
    bytes[end..].copy_from_slice(&checksum);
    bytes
}

#[test]
fn r7_a_manifest_or_last_chunk_that_is_too_new_leaves_the_storage_untouched() {
    let history = History::new(7, SMALL);
    let (storage, manifest) = with_snapshot(&history, 3);
    let mut newer = storage.clone();
    let mut bytes = manifest.encode().expect("in range");
    bytes[68] = 3;
    newer.stored.manifest = Some(with_checksum_at_end(bytes).into());
    let too_new = OpenError::TooNew { value: StoredValue::Manifest, major: 3, flags: 0 };
    check_untouched(&history, &mut newer, too_new);

    let mut newer = storage;
    let last = history.last().tail.sequence;
    let bytes = as_newer_chunk(&newer.stored.log[&last]);
    newer.stored.log.insert(last, bytes.into());
    let too_new = OpenError::TooNew { value: StoredValue::Chunk(last), major: 2, flags: 2 };
    check_untouched(&history, &mut newer, too_new);
}

fn check_untouched(history: &History, storage: &mut MemoryStorage, expected: OpenError) {
    let before = contents(storage);
    for config in [config(), tearable(), salvaging(), accepting(), read_only()] {
        assert_eq!(history.open(storage, config), Err(expected));
        assert!(storage.stored == before, "not even the epoch");
    }
}

#[test]
fn r7_a_part_or_chunk_that_is_too_new_is_refused_whatever_is_accepted() {
    let history = History::new(7, SMALL);
    let (storage, _) = with_snapshot(&history, 3);
    let mut newer = storage.clone();
    let mut bytes = newer.stored.parts[&1].to_vec();
    bytes[5] = 0x20;
    newer.stored.parts.insert(1, with_checksum_at_end(bytes).into());
    let too_new = OpenError::TooNew { value: StoredValue::Part(1), major: 1, flags: 0x20 };
    assert_eq!(history.open(&mut newer, salvaging()), Err(too_new));

    let mut newer = storage;
    let place = *newer.stored.log.keys().nth(2).expect("there are some");
    let bytes = as_newer_chunk(&newer.stored.log[&place]);
    newer.stored.log.insert(place, bytes.into());
    for config in [salvaging(), tearable()] {
        let error = history.open(&mut newer, config).expect_err("it cannot be read");
        assert!(
            matches!(error, OpenError::TooNew { value: StoredValue::Chunk(found), major: 2, .. } if found == place)
        );
    }
}

#[test]
fn r8_looking_comes_before_the_claim_and_everything_else_after_it() {
    let history = History::new(1, SMALL);
    assert!(history.moments.len() > 4, "some are left when some are cut off");
    let (mut storage, _) = history.stored_with_snapshot(&history.moments[1], 1);
    let looking = ["ReadManifest", "ReadWitness", "ListLog", "ReadEpoch", "ReadLogOne"];
    let reading = ["ReadManifest", "ReadWitness", "ListLog", "ListParts", "ReadParts", "ReadLog"];
    let all = [&looking[..], &["Claim"], &reading].concat();
    assert_eq!(requests(&mut storage, config()), all);
    assert_eq!(requests(&mut storage, read_only()), reading);
    storage.cut_log(1);
    assert_eq!(requests(&mut storage, tearable()), [&all[..], &["CutLog"]].concat());
    assert_eq!(requests(&mut storage, config()), all, "there is nothing more to cut");
    storage.cut_log(1);
    assert_eq!(requests(&mut storage, config()), all, "whoever refuses writes nothing");
    assert_eq!(requests(&mut storage, salvaging()), [&all[..], &["MarkLossy"]].concat());
    assert_eq!(requests(&mut storage, salvaging()), all, "it is marked");
}

/// An older owner goes on until the claim; what it appended until then counts, and nothing of it lands afterwards.
#[test]
fn r8_what_an_older_owner_wrote_until_the_claim_counts() {
    let history = History::new(8, SMALL);
    let all = history.stored(Level::Written);
    let late = history.moments[history.moments.len() - 3].tail.sequence;
    let mut storage = all.clone();
    let late_chunks = storage.stored.log.split_off(&(late + 1));
    let mut was_fenced = false;
    let recovered = open_while(&mut storage, config(), &mut |storage, request| match request {
        RecoveryRequest::Claim { .. } => {
            let chunks: Vec<(u64, &[u8])> = late_chunks.iter().map(|(key, bytes)| (*key, &bytes[..])).collect();
            storage.append(1, Level::Written, &chunks).expect("nobody has claimed yet");
            false
        }
        RecoveryRequest::ReadLog { .. } => {
            was_fenced = storage.append(1, Level::Written, &[(9999, b"late")]) == Err(RecoveryAnswer::Fenced);
            true
        }
        _ => false,
    });
    assert_eq!(recovered.expect("it opens").tail, history.last().tail);
    assert!(was_fenced);
}

/// The snapshot that an older owner finished just before the claim is the one that is loaded.
#[test]
fn r8_the_manifest_is_read_again_after_the_claim() {
    let history = History::new(8, SMALL);
    let (flipped, manifest) = with_snapshot(&history, 3);
    let mut storage = history.stored(Level::Durable);
    let recovered = open_while(&mut storage, config(), &mut |storage, request| {
        let is_claim = matches!(request, RecoveryRequest::Claim { .. });
        if is_claim {
            storage.stored = flipped.stored.clone();
        }
        is_claim
    });
    assert_eq!(recovered.expect("it opens").manifest, Some(manifest));
}

/// The log goes into a snapshot just when its manifest was looked for: neither is there, and nothing is erased.
#[test]
fn r8_what_moves_into_a_snapshot_meanwhile_is_not_erased() {
    let history = History::new(8, SMALL);
    let (flipped, manifest) = history.stored_with_snapshot(history.last(), 3);
    assert!(flipped.stored.log.is_empty());
    let mut storage = history.stored(Level::Durable);
    storage.witness = Some(History::witness(history.last()));
    let recovered = open_while(&mut storage, config(), &mut |storage, request| {
        let is_between = matches!(request, RecoveryRequest::ReadWitness);
        if is_between {
            storage.stored = flipped.stored.clone();
        }
        is_between
    });
    assert_eq!(recovered.expect("it opens").manifest, Some(manifest));
}

#[test]
fn r8_a_newer_owner_ends_the_opening() {
    let history = History::new(8, SMALL);
    let fenced = Err(OpenError::Fenced { epoch: 2 });
    let mut storage = history.stored(Level::Durable);
    let opened = open_while(&mut storage, config(), &mut |storage, request| {
        let is_claim = matches!(request, RecoveryRequest::Claim { .. });
        if is_claim {
            storage.claim(2).expect("nobody else is there");
        }
        is_claim
    });
    assert_eq!(opened, fenced, "the same epoch is claimed once");

    // Somebody has taken over behind the claim, and appended.
    let mut storage = history.stored(Level::Durable);
    let opened = open_while(&mut storage, config(), &mut |storage, request| {
        let is_reading = matches!(request, RecoveryRequest::ReadLog { .. });
        if is_reading {
            storage.claim(3).expect("it is the newest");
            let (mut tail, mut chunks) = (history.last().tail, Vec::new());
            tail.append_epoch_mark(3, 0, &mut chunks).expect("in range");
            storage.append(3, Level::Durable, &[(tail.sequence, &chunks[0].bytes)]).expect("it is the owner");
        }
        is_reading
    });
    assert_eq!(opened, fenced);

    // And where there is something to write at the end, the fence says so.
    let mut storage = history.stored(Level::Durable);
    storage.cut_log(1);
    let opened = open_while(&mut storage, tearable(), &mut |storage, request| {
        let is_cut = matches!(request, RecoveryRequest::CutLog { .. });
        if is_cut {
            storage.claim(3).expect("it is the newest");
        }
        is_cut
    });
    assert_eq!(opened, fenced);
}

#[test]
fn r8_a_held_lock_ends_the_opening() {
    let history = History::new(8, SMALL);
    let mut storage = history.stored(Level::Durable);
    storage.faults.is_locked = true;
    assert_eq!(history.open(&mut storage, config()), Err(OpenError::Locked));
    history.open(&mut storage, read_only()).expect("whoever looks needs no lock");
}

/// The rows of the epochs are gone: the log and the witness know them as well.
#[test]
fn r8_an_epoch_is_above_all_that_were_found() {
    let history = History::new(8, SMALL);
    let mut storage = history.stored(Level::Durable);
    storage.stored.epochs.clear();
    assert_eq!(history.open(&mut storage, config()).expect("it opens").epoch, Some(2));
    storage.witness = Some(Witness { epoch: 9, ..History::witness(history.last()) });
    assert_eq!(history.open(&mut storage, config()).expect("it opens").epoch, Some(10));
    let (mut storage, manifest) = with_snapshot(&history, 2);
    storage.stored.epochs.clear();
    storage.stored.log.clear();
    let manifest = Manifest { epoch: 30, ..manifest };
    storage.stored.manifest = Some(manifest.encode().expect("in range").into());
    let recovered = open_while(&mut storage, config(), &mut |_, _| true).expect("it opens");
    assert_eq!(recovered.epoch, Some(31));
}

#[test]
fn r8_an_epoch_at_the_end_of_the_range_is_refused_before_the_claim() {
    let history = History::new(8, SMALL);
    let mut storage = history.stored(Level::Durable);
    let last = Witness { epoch: (1 << 53) - 2, ..History::witness(history.last()) };
    storage.witness = Some(last);
    assert_eq!(history.open(&mut storage.clone(), config()).expect("one is left").epoch, Some(last.epoch + 1));
    storage.witness = Some(Witness { epoch: last.epoch + 1, ..last });
    assert_eq!(history.open(&mut storage, config()), Err(OpenError::OutOfRange));
    assert_eq!(storage.stored.epochs.len(), 1);
}
