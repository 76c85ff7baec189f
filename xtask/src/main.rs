//! `cargo xtask`: everything that is done to this repository besides editing it.
//!
//! One file per command. A command uses `tools` (what must be on the machine, and how it gets there), `steps` (work
//! that is announced, timed and stopped at the first failure) and `redis` (a server that lives as long as a step).
//!
//! It has no dependencies on purpose: it is the first thing that a fresh machine compiles, and that takes seconds.

mod bench;
mod coverage;
mod demo;
mod fuzz;
mod imports;
mod licences;
mod package;
mod redis;
mod serve;
mod steps;
mod test;
mod tools;
mod torture;
mod web;

use std::process::ExitCode;

/// Why a command failed: one line for whoever called it.
type Result<T = ()> = std::result::Result<T, String>;

/// A word after `cargo xtask`, what it does in one line, and the function that does it.
struct Command {
    name: &'static str,
    arguments: &'static str,
    summary: &'static str,
    run: fn(&[String]) -> Result,
}

const COMMANDS: &[Command] = &[
    Command { name: "demo", arguments: "", summary: "build in release mode and run the demonstration", run: demo::run },
    Command {
        name: "test",
        arguments: "[STEP ...]",
        summary: "run every check, or only the named steps (listed below)",
        run: test::run,
    },
    Command {
        name: "torture",
        arguments: "[STEP ...] [--minutes N]",
        summary: "run the same checks for hours: millions of operations, every fuzz target for N minutes (20)",
        run: torture::run,
    },
    Command {
        name: "bench",
        arguments: "[npm | ARGUMENT ...]",
        summary: "run the benchmarks beside a real redis-server: all, the package's, or what cargo bench is told",
        run: bench::run,
    },
    Command {
        name: "fuzz",
        arguments: "[TARGET] [--minutes N]",
        summary: "fuzz one target, or all of them in turn, for N minutes each (20)",
        run: fuzz::run,
    },
    Command { name: "help", arguments: "", summary: "show this text", run: print_help },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("xtask: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result {
    let Some((name, rest)) = arguments.split_first() else {
        print_help(&[])?;
        return Err("name a command".into());
    };
    if name == "--help" || name == "-h" || rest.iter().any(|word| word == "--help" || word == "-h") {
        return print_help(&[]);
    }
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => (command.run)(rest),
        None => Err(format!("there is no command '{name}'; `cargo xtask help` lists them")),
    }
}

fn print_help(_: &[String]) -> Result {
    println!("cargo xtask COMMAND\n\nCommands");
    for Command { name, arguments, summary, .. } in COMMANDS {
        println!("  {:<36}{summary}", format!("{name} {arguments}"));
    }
    println!("\nSteps of `test`, in order; `cargo xtask test STEP` runs one alone");
    for step in test::STEPS {
        println!("  {:<36}{}", step.name, step.summary);
    }
    println!("\n`torture` has these, too, at full length, and in the end");
    for step in &torture::MORE_STEPS {
        println!("  {:<36}{}", step.name, step.summary);
    }
    println!(
        "\nWhat a command needs and does not find, it installs (rustup components and targets; Debian packages when"
    );
    println!("run as root; cargo tools into target/tools; npm packages into target/packed) or names, with the command");
    println!("that installs it.");
    println!("\nBROOKLET_REDIS_SERVER names the redis-server to use instead of the one on the PATH.");
    Ok(())
}

/// Reads `--minutes N` and returns what else was said. Shared by `fuzz` and `torture`.
fn take_minutes(arguments: &[String], otherwise: u64) -> Result<(u64, Vec<&str>)> {
    let mut minutes = otherwise;
    let mut others = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if word != "--minutes" {
            others.push(word.as_str());
            continue;
        }
        let number = words.next().ok_or("--minutes needs a number")?;
        minutes = match number.parse() {
            Ok(0) | Err(_) => return Err(format!("--minutes needs a number above 0, not '{number}'")),
            Ok(number) => number,
        };
    }
    Ok((minutes, others))
}

/// For commands that take no (more) arguments.
fn refuse_arguments(others: &[String]) -> Result {
    match others.first() {
        Some(word) => Err(format!("what is '{}'? `cargo xtask help` shows the arguments", word)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn minutes_are_taken_out_of_the_arguments() {
        assert_eq!(take_minutes(&words(""), 20), Ok((20, vec![])));
        assert_eq!(take_minutes(&words("parse"), 20), Ok((20, vec!["parse"])));
        assert_eq!(take_minutes(&words("--minutes 3 parse"), 20), Ok((3, vec!["parse"])));
        assert_eq!(take_minutes(&words("parse --minutes 3"), 20), Ok((3, vec!["parse"])));
    }

    #[test]
    fn minutes_must_be_a_number_above_0() {
        for line in ["--minutes", "--minutes 0", "--minutes soon", "--minutes -1"] {
            assert!(take_minutes(&words(line), 20).is_err(), "{line}");
        }
    }

    #[test]
    fn unknown_words_are_refused_by_name() {
        assert!(dispatch(&words("tset")).unwrap_err().contains("'tset'"));
        assert!(dispatch(&words("test no-such-step")).unwrap_err().contains("'no-such-step'"));
        assert!(dispatch(&words("demo quickly")).unwrap_err().contains("'quickly'"));
        assert!(dispatch(&words("torture --minute 3")).unwrap_err().contains("'--minute'"));
    }

    #[test]
    fn no_command_at_all_is_a_failure_and_help_is_not() {
        assert!(dispatch(&[]).is_err());
        assert_eq!(dispatch(&words("help")), Ok(()));
        assert_eq!(dispatch(&words("test --help")), Ok(()));
    }
}
