//! Who answers the commands of a transcript: the engine, with a clock driven by hand, or a real Redis server.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::thread;
use std::time::{Duration, Instant};

use brooklet::{Config, Engine, Outcome, Protocol, Reply, Session, Value, WaiterId};

use super::pattern::{Face, describe};
use super::resp_client::RespClient;
use super::transcript::{Argv, Case, Version, parse_version};

/// Time on the engine's clock when a case starts.
const CLOCK_START_MS: u64 = 1_000_000;

/// The longest that a case may let time pass on a real server.
const SLEEP_MS_MAX: u64 = 250;

/// How long a real server has to block or to wake a reader.
const PATIENCE: Duration = Duration::from_secs(5);

/// The settings that a case may change, with what they are otherwise.
const SETTINGS: [(&str, u64); 5] = [
    ("maxmemory", 0),
    ("stream-node-max-bytes", 4096),
    ("stream-node-max-entries", 100),
    ("stream-idmp-duration", 100),
    ("stream-idmp-maxsize", 100),
];

/// How a command ended.
pub(crate) enum Answer {
    /// With a reply.
    Reply(Value),
    /// Its client waits.
    Blocked,
}

/// Somebody who answers commands.
pub(crate) trait Target {
    /// How replies look.
    fn face(&self) -> Face;
    /// Empties all databases and applies a case's settings.
    fn reset(&mut self, case: &Case);
    /// Runs one command. `may_block` says that the transcript expects it to.
    fn call(&mut self, client: u32, argv: &Argv, may_block: bool) -> Answer;
    /// Runs commands as one MULTI/EXEC.
    fn exec(&mut self, batch: &[Argv]) -> Answer;
    /// The next client that was woken and its reply; `client` is the one that is expected.
    fn woken(&mut self, client: u32) -> Option<(u32, Value)>;
    /// Lets a blocked client go away.
    fn cancel(&mut self, client: u32);
    /// Sets the clock.
    fn set_clock(&mut self, now_ms: u64);
    /// Lets time pass.
    fn pass_time(&mut self, duration_ms: u64);
    /// Chooses the database of client 1.
    fn select(&mut self, database: u8);
    /// What is wrong after a step although its reply was right. `waiting` are the clients that should wait, and
    /// `wake_follows` says that the transcript next expects one of them to be woken.
    fn fault(&mut self, waiting: &BTreeSet<u32>, wake_follows: bool) -> Option<String>;
}

/// The engine.
pub(crate) struct EngineTarget {
    engine: Engine,
    now_ms: u64,
    database: u8,
    waiters: BTreeMap<WaiterId, u32>,
    woken: VecDeque<(u32, Value)>,
}

impl EngineTarget {
    /// An engine on which nothing happened.
    pub(crate) fn new() -> EngineTarget {
        EngineTarget {
            engine: Engine::new(Config::default()),
            now_ms: CLOCK_START_MS,
            database: 0,
            waiters: BTreeMap::new(),
            woken: VecDeque::new(),
        }
    }

    fn session(&self, client: u32) -> Session {
        let database = if client == 1 { self.database } else { 0 };
        Session { database, protocol: Protocol::Resp2 }
    }

    fn answer(&mut self, client: u32, outcome: Outcome, reply: &Reply) -> Answer {
        let answer = match outcome {
            Outcome::Done(_) => Answer::Reply(value_of(reply)),
            Outcome::Blocked(waiter) => {
                self.waiters.insert(waiter, client);
                Answer::Blocked
            }
        };
        self.collect_woken();
        answer
    }

    fn collect_woken(&mut self) {
        let mut reply = Reply::new();
        while let Some(ready) = self.engine.take_ready(&mut reply) {
            let client = self.waiters.remove(&ready.waiter).expect("only a reader that waits is woken");
            self.woken.push_back((client, value_of(&reply)));
        }
    }
}

/// A reply as a tree. An engine that writes none is at fault.
fn value_of(reply: &Reply) -> Value {
    reply.to_value().unwrap_or_else(|| Value::Simple(b"(no reply at all)".to_vec()))
}

impl Target for EngineTarget {
    fn face(&self) -> Face {
        Face::Engine
    }

