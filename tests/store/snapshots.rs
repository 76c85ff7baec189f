//! Snapshots: when they begin, what they write, what they leave, and what happens when one fails.

use brooklet::persist::{
    Manifest, Part, SnapshotFault, StorageFault, Store, StoreConfig, StoreRequest, Ticket, WriterConfig,
};

use crate::host::Host;
use crate::storage::{Fault, Level, MemoryStorage, Place};
use crate::{START_MS, check_recovers, count, fill, open, open_with, small, unhurried};

fn manifest(storage: &MemoryStorage) -> Manifest {
    Manifest::decode(storage.stored.manifest.as_ref().expect("there is a manifest")).expect("it is whole")
}

#[test]
fn a_snapshot_takes_the_place_of_a_log_that_grew() {
    let mut host = open(MemoryStorage::default(), small());
    fill(&mut host, 20);
    assert_eq!(host.store.status().snapshots, 0, "{} bytes are not much", host.storage.log_bytes());
    check_recovers(&host);
    fill(&mut host, 30);
    let status = host.store.status();
    assert_eq!((status.snapshots, status.snapshot_fault, status.progress), (1, None, None));
    let manifest = manifest(&host.storage);
    assert_eq!((manifest.upto_sequence, manifest.created_ms), (status.covered_sequence, START_MS));
    assert_eq!(host.storage.stored.log.keys().next(), Some(&(manifest.upto_sequence + 1)));
    assert_eq!(status.log.chunks, host.storage.stored.log.len() as u64);
    assert_eq!(status.log.bytes, host.storage.log_bytes() as u64);
    let listed: u64 = manifest.parts.iter().map(|part| u64::from(part.length)).sum();
    assert_eq!((status.parts, status.parts_bytes), (manifest.parts.len() as u64, listed));
    check_recovers(&host);
}

#[test]
fn many_chunks_are_a_reason_as_well() {
    let mut host = open(MemoryStorage::default(), StoreConfig { log_chunks_max: 20, ..unhurried() });
    fill(&mut host, 19);
    assert_eq!(host.store.status().snapshots, 0);
    fill(&mut host, 2);
    assert_eq!(host.store.status().snapshots, 1);
    check_recovers(&host);
}

/// The deletion is a few bytes in the log, and makes most of the parts worthless.
#[test]
fn mass_deletion_is_a_reason_as_well() {
    let mut host = open(MemoryStorage::default(), small());
    fill(&mut host, 3000);
    host.store.compact();
    host.settle();
    let (before, snapshots) = (host.store.status().parts_bytes, host.store.status().snapshots);
    assert!(before > 30_000, "{before} bytes");
    host.run("XTRIM s MAXLEN 10");
    host.settle();
    let status = host.store.status();
    assert_eq!(status.snapshots, snapshots + 1);
    assert!(status.parts_bytes < 10_000, "{} bytes", status.parts_bytes);
    host.run("XADD s * f v");
    host.settle();
    assert_eq!(host.store.status().snapshots, snapshots + 1, "once is enough");
    check_recovers(&host);
}

#[test]
fn a_snapshot_is_taken_when_it_is_asked_for_if_anything_has_changed() {
    let mut host = open(MemoryStorage::default(), unhurried());
    fill(&mut host, 20);
    for expected in [1, 1, 1] {
        host.store.compact();
        host.settle();
        assert_eq!(host.store.status().snapshots, expected);
    }
    fill(&mut host, 1);
    assert_eq!(host.store.status().snapshots, 1, "nobody has asked since");
    host.store.compact();
    host.settle();
    assert_eq!(host.store.status().snapshots, 2);
    check_recovers(&host);
}

