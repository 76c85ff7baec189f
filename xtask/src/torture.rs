//! `cargo xtask torture`: the steps of `test` at full length, then coverage, fuzzing and cargo-deny. Takes hours.
//!
//! `advisories` comes last, and apart from `deny`, because it alone needs a database from the network: where that cannot
//! be reached it fails, and everything else has been run by then.

use std::process::Command;

use crate::Result;
use crate::coverage;
use crate::fuzz;
use crate::package;
use crate::steps::{Run, Step, run_all, run_child, select};
use crate::take_minutes;
use crate::test;
use crate::tools::{need_cargo_tool, root};
use crate::web;

const CARGO_DENY_VERSION: &str = "0.20.2";

/// What the test programs read from the environment to know how long to run.
const VARIABLES: [(&str, &str); 14] = [
    ("BROOKLET_MODEL_OPS", "2000000"),
    ("BROOKLET_REPLAY_OPS", "2000000"),
    ("BROOKLET_DIFFERENTIAL_OPS", "1000000"),
    ("BROOKLET_SNAPSHOT_OPS", "2000000"),
    ("BROOKLET_LARGE_MB", "100"),
    ("BROOKLET_CUT_STEP", "1"),
    ("BROOKLET_RECOVERY_SEEDS", "10000"),
    ("BROOKLET_SIMULATION_SEEDS", "20000"),
    ("BROOKLET_SIMULATION_STEPS", "2000"),
    ("BROOKLET_STORE_SEEDS", "20000"),
    ("BROOKLET_FAULTS_WORKLOADS", "200"),
    ("BROOKLET_ENDURANCE_MB", "500"),
    (package::KILLS, "300"),
    // Overflow checks and debug assertions stay on: only the speed of the tests changes.
    ("CARGO_PROFILE_TEST_OPT_LEVEL", "3"),
];

/// What is done beyond the steps of `test`.
pub const MORE_STEPS: [Step; 6] = [
    Step { name: "firefox", summary: "door and library for Rust applications, in Firefox", run: web::firefox },
    Step { name: "hazards-firefox", summary: "pages in trouble, in Firefox", run: package::hazards_in_firefox },
    Step {
        name: "coverage",
        summary: "which branches of src/persist/ the tests take: 95 % at least",
        run: coverage::run,
    },
    Step { name: "fuzz", summary: "every fuzz target, on new inputs", run: fuzz_all },
    Step { name: "deny", summary: "cargo-deny: licences, origins, doubled versions", run: deny },
    Step { name: "advisories", summary: "cargo-deny: known vulnerabilities (needs the network)", run: advisories },
];

pub fn run(arguments: &[String]) -> Result {
    let (fuzz_minutes, names) = take_minutes(arguments, fuzz::MINUTES)?;
    let steps = select(test::STEPS.iter().chain(&MORE_STEPS).collect(), &names)?;
    let variables = VARIABLES.iter().map(|(name, value)| (*name, value.to_string())).collect();
    run_all("cargo xtask torture", &steps, &mut Run { variables, fuzz_minutes, ..Run::default() })
}

fn fuzz_all(run: &mut Run) -> Result {
    fuzz::run_targets(&fuzz::targets()?, run.fuzz_minutes)
}

fn deny(_: &mut Run) -> Result {
    cargo_deny(&["bans", "licenses", "sources"])
}

fn advisories(_: &mut Run) -> Result {
    cargo_deny(&["advisories"])
}

fn cargo_deny(checks: &[&str]) -> Result {
    let program = need_cargo_tool("cargo-deny", CARGO_DENY_VERSION)?;
    run_child(Command::new(program).args(["--locked", "check"]).args(checks).current_dir(root()))
}
