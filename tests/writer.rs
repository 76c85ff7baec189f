//! The writer and the reply gate, as whoever stores a log sees them: what is asked for when, what an answer promises,
//! what happens after a failure, and how much memory a storage that stalls may cost.
//!
//! Faults by the thousand are the matter of the simulation beside the writer; here is one case of each, told in order.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a panic here is a failed test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use brooklet::persist::{
    Answer, Append, Chunk, ChunkAssembler, Level, Mode, Need, Refusal, ReplyGate, StorageFault, Tail, Ticket, Writer,
    WriterConfig, WriterRequest,
};
use brooklet::{Config, Engine, Position, Reply, Session, Value};

const LOG: u64 = 7;
const FAILED: Answer = Answer::Failed(StorageFault::Io);

/// The system's allocator, which counts what is live and refuses on demand, for each thread by itself.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// How many more allocations are granted; `None` is all.
    static GRANTED: Cell<Option<u64>> = const { Cell::new(None) };
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

fn is_refused() -> bool {
    let granted = GRANTED.get();
    GRANTED.set(granted.and_then(|granted| granted.checked_sub(1)));
    granted == Some(0)
}

fn count(freed: usize, taken: usize) {
    LIVE.set(LIVE.get().wrapping_sub(freed).wrapping_add(taken));
    // What another thread had taken may be freed here; then there is less than nothing.
    if LIVE.get() < usize::MAX / 2 {
        PEAK.set(PEAK.get().max(LIVE.get()));
    }
}

