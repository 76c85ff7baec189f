//! The stored format: that any damage is noticed, that files of released versions stay readable, and that
//! docs/format.md says what the code does.
//!
//! The fixtures under tests/fixtures/v1/ were written when version 1 was new and are never written again. With
//! `BROOKLET_WRITE_FIXTURES=1` this program writes those that are missing, which is how those of a new version are made.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a panic here is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use brooklet::persist::{
    CHUNK_BYTES_MAX, CHUNK_HEADER_BYTES, Chunk, ChunkAssembler, ChunkFault, ChunkGroup, DecodeFault, EncodedChunk,
    LogFault, MANIFEST_HEADER_BYTES, Manifest, PART_HEADER_BYTES, Part, PartFault, PartRef, Tail,
};
use brooklet::{Config, Engine, Outcome, PartNames, PartSpan, Reply, Session, SnapshotStep, Value};
use xxhash_rust::xxh64::xxh64;

#[allow(dead_code, reason = "shared with other test programs, each of which uses its own part")]
#[path = "support/pattern.rs"]
mod pattern;

use pattern::{Face, Pattern, describe, parse_arguments};

const LOG_ID: u64 = 0x0123_4567_89ab_cdef;

/// When the commands of the fixtures run.
const NOW_MS: u64 = 1_700_000_000_000;

// ---------------------------------------------------------------------------------------------------------------------
// Damage
// ---------------------------------------------------------------------------------------------------------------------

