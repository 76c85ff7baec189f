//! The trace of a run: a hash over everything that was asked, answered and replied, and its last lines for a person.

use std::collections::VecDeque;
use std::fmt::{self, Write};

/// How much of the trace a failure shows.
const LINES_SHOWN: usize = 60;

/// A rule that does not hold. The rules I1 to I10 are those of checks.rs.
#[derive(Clone, Debug)]
pub(crate) struct Breach {
    pub(crate) rule: &'static str,
    pub(crate) what: String,
}

pub(crate) type Checked<T = ()> = Result<T, Breach>;

pub(crate) fn breach<T>(rule: &'static str, what: impl Into<String>) -> Checked<T> {
    Err(Breach { rule, what: what.into() })
}

/// Says which rule it is unless something holds.
pub(crate) fn ensure(rule: &'static str, holds: bool, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { breach(rule, what()) }
}

/// What happened; see the head of this file.
#[derive(Default)]
pub(crate) struct Trace {
    pub(crate) step: u64,
    hash: u64,
    line: String,
    recent: VecDeque<String>,
}

impl Trace {
    pub(crate) fn note(&mut self, what: fmt::Arguments<'_>) {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        // Text into memory does not fail.
        let _ = write!(line, "{:>5} {what}", self.step);
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let oldest = if self.recent.len() < LINES_SHOWN { None } else { self.recent.pop_front() };
        self.recent.push_back(line);
        self.line = oldest.unwrap_or_default();
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn show(&self) -> String {
        self.recent.iter().map(|line| format!("  {}\n", cut(line))).collect()
    }
}

fn cut(line: &str) -> String {
    line.chars().take(240).collect()
}
