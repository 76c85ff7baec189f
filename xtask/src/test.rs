//! `cargo xtask test`: every check that a change has to pass, cheap ones first.

use std::process::Command;

use crate::Result;
use crate::licences;
use crate::package;
use crate::redis::RedisServer;
use crate::steps::{Run, Step, run_all, run_child, run_tests, select};
use crate::tools::{cargo, need_component, need_target, root};
use crate::web::{self, WASM};

/// A crate that takes minutes to compile and has a dozen lines of its own: what is done to all crates leaves it out.
const BINDGEN: &str = "brooklet-bindgen";

/// The test programs that compare with a real Redis, each a step of its own; `tests` runs all others.
const REDIS_TESTS: [&str; 2] = ["conformance", "differential"];

/// The test programs that have a step of their own beside those: one takes long, the other needs a build of its own.
const APART: [&str; 2] = ["simulation", "planted"];

/// The variable that says where the real Redis listens. Without it these programs skip the comparison and say so.
pub const REDIS_VARIABLE: &str = "BROOKLET_REDIS";

pub const STEPS: &[Step] = &[
    Step { name: "format", summary: "all code is formatted by rustfmt", run: format },
    Step { name: "lint", summary: "clippy finds nothing in any target", run: lint },
    Step { name: "wasm", summary: "engine and door build for wasm32, and import what they may", run: web::modules },
    Step { name: "docs", summary: "the documentation builds without a warning", run: docs },
    Step { name: "licences", summary: "all crates have a licence that deny.toml allows", run: licences },
    Step {
        name: "tests",
        summary: "unit tests, model, replay, blocking, layers, corpora, examples in docs",
        run: tests,
    },
    Step {
        name: "conformance",
        summary: "the transcripts, on the engine and on a real redis-server",
        run: conformance,
    },
    Step { name: "simulation", summary: "the whole stack, with all that goes wrong, by seeds", run: simulation },
    Step { name: "planted", summary: "bugs planted on purpose: the simulation notices each", run: planted },
    Step { name: "web", summary: "door, library and example for Rust applications, in Chromium", run: web::chromium },
    Step { name: "differential", summary: "random commands, compared with a real redis-server", run: differential },
    Step {
        name: "package",
        summary: "the npm package, packed, in browsers, bundlers and runtimes",
        run: package::check,
    },
    Step {
        name: "hazards",
        summary: "what becomes of stored databases when pages get into trouble",
        run: package::hazards,
    },
    Step {
        name: "kills",
        summary: "browsers and processes killed while they write: nothing is lost",
        run: package::kills,
    },
];

pub fn run(arguments: &[String]) -> Result {
    let steps = select(STEPS.iter().collect(), arguments)?;
    let mut run = Run { variables: vec![("BROOKLET_DIFFERENTIAL_OPS", "100000".into())], ..Run::default() };
    run_all("cargo xtask test", &steps, &mut run)
}

fn format(_: &mut Run) -> Result {
    need_component("rustfmt", "fmt")?;
    run_child(&mut cargo(&["fmt", "--all", "--check"]))
        .map_err(|reason| format!("{reason}; `cargo fmt --all` repairs it"))
}

fn lint(_: &mut Run) -> Result {
    need_component("clippy", "clippy")?;
    let mut command = cargo(&["clippy", "--workspace", "--exclude", BINDGEN, "--all-targets", "--locked"]);
    run_child(command.args(["--", "-D", "warnings"]))?;
    // What is compiled for wasm alone, the tests in browsers among it.
    need_target(WASM)?;
    let mut command = cargo(&["clippy", "--all-targets", "--locked", "--target", WASM]);
    run_child(command.args(web::CRATES).args(["--", "-D", "warnings"]))?;
    // The library without what applications may switch off; by default it has all.
    for features in ["", "async"] {
        let mut command = cargo(&["clippy", "--package", "brooklet-web", "--no-default-features", "--locked"]);
        run_child(command.args(["--features", features, "--target", WASM, "--", "-D", "warnings"]))?;
    }
    Ok(())
}

/// Private items too: they are what a reader of the source follows, and a link that leads nowhere is a warning.
fn docs(_: &mut Run) -> Result {
    let mut command = cargo(&["doc", "--workspace", "--exclude", BINDGEN, "--no-deps"]);
    command.args(["--document-private-items", "--locked"]);
    run_child(command.env("RUSTDOCFLAGS", "-D warnings"))
}

fn licences(_: &mut Run) -> Result {
    licences::check()
}

fn tests(run: &mut Run) -> Result {
    let mut command = workspace_tests();
    command.args(["--lib", "--bins", "--examples"]);
    for name in test_programs()?.iter().filter(|name| !is_apart(name)) {
        command.args(["--test", name]);
    }
    // Cargo runs the examples in the documentation in a command of their own; both are run, whatever the first says.
    let programs = run_tests(run, &mut command);
    programs.and(run_tests(run, workspace_tests().arg("--doc")))
}

fn workspace_tests() -> Command {
    cargo(&["test", "--workspace", "--exclude", BINDGEN, "--locked", "--no-fail-fast"])
}

/// Output is not captured: the counts of what happened belong into the record of a run.
fn simulation(run: &mut Run) -> Result {
    run_tests(
        run,
        &mut cargo(&["test", "--package", "brooklet", "--locked", "--test", "simulation", "--", "--nocapture"]),
    )
}

/// A build of its own, beside which the usual one stays as it is.
fn planted(run: &mut Run) -> Result {
    let mut command = cargo(&["test", "--package", "brooklet", "--locked", "--test", "planted", "--", "--nocapture"]);
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    command.env("RUSTFLAGS", format!("{flags} --cfg planted").trim_start());
    run_tests(run, command.env("CARGO_TARGET_DIR", root().join("target/planted")))
}

fn conformance(run: &mut Run) -> Result {
    run_beside_redis(run, "conformance")
}

fn differential(run: &mut Run) -> Result {
    run_beside_redis(run, "differential")
}

/// Output is not captured: seeds, counts and relaxations belong into the record of a run.
fn run_beside_redis(run: &mut Run, program: &str) -> Result {
    let server = RedisServer::start()?;
    let mut command = cargo(&["test", "--package", "brooklet", "--locked", "--test", program, "--", "--nocapture"]);
    run_tests(run, command.env(REDIS_VARIABLE, server.address()))
}

/// Whether a test program belongs to another step than `tests`.
fn is_apart(name: &str) -> bool {
    REDIS_TESTS.contains(&name) || APART.contains(&name)
}

/// The names of the test programs in `tests/`, as Cargo finds them: `tests/NAME.rs` or `tests/NAME/main.rs`.
fn test_programs() -> Result<Vec<String>> {
    let entries = std::fs::read_dir(root().join("tests")).map_err(|error| format!("cannot list tests/: {error}"))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| format!("cannot list tests/: {error}"))?.path();
        let is_program = path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file();
        if let (true, Some(name)) = (is_program, path.file_stem()) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod checks {
    use super::*;

    #[test]
    fn every_test_program_belongs_to_one_step() {
        let programs = test_programs().unwrap();
        assert!(programs.contains(&"layers".to_string()), "{programs:?}");
        for name in REDIS_TESTS.iter().chain(&APART) {
            assert!(programs.iter().any(|program| program == name), "{name}");
            assert!(STEPS.iter().any(|step| step.name == *name), "{name}");
        }
    }
}