/// Bytes that do not repeat.
fn noise(len: usize) -> Vec<u8> {
    let mut state: u64 = 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Flips each bit of a value, one at a time, and cuts it off after each byte. `decode` says what is found.
fn assert_all_damage_is_found(bytes: &[u8], header_bytes: usize, decode: &dyn Fn(&[u8]) -> Option<DecodeFault>) {
    assert_eq!(decode(bytes), None);
    let mut damaged = bytes.to_vec();
    for bit in 0..bytes.len() * 8 {
        damaged[bit / 8] ^= 1 << (bit % 8);
        let fault = decode(&damaged).unwrap_or_else(|| panic!("bit {bit} was flipped and nobody noticed"));
        let is_right = match bit / 8 {
            0..4 => fault == DecodeFault::BadMagic,
            // A length that is wrong looks like one.
            at if at < header_bytes => !matches!(fault, DecodeFault::TooNew { .. } | DecodeFault::Malformed(_)),
            _ => matches!(fault, DecodeFault::BadChecksum { .. }),
        };
        assert!(is_right, "bit {bit} was flipped, which was taken for {fault:?}");
        damaged[bit / 8] ^= 1 << (bit % 8);
    }
    for len in 0..bytes.len() {
        let fault = decode(&bytes[..len]);
        assert!(matches!(fault, Some(DecodeFault::Torn { .. })), "cut to {len} bytes: {fault:?}");
    }
    damaged.push(0);
    assert!(matches!(decode(&damaged), Some(DecodeFault::Excess { .. } | DecodeFault::BadChecksum { .. })));
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_chunk_is_found() {
    let chunks = encode_group(&mut Tail::new(LOG_ID), &noise((64 << 10) - CHUNK_HEADER_BYTES), 1, 64 << 10);
    assert_eq!((chunks.len(), chunks[0].bytes.len()), (1, 64 << 10));
    assert_all_damage_is_found(&chunks[0].bytes, CHUNK_HEADER_BYTES, &|bytes| Chunk::decode(bytes).err());
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_manifest_is_found() {
    let part = |id: u64| PartRef { id, length: 60_000, checksum: id.wrapping_mul(0x9e37_79b9_7f4a_7c15) };
    let manifest = Manifest { parts: (0..200).map(part).collect(), next_part_id: 200, ..golden_manifest() };
    let bytes = manifest.encode().expect("the numbers are in range");
    assert_all_damage_is_found(&bytes, MANIFEST_HEADER_BYTES, &|bytes| Manifest::decode(bytes).err());
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_part_is_found() {
    let payload = noise(16 << 10);
    let (bytes, listed) = Part { payload: &payload, ..GOLDEN_PART }.encode().expect("the numbers are in range");
    assert_all_damage_is_found(&bytes, PART_HEADER_BYTES, &|bytes| Part::decode(bytes).err());
    assert_all_damage_is_found(&bytes, PART_HEADER_BYTES, &|bytes| match listed.decode(LOG_ID, bytes).err() {
        Some(PartFault::Undecodable(fault)) => Some(fault),
        other => other.map(|other| panic!("found too late: {other}")),
    });
}

/// Two owners that both went on from chunk 1: chunk 3 of the one does not fit chunk 2 of the other, although both are
/// whole, of the same log, of the same epoch, and have the right sequence.
#[test]
fn a_neighbour_of_another_history_is_found() {
    let mut tail = Tail::new(LOG_ID);
    let first = encode_group(&mut tail, b"first", 1, 100);
    let mut other_tail = tail;
    let [ours, theirs] = [(&mut tail, b"ours"), (&mut other_tail, b"them")].map(|(tail, journal)| {
        let second = encode_group(tail, journal, 1, 100);
        (second, encode_group(tail, b"the same", 1, 100))
    });
    let mut assembler = ChunkAssembler::new(Tail::new(LOG_ID));
    for chunk in [&first[0], &ours.0[0]] {
        assert!(assembler.push(&chunk.bytes).expect("it is the next one").is_some());
    }
    let fault = ChunkFault::BrokenChain { expected: ours.0[0].checksum, found: theirs.0[0].checksum };
    assert_eq!(assembler.push(&theirs.1[0].bytes), Err(LogFault { sequence: 3, fault }));
    assert!(assembler.push(&ours.1[0].bytes).expect("it is the next one").is_some());
}

fn encode_group(tail: &mut Tail, journal: &[u8], units: u32, chunk_bytes_max: usize) -> Vec<EncodedChunk> {
    let mut chunks = Vec::new();
    tail.append_group(journal, units, NOW_MS, chunk_bytes_max, &mut chunks).expect("the numbers are in range");
    chunks
}

// ---------------------------------------------------------------------------------------------------------------------
// Fixtures
// ---------------------------------------------------------------------------------------------------------------------

/// Commands that lead to every effect there is: `@` chooses the database, `+` lets milliseconds pass.
const COMMANDS: &[&str] = &[
    "XADD gone 1-1 f v",
    "FLUSHALL",
    "@ 3",
    "SET only-here v",
    "FLUSHDB",
    "XADD orders 1-1 item lamp amount 2",
    "@ 0",
    "XADD s IDMP producer first * kind login user ada",
    "+ 200000",
    "XADD s 1700000000001-0 kind login user bob",
    "XADD s 1700000000002-0 kind logout user ada",
    "XADD s 1700000000003-0 kind login user eve",
    "XADD s 1700000000004-0 binary \u{1}\u{fffd}",
    "XADD s 1700000000005-0 kind empty text \"\"",
    "XADD t 5-5 f 1",
    "XADD t 6-6 f 2",
    "XCFGSET s IDMP-DURATION 60",
    "XGROUP CREATE s g 0",
    "XGROUP CREATE s other $",
    "XGROUP CREATE s gone 0",
    "XGROUP DESTROY s gone",
    "XGROUP CREATECONSUMER s g idle",
    "XGROUP CREATECONSUMER s g leaving",
    "XGROUP DELCONSUMER s g leaving",
    "XREADGROUP GROUP g ann COUNT 4 STREAMS s >",
    "XACK s g 1700000000001-0",
    "XNACK s g FAIL IDS 1 1700000000002-0",
    "XCLAIM s g bea 0 1700000000003-0",
    "XGROUP SETID s other 1700000000002-0 ENTRIESREAD 3",
    "XTRIM s MAXLEN 5",
    "XTRIM t MAXLEN 1 DELREF",
    "XDEL s 1700000000001-0",
    "XDELEX s DELREF IDS 1 1700000000003-0",
    "XSETID s 1700000000009-0 ENTRIESADDED 7 MAXDELETEDID 1700000000003-0",
    "SET text value",
    "SET number 12 PX 500000",
    "EXPIRE t 1000",
    "SET short v",
    "DEL short",
    "RENAME t renamed",
    "XADD renamed IDMP producer second * f 3",
    r#"RESTORE restored 0 "\x01\x01v\x01\x95\x46\xe9\xc0\xfc\xb5\x8a\x62""#,
];

const GOLDEN_PART: Part<'static> = Part { log_id: LOG_ID, id: 7, kind: 1, payload: b"what a part holds" };

fn golden_manifest() -> Manifest {
    Manifest {
        log_id: LOG_ID,
        epoch: 2,
        upto_sequence: 12,
        upto_checksum: 0xfedc_ba98_7654_3210,
        state_hash: 0x1122_3344_5566_7788,
        created_ms: NOW_MS,
        next_part_id: 8,
        is_lossy: true,
        parts: vec![
            PartRef { id: 7, length: 57, checksum: 0x0102_0304_0506_0708 },
            PartRef { id: 2, length: 60_000, checksum: 0x1112_1314_1516_1718 },
        ],
    }
}

#[test]
fn a_good_log_of_version_1_gives_its_state() {
    let mut replayed = Engine::new(Config::default());
    let (mut units, mut marks) = (0, 0);
    let (_, fault) = read_log("good.log", &mut |group| {
        replayed.replay(group.journal).expect("it replays");
        units += u64::from(group.units);
        marks += u64::from(group.is_epoch_mark);
    });
    assert_eq!(fault, None);
    assert_eq!((replayed.position().0, marks), (units, 2));
    assert_good(&mut replayed);
}

#[test]
fn a_good_snapshot_of_version_1_gives_its_state() {
    let (state_hash, units) = units(&fixture("good.units"));
    let load = |limit: usize| {
        let mut engine = Engine::new(Config { journal: true, ..Config::default() });
        let mut units = units.iter().take(limit);
        units.try_for_each(|(first, unit)| engine.load_unit(unit, PartSpan { first: *first, count: 1 }))?;
        engine.finish_load(state_hash).map(|()| engine)
    };
    assert!(load(units.len() - 1).is_err(), "one is missing");
    let mut loaded = load(units.len()).expect("it can be read");
    let (now_ms, mut database) = (NOW_MS + 210_000, 0);
    let mut ask = |line: &str| describe(&ask(&mut loaded, now_ms, &mut database, line).expect("a command"));
    assert_eq!(ask("XLEN large"), ":299");
    assert_eq!(ask("XPENDING large g"), "[:100 1-0 100-0 [[eve 99]]]");
    assert_eq!(ask("DEL large"), ":1");
    assert_good(&mut loaded);
    // Until there is a version 2, what is written is what was written.
    let written = snapshot(&mut load(units.len()).expect("it can be read"));
    assert!(written == fixture("good.units"), "a snapshot is written otherwise than it was");
}

/// Checks a state that the commands of the fixtures have led to.
fn assert_good(engine: &mut Engine) {
    engine.validate().expect("no invariant is broken");
    let text = fixture("good.txt");
    let mut lines = std::str::from_utf8(&text).expect("it is text").lines();
    let mut database = 0;
    while let Some(line) = lines.next() {
        let command = line.strip_prefix("> ").expect("a command");
        let Some(answer) = ask(engine, NOW_MS + 210_000, &mut database, command) else { continue };
        let pattern = Pattern::parse(lines.next().expect("a reply")).expect("a pattern");
        assert!(pattern.matches(&answer, Face::Engine), "{command}\n{}", describe(&answer));
    }
}

#[test]
fn a_torn_log_of_version_1_ends_before_the_tear() {
    let (assembler, fault) = read_log("torn.log", &mut |_| {});
    let fault = fault.expect("the last chunk is torn");
    assert!(matches!(fault.fault, ChunkFault::Undecodable(DecodeFault::Torn { .. })), "{fault}");
    assert_eq!(fault.sequence, assembler.tail().next_sequence());
    assert!(assembler.is_group_open(), "the last group is larger than a chunk");
    assert_eq!(assembler.whole_tail().sequence, 1);
}

#[test]
fn a_holed_log_of_version_1_is_refused_at_the_hole() {
    let (_, fault) = read_log("holed.log", &mut |_| {});
    assert_eq!(fault, Some(LogFault { sequence: 3, fault: ChunkFault::Gap { expected: 3, found: 4 } }));
}

#[test]
fn a_flipped_bit_in_a_log_of_version_1_is_refused_where_it_is() {
    let (_, fault) = read_log("flipped.log", &mut |_| {});
    let fault = fault.expect("chunk 3 is damaged");
    assert_eq!(fault.sequence, 3);
    assert!(matches!(fault.fault, ChunkFault::Undecodable(DecodeFault::BadChecksum { .. })), "{fault}");
}

#[test]
fn a_log_that_is_too_new_is_told_from_a_damaged_one() {
    let (_, fault) = read_log("too_new.log", &mut |_| {});
    let too_new = ChunkFault::Undecodable(DecodeFault::TooNew { major: 2, flags: 3 });
    assert_eq!(fault.expect("the last chunk is of version 2").fault, too_new);
}

#[test]
fn manifests_of_version_1() {
    let decode = |name: &str| Manifest::decode(&fixture(name));
    assert_eq!(decode("good.manifest"), Ok(golden_manifest()));
    assert!(matches!(decode("torn.manifest"), Err(DecodeFault::Torn { .. })));
    assert!(matches!(decode("flipped.manifest"), Err(DecodeFault::BadChecksum { .. })));
    assert_eq!(decode("too_new.manifest"), Err(DecodeFault::TooNew { major: 2, flags: 1 }));
}

#[test]
fn parts_of_version_1() {
    assert_eq!(Part::decode(&fixture("good.part")), Ok(GOLDEN_PART));
    assert!(matches!(Part::decode(&fixture("torn.part")), Err(DecodeFault::Torn { .. })));
    assert!(matches!(Part::decode(&fixture("flipped.part")), Err(DecodeFault::BadChecksum { .. })));
    assert_eq!(Part::decode(&fixture("too_new.part")), Err(DecodeFault::TooNew { major: 2, flags: 0 }));
}

/// Until there is a version 2, what is written is what was written. The journal inside may come to be told otherwise;
/// so it is taken from the fixture.
#[test]
fn version_1_is_still_written_byte_for_byte() {
    let stored = records(&fixture("good.log"));
    let mut tail = Tail::new(LOG_ID);
    let mut written = Vec::new();
    let (_, fault) = read_log("good.log", &mut |group| {
        if group.is_epoch_mark {
            tail.append_epoch_mark(group.epoch, group.base_ms, &mut written).expect("the epoch is in range");
        } else {
            let is_split = group.last_sequence > group.first_sequence;
            let bytes_max = if is_split { SPLIT_BYTES_MAX } else { CHUNK_BYTES_MAX };
            tail.append_group(group.journal, group.units, group.base_ms, bytes_max, &mut written)
                .expect("the numbers are in range");
        }
    });
    assert_eq!(fault, None);
    let written: Vec<(u64, Vec<u8>)> = written.into_iter().map(|chunk| (chunk.sequence, chunk.bytes)).collect();
    assert_eq!(written, stored);
    assert_eq!(golden_manifest().encode().expect("it was once"), fixture("good.manifest"));
    assert_eq!(GOLDEN_PART.encode().expect("it was once").0, fixture("good.part"));
}

/// The hash and the units in a file, framed as docs/format.md says.
fn units(file: &[u8]) -> (u64, Vec<(u64, Vec<u8>)>) {
    let (state_hash, rest) = file.split_first_chunk().expect("a hash");
    (u64::from_le_bytes(*state_hash), records(rest))
}

/// A snapshot as a file of units, all of them written anew.
fn snapshot(engine: &mut Engine) -> Vec<u8> {
    struct Numbers(u64);
    impl PartNames for Numbers {
        fn is_stored(&self, _: PartSpan) -> bool {
            false
        }

        fn name(&mut self, _: usize) -> PartSpan {
            self.0 += 1;
            PartSpan { first: self.0, count: 1 }
        }
    }
    let (mut numbers, mut unit, mut file) = (Numbers(0), Vec::new(), Vec::new());
    engine.begin_snapshot();
    loop {
        match engine.next_unit(&mut numbers, &mut unit) {
            SnapshotStep::Changed(span) => {
                file.extend_from_slice(&span.first.to_le_bytes());
                file.extend_from_slice(&u32::try_from(unit.len()).expect("a unit is small").to_le_bytes());
                file.extend_from_slice(&unit);
            }
            SnapshotStep::Done { state_hash } => return [&state_hash.to_le_bytes()[..], &file].concat(),
            SnapshotStep::Worked => {}
            step => panic!("{step:?}"),
        }
    }
}

/// The state of the commands of the fixtures, and a stream that is large enough for units of its own.
fn generate_units() -> Vec<u8> {
    let mut engine = Engine::new(Config { journal: true, ..Config::default() });
    run_on(&mut engine, COMMANDS);
    run_on(&mut engine, &["SET after v"]);
    let (mut now_ms, mut database) = (NOW_MS + 200_000, 0);
    for id in 1..=300 {
        ask(&mut engine, now_ms, &mut database, &format!("XADD large {id}-0 field value-{id}"));
    }
    for line in [
        "XDEL large 150-0",
        "XGROUP CREATE large g 0",
        "XREADGROUP GROUP g ann COUNT 1 STREAMS large >",
        "XREADGROUP GROUP g eve COUNT 99 STREAMS large >",
        "XNACK large g FAIL IDS 1 1-0",
    ] {
        now_ms += 1;
        ask(&mut engine, now_ms, &mut database, line);
    }
    snapshot(&mut engine)
}

/// Reads a log to its end or to the first fault.
fn read_log(name: &str, each: &mut dyn FnMut(ChunkGroup<'_>)) -> (ChunkAssembler, Option<LogFault>) {
    let mut assembler = ChunkAssembler::new(Tail::new(LOG_ID));
    for (_, chunk) in records(&fixture(name)) {
        match assembler.push(&chunk) {
            Ok(group) => group.into_iter().for_each(&mut *each),
            Err(fault) => return (assembler, Some(fault)),
        }
    }
    (assembler, None)
}

/// The records of a log in a file, framed as docs/format.md says.
fn records(file: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut records = Vec::new();
    let mut rest = file;
    while let Some((key, after)) = rest.split_first_chunk::<8>() {
        let (length, after) = after.split_first_chunk::<4>().expect("a length follows the key");
        let (value, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        records.push((u64::from_le_bytes(*key), value.to_vec()));
        rest = after;
    }
    assert!(rest.is_empty(), "the file ends inside a record");
    records
}

fn fixture_path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", "v1", name].iter().collect()
}

/// A fixture; one that is missing is written first, if that was asked for.
fn fixture(name: &str) -> Vec<u8> {
    static WRITING: Mutex<()> = Mutex::new(());
    let path = fixture_path(name);
    let _one_at_a_time = WRITING.lock();
    if !path.exists() && std::env::var_os("BROOKLET_WRITE_FIXTURES").is_some() {
        fs::write(&path, generate(name)).expect("the directory can be written to");
    }
    fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The size of chunks by which the largest group of the fixtures is split.
const SPLIT_BYTES_MAX: usize = 200;

fn generate(name: &str) -> Vec<u8> {
    let (stem, kind) = name.split_once('.').expect("a fixture has a kind");
    match kind {
        "manifest" => {
            damage(stem, golden_manifest().encode().expect("the numbers are in range"), 68, &|bytes| reseal_end(bytes))
        }
        "part" => {
            damage(stem, GOLDEN_PART.encode().expect("the numbers are in range").0, 4, &|bytes| reseal_end(bytes))
        }
        "units" => generate_units(),
        _ => generate_log(stem),
    }
}

fn generate_log(stem: &str) -> Vec<u8> {
    let (journal, units) = run(COMMANDS);
    let mut tail = Tail::new(LOG_ID);
    let mut chunks = Vec::new();
    tail.append_epoch_mark(1, NOW_MS, &mut chunks).expect("the epoch is in range");
    chunks.extend(encode_group(&mut tail, &journal, units, SPLIT_BYTES_MAX));
    if stem != "torn" {
        tail.append_epoch_mark(2, NOW_MS, &mut chunks).expect("the epoch is in range");
        let (journal, units) = run(&["SET after v"]);
        chunks.extend(encode_group(&mut tail, &journal, units, CHUNK_BYTES_MAX));
    }
    let damaged = match stem {
        "torn" | "too_new" => chunks.len() - 1,
        _ => 2,
    };
    let mut file = Vec::new();
    for (index, EncodedChunk { sequence, bytes, .. }) in chunks.into_iter().enumerate() {
        let bytes = if index == damaged { damage(stem, bytes, 4, &|bytes| reseal_chunk(bytes)) } else { bytes };
        if index == damaged && stem == "holed" {
            continue;
        }
        file.extend_from_slice(&sequence.to_le_bytes());
        file.extend_from_slice(&u32::try_from(bytes.len()).expect("a chunk is small").to_le_bytes());
        file.extend_from_slice(&bytes);
    }
    file
}

/// The value, damaged in the way that the name of its fixture says.
fn damage(stem: &str, mut bytes: Vec<u8>, version_at: usize, reseal: &dyn Fn(&mut [u8])) -> Vec<u8> {
    match stem {
        "torn" => bytes.truncate(bytes.len() - 5),
        "flipped" => {
            let last = bytes.len() - 9;
            bytes[last] ^= 0x10;
        }
        "too_new" => {
            bytes[version_at] = 2;
            reseal(&mut bytes);
        }
        _ => {}
    }
    bytes
}

fn reseal_end(bytes: &mut [u8]) {
    let (body, checksum) = bytes.split_last_chunk_mut::<8>().expect("a value is longer than its checksum");
    *checksum = xxh64(body, 0).to_le_bytes();
}

fn reseal_chunk(bytes: &mut [u8]) {
    let covered = [&bytes[..56], &bytes[64..]].concat();
    bytes[56..64].copy_from_slice(&xxh64(&covered, 0).to_le_bytes());
}

/// Runs commands, none of which may fail: the journal, and how many units it has.
fn run(commands: &[&str]) -> (Vec<u8>, u32) {
    let mut engine = Engine::new(Config { journal: true, ..Config::default() });
    run_on(&mut engine, commands);
    let mut journal = Vec::new();
    let position = engine.take_effects(&mut journal);
    (journal, u32::try_from(position.0).expect("a few"))
}

fn run_on(engine: &mut Engine, commands: &[&str]) {
    let (mut now_ms, mut database) = (NOW_MS, 0);
    for line in commands {
        if let Some(duration) = line.strip_prefix("+ ") {
            now_ms += duration.parse::<u64>().expect("a duration");
            engine.advance(now_ms);
            continue;
        }
        let answer = ask(engine, now_ms, &mut database, line);
        assert!(!matches!(answer, Some(Value::Error(_))), "{line}: {answer:?}");
    }
}

/// Runs one line; choosing a database has no answer.
fn ask(engine: &mut Engine, now_ms: u64, database: &mut u8, line: &str) -> Option<Value> {
    if let Some(number) = line.strip_prefix("@ ") {
        *database = number.parse().expect("a database");
        return None;
    }
    let words = parse_arguments(line).expect("a command");
    let argv: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let mut reply = Reply::new();
    let session = Session { database: *database, ..Session::default() };
    let outcome = engine.call(now_ms, session, &argv, &mut reply);
    assert!(matches!(outcome, Outcome::Done(_)), "{line} blocks");
    Some(reply.to_value().expect("a command has a reply"))
}

// ---------------------------------------------------------------------------------------------------------------------
// The document
// ---------------------------------------------------------------------------------------------------------------------

fn document() -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "docs", "format.md"].iter().collect();
    fs::read_to_string(path).expect("docs/format.md is there")
}

/// The bytes of a block of docs/format.md: offset, bytes and remark, with two blanks between them.
fn example(document: &str, name: &str) -> Vec<u8> {
    let opening = format!("```hex {name}\n");
    let (_, block) = document.split_once(&opening).unwrap_or_else(|| panic!("there is no example {name}"));
    let (block, _) = block.split_once("```").expect("the block ends");
    let mut bytes = Vec::new();
    for line in block.lines() {
        let mut columns = line.trim_start().splitn(3, "  ");
        let offset = columns.next().and_then(|offset| usize::from_str_radix(offset, 16).ok());
        assert_eq!(offset, Some(bytes.len()), "{name}: the offset of {line:?}");
        for byte in columns.next().expect("bytes follow the offset").split(' ') {
            bytes.push(u8::from_str_radix(byte, 16).unwrap_or_else(|_| panic!("{name}: {line:?}")));
        }
    }
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x} ")).collect()
}

#[test]
fn the_worked_example_is_what_the_code_writes() {
    let document = document();
    let commands: Vec<&str> = document.lines().filter_map(|line| line.strip_prefix("    > ")).collect();
    assert!(commands.len() > 2, "the example has commands");
    let (journal, units) = run(&commands);
    let mut tail = Tail::new(LOG_ID);
    let mut chunks = Vec::new();
    tail.append_epoch_mark(1, NOW_MS, &mut chunks).expect("the epoch is in range");
    chunks.extend(encode_group(&mut tail, &journal, units, CHUNK_BYTES_MAX));
    let (part, listed) = GOLDEN_PART.encode().expect("the numbers are in range");
    let manifest = Manifest {
        log_id: LOG_ID,
        epoch: 1,
        upto_sequence: tail.sequence,
        upto_checksum: tail.checksum,
        created_ms: NOW_MS,
        next_part_id: 8,
        parts: vec![listed],
        ..golden_manifest()
    };
    let manifest = Manifest { is_lossy: false, ..manifest }.encode().expect("the numbers are in range");
    for (name, bytes) in
        [("mark", &chunks[0].bytes), ("group", &chunks[1].bytes), ("part", &part), ("manifest", &manifest)]
    {
        assert_eq!(
            hex(&example(&document, name)),
            hex(bytes),
            "docs/format.md, example {name}; right is what is written"
        );
    }
}

/// Walks the journal of the good log by nothing but the table of effects in docs/format.md: each operand is where the
/// table says, each unit ends where an effect ends, and each effect occurs.
#[test]
fn the_table_of_effects_is_complete_and_right() {
    let document = document();
    let table = effects_table(&document);
    let mut seen = BTreeSet::new();
    let (_, fault) = read_log("good.log", &mut |group| {
        let mut journal = group.journal;
        while !journal.is_empty() {
            let length = usize::try_from(take_varint(&mut journal)).expect("a length");
            let (mut unit, rest) = journal.split_at(length);
            while let Some((&tag, operands)) = unit.split_first() {
                let (_, _, kinds) = &table[usize::from(tag)];
                unit = operands;
                skip_operands(&mut unit, kinds);
                seen.insert(tag);
            }
            journal = rest;
        }
    });
    assert_eq!(fault, None);
    let missing: Vec<&str> =
        table.iter().filter(|(tag, ..)| !seen.contains(tag)).map(|(_, name, _)| name.as_str()).collect();
    assert!(missing.is_empty(), "effects that good.log does not show: {missing:?}");
}

/// Rows `| tag | name | operands | meaning |`: tags from 0, without a gap.
fn effects_table(document: &str) -> Vec<(u8, String, String)> {
    let mut table = Vec::new();
    for line in document.lines() {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", tag, name, operands, _, ""] = columns[..] else { continue };
        let Ok(tag) = tag.parse::<u8>() else { continue };
        assert_eq!(usize::from(tag), table.len(), "tags are in order");
        table.push((tag, name.to_string(), operands.trim_matches('`').to_string()));
    }
    assert!(table.len() > 20, "found {} effects", table.len());
    table
}

/// Skips operands by their kinds: `kind name, kind name, [kind name, ...]`, where brackets are a counted list.
fn skip_operands(unit: &mut &[u8], kinds: &str) {
    if let Some((before, list)) = kinds.split_once('[') {
        skip_operands(unit, before.trim_end_matches(", "));
        let (item, after) = list.split_once(']').expect("a list ends");
        for _ in 0..take_varint(unit) {
            skip_operands(unit, item);
        }
        skip_operands(unit, after.trim_start_matches(", "));
        return;
    }
    for operand in kinds.split(", ").filter(|operand| !operand.is_empty()) {
        match operand.split(' ').next().expect("an operand has a kind") {
            "byte" => take(unit, 1),
            "varint" | "option" => drop(take_varint(unit)),
            "id" | "step" => drop((take_varint(unit), take_varint(unit))),
            "text" => {
                let length = take_varint(unit);
                take(unit, usize::try_from(length).expect("a length"));
            }
            other => panic!("docs/format.md names a kind of operand that it does not explain: {other}"),
        }
    }
}

fn take(bytes: &mut &[u8], count: usize) {
    *bytes = bytes.get(count..).expect("operands stay inside their unit");
}

fn take_varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.first().expect("operands stay inside their unit");
        take(bytes, 1);
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return value;
        }
    }
    panic!("a number is too large");
}
