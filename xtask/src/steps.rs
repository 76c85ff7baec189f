//! Steps: work that is announced, timed, and stopped at the first failure.
//!
//! *Design.* A list of steps is data; a step is a name, a sentence and a function. The runner prints
//! `[3/8] name: sentence` before each, how long it took after it, and on a failure the one command that repeats it.
//! The output of children is passed through as it comes, because a step may take minutes.
//!
//! What `cargo test` says about its tests is read while it passes by, and the total is the last line of the run, in the
//! form `N passed, N failed`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::Result;

/// One unit of work that can be repeated alone.
pub struct Step {
    pub name: &'static str,
    pub summary: &'static str,
    pub run: fn(&mut Run) -> Result,
}

/// What the steps of a run share: the environment of the tests and the count of what they said.
#[derive(Default)]
pub struct Run {
    /// Variables that the test programs read, such as how many operations to run.
    pub variables: Vec<(&'static str, String)>,
    /// How long a fuzz target runs.
    pub fuzz_minutes: u64,
    pub tally: Tally,
}

/// How many tests ended how.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
    pub ignored: u64,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// The named steps of `steps`, in their own order; all of them if none is named.
pub fn select<'a>(mut steps: Vec<&'a Step>, names: &[impl AsRef<str>]) -> Result<Vec<&'a Step>> {
    if let Some(unknown) = names.iter().find(|name| steps.iter().all(|step| step.name != name.as_ref())) {
        let known: Vec<_> = steps.iter().map(|step| step.name).collect();
        return Err(format!("there is no step '{}'; the steps are {}", unknown.as_ref(), known.join(", ")));
    }
    steps.retain(|step| names.is_empty() || names.iter().any(|name| name.as_ref() == step.name));
    Ok(steps)
}

/// Runs `steps` in order until one fails. `command` is how the caller was called, to say how to repeat a step.
pub fn run_all(command: &str, steps: &[&Step], run: &mut Run) -> Result {
    let outcome = run_until_failure(command, steps, run);
    // A step that failed without a failed test (a compile error, an odd format) must not read as `0 failed`.
    let failed = if outcome.is_err() { run.tally.failed.max(1) } else { run.tally.failed };
    if run.tally.ignored > 0 {
        println!("{} ignored", run.tally.ignored);
    }
    println!("{} passed, {failed} failed", run.tally.passed);
    outcome
}

fn run_until_failure(command: &str, steps: &[&Step], run: &mut Run) -> Result {
    let count = steps.len();
    for (index, step) in steps.iter().enumerate() {
        println!("[{}/{count}] {}: {}", index + 1, step.name, step.summary);
        let started = Instant::now();
        let outcome = (step.run)(run);
        let seconds = started.elapsed().as_secs_f64();
        if let Err(reason) = outcome {
            println!("[{}/{count}] {} FAILED after {seconds:.1} s", index + 1, step.name);
            return Err(format!("{}: {reason}\nrepeat it with: {command} {}", step.name, step.name));
        }
        println!("[{}/{count}] {} done in {seconds:.1} s\n", index + 1, step.name);
    }
    Ok(())
}

/// Runs a child to its end with our own output.
pub fn run_child(command: &mut Command) -> Result {
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", describe(command))) }
}

/// Runs a `cargo test` to its end, passes its output on and adds up its results. To run no test at all is a failure:
/// a filter or a file name went stale.
pub fn run_tests(run: &mut Run, command: &mut Command) -> Result {
    run_tests_into(run, command, &mut std::io::stdout())
}

fn run_tests_into(run: &mut Run, command: &mut Command, out: &mut dyn Write) -> Result {
    command.envs(run.variables.iter().map(|(name, value)| (name, value)));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| cannot_start(command, &error))?;
    let mut tally = Tally::default();
    if let Some(output) = child.stdout.take() {
        // Bytes and not `lines()`: a test may print what is not UTF-8.
        for line in BufReader::new(output).split(b'\n') {
            let line = line.map_err(|error| format!("lost the output of {}: {error}", describe(command)))?;
            // Our own output may be gone (a closed pipe); the tests are run to their end all the same.
            let _ = out.write_all(&line).and_then(|()| out.write_all(b"\n"));
            tally.add(tally_of_line(&String::from_utf8_lossy(&line)));
        }
    }
    let status = child.wait().map_err(|error| format!("lost {}: {error}", describe(command)))?;
    run.tally.add(tally);
    if !status.success() {
        return Err(format!("{} ended with {status}", describe(command)));
    }
    if tally.passed == 0 {
        return Err(format!("{} ran no test", describe(command)));
    }
    Ok(())
}

