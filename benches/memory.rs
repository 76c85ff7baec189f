//! How many bytes entries and pending entries take, counted at the allocator, beside what MEMORY USAGE says of the very
//! same data on a real server.

#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a failed benchmark may panic")]

mod support;

use brooklet::Reply;

use support::allocator::{self, bytes_of};
use support::engine::{Bench, argv};
use support::random::Random;
use support::server::Server;
use support::shapes::{self, KEY, Request, SHAPES, Shape};
use support::table;

const STREAMS: usize = 10_000;
const STREAMS_TARGET: f64 = 1.0;

/// Numbers of pending entries: a round one, and one right above a power of two, where a doubling vector is half empty.
const PENDING: [usize; 2] = [100_000, 1_100_000];
const PENDING_TARGET: f64 = 56.0;
const CONSUMERS: usize = 10;
const BATCH: usize = 100;

fn main() {
    let mut server = Server::from_environment();
    print_entries(&mut server);
    print_pending(&mut server);
}

/// The bytes of an entry on a server, by two accounts: MEMORY USAGE, which adds an estimate for its tree of nodes, and
/// what the whole server took from its allocator.
#[derive(Clone, Copy)]
struct Theirs {
    usage: f64,
    used: f64,
}

fn print_entries(server: &mut Option<Server>) {
    let mut rows: Vec<Vec<String>> = SHAPES.iter().map(|shape| shape_row(shape, server)).collect();
    rows.push(streams_row(server));
    let head = ["data", "entries", "bytes each", "MEMORY USAGE", "used_memory", "ratio to the smaller", "target"];
    table::print("Bytes of an entry", &head, &rows);
}

fn shape_row(shape: &Shape, server: &mut Option<Server>) -> Vec<String> {
    let requests = shape.requests();
    let keys = [String::from(KEY)];
    let theirs = server.as_mut().map(|server| server_bytes(server, &requests, &keys));
    row(shape.name, shape.target, &requests, theirs)
}

fn streams_row(server: &mut Option<Server>) -> Vec<String> {
    let mut requests = shapes::small_requests(STREAMS);
    let keys: Vec<String> = (0..STREAMS).map(|number| format!("stream:{number}")).collect();
    for (request, key) in requests.iter_mut().zip(&keys) {
        request[1] = key.clone().into_bytes();
    }
    let theirs = server.as_mut().map(|server| server_bytes(server, &requests, &keys));
    row("10,000 streams of one entry", STREAMS_TARGET, &requests, theirs)
}

/// The target is a share of whichever account of the server is smaller.
fn row(name: &str, target: f64, requests: &[Request], theirs: Option<Theirs>) -> Vec<String> {
    let ours = engine_bytes(requests) / requests.len() as f64;
    let mut row = vec![name.into(), requests.len().to_string(), format!("{ours:.1}")];
    match theirs {
        Some(Theirs { usage, used }) => {
            let ratio = ours / usage.min(used);
            row.extend([format!("{usage:.1}"), format!("{used:.1}"), format!("{ratio:.3}")]);
            row.push(format!("<= {target}: {}", table::verdict(ratio <= target)));
        }
        None => row.extend(["".into(), "".into(), "".into(), format!("<= {target}")]),
    }
    row
}

/// What an engine holds after these requests, and did not hold before.
fn engine_bytes(requests: &[Request]) -> f64 {
    let mut bench = Bench::new(false);
    let ((), bytes) = bytes_of(|| {
        requests.iter().for_each(|request| bench.call(&argv(request)));
        bench.reply = Reply::new();
    });
    bytes as f64
}

fn server_bytes(server: &mut Server, requests: &[Request], keys: &[String]) -> Theirs {
    server.call(&["FLUSHALL"]);
    let before = server.used_memory();
    server.pipeline(requests, |_| {});
    let used = server.used_memory() - before;
    let usage: i64 = keys.iter().map(|key| server.memory_usage(key)).sum();
    let each = |bytes: i64| bytes as f64 / requests.len() as f64;
    Theirs { usage: each(usage), used: each(used) }
}

fn print_pending(server: &mut Option<Server>) {
    let mut rows = Vec::new();
    for count in PENDING {
        let (delivered, claimed) = engine_pending(count);
        let theirs = server.as_mut().map(|server| server_pending(server, count));
        for (what, bytes) in [("delivered in order", delivered), ("after random claims", claimed)] {
            let target = format!("<= {PENDING_TARGET}: {}", table::verdict(bytes <= PENDING_TARGET));
            let mut row = vec![count.to_string(), what.into(), format!("{bytes:.1}")];
            row.extend(match theirs.filter(|_| what == "delivered in order") {
                Some(Theirs { usage, used }) => [format!("{usage:.0}"), format!("{used:.0}")],
                None => [String::new(), String::new()],
            });
            row.push(target);
            rows.push(row);
        }
    }
    let head =
        ["pending entries", "10 consumers, batches of 100", "bytes each", "MEMORY USAGE", "used_memory", "target"];
    table::print("Bytes of a pending entry", &head, &rows);
}

/// The bytes of a pending entry right after delivery, and after as many claims as there are entries.
fn engine_pending(count: usize) -> (f64, f64) {
    let mut bench = Bench::new(false);
    let requests = shapes::tiny_requests(count);
    requests.iter().for_each(|request| bench.call(&argv(request)));
    bench.run(&["XGROUP", "CREATE", KEY, "group", "0"]);
    let before = held(&mut bench);
    for batch in 0..count / BATCH {
        bench.now_ms += 1;
        bench.call(&argv(&read_request(batch)));
    }
    let delivered = held(&mut bench) - before;
    let mut random = Random::new(3);
    for number in 0..count {
        bench.now_ms += u64::from(number % BATCH == 0);
        let consumer = format!("consumer-{}", random.below(CONSUMERS as u64));
        let id = &requests[random.below(count as u64) as usize][2];
        bench.call(&[b"XCLAIM", KEY.as_bytes(), b"group", consumer.as_bytes(), b"0", id, b"JUSTID"]);
    }
    let claimed = held(&mut bench) - before;
    (delivered as f64 / count as f64, claimed as f64 / count as f64)
}

/// What the engine holds, without the reply.
fn held(bench: &mut Bench) -> i64 {
    bench.reply = Reply::new();
    allocator::bytes()
}

fn server_pending(server: &mut Server, count: usize) -> Theirs {
    server.call(&["FLUSHALL"]);
    server.pipeline(&shapes::tiny_requests(count), |_| {});
    server.call(&["XGROUP", "CREATE", KEY, "group", "0"]);
    let before = (server.memory_usage(KEY), server.used_memory());
    let reads: Vec<Request> = (0..count / BATCH).map(read_request).collect();
    // Short pipelines: what waits to be sent would count as memory in use.
    reads.chunks(10).for_each(|reads| server.pipeline(reads, |_| {}));
    let after = (server.memory_usage(KEY), server.used_memory());
    let each = |bytes: i64| bytes as f64 / count as f64;
    Theirs { usage: each(after.0 - before.0), used: each(after.1 - before.1) }
}

/// The consumers read in turn.
fn read_request(batch: usize) -> Request {
    let consumer = format!("consumer-{}", batch % CONSUMERS);
    let words = ["XREADGROUP", "GROUP", "group", &consumer, "COUNT", &BATCH.to_string(), "STREAMS", KEY, ">"];
    words.map(|word| word.as_bytes().to_vec()).into()
}
