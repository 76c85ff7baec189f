//! Arguments: any words whatsoever as commands, on an engine with a bit of everything.
//!
//! The first byte chooses the setting. The rest is text that a person can write: a line is a command, blanks separate
//! its words, `\` takes the next byte as it is. Two bytes that no text contains make what is tedious to write: 0xff and
//! n repeats the word before n*n times, 0xfe and n continues the word with n*n letters.
//!
//! *Checked*: nothing panics, each reply is well formed, `validate()` holds after each command, an error has no effects,
//! the effects replay to the same state, and an EXEC of all the commands answers what they answered one by one.

use brooklet::{Config, Engine, Outcome, Protocol, Reply, Session, Value, WaiterId};

use super::dump::{call_line, check_replay};
use super::input::Input;
use super::replies;

/// The clock stands still, so that no key expires meanwhile.
const NOW_MS: u64 = 5000;
/// Enough for any command, and little enough for many runs per second: a few bytes can say a large entry and then read
/// it over and over, and all the replies are kept.
const COMMANDS_MAX: usize = 100;
const WORDS_MAX: usize = 2000;
const BYTES_MAX: usize = 64 << 10;

const KEYS: &[&[u8]] = &[b"s", b"e", b"p", b"t", b"n", b"x"];

/// A stream with a group that has pending entries of each kind, an empty one, one with a producer, and a text.
const PREPARATION: &[&str] = &[
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
    "XDEL s 1-2",
    "XGROUP CREATE e g $ MKSTREAM",
    "PEXPIRE e 100000",
    "XADD p IDMP producer m1 * f v",
    "SET t text",
];

/// How a run goes, from one byte.
struct Setting {
    config: Config,
    session: Session,
    /// Readers that have to wait do so to the end, instead of going away at once.
    waits: bool,
    /// Whether EXEC answers as the single commands do: not with limits, which it meets earlier, nor with waiters.
    with_exec: bool,
}

type Command = Vec<Vec<u8>>;

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let setting = setting(input.byte());
    let commands = commands(input.rest());
    let mut engine = prepared(&setting.config);
    let mut waiters = Vec::new();
    let replies: Vec<Value> =
        commands.iter().map(|command| call(&mut engine, &setting, command, &mut waiters)).collect();
    let now_ms = end_waits(&mut engine, &waiters);
    check_effects(&mut engine, now_ms);
    if setting.with_exec {
        check_exec(&setting, &commands, &replies);
    }
}

fn setting(byte: u8) -> Setting {
    let limit = byte & 3;
    let config = Config {
        journal: true,
        reply_bytes_max: if limit == 1 { 400 } else { Config::default().reply_bytes_max },
        memory_bytes_max: if limit == 2 { 8 << 10 } else { 0 },
        node_entries_max: if byte & 4 == 0 { 100 } else { 2 },
        node_bytes_max: if byte & 8 == 0 { 4096 } else { 60 },
        ..Config::default()
    };
    let protocol = if byte & 16 == 0 { Protocol::Resp2 } else { Protocol::Resp3 };
    let session = Session { database: byte >> 5 & 1, protocol };
    let waits = byte & 64 != 0;
    Setting { config, session, waits, with_exec: limit == 0 && !waits }
}

/// An engine whose preparation is not among the effects that wait to be taken.
fn prepared(config: &Config) -> Engine {
    let limits = Config { reply_bytes_max: usize::MAX, memory_bytes_max: 0, ..config.clone() };
    let mut engine = Engine::new(limits);
    for line in PREPARATION {
        let reply = call_line(&mut engine, NOW_MS - 1000, line);
        assert!(!replies::is_error(&reply), "{line}: {reply:?}");
    }
    engine.configure(config.clone());
    engine
}

fn call(engine: &mut Engine, setting: &Setting, command: &Command, waiters: &mut Vec<WaiterId>) -> Value {
    let argv: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
    let before = (engine.effects_len(), engine.statistics().expired_keys());
    let mut reply = Reply::new();
    let value = match engine.call(NOW_MS, setting.session, &argv, &mut reply) {
        Outcome::Done(position) => {
            assert!(position <= engine.position(), "a reply depends on an effect that is yet to come");
            assert!(reply.wire_bytes(setting.session.protocol) > 2, "a line end is two bytes");
            replies::read(&reply)
        }
        Outcome::Blocked(waiter) => {
            assert!(reply.is_empty(), "a reader that waits has no reply yet");
            if setting.waits {
                waiters.push(waiter);
            } else {
                assert!(engine.cancel(waiter), "a reader that was just told to wait waits");
            }
            Value::NullArray
        }
    };
    // Whoever looks at a key that was given a time in the past removes it, whatever comes of the command.
    if replies::is_error(&value) && engine.statistics().expired_keys() == before.1 {
        assert_eq!(engine.effects_len(), before.0, "an error has no effects: {value:?}");
    }
    engine.validate().expect("after a command");
    value
}

