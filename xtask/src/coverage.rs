//! The coverage of the code that everything stored depends on: which branches of `src/persist/` no test takes.
//!
//! cargo-llvm-cov runs the tests that are about it, compiled with counters, and exports what was counted in the format of
//! lcov, of which two kinds of lines are read: `DA:line,count` and `BRDA:line,block,branch,count`. Test code does not count:
//! files that hold nothing else, and what follows `#[cfg(test)]` and a `mod` with a body, which stand at the end of a file.
//! Nor do the branches of a line that asks for a planted bug: only another build takes them, that of the step `planted`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::Result;
use crate::steps::{Run, run_tests};
use crate::tools::{need_cargo_tool, need_component_file, root};

const CARGO_LLVM_COV_VERSION: &str = "0.9.1";

/// What is looked at.
const DIRECTORY: &str = "src/persist/";

/// How many of a hundred branches some test has to take.
const BRANCHES_MIN: u64 = 95;

/// The test programs that are about it, besides the unit tests.
const PROGRAMS: [&str; 8] =
    ["corpus", "durability", "faults", "format", "persist_allocation", "recovery", "store", "writer"];

/// How often each line and each branch was passed.
#[derive(Default)]
struct Counts {
    lines: BTreeMap<u64, u64>,
    /// By line, and the block and the branch in it.
    branches: BTreeMap<(u64, String), u64>,
}

pub fn run(run: &mut Run) -> Result {
    let program = need_cargo_tool("cargo-llvm-cov", CARGO_LLVM_COV_VERSION)?;
    need_component_file("llvm-tools", "bin/llvm-cov", "reading the counters")?;
    let report = root().join("target/coverage.lcov");
    let mut command = Command::new(program);
    command.args(["llvm-cov", "--branch", "--locked", "--package", "brooklet", "--lib"]);
    for name in PROGRAMS {
        command.args(["--test", name]);
    }
    command.args(["--lcov", "--output-path"]).arg(&report).current_dir(root());
    // Counting branches is an unstable option of a stable compiler.
    command.env("RUSTC_BOOTSTRAP", "1");
    run_tests(run, &mut command)?;
    let text = std::fs::read_to_string(&report).map_err(|error| format!("cannot read the report: {error}"))?;
    let files = files(&text, &|name| {
        std::fs::read_to_string(root().join(name)).map_err(|error| format!("cannot read {name}: {error}"))
    })?;
    judge(&files)
}

/// Prints a line for each file and one for all, and fails if too few branches are taken.
fn judge(files: &BTreeMap<String, Counts>) -> Result {
    println!("{:<40} {:>16} {:>16}  branches that no test takes", "", "branches", "lines");
    let mut all = [Share::default(); 2];
    for (name, counts) in files {
        let shares = [Share::of(counts.branches.values()), Share::of(counts.lines.values())];
        let missing = counts.branches.iter().filter(|(_, count)| **count == 0);
        let mut lines: Vec<String> = missing.map(|((line, _), _)| line.to_string()).collect();
        lines.dedup();
        println!("{name:<40} {:>16} {:>16}  {}", shares[0].to_string(), shares[1].to_string(), lines.join(" "));
        for (sum, share) in all.iter_mut().zip(shares) {
            sum.taken += share.taken;
            sum.all += share.all;
        }
    }
    let [branches, lines] = all;
    println!("{:<40} {:>16} {:>16}", "all", branches.to_string(), lines.to_string());
    if branches.all == 0 {
        return Err(format!("no branch of {DIRECTORY} was counted"));
    }
    if branches.taken * 100 < branches.all * BRANCHES_MIN {
        return Err(format!("the tests take {branches} branches of {DIRECTORY}, fewer than {BRANCHES_MIN} %"));
    }
    Ok(())
}

/// How many of how many.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Share {
    taken: u64,
    all: u64,
}

impl Share {
    fn of<'a>(counts: impl Iterator<Item = &'a u64>) -> Share {
        let mut share = Share::default();
        for count in counts {
            share.taken += u64::from(*count > 0);
            share.all += 1;
        }
        share
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = self.taken as f64 * 100.0 / self.all.max(1) as f64;
        write!(f, "{}/{} {percent:.1} %", self.taken, self.all)
    }
}

