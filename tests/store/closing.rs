//! The witness, the clock, and the end in order.

use brooklet::persist::{Level, Mode, StoreConfig, StoreRequest, Witness, WriterConfig};

use crate::host::Host;
use crate::storage::{Fault, MemoryStorage};
use crate::{START_MS, check_stored, count, fill, open, open_with, small, unhurried};

fn with_mode(mode: Mode) -> StoreConfig {
    StoreConfig { writer: WriterConfig { mode, ..small().writer }, ..unhurried() }
}

/// The witness that is asked for now.
fn next_witness(host: &mut Host) -> Option<Witness> {
    match host.ask()? {
        request @ StoreRequest::WriteWitness { witness, .. } => {
            host.perform(&request);
            Some(witness)
        }
        other => panic!("{other:?} is asked for"),
    }
}

#[test]
fn the_witness_follows_what_is_durable_once_a_second() {
    let mut host = open(MemoryStorage::default(), with_mode(Mode::Always));
    assert!(host.run_until("Append"));
    assert_eq!(host.ask(), None, "nothing is durable yet");
    host.perform_kept();
    let first = next_witness(&mut host).expect("the first comes at once");
    let expected = Witness { log_id: 77, epoch: 1, durable_sequence: 1, clock_ms: START_MS, is_clean: false };
    assert_eq!(first, expected);
    for later_ms in [1, 500, 999] {
        host.now_ms = START_MS + later_ms;
        fill(&mut host, 1);
        assert_eq!(count(&host, "WriteWitness"), 1, "{later_ms} ms later");
    }
    assert_eq!(host.store.deadline(), Some(START_MS + 1000));
    host.now_ms = START_MS + 1000;
    let second = next_witness(&mut host).expect("it is time");
    assert_eq!((second.durable_sequence, second.clock_ms), (4, START_MS + 1000));
    host.now_ms += 5000;
    assert_eq!((next_witness(&mut host), host.store.deadline()), (None, None), "there is nothing new");
}

#[test]
fn a_witness_that_cannot_be_noted_is_no_harm() {
    let mut host = open(MemoryStorage::default(), with_mode(Mode::Always));
    assert!(host.run_until("WriteWitness"));
    host.storage.faults.at.insert(host.storage.operations, Fault::Fails(brooklet::persist::StorageFault::Quota));
    host.perform_kept();
    assert_eq!((host.store.refusal(), host.ask()), (None, None));
    assert_eq!((host.storage.witness, count(&host, "Reopen")), (None, 0));
    host.now_ms += 1000;
    assert_eq!(next_witness(&mut host).map(|witness| witness.durable_sequence), Some(1), "it is tried again");
    assert_eq!((host.ask(), host.store.deadline()), (None, None));
}

/// The witness never says more than the storage has.
#[test]
fn what_is_only_written_is_not_noted() {
    let mut host = open(MemoryStorage::default(), with_mode(Mode::No));
    host.settle();
    fill_unsynced(&mut host);
    host.settle();
    assert_eq!(host.storage.witness.map(|witness| witness.durable_sequence), Some(1));
    assert!(host.store.status().written_sequence > 1);
    host.store.sync();
    host.settle();
    assert_eq!(
        host.storage.witness.map(|witness| witness.durable_sequence),
        Some(host.store.status().durable_sequence)
    );
}

fn fill_unsynced(host: &mut Host) {
    for _ in 0..20 {
        host.run("XADD s * f v");
        host.pump();
    }
}

#[test]
fn closing_makes_durable_and_says_so_last() {
    for mode in [Mode::Always, Mode::EverySecond, Mode::No] {
        let mut host = open(MemoryStorage::default(), with_mode(mode));
        host.pump();
        fill_unsynced(&mut host);
        host.run("XADD s * f v");
        host.store.close();
        let mut has_witness = false;
        while let Some(request) = host.ask() {
            match request {
                StoreRequest::Append(append) => assert!(append.level == Level::Durable || !has_witness),
                StoreRequest::WriteWitness { witness, .. } => {
                    assert!(witness.is_clean && host.store.durable() == host.store.pushed(), "{mode:?}");
                    has_witness = true;
                    assert!(!host.store.is_closed());
                }
                other => panic!("{other:?} is asked for"),
            }
            host.perform(&request);
        }
        assert!(has_witness && host.store.is_closed(), "{mode:?}");
        assert_eq!(host.store.deadline(), None);
        let state_hash = host.engine.state_hash();
        let (again, recovered) = open_with(host.storage, with_mode(mode), START_MS);
        assert!(recovered.was_clean, "{mode:?}");
        assert_eq!(again.engine.state_hash(), state_hash);
    }
}

