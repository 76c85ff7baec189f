//! Effects: any bytes whatsoever as a journal.
//!
//! The first byte chooses what becomes of the rest: the journal as it is, the effects of units that the target frames
//! itself (so that a changed length is not the end of everything), or changes to a real journal.
//!
//! *Checked*: nothing panics and nothing is allocated by an announced size (libFuzzer's limit on allocations sees to
//! that); what was read, whole or in part, passes `validate()`; what was read whole bears commands of all kinds, and its
//! own effects replay on top of it to the same state.

use std::sync::LazyLock;

use brooklet::{Config, Engine, ReplayError};

use super::dump::{call_line, check_replay};
use super::input::Input;

const NOW_MS: u64 = 5000;
/// A time after everything that a real journal mentions.
const LATER_MS: u64 = 1 << 40;

const KEYS: &[&[u8]] = &[b"s", b"e", b"p", b"t", b"n", b""];

/// What a real journal is made of: every effect there is.
const SOURCE: &[&str] = &[
    "XADD s 1-1 f 1",
    "XADD s 1-2 f 2 g 3",
    "XADD s 2-0 f four",
    "XADD s 5-5 f 5",
    "XADD s 5-6 other 6",
    "XGROUP CREATE s g 0",
    "XGROUP CREATE s h 2-0 ENTRIESREAD 3",
    "XREADGROUP GROUP g a COUNT 3 STREAMS s >",
    "XREADGROUP GROUP g b COUNT 1 STREAMS s >",
    "XNACK s g FAIL IDS 1 1-1",
    "XCLAIM s g b 0 1-2 IDLE 10 RETRYCOUNT 4",
    "XDEL s 1-2",
    "XDELEX s DELREF IDS 1 2-0",
    "XACK s g 5-5",
    "XADD s MAXLEN 3 6-0 f 7",
    "XADD s 7-0 f 8",
    "XTRIM s MAXLEN 2 DELREF",
    "XGROUP SETID s h 5-5",
    "XGROUP CREATECONSUMER s h c",
    "XGROUP DELCONSUMER s h c",
    "XGROUP CREATE e g $ MKSTREAM",
    "XGROUP DESTROY e g",
    "XSETID e 9-9 ENTRIESADDED 20 MAXDELETEDID 3-0",
    "PEXPIRE e 100000",
    "XADD p IDMP producer m1 * f v",
    "XADD p IDMP producer m2 * f w",
    "XIDMPRECORD p other m1 4000-0",
    "XCFGSET p IDMP-DURATION 1",
    "XADD p IDMP producer m1 * f v",
    "SET t text",
    "SET t text PX 100000",
    "RENAME t n",
    "SET t again",
    "DEL t",
];

/// What a survivor has to bear.
const TRAFFIC: &[&str] = &[
    "XINFO STREAM s FULL COUNT 0",
    "XADD s * f v",
    "XADD s NOMKSTREAM MAXLEN ~ 3 * f v g w",
    "XGROUP CREATE s g 0 MKSTREAM",
    "XREADGROUP GROUP g a COUNT 2 STREAMS s >",
    "XREADGROUP GROUP g a CLAIM 0 STREAMS s >",
    "XREADGROUP GROUP g b STREAMS s 0",
    "XREADGROUP GROUP h b NOACK STREAMS s >",
    "XPENDING s g",
    "XPENDING s g IDLE 1 - + 10",
    "XCLAIM s g b 0 1-1 1-2 2-0 5-5 FORCE",
    "XAUTOCLAIM s g a 0 0 COUNT 3",
    "XNACK s g FAIL IDS 2 5-5 5-6 FORCE",
    "XACK s g 1-1 5-6",
    "XDEL s 1-1 5-5",
    "XDELEX s ACKED IDS 2 2-0 5-6",
    "XACKDEL s g DELREF IDS 1 6-0",
    "XTRIM s MINID 2",
    "XTRIM s MAXLEN 1 DELREF",
    "XRANGE s - +",
    "XREVRANGE s + - COUNT 2",
    "XREAD COUNT 1 STREAMS s 0",
    "XINFO GROUPS s",
    "XINFO CONSUMERS s g",
    "XGROUP SETID s g 5 ENTRIESREAD 2",
    "XGROUP DELCONSUMER s g a",
    "XSETID s 18446744073709551615-18446744073709551614",
    "XADD s * f last",
    "XADD s * f none",
    "XADD p IDMP producer m1 * f v",
    "XADD p IDMP other m3 * f v",
    "XCFGSET p IDMP-MAXSIZE 1",
    "RENAME p s",
    "XINFO STREAM s",
    "PEXPIRE n 0",
    "DEL e",
];