/// The counts of the files in [`DIRECTORY`], by name, without those of test code. `read` reads a file of the source.
fn files(report: &str, read: &dyn Fn(&str) -> Result<String>) -> Result<BTreeMap<String, Counts>> {
    let mut files: BTreeMap<String, Counts> = BTreeMap::new();
    let mut current: Option<(String, Source)> = None;
    for line in report.lines() {
        if let Some(path) = line.strip_prefix("SF:") {
            let name = path.rfind(DIRECTORY).map(|at| path[at..].to_string());
            current = match name.filter(|name| !name.ends_with("/tests.rs")) {
                Some(name) => {
                    let source = Source::of(&read(&name)?);
                    Some((name, source))
                }
                None => None,
            };
            continue;
        }
        let (Some((name, source)), Some(counted)) = (&current, counted(line)) else { continue };
        let counts = files.entry(name.clone()).or_default();
        match counted {
            (line, _, _) if line >= source.tests => {}
            (line, Some(_), _) if source.planted.contains(&line) => {}
            (line, None, count) => *counts.lines.entry(line).or_default() += count,
            (line, Some(branch), count) => *counts.branches.entry((line, branch)).or_default() += count,
        }
    }
    Ok(files)
}

/// A line of the source, the branch if it is one, and how often it was passed.
fn counted(line: &str) -> Option<(u64, Option<String>, u64)> {
    // What was never reached has a dash for a count.
    let number = |word: &str| if word == "-" { Some(0) } else { word.parse().ok() };
    if let Some(rest) = line.strip_prefix("DA:") {
        let mut words = rest.split(',');
        return Some((number(words.next()?)?, None, number(words.next()?)?));
    }
    let (line, rest) = line.strip_prefix("BRDA:")?.split_once(',')?;
    let (branch, count) = rest.rsplit_once(',')?;
    Some((number(line)?, Some(branch.into()), number(count)?))
}

/// Which lines of a file do not count.
struct Source {
    /// Where the tests at its end begin.
    tests: u64,
    /// Where planted bugs are asked for.
    planted: BTreeSet<u64>,
}

impl Source {
    fn of(text: &str) -> Source {
        let lines: Vec<&str> = text.lines().collect();
        let is_test_module =
            |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].contains("mod ") && pair[1].ends_with('{');
        let tests = lines.windows(2).position(is_test_module).map_or(u64::MAX, |index| index as u64 + 1);
        let numbered = (1..).zip(lines);
        let planted = numbered.filter(|(_, line)| line.contains("planted(Bug::")).map(|(number, _)| number).collect();
        Source { tests, planted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str =
        "fn f() {}\nif planted(Bug::A) {}\n#[cfg(test)]\nmod other;\n\n#[cfg(test)]\npub(super) mod tests {\n";
    const REPORT: &str = "SF:/somewhere/src/persist/a.rs\nBRDA:1,0,0,3\nBRDA:1,0,1,-\nDA:1,3\nBRDA:2,0,0,0\nDA:6,9\nBRDA:6,0,0,1\n\
        end_of_record\nSF:/somewhere/src/persist/b/tests.rs\nDA:1,1\nSF:/somewhere/src/stream.rs\nDA:1,1\n";

    fn read_source(_: &str) -> Result<String> {
        Ok(SOURCE.into())
    }

    #[test]
    fn reports_are_read_without_test_code() {
        let files = files(REPORT, &read_source).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["src/persist/a.rs"]);
        let counts = &files["src/persist/a.rs"];
        assert_eq!(Share::of(counts.branches.values()), Share { taken: 1, all: 2 });
        assert_eq!(Share::of(counts.lines.values()), Share { taken: 1, all: 1 });
    }

    #[test]
    fn too_few_branches_are_a_failure_and_so_are_none() {
        assert!(judge(&files(REPORT, &read_source).unwrap()).unwrap_err().contains("1/2 50.0 %"));
        let all_taken = REPORT.replace("1,0,1,-", "1,0,1,1");
        assert_eq!(judge(&files(&all_taken, &read_source).unwrap()), Ok(()));
        assert!(judge(&BTreeMap::new()).is_err());
    }

    #[test]
    fn the_programs_are_there() {
        for name in PROGRAMS {
            assert!(root().join("tests").join(name).with_extension("rs").is_file(), "{name}");
        }
    }
}
