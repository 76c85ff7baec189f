//! Everything of an engine that commands show, as far as it survives a replay.

use brooklet::{Config, Engine, Outcome, Reply, Session, Value};

use super::compare::mask;
use super::replies;

/// When a consumer was last seen and how often an append was repeated is not part of the journal.
const NOT_JOURNALED: &[&str] = &["seen-time", "iids-duplicates"];

/// Runs one command. A reader that would wait goes away at once, which answers as MULTI does: with a null.
pub(super) fn call(engine: &mut Engine, now_ms: u64, database: u8, argv: &[&[u8]]) -> Value {
    let mut reply = Reply::new();
    match engine.call(now_ms, Session { database, ..Session::default() }, argv, &mut reply) {
        Outcome::Done(position) => {
            assert!(position <= engine.position(), "a reply depends on an effect that is yet to come");
            replies::read(&reply)
        }
        Outcome::Blocked(waiter) => {
            assert!(engine.cancel(waiter), "a reader that was just told to wait waits");
            Value::NullArray
        }
    }
}

/// Runs a command whose words are separated by blanks.
pub(super) fn call_line(engine: &mut Engine, now_ms: u64, line: &str) -> Value {
    let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    call(engine, now_ms, 0, &argv)
}

/// What these keys of the first two databases hold.
pub(super) fn dump(engine: &mut Engine, now_ms: u64, keys: &[&[u8]]) -> Vec<Value> {
    let mut values = Vec::new();
    for database in [0, 1] {
        for key in keys {
            let kind = call(engine, now_ms, database, &[b"TYPE", key]);
            for command in commands_that_show(&kind) {
                let argv: Vec<&[u8]> = command.iter().map(|&word| if word == b"KEY" { key } else { word }).collect();
                let mut value = call(engine, now_ms, database, &argv);
                mask(&mut value, NOT_JOURNALED);
                values.push(value);
            }
            values.push(kind);
        }
    }
    values
}

/// The commands that show all of a key that holds this kind of value; the word `KEY` stands for its name.
pub(super) fn commands_that_show(kind: &Value) -> &'static [&'static [&'static [u8]]] {
    match kind {
        Value::Simple(kind) if kind == b"stream" => {
            &[&[b"PTTL", b"KEY"], &[b"XINFO", b"STREAM", b"KEY", b"FULL", b"COUNT", b"0"]]
        }
        Value::Simple(kind) if kind == b"string" => &[&[b"PTTL", b"KEY"], &[b"GET", b"KEY"]],
        _ => &[],
    }
}

/// Checks that an engine made of these effects shows the same as this one.
pub(super) fn check_replay(engine: &mut Engine, effects: &[u8], now_ms: u64, keys: &[&[u8]]) {
    let mut replayed = Engine::new(Config { journal: false, ..engine.config().clone() });
    replayed.replay(effects).expect("an engine reads what one has written");
    replayed.validate().expect("after a replay");
    assert_eq!(replayed.position(), engine.position(), "a replay counts the units");
    assert_eq!(dump(&mut replayed, now_ms, keys), dump(engine, now_ms, keys), "replayed, and original");
}
