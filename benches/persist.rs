//! What persistence costs before any storage has its say: journal bytes into chunks and back into an engine, opening a
//! storage that answers at once, and a snapshot, slice by slice. The yardstick is copying the same bytes.

#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a failed benchmark may panic")]

mod support;

use std::hint::black_box;
use std::time::Instant;

use brooklet::persist::{
    Answer, Chunk, ChunkAssembler, EncodedChunk, Manifest, Part, PartRef, Recovery, RecoveryAnswer, RecoveryConfig,
    RecoveryItem, RecoveryRequest, Stored, Tail, Writer, WriterConfig, WriterRequest,
};
use brooklet::{Config, Engine, PartNames, PartSpan, Position, SnapshotStep};

use support::engine::{Bench, START_MS, argv};
use support::measure::Rounds;
use support::random::Random;
use support::shapes::{self, KEY};
use support::table;

const LOG_ID: u64 = 7;

/// Entries of four small fields in what is written, read and opened.
const ENTRIES: usize = 1_000_000;
/// How many appends are stored together.
const CALLS_PER_GROUP: usize = 500;
/// How often all of it is gone through.
const WALKS: usize = 5;
/// How often each storage is opened.
const OPENINGS: usize = 7;

/// What the state for snapshots holds.
const STATE_ENTRY_BYTES: u64 = 100_000_000;
const STATE_PENDING: usize = 1_000_000;
const STATE_KEYS: usize = 100_000;
/// A slice of a snapshot should leave a frame of 16 ms almost whole.
const SLICE_TARGET_US: f64 = 1000.0;
/// How often a snapshot is taken.
const SNAPSHOTS: usize = 7;

fn main() {
    let log = Log::new();
    print_log(&log);
    print_opening(&log);
    print_snapshots();
}

// ---------------------------------------------------------------------------------------------------------------------
// The log
// ---------------------------------------------------------------------------------------------------------------------

/// A log of appends, as the journal and as chunks.
struct Log {
    groups: Vec<Vec<u8>>,
    chunks: Vec<EncodedChunk>,
    /// What an append takes with the journal on, undisturbed.
    append_ns: f64,
}

impl Log {
    fn new() -> Log {
        let requests = shapes::small_requests(ENTRIES);
        let argvs: Vec<Vec<&[u8]>> = requests.iter().map(|request| argv(request)).collect();
        let mut bench = Bench::new(true);
        let (mut groups, mut rounds) = (Vec::new(), Rounds::default());
        for batch in argvs.chunks(CALLS_PER_GROUP) {
            let mut group = Vec::new();
            rounds.measure(batch.len(), || {
                batch.iter().for_each(|argv| bench.call(argv));
                bench.engine.take_effects(&mut group);
            });
            groups.push(group);
        }
        let (mut tail, mut chunks) = (Tail::new(LOG_ID), Vec::new());
        for group in &groups {
            form(&mut tail, group, &mut chunks);
        }
        Log { groups, chunks, append_ns: rounds.least_ns() }
    }

    fn journal_bytes(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }
}

fn form(tail: &mut Tail, group: &[u8], chunks: &mut Vec<EncodedChunk>) {
    let chunk_bytes_max = WriterConfig::default().chunk_bytes_max;
    tail.append_group(group, CALLS_PER_GROUP as u32, 0, chunk_bytes_max, chunks).expect("the numbers are in range");
}