    fn reset(&mut self, case: &Case) {
        let mut config = Config::default();
        for (name, value) in &case.settings {
            match name.as_str() {
                "maxmemory" => config.memory_bytes_max = *value,
                "reply-bytes-max" => config.reply_bytes_max = *value as usize,
                "stream-node-max-bytes" => config.node_bytes_max = *value,
                "stream-node-max-entries" => config.node_entries_max = *value,
                "stream-idmp-duration" => config.idmp_duration_s = *value,
                "stream-idmp-maxsize" => config.idmp_entries_max = *value,
                _ => panic!("no such setting: {name}"),
            }
        }
        *self = EngineTarget { engine: Engine::new(config), ..EngineTarget::new() };
    }

    fn call(&mut self, client: u32, argv: &Argv, _may_block: bool) -> Answer {
        let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
        let mut reply = Reply::new();
        let outcome = self.engine.call(self.now_ms, self.session(client), &argv, &mut reply);
        self.answer(client, outcome, &reply)
    }

    fn exec(&mut self, batch: &[Argv]) -> Answer {
        let batch: Vec<Vec<&[u8]>> = batch.iter().map(|argv| argv.iter().map(Vec::as_slice).collect()).collect();
        let batch: Vec<&[&[u8]]> = batch.iter().map(Vec::as_slice).collect();
        let mut reply = Reply::new();
        let outcome = self.engine.exec(self.now_ms, self.session(1), &batch, &mut reply);
        self.answer(1, outcome, &reply)
    }

    fn woken(&mut self, _client: u32) -> Option<(u32, Value)> {
        self.woken.pop_front()
    }

    fn cancel(&mut self, client: u32) {
        let waiter = self.waiters.iter().find(|(_, of)| **of == client).map(|(waiter, _)| *waiter);
        let waiter = waiter.unwrap_or_else(|| panic!("client {client} does not wait"));
        assert!(self.engine.cancel(waiter), "a client that waits can go away");
        assert!(!self.engine.cancel(waiter), "but only once");
        self.waiters.remove(&waiter);
    }

    fn set_clock(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.engine.advance(now_ms);
        self.collect_woken();
    }

    fn pass_time(&mut self, duration_ms: u64) {
        self.set_clock(self.now_ms + duration_ms);
    }

    fn select(&mut self, database: u8) {
        self.database = database;
    }

    fn fault(&mut self, waiting: &BTreeSet<u32>, wake_follows: bool) -> Option<String> {
        if let Err(breach) = self.engine.validate() {
            return Some(format!("an invariant is broken: {breach}"));
        }
        if let (Some((client, reply)), false) = (self.woken.front(), wake_follows) {
            return Some(format!("client {client} was woken with {}", describe(reply)));
        }
        let woken = self.woken.iter().map(|(client, _)| client);
        let blocked: BTreeSet<u32> = self.waiters.values().chain(woken).copied().collect();
        (blocked != *waiting).then(|| format!("the clients {blocked:?} wait, and not {waiting:?}"))
    }
}

/// A real server.
pub(crate) struct ServerTarget {
    address: String,
    protocol: Protocol,
    control: RespClient,
    clients: BTreeMap<u32, RespClient>,
    waiting: BTreeSet<u32>,
    changed: Vec<String>,
}

impl ServerTarget {
    /// Connects to a server.
    pub(crate) fn connect(address: &str, protocol: Protocol) -> ServerTarget {
        let connect = RespClient::connect(address, protocol);
        let control = connect.unwrap_or_else(|error| panic!("no server at {address}: {error}"));
        let (clients, waiting) = (BTreeMap::new(), BTreeSet::new());
        // A run that was cut short may have left any of these changed.
        let changed = ["maxmemory", "stream-node-max-bytes", "stream-node-max-entries"].map(String::from).to_vec();
        ServerTarget { address: address.into(), protocol, control, clients, waiting, changed }
    }

    /// The server's version.
    pub(crate) fn version(&mut self) -> Version {
        let version = self.info("server", "redis_version:");
        parse_version(&version).unwrap_or_else(|fault| panic!("{fault}"))
    }

    fn info(&mut self, section: &str, field: &str) -> String {
        let Ok(Value::Bulk(text)) = self.control.call(&["INFO", section]) else { panic!("INFO answers with text") };
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        line.unwrap_or_else(|| panic!("INFO tells {field}")).to_string()
    }

