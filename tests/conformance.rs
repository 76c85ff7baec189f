//! Runs the transcripts of `tests/conformance/` against the engine and, when the variable BROOKLET_REDIS names one
//! (`host:port`), against a real Redis server, in RESP2 and in RESP3.
//!
//! The variable CONFORMANCE (`file` or `file:part of a case's name`) chooses which cases run.
#![cfg(test)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use brooklet::{Protocol, Value};

use support::pattern::{Face, Pattern, describe};
use support::target::{Answer, EngineTarget, ServerTarget, Target};
use support::transcript::{Action, Argv, Case, Step, Version, read_directory};

/// A difference of an older Redis: name, the first version that has it no more, and what it is.
type Relaxation = (&'static str, Version, &'static str);

/// Where Redis before 8.10 answers otherwise than we do. A relaxed reply of such a server must differ from what the
/// transcript expects: a relaxation that is not needed fails.
const RELAXATIONS: &[Relaxation] = &[
    ("unknown-command", (7, 2), "an unknown command without arguments is quoted with an empty list of arguments"),
    ("sequence-used-up", (7, 2), "`ms-*` after the last sequence of a millisecond is said to be too large an entry"),
    ("consumer-of-nothing", (7, 2), "a group read, XCLAIM or XAUTOCLAIM that yields nothing creates no consumer"),
    ("timeout-out-of-range", (7, 2), "a timeout whose end is beyond the clock is taken"),
    ("unbalanced-list", (7, 2), "keys without IDs have a shorter text"),
    ("xsetid-below-deleted", (7, 2), "XSETID may set an ID that is smaller than the largest deleted one"),
    ("entries-added-wraps", (8, 0), "the count of added entries becomes negative after its largest value"),
    ("lag", (7, 2), "entries-read and lag are estimated otherwise after trimming and deletion"),
];

/// Keys of maps that an older server does not have; there they are not expected.
const NEWER_KEYS: [(&str, Version); 9] = [
    ("inactive", (7, 2)),
    ("active-time", (7, 2)),
    ("idmp-duration", (8, 6)),
    ("idmp-maxsize", (8, 6)),
    ("pids-tracked", (8, 6)),
    ("iids-tracked", (8, 6)),
    ("iids-added", (8, 6)),
    ("iids-duplicates", (8, 6)),
    ("nacked-count", (8, 8)),
];

#[test]
fn the_engine_answers_as_the_transcripts_say() {
    let mut target = EngineTarget::new();
    run_all("the engine", &mut target, None);
}

#[test]
fn a_real_server_answers_as_the_transcripts_say() {
    let Ok(address) = std::env::var("BROOKLET_REDIS") else {
        println!("SKIPPED: the transcripts did NOT run against a real server: BROOKLET_REDIS=host:port is not set");
        return;
    };
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let mut target = ServerTarget::connect(&address, protocol);
        let version = target.version();
        run_all(&format!("Redis {}.{} in {protocol:?}", version.0, version.1), &mut target, Some(version));
    }
}

#[test]
fn the_transcripts_have_600_commands() {
    let count = |case: &Case| case.steps.iter().map(commands_of).sum::<usize>();
    let commands: usize = cases().iter().map(count).sum();
    assert!(commands >= 600, "{commands} commands");
}

#[test]
fn every_relaxation_is_used_and_named() {
    let cases = cases();
    let used: BTreeSet<&str> =
        cases.iter().flat_map(|case| &case.steps).filter_map(|step| step.relaxation.as_deref()).collect();
    let named: BTreeSet<&str> = RELAXATIONS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(used, named);
    assert!(named.len() <= 25);
}

fn cases() -> Vec<Case> {
    read_directory(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance"))
}

fn commands_of(step: &Step) -> usize {
    match &step.action {
        Action::Call { .. } | Action::Fill { .. } => 1,
        Action::Exec { batch, .. } => batch.len(),
        _ => 0,
    }
}

/// Runs the cases that CONFORMANCE chooses. A `version` is that of a server, and leaves out what it cannot do.
fn run_all(name: &str, target: &mut dyn Target, version: Option<Version>) {
    let chosen = std::env::var("CONFORMANCE").unwrap_or_default();
    let (file, part) = chosen.split_once(':').unwrap_or((&chosen, ""));
    let mut failures = Vec::new();
    let mut per_file: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for case in cases() {
        let is_chosen = case.file.starts_with(file) && case.name.contains(part);
        if !is_chosen || version.is_some_and(|version| case.engine_only || version < case.since) {
            continue;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| run_case(&case, target, version)));
        let outcome = outcome.unwrap_or_else(|_| Err(failure(&case, case.line, "a panic, see above")));
        let (passed, all) = per_file.entry(case.file.clone()).or_default();
        *passed += usize::from(outcome.is_ok());
        *all += 1;
        failures.extend(outcome.err());
    }
    for (file, (passed, all)) in &per_file {
        println!("{name}: {file}: {passed} of {all} cases");
    }
    assert!(failures.is_empty(), "{name}: {} cases fail\n\n{}", failures.len(), failures.join("\n\n"));
}

