//! The naive model: what Redis Streams (up to 8.10) answer, written to be read and not to be fast.
//!
//! It is the judge in the random tests, so it shares nothing with the engine but `EntryId` as a pair of numbers and
//! `Value` as the form of a reply. It never blocks: BLOCK answers as it does in MULTI. It has no memory limit, no
//! journal and no protocol: where bytes of a reply count (MAXSIZE), they are those of RESP2.
//!
//! It earns its trust by agreeing with a real server on everything that one knows (tests/differential.rs).

mod add;
mod delete;
mod group;
mod group_commands;
mod info;
mod keys;
mod pending;
mod read;
mod stream;
mod words;

use std::collections::BTreeMap;

use brooklet::Value;

use stream::Stream;
use words::{Answer, WRONG_TYPE, is, refuse, refuse_with};

/// The part of the configuration that replies depend on.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) node_bytes_max: u64,
    pub(crate) node_entries_max: u64,
    pub(crate) idmp_duration_s: u64,
    pub(crate) idmp_entries_max: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { node_bytes_max: 4096, node_entries_max: 100, idmp_duration_s: 100, idmp_entries_max: 100 }
    }
}

/// Sixteen databases of keys.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    settings: Settings,
    databases: Vec<BTreeMap<Vec<u8>, Key>>,
}

#[derive(Clone, Debug)]
struct Key {
    held: Held,
    expires_at_ms: Option<u64>,
}

#[derive(Clone, Debug)]
enum Held {
    Text(Vec<u8>),
    Stream(Box<Stream>),
}

/// What a command sees: the keys of its database, the time, the settings.
struct Context<'a> {
    now_ms: u64,
    settings: &'a Settings,
    keys: &'a mut BTreeMap<Vec<u8>, Key>,
}

type Run = fn(&mut Context<'_>, &[Vec<u8>]) -> Answer;

enum Runs {
    OnKeys(Run),
    OnAllDatabases,
}

/// Name, number of words (negative: at least so many), function.
const COMMANDS: &[(&str, i64, Run)] = &[
    ("del", -2, keys::del),
    ("echo", 2, keys::echo),
    ("exists", -2, keys::exists),
    ("expire", -3, keys::expire),
    ("flushdb", -1, keys::flushdb),
    ("get", 2, keys::get),
    ("persist", 2, keys::persist),
    ("pexpire", -3, keys::pexpire),
    ("ping", -1, keys::ping),
    ("pttl", 2, keys::pttl),
    ("rename", 3, keys::rename),
    ("set", -3, keys::set),
    ("ttl", 2, keys::ttl),
    ("type", 2, keys::kind),
    ("xack", -4, pending::xack),
    ("xackdel", -6, delete::xackdel),
    ("xadd", -5, add::xadd),
    ("xaddif", -6, add::xaddif),
    ("xautoclaim", -6, pending::xautoclaim),
    ("xcfgset", -2, add::xcfgset),
    ("xclaim", -6, pending::xclaim),
    ("xdel", -3, delete::xdel),
    ("xdelex", -5, delete::xdelex),
    ("xgroup", -2, group_commands::xgroup),
    ("xidmprecord", 5, add::xidmprecord),
    ("xinfo", -2, info::xinfo),
    ("xlen", 2, read::xlen),
    ("xnack", -7, pending::xnack),
    ("xpending", -3, pending::xpending),
    ("xrange", -4, read::xrange),
    ("xread", -4, read::xread),
    ("xreadgroup", -7, read::xreadgroup),
    ("xrevrange", -4, read::xrevrange),
    ("xsetid", -3, add::xsetid),
    ("xtrim", -4, add::xtrim),
];

impl Model {
    pub(crate) fn new(settings: Settings) -> Model {
        Model { settings, databases: vec![BTreeMap::new(); 16] }
    }

    /// Runs one command. Errors are replies, too.
    pub(crate) fn call(&mut self, now_ms: u64, database: usize, argv: &[Vec<u8>]) -> Value {
        self.expire(now_ms);
        let answer = match find_command(argv) {
            Err(line) => Err(line),
            Ok(Runs::OnAllDatabases) => self.flush_all(argv),
            Ok(Runs::OnKeys(run)) => {
                let keys = &mut self.databases[database];
                run(&mut Context { now_ms, settings: &self.settings, keys }, argv)
            }
        };
        answer.unwrap_or_else(Value::Error)
    }

    /// Runs commands as MULTI and EXEC do: a command that cannot be queued discards them all.
    pub(crate) fn exec(&mut self, now_ms: u64, database: usize, commands: &[Vec<Vec<u8>>]) -> Value {
        if commands.iter().any(|argv| find_command(argv).is_err()) {
            return Value::Error(b"EXECABORT Transaction discarded because of previous errors.".to_vec());
        }
        Value::Array(commands.iter().map(|argv| self.call(now_ms, database, argv)).collect())
    }

    /// Lets time pass: keys expire, producers' messages are forgotten.
    pub(crate) fn advance(&mut self, now_ms: u64) {
        self.expire(now_ms);
        for key in self.databases.iter_mut().flat_map(BTreeMap::values_mut) {
            if let Held::Stream(stream) = &mut key.held {
                stream.sweep_records(now_ms);
            }
        }
    }

    fn expire(&mut self, now_ms: u64) {
        for keys in &mut self.databases {
            keys.retain(|_, key| key.expires_at_ms.is_none_or(|at_ms| at_ms > now_ms));
        }
    }

    fn flush_all(&mut self, argv: &[Vec<u8>]) -> Answer {
        let answer = keys::check_flush_words(argv)?;
        self.databases.iter_mut().for_each(BTreeMap::clear);
        Ok(answer)
    }
}

impl Context<'_> {
    /// The stream at `key`, `None` if there is no such key.
    fn stream(&mut self, key: &[u8]) -> Result<Option<&mut Stream>, Vec<u8>> {
        match self.keys.get_mut(key) {
            None => Ok(None),
            Some(Key { held: Held::Stream(stream), .. }) => Ok(Some(stream)),
            Some(_) => refuse(WRONG_TYPE),
        }
    }

    /// Like `stream`, with this error for a missing key.
    fn stream_or(&mut self, key: &[u8], missing: &str) -> Result<&mut Stream, Vec<u8>> {
        self.stream(key)?.map_or_else(|| refuse(missing), Ok)
    }

    /// The stream at `key`, which has this group.
    fn group(&mut self, key: &[u8], group: &[u8]) -> Result<&mut Stream, Vec<u8>> {
        match self.stream(key)? {
            Some(stream) if stream.groups.contains_key(group) => Ok(stream),
            _ => refuse_with("NOGROUP No such key '{}' or consumer group '{}'", &[key, group]),
        }
    }

    fn put(&mut self, key: &[u8], held: Held) {
        self.keys.insert(key.to_vec(), Key { held, expires_at_ms: None });
    }
}