fn print_log(log: &Log) {
    let mut rounds: [Rounds; 5] = Default::default();
    let [copy, write, whole_write, read, replay] = &mut rounds;
    let mut copied = Vec::with_capacity(log.groups.iter().map(Vec::len).max().unwrap_or(0));
    // Each job goes through everything by itself, so that all find it equally far away.
    for _ in 0..WALKS {
        for group in &log.groups {
            copy.measure(group.len(), || {
                copied.clear();
                copied.extend_from_slice(black_box(group));
                black_box(copied.len())
            });
        }
        let (mut tail, mut ends) = (Tail::new(LOG_ID), Vec::new());
        for group in &log.groups {
            let mut chunks = Vec::new();
            write.measure(group.len(), || form(&mut tail, group, &mut chunks));
            ends.push(tail.sequence as usize);
        }
        let (mut writer, mut effects) = (writer(), log.groups.clone());
        for group in &mut effects {
            whole_write.measure(group.len(), || write_through(&mut writer, group));
        }
        let (mut assembler, mut from) = (ChunkAssembler::new(Tail::new(LOG_ID)), 0);
        for (group, end) in log.groups.iter().zip(ends) {
            read.measure(group.len(), || {
                for chunk in &log.chunks[from..end] {
                    black_box(assembler.push(&chunk.bytes).expect("it is the next one"));
                }
            });
            from = end;
        }
        let mut engine = Engine::new(Config::default());
        for group in &log.groups {
            replay.measure(group.len(), || engine.replay(group).expect("it was written by an engine"));
        }
    }
    let effect_bytes = log.journal_bytes() as f64 / ENTRIES as f64;
    let names = [
        "copy the journal",
        "form chunks",
        "the writer: take, form, ask, be answered",
        "check and join chunks",
        "replay into an engine",
    ];
    let copy_ns = rounds[0].median_ns();
    let rows = names.iter().zip(&rounds).map(|(name, rounds)| {
        let ns = rounds.median_ns();
        vec![
            String::from(*name),
            format!("{:.0}", 1000.0 / ns),
            format!("+-{:.0} %", rounds.spread_percent()),
            format!("{:.1}", 1000.0 / ns / effect_bytes),
            format!("{:.1}", ns / copy_ns),
            format!("{:.2}", rounds.least_ns() * effect_bytes / log.append_ns),
        ]
    });
    let title = format!("Log: {ENTRIES} appends, {effect_bytes:.1} bytes of journal each");
    let head = ["", "MB/s", "spread", "M effects/s", "to copying", "to the append itself"];
    table::print(&title, &head, &rows.collect::<Vec<_>>());
}

/// A writer whose storage answers at once.
fn writer() -> Writer {
    Writer::new(WriterConfig::default(), Tail::new(LOG_ID), Position(0)).expect("there is memory")
}

fn write_through(writer: &mut Writer, effects: &mut Vec<u8>) {
    let position = Position(writer.pushed().0 + CALLS_PER_GROUP as u64);
    writer.push(effects, position).expect("there is memory");
    while let Some(request) = writer.next_request(0).expect("there is memory") {
        let WriterRequest::Append(append) = request else { panic!("nothing has failed") };
        for chunk in writer.chunks(&append) {
            black_box(&chunk.bytes);
        }
        writer.answered(0, append.ticket, Answer::Done);
    }
    assert_eq!(writer.written(), position);
}

// ---------------------------------------------------------------------------------------------------------------------
// Opening
// ---------------------------------------------------------------------------------------------------------------------

/// The same steps, gone through several times. Of each the fastest time is kept, in microseconds: the others were
/// disturbed.
#[derive(Default)]
struct Steps {
    fastest_us: Vec<f64>,
}

impl Steps {
    fn note(&mut self, place: usize, start: Instant) {
        let time_us = start.elapsed().as_nanos() as f64 / 1000.0;
        match self.fastest_us.get_mut(place) {
            Some(fastest_us) => *fastest_us = time_us.min(*fastest_us),
            None => self.fastest_us.push(time_us),
        }
    }

    fn sum_us(&self) -> f64 {
        self.fastest_us.iter().sum()
    }
}

/// What a storage holds that only reads.
#[derive(Default)]
struct Storage {
    manifest: Option<Vec<u8>>,
    parts: Vec<Vec<u8>>,
    chunks: Vec<EncodedChunk>,
}

impl Storage {
    fn answer(&self, request: &RecoveryRequest<'_>) -> RecoveryAnswer {
        match *request {
            RecoveryRequest::ReadManifest => {
                RecoveryAnswer::Manifest(self.manifest.clone().map_or(Stored::Missing, Stored::Bytes))
            }
            RecoveryRequest::ReadWitness => RecoveryAnswer::Witness(None),
            RecoveryRequest::ReadEpoch => RecoveryAnswer::Epoch(0),
            RecoveryRequest::ListLog => {
                let bounds = self.chunks.first().zip(self.chunks.last());
                RecoveryAnswer::LogBounds(bounds.map(|(first, last)| (first.sequence, last.sequence)))
            }
            RecoveryRequest::ListParts => RecoveryAnswer::PartIds((0..self.parts.len() as u64).collect()),
            RecoveryRequest::ReadParts(parts) => {
                let read = |part: &PartRef| Stored::Bytes(self.parts[part.id as usize].clone());
                RecoveryAnswer::Parts(parts.iter().map(read).collect())
            }
            RecoveryRequest::ReadLog { from_sequence, bytes_max } => self.page(from_sequence, bytes_max),
            RecoveryRequest::ReadLogOne { from_sequence } => self.page(from_sequence, 0),
            _ => RecoveryAnswer::Done,
        }
    }