    fn blocked_clients(&mut self) -> usize {
        self.info("clients", "blocked_clients:").parse().expect("a count")
    }

    /// Waits until so many clients are blocked; false if that does not come.
    fn settles_at(&mut self, blocked: usize) -> bool {
        let start = Instant::now();
        while self.blocked_clients() != blocked {
            if start.elapsed() > PATIENCE {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        true
    }

    fn control(&mut self, argv: &[&str]) {
        let reply = self.control.call(argv).unwrap_or_else(|error| panic!("{argv:?}: {error}"));
        if let Value::Error(line) = reply {
            panic!("{argv:?}: {}", line.escape_ascii());
        }
    }

    fn client(&mut self, client: u32) -> &mut RespClient {
        let connect = || RespClient::connect(&self.address, self.protocol).expect("a connection");
        self.clients.entry(client).or_insert_with(connect)
    }
}

impl Target for ServerTarget {
    fn face(&self) -> Face {
        match self.protocol {
            Protocol::Resp2 => Face::Resp2,
            Protocol::Resp3 => Face::Resp3,
        }
    }

    fn reset(&mut self, case: &Case) {
        self.clients.clear();
        self.waiting.clear();
        assert!(self.settles_at(0), "another client of this server is blocked");
        for name in std::mem::take(&mut self.changed) {
            let default = SETTINGS.iter().find(|(setting, _)| *setting == name).expect("a known setting").1;
            self.control(&["CONFIG", "SET", &name, &default.to_string()]);
        }
        self.control(&["FLUSHALL"]);
        for (name, value) in &case.settings {
            self.control(&["CONFIG", "SET", name, &value.to_string()]);
            self.changed.push(name.clone());
        }
    }

    fn call(&mut self, client: u32, argv: &Argv, may_block: bool) -> Answer {
        let connection = self.client(client);
        connection.send(argv).expect("a command can be sent");
        if may_block && self.settles_at(self.waiting.len() + 1) {
            self.waiting.insert(client);
            return Answer::Blocked;
        }
        Answer::Reply(self.client(client).receive().unwrap_or_else(|error| panic!("client {client}: {error}")))
    }

    fn exec(&mut self, batch: &[Argv]) -> Answer {
        let word = |word: &str| vec![word.as_bytes().to_vec()];
        let commands: Vec<Argv> = [&[word("MULTI")], batch, &[word("EXEC")]].concat();
        let replies = self.client(1).pipeline(&commands);
        Answer::Reply(replies.expect("a transaction is answered").pop().expect("a reply to EXEC"))
    }

    fn woken(&mut self, client: u32) -> Option<(u32, Value)> {
        let reply = self.client(client).receive_within(PATIENCE).expect("a connection that lives")?;
        self.waiting.remove(&client);
        Some((client, reply))
    }

    fn cancel(&mut self, client: u32) {
        self.clients.remove(&client);
        self.waiting.remove(&client);
        assert!(self.settles_at(self.waiting.len()), "a client that goes away waits no more");
    }

    fn set_clock(&mut self, _now_ms: u64) {
        panic!("the clock of a server cannot be set: the case needs the line `engine`");
    }

    fn pass_time(&mut self, duration_ms: u64) {
        assert!(duration_ms <= SLEEP_MS_MAX, "a case that lets {duration_ms} ms pass needs the line `engine`");
        thread::sleep(Duration::from_millis(duration_ms));
    }

    fn select(&mut self, database: u8) {
        self.client(1).call(&["SELECT", &database.to_string()]).expect("SELECT answers");
    }

    fn fault(&mut self, waiting: &BTreeSet<u32>, wake_follows: bool) -> Option<String> {
        if wake_follows || (waiting.is_empty() && self.waiting.is_empty()) {
            return None;
        }
        for client in waiting {
            let arrived =
                self.client(*client).receive_within(Duration::from_millis(1)).expect("a connection that lives");
            if let Some(reply) = arrived {
                self.waiting.remove(client);
                return Some(format!("client {client} was woken with {}", describe(&reply)));
            }
        }
        let blocked = self.blocked_clients();
        (blocked != waiting.len()).then(|| format!("{blocked} clients wait, and not {waiting:?}"))
    }
}
