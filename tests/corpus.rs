//! The corpora of the fuzzers, replayed: what a fuzzer once reached is reached in each test run, without a fuzzer.
//!
//! Some targets make the seeds of their corpora themselves; with `BROOKLET_WRITE_SEEDS=1` this program writes those that
//! are missing.

#![allow(clippy::expect_used, reason = "a panic here is a failed test")]
#![allow(clippy::print_stderr, reason = "a failed test names the file that it fails on")]

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

/// The corpora are for a repository, not for an archive: a run that finds more keeps it to itself.
const FILES_MAX: usize = 60;
const BYTES_MAX: usize = 200 << 10;

#[test]
fn arguments_keep_their_promises() {
    replay("arguments", targets::arguments::run);
}

#[test]
fn chunks_keep_their_promises() {
    replay("chunk", targets::chunk::run);
}

#[test]
fn manifests_keep_their_promises() {
    replay("manifest", targets::manifest::run);
}

#[test]
fn operations_keep_their_promises() {
    replay("operations", targets::operations::run);
}

#[test]
fn effects_keep_their_promises() {
    replay("effects", targets::effects::run);
}

#[test]
fn restored_values_keep_their_promises() {
    replay("restore", targets::restore::run);
}

/// Runs the body of a target on each file of its corpus, and names the file that it fails on.
fn replay(target: &str, run: fn(&[u8])) {
    let files = corpus(target);
    assert!(!files.is_empty(), "{target} has no corpus");
    for (name, bytes) in &files {
        if let Err(panic) = std::panic::catch_unwind(|| run(bytes)) {
            eprintln!("fuzz/corpus/{target}/{name}: {target} fails on it");
            std::panic::resume_unwind(panic);
        }
    }
}

fn directory(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

/// The files of a target's corpus, by name.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory(target)).expect("a target has a corpus") {
        let entry = entry.expect("a corpus can be listed");
        let bytes = fs::read(entry.path()).expect("a file can be read");
        files.push((entry.file_name().to_string_lossy().into_owned(), bytes));
    }
    files.sort();
    files
}

#[test]
fn snapshots_keep_their_promises() {
    replay("snapshot", targets::snapshot::run);
}

#[test]
fn seeds_are_in_the_corpora() {
    let targets = [
        ("chunk", targets::chunk::seeds()),
        ("effects", targets::effects::seeds()),
        ("manifest", targets::manifest::seeds()),
        ("restore", targets::restore::seeds()),
        ("snapshot", targets::snapshot::seeds()),
    ];
    for (target, seeds) in targets {
        for (name, bytes) in seeds {
            let path = directory(target).join(&name);
            if !path.exists() && std::env::var_os("BROOKLET_WRITE_SEEDS").is_some() {
                fs::create_dir_all(directory(target)).expect("a corpus can be begun");
                fs::write(&path, bytes).expect("a file can be written");
            }
            assert!(path.exists(), "{} is missing", path.display());
        }
    }
}

#[test]
fn corpora_stay_small() {
    let corpora = ["arguments", "chunk", "effects", "manifest", "operations", "restore", "snapshot"].map(corpus);
    for files in &corpora {
        assert!(files.len() <= FILES_MAX, "{} files", files.len());
    }
    let bytes: usize = corpora.iter().flatten().map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes <= BYTES_MAX, "{bytes} bytes");
}

/// The fuzzer has to be told the words of the commands, for it hardly finds them by itself.
#[test]
fn the_dictionary_has_the_words_of_all_commands() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/dictionaries/arguments.dict");
    let dictionary = fs::read_to_string(path).expect("a file can be read");
    let mut missing = Vec::new();
    for command in brooklet::commands() {
        let names = command.name.split('|').map(str::to_uppercase);
        let options = command.documentation().options.iter().map(|(option, _)| option.to_string());
        for word in names.chain(options) {
            let line = format!("\"{word}\"");
            if !dictionary.lines().any(|known| known == line) && !missing.contains(&line) {
                missing.push(line);
            }
        }
    }
    assert!(missing.is_empty(), "arguments.dict lacks\n{}", missing.join("\n"));
}
