//! The engine as tests call it: owned words in, trees of values out.

use brooklet::{Config, Engine, Outcome, Reply, Session, Value};

use crate::compare;
use crate::generate::{Command, show};
use crate::model::Settings;
use crate::steps::{Step, dump};

/// What could be seen, as commands and replies.
pub(crate) type View = Vec<(Command, Value)>;

pub(crate) fn config(settings: &Settings) -> Config {
    Config {
        node_bytes_max: settings.node_bytes_max,
        node_entries_max: settings.node_entries_max,
        idmp_duration_s: settings.idmp_duration_s,
        idmp_entries_max: settings.idmp_entries_max,
        ..Config::default()
    }
}

/// Runs one command. A reader that would wait goes away at once, which answers as MULTI does: with a null.
pub(crate) fn call(engine: &mut Engine, now_ms: u64, database: u8, command: &Command) -> Value {
    let session = Session { database, ..Session::default() };
    let argv: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
    let mut reply = Reply::new();
    match engine.call(now_ms, session, &argv, &mut reply) {
        Outcome::Done(_) => reply.to_value().unwrap_or_else(no_reply),
        Outcome::Blocked(waiter) => {
            assert!(engine.cancel(waiter), "a reader that was just told to wait waits");
            Value::NullArray
        }
    }
}

/// Runs commands as one MULTI/EXEC.
pub(crate) fn exec(engine: &mut Engine, now_ms: u64, database: u8, commands: &[Command]) -> Value {
    let session = Session { database, ..Session::default() };
    let argvs: Vec<Vec<&[u8]>> = commands.iter().map(|words| words.iter().map(Vec::as_slice).collect()).collect();
    let batch: Vec<&[&[u8]]> = argvs.iter().map(Vec::as_slice).collect();
    let mut reply = Reply::new();
    let outcome = engine.exec(now_ms, session, &batch, &mut reply);
    assert!(matches!(outcome, Outcome::Done(_)), "a batch never waits");
    reply.to_value().unwrap_or_else(no_reply)
}

fn no_reply() -> Value {
    Value::Error(b"(the engine gave no reply)".to_vec())
}

/// Runs a step: one command by itself, several as a batch. The replies are those of the commands, or the one error
/// that discarded the batch.
pub(crate) fn run_step(engine: &mut Engine, step: &Step) -> Vec<Value> {
    if step.advance {
        engine.advance(step.now_ms);
    }
    match step.commands.as_slice() {
        [command] => vec![call(engine, step.now_ms, step.database, command)],
        batch => replies_of(exec(engine, step.now_ms, step.database, batch)),
    }
}

/// The replies of a batch, one by one.
pub(crate) fn replies_of(batch: Value) -> Vec<Value> {
    match batch {
        Value::Array(replies) => replies,
        discarded => vec![discarded],
    }
}

/// Everything that can be seen. Looking may let a key expire, which is an effect of its own.
pub(crate) fn view(engine: &mut Engine, now_ms: u64) -> View {
    let mut seen = Vec::new();
    for database in [0, 1] {
        for command in dump() {
            let reply = call(engine, now_ms, database, &command);
            seen.push((command, reply));
        }
    }
    seen
}

/// The same without what an engine keeps in memory only.
pub(crate) fn recorded_view(engine: &mut Engine, now_ms: u64) -> View {
    let mut seen = view(engine, now_ms);
    seen.iter_mut().for_each(|(_, reply)| compare::mask(reply, compare::UNRECORDED));
    seen
}

/// Tells the first difference.
pub(crate) fn compare_views(expected: &View, found: &View) -> Result<(), String> {
    for ((command, expected), (_, found)) in expected.iter().zip(found) {
        if expected != found {
            let (expected, found) = (compare::show(expected), compare::show(found));
            return Err(format!("{}\nexpected:\n{expected}found:\n{found}", show(command)));
        }
    }
    Ok(())
}