    fn page(&self, from_sequence: u64, bytes_max: usize) -> RecoveryAnswer {
        let from = self.chunks.partition_point(|chunk| chunk.sequence < from_sequence);
        let (mut page, mut bytes) = (Vec::new(), 0);
        for chunk in &self.chunks[from..] {
            bytes += chunk.bytes.len();
            if bytes > bytes_max && !page.is_empty() {
                break;
            }
            page.push((chunk.sequence, Stored::Bytes(chunk.bytes.clone())));
        }
        let has_more = from + page.len() < self.chunks.len();
        RecoveryAnswer::LogPage { chunks: page, has_more }
    }

    fn bytes(&self) -> usize {
        let parts: usize = self.parts.iter().map(Vec::len).sum();
        let chunks: usize = self.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        parts + chunks + self.manifest.as_ref().map_or(0, Vec::len)
    }

    /// Opens it. Of each step that takes, the fastest time so far is kept.
    fn open(&self, steps: &mut Steps) -> Engine {
        let mut recovery = Recovery::new(RecoveryConfig::new(LOG_ID));
        let mut engine = Engine::new(Config { journal: true, ..Config::default() });
        for place in 0.. {
            let start = Instant::now();
            let Some((ticket, request)) = recovery.next_request() else { break };
            let answer = self.answer(&request);
            recovery.answered(ticket, answer, &mut |item| match item {
                RecoveryItem::Part(part) => engine.load_unit(part.payload, PartSpan { first: part.id, count: 1 }),
                RecoveryItem::SnapshotEnd { state_hash } => engine.finish_load(state_hash),
                RecoveryItem::Group(group) => engine.replay(group.journal),
            });
            steps.note(place, start);
        }
        recovery.take_outcome().expect("it has ended").expect("everything is there");
        engine
    }
}

/// The same state as a log, and as a snapshot of it.
fn print_opening(log: &Log) {
    let as_log = Storage { chunks: log.chunks.clone(), ..Storage::default() };
    let mut engine = as_log.open(&mut Steps::default());
    let as_snapshot = snapshot_of(&mut engine, log.chunks.last().expect("there are chunks"));
    let mut steps: [Steps; 2] = Default::default();
    for _ in 0..OPENINGS {
        for (storage, steps) in [&as_log, &as_snapshot].into_iter().zip(&mut steps) {
            assert_eq!(storage.open(steps).state_hash(), engine.state_hash(), "another state was opened");
        }
    }
    let names = ["from the log alone", "from a snapshot of it"];
    let storages = [&as_log, &as_snapshot];
    let rows = names.iter().zip(storages).zip(&steps).map(|((name, storage), steps)| {
        let ns = steps.sum_us() * 1000.0 / ENTRIES as f64;
        vec![
            String::from(*name),
            format!("{:.1}", storage.bytes() as f64 / 1e6),
            format!("{:.0}", steps.sum_us() / 1000.0),
            format!("{ns:.0}"),
            format!("{:.2}", ns / log.append_ns),
        ]
    });
    let title = format!("Opening {ENTRIES} small entries from memory");
    let head = ["", "MB read", "ms", "ns an entry", "to the append itself"];
    table::print(&title, &head, &rows.collect::<Vec<_>>());
}

