//! DUMP and RESTORE: a value comes back as it was, under any name, in any engine; what is no value is refused and changes
//! nothing.
//!
//! `BROOKLET_SEED` repeats one sequence.
#![allow(dead_code, reason = "each test program uses its part of the support files")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/sealed.rs"]
mod sealed;
#[path = "support/sequences.rs"]
mod sequences;

use brooklet::{Config, Engine, Value};

use generate::{Command, Generator, Mode};
use random::Random;
use sealed::sealed;
use sequences::*;
use steps::{dump, next_step, number_from_environment, random_settings};

const SEQUENCES: u64 = 60;
const SEQUENCE_LEN: usize = 150;
const KEYS: &[&str] = &["s1", "s2", "s3", "text", "none"];

fn command(words: &[&[u8]]) -> Command {
    words.iter().map(|word| word.to_vec()).collect()
}

fn call(engine: &mut Engine, now_ms: u64, words: &[&[u8]]) -> Value {
    engine::call(engine, now_ms, 0, &command(words))
}

#[test]
fn every_value_comes_back_as_it_was() {
    let seeds = number_from_environment("BROOKLET_SEED").map_or(0..SEQUENCES, |seed| seed..seed + 1);
    let mut streams = 0;
    for seed in seeds {
        let mut generator = Generator::new(seed, Mode::All);
        let settings = random_settings(&mut generator);
        let config = Config { journal: true, ..engine::config(&settings) };
        let mut source = Engine::new(config.clone());
        for number in 0..SEQUENCE_LEN {
            let step = next_step(&mut generator);
            let replies = engine::run_step(&mut source, &step);
            for (command, reply) in step.commands.iter().zip(&replies) {
                generator.observe(command, reply);
            }
            if number % 50 == 49 {
                streams += check_copy(seed, &mut source, &config, generator.now_ms());
            }
        }
    }
    assert!(streams > 50 || number_from_environment("BROOKLET_SEED").is_some(), "only {streams} streams");
}

/// Copies all keys into another engine, and into a third through the journal of that one. Returns how many were streams.
fn check_copy(seed: u64, source: &mut Engine, config: &Config, now_ms: u64) -> u64 {
    let (mut target, mut follower) = (Engine::new(config.clone()), Engine::new(config.clone()));
    let mut streams = 0;
    for key in KEYS {
        let dumped = call(source, now_ms, &[b"DUMP", key.as_bytes()]);
        let Value::Bulk(bytes) = dumped else {
            assert_eq!(dumped, Value::Null, "seed {seed}: {key}");
            continue;
        };
        let ttl = match call(source, now_ms, &[b"PTTL", key.as_bytes()]) {
            Value::Integer(ttl @ 1..) => ttl.to_string(),
            _ => String::from("0"),
        };
        let restored = call(&mut target, now_ms, &[b"RESTORE", key.as_bytes(), ttl.as_bytes(), &bytes]);
        assert_eq!(restored, Value::Simple(b"OK".to_vec()), "seed {seed}: {key}");
        let again = call(&mut target, now_ms, &[b"DUMP", key.as_bytes()]);
        assert_eq!(again, Value::Bulk(bytes), "seed {seed}: {key}");
        streams += u64::from(call(source, now_ms, &[b"TYPE", key.as_bytes()]) == Value::Simple(b"stream".to_vec()));
    }
    target.validate().unwrap_or_else(|breach| panic!("seed {seed}: {breach}"));
    let mut journal = Vec::new();
    target.take_effects(&mut journal);
    follower.replay(&journal).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    follower.validate().unwrap_or_else(|breach| panic!("seed {seed}: {breach}"));
    for command in dump() {
        let expected = engine::call(source, now_ms, 0, &command);
        for engine in [&mut target, &mut follower] {
            let seen = engine::call(engine, now_ms, 0, &command);
            let show = |value| compare::show(value);
            let what = generate::show(&command);
            assert!(expected == seen, "seed {seed}: {what}\n{}{}", show(&expected), show(&seen));
        }
    }
    streams
}

