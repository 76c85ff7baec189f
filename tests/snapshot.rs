//! Snapshots: units told slice by slice while the state moves on are those told at once, and reading them back gives the
//! state of that moment, which then goes on as the original did.
//!
//! Two engines run the same commands. At a random moment both begin a snapshot: one tells it at once, the other a unit at
//! a time between further commands. `BROOKLET_SNAPSHOT_OPS` says how many commands, `BROOKLET_SEED` repeats one sequence.
#![allow(dead_code, reason = "each test program uses its part of the support files")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/sequences.rs"]
mod sequences;

use std::collections::BTreeMap;

use brooklet::{Config, Engine, PartNames, PartSpan, Session, SnapshotStep, Value};

use engine::{View, compare_views, recorded_view, view};
use generate::{Command, Generator, Mode};
use random::Random;
use sequences::*;
use steps::{next_step, number_from_environment, random_settings};

const SEQUENCE_LEN: u64 = 600;
const OPERATIONS: u64 = 60_000;

/// A store of units that forgets some of them, the same ones for whoever has the same seed.
#[derive(Clone, Default)]
struct Units {
    stored: BTreeMap<u64, Vec<u8>>,
    named: u64,
    /// One in so many is not to be listed again; 0 for none.
    forgets: u64,
}

impl PartNames for Units {
    fn is_stored(&self, span: PartSpan) -> bool {
        let is_forgotten = self.forgets > 0 && span.first % self.forgets == 1;
        !is_forgotten && self.stored.contains_key(&span.first)
    }

    fn name(&mut self, _bytes: usize) -> PartSpan {
        self.named += 1;
        PartSpan { first: self.named, count: 1 }
    }
}

/// A snapshot as it was told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Told {
    spans: Vec<PartSpan>,
    changed: Vec<(PartSpan, Vec<u8>)>,
    state_hash: u64,
}

impl Told {
    /// One step; says whether it was the last one, and fails if the snapshot was given up.
    fn step(&mut self, engine: &mut Engine, units: &mut Units) -> Result<bool, &'static str> {
        let mut unit = Vec::new();
        match engine.next_unit(units, &mut unit) {
            SnapshotStep::Changed(span) => {
                self.spans.push(span);
                self.changed.push((span, unit));
            }
            SnapshotStep::Unchanged(span) => self.spans.push(span),
            SnapshotStep::Worked => {}
            SnapshotStep::Done { state_hash } => {
                self.state_hash = state_hash;
                return Ok(true);
            }
            SnapshotStep::Abandoned => return Err("abandoned"),
        }
        Ok(false)
    }

    fn at_once(engine: &mut Engine, units: &mut Units) -> Told {
        let mut told = Told::default();
        engine.begin_snapshot();
        while !told.step(engine, units).expect("nothing happens meanwhile") {}
        told
    }

    fn store(&self, units: &mut Units) {
        for (span, unit) in &self.changed {
            units.stored.insert(span.first, unit.clone());
        }
    }

    fn load(&self, units: &Units, config: Config) -> Engine {
        let mut engine = Engine::new(config);
        for span in &self.spans {
            engine.load_unit(&units.stored[&span.first], *span).expect("a unit that was told can be read");
        }
        engine.finish_load(self.state_hash).expect("all units are there");
        engine.validate().expect("what was read is sound");
        engine
    }
}

#[test]
fn a_sliced_snapshot_is_the_one_taken_at_once_and_reads_back() {
    if let Some(seed) = number_from_environment("BROOKLET_SEED") {
        run_sequence(seed);
        return;
    }
    let operations = number_from_environment("BROOKLET_SNAPSHOT_OPS").unwrap_or(OPERATIONS);
    let counts = (0..operations.div_ceil(SEQUENCE_LEN)).map(run_sequence).fold(Counts::default(), Counts::plus);
    assert!(counts.told > 100 && counts.unchanged > 300 && counts.divided > 1000, "too little happened: {counts:?}");
}

