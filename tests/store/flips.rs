//! The flip: both of its outcomes, how one finds out, and that until then nothing is deleted.

use brooklet::Position;
use brooklet::persist::{Manifest, Refusal, StorageFault, StoreAnswer};

use crate::host::Host;
use crate::storage::{Fault, Job, MemoryStorage};
use crate::{check_recovers, check_stored, count, fill, open, unhurried};

/// A host about to flip for the second time, and how much was asked until then.
fn before_flip() -> (Host, usize) {
    let mut host = open(MemoryStorage::default(), unhurried());
    fill(&mut host, 300);
    host.store.compact();
    host.settle();
    fill(&mut host, 300);
    host.store.compact();
    assert!(host.run_until("Flip"));
    let asked = host.asked.len();
    (host, asked)
}

const UNCERTAIN: [Fault; 4] = [
    Fault::Fails(StorageFault::Io),
    Fault::Fails(StorageFault::Quota),
    Fault::FailsAfterSuccess(StorageFault::Closed),
    Fault::NeverAnswers,
];

fn has_happened(fault: Fault) -> bool {
    !matches!(fault, Fault::Fails(_))
}

#[test]
fn after_a_flip_that_failed_the_manifest_tells_what_became_of_it() {
    for fault in UNCERTAIN {
        let (mut host, asked) = before_flip();
        let before = host.storage.stored.manifest.clone();
        let parts = host.storage.stored.parts.len();
        host.storage.faults.at.insert(host.storage.operations, fault);
        host.perform_kept();
        assert_eq!(host.storage.stored.manifest != before, has_happened(fault));
        // Writing goes on, and nobody notices.
        let position = host.run("XADD s * f v");
        while !host.run_until("ReadManifest") {
            assert_eq!(fault, Fault::NeverAnswers);
            host.now_ms = host.store.deadline().expect("it watches");
        }
        assert!(host.store.written() >= position && host.store.refusal().is_none());
        assert_eq!(count(&host, "Reopen"), 1, "{fault:?}: what is under way on the old connection must not happen");
        assert!(!host.asked[asked..].iter().any(|asked| asked == "DeleteParts" || asked == "DeleteLog"), "{fault:?}");
        assert_eq!(host.storage.stored.parts.len(), parts, "{fault:?}");
        host.perform_kept();
        let snapshots = if has_happened(fault) { 2 } else { 1 };
        assert_eq!(host.store.status().snapshots, snapshots, "{fault:?}");
        host.settle();
        assert_eq!((host.store.status().snapshots, host.store.status().snapshot_fault), (2, None), "{fault:?}");
        let manifest = Manifest::decode(host.storage.stored.manifest.as_ref().expect("it is there")).expect("whole");
        assert_eq!(host.storage.stored.parts.len(), manifest.parts.len(), "{fault:?}: something is left");
        assert_eq!(manifest.upto_sequence, host.store.status().covered_sequence);
        check_recovers(&host);
    }
}

#[test]
fn as_long_as_the_manifest_cannot_be_read_nothing_is_done() {
    for fault in UNCERTAIN {
        let (mut host, asked) = before_flip();
        let operation = host.storage.operations;
        for later in 0..40 {
            host.storage.faults.at.insert(operation + later, Fault::Fails(StorageFault::Io));
        }
        host.storage.faults.at.insert(operation, fault);
        host.perform_kept();
        host.store.compact();
        while host.storage.operations < operation + 40 {
            host.pump();
            host.now_ms = host.store.deadline().expect("it tries again");
        }
        let allowed = ["Reopen", "ReadManifest", "Append", "WriteWitness"];
        for name in &host.asked[asked..] {
            assert!(allowed.contains(&name.as_str()), "{fault:?}: {name}");
        }
        let state_hash = host.engine.state_hash();
        check_stored(&host.storage, state_hash);
        host.settle();
        assert_eq!(host.store.refusal(), None);
        assert!(host.store.status().snapshots >= 2);
        check_recovers(&host);
    }
}

/// A host that has to read the manifest.
fn uncertain() -> Host {
    let (mut host, _) = before_flip();
    host.storage.faults.at.insert(host.storage.operations, Fault::Fails(StorageFault::Io));
    host.perform_kept();
    assert!(host.run_until("ReadManifest"));
    host
}

#[test]
fn a_manifest_of_somebody_else_ends_everything() {
    type Change = dyn Fn(&mut Manifest);
    let change = |host: &mut Host, change: &Change| {
        let stored = host.storage.stored.manifest.as_ref().expect("it is there");
        let mut manifest = Manifest::decode(stored).expect("it is whole");
        change(&mut manifest);
        let epoch = *host.storage.stored.epochs.last().expect("it was claimed");
        host.storage.flip(epoch, &manifest.encode().expect("in range"), 0).expect("nobody else is there");
    };
    let cases: [(&Change, Refusal); 4] = [
        (&|manifest| manifest.epoch += 1, Refusal::Fenced),
        (&|manifest| manifest.log_id += 1, Refusal::Corrupt),
        (&|manifest| manifest.state_hash += 1, Refusal::Corrupt),
        (&|manifest| manifest.upto_checksum += 1, Refusal::Corrupt),
    ];
    for (changes, refusal) in cases {
        let mut host = uncertain();
        change(&mut host, changes);
        host.perform_kept();
        assert_eq!(host.store.refusal(), Some(refusal));
        assert_eq!((host.ask(), host.store.deadline()), (None, None));
    }
    let mut host = uncertain();
    host.storage.drop_value(crate::storage::Place::Manifest);
    host.perform_kept();
    assert_eq!(host.store.refusal(), Some(Refusal::Corrupt), "there was one");
    let mut host = uncertain();
    host.storage.flip_bit(crate::storage::Place::Manifest, 99);
    host.perform_kept();
    assert_eq!(host.store.refusal(), Some(Refusal::Corrupt), "it is damaged");
}

