//! Random commands that collide: few keys, few groups, few consumers, and IDs near those that exist, so that
//! duplicates, gaps and boundaries happen; every option, each mistake now and then. A seed determines the whole
//! sequence, together with the replies that are shown to [`Generator::observe`].

use std::collections::{BTreeMap, VecDeque};

use brooklet::Value;

use crate::random::Random;

mod commands;
mod words;

/// Whose commands are generated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// Everything up to Redis 8.10 and our own commands, with a clock that is driven by hand.
    All,
    /// What Redis 7.0.15 knows and answers independently of the time, as a real server's clock cannot be driven.
    /// Its known differences from later versions are avoided:
    /// * a read or claim that yields nothing creates no consumer there, so consumers are created beforehand;
    /// * ENTRIESREAD is not clamped, so it is 0 or unknown;
    /// * XSETID may go below the largest deleted ID, so where it occurs nothing is deleted;
    /// * delivery counts overflow, so they stay small;
    /// * XREAD knows no `+`; BLOCK with the largest integer blocks, and so would BLOCK with any valid time.
    Redis70,
}

pub(crate) type Command = Vec<Vec<u8>>;

const STREAM_KEYS: &[&str] = &["s1", "s2", "s3"];
const TEXT_KEY: &str = "text";
const NO_KEY: &str = "none";
const GROUPS: &[&str] = &["g1", "g2"];
const CONSUMERS: &[&str] = &["alice", "bob", "carol"];
const NAMES: &[&str] = &["f", "g", "name", "temperature", "7"];
const PRODUCERS: &[&str] = &["p1", "p2"];
const RECENT_IDS_MAX: usize = 24;
const PENDING_IDS_MAX: usize = 10;
/// Words that are wrong almost everywhere.
const GARBAGE: &[&str] = &[
    "",
    "abc",
    "-1",
    "0",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "(1",
    "$",
    ">",
    "-",
    "1-1-1",
    "1-",
    "-1-1",
    "1.5",
    "~",
    "COUNT",
    "LIMIT",
    "MAXLEN",
    "FORCE",
    "03",
    "18446744073709551616-0",
];
const LATER_GARBAGE: &[&str] = &["+", "=", "KEEPREF", "ACKED", "IDS", "MAXCOUNT", "NOACK", "RETRYCOUNT"];

pub(crate) struct Generator {
    random: Random,
    mode: Mode,
    now_ms: u64,
    /// A clock that runs back excludes keys that expire and messages that are forgotten: what a clock that ran back
    /// has already seen end depends on when somebody looked, and all ways of looking are right.
    clock_runs_back: bool,
    /// Redis 7.0 counts what a group has read by other rules once entries were removed. So most of the sequences for it
    /// remove entries and are compared without these counts, and the others keep all entries.
    removes: bool,
    /// Whether entries are removed from the middle. In Redis 7.0 a node whose last entry was deleted stays behind,
    /// empty, when an exact MINID trims the rest of it; so there MINID is approximate in such sequences.
    deletes: bool,
    /// Commands that have to follow the one before.
    queue: VecDeque<Command>,
    /// With a single group, more entries become acknowledged by all groups.
    groups: &'static [&'static str],
    recent_ids: VecDeque<(u64, u64)>,
    /// IDs that groups delivered lately.
    pending_ids: VecDeque<String>,
    last_ids: BTreeMap<Vec<u8>, (u64, u64)>,
}

impl Generator {
    pub(crate) fn new(seed: u64, mode: Mode) -> Generator {
        let mut random = Random::new(seed);
        let clock_runs_back = random.percent(30);
        let removes = mode == Mode::All || random.percent(70);
        let deletes = mode == Mode::All || (removes && random.percent(60));
        let groups = if random.percent(40) { &GROUPS[..1] } else { GROUPS };
        // Small times make explicit IDs and automatic ones meet.
        let now_ms = if mode == Mode::Redis70 { 1_700_000_000_000 } else { 1 + random.below(50) };
        Generator {
            random,
            mode,
            now_ms,
            clock_runs_back,
            removes,
            deletes,
            queue: VecDeque::new(),
            groups,
            recent_ids: VecDeque::from([(1, 1)]),
            pending_ids: VecDeque::new(),
            last_ids: BTreeMap::new(),
        }
    }

    /// Randomness for decisions of the test itself, from the same seed.
    pub(crate) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// Whether time may pass by itself (`advance`), which ends what is due.
    pub(crate) fn advances(&mut self) -> bool {
        !self.clock_runs_back && self.random.percent(10)
    }

