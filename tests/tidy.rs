//! What no formatter checks: that the files of the repository can be read, and say nothing that does not belong there.

#![allow(clippy::expect_used, reason = "a panic here is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

/// Longer than this, a source file holds two things.
const LINES_MAX: usize = 800;

/// Directories with nothing written by hand.
const SKIPPED: &[&str] = &[".git", "target", "node_modules", "corpus", "corpus-found", "artifacts", "coverage", "dist"];

/// Kinds of files that are looked at.
const KINDS: &[&str] = &["rs", "toml", "md", "txt", "yml", "yaml", "json", "js", "mjs", "ts", "html", "css", "sh"];

/// A file: its path from the root of the repository, and its text.
struct File {
    name: String,
    text: String,
}

#[test]
fn all_files_are_tidy() {
    let files = files();
    assert!(files.iter().any(|file| file.name == "src/lib.rs"), "the files were not found");
    let faults: Vec<String> = files.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(root, &mut paths);
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(root).expect("it lies in the root").to_string_lossy().replace('\\', "/");
        File { name, text: String::from_utf8_lossy(&fs::read(path).expect("a file can be read")).into_owned() }
    };
    paths.iter().map(read).collect()
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the directory can be listed") {
        let path = entry.expect("the directory can be listed").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                collect(&path, paths);
            }
        } else if KINDS.iter().any(|kind| name.ends_with(&format!(".{kind}"))) {
            paths.push(path);
        }
    }
}

/// Everything wrong with a file, one line each.
fn faults(file: &File) -> Vec<String> {
    let mut faults = Vec::new();
    let is_source = file.name.ends_with(".rs");
    for (index, line) in file.text.lines().enumerate() {
        for fault in line_faults(line, is_source || file.name.ends_with(".toml")) {
            faults.push(format!("{}:{}: {fault}", file.name, index + 1));
        }
    }
    let lines = file.text.lines().count();
    if is_source && lines > LINES_MAX {
        faults.push(format!("{}: {lines} lines; {LINES_MAX} is the most that one reads in one go", file.name));
    }
    if !file.text.is_empty() && (!file.text.ends_with('\n') || file.text.ends_with("\n\n")) {
        faults.push(format!("{}: ends without exactly one line break", file.name));
    }
    faults
}

fn line_faults(line: &str, ascii_only: bool) -> Vec<&'static str> {
    let mut faults = Vec::new();
    if line.ends_with([' ', '\t', '\r']) {
        faults.push("blanks at the end of the line");
    }
    if ascii_only && !line.is_ascii() {
        faults.push("a character that is not ASCII: code is typed on any keyboard");
    }
    if ascii_only && line.contains('\t') {
        faults.push("a tab");
    }
    // Written in two parts, so that this file does not find itself.
    if [concat!("TO", "DO"), concat!("FIX", "ME")].iter().any(|mark| line.contains(mark)) {
        faults.push("work left for later");
    }
    if [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/")].iter().any(|path| line.contains(path)) {
        faults.push("a path of one machine");
    }
    faults
}

#[test]
fn planted_faults_are_found() {
    let faults_of = |name: &str, text: &str| faults(&File { name: name.into(), text: text.into() });
    assert_eq!(faults_of("a.rs", "fn f() {}\n"), [""; 0]);
    assert_eq!(faults_of("a.md", "Gr\u{fc}n\n"), [""; 0]);
    assert_eq!(faults_of("a.rs", "fn f() {}\n// gr\u{fc}n\n").len(), 1);
    assert!(faults_of("a.rs", "fn f() {}\n// x \n")[0].starts_with("a.rs:2: blanks"));
    assert_eq!(faults_of("a.toml", "a =\t1\n").len(), 1);
    assert_eq!(faults_of("a.md", concat!("TO", "DO: write\n")).len(), 1);
    assert_eq!(faults_of("a.md", concat!("see /ho", "me/someone/notes\n")).len(), 1);
    assert_eq!(faults_of("a.md", "no break at the end").len(), 1);
    assert_eq!(faults_of("a.md", "too many\n\n").len(), 1);
    assert_eq!(faults_of("a.rs", &"x\n".repeat(LINES_MAX)), [""; 0]);
    assert_eq!(faults_of("a.rs", &"x\n".repeat(LINES_MAX + 1)).len(), 1);
}
