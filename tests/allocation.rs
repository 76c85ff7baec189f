//! Memory that is refused, at each point where the engine asks for it.
//!
//! Each workload is run once for every allocation it makes, with that one refused, and once more with that one and all
//! later ones of the same call refused. Whatever happens, every invariant holds afterwards, the rest of the workload
//! runs, and replaying the journal gives the state that is there. An allocation that cannot be refused ends the process,
//! so this test would not survive one.

#![allow(dead_code, reason = "each test program uses its part of the support files")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a panic here is a failed test")]

#[path = "support/compare.rs"]
mod compare;
#[path = "support/refusing.rs"]
mod refusing;

use brooklet::{Config, Engine, Outcome, Reply, Session, Value};

use refusing::{Refusals, repeated};

/// Commands, a line each; `{n}` counts up with each repetition of the line that `* times` asks for.
const WORKLOADS: &[(&str, &[&str])] = &[
    ("append", &["60* XADD s {n}-1 name value{n} other {n}", "XADD s * f v", "XADD t NOMKSTREAM * f v", "XLEN s"]),
    (
        "shapes",
        &[
            "20* XADD s {n}-1 kind a name{n} {n} url /path/{n}/with/some/length",
            "20* XADD s {n}-2 kind b x {n}",
            "XRANGE s - +",
            "XREVRANGE s + - COUNT 7",
            "XADD s 99-1 large LARGE",
        ],
    ),
    (
        "trim",
        &[
            "130* XADD s {n}-1 f v",
            "XGROUP CREATE s g 0",
            "XREADGROUP GROUP g c COUNT 40 STREAMS s >",
            "XACK s g 1-1 2-1 5-1",
            "XTRIM s MAXLEN 100 ACKED",
            "XTRIM s MAXLEN ~ 20 DELREF",
            "XADD s MAXLEN 5 * f v",
            "XDEL s 129-1 130-1",
            "XDELEX s ACKED IDS 2 126-1 127-1",
        ],
    ),
    (
        "groups",
        &[
            "40* XADD s {n}-1 f v",
            "XGROUP CREATE s g 0",
            "XGROUP CREATE s h $ MKSTREAM",
            "10* XGROUP CREATECONSUMER s g consumer{n}",
            "XREADGROUP GROUP g a COUNT 20 STREAMS s >",
            "XREADGROUP GROUP g b STREAMS s >",
            "XREADGROUP GROUP g a STREAMS s 0",
            "XPENDING s g - + 100",
            "XCLAIM s g c 0 1-1 2-1 3-1 RETRYCOUNT 70000",
            "XAUTOCLAIM s g d 0 - COUNT 30",
            "XNACK s g FATAL IDS 3 5-1 6-1 7-1",
            "XREADGROUP GROUP g e CLAIM 0 COUNT 5 STREAMS s >",
            "XACKDEL s g DELREF IDS 2 8-1 9-1",
            "XINFO STREAM s FULL COUNT 0",
            "XGROUP DELCONSUMER s g a",
            "XGROUP DESTROY s h",
        ],
    ),
    (
        "idempotent",
        &[
            "12* XADD s IDMP producer iid{n} * f v",
            "XADD s IDMP producer iid3 * f v",
            "12* XADD s IDMPAUTO producer{n} * f {n}",
            "XCFGSET s IDMP-MAXSIZE 5",
            "12* XADD s IDMP p iid{n} * f v",
            "XADD s 999999999999999-1 f v",
            "XIDMPRECORD s p another 999999999999999-1",
        ],
    ),
    (
        "waiting",
        &[
            "XGROUP CREATE s g $ MKSTREAM",
            "5* XREAD BLOCK 0 STREAMS s t{n} $ $",
            "5* XREADGROUP GROUP g c{n} BLOCK 100 STREAMS s >",
            "XADD s 1-1 f v",
            "XREADGROUP GROUP g c CLAIM 50 BLOCK 1000 STREAMS s >",
            "XADD t3 1-1 f v",
            "XNACK s g FAIL IDS 1 1-1",
            "DEL s",
        ],
    ),
    (
        "keys",
        &[
            "30* SET key{n} value",
            "30* XADD stream{n} 1-1 f v",
            "10* PEXPIRE key{n} 1000{n}",
            "5* RENAME key{n} renamed{n}",
            "SET key7 other GET PX 5000",
            "DEL key8 key9 stream1",
            "EXISTS key8 key10 stream2",
            "FLUSHDB",
        ],
    ),
    (
        "many words",
        &["XADD s 1-1 f v", "XGROUP CREATE s g 0", "XDEL s IDS", "XACK s g IDS", "XCLAIM s g c 0 IDS FORCE"],
    ),
    (
        "errors",
        &["XADD s", "XADD s 0-0 f v", "NO SUCH COMMAND", "XINFO STREAM s", "SET s v", "XADD s * f v", "XGROUP X"],
    ),
    (
        "big replies",
        &["100* XADD s {n}-1 field value{n}", "XRANGE s - +", "XREAD STREAMS s s 0 50", "XINFO STREAM s FULL COUNT 0"],
    ),
];