#[test]
fn a_manifest_that_cannot_be_read_today_is_read_tomorrow() {
    let mut host = uncertain();
    host.storage.faults.unreadable.insert(crate::storage::Place::Manifest);
    host.perform_kept();
    assert_eq!((host.store.refusal(), host.ask()), (None, None));
    host.storage.faults.unreadable.clear();
    host.settle();
    assert_eq!(host.store.status().snapshots, 2);
    check_recovers(&host);
}

/// Before the first flip there is no manifest, and after one that failed there still is none.
#[test]
fn the_first_flip_may_fail_as_well() {
    for fault in UNCERTAIN {
        let mut host = open(MemoryStorage::default(), unhurried());
        fill(&mut host, 100);
        host.store.compact();
        assert!(host.run_until("Flip"));
        host.storage.faults.at.insert(host.storage.operations, fault);
        host.perform_kept();
        check_recovers(&host);
        host.settle();
        assert_eq!((host.store.status().snapshots, host.store.status().snapshot_fault), (1, None), "{fault:?}");
        check_recovers(&host);
    }
}

/// A host about to flip while an append is unanswered that carries what the flip covers; and its position.
fn before_flip_beside_append() -> (Host, Job, Position) {
    let mut host = open(MemoryStorage::default(), unhurried());
    fill(&mut host, 100);
    let position = host.run("XADD s * f v");
    host.store.compact();
    let append = host.ask().expect("an append is due");
    let job = Job::new(&host.store, &append);
    assert!(host.run_until("Flip"));
    assert!(host.store.written() < position);
    (host, job, position)
}

/// How many chunks are stored that the manifest covers.
fn covered_chunks(host: &Host) -> usize {
    let manifest = host.storage.stored.manifest.as_ref().expect("it is there");
    host.storage.stored.log.range(..=Manifest::decode(manifest).expect("whole").upto_sequence).count()
}

/// The snapshot holds what appends under way carry: the writer need not carry it again. What they store of it all the
/// same is deleted, once they are answered.
#[test]
fn a_flip_makes_durable_what_it_covers() {
    let (mut host, append, position) = before_flip_beside_append();
    host.perform_kept();
    assert_eq!((host.store.written(), host.store.durable()), (position, position));
    host.pump();
    assert_eq!(count(&host, "DeleteLog"), 0, "the append may still be done");
    host.execute(&append);
    assert_eq!((host.store.refusal(), covered_chunks(&host)), (None, 1));
    host.run("XADD s * f v");
    host.settle();
    assert_eq!((count(&host, "DeleteLog"), covered_chunks(&host)), (1, 0));
    check_recovers(&host);
}

/// An append that fails beside a flip of unknown outcome is repeated before anybody knows of the flip.
#[test]
fn what_is_stored_again_after_a_flip_is_deleted_again() {
    for fault in UNCERTAIN {
        let (mut host, append, position) = before_flip_beside_append();
        host.storage.faults.at.insert(host.storage.operations, fault);
        host.perform_kept();
        host.store.answered(host.now_ms, append.ticket, StoreAnswer::Failed(StorageFault::Io));
        while !host.run_until("ReadManifest") {
            host.now_ms = host.store.deadline().expect("it watches");
        }
        assert!(host.store.written() >= position, "{fault:?}");
        if has_happened(fault) {
            assert_eq!(covered_chunks(&host), 1, "{fault:?}: the append was repeated");
        }
        host.perform_kept();
        host.settle();
        assert_eq!(count(&host, "DeleteLog"), usize::from(has_happened(fault)), "{fault:?}");
        assert_eq!(covered_chunks(&host), 0, "{fault:?}");
        check_recovers(&host);
    }
}

/// Where no append was in the way of the flip, it has deleted all that it covers.
#[test]
fn nothing_is_deleted_twice() {
    for fault in UNCERTAIN {
        let (mut host, _) = before_flip();
        host.storage.faults.at.insert(host.storage.operations, fault);
        host.perform_kept();
        host.run("XADD s * f v");
        host.settle();
        assert_eq!((count(&host, "DeleteLog"), covered_chunks(&host)), (0, 0), "{fault:?}");
    }
}

#[test]
fn closing_waits_for_the_flip_and_not_for_certainty() {
    for fault in UNCERTAIN {
        let (mut host, _) = before_flip();
        host.store.close();
        assert_eq!(host.ask(), None, "the flip is under way");
        host.storage.faults.at.insert(host.storage.operations, fault);
        host.perform_kept();
        host.settle();
        assert!(host.store.is_closed());
        let storage = host.storage.clone();
        assert!(storage.witness.expect("it was noted").is_clean);
        check_stored(&storage, host.engine.state_hash());
    }
}
