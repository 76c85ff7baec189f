//! The real Redis server beside which things are measured, if the variable BROOKLET_REDIS (`host:port`) names one. The
//! server is emptied.

use std::process::Command;

use brooklet::{Protocol, Value};

use super::resp_client::RespClient;
use super::shapes::Request;

/// How many commands go out before their replies are read.
const PIPELINE: usize = 1000;

/// A connection to the server.
pub(crate) struct Server {
    client: RespClient,
    address: String,
}

impl Server {
    /// The server, emptied; `None`, with a line that says so, if there is none.
    pub(crate) fn from_environment() -> Option<Server> {
        let Ok(address) = std::env::var("BROOKLET_REDIS") else {
            println!("No BROOKLET_REDIS: nothing is measured beside Redis. (`cargo xtask bench` starts a server.)\n");
            return None;
        };
        let client = RespClient::connect(&address, Protocol::Resp2).expect("the server at BROOKLET_REDIS answers");
        let mut server = Server { client, address };
        server.call(&["FLUSHALL"]);
        Some(server)
    }

    /// Runs one command.
    pub(crate) fn call(&mut self, words: &[&str]) -> Value {
        let reply = self.client.call(words).expect("the server answers");
        assert!(!matches!(reply, Value::Error(_)), "{words:?}: {reply:?}");
        reply
    }

    /// Runs one command that answers with a number.
    pub(crate) fn integer(&mut self, words: &[&str]) -> i64 {
        match self.call(words) {
            Value::Integer(value) => value,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    /// What MEMORY USAGE says of a key, all of its parts looked at.
    pub(crate) fn memory_usage(&mut self, key: &str) -> i64 {
        self.integer(&["MEMORY", "USAGE", key, "SAMPLES", "0"])
    }

    /// The bytes the whole server has taken from its allocator.
    pub(crate) fn used_memory(&mut self) -> i64 {
        let Value::Bulk(text) = self.call(&["INFO", "memory"]) else { panic!("INFO is a text") };
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("used_memory:"));
        line.and_then(|bytes| bytes.parse().ok()).expect("INFO memory says how much is used")
    }

    /// Sends commands in pipelines and hands over each reply.
    pub(crate) fn pipeline(&mut self, commands: &[Request], mut on_reply: impl FnMut(Value)) {
        for batch in commands.chunks(PIPELINE) {
            for reply in self.client.pipeline(batch).expect("the server answers") {
                assert!(!matches!(reply, Value::Error(_)), "{reply:?}");
                on_reply(reply);
            }
        }
    }

    /// What redis-benchmark says of this command, in calls per second. `None` if the program is not installed.
    pub(crate) fn benchmark(&self, calls: usize, pipeline: usize, command: &[&str]) -> Option<f64> {
        let (host, port) = self.address.rsplit_once(':').expect("an address is host:port");
        let (calls, pipeline) = (calls.to_string(), pipeline.to_string());
        let options = ["-h", host, "-p", port, "-n", &calls, "-P", &pipeline, "--csv"];
        let output = Command::new("redis-benchmark").args(options).args(command).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().last()?;
        line.rsplit_once("\",\"").and(line.split("\",\"").nth(1)).and_then(|rate| rate.parse().ok())
    }
}

/// Reads every string of a reply, as a caller would who wants them all.
pub(crate) fn read_strings(value: &Value) -> usize {
    match value {
        Value::Bulk(text) => text.iter().map(|&byte| usize::from(byte)).sum(),
        Value::Array(values) => values.iter().map(read_strings).sum(),
        _ => 0,
    }
}