#[test]
fn what_has_not_changed_is_not_written_again() {
    let mut host = open(MemoryStorage::default(), unhurried());
    fill(&mut host, 3000);
    host.store.compact();
    host.settle();
    let before = manifest(&host.storage);
    for reopens in [false, true] {
        if reopens {
            host = open(host.close(), unhurried());
        }
        fill(&mut host, 3);
        host.store.compact();
        host.settle();
        let after = manifest(&host.storage);
        let new = after.parts.iter().filter(|part| part.id >= before.next_part_id).count();
        assert!(new * 2 < after.parts.len(), "{new} of {} parts are new", after.parts.len());
        let ids: Vec<u64> = host.storage.stored.parts.keys().copied().collect();
        let mut listed: Vec<u64> = after.parts.iter().map(|part| part.id).collect();
        listed.sort_unstable();
        assert_eq!(ids, listed, "nothing else is left");
        check_recovers(&host);
    }
}

/// A unit is as large as its largest entry; its parts have consecutive IDs, and all but the last say that more follows.
#[test]
fn a_large_unit_becomes_several_parts() {
    let mut host = open(MemoryStorage::default(), unhurried());
    host.run(&format!("XADD s 1-1 f {}", "y".repeat(5000)));
    host.run("XADD t 1-1 f v");
    host.store.compact();
    host.settle();
    let kinds: Vec<u8> = host
        .storage
        .stored
        .parts
        .iter()
        .map(|(id, bytes)| {
            assert!(bytes.len() <= 400, "part {id} has {} bytes", bytes.len());
            Part::decode(bytes).expect("it is whole").kind
        })
        .collect();
    assert!(kinds.iter().filter(|&&kind| kind == 1).count() >= 5000 / 400, "{kinds:?}");
    assert!(kinds.iter().all(|&kind| kind <= 1) && kinds.last() == Some(&0), "{kinds:?}");
    check_recovers(&host);
}

/// One batch that is put and one that is filled, whatever the state's size.
#[test]
fn parts_wait_in_two_batches_at_most() {
    let config = StoreConfig { part_bytes_max: 5000, put_bytes_max: 20_000, ..unhurried() };
    let mut host = open(MemoryStorage::default(), config);
    fill(&mut host, 4000);
    let idle = host.store.memory();
    host.store.compact();
    let mut most = 0;
    let mut put = None;
    loop {
        match host.ask() {
            Some(StoreRequest::Flip { .. }) => break,
            Some(request @ StoreRequest::PutParts { .. }) => {
                let bytes: usize = host.store.parts(request.ticket()).map(|(_, bytes)| bytes.len()).sum();
                assert!(bytes <= 25_000, "{bytes} bytes at once");
                // Work goes on while the answer is awaited, until a batch waits.
                while host.store.wants_time() {
                    host.store.work(&mut host.engine, START_MS);
                }
                assert_eq!(host.ask(), None);
                put = Some(request);
            }
            Some(request) => host.perform(&request),
            None => host.store.work(&mut host.engine, START_MS),
        }
        most = most.max(host.store.memory());
        if let Some(request) = put.take() {
            host.perform(&request);
        }
    }
    // Two batches, a unit, and what lists of that size reserve.
    assert!(most < idle + 2 * 25_000 + 60_000 + 20_000, "{most} bytes, {idle} before");
    assert!(host.store.status().progress.is_some_and(|progress| progress.bytes > 100_000));
}

/// Slices are bounded by the bytes they make.
#[test]
fn work_comes_in_slices() {
    let mut host = open(MemoryStorage::default(), StoreConfig { put_bytes_max: 1 << 20, ..unhurried() });
    fill(&mut host, 1000);
    host.store.compact();
    assert_eq!(host.ask(), None);
    let mut slices = 0;
    while host.store.wants_time() {
        let before = host.store.status().progress.expect("it is under way").bytes;
        host.store.work(&mut host.engine, START_MS);
        let after = host.store.status().progress.expect("it is under way").bytes;
        assert!(after - before <= 700 + 400, "a slice of {} bytes", after - before);
        slices += 1;
    }
    assert!(slices > 20, "{slices} slices");
}

/// Parts without log and manifest are what is left of a snapshot that has lost its manifest: nobody could open that.
#[test]
fn no_part_is_put_before_the_first_chunk_is_stored() {
    let mut host = open(MemoryStorage::default(), unhurried());
    host.run("XADD s * f v");
    host.store.compact();
    assert!(host.run_until("Append"));
    assert_eq!((host.ask(), host.store.wants_time(), host.store.status().progress), (None, false, None));
    host.perform_kept();
    host.settle();
    assert_eq!(host.store.status().snapshots, 1);
    check_recovers(&host);
}

