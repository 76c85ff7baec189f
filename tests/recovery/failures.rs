//! The storage fails, lies or keeps silent while it is opened; and what the refusals say.

use brooklet::ReplayError;
use brooklet::persist::{
    ChunkCount, Damage, DecodeFault, Erased, LogBreak, Loss, OpenError, Recovery, RecoveryAnswer, RecoveryConfig,
    RecoveryRequest, StorageFault, Stored, StoredValue, TailLoss, Ticket,
};

use crate::history::{History, config, contents, open_into, requests, salvaging, tearable};
use crate::storage::{Fault, Level, MemoryStorage, Place};
use crate::{SMALL, log_count, plain, with_snapshot};

// One value.

#[test]
fn an_unreadable_chunk_counts_as_damaged_and_hides_no_other() {
    let history = History::new(1, SMALL);
    let last = history.last().tail.sequence;
    for sequence in 1..=last {
        let mut storage = history.stored(Level::Durable);
        storage.faults.unreadable.insert(Place::Chunk(sequence));
        let last_good = if sequence == 1 { 0 } else { history.moment_before(sequence).tail.sequence };
        let next_good = (sequence < last).then_some(sequence + 1);
        let broken = LogBreak { last_good, first_bad: sequence, next_good, damage: Damage::Unreadable };
        assert_eq!(history.open(&mut storage, config()), Err(OpenError::CorruptLog(broken)));
        if sequence > 1 {
            let recovered = history.open(&mut storage, salvaging()).expect("there is something before it");
            assert_eq!(recovered.losses, [Loss::Rest(broken)]);
        }
    }
}

#[test]
fn an_unreadable_end_is_a_torn_one_where_the_medium_can_tear() {
    let history = History::new(1, SMALL);
    let mut storage = history.stored(Level::Durable);
    let last = history.last().tail.sequence;
    storage.faults.unreadable.insert(Place::Chunk(last));
    let recovered = history.open(&mut storage, tearable()).expect("it may be a tear");
    assert_eq!(recovered.tail, history.moment_before(last).tail);
}

/// Reading one by one goes on for as much as failed together, and then in pages again.
#[test]
fn a_page_that_fails_is_read_value_by_value() {
    let history = History::new(1, SMALL);
    let (storage, _) = with_snapshot(&history, 4);
    let config = RecoveryConfig { page_bytes: 2000, ..config() };
    let usual = requests(&mut storage.clone(), config);
    for (operation, name) in usual.iter().enumerate().filter(|(_, name)| ["ReadParts", "ReadLog"].contains(&&***name)) {
        for fault in [Fault::Fails(StorageFault::Io), Fault::FailsAfterSuccess(StorageFault::Io), Fault::NeverAnswers] {
            let mut storage = storage.clone();
            storage.faults.at.insert(operation as u64, fault);
            let before = storage.operations;
            let opened = history.open(&mut storage, config);
            let is_single_part = name == "ReadParts" && storage.operations - before <= operation as u64 + 1;
            match opened {
                Ok(recovered) => assert_eq!(recovered.tail, history.last().tail),
                Err(error) => assert!(is_single_part, "operation {operation}, {name}: {error}"),
            }
        }
    }
}

#[test]
fn a_page_that_fails_once_is_read_singly_and_then_in_pages() {
    let history = History::new(1, SMALL);
    let mut storage = history.stored(Level::Durable);
    let config = RecoveryConfig { page_bytes: 1000, ..config() };
    let first_page = requests(&mut storage.clone(), config).iter().position(|name| name == "ReadLog");
    storage.faults.at.insert(first_page.expect("there is one") as u64, Fault::Fails(StorageFault::Io));
    let mut names = Vec::new();
    let mut recovery = Recovery::new(config);
    while let Some((ticket, request)) = recovery.next_request() {
        names.push(format!("{request:?}").split(' ').next().map(String::from).unwrap_or_default());
        let answer = storage.execute(&request).expect("nothing keeps silent");
        recovery.answered(ticket, answer, &mut |_| Ok(()));
    }
    assert_eq!(recovery.take_outcome().expect("it has ended").expect("it opens").tail, history.last().tail);
    let log = &names[first_page.expect("there is one")..];
    assert_eq!(log[..3], ["ReadLog", "ReadLogOne", "ReadLogOne"]);
    assert_eq!(log.last().map(String::as_str), Some("ReadLog"));
}

