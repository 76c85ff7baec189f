//! Rules 1 and 6: what was seen durable has to be there, all of it or at all.

use brooklet::persist::{
    Erased, Loss, Manifest, OnCorruption, OpenError, RecoveryConfig, StorageFault, Tail, TailLoss, Witness,
};

use crate::history::{
    History, LOG_ID, NEW_LOG_ID, accepting, config, contents, read_only, requests, salvaging, tearable,
};
use crate::storage::{Fault, Level, MemoryStorage, Place};
use crate::{SMALL, check_goes_on};

#[test]
fn r1_an_empty_storage_is_a_new_log() {
    let mut storage = MemoryStorage::default();
    let history = History::new(1, SMALL);
    let recovered = history.open(&mut storage, config()).expect("it opens");
    assert_eq!((recovered.tail, recovered.epoch), (Tail::new(NEW_LOG_ID), Some(1)));
    assert!(recovered.is_new && recovered.was_clean && !recovered.is_lossy);
    assert_eq!(storage.stored.epochs.iter().copied().collect::<Vec<_>>(), [1]);
    assert!(storage.stored.without_epochs() == MemoryStorage::default().stored);
}

#[test]
fn r1_an_empty_storage_where_the_witness_saw_a_log_is_erased() {
    let history = History::new(1, SMALL);
    let mut storage = history.stored(Level::Durable);
    let witness = History::witness(history.last());
    storage.witness = Some(witness);
    storage.erase();
    let erased = Erased { log_id: LOG_ID, durable_sequence: witness.durable_sequence, found: None };
    assert_eq!(history.open(&mut storage, config()), Err(OpenError::Erased(erased)));
    assert!(storage.stored.epochs.is_empty(), "it was known before the claim");
    assert_eq!(history.open(&mut storage, read_only()), Err(OpenError::Erased(erased)));

    let recovered = history.open(&mut storage, accepting()).expect("the loss is accepted");
    assert_eq!((recovered.tail, recovered.epoch), (Tail::new(NEW_LOG_ID), Some(2)), "epochs go on behind the witness");
    assert_eq!((recovered.losses, recovered.is_lossy), (vec![Loss::Erased(erased)], false));
    assert_eq!((recovered.clock_ms, recovered.was_clean), (witness.clock_ms, false));
}

/// Somebody has begun anew without seeing the witness.
#[test]
fn r1_another_log_than_the_witness_saw_is_refused() {
    let history = History::new(1, SMALL);
    let mut storage = history.stored(Level::Durable);
    storage.witness = Some(Witness { log_id: 7, durable_sequence: 3, ..Witness::default() });
    let erased = Erased { log_id: 7, durable_sequence: 3, found: Some(LOG_ID) };
    assert_eq!(history.open(&mut storage, config()), Err(OpenError::Erased(erased)));
    let recovered = history.open(&mut storage, accepting()).expect("the loss is accepted");
    assert_eq!((recovered.tail, recovered.losses), (history.last().tail, vec![Loss::Erased(erased)]));
    assert!(!recovered.is_lossy, "nothing is lost of this log");
    storage.witness = Some(Witness { log_id: 7, ..Witness::default() });
    history.open(&mut storage, config()).expect("a witness that saw nothing durable claims nothing");
}

/// There is nothing to write down that is not written down.
#[test]
fn r6_a_second_loss_of_a_marked_log_is_told_and_not_marked_again() {
    let history = History::new(6, SMALL);
    let mut storage = history.stored(Level::Durable);
    let mut witness = History::witness(history.last());
    witness.durable_sequence += 5;
    storage.witness = Some(witness);
    history.open(&mut storage, accepting()).expect("the loss is accepted");
    let marked = storage.stored.clone();
    let epoch = *storage.stored.epochs.last().expect("it was claimed");
    storage.witness = Some(Witness { epoch, durable_sequence: witness.durable_sequence + 5, ..witness });
    let recovered = history.open(&mut storage, accepting()).expect("the loss is accepted");
    let last = history.last().tail.sequence;
    let loss = TailLoss { from: last + 1, to: last + 10, may_be_accepted: false };
    assert_eq!(recovered.losses, [Loss::Tail(loss)]);
    assert!(recovered.is_lossy && storage.stored.without_epochs() == marked.without_epochs());
}

