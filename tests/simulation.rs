//! The whole stack under everything that goes wrong: engine, store, reply gate, recovery, and a storage that fails.
//!
//! *What is simulated.* Up to a dozen clients, each of which knows only what it was told: writers that repeat what they
//! do not know the outcome of, consumers of groups, blocking and not, a plain reader, and one who sends anything. An
//! owner with its engine and its store. A storage, as a database or as files, that fails before or after success, never
//! answers, is slow, full, closes the connection, does things twice, fails to sync. Processes that die, power that goes,
//! other owners that take over while the first goes on, openings that fail in the middle, damage while nobody looks. A
//! clock that jumps, stands still and goes back. One seed decides all of it, event by event, so every run can be
//! repeated, and the same seed has to give the same trace (I10).
//!
//! *A step* is one event (simulation/world.rs): a request, one job of the storage, one answer, a tick of the clock, a
//! slice of a snapshot, a crash. Between any two anything else may happen.
//!
//! *A crash* of the process keeps what the storage has done, and loses everything in memory: what was asked for and not
//! done, what was done and not answered, replies at the gate, readers that waited. With the power goes also what was not
//! durable, from the end; in files the last append may be torn, and what a failed sync has dropped is gone.
//!
//! *What was observed* is what has left the reply gate, and nothing else. It is read from the reply itself: entries
//! carry tags, and the model knows which unit wrote each of them (simulation/promises.rs).
//!
//! *Why the model is right.* Beside each engine runs a second one that gets the same calls and has no storage
//! (simulation/host.rs). Its journal is the past, unit by unit (simulation/past.rs). What comes out of a storage has to
//! be the state after some number of these units, which is made by replaying them: no part of the code under test says
//! which units were stored, the chain of checksums does (`ChunkBook` in simulation/checks.rs). That replay gives the
//! state is shown by tests/replay.rs, that the state is right by tests/model.rs.
//!
//! *The rules* I1 to I10 stand in simulation/checks.rs, a function for each. tests/planted.rs breaks the code in many
//! ways and shows that they notice.
//!
//! `BROOKLET_SIMULATION_SEEDS` and `BROOKLET_SIMULATION_STEPS` say how much is run. A failure prints its seed, its step,
//! what happened last, and the command that repeats it: `BROOKLET_SEED` runs one seed alone, and
//! `BROOKLET_SIMULATION_FIRST` begins with another one than 0.
#![allow(dead_code, reason = "each test program uses its part of the support files")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/sequences.rs"]
mod sequences;
#[path = "support/simulation/mod.rs"]
mod simulation;
#[path = "support/storage.rs"]
mod storage;

use std::collections::BTreeMap;

use sequences::*;
use simulation::runs::{Report, run_seeds};
use steps::number_from_environment;

const SEEDS: u64 = 500;
const STEPS: u64 = 1_000;

/// What has to go wrong in each run, or it proves nothing.
const FAULTS_MIN: u64 = 10;

/// What has to happen now and then.
const EXPECTED: &[&str] = &[
    "a bit flips",
    "a flip",
    "a flip of unknown outcome",
    "a loss is accepted",
    "a process dies",
    "a process dies while it opens",
    "a superseded owner finds out",
    "a superseded owner's write is refused",
    "a sync fails",
    "a torn end is dropped",
    "a value cannot be read",
    "a value vanishes",
    "a write is refused",
    "an answer is overtaken",
    "an error",
    "an opening fails",
    "an operation comes twice",
    "an operation fails",
    "an operation fails after success",
    "an operation is slow",
    "another owner takes over",
    "at rest",
    "closed",
    "compacted",
    "done, and no answer",
    "everything vanishes",
    "no room",
    "not done, and no answer",
    "put back from a copy",
    "somebody looks",
    "the clock goes back",
    "the clock jumps",
    "the clock stands still",
    "the connection closes",
    "the power goes",
    "what was not durable is lost",
];

#[test]
fn every_rule_holds_whatever_goes_wrong() {
    let steps = number_from_environment("BROOKLET_SIMULATION_STEPS").unwrap_or(STEPS);
    if let Some(seed) = number_from_environment("BROOKLET_SEED") {
        run_and_report(seed..seed + 1, steps);
        return;
    }
    let seeds = number_from_environment("BROOKLET_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let first = number_from_environment("BROOKLET_SIMULATION_FIRST").unwrap_or(0);
    let reports = run_and_report(first..first + seeds, steps);
    let (mut happened, mut faults) = (BTreeMap::new(), 0);
    for report in &reports {
        faults += report.faults;
        for (what, count) in &report.happened {
            *happened.entry(*what).or_insert(0) += count;
        }
    }
    println!("{seeds} seeds of {steps} steps, {faults} faults: {happened:#?}");
    if steps >= STEPS {
        let fewest = reports.iter().map(|report| report.faults).min();
        assert!(fewest >= Some(FAULTS_MIN), "only {fewest:?} faults in a run");
    }
    let count = |what: &str| happened.get(what).copied().unwrap_or(0);
    let rare: Vec<_> = EXPECTED.iter().filter(|what| count(what) < seeds.div_ceil(200)).collect();
    assert!(rare.is_empty() || seeds * steps < SEEDS * STEPS, "hardly ever: {rare:?}");
}

/// I10.
#[test]
fn the_same_seed_gives_the_same_trace() {
    let once = run_and_report(0..8, STEPS);
    let twice = run_and_report(0..8, STEPS);
    assert_eq!(once, twice);
    let hashes: std::collections::BTreeSet<u64> = once.iter().map(|report| report.hash).collect();
    assert_eq!(hashes.len(), once.len(), "different seeds give different traces");
}

fn run_and_report(seeds: std::ops::Range<u64>, steps: u64) -> Vec<Report> {
    run_seeds(seeds, steps).unwrap_or_else(|failure| {
        let (seed, step) = (failure.seed, failure.step);
        panic!(
            "\n{}seed {seed}, step {step}, rule {}: {}\n\
             Repeat: BROOKLET_SEED={seed} BROOKLET_SIMULATION_STEPS={steps} cargo test --test simulation every_rule\n",
            failure.trace, failure.breach.rule, failure.breach.what
        )
    })
}
