//! Runs the transcripts of `tests/conformance/` against the engine and, when the variable BROOKLET_REDIS names one
//! (`host:port`), against a real Redis server, in RESP2 and in RESP3.
//!
//! The variable CONFORMANCE (`file` or `file:part of a case's name`) chooses which cases run.
#![cfg(test)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use brooklet::{Protocol, Value};

use support::pattern::{Face, Pattern, describe};
use support::target::{Answer, EngineTarget, ServerTarget, Target};
use support::transcript::{Action, Argv, Case, Step, Version, read_directory};

/// Where Redis 7.0 answers otherwise than we do, by name. A relaxed reply of such a server must differ from what the
/// transcript expects: a relaxation that is not needed fails.
const RELAXATIONS: &[(&str, &str)] = &[
    ("consumer-of-nothing", "a group read, XCLAIM or XAUTOCLAIM that yields nothing creates no consumer"),
    ("entries-added-wraps", "the count of added entries becomes negative after its largest value"),
    ("entries-read-beyond", "ENTRIESREAD may be larger than the number of entries added"),
    ("lag", "entries-read and lag are estimated otherwise after trimming and deletion"),
    ("sequence-used-up", "`ms-*` after the last sequence of a millisecond is said to be too large an entry"),
    ("timeout-out-of-range", "a timeout whose end is beyond the clock is taken"),
    ("unbalanced-list", "keys without IDs have a shorter text"),
    ("unknown-command", "an unknown command without arguments is quoted with an empty list of arguments"),
    ("xsetid-below-deleted", "XSETID may set an ID that is smaller than the largest deleted one"),
];

/// The version to which the relaxations apply. A later server is held to the transcripts.
const RELAXED_VERSION: Version = (7, 0);

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

/// How many failures are shown.
const FAILURES_SHOWN_MAX: usize = 30;

#[test]
fn the_engine_answers_as_the_transcripts_say() {
    let mut target = EngineTarget::new();
    run_all("the engine", &mut target, None);
}

#[test]
fn a_real_server_answers_as_the_transcripts_say() {
    let Ok(address) = std::env::var("BROOKLET_REDIS") else {
        // Not by a macro: the line is to be seen although the test passes.
        let line =
            "\nSKIPPED: the transcripts did NOT run against a real server: BROOKLET_REDIS=host:port is not set\n";
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    };
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let mut target = ServerTarget::connect(&address, protocol);
        let version = target.version();
        run_all(&format!("Redis {}.{} in {protocol:?}", version.0, version.1), &mut target, Some(version));
    }
}

#[test]
fn the_notation_tells_values_apart() {
    let matches = |text: &str, value: Value, face: Face| Pattern::parse(text).unwrap().matches(&value, face);
    let text = |text: &str| Value::Bulk(text.into());
    let pair = || vec![(text("k"), Value::Integer(1))];
    assert!(matches("null", Value::Null, Face::Engine) && !matches("null", Value::NullArray, Face::Engine));
    assert!(matches("null-array", Value::Null, Face::Resp3) && !matches("null-array", Value::Null, Face::Resp2));
    assert!(
        matches("{k :1}", Value::Pairs(pair()), Face::Engine) && !matches("{k :1}", Value::Map(pair()), Face::Engine)
    );
    assert!(
        matches("%{k :1}", Value::Map(pair()), Face::Engine) && !matches("%{k :1}", Value::Pairs(pair()), Face::Engine)
    );
    let flat = || Value::Array(vec![text("k"), Value::Integer(1)]);
    assert!(matches("%{k :1}", flat(), Face::Resp2) && !matches("%{k :1}", flat(), Face::Engine));
    assert!(matches("{k :1}", Value::Array(vec![flat()]), Face::Resp2) && !matches("{k :1}", flat(), Face::Resp2));
    assert!(matches("%{k :1}", Value::Map(pair()), Face::Resp3) && matches("{k :1}", Value::Map(pair()), Face::Resp3));
    assert!(matches("<ms=5>", Value::Integer(6), Face::Resp2) && !matches("<ms=5>", Value::Integer(6), Face::Engine));
    assert!(matches("<id=5-0>", text("6-0"), Face::Resp2) && !matches("<id=5-0>", text("6-0"), Face::Engine));
    assert!(!matches("<id>", text("6-x"), Face::Engine) && !matches(":1", text("1"), Face::Engine));
    assert!(matches("[k ...]", flat(), Face::Engine) && !matches("[k]", flat(), Face::Engine));
    assert!(matches("%{k :1 ...}", Value::Map(pair()), Face::Engine));
    assert!(
        !matches("%{j :1 ...}", Value::Map(pair()), Face::Engine) && !matches("%{}", Value::Map(pair()), Face::Engine)
    );
    assert!(matches("-ERR a b", Value::Error("ERR a b".into()), Face::Engine));
    assert!(!matches("+OK", text("OK"), Face::Engine) && matches("\"\\x00\\n\"", text("\0\n"), Face::Engine));
}

