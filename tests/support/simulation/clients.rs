//! Who calls the engine: writers that repeat what they do not know the outcome of, consumers that read, acknowledge,
//! give back and claim, a plain reader, and one who sends anything at all.
//!
//! A client knows only what it was told. It decides by what it has seen, as real ones do, and so what it sends depends on
//! which replies reached it.

use std::collections::VecDeque;

use brooklet::Value;
use brooklet::persist::Level;

use crate::generate::{Command, Generator, Mode};
use crate::random::Random;

/// The key that only these clients use: nobody deletes it, so its IDs never become available again.
pub(crate) const OWN_KEY: &str = "orders";
const KEYS: [&str; 4] = [OWN_KEY, OWN_KEY, "s1", "s2"];
const GROUPS: [&str; 2] = ["g1", "g2"];
/// How many entries a consumer remembers to acknowledge.
const INBOX_MAX: usize = 30;

/// What a client wants to be run: one command, or several as a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) database: u8,
    pub(crate) commands: Vec<Command>,
    /// What is written by it can be told by this number, if it writes entries.
    pub(crate) tag: Option<u64>,
}

/// An entry that a reply has shown, as far as it has a tag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) tag: u64,
}

enum Role {
    Writer { producer: String, repeats: VecDeque<Request> },
    Consumer { name: String, group: &'static str, key: &'static str, inbox: VecDeque<String> },
    Reader,
    Wild { generator: Box<Generator> },
}

/// One of them.
pub(crate) struct Client {
    role: Role,
    /// What its replies have to wait for; none if it takes the risk.
    pub(crate) level: Option<Level>,
}

/// All of them; see the head of this file.
pub(crate) struct Clients {
    pub(crate) all: Vec<Client>,
    tags: u64,
    value_bytes_max: u64,
    /// Whether streams grow and much stays pending.
    is_large: bool,
    first_word: VecDeque<Request>,
}

impl Clients {
    pub(crate) fn new(random: &mut Random, seed: u64) -> Clients {
        let mut all = Vec::new();
        for number in 0..1 + random.below(3) {
            all.push(Role::Writer { producer: format!("writer{number}"), repeats: VecDeque::new() });
        }
        for number in 0..1 + random.below(8) {
            let group = GROUPS[random.below(2) as usize];
            let key = KEYS[random.below(4) as usize];
            all.push(Role::Consumer { name: format!("consumer{number}"), group, key, inbox: VecDeque::new() });
        }
        all.push(Role::Reader);
        all.push(Role::Wild { generator: Box::new(Generator::new(seed, Mode::All)) });
        let level = |random: &mut Random| match random.below(10) {
            0 => None,
            1 | 2 => Some(Level::Durable),
            _ => Some(Level::Written),
        };
        let all = all.into_iter().map(|role| Client { role, level: level(random) }).collect();
        let value_bytes_max = [20, 200, 3_000, 60_000][random.below(4) as usize];
        let is_large = random.percent(30);
        let mut clients = Clients { all, tags: 0, value_bytes_max, is_large, first_word: VecDeque::new() };
        clients.greet();
        clients
    }

    /// Somebody creates the groups.
    fn greet(&mut self) {
        for key in ["s1", "s2", OWN_KEY] {
            for group in GROUPS {
                let create = words(&["XGROUP", "CREATE", key, group, "0", "MKSTREAM"]);
                self.first_word.push_back(Request { database: 0, commands: vec![create], tag: None });
            }
        }
    }

    /// What a client sends next.
    pub(crate) fn request(&mut self, place: usize, random: &mut Random, now_ms: u64) -> Request {
        if let Some(request) = self.first_word.pop_front() {
            return request;
        }
        let (tag, bytes_max, is_large) = (self.tags + 1, self.value_bytes_max, self.is_large);
        let request = match &mut self.all[place].role {
            Role::Writer { producer, repeats } => match repeats.pop_front() {
                Some(repeated) => repeated,
                None if is_large && random.percent(15) => write_many(random, tag),
                None => write(producer, random, tag, bytes_max),
            },
            Role::Consumer { name, group, key, inbox } => single(consume(name, group, key, inbox, random, is_large)),
            Role::Reader => single(look(random)),
            Role::Wild { generator } => wild(generator, random, now_ms),
        };
        self.tags += u64::from(request.tag == Some(tag));
        request
    }

