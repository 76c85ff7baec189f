//! Chunks: any bytes whatsoever as a log.
//!
//! The first byte chooses what becomes of the rest: records that are chunks as they stand there, a journal that the
//! target frames and cuts itself, or changes to a real log.
//!
//! *Checked*: nothing panics, and nothing is allocated by an announced size; a chunk that is refused changes nothing;
//! groups are whole, in order, and hold what their chunks held; what an engine takes of them passes `validate()` and
//! bears commands of all kinds; what it then writes becomes chunks that go on behind the log, and the whole, replayed
//! by another engine, shows the same.

use std::sync::LazyLock;

use brooklet::Engine;
use brooklet::persist::{Chunk, ChunkAssembler, EncodeFault, NUMBER_END, Tail};

use super::dump::dump;
use super::input::Input;
use super::journals::{KEYS, LATER_MS, NOW_MS, framed, new_engine, run_traffic};
use super::values::{FIXTURES, LOG_ID, RealLog, change_record, mend_chain, records, told};

static REAL: LazyLock<RealLog> = LazyLock::new(RealLog::new);

/// Chunks that are written behind the log are no smaller, or there would be thousands of them.
const CHUNK_BYTES_MAX: usize = 200;

/// What was taken of a log.
struct Taken {
    /// The journal bytes of each group.
    groups: Vec<Vec<u8>>,
    tail: Tail,
}

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut chunks = match input.byte() {
        b'r' => changed_log(input),
        b'j' => cut_journal(input),
        _ => records(input.rest()).into_iter().map(|(_, bytes)| bytes).collect(),
    };
    let log_id = chunks.first().and_then(|first| Chunk::decode(first).ok()).map_or(LOG_ID, |chunk| chunk.log_id);
    mend_chain(chunks.iter_mut(), 0);
    let mut taken = assemble(Tail::new(log_id), &chunks);
    let (mut engine, now_ms) = load(&mut taken.groups);
    let units = engine.position().0;
    run_traffic(&mut engine, now_ms);
    let chunk_bytes_max = chunks.first().map_or(0, Vec::len).max(CHUNK_BYTES_MAX);
    go_on(&mut engine, &taken, units, chunk_bytes_max, now_ms + 1000);
}

/// What a corpus begins with: a name and an input each.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = vec![
        ("empty".into(), Vec::new()),
        ("real".into(), b"r".to_vec()),
        ("real-without-a-chunk".into(), vec![b'r', 3, 0xf0]),
        ("real-with-chunks-exchanged".into(), vec![b'r', 2, 0xf8, 4]),
        ("real-with-a-byte-changed".into(), vec![b'r', 1, 0, 80, 0, 0, 3]),
        ("real-with-an-older-epoch".into(), vec![b'r', 6, 1, 16, 0, 0, 0]),
        ("real-cut-off".into(), vec![b'r', 4, 1, 100, 0, 4, 0]),
        ("log".into(), [b"l", &*told(&REAL.records())].concat()),
        ("journal".into(), [b"j\xff", &*unframed(&REAL.journal)].concat()),
        ("journal-in-small-chunks".into(), [b"j\x01", &*unframed(&REAL.journal)].concat()),
    ];
    for (name, log) in FIXTURES {
        seeds.push((format!("fixture-{name}"), [b"l", log].concat()));
    }
    seeds
}

/// A journal as [`cut_journal`] takes it, with a group for each run.
fn unframed(mut journal: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some((&first, rest)) = journal.split_first() {
        let (length, rest) = match rest.split_first() {
            Some((&second, rest)) if first >= 128 => (usize::from(first & 127) | usize::from(second) << 7, rest),
            _ => (usize::from(first), rest),
        };
        let (unit, rest) = rest.split_at(length);
        // A run begins with the tag of Begin.
        bytes.push(if unit.first() == Some(&0) { 0xfe } else { 0xff });
        bytes.extend_from_slice(unit);
        journal = rest;
    }
    bytes
}

fn changed_log(mut input: Input<'_>) -> Vec<Vec<u8>> {
    let mut records = REAL.records();
    while !input.is_empty() {
        change_record(&mut records, &mut input);
    }
    records.into_iter().map(|(_, bytes)| bytes).collect()
}