/// What a run came across.
#[derive(Clone, Copy, Default, Debug)]
struct Counts {
    told: u64,
    unchanged: u64,
    /// Units that are no pages of keys.
    divided: u64,
    abandoned: u64,
}

impl Counts {
    fn plus(self, other: Counts) -> Counts {
        Counts {
            told: self.told + other.told,
            unchanged: self.unchanged + other.unchanged,
            divided: self.divided + other.divided,
            abandoned: self.abandoned + other.abandoned,
        }
    }
}

/// Two engines with the same history.
struct Twins {
    seed: u64,
    config: Config,
    generator: Generator,
    sliced: Engine,
    at_once: Engine,
    units: Units,
    counts: Counts,
}

fn run_sequence(seed: u64) -> Counts {
    let mut generator = Generator::new(seed, Mode::All);
    let settings = random_settings(&mut generator);
    let config = Config { journal: true, ..engine::config(&settings) };
    let mut twins = Twins {
        seed,
        sliced: Engine::new(config.clone()),
        at_once: Engine::new(config.clone()),
        config,
        generator,
        units: Units { forgets: [0, 0, 5][seed as usize % 3], ..Units::default() },
        counts: Counts::default(),
    };
    let rounds = 4;
    for _ in 0..rounds {
        let bulk = bulk(twins.generator.random());
        for command in &bulk {
            twins.run_command(command);
        }
        for _ in 0..SEQUENCE_LEN / rounds / 2 {
            twins.run(true);
        }
        twins.snapshot();
    }
    twins.counts
}

/// Enough entries and pending entries for units of their own.
fn bulk(random: &mut Random) -> Vec<Command> {
    let mut lines: Vec<String> = Vec::new();
    for key in ["s1", "s2"] {
        if random.percent(70) {
            let count = 20 + random.below(1500);
            let wide = if random.percent(50) { "x".repeat(random.below(300) as usize) } else { String::from("v") };
            for _ in 0..count {
                lines.push(format!("XADD {key} * field {wide}{}", random.below(1000)));
            }
            lines.push(format!("XGROUP CREATE {key} g1 0"));
            lines.push(format!("XGROUP CREATE {key} g2 0"));
            for _ in 0..random.below(4) {
                let (group, consumer) = (1 + random.below(2), 1 + random.below(3));
                let count = 1 + random.below(1200);
                lines.push(format!("XREADGROUP GROUP g{group} c{consumer} COUNT {count} STREAMS {key} >"));
            }
        }
    }
    for number in 0..random.below(200) {
        lines.push(format!("SET key{number} {}", random.below(1000)));
        if random.percent(30) {
            lines.push(format!("DEL key{}", random.below(200)));
        }
        if random.percent(20) {
            lines.push(format!("XADD small{} * a b", random.below(200)));
        }
    }
    lines.iter().map(|line| line.split(' ').map(|word| word.as_bytes().to_vec()).collect()).collect()
}

impl Twins {
    fn run_command(&mut self, command: &Command) {
        let now_ms = self.generator.now_ms();
        for engine in [&mut self.sliced, &mut self.at_once] {
            engine::call(engine, now_ms, 0, command);
        }
    }

    /// A random step, on both or, while a snapshot is told, on one of them. Returns it.
    fn run(&mut self, both: bool) -> steps::Step {
        let step = next_step(&mut self.generator);
        let replies = engine::run_step(&mut self.sliced, &step);
        for (command, reply) in step.commands.iter().zip(&replies) {
            self.generator.observe(command, reply);
        }
        if both {
            assert_eq!(replies, engine::run_step(&mut self.at_once, &step), "seed {}: the twins differ", self.seed);
        }
        step
    }