    /// A client gets its reply.
    pub(crate) fn told(&mut self, place: usize, request: &Request, reply: &Value, random: &mut Random) {
        match &mut self.all[place].role {
            Role::Consumer { inbox, .. } => {
                let mut ids = Vec::new();
                delivered(reply, &mut ids);
                inbox.extend(ids);
                while inbox.len() > INBOX_MAX {
                    inbox.pop_front();
                }
            }
            Role::Wild { generator } => {
                let replies = std::slice::from_ref(reply);
                let replies = match reply {
                    Value::Array(replies) if request.commands.len() > 1 => replies.as_slice(),
                    _ => replies,
                };
                for (command, reply) in request.commands.iter().zip(replies) {
                    generator.observe(command, reply);
                }
            }
            Role::Writer { .. } | Role::Reader => {}
        }
        let is_group_missing = matches!(reply, Value::Error(line) if line.starts_with(b"NOGROUP"));
        if is_group_missing && self.first_word.is_empty() && random.percent(15) {
            self.greet();
        }
    }

    /// A client will never get its reply, and does not know what became of its request.
    pub(crate) fn left_in_the_dark(&mut self, place: usize, request: Request) {
        if let Role::Writer { repeats, .. } = &mut self.all[place].role {
            repeats.push_back(request);
        }
    }
}

fn single(command: Command) -> Request {
    Request { database: 0, commands: vec![command], tag: None }
}

/// An entry with a tag: always as a message that can be repeated, since the outcome may stay unknown.
fn write(producer: &str, random: &mut Random, tag: u64, bytes_max: u64) -> Request {
    let key = KEYS[random.below(4) as usize];
    let mut command = words(&["XADD", key]);
    if random.percent(10) {
        command.extend(words(&["MAXLEN", ["=", "~"][random.below(2) as usize], &(random.below(40)).to_string()]));
    }
    if random.percent(70) {
        command.extend(words(&["IDMP", producer, &format!("message{tag}")]));
    }
    let bytes_max = if random.percent(90) { 20 } else { bytes_max };
    let bytes = random.below(bytes_max) as usize;
    command.extend(words(&["*", "tag", &format!("#{tag}")]));
    let fill = random.next() as u8;
    command.extend([b"body".to_vec(), vec![fill; bytes]]);
    let mut commands = vec![command];
    if random.percent(10) {
        commands.push(words(&["XLEN", key]));
        commands.push(words(&["XTRIM", key, "MAXLEN", "~", "100"]));
    }
    if random.percent(3) {
        commands.push(words(&["XDEL", key, "1-1"]));
    }
    Request { database: 0, commands, tag: Some(tag) }
}

/// Many entries at once, all with the same tag.
fn write_many(random: &mut Random, tag: u64) -> Request {
    let add = |number| words(&["XADD", OWN_KEY, "*", "tag", &format!("#{tag}"), "number", &format!("{number}")]);
    let commands = (0..20 + random.below(40)).map(add).collect();
    Request { database: 0, commands, tag: Some(tag) }
}