/// Groups of units, cut into chunks of the size that the first byte says. The byte 0xfe ends a group, and 0xff a unit.
fn cut_journal(mut input: Input<'_>) -> Vec<Vec<u8>> {
    let chunk_bytes_max = 64 + usize::from(input.byte());
    let mut tail = Tail::new(LOG_ID);
    let mut chunks = Vec::new();
    for (number, group) in input.rest().split(|&byte| byte == 0xfe).enumerate() {
        let appended = if group.is_empty() {
            tail.append_epoch_mark(number as u64, NOW_MS, &mut chunks)
        } else {
            let units = group.split(|&byte| byte == 0xff).count();
            let units = u32::try_from(units).expect("an input is small");
            tail.append_group(&framed(group), units, NOW_MS, chunk_bytes_max, &mut chunks)
        };
        appended.expect("the numbers are in range");
    }
    chunks.into_iter().map(|chunk| chunk.bytes).collect()
}

/// Takes all chunks that follow one another, and passes over the others.
fn assemble(tail: Tail, chunks: &[Vec<u8>]) -> Taken {
    let mut assembler = ChunkAssembler::new(tail);
    let mut groups = Vec::new();
    let (mut open, mut last_sequence) = (Vec::new(), tail.sequence);
    for bytes in chunks {
        let before = (assembler.tail(), assembler.whole_tail());
        match assembler.push(bytes) {
            Err(_) => assert_eq!((assembler.tail(), assembler.whole_tail()), before, "a refused chunk has moved it"),
            Ok(group) => {
                let chunk = Chunk::decode(bytes).expect("it was taken");
                open.extend_from_slice(chunk.payload);
                assert_eq!(chunk.sequence, before.0.sequence + 1);
                assert!(chunk.epoch >= before.0.epoch, "an epoch went back");
                assert_eq!(group.is_some(), chunk.is_last);
                if let Some(group) = group {
                    assert_eq!(group.journal, open, "a group is its chunks, joined");
                    assert_eq!((group.first_sequence, group.last_sequence), (last_sequence + 1, chunk.sequence));
                    assert_eq!(group.is_epoch_mark, group.units == 0);
                    last_sequence = group.last_sequence;
                    groups.push(std::mem::take(&mut open));
                }
                let tail = assembler.tail();
                assert_eq!((tail.sequence, tail.checksum), (chunk.sequence, chunk.checksum));
                assert_eq!(assembler.is_group_open(), !chunk.is_last);
            }
        }
    }
    assert_eq!(assembler.whole_tail().sequence, last_sequence);
    Taken { groups, tail: assembler.whole_tail() }
}

/// An engine made of the groups, up to the first that it refuses; those behind are dropped. With it, a time to go on at.
fn load(groups: &mut Vec<Vec<u8>>) -> (Engine, u64) {
    let mut engine = new_engine();
    let refused = groups.iter().position(|group| engine.replay(group).is_err());
    engine.validate().expect("after a replay");
    let Some(refused) = refused else { return (engine, NOW_MS) };
    groups.truncate(refused);
    let mut engine = new_engine();
    for group in groups {
        engine.replay(group).expect("it was replayed before");
    }
    engine.validate().expect("after a replay");
    (engine, LATER_MS)
}

/// Forms what the engine has written into chunks behind the log, and reads the whole back.
fn go_on(engine: &mut Engine, taken: &Taken, units: u64, chunk_bytes_max: usize, now_ms: u64) {
    let mut effects = Vec::new();
    let position = engine.take_effects(&mut effects).0;
    let new_units = u32::try_from(position - units).expect("there were few commands");
    let (mut tail, mut chunks) = (taken.tail, Vec::new());
    match tail.append_group(&effects, new_units, now_ms, chunk_bytes_max, &mut chunks) {
        Ok(()) => {}
        Err(fault) => {
            assert_eq!(fault, EncodeFault::OutOfRange);
            assert!(tail == taken.tail && chunks.is_empty(), "a fault leaves everything as it was");
            assert!(tail.sequence + effects.len() as u64 >= NUMBER_END || tail.epoch >= NUMBER_END);
            return;
        }
    }
    let bytes: Vec<Vec<u8>> = chunks.into_iter().map(|chunk| chunk.bytes).collect();
    let behind = assemble(taken.tail, &bytes);
    assert_eq!((behind.tail, behind.groups.len()), (tail, 1), "what was written is read");
    let mut replayed = new_engine();
    for group in taken.groups.iter().chain(&behind.groups) {
        replayed.replay(group).expect("an engine reads what one has written");
    }
    replayed.validate().expect("after a replay");
    assert_eq!(replayed.position(), engine.position(), "a replay counts the units");
    assert_eq!(dump(&mut replayed, now_ms, KEYS), dump(engine, now_ms, KEYS), "replayed, and original");
}
