//! `cargo xtask fuzz`: cargo-fuzz on one target or on all of them.
//!
//! Inputs worth keeping are committed, small, in `fuzz/corpus/TARGET`, where the tests replay them; what a run finds
//! beyond them goes to `fuzz/corpus-found/TARGET`, and an input that breaks something to `fuzz/artifacts/TARGET`.

use std::process::Command;

use crate::Result;
use crate::steps::run_child;
use crate::take_minutes;
use crate::tools::{need_cargo_tool, need_debian_program, root};

const CARGO_FUZZ_VERSION: &str = "0.13.2";

/// How long a target runs unless somebody says otherwise.
pub const MINUTES: u64 = 20;

pub fn run(arguments: &[String]) -> Result {
    let (minutes, names) = take_minutes(arguments, MINUTES)?;
    let known = targets()?;
    if let Some(unknown) = names.iter().find(|name| known.iter().all(|target| target != *name)) {
        return Err(format!("there is no fuzz target '{unknown}'; the targets are {}", known.join(", ")));
    }
    let chosen = if names.is_empty() { known } else { names.iter().map(|name| name.to_string()).collect() };
    run_targets(&chosen, minutes)
}

/// The names of all targets: the files of `fuzz/fuzz_targets`.
pub fn targets() -> Result<Vec<String>> {
    let entries = std::fs::read_dir(root().join("fuzz/fuzz_targets"))
        .map_err(|error| format!("cannot list fuzz/fuzz_targets: {error}"))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| format!("cannot list fuzz/fuzz_targets: {error}"))?.path();
        if let (Some("rs"), Some(name)) = (path.extension().and_then(|it| it.to_str()), path.file_stem()) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

pub fn run_targets(names: &[String], minutes: u64) -> Result {
    let program = need_cargo_tool("cargo-fuzz", CARGO_FUZZ_VERSION)?;
    need_debian_program("c++", "g++", "libFuzzer, which is C++")?;
    for name in names {
        println!("fuzzing {name} for {minutes} minutes");
        let found = root().join("fuzz/corpus-found").join(name);
        let committed = root().join("fuzz/corpus").join(name);
        for directory in [&found, &committed] {
            std::fs::create_dir_all(directory)
                .map_err(|error| format!("cannot create {}: {error}", directory.display()))?;
        }
        let mut command = Command::new(&program);
        // The first directory is the one that libFuzzer adds to.
        command.args(["run", name]).args([&found, &committed]).arg("--").current_dir(root());
        command.arg(format!("-max_total_time={}", minutes.saturating_mul(60)));
        // An input that takes seconds or asks for hundreds of megabytes is a finding, too.
        command.args(["-timeout=10", "-malloc_limit_mb=512", "-print_final_stats=1"]);
        let dictionary = root().join("fuzz/dictionaries").join(name).with_extension("dict");
        if dictionary.is_file() {
            command.arg(format!("-dict={}", dictionary.display()));
        }
        // The address sanitizer, whose allocator enforces the limit above, is an unstable option of a stable compiler.
        command.env("RUSTC_BOOTSTRAP", "1");
        run_child(&mut command)?;
    }
    Ok(())
}
