//! Random commands on the engine and on the naive model: every reply must be the same, and every structure of the
//! engine sound after each of them.
//!
//! `BROOKLET_MODEL_OPS` says how many commands, `BROOKLET_SEED` repeats one sequence. A failure is printed with the
//! shortest sequence that still shows it.
#![allow(dead_code, reason = "each test program uses its part of the support files")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/sequences.rs"]
mod sequences;

use brooklet::{Engine, Value};

use generate::{Command, Generator, Mode};
use model::{Model, Settings};
use sequences::*;
use steps::{Step, dump, next_step, number_from_environment, random_settings, show_steps};

/// Most sequences are short, so that a failure is near its cause; every so many is long, so that streams grow.
const SHORT_LEN: usize = 400;
const LONG_LEN: usize = 4000;
const LONG_EVERY: u64 = 20;
/// How often a sequence stops to compare everything that can be seen.
const DUMP_EVERY: usize = 200;
const OPERATIONS: u64 = 800_000;

#[test]
fn engine_agrees_with_the_model() {
    if let Some(seed) = number_from_environment("BROOKLET_SEED") {
        run_sequence(seed);
        return;
    }
    let operations = number_from_environment("BROOKLET_MODEL_OPS").unwrap_or(OPERATIONS);
    let mut seed = 0;
    let mut done = 0;
    while done < operations {
        run_sequence(seed);
        done += sequence_len(seed) as u64;
        seed += 1;
    }
}

fn sequence_len(seed: u64) -> usize {
    if seed % LONG_EVERY == LONG_EVERY - 1 { LONG_LEN } else { SHORT_LEN }
}

fn run_sequence(seed: u64) {
    let mut generator = Generator::new(seed, Mode::All);
    let settings = random_settings(&mut generator);
    let mut pair = Pair::new(&settings);
    let mut steps = Vec::new();
    while steps.len() < sequence_len(seed) {
        let step = next_step(&mut generator);
        steps.push(step.clone());
        let with_dump = steps.len().is_multiple_of(DUMP_EVERY);
        match shrink::catch(|| pair.run(&step, with_dump)).flatten() {
            Ok(replies) => {
                for (command, reply) in step.commands.iter().zip(&replies) {
                    generator.observe(command, reply);
                }
            }
            Err(difference) => report(seed, &settings, steps, with_dump, &difference),
        }
    }
}

/// The engine and the model side by side.
struct Pair {
    engine: Engine,
    model: Model,
}

impl Pair {
    fn new(settings: &Settings) -> Pair {
        Pair { engine: Engine::new(engine::config(settings)), model: Model::new(settings.clone()) }
    }

    /// Runs a step on both. The error describes the first difference.
    fn run(&mut self, step: &Step, with_dump: bool) -> Result<Vec<Value>, String> {
        if step.advance {
            self.model.advance(step.now_ms);
        }
        let database = usize::from(step.database);
        let expected = match step.commands.as_slice() {
            [command] => vec![self.model.call(step.now_ms, database, command)],
            batch => engine::replies_of(self.model.exec(step.now_ms, database, batch)),
        };
        let replies = engine::run_step(&mut self.engine, step);
        if replies.len() != expected.len() {
            return Err(format!("engine: {replies:?}\nmodel: {expected:?}"));
        }
        for ((command, reply), expected) in step.commands.iter().zip(&replies).zip(expected) {
            compare(command, reply, expected)?;
        }
        self.engine.validate().map_err(|breach| format!("validate: {breach}"))?;
        if with_dump {
            self.compare_dumps(step.now_ms)?;
        }
        Ok(replies)
    }

    fn compare_dumps(&mut self, now_ms: u64) -> Result<(), String> {
        for database in [0, 1] {
            for command in dump() {
                let reply = engine::call(&mut self.engine, now_ms, database, &command);
                compare(&command, &reply, self.model.call(now_ms, usize::from(database), &command))?;
            }
        }
        Ok(())
    }
}

fn compare(command: &Command, reply: &Value, mut expected: Value) -> Result<(), String> {
    // How many inner nodes a radix tree would have is nothing that we have.
    let mut masked = reply.clone();
    compare::mask(&mut masked, &["radix-tree-nodes"]);
    compare::mask(&mut expected, &["radix-tree-nodes"]);
    if masked == expected {
        return Ok(());
    }
    let (engine, model) = (compare::show(&masked), compare::show(&expected));
    Err(format!("{}\nengine:\n{engine}model:\n{model}", generate::show(command)))
}

/// Shortens the steps as long as the last one still fails, prints them, and fails.
fn report(seed: u64, settings: &Settings, steps: Vec<Step>, with_dump: bool, difference: &str) -> ! {
    let length = steps.len();
    let (steps, difference) = shrink::quietly(|| {
        let steps = shrink::shrink(steps, |steps| last_failure(settings, steps, with_dump).is_some());
        let difference = last_failure(settings, &steps, with_dump).unwrap_or_else(|| difference.to_string());
        (steps, difference)
    });
    panic!(
        "seed {seed}, step {length}, {settings:?}\n{}{difference}\n\
         Repeat: BROOKLET_SEED={seed} cargo test --test model",
        show_steps(&steps),
    );
}

/// Whether the last step fails, and no step before.
fn last_failure(settings: &Settings, steps: &[Step], with_dump: bool) -> Option<String> {
    let mut pair = Pair::new(settings);
    for (position, step) in steps.iter().enumerate() {
        let last = position + 1 == steps.len();
        if let Err(difference) = shrink::catch(|| pair.run(step, last && with_dump)).flatten() {
            return last.then_some(difference);
        }
    }
    None
}