#[test]
fn r6_a_log_that_ends_before_what_was_durable_is_refused() {
    let history = History::new(6, SMALL);
    let mut storage = history.stored(Level::Durable);
    let witness = History::witness(history.last());
    let to = witness.durable_sequence;
    storage.witness = Some(witness);
    history.open(&mut storage, config()).expect("everything is there");
    let last = history.moment_before(to);
    let from = last.tail.sequence + 1;
    (from..=to).for_each(|sequence| storage.drop_value(Place::Chunk(sequence)));
    let loss = TailLoss { from, to, may_be_accepted: false };
    for config in [config(), tearable(), read_only(), salvaging()] {
        assert_eq!(history.open(&mut storage, config), Err(OpenError::DataLoss(loss)));
    }
    let recovered = history.open(&mut storage, accepting()).expect("the loss is accepted");
    assert_eq!((recovered.tail, recovered.clock_ms), (last.tail, witness.clock_ms));
    assert_eq!((&recovered.losses[..], recovered.is_lossy), (&[Loss::Tail(loss)][..], true));
    storage.witness = None;
    check_goes_on(&history, &mut storage, config(), &recovered);
}

/// What is not there any more because the power went is no loss, unless it had been durable.
#[test]
fn r6_loss_of_power_takes_what_was_not_durable() {
    let history = History::new(6, SMALL);
    let mut storage = history.stored(Level::Written);
    let durable = &history.moments[0];
    assert_eq!(storage.undurable(), history.moments.len());
    for survivors in (1..=history.moments.len()).rev() {
        storage.lose_power(survivors);
        storage.witness = Some(History::witness(durable));
        let recovered = history.open(&mut storage.clone(), config()).expect("nothing durable is gone");
        assert_eq!(recovered.tail, history.moments[survivors - 1].tail);
        storage = history.stored(Level::Written);
    }
}

/// A torn chunk that had been durable is not the trace of a crash.
#[test]
fn r6_a_torn_end_that_was_durable_is_a_loss() {
    let history = History::new(6, SMALL);
    let mut storage = history.stored(Level::Durable);
    storage.witness = Some(History::witness(history.last()));
    storage.cut_log(1);
    let to = history.last().tail.sequence;
    let loss = TailLoss { from: history.moment_before(to).tail.sequence + 1, to, may_be_accepted: false };
    assert_eq!(history.open(&mut storage, tearable()), Err(OpenError::DataLoss(loss)));
    let config = RecoveryConfig { can_tear: true, ..accepting() };
    let recovered = history.open(&mut storage, config).expect("the loss is accepted");
    assert_eq!(recovered.tail_dropped.chunks, to - loss.from + 1);
    assert_eq!(storage.stored.quarantine.len() as u64, recovered.tail_dropped.chunks);
}

/// Both happened: something in the middle is damaged, and the end is gone.
#[test]
fn r6_salvage_is_no_consent_to_a_lost_end() {
    let history = History::new(6, SMALL);
    let mut storage = history.stored(Level::Durable);
    let last = history.last().tail.sequence;
    storage.witness = Some(Witness { durable_sequence: last + 2, ..History::witness(history.last()) });
    storage.flip_bit(Place::Chunk(7), 5);
    let loss = TailLoss { from: last + 1, to: last + 2, may_be_accepted: false };
    assert_eq!(history.open(&mut storage, salvaging()), Err(OpenError::DataLoss(loss)));
    let config = RecoveryConfig { on_corruption: OnCorruption::Salvage, ..accepting() };
    let recovered = history.open(&mut storage, config).expect("everything is accepted");
    assert!(matches!(recovered.losses[..], [Loss::Rest(_), Loss::Tail(found)] if found == loss));
}