/// Reads a line such as `test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in ...`.
/// Any other line counts nothing.
fn tally_of_line(line: &str) -> Tally {
    let mut tally = Tally::default();
    let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
        return tally;
    };
    for count in counts.split(';') {
        match count.trim().split_once(' ') {
            Some((number, "passed")) => tally.passed = number.parse().unwrap_or(0),
            Some((number, "failed")) => tally.failed = number.parse().unwrap_or(0),
            Some((number, "ignored")) => tally.ignored = number.parse().unwrap_or(0),
            _ => {}
        }
    }
    tally
}

fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    format!("cannot start {}: {error}", describe(command))
}

/// The command as one would type it, without its directory.
fn describe(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_read() {
        let line = "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s";
        assert_eq!(tally_of_line(line), Tally { passed: 5, failed: 0, ignored: 1 });
        let line =
            "test result: FAILED. 120 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s";
        assert_eq!(tally_of_line(line), Tally { passed: 120, failed: 3, ignored: 0 });
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in ["", "test id::tests::text ... ok", "running 5 tests", "5 passed; 0 failed", "test result: odd"] {
            assert_eq!(tally_of_line(line), Tally::default(), "{line}");
        }
    }

    /// Runs a shell script as if it were `cargo test`. What it prints is kept from our own output, where an outer run
    /// would count it.
    fn run_script(run: &mut Run, script: &str) -> (Result, String) {
        let mut out = Vec::new();
        let outcome = run_tests_into(run, Command::new("sh").args(["-c", script]), &mut out);
        (outcome, String::from_utf8(out).unwrap())
    }

    #[test]
    fn results_of_several_programs_are_summed_and_all_output_is_passed_on() {
        let mut run = Run::default();
        let script =
            "echo 'test result: ok. 5 passed; 0 failed'; echo noise; echo 'test result: ok. 7 passed; 0 failed'";
        let (outcome, output) = run_script(&mut run, script);
        assert_eq!(outcome, Ok(()));
        assert_eq!(run.tally, Tally { passed: 12, failed: 0, ignored: 0 });
        assert_eq!(output, "test result: ok. 5 passed; 0 failed\nnoise\ntest result: ok. 7 passed; 0 failed\n");
    }

    #[test]
    fn a_failed_program_fails_and_is_counted() {
        let mut run = Run::default();
        let (outcome, _) = run_script(&mut run, "echo 'test result: FAILED. 5 passed; 2 failed'; exit 101");
        assert!(outcome.is_err());
        assert_eq!(run.tally, Tally { passed: 5, failed: 2, ignored: 0 });
    }

    #[test]
    fn to_run_no_test_is_a_failure() {
        let (outcome, _) = run_script(&mut Run::default(), "echo 'test result: ok. 0 passed; 0 failed; 0 ignored'");
        assert!(outcome.unwrap_err().ends_with("ran no test"));
    }

    #[test]
    fn variables_reach_the_program() {
        let mut run = Run { variables: vec![("BROOKLET_PROBE", "9".into())], ..Run::default() };
        let (outcome, _) = run_script(&mut run, "echo \"test result: ok. $BROOKLET_PROBE passed; 0 failed\"");
        assert_eq!(outcome, Ok(()));
        assert_eq!(run.tally.passed, 9);
    }

    #[test]
    fn steps_are_selected_by_name_and_keep_their_order() {
        let one = Step { name: "one", summary: "", run: |_| Ok(()) };
        let two = Step { name: "two", summary: "", run: |_| Ok(()) };
        let names = |words: &[&str]| -> Result<Vec<&str>> {
            Ok(select(vec![&one, &two], words)?.iter().map(|step| step.name).collect())
        };
        assert_eq!(names(&[]), Ok(vec!["one", "two"]));
        assert_eq!(names(&["two", "one"]), Ok(vec!["one", "two"]));
        assert_eq!(names(&["two"]), Ok(vec!["two"]));
        assert_eq!(names(&["two", "three"]), Err("there is no step 'three'; the steps are one, two".into()));
    }

    #[test]
    fn the_first_failure_ends_the_run_and_says_how_to_repeat_it() {
        fn count(run: &mut Run) -> Result {
            run.tally.passed += 1;
            Ok(())
        }
        let good = Step { name: "good", summary: "", run: count };
        let bad = Step { name: "bad", summary: "", run: |_| Err("broken".into()) };
        let mut run = Run::default();
        let reason = run_all("cargo xtask test", &[&good, &bad, &good], &mut run).unwrap_err();
        assert_eq!(reason, "bad: broken\nrepeat it with: cargo xtask test bad");
        assert_eq!(run.tally.passed, 1);
    }
}