fn consume(
    name: &str,
    group: &str,
    key: &str,
    inbox: &mut VecDeque<String>,
    random: &mut Random,
    is_large: bool,
) -> Command {
    let takes = |inbox: &mut VecDeque<String>, random: &mut Random| {
        let count = 1 + random.below(inbox.len() as u64) as usize;
        inbox.drain(..count).map(String::into_bytes).collect::<Vec<_>>()
    };
    match random.below(100) {
        0..35 if !inbox.is_empty() => {
            let mut command = words(&["XACK", key, group]);
            command.extend(takes(inbox, random));
            command
        }
        35..40 if !inbox.is_empty() => {
            let ids = takes(inbox, random);
            let mode = ["SILENT", "FAIL", "FATAL"][random.below(3) as usize];
            let mut command = words(&["XNACK", key, group, mode, "IDS", &ids.len().to_string()]);
            command.extend(ids);
            command
        }
        40..46 if !inbox.is_empty() => {
            let mut command = words(&["XCLAIM", key, group, name, "0"]);
            command.extend(inbox.iter().take(3).map(|id| id.clone().into_bytes()));
            command
        }
        46..56 => words(&["XAUTOCLAIM", key, group, name, ["0", "100"][random.below(2) as usize], "0", "COUNT", "5"]),
        56..64 => words(&["XREADGROUP", "GROUP", group, name, "STREAMS", key, "0"]),
        64..70 => words(&["XPENDING", key, group, "-", "+", "10"]),
        // Nobody else uses such names.
        70 => words(&["XGROUP", "DELCONSUMER", key, group, name]),
        _ => {
            let count = (1 + random.below(if is_large { 120 } else { 6 })).to_string();
            let mut command = words(&["XREADGROUP", "GROUP", group, name, "COUNT", &count]);
            if random.percent(50) {
                command.extend(words(&["BLOCK", ["0", "50", "5000"][random.below(3) as usize]]));
            }
            if random.percent(15) {
                command.extend(words(&["CLAIM", ["0", "100"][random.below(2) as usize]]));
            }
            command.extend(words(&["STREAMS", key, ">"]));
            command
        }
    }
}

fn look(random: &mut Random) -> Command {
    let key = KEYS[random.below(4) as usize];
    match random.below(5) {
        0 => words(&["XRANGE", key, "-", "+", "COUNT", "20"]),
        1 => words(&["XREVRANGE", key, "+", "-", "COUNT", "5"]),
        2 => words(&["XREAD", "BLOCK", ["0", "50", "5000"][random.below(3) as usize], "STREAMS", key, "$"]),
        3 => words(&["XREAD", "COUNT", "10", "STREAMS", key, "0"]),
        _ => words(&["XINFO", "STREAM", key, "FULL", "COUNT", "5"]),
    }
}

fn wild(generator: &mut Generator, random: &mut Random, now_ms: u64) -> Request {
    generator.set_now(now_ms);
    let count = if random.percent(8) { 2 + random.below(3) } else { 1 };
    let database = generator.database();
    Request { database, commands: (0..count).map(|_| generator.command()).collect(), tag: None }
}

/// The IDs of entries in a reply that delivered some, at any depth.
fn delivered(value: &Value, ids: &mut Vec<String>) {
    match value {
        Value::Array(items) => match items.as_slice() {
            [Value::Bulk(id), Value::Array(_) | Value::Pairs(_), ..] if id.contains(&b'-') => {
                ids.push(String::from_utf8_lossy(id).into_owned());
            }
            items => items.iter().for_each(|item| delivered(item, ids)),
        },
        Value::Pairs(pairs) => pairs.iter().for_each(|(_, value)| delivered(value, ids)),
        _ => {}
    }
}

/// The entries with a tag in a reply, at any depth.
pub(crate) fn shown(value: &Value, found: &mut Vec<Shown>) {
    match value {
        Value::Array(items) => {
            if let [Value::Bulk(id), fields, ..] = items.as_slice()
                && let Some(tag) = tag_of(fields)
            {
                found.push(Shown { id: String::from_utf8_lossy(id).into_owned(), tag });
                return;
            }
            items.iter().for_each(|item| shown(item, found));
        }
        Value::Map(pairs) | Value::Pairs(pairs) => pairs.iter().for_each(|(_, value)| shown(value, found)),
        _ => {}
    }
}

fn tag_of(fields: &Value) -> Option<u64> {
    let number = |value: &Value| match value {
        Value::Bulk(text) => std::str::from_utf8(text).ok()?.strip_prefix('#')?.parse().ok(),
        _ => None,
    };
    match fields {
        Value::Array(items) => items.get(1).and_then(number),
        Value::Pairs(pairs) | Value::Map(pairs) => pairs.first().and_then(|(_, value)| number(value)),
        _ => None,
    }
}

fn words(texts: &[&str]) -> Command {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