/// A real journal, with short runs: a key is named again after each of them.
static REAL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut engine = new_engine();
    let mut effects = Vec::new();
    for (number, line) in SOURCE.iter().enumerate() {
        call_line(&mut engine, NOW_MS - 1000, line);
        if number % 5 == 0 {
            engine.take_effects(&mut effects);
        }
    }
    engine.take_effects(&mut effects);
    effects
});

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let journal = match input.byte() {
        b'r' => changed(REAL.clone(), input),
        b'u' => framed(input.rest()),
        _ => input.rest().to_vec(),
    };
    let mut engine = new_engine();
    let result = engine.replay(&journal);
    engine.validate().expect("after a replay");
    match result {
        Ok(()) => {
            bear_traffic(&mut engine, journal, NOW_MS);
        }
        Err(ReplayError { offset, .. }) => {
            // What stands before the unit that is wrong is good by itself.
            assert!(offset < journal.len());
            let (good, _) = journal.split_at(offset);
            let mut engine = new_engine();
            assert_eq!(engine.replay(good), Ok(()));
            bear_traffic(&mut engine, good.to_vec(), LATER_MS);
        }
    }
}

fn new_engine() -> Engine {
    Engine::new(Config { journal: true, ..Config::default() })
}

/// Runs commands and lets time pass, then reads everything back.
fn bear_traffic(engine: &mut Engine, mut journal: Vec<u8>, now_ms: u64) {
    for line in TRAFFIC {
        call_line(engine, now_ms, line);
        if let Err(breach) = engine.validate() {
            panic!("after {line}: {breach}");
        }
    }
    engine.advance(now_ms + 1000);
    engine.validate().expect("after time has passed");
    engine.take_effects(&mut journal);
    check_replay(engine, &journal, now_ms + 1000, KEYS);
}

/// Units with their lengths in front: each piece between two bytes 0xff becomes one.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let mut journal = Vec::new();
    for unit in bytes.split(|&byte| byte == 0xff) {
        let mut length = unit.len();
        while length >= 128 {
            journal.push(length as u8 | 128);
            length >>= 7;
        }
        journal.push(length as u8);
        journal.extend_from_slice(unit);
    }
    journal
}

/// A journal with changes made to it, four bytes each: where (two bytes), how, and with what.
fn changed(mut journal: Vec<u8>, mut input: Input<'_>) -> Vec<u8> {
    while !input.is_empty() && !journal.is_empty() {
        let position = usize::from(input.byte()) | usize::from(input.byte()) << 8;
        let position = position % journal.len();
        let (kind, operand) = (input.byte(), input.byte());
        match kind % 6 {
            0 => journal[position] = operand,
            1 => journal[position] = journal[position].wrapping_add(operand),
            2 => journal.insert(position, operand),
            3 => drop(journal.drain(position..(position + usize::from(operand)).min(journal.len()))),
            4 => journal.truncate(position),
            // A piece stands there twice.
            _ => {
                let piece = journal[position..(position + usize::from(operand)).min(journal.len())].to_vec();
                drop(journal.splice(position..position, piece));
            }
        }
        journal.truncate(1 << 16);
    }
    journal
}