    /// Whether entries are ever removed from a stream that stays.
    pub(crate) fn removes(&self) -> bool {
        self.removes
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Takes the time of a clock that somebody else drives.
    pub(crate) fn set_now(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// Moves the clock, often not at all, sometimes far.
    pub(crate) fn tick(&mut self) {
        if self.mode == Mode::Redis70 {
            return;
        }
        match self.random.below(100) {
            0..60 => {}
            60..90 => self.now_ms += 1 + self.random.below(5),
            90..94 => self.now_ms += self.random.below(1000),
            // Exactly as long as some messages are remembered.
            94..97 => self.now_ms += 1000,
            97 => self.now_ms += self.random.below(120_000),
            _ if self.clock_runs_back => self.now_ms = self.now_ms.saturating_sub(self.random.below(20)).max(1),
            _ => {}
        }
    }

    /// The logical database of the next command, almost always the first one.
    pub(crate) fn database(&mut self) -> u8 {
        u8::from(self.mode == Mode::All && self.random.percent(3))
    }

    /// The next command.
    pub(crate) fn command(&mut self) -> Command {
        if let Some(command) = self.queue.pop_front() {
            return command;
        }
        let mut command =
            if self.mode == Mode::All && self.random.percent(20) { self.later_command() } else { self.any_command() };
        self.spoil(&mut command);
        self.vary_case(&mut command);
        command
    }

    /// Learns which IDs exist, and repairs what would make all that follows fail.
    pub(crate) fn observe(&mut self, command: &Command, reply: &Value) {
        let [name, key, ..] = command.as_slice() else { return };
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        match (name.as_str(), reply) {
            ("xadd" | "xaddif", Value::Bulk(text)) => self.observe_added(key, text),
            ("xreadgroup", Value::Pairs(streams)) => {
                for (_, entries) in streams {
                    self.observe_delivered(entries);
                }
            }
            (_, Value::Error(line)) => self.repair(&name, command, &String::from_utf8_lossy(line)),
            _ => {}
        }
    }

    fn observe_added(&mut self, key: &[u8], text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        let Some((ms, seq)) = text.split_once('-') else { return };
        if let (Ok(ms), Ok(seq)) = (ms.parse(), seq.parse()) {
            self.recent_ids.push_back((ms, seq));
            keep_last(&mut self.recent_ids, RECENT_IDS_MAX);
            self.last_ids.insert(key.to_vec(), (ms, seq));
        }
    }

    fn observe_delivered(&mut self, entries: &Value) {
        let Value::Array(entries) = entries else { return };
        for entry in entries {
            if let Value::Array(parts) = entry
                && let Some(Value::Bulk(id)) = parts.first()
            {
                self.pending_ids.push_back(String::from_utf8_lossy(id).into_owned());
                keep_last(&mut self.pending_ids, PENDING_IDS_MAX);
            }
        }
    }

    /// Creates the group that is missing, deletes the key that can take no entry: often, not always.
    fn repair(&mut self, name: &str, command: &Command, line: &str) {
        if self.random.percent(40) {
            return;
        }
        let no_group = line.starts_with("NOGROUP");
        if let (true, Some(key)) = (no_group, STREAM_KEYS.iter().find(|key| line.contains(&format!("'{key}'")))) {
            for group in GROUPS.iter().filter(|group| line.contains(*group)) {
                self.queue.push_back(words(&["XGROUP", "CREATE", key, group, "0", "MKSTREAM"]));
                self.queue_consumers(key, group);
            }
        }
        let unusable = line.starts_with("WRONGTYPE") || line.starts_with("ERR The stream has exhausted");
        if let (true, Some(key)) = (unusable && name.starts_with('x'), command.get(1)) {
            self.last_ids.remove(key);
            self.queue.push_back(vec![b"DEL".to_vec(), key.clone()]);
        }
    }

    /// Where reads that yield nothing create no consumers, they have to exist beforehand.
    fn queue_consumers(&mut self, key: &str, group: &str) {
        if self.mode == Mode::Redis70 {
            for consumer in CONSUMERS {
                self.queue.push_back(words(&["XGROUP", "CREATECONSUMER", key, group, consumer]));
            }
        }
    }
}

fn keep_last<T>(ids: &mut VecDeque<T>, count: usize) {
    while ids.len() > count {
        ids.pop_front();
    }
}

fn words(texts: &[&str]) -> Command {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// A command as one would type it, for messages.
pub(crate) fn show(command: &Command) -> String {
    let words: Vec<String> = command
        .iter()
        .map(|word| {
            let text = String::from_utf8_lossy(word);
            let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
            if plain { text.into_owned() } else { format!("{text:?}") }
        })
        .collect();
    words.join(" ")
}