/// What cannot be read alone either fails the opening: it is not the fault of a neighbour.
#[test]
fn a_chunk_that_fails_alone_as_well_is_a_failure_of_the_storage() {
    let history = History::new(1, SMALL);
    let mut storage = history.stored(Level::Durable);
    let page = requests(&mut storage.clone(), config()).iter().position(|name| name == "ReadLog");
    let page = page.expect("there is one") as u64;
    for operation in [page, page + 1] {
        storage.faults.at.insert(operation, Fault::Fails(StorageFault::Io));
    }
    let failed = OpenError::Storage { doing: "reading the log", fault: StorageFault::Io };
    assert_eq!(history.open(&mut storage, config()), Err(failed));
}

/// Some storages know that there is no more only by going on.
#[test]
fn an_empty_page_is_the_end_even_if_more_was_announced() {
    let history = History::new(1, SMALL);
    let mut storage = history.stored(Level::Durable);
    let mut recovery = Recovery::new(config());
    while let Some((ticket, request)) = recovery.next_request() {
        let mut answer = storage.execute(&request).expect("nothing keeps silent");
        if let RecoveryAnswer::LogPage { has_more, .. } = &mut answer {
            *has_more = true;
        }
        recovery.answered(ticket, answer, &mut |_| Ok(()));
    }
    assert_eq!(recovery.take_outcome().expect("it has ended").expect("it opens").tail, history.last().tail);
}

// Any operation.

/// Each operation fails in each way: then the opening fails or has found another way, nothing has changed that must not,
/// and the next one finds everything.
#[test]
fn every_operation_may_fail_in_every_way() {
    let history = History::new(2, SMALL);
    let whole = history.stored(Level::Durable);
    let mut torn = whole.clone();
    torn.cut_log(1);
    let mut holed = whole.clone();
    holed.drop_value(Place::Chunk(5));
    let (with_snapshot, _) = with_snapshot(&history, 3);
    let small_pages = RecoveryConfig { page_bytes: 1500, ..tearable() };
    let cases = [(whole, config()), (torn, small_pages), (holed, salvaging()), (with_snapshot, small_pages)];
    let kinds = [StorageFault::Io, StorageFault::Quota, StorageFault::Closed, StorageFault::NoAnswer];
    let mut points = 0;
    for (storage, config) in cases {
        let mut undisturbed = storage.clone();
        let expected = history.open(&mut undisturbed, config).expect("nothing is switched on");
        let operations = undisturbed.operations;
        let faults = kinds.iter().flat_map(|&kind| [Fault::Fails(kind), Fault::FailsAfterSuccess(kind)]);
        for fault in faults.chain([Fault::NeverAnswers]) {
            for operation in 0..operations {
                points += 1;
                let mut storage = storage.clone();
                storage.faults.at.insert(operation, fault);
                let before = contents(&storage).without_epochs();
                let opened = history.open(&mut storage, config);
                let text = format!("{fault:?} at operation {operation}: {opened:?}");
                let is_last_write = operation + 1 == operations && !matches!(fault, Fault::Fails(_));
                match opened {
                    Ok(recovered) => assert_eq!(recovered.tail, expected.tail, "{text}"),
                    Err(OpenError::Storage { .. }) if is_last_write => {}
                    Err(OpenError::Storage { .. }) => assert!(contents(&storage).without_epochs() == before, "{text}"),
                    Err(_) => panic!("{text}"),
                }
                storage.faults.at.clear();
                let again = history.open(&mut storage, config).expect("the storage works again");
                assert_eq!((again.tail, again.is_lossy), (expected.tail, expected.is_lossy), "{text}");
            }
        }
    }
    assert!(points > 400, "{points} points");
}

/// On a connection that is gone, and where there is no room, each further attempt would fail as well.
#[test]
fn a_lost_connection_ends_the_opening() {
    let history = History::new(1, SMALL);
    let storage = history.stored(Level::Durable);
    let names = requests(&mut storage.clone(), config());
    for (operation, name) in names.iter().enumerate() {
        let mut storage = storage.clone();
        storage.faults.at.insert(operation as u64, Fault::Fails(StorageFault::Closed));
        let error = history.open(&mut storage, config()).expect_err("the connection is gone");
        assert!(matches!(error, OpenError::Storage { fault: StorageFault::Closed, .. }), "{name}: {error}");
        assert_eq!(storage.operations, operation as u64 + 1, "nothing more is asked");
    }
}

