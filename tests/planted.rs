//! Bugs that are planted on purpose, one after the other: the simulation has to notice each of them (src/planted.rs).
//!
//! It is the measure of what the simulation is worth. For each bug seeds are run until one fails, which has to happen
//! within a bounded number; the same seeds pass where no bug is planted. The table that is printed says which rule
//! noticed, and after how many seeds.
//!
//! It needs a build of its own: `cargo xtask test planted`. In any other there are no bugs, and nothing to test.
//! `BROOKLET_PLANTED` names the one bug to plant, `BROOKLET_PLANTED_SEEDS` says within how many seeds.
#![cfg(planted)]
#![allow(dead_code, reason = "each test program uses its part of the support files")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the table is what this program is run for")]

#[path = "support/sequences.rs"]
mod sequences;
#[path = "support/simulation/mod.rs"]
mod simulation;
#[path = "support/storage.rs"]
mod storage;

use brooklet::{Bug, plant};

use sequences::*;
use simulation::runs::run_seeds;
use steps::number_from_environment;

const BUGS: &[Bug] = &[
    Bug::AckBeforeComplete,
    Bug::CallWrittenDurable,
    Bug::CarryOnlyNew,
    Bug::ClaimWhatIsGathered,
    Bug::DropUnitTail,
    Bug::ForgetWhatFailed,
    Bug::ReleaseBeforeDurable,
    Bug::SkipEpoch,
    Bug::TrustFailedSync,
    Bug::AcceptTornMiddle,
    Bug::ForgetOwnerOnReplay,
    Bug::CoverTooMuch,
    Bug::DeleteListedParts,
    Bug::IgnoreFlipUnknown,
    Bug::LeaveSuperfluousParts,
    Bug::ReuseIdAfterCrash,
    Bug::TruncateBeforeFlip,
    Bug::WitnessTooEarly,
    Bug::ForgetPendingChange,
    Bug::ForgetTrimInSnapshot,
    Bug::ListChangedPart,
    Bug::SkipPageCopy,
    Bug::SkipShadowCopy,
    Bug::ReadsDependOnNothing,
    Bug::WakeReadersAtApplied,
];

/// Within so many seeds each bug has to be noticed.
const SEEDS_MAX: u64 = 400;
const STEPS: u64 = 1_000;

#[test]
fn every_planted_bug_is_noticed() {
    let seeds_max = number_from_environment("BROOKLET_PLANTED_SEEDS").unwrap_or(SEEDS_MAX);
    let (mut longest, mut unnoticed) = (0, Vec::new());
    println!("{:<24}{:<12}{:>8}  what was noticed", "bug", "rule", "seeds");
    let only = std::env::var("BROOKLET_PLANTED").ok();
    for &bug in BUGS.iter().filter(|bug| only.as_ref().is_none_or(|only| *only == format!("{bug:?}"))) {
        plant(Some(bug));
        // A bug may break what `Debug` builds assert; the message of the panic would bury the table.
        let outcome = shrink::quietly(|| run_seeds(0..seeds_max, STEPS));
        plant(None);
        match outcome {
            Ok(_) => {
                println!("{:<24}is not noticed", format!("{bug:?}"));
                unnoticed.push(bug);
            }
            Err(failure) => {
                longest = longest.max(failure.seed + 1);
                let what = failure.breach.what.lines().next().unwrap_or_default();
                let bug = format!("{bug:?}");
                println!("{bug:<24}{:<12}{:>8}  {what:.120}", failure.breach.rule, failure.seed + 1);
            }
        }
    }
    assert!(unnoticed.is_empty(), "nobody notices {unnoticed:?} within {seeds_max} seeds");
    if let Err(failure) = run_seeds(0..longest, STEPS) {
        panic!("seed {} fails without a bug: {}", failure.seed, failure.breach.what);
    }
}