fn run_case(case: &Case, target: &mut dyn Target, version: Option<Version>) -> Result<(), String> {
    let is_older = |since: Version| version.is_some_and(|version| version < since);
    target.reset(case);
    let mut waiting = BTreeSet::new();
    let steps: Vec<&Step> = case.steps.iter().filter(|step| !is_older(step.since)).collect();
    for (index, step) in steps.iter().enumerate() {
        let fail = |what: String| failure(case, step.line, &format!("{}\n{what}", step.text));
        let relaxation = step.relaxation.as_ref().map(|name| {
            RELAXATIONS.iter().find(|(known, ..)| known == name).unwrap_or_else(|| panic!("no relaxation {name}"))
        });
        let is_relaxed = relaxation.is_some_and(|(_, until, _)| is_older(*until));
        run_step(&step.action, target, &mut waiting, is_relaxed, version).map_err(fail)?;
        let wake_follows = matches!(steps.get(index + 1), Some(Step { action: Action::Woken { .. }, .. }));
        if let Some(fault) = target.fault(&waiting, wake_follows) {
            return Err(fail(format!("  then:     {fault}")));
        }
    }
    Ok(())
}

fn run_step(
    action: &Action,
    target: &mut dyn Target,
    waiting: &mut BTreeSet<u32>,
    is_relaxed: bool,
    version: Option<Version>,
) -> Result<(), String> {
    let mut check = |answer: Answer, expected: &Option<Pattern>, client: u32, face: Face| match (answer, expected) {
        (Answer::Blocked, None) => {
            waiting.insert(client);
            Ok(())
        }
        (Answer::Blocked, Some(_)) => Err("  expected: a reply\n  got:      blocked".into()),
        (Answer::Reply(reply), None) => Err(format!("  expected: blocked\n  got:      {}", describe(&reply))),
        (Answer::Reply(reply), Some(expected)) => compare(expected, &reply, face, is_relaxed, version),
    };
    let face = target.face();
    match action {
        Action::Call { client, argv, expected } => {
            let answer = target.call(*client, argv, expected.is_none());
            check(answer, expected, *client, face)
        }
        Action::Exec { batch, expected } => check(target.exec(batch), &Some(expected.clone()), 1, face),
        Action::Fill { first, last, argv } => (*first..=*last).try_for_each(|number| fill(target, argv, number)),
        Action::Woken { client, expected } => match target.woken(*client) {
            None => Err("  expected: client {client} is woken\n  got:      nothing".into()),
            Some((woken, reply)) if woken != *client => {
                Err(format!("  expected: client {client} is woken\n  got:      client {woken}: {}", describe(&reply)))
            }
            Some((_, reply)) => {
                waiting.remove(client);
                compare(expected, &reply, face, is_relaxed, version)
            }
        },
        Action::Cancel { client } => {
            waiting.remove(client);
            target.cancel(*client);
            Ok(())
        }
        Action::SetClock { now_ms } => {
            target.set_clock(*now_ms);
            Ok(())
        }
        Action::PassTime { duration_ms } => {
            target.pass_time(*duration_ms);
            Ok(())
        }
        Action::Select { database } => {
            target.select(*database);
            Ok(())
        }
    }
}

/// One command of a `for` line: `{}` stands for the number.
fn fill(target: &mut dyn Target, argv: &Argv, number: u64) -> Result<(), String> {
    let numbered = |word: &Vec<u8>| String::from_utf8_lossy(word).replace("{}", &number.to_string()).into_bytes();
    let argv: Argv = argv.iter().map(numbered).collect();
    match target.call(1, &argv, false) {
        Answer::Reply(Value::Error(line)) => Err(format!("  at {number}: -{}", line.escape_ascii())),
        Answer::Reply(_) => Ok(()),
        Answer::Blocked => Err(format!("  at {number}: blocked")),
    }
}

/// A relaxed reply must differ, at least in RESP2: in RESP3 the two nulls are one.
fn compare(
    expected: &Pattern,
    reply: &Value,
    face: Face,
    is_relaxed: bool,
    version: Option<Version>,
) -> Result<(), String> {
    let mut known = expected.clone();
    if let Some(version) = version {
        let is_unknown = |key: &[u8]| NEWER_KEYS.iter().any(|(name, since)| name.as_bytes() == key && version < *since);
        known.without_keys(&is_unknown);
    }
    match (known.matches(reply, face), is_relaxed) {
        (true, false) | (false, true) => Ok(()),
        (true, true) if face == Face::Resp3 => Ok(()),
        (true, true) => Err(format!("  the relaxation is not needed: {}", describe(reply))),
        (false, false) => Err(format!("  expected: {known}\n  got:      {}", describe(reply))),
    }
}

fn failure(case: &Case, line: usize, what: &str) -> String {
    let Case { file, name, .. } = case;
    format!("{file}:{line}: {what}\n  run only this case: CONFORMANCE='{file}:{name}' cargo test --test conformance")
}