#[test]
fn a_part_that_is_gone_is_written_anew() {
    let mut host = open(MemoryStorage::default(), unhurried());
    fill(&mut host, 3000);
    host.store.compact();
    host.settle();
    let parts = manifest(&host.storage).parts;
    let victim = parts[parts.len() / 3].id;
    host.storage.drop_value(Place::Part(victim));
    fill(&mut host, 1);
    host.store.compact();
    assert!(host.run_until("ListParts"));
    host.perform_kept();
    assert_eq!(host.store.status().snapshot_fault, Some(SnapshotFault::PartMissing(victim)));
    assert_eq!(host.store.refusal(), None);
    host.settle();
    assert_eq!((host.store.status().snapshots, host.store.status().snapshot_fault), (2, None));
    assert!(manifest(&host.storage).parts.iter().all(|part| part.id != victim), "an ID is given once");
    check_recovers(&host);
}

/// Snapshots fail; whoever writes does not notice.
#[test]
fn a_failed_snapshot_harms_nobody_and_is_tried_again() {
    let faults = [
        Fault::Fails(StorageFault::Quota),
        Fault::Fails(StorageFault::Io),
        Fault::FailsAfterSuccess(StorageFault::Closed),
        Fault::NeverAnswers,
    ];
    for name in ["PutParts", "ListParts"] {
        for fault in faults {
            let mut host = open(MemoryStorage::default(), unhurried());
            fill(&mut host, 300);
            host.store.compact();
            assert!(host.run_until(name));
            host.storage.faults.at.insert(host.storage.operations, fault);
            let given_up = host.store.status().progress.expect("it is under way");
            host.perform_kept();
            let position = host.run("XADD s * f v");
            host.pump();
            assert!(host.store.refusal().is_none(), "{name}, {fault:?}");
            assert!(host.store.written() >= position, "{name}, {fault:?}");
            host.settle();
            let status = host.store.status();
            assert_eq!((status.snapshots, status.snapshot_fault), (1, None), "{name}, {fault:?}");
            let listed = manifest(&host.storage).parts;
            assert!(listed.len() as u64 >= given_up.parts);
            assert_eq!(host.storage.stored.parts.len(), listed.len(), "{name}, {fault:?}: something is left");
            let has_reopened = count(&host, "Reopen") > 0;
            assert_eq!(has_reopened, fault != Fault::Fails(StorageFault::Quota), "{name}, {fault:?}");
            check_recovers(&host);
        }
    }
}

/// What the engine keeps for a snapshot counts as memory, and beyond its limit it refuses to add.
#[test]
fn a_snapshot_is_given_up_rather_than_a_write_refused() {
    let mut host = open(MemoryStorage::default(), unhurried());
    fill(&mut host, 3000);
    let limit = host.engine.memory() + 60_000;
    host.engine.configure(brooklet::Config { memory_bytes_max: limit, ..host.engine.config().clone() });
    host.store.compact();
    assert_eq!(host.ask(), None);
    assert!(host.engine.is_snapshot_open());
    let mut has_written = 0;
    while host.store.status().progress.is_some() {
        // An entry here and there, so that each change makes the engine keep another block.
        has_written += 1;
        host.run(&format!("XDEL s {START_MS}-{}", 30 * has_written));
        host.pump_without_work();
        host.run("XADD s * f v");
        host.pump_without_work();
        assert!(has_written < 90, "{} bytes of {limit}", host.engine.memory());
    }
    assert!(has_written > 1 && !host.engine.is_snapshot_open());
    assert_eq!(host.store.status().snapshot_fault, Some(SnapshotFault::Abandoned));
    assert!(host.engine.memory() <= limit);
    host.settle();
    assert_eq!(host.store.status().snapshots, 1);
    check_recovers(&host);
}