/// Lets time pass until the readers that wait time out, takes away those that would wait for longer, and reads what
/// all of them were told. Returns how late it is then.
fn end_waits(engine: &mut Engine, waiters: &[WaiterId]) -> u64 {
    let mut answered = take_ready(engine);
    let mut now_ms = NOW_MS;
    while let Some(deadline_ms) = engine.next_deadline().filter(|&deadline_ms| deadline_ms < NOW_MS + 1_000_000) {
        now_ms = now_ms.max(deadline_ms);
        engine.advance(now_ms);
        engine.validate().expect("after time has passed");
        assert_ne!(engine.next_deadline(), Some(deadline_ms), "a deadline that was met is still there");
        answered.extend(take_ready(engine));
    }
    for &waiter in waiters {
        assert_ne!(engine.cancel(waiter), answered.contains(&waiter), "a reader either waits or has its reply");
    }
    assert_eq!(engine.statistics().waiting_readers(), 0);
    engine.validate().expect("after all waits have ended");
    now_ms
}

fn take_ready(engine: &mut Engine) -> Vec<WaiterId> {
    let mut answered = Vec::new();
    let mut reply = Reply::new();
    while let Some(ready) = engine.take_ready(&mut reply) {
        assert!(ready.position <= engine.position(), "a reply depends on an effect that is yet to come");
        replies::read(&reply);
        answered.push(ready.waiter);
    }
    answered
}

fn check_effects(engine: &mut Engine, now_ms: u64) {
    let mut effects = Vec::new();
    engine.take_effects(&mut effects);
    engine.configure(Config::default());
    check_replay(engine, &effects, now_ms, KEYS);
}

/// Runs everything as one batch on another engine.
fn check_exec(setting: &Setting, commands: &[Command], expected: &[Value]) {
    let mut engine = prepared(&setting.config);
    let argvs: Vec<Vec<&[u8]>> = commands.iter().map(|words| words.iter().map(Vec::as_slice).collect()).collect();
    let batch: Vec<&[&[u8]]> = argvs.iter().map(Vec::as_slice).collect();
    let effects_len = engine.effects_len();
    let mut reply = Reply::new();
    let may_run = argvs.iter().all(|argv| engine.check(argv, &mut reply));
    engine.exec(NOW_MS, setting.session, &batch, &mut reply);
    let value = replies::read(&reply);
    engine.validate().expect("after a batch");
    if may_run {
        assert_eq!(value, Value::Array(expected.to_vec()), "a batch, and its commands one by one");
    } else {
        assert!(replies::is_error(&value), "a batch with an impossible command ran: {value:?}");
        assert_eq!(engine.effects_len(), effects_len, "a batch that did not run has no effects");
    }
}

/// The commands that these bytes say.
fn commands(bytes: &[u8]) -> Vec<Command> {
    let mut input = Input::new(bytes);
    let mut commands = Vec::new();
    let (mut words, mut word) = (Vec::new(), Vec::new());
    let (mut words_left, mut bytes_left) = (WORDS_MAX, BYTES_MAX);
    while !input.is_empty() && words_left > 0 && bytes_left > 0 && commands.len() < COMMANDS_MAX {
        let byte = input.byte();
        bytes_left -= 1;
        match byte {
            b' ' | b'\n' => {
                words.push(std::mem::take(&mut word));
                words_left -= 1;
                if byte == b'\n' {
                    commands.push(std::mem::take(&mut words));
                }
            }
            b'\\' => word.push(input.byte()),
            0xff => {
                let each_bytes = word.len() + 1;
                let count = square(input.byte()).min(words_left).min(bytes_left / each_bytes);
                words.extend(std::iter::repeat_n(&word, count).cloned());
                words_left -= count;
                bytes_left -= count * each_bytes;
            }
            0xfe => {
                let count = square(input.byte()).min(bytes_left);
                word.extend(std::iter::repeat_n(b'x', count));
                bytes_left -= count;
            }
            byte => word.push(byte),
        }
    }
    if !word.is_empty() || !words.is_empty() {
        words.push(word);
        commands.push(words);
    }
    // An empty line has no words, not one that is empty.
    for command in &mut commands {
        if command.iter().map(Vec::as_slice).eq([b""]) {
            command.clear();
        }
    }
    commands
}

fn square(byte: u8) -> usize {
    usize::from(byte) * usize::from(byte)
}