// Answers that nobody asked for.

#[test]
fn answers_that_come_late_or_twice_change_nothing() {
    let history = History::new(1, SMALL);
    let mut storage = history.stored(Level::Durable);
    let mut recovery = Recovery::new(RecoveryConfig { page_bytes: 1000, ..config() });
    let mut journal = Vec::new();
    let mut sink = |item: brooklet::persist::RecoveryItem<'_>| {
        if let brooklet::persist::RecoveryItem::Group(group) = item {
            journal.extend_from_slice(group.journal);
        }
        Ok(())
    };
    recovery.answered(Ticket(1), RecoveryAnswer::Fenced, &mut sink);
    let mut late = Vec::new();
    while let Some((ticket, request)) = recovery.next_request() {
        let is_page = matches!(request, RecoveryRequest::ReadLog { .. });
        let answer = storage.execute(&request).expect("nothing is switched on");
        if is_page && late.len() < 3 {
            // Given up; the answer comes when everything has been read another way.
            late.push((ticket, answer));
            recovery.answered(ticket, RecoveryAnswer::Failed(StorageFault::NoAnswer), &mut sink);
        } else {
            recovery.answered(ticket, answer.clone(), &mut sink);
            recovery.answered(ticket, answer, &mut sink);
        }
        for (ticket, answer) in &late {
            recovery.answered(*ticket, answer.clone(), &mut sink);
        }
        recovery.answered(Ticket(u64::MAX), RecoveryAnswer::Fenced, &mut sink);
    }
    let expected = plain(history.last(), 2, log_count(&storage));
    assert_eq!(recovery.take_outcome(), Some(Ok(expected)));
    assert_eq!(recovery.take_outcome(), None);
    assert!(journal == history.journal);
}

#[test]
fn an_answer_to_another_question_is_a_failure() {
    let history = History::new(1, SMALL);
    let (storage, _) = with_snapshot(&history, 3);
    let names = requests(&mut storage.clone(), config());
    let wrong = |request: &RecoveryRequest<'_>| match request {
        RecoveryRequest::ListParts => RecoveryAnswer::Done,
        RecoveryRequest::ReadParts(_) => RecoveryAnswer::Parts(Vec::new()),
        // Nothing in it is what was asked for, and there is said to be more.
        RecoveryRequest::ReadLog { .. } => {
            RecoveryAnswer::LogPage { chunks: vec![(1, Stored::Missing)], has_more: true }
        }
        _ => RecoveryAnswer::PartIds(Vec::new()),
    };
    for (place, name) in names.iter().enumerate() {
        let mut storage = storage.clone();
        let mut recovery = Recovery::new(config());
        let mut asked = 0;
        while let Some((ticket, request)) = recovery.next_request() {
            let answer = if asked == place { wrong(&request) } else { storage.execute(&request).expect("it answers") };
            recovery.answered(ticket, answer, &mut |_| Ok(()));
            asked += 1;
        }
        let outcome = recovery.take_outcome().expect("it has ended");
        let fault = StorageFault::Io;
        assert!(matches!(outcome, Err(OpenError::Storage { fault: found, .. }) if found == fault), "{name}");
        assert_eq!(asked, place + 1);
    }
}

// The engine refuses.

#[test]
fn what_the_engine_cannot_apply_ends_the_opening() {
    let history = History::new(1, SMALL);
    let (storage, _) = with_snapshot(&history, 3);
    let error = ReplayError { offset: 3, reason: "an effect on no key" };
    let group = storage.stored.log.keys().next().copied().expect("there is a log");
    let values = [StoredValue::Part(0), StoredValue::Part(1), StoredValue::Part(2), StoredValue::Manifest];
    for (place, value) in values.into_iter().chain([StoredValue::Chunk(group)]).enumerate() {
        let mut items = 0;
        let opened = open_into(&mut storage.clone(), salvaging(), &mut |_| {
            items += 1;
            if items > place { Err(error) } else { Ok(()) }
        });
        assert_eq!(opened, Err(OpenError::Unreplayable { value, error }));
        assert_eq!(items, place + 1, "nothing more is handed over");
    }
}

// Words.

