//! Journals to begin with, how they are changed, and what an engine made of them has to bear.

use std::sync::LazyLock;

use brooklet::{Config, Engine};

use super::dump::{call_line, check_replay};
use super::input::Input;

pub(super) const NOW_MS: u64 = 5000;
/// A time after everything that a real journal mentions.
pub(super) const LATER_MS: u64 = 1 << 40;

/// The keys that the traffic and the real journal use.
pub(super) const KEYS: &[&[u8]] = &[b"s", b"e", b"p", b"t", b"n", b""];
/// No value becomes longer by changes.
const BYTES_MAX: usize = 1 << 16;

/// What a real journal is made of: every effect there is.
pub(super) const SOURCE: &[&str] = &[
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

/// An engine with every effect there is, and with more entries and pending ones than fit into one block or page.
pub(super) fn furnished() -> Engine {
    let mut engine = new_engine();
    for line in SOURCE {
        call_line(&mut engine, NOW_MS - 1000, line);
    }
    for number in 0..100 {
        let value: String =
            (0..24_u32).map(|place| char::from(b'a' + (number * 7 + place * place * 3) as u8 % 26)).collect();
        call_line(&mut engine, NOW_MS - 500, &format!("XADD s * name {value} number {number}"));
    }
    call_line(&mut engine, NOW_MS - 400, "XREADGROUP GROUP g a COUNT 70 STREAMS s >");
    call_line(&mut engine, NOW_MS - 300, "XREADGROUP GROUP g b COUNT 20 STREAMS s >");
    engine
}

/// What a survivor has to bear.
pub(super) const TRAFFIC: &[&str] = &[
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
pub(super) static REAL: LazyLock<Vec<u8>> = LazyLock::new(|| {
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

pub(super) fn new_engine() -> Engine {
    Engine::new(Config { journal: true, ..Config::default() })
}

/// Runs commands and lets time pass, then reads everything back.
pub(super) fn bear_traffic(engine: &mut Engine, mut journal: Vec<u8>, now_ms: u64) {
    run_traffic(engine, now_ms);
    engine.take_effects(&mut journal);
    check_replay(engine, &journal, now_ms + 1000, KEYS);
}

/// Runs commands until a second after `now_ms`.
pub(super) fn run_traffic(engine: &mut Engine, now_ms: u64) {
    for line in TRAFFIC {
        call_line(engine, now_ms, line);
        if let Err(breach) = engine.validate() {
            panic!("after {line}: {breach}");
        }
    }
    engine.advance(now_ms + 1000);
    engine.validate().expect("after time has passed");
}

/// Units with their lengths in front: each piece between two bytes 0xff becomes one.
pub(super) fn framed(bytes: &[u8]) -> Vec<u8> {
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

/// A journal with changes made to it, four bytes each; see [`change`].
pub(super) fn changed(mut journal: Vec<u8>, mut input: Input<'_>) -> Vec<u8> {
    while !input.is_empty() && !journal.is_empty() {
        change(&mut journal, &mut input);
    }
    journal
}

/// One change: where (two bytes), how, and with what.
pub(super) fn change(bytes: &mut Vec<u8>, input: &mut Input<'_>) {
    let position = usize::from(input.byte()) | usize::from(input.byte()) << 8;
    let (kind, operand) = (input.byte(), input.byte());
    if bytes.is_empty() {
        return;
    }
    let position = position % bytes.len();
    let end = (position + usize::from(operand)).min(bytes.len());
    match kind % 6 {
        0 => bytes[position] = operand,
        1 => bytes[position] = bytes[position].wrapping_add(operand),
        2 => bytes.insert(position, operand),
        3 => drop(bytes.drain(position..end)),
        4 => bytes.truncate(position),
        // A piece stands there twice.
        _ => {
            let piece = bytes[position..end].to_vec();
            drop(bytes.splice(position..position, piece));
        }
    }
    bytes.truncate(BYTES_MAX);
}
