//! Random commands with explicit IDs, on a real server of Redis 7.0 and on ours: every reply must be the same.
//!
//! The server is named by `BROOKLET_REDIS` (host:port) and is emptied. `BROOKLET_DIFFERENTIAL_OPS` says how many
//! commands (100,000), `BROOKLET_SEED` repeats one sequence. A difference is printed with the shortest sequence that
//! still shows it.
//!
//! The model is compared, too: it judges what 7.0 does not know, so it has to be right about what 7.0 does know.
#![allow(dead_code, reason = "each test program uses its part of the support files")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/resp_client.rs"]
mod resp_client;
#[path = "support/sequences.rs"]
mod sequences;

use std::io::Write;
use std::sync::Mutex;

use brooklet::{Engine, Protocol, Value};

use compare::{as_redis_70, of_redis_70, show};
use generate::{Command, Generator, Mode};
use model::{Model, Settings};
use resp_client::RespClient;
use sequences::*;
use steps::number_from_environment;

const SEQUENCE_LEN: usize = 1500;
const PIPELINE_LEN: usize = 150;
/// How often a sequence stops to compare everything that can be seen.
const DUMP_EVERY: usize = 50;

/// The server has one state: tests take turns.
static SERVER: Mutex<()> = Mutex::new(());

/// Something that answers commands, made anew for each sequence.
type Subject = Box<dyn FnMut(u64, &Command) -> Value>;
type MakeSubject = fn(&Settings) -> Subject;

#[test]
fn engine_agrees_with_redis() {
    let operations = number_from_environment("BROOKLET_DIFFERENTIAL_OPS").unwrap_or(100_000);
    compare_with_redis("engine_agrees_with_redis", operations, |settings| {
        let mut engine = Engine::new(engine::config(settings));
        Box::new(move |now_ms, command| engine::call(&mut engine, now_ms, 0, command))
    });
}

#[test]
fn model_agrees_with_redis() {
    let operations = number_from_environment("BROOKLET_MODEL_DIFFERENTIAL_OPS").unwrap_or(20_000);
    compare_with_redis("model_agrees_with_redis", operations, |settings| {
        let mut model = Model::new(settings.clone());
        Box::new(move |now_ms, command| model.call(now_ms, 0, command))
    });
}

fn compare_with_redis(test: &str, operations: u64, make_subject: MakeSubject) {
    let _turn = SERVER.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let Some(mut redis) = connect(test) else { return };
    if let Some(seed) = number_from_environment("BROOKLET_SEED") {
        return compare_sequence(test, seed, &mut redis, make_subject);
    }
    for seed in 0..operations.div_ceil(SEQUENCE_LEN as u64) {
        compare_sequence(test, seed, &mut redis, make_subject);
    }
    flush(&mut redis);
}

/// The server at `BROOKLET_REDIS`, which the tests may empty. `None`, said loudly, if there is none.
fn connect(test: &str) -> Option<RespClient> {
    let Ok(address) = std::env::var("BROOKLET_REDIS") else {
        // Unlike eprintln!, this shows even when the test passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED {test}: BROOKLET_REDIS=host:port names no redis-server 7.0");
        return None;
    };
    match RespClient::connect(&address, Protocol::Resp2) {
        Ok(client) => Some(client),
        Err(error) => panic!("BROOKLET_REDIS={address}: {error}"),
    }
}

fn flush(redis: &mut RespClient) {
    redis.call(&["FLUSHALL"]).expect("the server answers FLUSHALL");
}