/// What a given-up snapshot has stored takes room that the next one needs.
#[test]
fn where_there_is_no_room_what_was_given_up_goes_first() {
    let mut host = open(MemoryStorage::default(), unhurried());
    fill(&mut host, 300);
    host.store.compact();
    assert!(host.run_until("PutParts"));
    host.perform_kept();
    assert!(host.run_until("PutParts"));
    assert!(!host.storage.stored.parts.is_empty());
    host.storage.faults.at.insert(host.storage.operations, Fault::Fails(StorageFault::Quota));
    host.perform_kept();
    host.now_ms += 10_000;
    assert!(host.run_until("PutParts"));
    assert!(host.storage.stored.parts.is_empty(), "they are in the way");
    host.perform_kept();
    host.settle();
    assert_eq!(host.store.status().snapshots, 1);
}

/// Pauses grow, and end with a success.
#[test]
fn a_snapshot_that_always_fails_is_tried_ever_more_rarely() {
    let config = StoreConfig {
        writer: WriterConfig { retry_ms_min: 50, retry_ms_max: 10_000, ..WriterConfig::default() },
        ..unhurried()
    };
    let mut host = open(MemoryStorage::default(), config);
    fill(&mut host, 20);
    host.store.compact();
    let mut pauses = Vec::new();
    for _ in 0..10 {
        let before_ms = host.now_ms;
        while !host.run_until("ListParts") {
            host.now_ms = host.store.deadline().expect("it is tried again");
        }
        pauses.push(host.now_ms - before_ms);
        host.storage.faults.at.insert(host.storage.operations, Fault::Fails(StorageFault::Quota));
        host.perform_kept();
    }
    assert_eq!(pauses, [0, 50, 100, 200, 400, 800, 1600, 3200, 6400, 10_000]);
    host.settle();
    assert_eq!(host.store.status().snapshots, 1);
}

#[test]
fn what_others_left_is_deleted() {
    let mut host = open(MemoryStorage::default(), unhurried());
    fill(&mut host, 300);
    host.store.compact();
    host.settle();
    let upto = manifest(&host.storage).upto_sequence;
    let mut storage = host.close();
    let epoch = *storage.stored.epochs.last().expect("it was claimed");
    storage.put_parts(epoch, &[(9000, b"?"), (9001, b"?")]).expect("nobody else is there");
    storage.append(epoch, Level::Durable, &[(upto - 1, b"?"), (upto, b"?")]).expect("nobody else is there");
    let mut host = open(storage, unhurried());
    host.settle();
    assert!(host.storage.stored.parts.keys().all(|&id| id < 9000));
    assert!(host.storage.stored.log.keys().all(|&sequence| sequence > upto));
    fill(&mut host, 1);
    host.store.compact();
    host.settle();
    assert!(manifest(&host.storage).next_part_id > 9001, "an ID is given once");
    check_recovers(&host);
}

#[test]
fn deleting_that_fails_is_tried_again_and_keeps_no_snapshot_waiting() {
    let mut host = open(MemoryStorage::default(), unhurried());
    fill(&mut host, 300);
    host.store.compact();
    host.settle();
    fill(&mut host, 300);
    host.store.compact();
    assert!(host.run_until("DeleteParts"));
    host.storage.faults.at.insert(host.storage.operations, Fault::Fails(StorageFault::Quota));
    host.perform_kept();
    assert_eq!((host.store.status().snapshots, host.store.refusal()), (2, None));
    fill(&mut host, 1);
    host.store.compact();
    host.pump();
    assert_eq!(host.store.status().snapshots, 3);
    host.settle();
    assert_eq!(host.storage.stored.parts.len(), manifest(&host.storage).parts.len());
    check_recovers(&host);
}