    fn snapshot(&mut self) {
        let now_ms = self.generator.now_ms();
        let expected = view(&mut self.at_once, now_ms);
        assert!(expected == view(&mut self.sliced, now_ms), "seed {}: the twins differ", self.seed);
        let mut journal = Vec::new();
        self.sliced.take_effects(&mut journal);
        journal.clear();

        let (mut units, mut same_units) = (self.units.clone(), self.units.clone());
        let whole = Told::at_once(&mut self.at_once, &mut units);
        assert_eq!(whole.state_hash, self.at_once.state_hash(), "seed {}", self.seed);

        let mut told = Told::default();
        self.sliced.begin_snapshot();
        let mut meanwhile = Vec::new();
        let pace = 1 + self.generator.random().below(8);
        let is_told = loop {
            if self.generator.random().below(pace) == 0 {
                meanwhile.push(self.run(false));
                self.sliced.validate().unwrap_or_else(|breach| panic!("seed {}: {breach}", self.seed));
            }
            match told.step(&mut self.sliced, &mut same_units) {
                Ok(false) => {}
                Ok(true) => break true,
                Err(_) => break false,
            }
        };
        self.sliced.validate().unwrap_or_else(|breach| panic!("seed {}: {breach}", self.seed));
        for step in &meanwhile {
            engine::run_step(&mut self.at_once, step);
        }
        if !is_told {
            let is_emptied = |step: &steps::Step| {
                step.commands.iter().any(|command| command[0].to_ascii_uppercase().starts_with(b"FLUSH"))
            };
            assert!(meanwhile.iter().any(is_emptied), "seed {}: the snapshot was given up without reason", self.seed);
            self.counts.abandoned += 1;
            // What was told is stored nowhere.
            self.units.named = units.named.max(same_units.named);
            return;
        }
        self.compare(&whole, &told);
        self.counts.told += 1;
        self.counts.unchanged += (told.spans.len() - told.changed.len()) as u64;
        self.counts.divided += told.changed.iter().filter(|(_, unit)| unit[0] != 1).count() as u64;
        told.store(&mut units);
        self.units = units;
        self.read_back(&told, &expected, now_ms);
    }

    fn compare(&self, whole: &Told, told: &Told) {
        let seed = self.seed;
        assert_eq!(whole.spans, told.spans, "seed {seed}: other units");
        for (whole, told) in whole.changed.iter().zip(&told.changed) {
            assert!(whole == told, "seed {seed}: unit {:?} differs\n{:?}\n{:?}", whole.0, whole.1, told.1);
        }
        assert_eq!(whole.state_hash, told.state_hash, "seed {seed}");
    }

    /// The snapshot is the state of its moment; with the journal since, it is the state of now, and goes on alike.
    fn read_back(&mut self, told: &Told, expected: &View, now_ms: u64) {
        let seed = self.seed;
        let mut loaded = told.load(&self.units, self.config.clone());
        assert_eq!(loaded.state_hash(), told.state_hash);
        let seen = view(&mut loaded, now_ms);
        compare_views(expected, &seen).unwrap_or_else(|difference| panic!("seed {seed}: {difference}"));
        // Nothing has changed, so nothing is written again: a unit that was forgotten is.
        let mut again = self.units.clone();
        again.forgets = 0;
        let mut untouched = told.load(&self.units, self.config.clone());
        let repeated = Told::at_once(&mut untouched, &mut again);
        assert_eq!(repeated.spans, told.spans, "seed {seed}: what was read is not known to be stored");
        assert!(repeated.changed.is_empty(), "seed {seed}: {} units are written again", repeated.changed.len());

        let mut journal = Vec::new();
        self.sliced.take_effects(&mut journal);
        untouched.replay(&journal).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        untouched.validate().unwrap_or_else(|breach| panic!("seed {seed}: {breach}"));
        let now_ms = self.generator.now_ms();
        // What is only in memory is in a snapshot, but in no journal.
        let (live, replayed) = (recorded_view(&mut self.sliced, now_ms), recorded_view(&mut untouched, now_ms));
        view(&mut self.at_once, now_ms);
        compare_views(&live, &replayed).unwrap_or_else(|difference| panic!("seed {seed}: {difference}"));
        assert_eq!(self.sliced.state_hash(), untouched.state_hash(), "seed {seed}");
    }
}

