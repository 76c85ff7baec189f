//! docs/compatibility.md: its tables are those of the engine, and it tells of every difference that the code tells of.
//!
//! The tables between the markers are made here, from [`brooklet::commands`] and from how the npm package says them.
//! After a change of either, `BROOKLET_BLESS=1 cargo test --test compatibility` writes them anew.

#![allow(clippy::expect_used, clippy::panic, reason = "a panic here is a failed test")]

#[path = "support/methods.rs"]
mod methods;
#[path = "support/page.rs"]
mod page;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use brooklet::{CommandInfo, commands};

use methods::{SAID, Said};
use page::{Page, root};

const PAGE: Page = Page { name: "compatibility", part: "table" };
const METHODS: Page = Page { name: "compatibility", part: "methods" };

#[test]
fn the_tables_are_those_of_the_engine() {
    PAGE.check(&tables());
}

#[test]
fn the_table_of_methods_is_that_of_the_package() {
    METHODS.check(&methods_table());
}

/// Each command of streams has its line, and each of its options is said in one way: asked for, unasked, or by `call`.
#[test]
fn every_command_and_option_is_said_by_the_package() {
    let commands: Vec<_> = callable().filter(is_stream_command).collect();
    let names: Vec<_> = commands.iter().map(|command| command.name).collect();
    assert_eq!(SAID.iter().map(|said| said.command).collect::<Vec<_>>(), names);
    for (said, command) in SAID.iter().zip(commands) {
        let asked = said.options.iter().flat_map(|(_, words)| *words);
        let mut words: Vec<_> = asked.chain(said.unasked).chain(said.by_call).copied().collect();
        let mut known: Vec<_> = command.documentation().options.iter().map(|(option, _)| *option).collect();
        words.sort_unstable();
        known.sort_unstable();
        assert_eq!(words, known, "{}", said.command);
    }
}

/// The head of a command's file says where it differs; the page collects what the heads say.
#[test]
fn every_command_that_says_it_differs_is_on_the_page() {
    let differences = PAGE.parts().after;
    let mut differing = 0;
    for path in files_under(&root().join("src/command")) {
        let source = fs::read_to_string(&path).expect("a source file is text");
        let head: Vec<&str> = source.lines().take_while(|line| line.starts_with("//!")).collect();
        if !head.iter().any(|line| line.contains("Differs from Redis")) {
            continue;
        }
        differing += 1;
        let syntax =
            head.iter().find_map(|line| line.split_once("Syntax: `")).expect("a command's head has its syntax").1;
        let name = syntax.split([' ', '`']).next().unwrap_or_default();
        assert!(differences.contains(&format!("`{name}")), "docs/compatibility.md says nothing of how {name} differs");
    }
    assert!(differing >= 5, "found only {differing} heads that tell of a difference");
}

/// The names by which transcripts allow for an older Redis, as the page explains them and as the runner knows them.
#[test]
fn every_relaxation_of_the_transcripts_is_on_the_page() {
    let source = fs::read_to_string(root().join("tests/conformance.rs")).expect("the runner of transcripts is there");
    let (_, rest) = source.split_once("const RELAXATIONS").expect("it has a table of relaxations");
    let (table, _) = rest.split_once("];").expect("the table ends");
    let page = PAGE.parts().after;
    let (_, section) = page.split_once("## Where versions of Redis differ").expect("the page has this section");
    assert_eq!(names_after("(\"", '"', table), names_after("* `", '`', section), "known, and explained");
}

/// The names that begin lines, in order.
fn names_after<'a>(begin: &str, end: char, text: &'a str) -> BTreeSet<&'a str> {
    let names = text.lines().filter_map(|line| line.trim().strip_prefix(begin)?.split_once(end));
    names.map(|(name, _)| name).collect()
}

/// A container is never called without one of its subcommands, which have rows of their own.
fn callable() -> impl Iterator<Item = &'static CommandInfo> {
    commands().iter().filter(|command| !command.flags.container)
}

fn is_stream_command(command: &&CommandInfo) -> bool {
    command.name.starts_with('x')
}

fn methods_table() -> String {
    let mut text = String::from(
        "\n| command | methods | options and arguments | unasked | by `call` alone |\n|---|---|---|---|---|\n",
    );
    for Said { command, methods, options, unasked, by_call } in SAID {
        let name = command.replace('|', " ").to_uppercase();
        let methods = if methods.is_empty() { "`db.call` alone".into() } else { codes(methods) };
        let options = options.iter().map(|(option, words)| match codes(words) {
            words if words.is_empty() => code(option),
            words => format!("{}: {words}", code(option)),
        });
        let options = options.collect::<Vec<_>>().join("; ");
        let cells = [code(&name), methods, options, codes(unasked), codes(by_call)];
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    let others =
        callable().filter(|command| !is_stream_command(command)).map(|command| code(&command.name.to_uppercase()));
    text.push_str(&format!(
        "\nBy `call` alone, with all their options: {}.\n\n",
        others.collect::<Vec<_>>().join(", ")
    ));
    text
}

fn codes(words: &[&str]) -> String {
    words.iter().map(|word| code(word)).collect::<Vec<_>>().join(" ")
}

fn tables() -> String {
    let mut text = String::from("\n### Streams\n\n");
    write_table(callable().filter(is_stream_command), &mut text);
    text.push_str("\n### Keys and strings\n\n");
    write_table(callable().filter(|command| !is_stream_command(command)), &mut text);
    text.push('\n');
    text
}

fn write_table<'a>(commands: impl Iterator<Item = &'a CommandInfo>, text: &mut String) {
    text.push_str("| command | since | options that came later | arguments |\n|---|---|---|---|\n");
    for command in commands {
        let name = command.name.replace('|', " ").to_uppercase();
        let documentation = command.documentation();
        let since = documentation.since.unwrap_or("ours");
        let (options, syntax) = (later_options(command), code(documentation.syntax));
        text.push_str(&format!("| `{name}` | {since} | {options} | {syntax} |\n"));
    }
}

/// The options by the version that brought them, oldest first.
fn later_options(command: &CommandInfo) -> String {
    let mut versions: Vec<(Vec<u32>, &str, Vec<String>)> = Vec::new();
    for &(option, version) in command.documentation().options.iter().filter(|(_, version)| !version.is_empty()) {
        match versions.iter_mut().find(|(_, known, _)| *known == version) {
            Some((.., options)) => options.push(code(option)),
            None => versions.push((numbers(version), version, vec![code(option)])),
        }
    }
    versions.sort();
    let lists = versions.iter().map(|(_, version, options)| format!("{version}: {}", options.join(" ")));
    lists.collect::<Vec<_>>().join("; ")
}

/// 8.10 comes after 8.6.
fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|number| number.parse().expect("a version is numbers and dots")).collect()
}

/// A piece of code in a cell, where a bar would end the cell.
fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{}`", text.replace('|', "\\|")) }
}

fn files_under(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("the directory can be listed") {
        let path = entry.expect("the directory can be listed").path();
        if path.is_dir() { files.extend(files_under(&path)) } else { files.push(path) }
    }
    files
}