/// A storage with nothing but a snapshot, which covers the log up to its last chunk.
fn snapshot_of(engine: &mut Engine, last: &EncodedChunk) -> Storage {
    let mut storage = Storage::default();
    let mut parts = Vec::new();
    let (mut names, mut unit) = (Names::default(), Vec::new());
    engine.begin_snapshot();
    let state_hash = loop {
        match engine.next_unit(&mut names, &mut unit) {
            SnapshotStep::Changed(span) => {
                let part = Part { log_id: LOG_ID, id: span.first, kind: 0, payload: &unit };
                let (bytes, listed) = part.encode().expect("the numbers are in range");
                storage.parts.push(bytes);
                parts.push(listed);
            }
            SnapshotStep::Worked => {}
            SnapshotStep::Done { state_hash } => break state_hash,
            other => panic!("nothing is stored, and nothing happens meanwhile: {other:?}"),
        }
    };
    let chunk = Chunk::decode(&last.bytes).expect("it is whole");
    let manifest = Manifest {
        log_id: LOG_ID,
        upto_sequence: chunk.sequence,
        upto_checksum: chunk.checksum,
        state_hash,
        next_part_id: names.named,
        parts,
        ..Manifest::default()
    };
    storage.manifest = Some(manifest.encode().expect("the numbers are in range"));
    storage
}

// ---------------------------------------------------------------------------------------------------------------------
// Snapshots
// ---------------------------------------------------------------------------------------------------------------------

/// Who names units, and says of all of them that they are stored, or that none is.
#[derive(Default)]
struct Names {
    named: u64,
    all_are_stored: bool,
}

impl PartNames for Names {
    fn is_stored(&self, _: PartSpan) -> bool {
        self.all_are_stored
    }

    fn name(&mut self, _: usize) -> PartSpan {
        self.named += 1;
        PartSpan { first: self.named - 1, count: 1 }
    }
}

/// What a snapshot took.
#[derive(Default)]
struct Taken {
    slices: Steps,
    begin_us: f64,
    changed: usize,
    unchanged: usize,
    bytes: usize,
}

fn print_snapshots() {
    let mut bench = large_state();
    let state_bytes = bench.engine.memory();
    let whole = take(&mut bench, false, &mut |_| {});
    // Those before have written everything, and nothing has changed.
    let none = take(&mut bench, true, &mut |_| {});
    let mut number = 0;
    let few = take(&mut bench, true, &mut |bench| {
        // An entry more, an entry fewer somewhere, and a small key: what changes in all of it within a second or so.
        for _ in 0..100 {
            number += 1;
            bench.run(&["XADD", KEY, "*", "user", "u1", "action", "view", "item", "00001", "count", "7"]);
            bench.run(&["SET", &format!("key{}", number * 997 % STATE_KEYS), "changed"]);
        }
    });
    let rows = [("everything", &whole), ("nothing", &none), ("100 appends and 100 keys", &few)].map(|(name, taken)| {
        let mut sorted = taken.slices.fastest_us.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
        let longest = at(1.0);
        vec![
            String::from(name),
            taken.changed.to_string(),
            taken.unchanged.to_string(),
            format!("{:.1}", taken.bytes as f64 / 1e6),
            format!("{:.0}", sorted.iter().sum::<f64>() / 1000.0),
            format!("{:.0}", at(0.5)),
            format!("{:.0}", at(0.99)),
            format!("{longest:.0}"),
            format!("<= 1000: {}", table::verdict(longest <= SLICE_TARGET_US)),
        ]
    });
    let title = format!(
        "Snapshots of {:.0} MB: {:.0} MB of entries, {STATE_PENDING} pending entries, {STATE_KEYS} small keys; \
         beginning one takes {:.1} us at most",
        state_bytes as f64 / 1e6,
        STATE_ENTRY_BYTES as f64 / 1e6,
        whole.begin_us.max(none.begin_us).max(few.begin_us),
    );
    let head = [
        "what has changed",
        "units written",
        "units named again",
        "MB written",
        "ms in all",
        "median slice (us)",
        "99 % (us)",
        "longest (us)",
        "target",
    ];
    table::print(&title, &head, &rows);
    print_calls(&mut bench);
}

