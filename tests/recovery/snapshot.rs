//! Rules 2 and 3: the snapshot has to be whole, and what counts behind it is one chain.

use brooklet::persist::{
    ChunkFault, Damage, Leftovers, LogBreak, OpenError, PartFault, Recovered, RecoveryConfig, Tail,
};

use crate::history::{History, Shape, config, salvaging, tearable};
use crate::storage::{Level, Place};
use crate::{SMALL, log_count, plain, with_snapshot};

fn corrupt_manifest(damage: Damage) -> OpenError {
    OpenError::CorruptSnapshot { part: None, damage }
}

#[test]
fn r2_a_damaged_manifest_is_refused_before_the_claim() {
    let history = History::new(2, SMALL);
    let (storage, manifest) = with_snapshot(&history, 3);
    let bits = manifest.encode().expect("in range").len() * 8;
    for bit in 0..bits {
        let mut storage = storage.clone();
        storage.flip_bit(Place::Manifest, bit);
        let error = history.open(&mut storage, salvaging()).expect_err("a bit is wrong");
        assert!(matches!(error, OpenError::CorruptSnapshot { part: None, damage: Damage::Manifest(_) }), "{error:?}");
        assert_eq!(storage.stored.epochs.len(), 1, "no claim");
    }
    let mut storage = storage;
    storage.faults.unreadable.insert(Place::Manifest);
    assert_eq!(history.open(&mut storage, config()), Err(corrupt_manifest(Damage::Unreadable)));
}

#[test]
fn r2_a_snapshot_without_its_manifest_is_not_a_new_log() {
    let history = History::new(2, SMALL);
    let (mut storage, _) = with_snapshot(&history, 3);
    storage.drop_value(Place::Manifest);
    assert_eq!(history.open(&mut storage, salvaging()), Err(corrupt_manifest(Damage::Missing)));
    storage.stored.log.clear();
    assert_eq!(history.open(&mut storage, salvaging()), Err(corrupt_manifest(Damage::Missing)));
}

/// A first snapshot that was never finished is another thing: the log is whole.
#[test]
fn r2_parts_without_a_manifest_beside_a_whole_log_are_leftovers() {
    let history = History::new(2, SMALL);
    let mut storage = history.stored(Level::Durable);
    storage.put_parts(1, &[(0, b"half"), (4, b"a snapshot")]).expect("nobody else is there");
    let expected = Recovered {
        next_part_id: 5,
        leftovers: Leftovers { part_ids: vec![0, 4], log_upto: None },
        ..plain(history.last(), 2, log_count(&storage))
    };
    assert_eq!(history.open(&mut storage, config()), Ok(expected));
}

#[test]
fn r2_a_damaged_part_is_refused() {
    let history = History::new(2, SMALL);
    let (storage, manifest) = with_snapshot(&history, 5);
    for part in &manifest.parts {
        let place = Place::Part(part.id);
        let refusal = |damage| Err(OpenError::CorruptSnapshot { part: Some(part.id), damage });
        let mut missing = storage.clone();
        missing.drop_value(place);
        assert_eq!(history.open(&mut missing, salvaging()), refusal(Damage::Missing));
        let mut unreadable = storage.clone();
        unreadable.faults.unreadable.insert(place);
        assert_eq!(history.open(&mut unreadable, salvaging()), refusal(Damage::Unreadable));
        for bit in (0..part.length as usize * 8).step_by(101) {
            let mut flipped = storage.clone();
            flipped.flip_bit(place, bit);
            let error = history.open(&mut flipped, salvaging()).expect_err("a bit is wrong");
            let OpenError::CorruptSnapshot { part: found, damage: Damage::Part(_) } = error else {
                panic!("{error:?}")
            };
            assert_eq!(found, Some(part.id));
        }
    }
}

/// Of two parts that were exchanged each is whole.
#[test]
fn r2_a_part_in_the_place_of_another_is_refused() {
    let history = History::new(2, SMALL);
    let (mut storage, _) = with_snapshot(&history, 3);
    let other = storage.stored.parts[&2].clone();
    storage.stored.parts.insert(1, other);
    let damage = Damage::Part(PartFault::WrongPart { expected: 1, found: 2 });
    assert_eq!(history.open(&mut storage, config()), Err(OpenError::CorruptSnapshot { part: Some(1), damage }));
}

#[test]
fn r3_a_whole_log_gives_its_state() {
    for seed in 0..6 {
        let history = History::new(seed, Shape { has_views: true, ..SMALL });
        for page_bytes in [1, 1000, 1 << 20] {
            let mut storage = history.stored(Level::Written);
            let expected = plain(history.last(), 2, log_count(&storage));
            let config = RecoveryConfig { page_bytes, ..config() };
            assert_eq!(history.open_and_compare(&mut storage, config), expected);
        }
    }
}