#[test]
fn every_allocation_may_be_refused() {
    for (name, lines) in WORKLOADS {
        for stays_exhausted in [false, true] {
            let mut refused = 0;
            while run_workload(name, lines, refused, stays_exhausted) {
                refused += 1;
            }
            assert!(refused > 20, "{name} asks for memory {refused} times only");
        }
    }
}

/// Runs a workload with one allocation refused. False if it makes fewer than that.
fn run_workload(name: &str, lines: &[&str], refused: u64, stays_exhausted: bool) -> bool {
    let mut refusals = Refusals::after(refused, stays_exhausted, name);
    let context = refusals.context.clone();
    let mut engine = Engine::new(Config { journal: true, ..Config::default() });
    let mut now_ms = 1_000;
    for argv in lines.iter().flat_map(|line| commands(line)) {
        let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
        let mut reply = Reply::new();
        let effects_before = engine.effects_len();
        let (outcome, happened) = refusals.during(|| engine.call(now_ms, Session::default(), &argv, &mut reply));
        engine.validate().unwrap_or_else(|breach| panic!("{context}: {}: {breach}", show(&argv)));
        if happened && is_out_of_memory(outcome, &reply) && is_all_or_nothing(&argv) {
            assert_eq!(engine.effects_len(), effects_before, "{context}: {} failed and left effects", show(&argv));
        }
        while engine.take_ready(&mut reply).is_some() {}
        now_ms += 10;
    }
    engine.advance(now_ms + 500);
    while engine.take_ready(&mut Reply::new()).is_some() {}
    engine.validate().unwrap_or_else(|breach| panic!("{context}: at the end: {breach}"));
    assert_replays(&mut engine, now_ms, &context);
    refusals.are_over()
}

fn commands(line: &str) -> Vec<Vec<Vec<u8>>> {
    repeated(line).iter().map(|line| line.split(' ').flat_map(words).collect()).collect()
}

fn words(word: &str) -> Vec<Vec<u8>> {
    match word {
        "LARGE" => vec![vec![b'x'; 10_000]],
        "IDS" => (0..60).map(|ms| format!("{}-1", ms % 40).into_bytes()).collect(),
        _ => vec![word.as_bytes().to_vec()],
    }
}

fn show(argv: &[&[u8]]) -> String {
    argv.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ")
}

fn is_out_of_memory(outcome: Outcome, reply: &Reply) -> bool {
    let Outcome::Done(_) = outcome else { return false };
    reply.to_value().is_none_or(|value| matches!(value, Value::Error(line) if line.starts_with(b"OOM")))
}

/// Commands on several keys, and those that note that a consumer was seen, may fail after a part that stays done.
fn is_all_or_nothing(argv: &[&[u8]]) -> bool {
    !matches!(argv[0], b"DEL" | b"XREADGROUP" | b"XCLAIM" | b"XAUTOCLAIM" | b"XADD" | b"XGROUP")
}

fn assert_replays(engine: &mut Engine, now_ms: u64, context: &str) {
    let mut effects = Vec::new();
    engine.take_effects(&mut effects);
    let mut copy = Engine::new(Config { journal: true, ..Config::default() });
    copy.replay(&effects).unwrap_or_else(|error| panic!("{context}: {error}"));
    for key in ["s", "t", "t3", "key1", "key7", "renamed1", "stream1", "stream2"] {
        for command in [&["XINFO", "STREAM", key, "FULL", "COUNT", "0"][..], &["GET", key], &["PTTL", key]] {
            let argv: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
            let [mut live, mut replayed] = [Reply::new(), Reply::new()];
            engine.call(now_ms, Session::default(), &argv, &mut live);
            copy.call(now_ms, Session::default(), &argv, &mut replayed);
            assert_eq!(masked(&live), masked(&replayed), "{context}: {}", show(&argv));
        }
    }
}

/// The reply without what is not journaled: when consumers were seen, and how many appends were repeated.
fn masked(reply: &Reply) -> Option<Value> {
    let mut value = reply.to_value()?;
    compare::mask(&mut value, &["seen-time", "iids-duplicates"]);
    Some(value)
}