/// Calls of three kinds, alone and between the slices of a snapshot, where the first change to a piece keeps a copy.
fn print_calls(bench: &mut Bench) {
    let (mut alone, mut between) = (Vec::new(), Vec::new());
    let mut random = Random::new(3);
    let (mut names, mut unit) = (Names::default(), Vec::new());
    let mut most_bytes = 0;
    for _ in 0..SNAPSHOTS {
        bench.engine.take_effects(&mut unit);
        let before = bench.engine.memory();
        bench.engine.begin_snapshot();
        while !matches!(bench.engine.next_unit(&mut names, &mut unit), SnapshotStep::Done { .. }) {
            measure_calls(bench, &mut random, &mut between);
            most_bytes = most_bytes.max(bench.engine.memory().saturating_sub(before));
        }
        bench.engine.take_effects(&mut unit);
        while alone.len() < between.len() {
            measure_calls(bench, &mut random, &mut alone);
        }
    }
    let rows = [("alone", &mut alone), ("between slices", &mut between)].map(|(name, times_us)| {
        times_us.sort_by(f64::total_cmp);
        let at = |share: f64| format!("{:.2}", times_us[((times_us.len() - 1) as f64 * share).round() as usize]);
        vec![String::from(name), times_us.len().to_string(), at(0.5), at(0.99), at(0.999)]
    });
    let title = format!(
        "XADD, SET and XACK in turn, one of each between two slices of a snapshot of everything; what is kept meanwhile \
         takes {:.1} MB at most, the journal included",
        most_bytes as f64 / 1e6
    );
    table::print(&title, &["", "calls", "median (us)", "99 % (us)", "99.9 % (us)"], &rows);
}

fn measure_calls(bench: &mut Bench, random: &mut Random, times_us: &mut Vec<f64>) {
    let key = format!("key{}", random.below(STATE_KEYS as u64 / 2) * 2);
    let id = format!("{}-{}", START_MS + random.below(100) * 1000, random.below(10_000));
    let add = ["XADD", KEY, "*", "user", "u1", "action", "view", "item", "00001", "count", "7"];
    for words in [&add[..], &["SET", &key, "changed"], &["XACK", KEY, "g", &id]] {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let start = Instant::now();
        bench.call(&words);
        times_us.push(start.elapsed().as_nanos() as f64 / 1000.0);
    }
}

fn take(bench: &mut Bench, all_are_stored: bool, before: &mut dyn FnMut(&mut Bench)) -> Taken {
    let mut names = Names { all_are_stored, ..Names::default() };
    let (mut taken, mut unit) = (Taken::default(), Vec::new());
    for _ in 0..SNAPSHOTS {
        before(bench);
        bench.engine.take_effects(&mut unit);
        (taken.changed, taken.unchanged, taken.bytes) = (0, 0, 0);
        let start = Instant::now();
        bench.engine.begin_snapshot();
        taken.begin_us = taken.begin_us.max(start.elapsed().as_nanos() as f64 / 1000.0);
        for place in 0.. {
            let start = Instant::now();
            let step = bench.engine.next_unit(&mut names, &mut unit);
            taken.slices.note(place, start);
            match step {
                SnapshotStep::Changed(_) => {
                    (taken.changed, taken.bytes) = (taken.changed + 1, taken.bytes + unit.len())
                }
                SnapshotStep::Unchanged(_) => taken.unchanged += 1,
                SnapshotStep::Worked => {}
                SnapshotStep::Done { .. } => break,
                SnapshotStep::Abandoned => panic!("nothing happens meanwhile"),
            }
        }
    }
    taken
}

/// A large stream, a group with many pending entries, many small keys.
fn large_state() -> Bench {
    let mut bench = Bench::new(true);
    let mut effects = Vec::new();
    let requests = shapes::small_requests(10_000);
    let mut words: Vec<Vec<&[u8]>> = requests.iter().map(|request| argv(request)).collect();
    words.iter_mut().for_each(|words| words[2] = b"*");
    for round in 0.. {
        for words in &words {
            bench.call(words);
        }
        bench.now_ms += 1000;
        effects.clear();
        bench.engine.take_effects(&mut effects);
        if bench.engine.memory() >= STATE_ENTRY_BYTES {
            break;
        }
        assert!(round < 10_000, "entries take no memory");
    }
    bench.run(&["XGROUP", "CREATE", KEY, "g", "0"]);
    for consumer in 0..10 {
        for _ in 0..STATE_PENDING / 10 / 1000 {
            let consumer = format!("consumer{consumer}");
            bench.run(&["XREADGROUP", "GROUP", "g", &consumer, "COUNT", "1000", "STREAMS", KEY, ">"]);
        }
        effects.clear();
        bench.engine.take_effects(&mut effects);
    }
    for number in 0..STATE_KEYS {
        let key = format!("key{number}");
        if number % 2 == 0 {
            bench.run(&["SET", &key, "a value of some length"]);
        } else {
            bench.run(&["XADD", &key, "*", "field", "value"]);
        }
    }
    bench
}