#[test]
fn r3_a_snapshot_and_the_chunks_behind_it_give_the_state() {
    let history = History::new(3, Shape { has_views: true, ..SMALL });
    for moment in &history.moments[1..] {
        let (mut storage, manifest) = history.stored_with_snapshot(moment, 4);
        let covered_units = history.last().units - moment.units;
        let config = RecoveryConfig { page_bytes: 2000, ..config() };
        let expected = Recovered {
            units: covered_units,
            next_part_id: manifest.next_part_id,
            manifest: Some(manifest),
            ..plain(history.last(), 2, log_count(&storage))
        };
        assert_eq!(history.open_and_compare(&mut storage, config), expected);
    }
}

/// The manifest was replaced, and what it covers was not deleted, or only part of it.
#[test]
fn r3_what_the_manifest_covers_is_not_read() {
    let history = History::new(3, SMALL);
    let (storage, manifest) = with_snapshot(&history, 3);
    let upto = manifest.upto_sequence;
    for first in [1, upto - 2, upto] {
        let mut storage = storage.clone();
        for chunk in &history.chunks[first as usize - 1..upto as usize] {
            storage.append(1, Level::Written, &[(chunk.sequence, b"whatever it is")]).expect("nobody else is there");
        }
        let recovered = history.open(&mut storage, config()).expect("it is not looked at");
        assert_eq!(recovered.tail, history.last().tail);
        assert_eq!(recovered.leftovers, Leftovers { part_ids: vec![], log_upto: Some(upto) });
    }
}

#[test]
fn r3_a_chunk_of_another_history_breaks_the_chain() {
    let history = History::new(3, SMALL);
    let mut storage = history.stored(Level::Durable);
    let mut other = Tail { sequence: 4, checksum: 99, ..history.moments[0].tail };
    let mut chunks = Vec::new();
    other.append_group(b"not ours", 1, 0, 1000, &mut chunks).expect("in range");
    storage.append(1, Level::Durable, &[(5, &chunks[0].bytes)]).expect("nobody else is there");
    for config in [config(), tearable()] {
        let error = history.open(&mut storage, config).expect_err("chunk 5 does not follow chunk 4");
        let OpenError::CorruptLog(LogBreak { first_bad: 5, next_good: Some(6), damage, .. }) = error else {
            panic!("{error:?}");
        };
        assert!(matches!(damage, Damage::Chunk(ChunkFault::BrokenChain { found: 99, .. })), "{damage:?}");
    }
}

/// Somebody wrote it, so it is not what is left of an append that was cut short.
#[test]
fn r3_a_last_chunk_that_is_whole_and_does_not_follow_is_no_tear() {
    let history = History::new(3, SMALL);
    let last = history.last().tail;
    let of_other_log = Tail { log_id: 5, ..last };
    let of_older_owner = Tail { epoch: 0, ..last };
    let of_other_history = Tail { checksum: 9, ..last };
    for mut tail in [of_other_log, of_older_owner, of_other_history] {
        let mut storage = history.stored(Level::Durable);
        let mut chunks = Vec::new();
        tail.append_group(b"not ours", 1, 0, 1000, &mut chunks).expect("in range");
        storage.append(1, Level::Durable, &[(last.sequence + 1, &chunks[0].bytes)]).expect("nobody else is there");
        let error = history.open(&mut storage, tearable()).expect_err("it does not follow");
        let OpenError::CorruptLog(LogBreak { first_bad, next_good: None, .. }) = error else { panic!("{error:?}") };
        assert_eq!(first_bad, last.sequence + 1);
    }
}

/// Behind a break only chunks of this log in their own places tell anything.
#[test]
fn r3_a_foreign_chunk_behind_a_break_is_no_good_one() {
    let history = History::new(3, SMALL);
    let last = history.last().tail.sequence;
    let mut chunks = Vec::new();
    let mut other = Tail { log_id: 5, sequence: last, ..Tail::default() };
    other.append_group(b"not ours", 1, 0, 1000, &mut chunks).expect("in range");
    for foreign in [&chunks[0].bytes, &history.chunks[0].bytes] {
        let mut storage = history.stored(Level::Durable);
        storage.flip_bit(Place::Chunk(last), 3);
        storage.append(1, Level::Durable, &[(last + 1, foreign)]).expect("nobody else is there");
        let error = history.open(&mut storage, config()).expect_err("the last chunk is damaged");
        let OpenError::CorruptLog(LogBreak { first_bad, next_good: None, .. }) = error else { panic!("{error:?}") };
        assert_eq!(first_bad, last);
    }
}