fn call(engine: &mut Engine, line: &str) -> Value {
    let command: Command = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
    engine::call(engine, 1_000_000, Session::default().database, &command)
}

/// The megabytes of the large stream; 100 in the long run.
fn large_mb() -> u64 {
    number_from_environment("BROOKLET_LARGE_MB").unwrap_or(20)
}

/// An engine with a stream of so many megabytes, and its snapshot.
fn large() -> (Engine, Units) {
    let mut engine = Engine::new(Config { journal: true, ..Config::default() });
    let value = "v".repeat(200);
    let count = large_mb() * 1_000_000 / 210;
    for id in 1..=count {
        call(&mut engine, &format!("XADD s {id}-0 field {value}{id}"));
    }
    engine.take_effects(&mut Vec::new());
    let mut units = Units::default();
    let told = Told::at_once(&mut engine, &mut units);
    told.store(&mut units);
    let bytes: usize = units.stored.values().map(Vec::len).sum();
    assert!(bytes as u64 > large_mb() * 1_000_000 * 9 / 10, "only {bytes} bytes");
    (engine, units)
}

#[test]
fn one_deletion_rewrites_three_units_at_most() {
    let (mut engine, mut units) = large();
    let count = large_mb() * 1_000_000 / 210;
    for id in [1, count / 3, count / 2, count - 1, count] {
        call(&mut engine, &format!("XDEL s {id}-0"));
        let told = Told::at_once(&mut engine, &mut units);
        assert!((1..=3).contains(&told.changed.len()), "deleting {id} rewrites {} units", told.changed.len());
        let bytes: usize = told.changed.iter().map(|(_, unit)| unit.len()).sum();
        assert!(bytes < 200_000, "deleting {id} rewrites {bytes} bytes");
        told.store(&mut units);
    }
}

#[test]
fn appending_rewrites_the_end_alone() {
    let (mut engine, mut units) = large();
    for id in 0..100 {
        call(&mut engine, &format!("XADD s 9000000000-{id} field value"));
    }
    let told = Told::at_once(&mut engine, &mut units);
    assert!(told.changed.len() <= 3, "{} units", told.changed.len());
}

/// Units are small enough for any storage, unless an entry alone is larger.
#[test]
fn units_have_a_bounded_size() {
    let (_, units) = large();
    let largest = units.stored.values().map(Vec::len).max().expect("there are units");
    assert!(largest <= 60_000, "{largest} bytes");
}

/// Trimming everything while a snapshot is told moves what is still wanted, and copies nothing of it.
#[test]
fn a_removal_during_a_snapshot_costs_no_second_copy() {
    for line in ["XTRIM s MAXLEN 0", "DEL s", "RENAME s t"] {
        let (mut engine, mut units) = large();
        call(&mut engine, "XDEL s 1-0");
        engine.begin_snapshot();
        let mut told = Told::default();
        for _ in 0..3 {
            assert_eq!(told.step(&mut engine, &mut units), Ok(false));
        }
        let before = engine.memory();
        call(&mut engine, line);
        let after = engine.memory();
        assert!(after <= before + before / 20, "{line}: {before} bytes became {after}");
        while !told.step(&mut engine, &mut units).expect("it is not given up") {}
        engine.validate().expect("sound");
        told.store(&mut units);
        let loaded = told.load(&units, Config { journal: true, ..Config::default() });
        let count = large_mb() * 1_000_000 / 210 - 1;
        let mut loaded = loaded;
        assert_eq!(call(&mut loaded, "XLEN s"), Value::Integer(count.cast_signed()), "{line}");
        if line != "RENAME s t" {
            assert!(engine.memory() < 1_000_000, "{line}: {} bytes are held", engine.memory());
        }
    }
}