#[allow(unsafe_code, reason = "an allocator cannot be written without; every call is refused or handed on as it came")]
// SAFETY: each function passes its arguments to the system's allocator, or returns null as an allocator may.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_refused() {
            return std::ptr::null_mut();
        }
        count(0, layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), 0);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Giving memory back is never refused.
        if size > layout.size() && is_refused() {
            return std::ptr::null_mut();
        }
        count(layout.size(), size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// A writer on an empty log that was taken over and has stored the mark.
fn writer(config: WriterConfig) -> Writer {
    let mut writer = Writer::new(config, Tail::new(LOG), Position(0)).expect("there is memory");
    writer.take_over(0, 1).expect("there is memory");
    let mark = append(&mut writer, 0);
    assert_eq!((mark.level, mark.epoch, mark.first_sequence, mark.chunks), (Level::Durable, 1, 1, 1));
    assert!(Chunk::decode(&stored(&writer, &mark)[0]).expect("it is whole").is_epoch_mark);
    writer.answered(0, mark.ticket, Answer::Done);
    writer
}

fn with_mode(mode: Mode) -> Writer {
    writer(WriterConfig { mode, ..WriterConfig::default() })
}

/// Pushes a run of one unit.
#[track_caller]
fn push(writer: &mut Writer, fill: u8) {
    let mut effects = vec![3, 0, fill, fill];
    let position = Position(writer.pushed().0 + 1);
    writer.push(&mut effects, position).expect("there is memory");
    assert!(effects.is_empty());
    writer.validate().expect("the invariants hold");
}

#[track_caller]
fn request(writer: &mut Writer, now_ms: u64) -> Option<WriterRequest> {
    let request = writer.next_request(now_ms).expect("there is memory");
    writer.validate().expect("the invariants hold");
    request
}

#[track_caller]
fn append(writer: &mut Writer, now_ms: u64) -> Append {
    match request(writer, now_ms) {
        Some(WriterRequest::Append(append)) => append,
        other => panic!("an append is due, not {other:?}"),
    }
}

#[track_caller]
fn reopen(writer: &mut Writer, now_ms: u64) -> Ticket {
    match request(writer, now_ms) {
        Some(WriterRequest::Reopen(ticket)) => ticket,
        other => panic!("the storage is to be reopened, not {other:?}"),
    }
}

fn stored(writer: &Writer, append: &Append) -> Vec<Vec<u8>> {
    let chunks: Vec<_> = writer.chunks(append).map(|chunk| chunk.bytes.clone()).collect();
    assert_eq!(chunks.len() as u64, append.chunks);
    chunks
}

/// Where a log ends that ends with this chunk.
fn tail_of(chunk: &[u8]) -> Tail {
    let chunk = Chunk::decode(chunk).expect("it is whole");
    Tail { log_id: chunk.log_id, epoch: chunk.epoch, sequence: chunk.sequence, checksum: chunk.checksum }
}

fn positions(writer: &Writer) -> (u64, u64) {
    (writer.written().0, writer.durable().0)
}

#[test]
fn what_is_pushed_while_an_append_is_unanswered_becomes_one_group() {
    let mut writer = with_mode(Mode::No);
    assert_eq!(request(&mut writer, 1), None);
    push(&mut writer, b'a');
    let first = append(&mut writer, 1);
    assert_eq!((first.level, first.first_sequence, first.chunks), (Level::Written, 2, 1));
    for fill in [b'b', b'c', b'd'] {
        push(&mut writer, fill);
        assert_eq!(request(&mut writer, 2), None);
    }
    assert_eq!(positions(&writer), (0, 0));
    writer.answered(3, first.ticket, Answer::Done);
    assert_eq!(positions(&writer), (1, 0));

    let second = append(&mut writer, 4);
    assert_eq!((second.first_sequence, second.chunks), (3, 1));
    let chunks = stored(&writer, &second);
    let chunk = Chunk::decode(&chunks[0]).expect("it is whole");
    assert_eq!((chunk.units, chunk.base_ms, chunk.epoch), (3, 4, 1));
    assert_eq!(chunk.payload, [3, 0, b'b', b'b', 3, 0, b'c', b'c', 3, 0, b'd', b'd']);
    writer.answered(5, second.ticket, Answer::Done);
    assert_eq!(positions(&writer), (4, 0));
    assert_eq!(request(&mut writer, 5), None);
}

#[test]
fn a_page_that_goes_places_another_append_that_repeats_what_is_unanswered() {
    let mut writer = with_mode(Mode::No);
    push(&mut writer, b'a');
    let first = append(&mut writer, 1);
    let carried = stored(&writer, &first);
    writer.flush_now();
    assert_eq!(request(&mut writer, 2), None, "there is nothing new");
    push(&mut writer, b'b');
    assert_eq!(request(&mut writer, 2), None, "nobody is in a hurry");
    writer.flush_now();
    let second = append(&mut writer, 3);
    assert_eq!((second.first_sequence, second.chunks), (2, 2));
    assert_eq!(stored(&writer, &second)[0], carried[0]);

    // The later one carried both, whatever becomes of the earlier one.
    writer.answered(4, second.ticket, Answer::Done);
    assert_eq!(positions(&writer), (2, 0));
    writer.answered(5, first.ticket, FAILED);
    assert_eq!(writer.refusal(), None);
}

#[test]
fn the_failure_of_an_append_that_a_later_one_repeats_is_no_failure() {
    let mut writer = with_mode(Mode::No);
    push(&mut writer, b'a');
    let first = append(&mut writer, 1);
    push(&mut writer, b'b');
    writer.flush_now();
    let second = append(&mut writer, 2);
    writer.answered(3, first.ticket, FAILED);
    assert_eq!((writer.refusal(), positions(&writer)), (None, (0, 0)));
    writer.answered(4, second.ticket, Answer::Done);
    assert_eq!(positions(&writer), (2, 0));
}

#[test]
fn answers_that_do_not_fit_what_was_asked_change_nothing() {
    let mut writer = writer(WriterConfig { mode: Mode::No, keeps_until_durable: true, ..WriterConfig::default() });
    push(&mut writer, b'a');
    let first = append(&mut writer, 1);
    writer.answered(2, Ticket(first.ticket.0 + 1), Answer::Fenced);
    assert_eq!((writer.refusal(), positions(&writer)), (None, (0, 0)), "nobody asked that");

    // A connection was asked for: that it is there is not enough, its tail has to be known.
    writer.answered(3, first.ticket, FAILED);
    let reopening = reopen(&mut writer, 1000);
    writer.answered(1001, reopening, Answer::Done);
    assert_eq!(request(&mut writer, 1001), None, "it still waits for the tail");
    writer.reopened(reopening, Tail { log_id: LOG, epoch: 1, ..Tail::default() }, 1);
    assert_eq!(writer.refusal(), Some(Refusal::Corrupt), "the mark was durable and is gone");
}

#[test]
fn a_new_segment_is_not_answered_with_a_tail() {
    let mut writer = writer(WriterConfig { mode: Mode::Always, keeps_until_durable: true, ..WriterConfig::default() });
    push(&mut writer, b'a');
    let first = append(&mut writer, 1);
    let before = tail_of(&stored(&writer, &first)[0]);
    writer.answered(2, first.ticket, FAILED);
    let Some(WriterRequest::NewSegment(ticket)) = request(&mut writer, 1000) else { panic!("a sync has failed") };
    writer.reopened(ticket, before, 1);
    assert_eq!(request(&mut writer, 1001), None, "it still waits for the segment");
    writer.answered(1002, ticket, Answer::Done);
    let again = append(&mut writer, 1003);
    assert_eq!((again.level, tail_of(&stored(&writer, &again)[0])), (Level::Durable, before));
}

#[test]
fn only_so_many_appends_are_placed_at_a_time() {
    let mut writer = with_mode(Mode::No);
    let mut placed = 0;
    for _ in 0..20 {
        push(&mut writer, b'a');
        writer.flush_now();
        placed += u64::from(request(&mut writer, 1).is_some());
    }
    assert_eq!(placed, 4);
}

#[test]
fn mode_always_makes_each_append_durable() {
    let mut writer = with_mode(Mode::Always);
    for unit in 1..4 {
        push(&mut writer, b'a');
        let append = append(&mut writer, unit);
        assert_eq!(append.level, Level::Durable);
        writer.answered(unit, append.ticket, Answer::Done);
        assert_eq!(positions(&writer), (unit, unit));
    }
    assert_eq!(writer.deadline(), None);
}

#[test]
fn mode_everysec_makes_one_append_a_second_durable_and_leaves_nothing_dirty() {
    let mut writer = with_mode(Mode::EverySecond);
    let store = |writer: &mut Writer, now_ms, level| {
        push(writer, b'a');
        let append = append(writer, now_ms);
        assert_eq!(append.level, level, "at {now_ms}");
        writer.answered(now_ms, append.ticket, Answer::Done);
    };
    store(&mut writer, 999, Level::Written);
    store(&mut writer, 1_000, Level::Durable);
    assert_eq!((positions(&writer), writer.deadline()), ((2, 2), None));
    store(&mut writer, 1_500, Level::Written);
    assert_eq!(writer.deadline(), Some(2_000));

    // Nothing more is pushed: what is written becomes durable all the same.
    assert_eq!(request(&mut writer, 1_999), None);
    let barrier = append(&mut writer, 2_000);
    assert_eq!((barrier.level, barrier.chunks), (Level::Durable, 0));
    writer.answered(2_001, barrier.ticket, Answer::Done);
    assert_eq!((positions(&writer), writer.deadline()), ((3, 3), None));
    assert_eq!(request(&mut writer, 9_000), None);
}

#[test]
fn a_clock_that_goes_back_does_not_put_off_what_is_due() {
    let mut writer = with_mode(Mode::EverySecond);
    push(&mut writer, b'a');
    let first = append(&mut writer, 5_000_000);
    writer.answered(5_000_000, first.ticket, Answer::Done);
    push(&mut writer, b'a');
    let second = append(&mut writer, 4_000_000);
    assert_eq!(second.level, Level::Written);
    writer.answered(4_000_000, second.ticket, Answer::Done);
    assert_eq!(writer.deadline(), Some(4_001_000));
    push(&mut writer, b'a');
    let third = append(&mut writer, 4_001_000);
    assert_eq!(third.level, Level::Durable);
    writer.answered(4_001_000, third.ticket, FAILED);
    assert_eq!(writer.deadline(), Some(4_001_050));
    assert_eq!(request(&mut writer, 3_000_000), None);
    assert_eq!(writer.deadline(), Some(3_000_050));
}

#[test]
fn mode_no_makes_durable_what_is_asked_for_and_nothing_else() {
    let mut writer = with_mode(Mode::No);
    push(&mut writer, b'a');
    let first = append(&mut writer, 60_000);
    push(&mut writer, b'b');
    assert_eq!(writer.sync(), Position(2));
    writer.answered(60_001, first.ticket, Answer::Done);
    let second = append(&mut writer, 60_002);
    assert_eq!((first.level, second.level), (Level::Written, Level::Durable));
    writer.answered(60_003, second.ticket, Answer::Done);
    assert_eq!(positions(&writer), (2, 2));

    push(&mut writer, b'c');
    let third = append(&mut writer, 60_004);
    writer.answered(60_005, third.ticket, Answer::Done);
    assert_eq!((third.level, writer.sync()), (Level::Written, Position(3)));
    let barrier = append(&mut writer, 60_006);
    assert_eq!((barrier.level, barrier.chunks), (Level::Durable, 0));
    writer.answered(60_007, barrier.ticket, Answer::Done);
    assert_eq!((positions(&writer), writer.sync()), ((3, 3), Position(3)));
    assert_eq!(request(&mut writer, 60_008), None);
}

#[test]
fn after_a_failure_writes_are_refused_until_the_same_bytes_are_stored() {
    let mut writer = with_mode(Mode::Always);
    push(&mut writer, b'a');
    let first = append(&mut writer, 100);
    let carried = stored(&writer, &first);
    writer.answered(100, first.ticket, Answer::Failed(StorageFault::Quota));
    let refusal = Some(Refusal::Failing(StorageFault::Quota));
    assert_eq!((writer.refusal(), writer.deadline()), (refusal, Some(150)));
    // What was already applied when the failure became known is kept.
    push(&mut writer, b'b');
    assert_eq!(request(&mut writer, 149), None);

    let ticket = reopen(&mut writer, 150);
    assert_eq!(request(&mut writer, 151), None);
    writer.reopened(ticket, writer_tail_before(&carried[0]), 1);
    assert_eq!(writer.refusal(), refusal);
    let again = append(&mut writer, 160);
    assert_eq!(stored(&writer, &again), carried);
    writer.answered(161, again.ticket, Answer::Done);
    assert_eq!((writer.refusal(), positions(&writer)), (None, (1, 1)));
    let second = append(&mut writer, 162);
    assert_eq!(second.first_sequence, again.first_sequence + 1);
}

/// The end of the log in front of a chunk that was not stored: the mark, which is the only chunk before it.
fn writer_tail_before(chunk: &[u8]) -> Tail {
    let chunk = Chunk::decode(chunk).expect("it is whole");
    assert_eq!(chunk.sequence, 2);
    Tail { log_id: LOG, epoch: 1, sequence: 1, checksum: chunk.previous }
}

#[test]
fn an_append_that_was_stored_and_reported_as_failed_is_stored_again() {
    let mut writer = with_mode(Mode::No);
    push(&mut writer, b'a');
    let first = append(&mut writer, 100);
    let carried = stored(&writer, &first);
    writer.answered(100, first.ticket, FAILED);
    let ticket = reopen(&mut writer, 150);
    writer.reopened(ticket, tail_of(&carried[0]), 1);
    assert_eq!(positions(&writer), (0, 0), "what is found is not yet promised");
    let again = append(&mut writer, 150);
    assert_eq!(stored(&writer, &again), carried);
    // The answer to the first one comes after all, and says nothing any more.
    writer.answered(151, first.ticket, Answer::Done);
    assert_eq!(positions(&writer), (0, 0));
    writer.answered(152, again.ticket, Answer::Done);
    assert_eq!(positions(&writer), (1, 0));
}

#[test]
fn pauses_double_up_to_a_limit_and_begin_anew_after_success() {
    let config = WriterConfig { retry_ms_min: 50, retry_ms_max: 300, ..WriterConfig::default() };
    let mut writer = writer(config);
    push(&mut writer, b'a');
    let first = append(&mut writer, 0);
    let tail = writer_tail_before(&stored(&writer, &first)[0]);
    writer.answered(0, first.ticket, FAILED);
    let mut now_ms = 0;
    for pause_ms in [50, 100, 200, 300, 300] {
        assert_eq!(writer.deadline(), Some(now_ms + pause_ms));
        now_ms += pause_ms;
        let ticket = reopen(&mut writer, now_ms);
        writer.answered(now_ms, ticket, FAILED);
    }
    now_ms += 300;
    let ticket = reopen(&mut writer, now_ms);
    writer.reopened(ticket, tail, 1);
    let again = append(&mut writer, now_ms);
    writer.answered(now_ms, again.ticket, Answer::Done);
    push(&mut writer, b'b');
    let last = append(&mut writer, now_ms);
    writer.answered(now_ms, last.ticket, FAILED);
    assert_eq!(writer.deadline(), Some(now_ms + 50));
}

#[test]
fn silence_is_a_failure_for_appends_and_for_the_request_to_reopen() {
    let mut writer = with_mode(Mode::Always);
    push(&mut writer, b'a');
    let first = append(&mut writer, 100);
    assert_eq!(writer.deadline(), Some(10_100));
    assert_eq!(request(&mut writer, 10_099), None);
    assert_eq!(writer.refusal(), None);
    assert_eq!(request(&mut writer, 10_100), None);
    assert_eq!(writer.refusal(), Some(Refusal::Failing(StorageFault::NoAnswer)));
    reopen(&mut writer, 10_150);
    assert_eq!(request(&mut writer, 20_150), None);
    assert_eq!(writer.deadline(), Some(20_250));
    // An answer that comes this late is still believed if it says that somebody else is the owner.
    writer.answered(20_200, first.ticket, Answer::Fenced);
    assert_eq!(writer.refusal(), Some(Refusal::Fenced));
}

#[test]
fn a_writer_without_anything_to_write_tries_whether_the_storage_works_again() {
    let mut writer = with_mode(Mode::EverySecond);
    push(&mut writer, b'a');
    let first = append(&mut writer, 10);
    let tail = tail_of(&stored(&writer, &first)[0]);
    writer.answered(10, first.ticket, Answer::Done);
    let barrier = append(&mut writer, 1_010);
    writer.answered(1_010, barrier.ticket, FAILED);
    let ticket = reopen(&mut writer, 1_060);
    writer.reopened(ticket, tail, 1);
    assert!(writer.refusal().is_some());
    let barrier = append(&mut writer, 1_060);
    assert_eq!((barrier.level, barrier.chunks), (Level::Durable, 0));
    writer.answered(1_061, barrier.ticket, Answer::Done);
    assert_eq!((writer.refusal(), positions(&writer)), (None, (1, 1)));
}

#[test]
fn a_log_that_ends_elsewhere_is_somebody_elses_or_corrupt() {
    let mut prepared = with_mode(Mode::No);
    push(&mut prepared, b'a');
    let first = append(&mut prepared, 1);
    let tail = tail_of(&stored(&prepared, &first)[0]);
    let changed = Tail { checksum: tail.checksum ^ 1, ..tail };
    let ahead = Tail { sequence: tail.sequence + 1, ..tail };
    let nothing = Tail::new(LOG);
    let foreign = Tail { log_id: LOG + 1, ..tail };
    for (stored, epoch, refusal) in [
        (tail, 1, Refusal::Failing(StorageFault::Io)),
        (tail, 2, Refusal::Fenced),
        (Tail { epoch: 2, ..ahead }, 1, Refusal::Fenced),
        (tail, 0, Refusal::Corrupt),
        (changed, 1, Refusal::Corrupt),
        (ahead, 1, Refusal::Corrupt),
        (nothing, 1, Refusal::Corrupt),
        (foreign, 1, Refusal::Corrupt),
    ] {
        let mut writer = with_mode(Mode::No);
        push(&mut writer, b'a');
        let first = append(&mut writer, 1);
        writer.answered(1, first.ticket, FAILED);
        let ticket = reopen(&mut writer, 51);
        writer.reopened(ticket, stored, epoch);
        assert_eq!(writer.refusal(), Some(refusal), "{stored:?} in epoch {epoch}");
        writer.validate().expect("the invariants hold");
    }
}

#[test]
fn a_log_that_is_still_empty_when_the_storage_is_reopened_is_ours() {
    for (stored, refusal) in [
        (Tail::default(), Refusal::Failing(StorageFault::Io)),
        (Tail { sequence: 1, checksum: 2, ..Tail::default() }, Refusal::Corrupt),
    ] {
        let mut writer = Writer::new(WriterConfig::default(), Tail::new(LOG), Position(0)).expect("there is memory");
        writer.take_over(0, 1).expect("there is memory");
        let mark = append(&mut writer, 0);
        writer.answered(0, mark.ticket, FAILED);
        let ticket = reopen(&mut writer, 50);
        writer.reopened(ticket, stored, 1);
        assert_eq!(writer.refusal(), Some(refusal));
    }
}

#[test]
fn after_an_end_nothing_is_asked_held_or_acknowledged() {
    let mut writer = with_mode(Mode::No);
    push(&mut writer, b'a');
    let first = append(&mut writer, 1);
    push(&mut writer, b'b');
    writer.answered(2, first.ticket, Answer::Fenced);
    let mut effects = vec![2, 0, 0];
    writer.push(&mut effects, Position(3)).expect("it needs no memory");
    assert!(effects.is_empty());
    writer.answered(3, first.ticket, Answer::Done);
    writer.covered(9, Position(9));
    writer.flush_now();
    assert_eq!((request(&mut writer, 1_000_000), writer.deadline()), (None, None));
    assert_eq!((writer.refusal(), positions(&writer)), (Some(Refusal::Fenced), (0, 0)));
    assert_eq!(writer.unwritten_bytes(), 0);
}

#[test]
fn where_a_failed_sync_loses_what_was_written_it_is_written_anew() {
    let mut writer = writer(WriterConfig { mode: Mode::No, keeps_until_durable: true, ..WriterConfig::default() });
    let mut bytes = Vec::new();
    for fill in *b"ab" {
        push(&mut writer, fill);
        let written = append(&mut writer, 1);
        bytes.extend(stored(&writer, &written));
        writer.answered(1, written.ticket, Answer::Done);
    }
    assert_eq!((positions(&writer), writer.unwritten_bytes()), ((2, 0), 0));
    push(&mut writer, b'c');
    writer.sync();
    let durable = append(&mut writer, 2);
    assert_eq!((durable.level, durable.chunks), (Level::Durable, 1));
    bytes.extend(stored(&writer, &durable));
    // Nothing is placed behind a sync that may have failed, not even when the page goes.
    push(&mut writer, b'd');
    writer.flush_now();
    assert_eq!(request(&mut writer, 2), None);

    writer.answered(3, durable.ticket, FAILED);
    let Some(WriterRequest::NewSegment(ticket)) = request(&mut writer, 53) else { panic!("a new segment is due") };
    writer.answered(54, ticket, FAILED);
    let Some(WriterRequest::NewSegment(ticket)) = request(&mut writer, 154) else { panic!("a new segment is due") };
    writer.answered(155, ticket, Answer::Done);
    let anew = append(&mut writer, 155);
    assert_eq!((anew.level, anew.first_sequence), (Level::Durable, 2));
    assert_eq!(stored(&writer, &anew)[..3], bytes);
    writer.answered(156, anew.ticket, Answer::Done);
    assert_eq!((writer.refusal(), positions(&writer)), (None, (4, 4)));
}

#[test]
fn what_is_kept_until_it_is_durable_is_made_durable_before_it_is_much() {
    let config = WriterConfig { mode: Mode::No, keeps_until_durable: true, busy_bytes: 2_000, ..Default::default() };
    let mut writer = writer(config);
    let mut durable = 0;
    for _ in 0..1_000 {
        push(&mut writer, b'a');
        let append = append(&mut writer, 1);
        durable += u64::from(append.level == Level::Durable);
        writer.answered(1, append.ticket, Answer::Done);
        assert!(writer.memory() < 5_000, "{} bytes are held", writer.memory());
    }
    assert!((50..200).contains(&durable), "{durable} durable appends");
}

#[test]
fn a_snapshot_covers_what_is_sealed_whether_or_not_it_is_written() {
    let mut writer = with_mode(Mode::No);
    push(&mut writer, b'a');
    let first = append(&mut writer, 1);
    push(&mut writer, b'b');
    let (tail, position) = writer.seal(2).expect("there is memory");
    assert_eq!((tail.sequence, position), (3, Position(2)));
    push(&mut writer, b'c');
    writer.answered(3, first.ticket, Answer::Done);
    let second = append(&mut writer, 4);
    assert_eq!((second.first_sequence, second.chunks), (3, 1), "what was sealed goes first, as it is");
    assert_eq!(tail_of(&stored(&writer, &second)[0]), tail);
    writer.covered(tail.sequence, position);
    assert_eq!(positions(&writer), (2, 2));
    writer.answered(5, second.ticket, Answer::Done);
    let third = append(&mut writer, 6);
    assert_eq!(third.first_sequence, 4);
    writer.validate().expect("the invariants hold");
}

/// An engine that journals, and its session.
fn engine() -> Engine {
    Engine::new(Config { journal: true, ..Config::default() })
}

fn call(engine: &mut Engine, argv: &[&[u8]]) -> Value {
    let mut reply = Reply::new();
    engine.call(1_000, Session::default(), argv, &mut reply);
    reply.to_value().expect("there is memory")
}

#[test]
fn a_push_that_is_larger_than_a_group_is_cut_between_runs() {
    let mut engine = engine();
    for index in 0..3_000_u32 {
        let key = format!("stream{}", index % 7);
        let length = if index == 1_234 { 700_000 } else { 300 };
        call(&mut engine, &[b"XADD", key.as_bytes(), b"*", b"field", &vec![b'x'; length]]);
    }
    let mut effects = Vec::new();
    let position = engine.take_effects(&mut effects);
    assert!(effects.len() > 1_500_000);

    let group_bytes_max = 200_000;
    let mut writer = writer(WriterConfig { mode: Mode::No, group_bytes_max, ..WriterConfig::default() });
    writer.push(&mut effects, position).expect("there is memory");
    let mut assembler = ChunkAssembler::new(Tail::new(LOG));
    let mut copy = Engine::new(Config { journal: true, ..Config::default() });
    let mark = {
        let mut tail = Tail::new(LOG);
        let mut mark = Vec::new();
        tail.append_epoch_mark(1, 0, &mut mark).expect("there is memory");
        mark.remove(0).bytes
    };
    assembler.push(&mark).expect("it is the first");
    let mut larger = 0;
    while let Some(WriterRequest::Append(append)) = request(&mut writer, 1) {
        let chunks = stored(&writer, &append);
        assert!(chunks.iter().all(|chunk| chunk.len() <= 60_000));
        let (last, others) = chunks.split_last().expect("there are chunks");
        for chunk in others {
            assert_eq!(assembler.push(chunk).expect("it follows"), None);
        }
        let group = assembler.push(last).expect("it follows").expect("an append is a group");
        larger += u64::from(group.journal.len() > group_bytes_max);
        let before = copy.position();
        copy.replay(group.journal).expect("each group stands for itself");
        assert_eq!(copy.position().0 - before.0, u64::from(group.units));
        writer.answered(1, append.ticket, Answer::Done);
        assert_eq!(writer.written(), copy.position());
    }
    assert_eq!(larger, 1, "only a run that alone is larger makes a larger group");
    assert_eq!((writer.written(), copy.position()), (position, position));
    for key in 0..7 {
        let command = format!("XINFO STREAM stream{key} FULL COUNT 0");
        let argv: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        assert_eq!(call(&mut copy, &argv), call(&mut engine, &argv));
    }
}

#[test]
fn a_storage_that_stalls_for_ten_seconds_costs_a_bounded_amount_and_loses_nothing() {
    let mut engine = engine();
    let mut writer = with_mode(Mode::EverySecond);
    let mut effects = Vec::new();
    let value = [b'x'; 100];
    let stalled = append_one(&mut engine, &mut writer, &value);
    let live_before = LIVE.get();
    PEAK.set(live_before);
    // The engine's own memory is not the writer's: the stream is kept short.
    let (mut added, mut waited) = (0, 0);
    for event in 0..500_000_u64 {
        let now_ms = 1_000 + event / 50;
        assert_eq!(request(&mut writer, now_ms), None);
        if writer.is_busy() {
            waited += 1;
            continue;
        }
        call(&mut engine, &[b"XADD", b"s", b"MAXLEN", b"=", b"10", b"*", b"f", &value]);
        added += 1;
        let position = engine.take_effects(&mut effects);
        writer.push(&mut effects, position).expect("there is memory");
    }
    let peak = PEAK.get() - live_before;
    assert!(peak <= 9 << 20, "{peak} bytes");
    assert!(added > 50_000 && waited > 0, "{added} were added, {waited} had to wait");
    assert!(!writer.is_overloaded());

    writer.answered(10_999, stalled, Answer::Done);
    let mut journal = Vec::new();
    while let Some(WriterRequest::Append(append)) = request(&mut writer, 11_000) {
        assert!(writer.chunks(&append).map(|chunk| chunk.bytes.len()).sum::<usize>() < (1 << 20) + 10_000);
        for chunk in writer.chunks(&append) {
            journal.extend_from_slice(Chunk::decode(&chunk.bytes).expect("it is whole").payload);
        }
        writer.answered(11_000, append.ticket, Answer::Done);
    }
    assert_eq!((writer.written(), writer.unwritten_bytes()), (engine.position(), 0));
    let units = count_units(&journal);
    assert_eq!(units, added);
}

/// Adds an entry and places the append that stores it.
fn append_one(engine: &mut Engine, writer: &mut Writer, value: &[u8]) -> Ticket {
    let mut effects = Vec::new();
    call(engine, &[b"XADD", b"s", b"*", b"f", value]);
    let position = engine.take_effects(&mut effects);
    writer.push(&mut effects, position).expect("there is memory");
    append(writer, 1_000).ticket
}

fn count_units(mut journal: &[u8]) -> u64 {
    let mut units = 0;
    while let Some((&low, _)) = journal.split_first() {
        let (head, length) =
            if low < 128 { (1, usize::from(low)) } else { (2, usize::from(low & 127) | usize::from(journal[1]) << 7) };
        journal = &journal[head + length..];
        units += 1;
    }
    units
}

#[test]
fn back_pressure_counts_what_is_gathered_and_what_is_unanswered() {
    let mut writer = writer(WriterConfig { mode: Mode::No, busy_bytes: 100, ..WriterConfig::default() });
    push(&mut writer, b'a');
    assert_eq!(writer.unwritten_bytes(), 4);
    let first = append(&mut writer, 1);
    assert_eq!(writer.unwritten_bytes(), 64 + 4);
    let states: Vec<_> = (0..40)
        .map(|_| {
            push(&mut writer, b'b');
            (writer.is_busy(), writer.is_overloaded())
        })
        .collect();
    assert_eq!(states.iter().position(|state| state.0), Some(8));
    assert_eq!(states.iter().position(|state| state.1), Some(33));
    writer.answered(2, first.ticket, Answer::Done);
    assert_eq!(writer.unwritten_bytes(), 160);
}

#[test]
fn every_allocation_of_the_writer_may_be_refused() {
    for refused in 0.. {
        let mut writer = with_mode(Mode::Always);
        let mut effects = Vec::new();
        let mut stored_journal = Vec::new();
        let mut left = Some(refused);
        let mut armed = |attempt: &mut dyn FnMut() -> bool| {
            GRANTED.set(left);
            let succeeded = attempt();
            left = GRANTED.replace(None);
            succeeded
        };
        let mut failures = 0;
        for unit in 1..=6_u64 {
            for byte in [62, 0] {
                effects.push(byte);
            }
            effects.resize(effects.len() + 61, unit as u8);
            let mut attempt = || writer.push(&mut effects, Position(unit)).is_ok();
            if !armed(&mut attempt) {
                failures += 1;
                assert_eq!(effects.len(), 63, "what was refused has stayed");
                continue;
            }
            let mut asked = None;
            let mut attempt = || writer.next_request(unit).map(|request| asked = request).is_ok();
            if !armed(&mut attempt) {
                failures += 1;
                assert!(attempt());
            }
            let Some(WriterRequest::Append(append)) = asked else { panic!("an append is due") };
            for chunk in stored(&writer, &append) {
                stored_journal.extend_from_slice(Chunk::decode(&chunk).expect("it is whole").payload);
            }
            writer.answered(unit, append.ticket, Answer::Done);
            writer.validate().expect("the invariants hold");
        }
        if failures == 0 {
            assert!(refused >= 15, "the writer asks for memory {refused} times only");
            return;
        }
        writer.push(&mut effects, Position(6)).expect("there is memory");
        if let Some(WriterRequest::Append(append)) = request(&mut writer, 7) {
            for chunk in stored(&writer, &append) {
                stored_journal.extend_from_slice(Chunk::decode(&chunk).expect("it is whole").payload);
            }
            writer.answered(7, append.ticket, Answer::Done);
        }
        assert_eq!((writer.durable(), count_units(&stored_journal)), (Position(6), 6));
    }
}

#[test]
fn replies_leave_when_what_they_depend_on_is_stored() {
    let mut writer = with_mode(Mode::EverySecond);
    let mut gate = ReplyGate::new(writer.written(), writer.durable());
    gate.reserve(4).expect("there is memory");
    push(&mut writer, b'a');
    assert!(gate.hold(1, Need::Stored(Level::Written, Position(0)), 10).is_some(), "it depends on nothing new");
    assert!(gate.hold(1, Need::Stored(Level::Written, Position(1)), 11).is_none());
    assert!(gate.hold(1, Need::Stored(Level::Written, Position(0)), 12).is_none(), "it waits for the one before it");
    assert!(gate.hold(2, Need::Stored(Level::Durable, Position(1)), 20).is_none());
    assert!(gate.hold(1, Need::Nothing, 13).is_some(), "it asked for no promise");
    assert_eq!(gate.take(), None);

    let written = append(&mut writer, 1);
    writer.answered(2, written.ticket, Answer::Done);
    gate.release(writer.written(), writer.durable());
    assert_eq!(
        [gate.take(), gate.take(), gate.take()].map(|held| held.map(|held| held.token)),
        [Some(11), Some(12), None]
    );
    writer.sync();
    let durable = append(&mut writer, 3);
    writer.answered(4, durable.ticket, Answer::Done);
    gate.release(writer.written(), writer.durable());
    assert_eq!(gate.take().map(|held| (held.caller, held.token)), Some((2, 20)));
    assert!(gate.is_empty());
}