#[test]
fn the_transcripts_have_600_commands() {
    let commands: usize = cases().iter().flat_map(|case| &case.steps).map(|step| commands_of(step).len()).sum();
    assert!(commands >= 600, "{commands} commands");
}

#[test]
fn every_relaxation_is_used_and_named() {
    let cases = cases();
    let used: BTreeSet<&str> =
        cases.iter().flat_map(|case| &case.steps).filter_map(|step| step.relaxation.as_deref()).collect();
    let named: BTreeSet<&str> = RELAXATIONS.iter().map(|(name, _)| *name).collect();
    assert_eq!(used, named);
    assert!(named.len() <= 25);
}

#[test]
fn every_error_line_occurs() {
    let mut lines = BTreeSet::new();
    for step in cases().iter().flat_map(|case| &case.steps) {
        if let Some(pattern) = expectation_of(step) {
            pattern.visit(&mut |pattern| {
                if let Pattern::Error(line) = pattern {
                    lines.insert(String::from_utf8_lossy(line).into_owned());
                }
            });
        }
    }
    let is_missing = |template: &&&str| !lines.iter().any(|line| fits(line, template));
    let missing: Vec<&&str> = brooklet::error_lines().iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "error lines that occur in no transcript: {missing:#?}");
}

#[test]
fn every_option_of_every_command_occurs() {
    let cases = cases();
    let argvs: Vec<&Argv> = cases.iter().flat_map(|case| &case.steps).flat_map(commands_of).collect();
    let mut missing = Vec::new();
    for command in brooklet::commands() {
        let name: Vec<&str> = command.name.split('|').collect();
        let is_called = |argv: &&&Argv| argv.len() >= name.len() && argv.iter().zip(&name).all(|(a, b)| is_word(a, b));
        let calls: Vec<&&Argv> = argvs.iter().filter(is_called).collect();
        if calls.is_empty() {
            missing.push(command.name.to_string());
        }
        for (option, _) in command.documentation().options {
            if !calls.iter().any(|argv| argv.iter().skip(name.len()).any(|word| is_word(word, option))) {
                missing.push(format!("{} {option}", command.name));
            }
        }
    }
    assert!(missing.is_empty(), "commands and options that occur in no transcript: {missing:#?}");
}

fn is_word(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}

/// Whether `line` is the template with texts in the place of its holes. A template that ends in a blank goes on.
fn fits(line: &str, template: &str) -> bool {
    let mut parts = template.split("{}");
    let (first, rest) = (parts.next().unwrap_or(""), parts.collect::<Vec<_>>());
    let Some(mut left) = line.strip_prefix(first) else { return false };
    let Some((last, between)) = rest.split_last() else { return left.is_empty() };
    for part in between {
        match left.split_once(part) {
            Some((_, after)) => left = after,
            None => return false,
        }
    }
    if template.ends_with(' ') { left.contains(last) } else { left.ends_with(last) }
}