/// Emptying a database gives a snapshot up, and the next one is whole.
#[test]
fn emptying_gives_the_snapshot_up() {
    let mut engine = Engine::new(Config { journal: true, ..Config::default() });
    call(&mut engine, "SET a 1");
    engine.begin_snapshot();
    assert!(engine.is_snapshot_open());
    call(&mut engine, "FLUSHALL");
    let mut told = Told::default();
    let mut units = Units::default();
    assert_eq!(told.step(&mut engine, &mut units), Err("abandoned"));
    assert!(!engine.is_snapshot_open());
    call(&mut engine, "SET b 2");
    let told = Told::at_once(&mut engine, &mut units);
    told.store(&mut units);
    let mut loaded = told.load(&units, Config::default());
    assert_eq!(call(&mut loaded, "GET b"), Value::Bulk(b"2".to_vec()));
    assert_eq!(call(&mut loaded, "GET a"), Value::Null);
}

/// Keys keep their numbers, so a scan goes on where it was; and expiry goes on, too.
#[test]
fn numbers_and_expiry_come_back() {
    let mut engine = Engine::new(Config { journal: true, ..Config::default() });
    for number in 0..300 {
        call(&mut engine, &format!("SET key{number} {number}"));
    }
    for number in (0..300).filter(|number| number % 3 != 0) {
        call(&mut engine, &format!("DEL key{number}"));
    }
    call(&mut engine, "PEXPIRE key3 1000000");
    let mut units = Units::default();
    let told = Told::at_once(&mut engine, &mut units);
    told.store(&mut units);
    let mut loaded = told.load(&units, Config { journal: true, ..Config::default() });
    assert_eq!(call(&mut loaded, "PTTL key3"), Value::Integer(1_000_000));
    assert_eq!(loaded.next_deadline(), Some(2_000_000));
    loaded.advance(2_000_000);
    assert_eq!(call(&mut loaded, "GET key3"), Value::Null);
    for number in 0..300 {
        call(&mut loaded, &format!("SET new{number} {number}"));
    }
    loaded.validate().expect("free numbers are used again");
}

/// What does not belong together is refused: a unit left out, told twice, of another snapshot, cut or changed.
#[test]
fn what_is_not_a_whole_snapshot_is_refused() {
    let mut engine = Engine::new(Config { journal: true, ..Config::default() });
    for id in 1..2000 {
        call(&mut engine, &format!("XADD s {id}-0 field value{id}"));
    }
    call(&mut engine, "XGROUP CREATE s g 0");
    call(&mut engine, "XREADGROUP GROUP g c COUNT 1500 STREAMS s >");
    let mut units = Units::default();
    let told = Told::at_once(&mut engine, &mut units);
    told.store(&mut units);
    assert!(told.spans.len() >= 4, "{} units", told.spans.len());
    let load = |spans: &[PartSpan], state_hash: u64| {
        let mut engine = Engine::new(Config::default());
        spans.iter().try_for_each(|span| engine.load_unit(&units.stored[&span.first], *span))?;
        engine.finish_load(state_hash)
    };
    assert_eq!(load(&told.spans, told.state_hash), Ok(()));
    assert!(load(&told.spans, told.state_hash ^ 1).is_err());
    for place in 0..told.spans.len() {
        let mut spans = told.spans.clone();
        let span = spans.remove(place);
        assert!(load(&spans, told.state_hash).is_err(), "without {place}");
        spans.insert(place, span);
        spans.insert(place, span);
        assert!(load(&spans, told.state_hash).is_err(), "{place} twice");
    }
    let cut = |cut: PartSpan, length: usize| {
        let mut engine = Engine::new(Config::default());
        told.spans.iter().try_for_each(|span| {
            let unit = &units.stored[&span.first];
            engine.load_unit(if *span == cut { &unit[..length] } else { unit }, *span)
        })?;
        engine.finish_load(told.state_hash)
    };
    for span in &told.spans {
        let length = units.stored[&span.first].len();
        for length in (0..length).step_by(1 + length / 100) {
            assert!(cut(*span, length).is_err(), "cut at {length}");
        }
    }
}