/// After a loss, what no manifest lists may be all that is left of something.
#[test]
fn what_may_help_after_a_loss_is_spared() {
    use brooklet::persist::{OnDataLoss, RecoveryConfig, Witness};
    let mut host = open(MemoryStorage::default(), unhurried());
    fill(&mut host, 100);
    host.store.compact();
    host.settle();
    let mut storage = host.close();
    let epoch = *storage.stored.epochs.last().expect("it was claimed");
    storage.put_parts(epoch, &[(9000, b"?")]).expect("nobody else is there");
    let witness = storage.witness.expect("it was noted");
    storage.witness = Some(Witness { durable_sequence: witness.durable_sequence + 5, ..witness });
    let recovery = RecoveryConfig { on_data_loss: OnDataLoss::Accept, ..RecoveryConfig::new(77) };
    let opened = Host::open(storage, brooklet::Config::default(), unhurried(), recovery, START_MS);
    let (mut host, _) = opened.expect("it opens");
    assert_eq!(host.store.losses().len(), 1);
    assert!(host.store.status().is_lossy);
    fill(&mut host, 100);
    host.store.compact();
    host.settle();
    assert!(host.storage.stored.parts.contains_key(&9000));
    assert_eq!(host.storage.stored.parts.len(), manifest(&host.storage).parts.len() + 1);
    assert!(manifest(&host.storage).is_lossy);
    // Whoever opens without another loss tidies up.
    let mut host = open(host.close(), unhurried());
    host.settle();
    assert!(!host.storage.stored.parts.contains_key(&9000));
}

/// Answers that come after the request was given up change nothing.
#[test]
fn late_answers_are_not_heeded() {
    use brooklet::persist::StoreAnswer;
    let mut host = open(MemoryStorage::default(), unhurried());
    fill(&mut host, 300);
    host.store.compact();
    assert!(host.run_until("ListParts"));
    let late = host.kept_ticket();
    host.now_ms += 10_000;
    host.settle();
    let status = host.store.status();
    for answer in [
        StoreAnswer::PartIds(Vec::new()),
        StoreAnswer::Done,
        StoreAnswer::Failed(StorageFault::Io),
        StoreAnswer::Manifest(brooklet::persist::Stored::Missing),
    ] {
        for ticket in [late, Ticket(1), Ticket(u64::MAX)] {
            host.store.answered(host.now_ms, ticket, answer.clone());
            host.store.validate().expect("no invariant is broken");
        }
    }
    let after = host.store.status();
    assert_eq!((after.snapshots, after.parts, after.covered_sequence), (1, status.parts, status.covered_sequence));
    assert_eq!(host.store.refusal(), None);
    assert_eq!(host.ask(), None);
}

#[test]
fn whatever_is_told_to_be_fenced_ends_everything() {
    use brooklet::persist::{Refusal, StoreAnswer};
    for name in ["Append", "PutParts", "ListParts", "Flip", "DeleteParts", "WriteWitness", "Reopen", "ReadManifest"] {
        for is_late in [false, true] {
            let mut host = open(MemoryStorage::default(), unhurried());
            if ["Reopen", "ReadManifest"].contains(&name) {
                fill(&mut host, 20);
                host.store.compact();
                assert!(host.run_until("Flip"));
                host.storage.faults.at.insert(host.storage.operations, Fault::Fails(StorageFault::Io));
                host.perform_kept();
            } else if !["Append", "WriteWitness"].contains(&name) {
                fill(&mut host, 300);
                host.store.compact();
            }
            if name == "DeleteParts" {
                host.settle();
                fill(&mut host, 300);
                host.store.compact();
            }
            assert!(host.run_until(name), "{name}");
            let ticket = host.kept_ticket();
            if is_late {
                host.now_ms += 10_000;
                host.pump();
            }
            host.store.answered(host.now_ms, ticket, StoreAnswer::Fenced);
            host.store.validate().expect("no invariant is broken");
            assert_eq!(host.store.refusal(), Some(Refusal::Fenced), "{name}");
            assert!(host.store.is_closed() && !host.store.wants_time());
            assert_eq!((host.ask(), host.store.deadline()), (None, None), "{name}");
            assert!(!host.engine.is_snapshot_open(), "{name}");
        }
    }
}

#[test]
fn only_an_owner_has_a_store() {
    let (host, recovered) = open_with(MemoryStorage::default(), small(), START_MS);
    let only_looked = brooklet::persist::Recovered { epoch: None, ..recovered };
    assert!(Store::new(small(), &host.engine, only_looked, START_MS).is_err());
}