fn compare_sequence(test: &str, seed: u64, redis: &mut RespClient, make_subject: MakeSubject) {
    let mut generator = Generator::new(seed, Mode::Redis70);
    let settings = settings(&mut generator);
    let now_ms = generator.now_ms();
    let mut subject = make_subject(&settings);
    let mut commands: Vec<Command> = Vec::new();
    prepare(redis, &settings);
    while commands.len() < SEQUENCE_LEN {
        let start = commands.len();
        let mut ours = Vec::new();
        while commands.len() < start + PIPELINE_LEN {
            let command = generator.command();
            let reply = subject(now_ms, &command);
            generator.observe(&command, &reply);
            ours.push(reply);
            commands.push(command);
            if commands.len().is_multiple_of(DUMP_EVERY) {
                for command in dump() {
                    ours.push(subject(now_ms, &command));
                    commands.push(command);
                }
            }
        }
        let theirs = redis.pipeline(&commands[start..]).expect("the server answers each command");
        for (offset, (ours, theirs)) in ours.into_iter().zip(theirs).enumerate() {
            let command = &commands[start + offset];
            let removes = generator.removes();
            if as_redis_70(command, &ours, removes) != of_redis_70(command, theirs, removes) {
                let commands = commands[..=start + offset].to_vec();
                let replay = Replay { settings, removes, make_subject };
                report(test, seed, commands, redis, &replay);
            }
        }
    }
}

/// Everything that can be seen.
fn dump() -> Vec<Command> {
    let mut texts = Vec::new();
    for key in ["s1", "s2", "s3"] {
        texts.push(format!("XINFO STREAM {key} FULL COUNT 0"));
        texts.push(format!("XINFO STREAM {key}"));
        texts.push(format!("XINFO GROUPS {key}"));
        texts.push(format!("XRANGE {key} - +"));
        texts.push(format!("XREVRANGE {key} + -"));
        for group in ["g1", "g2"] {
            texts.push(format!("XPENDING {key} {group}"));
            texts.push(format!("XPENDING {key} {group} - + 1000"));
        }
    }
    texts.iter().map(|text| text.split(' ').map(|word| word.as_bytes().to_vec()).collect()).collect()
}

/// Small nodes in most sequences, so that their boundaries matter.
fn settings(generator: &mut Generator) -> Settings {
    let node_entries_max = [100, 3, 5, 0][generator.random().below(4) as usize];
    let node_bytes_max = [4096, 4096, 200, 0][generator.random().below(4) as usize];
    Settings { node_entries_max, node_bytes_max, ..Settings::default() }
}

fn prepare(redis: &mut RespClient, settings: &Settings) {
    flush(redis);
    for (name, value) in
        [("stream-node-max-entries", settings.node_entries_max), ("stream-node-max-bytes", settings.node_bytes_max)]
    {
        let reply = redis.call(&["CONFIG", "SET", name, &value.to_string()]).expect("the server answers CONFIG");
        assert_eq!(reply, Value::Simple(b"OK".to_vec()), "the server's nodes can be configured");
    }
}

/// What it takes to run a sequence again.
struct Replay {
    settings: Settings,
    removes: bool,
    make_subject: MakeSubject,
}

/// Shortens the sequence as long as its last command still shows a difference, prints it, and fails.
fn report(test: &str, seed: u64, commands: Vec<Command>, redis: &mut RespClient, replay: &Replay) -> ! {
    let length = commands.len();
    let commands = shrink::shrink(commands, |commands| last_difference(commands, redis, replay).is_some());
    let (ours, theirs) = last_difference(&commands, redis, replay)
        .unwrap_or_else(|| panic!("{test}: seed {seed}, command {length}: a difference that does not repeat"));
    let sequence: String = commands.iter().map(|command| format!("  {}\n", generate::show(command))).collect();
    panic!(
        "{test}: seed {seed}, command {length}, {:?}\n{sequence}ours:\n{}redis:\n{}\
         Repeat: BROOKLET_SEED={seed} cargo test --test differential {test}",
        replay.settings,
        show(&ours),
        show(&theirs),
    );
}

fn last_difference(commands: &[Command], redis: &mut RespClient, replay: &Replay) -> Option<(Value, Value)> {
    prepare(redis, &replay.settings);
    let mut subject = (replay.make_subject)(&replay.settings);
    let now_ms = Generator::new(0, Mode::Redis70).now_ms();
    let ours = commands.iter().map(|command| subject(now_ms, command)).last()?;
    let theirs = redis.pipeline(commands).expect("the server answers each command").pop()?;
    let command = commands.last()?;
    let (ours, theirs) = (as_redis_70(command, &ours, replay.removes), of_redis_70(command, theirs, replay.removes));
    (ours != theirs).then_some((ours, theirs))
}