fn cases() -> Vec<Case> {
    read_directory(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance"))
}

/// The commands of a step; those of a `for` line count once.
fn commands_of(step: &Step) -> Vec<&Argv> {
    match &step.action {
        Action::Call { argv, .. } | Action::Fill { argv, .. } => vec![argv],
        Action::Exec { batch, .. } => batch.iter().collect(),
        _ => Vec::new(),
    }
}

fn expectation_of(step: &Step) -> Option<&Pattern> {
    match &step.action {
        Action::Call { expected, .. } => expected.as_ref(),
        Action::Exec { expected, .. } | Action::Woken { expected, .. } => Some(expected),
        _ => None,
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
        let run = || Run { case: &case, target: &mut *target, version, waiting: BTreeSet::new() }.run();
        let outcome = catch_unwind(AssertUnwindSafe(run));
        let outcome = outcome.unwrap_or_else(|_| Err(failure(&case, case.line, "a panic, see above")));
        let (passed, all) = per_file.entry(case.file.clone()).or_default();
        *passed += usize::from(outcome.is_ok());
        *all += 1;
        failures.extend(outcome.err());
    }
    assert!(!per_file.is_empty(), "CONFORMANCE={chosen} chooses no case");
    for (file, (passed, all)) in &per_file {
        println!("{name}: {file}: {passed} of {all} cases");
    }
    let shown = failures.iter().take(FAILURES_SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join("\n\n");
    assert!(failures.is_empty(), "{name}: {} cases fail, the first are\n\n{shown}", failures.len());
}

fn failure(case: &Case, line: usize, what: &str) -> String {
    let Case { file, name, .. } = case;
    format!("{file}:{line}: {what}\n  run only this case: CONFORMANCE='{file}:{name}' cargo test --test conformance")
}

/// A case on its way through a target.
struct Run<'a> {
    case: &'a Case,
    target: &'a mut dyn Target,
    /// Of a server; the engine has everything.
    version: Option<Version>,
    /// The clients that wait.
    waiting: BTreeSet<u32>,
}

impl Run<'_> {
    fn run(mut self) -> Result<(), String> {
        self.target.reset(self.case);
        let steps: Vec<&Step> = self.case.steps.iter().filter(|step| !self.is_older_than(step.since)).collect();
        for (index, step) in steps.iter().enumerate() {
            let wake_follows = matches!(steps.get(index + 1), Some(Step { action: Action::Woken { .. }, .. }));
            let outcome = self.step(step).and_then(|()| match self.target.fault(&self.waiting, wake_follows) {
                Some(fault) => Err(format!("  then:     {fault}")),
                None => Ok(()),
            });
            outcome.map_err(|what| failure(self.case, step.line, &format!("{}\n{what}", step.text)))?;
        }
        Ok(())
    }

    fn is_older_than(&self, since: Version) -> bool {
        self.version.is_some_and(|version| version < since)
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        let is_relaxed = step.relaxation.is_some() && self.version == Some(RELAXED_VERSION);
        match &step.action {
            Action::Call { client, argv, expected } => {
                let answer = self.target.call(*client, argv, expected.is_none());
                self.check(*client, answer, expected.as_ref(), is_relaxed)?;
            }
            Action::Exec { batch, expected } => {
                let answer = self.target.exec(batch);
                self.check(1, answer, Some(expected), is_relaxed)?;
            }
            Action::Woken { client, expected } => {
                let reply = self.woken(*client)?;
                self.compare(expected, &reply, is_relaxed)?;
            }
            Action::Fill { first, last, argv } => {
                (*first..=*last).try_for_each(|number| self.fill(argv, number))?;
            }
            Action::Cancel { client } => {
                self.waiting.remove(client);
                self.target.cancel(*client);
            }
            Action::SetClock { now_ms } => self.target.set_clock(*now_ms),
            Action::PassTime { duration_ms } => self.target.pass_time(*duration_ms),
            Action::Select { database } => self.target.select(*database),
        }
        Ok(())
    }

    /// Whether a command ended as expected; `None` expects that it blocks.
    fn check(
        &mut self,
        client: u32,
        answer: Answer,
        expected: Option<&Pattern>,
        is_relaxed: bool,
    ) -> Result<(), String> {
        match (answer, expected) {
            (Answer::Reply(reply), Some(expected)) => self.compare(expected, &reply, is_relaxed),
            (Answer::Reply(reply), None) => Err(mismatch("blocked", &describe(&reply))),
            (Answer::Blocked, Some(expected)) => Err(mismatch(&expected.to_string(), "blocked")),
            (Answer::Blocked, None) => {
                self.waiting.insert(client);
                Ok(())
            }
        }
    }

    /// A relaxed reply must differ, at least in RESP2: in RESP3 the two nulls are one.
    fn compare(&self, expected: &Pattern, reply: &Value, is_relaxed: bool) -> Result<(), String> {
        let face = self.target.face();
        let mut expected = expected.clone();
        expected.without_keys(&|key| {
            NEWER_KEYS.iter().any(|(name, since)| name.as_bytes() == key && self.is_older_than(*since))
        });
        match (expected.matches(reply, face), is_relaxed) {
            (true, false) | (false, true) => Ok(()),
            (true, true) if face == Face::Resp3 => Ok(()),
            (true, true) => Err(format!("  the relaxation is not needed: {}", describe(reply))),
            (false, false) => Err(mismatch(&expected.to_string(), &describe(reply))),
        }
    }

    fn woken(&mut self, client: u32) -> Result<Value, String> {
        let expected = format!("client {client} is woken");
        match self.target.woken(client) {
            Some((woken, reply)) if woken == client => {
                self.waiting.remove(&client);
                Ok(reply)
            }
            Some((woken, reply)) => Err(mismatch(&expected, &format!("client {woken}: {}", describe(&reply)))),
            None => Err(mismatch(&expected, "nothing")),
        }
    }

    /// One command of a `for` line: `{}` stands for the number.
    fn fill(&mut self, argv: &Argv, number: u64) -> Result<(), String> {
        let numbered = |word: &Vec<u8>| String::from_utf8_lossy(word).replace("{}", &number.to_string()).into_bytes();
        match self.target.call(1, &argv.iter().map(numbered).collect(), false) {
            Answer::Reply(Value::Error(line)) => Err(format!("  at {number}: -{}", line.escape_ascii())),
            Answer::Reply(_) => Ok(()),
            Answer::Blocked => Err(format!("  at {number}: blocked")),
        }
    }
}

fn mismatch(expected: &str, got: &str) -> String {
    format!("  expected: {expected}\n  got:      {got}")
}
