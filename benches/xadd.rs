//! How fast entries are appended one at a time, with how many allocations, and whether that depends on how many there
//! are already. Beside it, for scale, what redis-benchmark says of XADD on a real server over loopback.

#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a failed benchmark may panic")]

mod support;

use support::engine::{Bench, argv};
use support::measure::Rounds;
use support::server::Server;
use support::shapes::{self, Request};
use support::{allocator, table};

const RATE_TARGET: f64 = 5e6;
const FLAT_TARGET: f64 = 1.2;

/// Calls in one round. A round takes about a millisecond: most rounds then fit between two interruptions by others.
const CALLS: usize = 5_000;

/// How many rounds the rates take, and how long their streams are.
const RATE_ROUNDS: usize = 201;
const RATE_SIZE: usize = 100_000;

/// How many rounds each size takes, and the sizes.
const FLAT_ROUNDS: usize = 61;
const FLAT_SIZES: [usize; 4] = [10_000, 100_000, 1_000_000, 10_000_000];

/// How many appends share a millisecond.
const CALLS_PER_MS: usize = 1000;

/// How many appends go by between two times that the journal is taken.
const CALLS_PER_TAKE: usize = 500;

fn main() {
    let requests = Requests::new();
    print_rates(&requests);
    print_flatness(&requests);
}

/// Requests whose ID is `*`, to be sent again and again.
struct Requests {
    words: Vec<Request>,
}

impl Requests {
    fn new() -> Requests {
        let mut words = shapes::small_requests(4096);
        words.iter_mut().for_each(|request| request[2] = b"*".to_vec());
        Requests { words }
    }

    fn argvs(&self) -> Vec<Vec<&[u8]>> {
        self.words.iter().map(|words| argv(words)).collect()
    }
}

/// Appends `calls` entries. With `effects`, the journal is taken into it now and then and thrown away.
fn append(bench: &mut Bench, argvs: &[Vec<&[u8]>], calls: usize, mut effects: Option<&mut Vec<u8>>) {
    for (number, argv) in argvs.iter().cycle().take(calls).enumerate() {
        bench.now_ms += u64::from(number % CALLS_PER_MS == 0);
        bench.call(argv);
        if let Some(effects) = &mut effects
            && number % CALLS_PER_TAKE == 0
        {
            effects.clear();
            bench.engine.take_effects(effects);
        }
    }
}

fn print_rates(requests: &Requests) {
    let argvs = requests.argvs();
    let kinds = [("in memory", false), ("journal on, taken every 500 calls", true)];
    let mut benches = kinds.map(|(_, journal)| {
        let (mut bench, mut effects) = (Bench::new(journal), Vec::new());
        append(&mut bench, &argvs, RATE_SIZE, journal.then_some(&mut effects));
        (bench, effects, Rounds::default(), 0)
    });
    for _ in 0..RATE_ROUNDS {
        for (bench, effects, rounds, allocations) in &mut benches {
            let journal = bench.engine.config().journal;
            let before = allocator::calls();
            rounds.measure(CALLS, || append(bench, &argvs, CALLS, journal.then_some(effects)));
            *allocations += allocator::calls() - before;
            bench.run(&["XTRIM", shapes::KEY, "MAXLEN", "=", &RATE_SIZE.to_string()]);
        }
    }
    let mut rows = Vec::new();
    for ((name, _), (_, _, rounds, allocations)) in kinds.iter().zip(&benches) {
        let [median, spread, least] = rounds.cells();
        let per_call = *allocations as f64 / (CALLS * RATE_ROUNDS) as f64;
        rows.push(vec![
            format!("XADD, {name}"),
            median,
            spread,
            least,
            format!("{:.2} M/s", rounds.per_second() / 1e6),
            format!("{per_call:.4}"),
            format!(">= 5 M/s: {}", table::verdict(rounds.per_second() >= RATE_TARGET)),
        ]);
    }
    if let Some(server) = Server::from_environment() {
        rows.extend([(1, 50_000), (100, 1_000_000)].into_iter().filter_map(|each| redis_row(&server, each)));
    }
    let head = ["4 small fields, one at a time", "ns", "spread", "best tenth", "rate", "allocations a call", "target"];
    table::print("Rate of XADD", &head, &rows);
}

/// What redis-benchmark reaches with its fifty connections.
fn redis_row(server: &Server, (pipeline, calls): (usize, usize)) -> Option<Vec<String>> {
    let command = "XADD bench * user u1234 action click item 3fa2c count 17";
    let words: Vec<&str> = command.split(' ').collect();
    let rate = server.benchmark(calls, pipeline, &words)?;
    Some(vec![
        format!("redis-benchmark -P {pipeline}"),
        format!("{:.0}", 1e9 / rate),
        String::new(),
        String::new(),
        format!("{:.2} M/s", rate / 1e6),
        String::new(),
        String::from("for scale"),
    ])
}

/// Appends to streams of several sizes in turn, each cut back to its size after its round.
fn print_flatness(requests: &Requests) {
    let argvs = requests.argvs();
    let mut benches = FLAT_SIZES.map(|size| {
        let mut bench = Bench::new(false);
        append(&mut bench, &argvs, size, None);
        (size, bench, Rounds::default())
    });
    for _ in 0..FLAT_ROUNDS {
        for (size, bench, rounds) in &mut benches {
            // One untimed batch brings this stream's memory back into the caches that the others have used.
            append(bench, &argvs, CALLS, None);
            rounds.measure(CALLS, || append(bench, &argvs, CALLS, None));
            bench.run(&["XTRIM", shapes::KEY, "MAXLEN", "=", &size.to_string()]);
        }
    }
    let cheapest_ns = benches.iter().map(|(_, _, rounds)| rounds.median_ns()).fold(f64::INFINITY, f64::min);
    let mut rows = Vec::new();
    for (size, bench, rounds) in &mut benches {
        bench.run(&["XLEN", shapes::KEY]);
        assert_eq!(bench.integer(), *size as i64, "the stream keeps its size");
        let [median, spread, least] = rounds.cells();
        let ratio = rounds.median_ns() / cheapest_ns;
        let verdict = format!("<= {FLAT_TARGET}: {}", table::verdict(ratio <= FLAT_TARGET));
        rows.push(vec![size.to_string(), median, spread, least, format!("{ratio:.2}"), verdict]);
    }
    let head = ["entries in the stream", "ns", "spread", "best tenth", "to the cheapest", "target"];
    table::print("Cost of one XADD by size of the stream", &head, &rows);
}