/// The loss was accepted and marked, and then the owner died before it noted a witness: that of before still tells of
/// chunks that are in quarantine. The mark does not say which ones they were, so others might be gone as well.
#[test]
fn r6_a_marked_loss_is_refused_until_a_witness_is_noted_and_the_refusal_says_so() {
    let history = History::new(6, SMALL);
    let last = history.last().tail.sequence;
    let mut storage = history.stored(Level::Durable);
    let witness = History::witness(history.last());
    storage.witness = Some(witness);
    storage.flip_bit(Place::Chunk(7), 5);
    // The mark is the last that is written, and nobody learns that it is.
    let operations = requests(&mut storage.clone(), salvaging()).len() as u64;
    storage.faults.at.insert(operations - 1, Fault::FailsAfterSuccess(StorageFault::Io));
    let failed = OpenError::Storage { doing: "marking the loss", fault: StorageFault::Io };
    assert_eq!(history.open(&mut storage, salvaging()), Err(failed));
    let tail = history.moment_before(7).tail;
    let loss = TailLoss { from: tail.sequence + 1, to: last, may_be_accepted: true };
    assert_eq!(history.open(&mut storage, salvaging()), Err(OpenError::DataLoss(loss)));
    assert_eq!(history.open(&mut storage, read_only()), Err(OpenError::DataLoss(loss)));

    let marked = contents(&storage);
    let recovered = history.open(&mut storage, accepting()).expect("the loss is accepted");
    assert_eq!((recovered.tail, &recovered.losses[..]), (tail, &[Loss::Tail(loss)][..]));
    assert!(storage.stored.without_epochs() == marked.without_epochs(), "there is nothing more to mark");
    let epoch = recovered.epoch.expect("it was claimed");
    storage.witness = Some(Witness { epoch, durable_sequence: tail.sequence, ..witness });
    check_goes_on(&history, &mut storage, config(), &recovered);

    // What is lost behind that witness is no old loss, though the log is marked.
    let epoch = *storage.stored.epochs.last().expect("it was claimed");
    storage.witness = Some(Witness { epoch, durable_sequence: last, ..witness });
    let error = history.open(&mut storage, config()).expect_err("it has not so many chunks");
    assert!(matches!(error, OpenError::DataLoss(TailLoss { may_be_accepted: false, to, .. }) if to == last), "{error}");
}

// Whether the last owner closed it.

#[test]
fn only_what_was_closed_where_it_ends_is_clean() {
    let history = History::new(6, SMALL);
    let mut storage = history.stored(Level::Durable);
    let closed = Witness { is_clean: true, ..History::witness(history.last()) };
    let mut was_clean = |witness: Option<Witness>| {
        storage.witness = witness;
        history.open(&mut storage, config()).expect("everything is there").was_clean
    };
    assert!(was_clean(Some(closed)));
    assert!(!was_clean(None), "nobody knows");
    assert!(!was_clean(Some(Witness { is_clean: false, ..closed })));
    let earlier = history.moment_before(closed.durable_sequence);
    let closed_earlier = Witness { is_clean: true, ..History::witness(earlier) };
    assert!(!was_clean(Some(closed_earlier)), "somebody went on");
    storage.cut_log(1);
    storage.witness = Some(closed_earlier);
    let recovered = history.open(&mut storage, tearable()).expect("it is a torn end");
    assert_eq!((recovered.tail, recovered.was_clean), (earlier.tail, false), "somebody had gone on");
}

/// An ID that anybody may have seen is below the clock that is told, also one that went with the loss.
#[test]
fn the_clock_is_the_latest_that_anything_knows() {
    let history = History::new(6, SMALL);
    let mut storage = history.stored(Level::Durable);
    let clock_ms = |storage: &mut MemoryStorage, config| history.open(storage, config).expect("it opens").clock_ms;
    let latest_ms = history.moments.iter().map(|moment| moment.base_ms).max().expect("there are moments");
    assert_eq!(clock_ms(&mut storage, config()), latest_ms);
    storage.witness = Some(Witness { clock_ms: latest_ms + 9, ..History::witness(history.last()) });
    assert_eq!(clock_ms(&mut storage, config()), latest_ms + 9);
    storage.witness = None;
    let mut holed = storage.clone();
    holed.drop_value(Place::Chunk(2));
    assert_eq!(clock_ms(&mut holed, salvaging()), latest_ms, "the rest was seen");
    let (mut covered, manifest) = history.stored_with_snapshot(history.last(), 2);
    let manifest = Manifest { created_ms: latest_ms + 7, ..manifest };
    covered.stored.manifest = Some(manifest.encode().expect("in range").into());
    assert_eq!(clock_ms(&mut covered, config()), latest_ms + 7);
}