#[test]
fn whoever_dies_was_not_clean() {
    let mut host = open(MemoryStorage::default(), small());
    fill(&mut host, 3);
    let storage = host.close();
    // The next owner does no more than take over.
    let (mut host, recovered) = open_with(storage, small(), START_MS);
    assert!(recovered.was_clean);
    assert!(host.run_until("Append"));
    host.perform_kept();
    let (_, recovered) = open_with(host.storage, small(), START_MS);
    assert!(!recovered.was_clean);
}

#[test]
fn closing_stops_a_snapshot() {
    let mut host = open(MemoryStorage::default(), unhurried());
    fill(&mut host, 300);
    host.store.compact();
    assert!(host.run_until("PutParts"));
    host.store.close();
    assert!(!host.store.wants_time());
    assert_eq!(host.ask(), None, "what is under way is awaited");
    assert!(!host.engine.is_snapshot_open());
    host.perform_kept();
    host.settle();
    assert!(host.store.is_closed());
    assert_eq!((host.store.status().snapshots, count(&host, "Flip")), (0, 0));
    check_stored(&host.storage, host.engine.state_hash());
}

/// A host that only looks at the deadline must not run in circles.
#[test]
fn while_an_append_is_awaited_nothing_else_is_due() {
    let mut host = open(MemoryStorage::default(), with_mode(Mode::Always));
    fill(&mut host, 1);
    host.now_ms += 5000;
    fill_unsynced(&mut host);
    assert!(host.store.deadline().is_some_and(|deadline_ms| deadline_ms > host.now_ms));
    host.run("XADD s * f v");
    assert!(host.run_until("Append"));
    host.store.close();
    assert_eq!((host.ask(), host.store.deadline()), (None, Some(host.now_ms + 10_000)));
    host.now_ms += 1;
    host.perform_kept();
    host.settle();
    assert!(host.store.is_closed());
}

#[test]
fn closing_waits_for_a_storage_that_fails() {
    let mut host = open(MemoryStorage::default(), small());
    host.settle();
    host.run("XADD s * f v");
    let operation = host.storage.operations;
    for later in 0..20 {
        let fault = Fault::Fails(brooklet::persist::StorageFault::Io);
        host.storage.faults.at.insert(operation + later, fault);
    }
    host.store.close();
    host.pump();
    assert!(!host.store.is_closed() && host.store.refusal().is_some());
    host.settle();
    assert!(host.store.is_closed() && host.store.durable() == host.store.pushed());
    check_stored(&host.storage, host.engine.state_hash());
}

#[test]
fn a_closed_store_takes_nothing_any_more() {
    let mut host = open(MemoryStorage::default(), small());
    fill(&mut host, 1);
    host.store.close();
    host.settle();
    let pushed = host.store.pushed();
    host.run("XADD s * f v");
    assert_eq!((host.store.pushed(), host.ask()), (pushed, None));
    assert!(host.engine.effects_len() > 0, "they stay with the engine");
}

#[test]
fn the_clock_never_goes_back() {
    let mut host = open(MemoryStorage::default(), small());
    assert_eq!(host.store.clock(START_MS + 5), START_MS + 5);
    assert_eq!(host.store.clock(START_MS - 900_000), START_MS + 5);
    host.now_ms = START_MS - 900_000;
    fill(&mut host, 1);
    // What is stored tells the time that commands saw, not that of the host.
    let (mut next, recovered) = open_with(host.storage, small(), 10);
    assert_eq!((recovered.clock_ms, recovered.was_clean), (START_MS + 5, false));
    assert_eq!(next.store.clock(11), START_MS + 6, "after an unclean end it is later than anything seen");
    next.now_ms = 12;
    next.store.compact();
    fill(&mut next, 1);
    next.settle();
    assert_eq!(next.store.status().snapshot_ms, START_MS + 6);
    let (mut third, recovered) = open_with(next.close(), small(), START_MS + 9);
    assert!(!recovered.was_clean, "the host's clock was behind what was seen of what may be lost");
    // What was lost may have been seen at any time up to the opening, though nothing that is stored tells of it.
    assert_eq!(third.store.clock(13), START_MS + 9, "it is not earlier than the opening either");
    third.now_ms = START_MS + 9;
    let (mut last, recovered) = open_with(third.close(), small(), 13);
    assert!(recovered.was_clean);
    assert_eq!(last.store.clock(5), 13, "a clock that goes back behind the opening stands still");
    assert_eq!(last.store.clock(14), 14, "after a clean end nothing that was noted counts");
}