/// A stream with everything that a stream can have.
fn rich() -> Engine {
    let mut engine = Engine::new(Config { journal: true, ..Config::default() });
    for id in 1..400 {
        let (id, value) = (format!("{id}-0"), "x".repeat(id as usize % 90));
        call(&mut engine, 1000, &[b"XADD", b"s", id.as_bytes(), b"field", value.as_bytes()]);
    }
    for line in [
        "XADD s IDMP producer one * field value",
        "XGROUP CREATE s g 0",
        "XGROUP CREATE s empty $",
        "XREADGROUP GROUP g ann COUNT 200 STREAMS s >",
        "XREADGROUP GROUP g bob COUNT 20 STREAMS s >",
        "XNACK s g FAIL IDS 1 3-0",
        "XDEL s 7-0 8-0",
    ] {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let reply = call(&mut engine, 1000, &words);
        assert!(!matches!(reply, Value::Error(_)), "{line}: {reply:?}");
    }
    engine
}

/// With a wrong checksum nothing is read; with a right one, what is no value is refused, or is one that is sound.
#[test]
fn what_is_no_value_is_refused() {
    let mut source = rich();
    let Value::Bulk(bytes) = call(&mut source, 1000, &[b"DUMP", b"s"]) else { panic!("there is a stream") };
    let refusals = [
        Value::Error(b"ERR DUMP payload version or checksum are wrong".to_vec()),
        Value::Error(b"ERR Bad data format".to_vec()),
    ];
    let mut target = Engine::new(Config::default());
    for length in 0..bytes.len() {
        assert_eq!(call(&mut target, 1000, &[b"RESTORE", b"k", b"0", &bytes[..length]]), refusals[0]);
    }
    let mut random = Random::new(1);
    let (mut refused, mut accepted) = (0, 0);
    for _ in 0..4000 {
        let mut value = bytes[..bytes.len() - 9].to_vec();
        for _ in 0..1 + random.below(2) {
            let at = random.below(value.len() as u64) as usize;
            value[at] ^= 1 << random.below(8);
        }
        if random.percent(10) {
            value.truncate(random.below(value.len() as u64) as usize);
        }
        let mut target = Engine::new(Config { journal: true, ..Config::default() });
        let reply = call(&mut target, 1000, &[b"RESTORE", b"s", b"0", &sealed(value)]);
        target.validate().expect("what was accepted is sound, and what was refused has left nothing");
        if reply == refusals[1] {
            refused += 1;
            assert_eq!(call(&mut target, 1000, &[b"EXISTS", b"s"]), Value::Integer(0));
            continue;
        }
        assert_eq!(reply, Value::Simple(b"OK".to_vec()));
        accepted += 1;
        traffic(&mut target);
    }
    assert!(refused > 500 && accepted > 100, "{refused} refused, {accepted} accepted");
}

/// Commands of many kinds, after which everything is still sound and the journal gives the same.
fn traffic(engine: &mut Engine) {
    for line in [
        "XADD s * field value",
        "XREADGROUP GROUP g ann COUNT 50 STREAMS s >",
        "XAUTOCLAIM s g carl 0 0 COUNT 30",
        "XACK s g 1-0 2-0 3-0 50-0",
        "XGROUP DELCONSUMER s g ann",
        "XDEL s 9-0 10-0",
        "XTRIM s MAXLEN ~ 100",
        "XTRIM s MAXLEN 20",
        "XADD s * field value",
        "XGROUP DESTROY s g",
    ] {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        call(engine, 1_000_000, &words);
        engine.validate().expect("sound");
    }
    let mut journal = Vec::new();
    engine.take_effects(&mut journal);
    let mut follower = Engine::new(Config { journal: true, ..Config::default() });
    follower.replay(&journal).expect("the journal can be replayed");
    let range: &[&[u8]] = &[b"XRANGE", b"s", b"-", b"+"];
    assert_eq!(call(engine, 1_000_000, range), call(&mut follower, 1_000_000, range));
}