/// What the words name, or why they name nothing that can be run.
fn find_command(argv: &[Vec<u8>]) -> Result<Runs, Vec<u8>> {
    let Some(name) = argv.first() else { return refuse("ERR no command") };
    if is(name, "flushall") {
        return Ok(Runs::OnAllDatabases);
    }
    let Some((name, arity, run)) = COMMANDS.iter().find(|(known, _, _)| is(name, known)) else {
        return unknown_command(argv);
    };
    if !arity_fits(*arity, argv.len()) {
        return wrong_arity(name);
    }
    match *name {
        "xgroup" => find_subcommand(name, group_commands::SUBCOMMANDS, argv)?,
        "xinfo" => find_subcommand(name, info::SUBCOMMANDS, argv)?,
        _ => "",
    };
    Ok(Runs::OnKeys(*run))
}

/// The name of the subcommand that the words call.
fn find_subcommand(
    command: &str,
    subcommands: &[(&'static str, i64)],
    argv: &[Vec<u8>],
) -> Result<&'static str, Vec<u8>> {
    let Some((name, arity)) = subcommands.iter().find(|(name, _)| is(&argv[1], name)) else {
        let command = command.to_ascii_uppercase();
        return refuse_with("ERR unknown subcommand '{}'. Try {} HELP.", &[&argv[1], command.as_bytes()]);
    };
    if arity_fits(*arity, argv.len()) { Ok(name) } else { wrong_arity(&format!("{command}|{name}")) }
}

fn arity_fits(arity: i64, words: usize) -> bool {
    let words = words as i64;
    if arity < 0 { words >= -arity } else { words == arity }
}

fn wrong_arity<T>(name: &str) -> Result<T, Vec<u8>> {
    refuse_with("ERR wrong number of arguments for '{}' command", &[name.as_bytes()])
}

/// The name and the arguments are shown, as far as they fit into a line.
fn unknown_command<T>(argv: &[Vec<u8>]) -> Result<T, Vec<u8>> {
    let mut line = b"ERR unknown command '".to_vec();
    line.extend_from_slice(&argv[0]);
    line.push(b'\'');
    if argv.len() > 1 {
        line.extend_from_slice(b", with args beginning with: ");
    }
    for word in &argv[1..] {
        line.push(b'\'');
        line.extend_from_slice(word);
        line.extend_from_slice(b"' ");
    }
    Err(line)
}
