//! RESTORE: any bytes whatsoever as what DUMP gave.
//!
//! The first byte chooses what becomes of the rest: the bytes as they stand there, a value that gets its version and its
//! checksum here, or changes to a real one. The second byte chooses the options, and what the key holds before.
//!
//! *Checked*: nothing panics, and nothing is allocated by an announced size; what is refused has changed nothing; what is
//! accepted passes `validate()`, is dumped to bytes that an empty engine restores to the same, and to the same bytes; it
//! bears commands of all kinds, and the effects of all that replay to the same state.

use std::sync::LazyLock;

use brooklet::{Engine, Value};

use super::dump::{call, call_line, dump};
use super::input::Input;
use super::journals::{KEYS, NOW_MS, bear_traffic, change, furnished, new_engine};
use super::sealed::sealed;

/// Version and checksum.
const SEAL_BYTES: usize = 9;

/// The key that the traffic is about.
const KEY: &[u8] = b"s";

/// What RESTORE may say of bytes that are no value.
const REFUSALS: [&[u8]; 2] = [b"ERR DUMP payload version or checksum are wrong", b"ERR Bad data format"];

/// The keys of the real values, in the order in which a byte chooses them.
const REAL_KEYS: [&[u8]; 4] = [b"s", b"e", b"p", b"n"];

/// What DUMP gives for them.
static REAL: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut engine = furnished();
    REAL_KEYS.iter().map(|key| dumped(&mut engine, key).expect("there is such a key")).collect()
});

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (how, options) = (input.byte(), input.byte());
    let payload = match how {
        b'r' => sealed(changed_value(input)),
        b'p' => input.rest().to_vec(),
        _ => sealed(input.rest().to_vec()),
    };
    let mut engine = new_engine();
    if options & 1 == 1 {
        call_line(&mut engine, NOW_MS, "XADD s 1-1 f v");
        call_line(&mut engine, NOW_MS, "XGROUP CREATE s g 0");
        call_line(&mut engine, NOW_MS, "XREADGROUP GROUP g a STREAMS s >");
    }
    let ttl: &[u8] = if options & 2 == 2 { b"500" } else { b"0" };
    let before = (engine.position(), engine.state_hash(), dump(&mut engine, NOW_MS, KEYS));
    match call(&mut engine, NOW_MS, 0, &[b"RESTORE", KEY, ttl, &payload, b"REPLACE"]) {
        Value::Simple(_) => check_accepted(&mut engine, ttl),
        Value::Error(error) => {
            assert!(REFUSALS.contains(&&*error), "{}", String::from_utf8_lossy(&error));
            let after = (engine.position(), engine.state_hash(), dump(&mut engine, NOW_MS, KEYS));
            assert!(before == after, "what is refused changes nothing");
            engine.validate().expect("after a refusal");
        }
        other => panic!("no reply to RESTORE: {other:?}"),
    }
}

/// What a corpus begins with: a name and an input each.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = vec![("empty".into(), Vec::new()), ("text".into(), b"v\0\x01\x04text".to_vec())];
    for (number, key) in REAL_KEYS.iter().enumerate() {
        let (name, number) = (String::from_utf8_lossy(key), number as u8);
        let (value, _) = REAL[usize::from(number)].split_at(REAL[usize::from(number)].len() - SEAL_BYTES);
        seeds.push((format!("payload-{name}"), [b"p\0", &*REAL[usize::from(number)]].concat()));
        seeds.push((format!("value-{name}"), [b"v\x01", value].concat()));
        seeds.push((format!("real-{name}"), vec![b'r', 3, number]));
        seeds.push((format!("real-{name}-with-a-byte-changed"), vec![b'r', 0, number, 9, 0, 1, 1]));
    }
    seeds
}

/// A real value with changes made to it.
fn changed_value(mut input: Input<'_>) -> Vec<u8> {
    let real = &REAL[usize::from(input.byte()) % REAL.len()];
    let mut value = real[..real.len() - SEAL_BYTES].to_vec();
    while !input.is_empty() && !value.is_empty() {
        change(&mut value, &mut input);
    }
    value
}

/// What DUMP gives for a key; none if there is no such key.
fn dumped(engine: &mut Engine, key: &[u8]) -> Option<Vec<u8>> {
    match call(engine, NOW_MS, 0, &[b"DUMP", key]) {
        Value::Bulk(bytes) => Some(bytes),
        _ => None,
    }
}

/// What was restored can be dumped and restored once more, and lives.
fn check_accepted(engine: &mut Engine, ttl: &[u8]) {
    engine.validate().expect("after RESTORE");
    let payload = dumped(engine, KEY).expect("what was restored is there");
    let mut other = new_engine();
    let reply = call(&mut other, NOW_MS, 0, &[b"RESTORE", KEY, ttl, &payload]);
    assert_eq!(reply, Value::Simple(b"OK".to_vec()), "what DUMP gives can be restored");
    other.validate().expect("after another RESTORE");
    assert_eq!(dumped(&mut other, KEY), Some(payload), "a value has one form");
    assert_eq!(other.state_hash(), engine.state_hash());
    assert_eq!(dump(&mut other, NOW_MS, KEYS), dump(engine, NOW_MS, KEYS), "restored, and original");
    bear_traffic(engine, Vec::new(), NOW_MS);
}