#[test]
fn refusals_say_what_is_wrong_with_which_value_and_what_to_do() {
    let torn = DecodeFault::Torn { has: 10, needs: 72 };
    let broken = LogBreak { last_good: 7, first_bad: 8, next_good: Some(12), damage: Damage::Missing };
    let erased = Erased { log_id: 0xab, durable_sequence: 9, found: None };
    let lost = TailLoss { from: 8, to: 9, may_be_accepted: false };
    let reason = "an effect on no key";
    let cases: &[(OpenError, &str)] = &[
        (
            OpenError::Erased(erased),
            "the storage is empty, but log 00000000000000ab was there, durable up to chunk 9: it was erased. \
             To go on without it, open with on_data_loss: Accept",
        ),
        (
            OpenError::Erased(Erased { found: Some(0xcd), ..erased }),
            "the storage holds log 00000000000000cd, but log 00000000000000ab was there, durable up to chunk 9: it was \
             erased. To go on without it, open with on_data_loss: Accept",
        ),
        (
            OpenError::CorruptSnapshot { part: None, damage: Damage::Manifest(torn) },
            "the manifest is damaged: torn: 10 bytes of at least 72. Nothing was changed; restore the storage from a copy",
        ),
        (
            OpenError::CorruptSnapshot { part: Some(3), damage: Damage::Unreadable },
            "part 3 is damaged: the storage cannot read it. Nothing was changed; restore the storage from a copy",
        ),
        (
            OpenError::CorruptLog(broken),
            "the log is whole up to chunk 7, and chunk 8 is damaged: it is missing; the next whole one is chunk 12. \
             To load what comes before and put the rest aside, open with on_corruption: Salvage",
        ),
        (
            OpenError::CorruptLog(LogBreak { last_good: 0, next_good: None, damage: Damage::GroupOpen, ..broken }),
            "the log is whole up to chunk 0, and chunk 8 is damaged: the log ends inside its group; no whole one follows. \
             Nothing before it can be saved, and nothing was changed",
        ),
        (
            OpenError::DataLoss(lost),
            "the chunks 8 to 9 were durable and are gone from the end of the log. \
             To go on without them, open with on_data_loss: Accept",
        ),
        (
            OpenError::DataLoss(TailLoss { may_be_accepted: true, ..lost }),
            "the chunks 8 to 9 were durable and are gone from the end of the log; it may be a loss that was accepted \
             before, since when no witness was noted. To go on without them, open with on_data_loss: Accept",
        ),
        (
            OpenError::TooNew { value: StoredValue::Chunk(5), major: 2, flags: 3 },
            "chunk 5 cannot be read: too new: it takes version 2 with flags 0x03, and this is version 1. \
             Nothing was changed; open with a newer version",
        ),
        (OpenError::Locked, "another owner holds the storage: wait until it is closed, or take it over"),
        (
            OpenError::Fenced { epoch: 4 },
            "another owner has taken over after epoch 4 was asked for: open again to take it back",
        ),
        (
            OpenError::Storage { doing: "reading the log", fault: StorageFault::Closed },
            "the storage failed while reading the log: the connection is gone. Open again",
        ),
        (
            OpenError::Unreplayable { value: StoredValue::Part(1), error: ReplayError { offset: 3, reason } },
            "part 1 is whole, but the journal can't be replayed: an effect on no key, in the unit at byte 3. \
             Nothing was changed",
        ),
        (OpenError::OutOfMemory, "there is no memory for what is stored. Nothing was changed"),
        (OpenError::OutOfRange, "the numbers of this log are used up. Nothing was changed"),
    ];
    for (error, sentence) in cases {
        assert_eq!(error.to_string(), *sentence);
    }
    let rest = Loss::Rest(broken).to_string();
    assert!(rest.ends_with("the next whole one is chunk 12; what stood behind is in quarantine"), "{rest}");
    assert!(Loss::Tail(lost).to_string().starts_with("the chunks 8 to 9"));
    assert!(Loss::Erased(erased).to_string().ends_with("it was erased"));
}

/// Numbers that no writer gives: there is no place left to mark a loss with.
#[test]
fn a_part_id_at_the_end_of_its_range_is_refused_in_words() {
    let history = History::new(1, SMALL);
    let mut storage = history.stored(Level::Durable);
    storage.drop_value(Place::Chunk(5));
    storage.stored.parts.insert((1 << 53) + 1, b"whatever".to_vec().into());
    assert_eq!(history.open(&mut storage, salvaging()), Err(OpenError::OutOfRange));
    assert_eq!(log_count(&MemoryStorage::default()), ChunkCount::default());
}
