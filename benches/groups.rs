//! How long it takes to hand entries to a consumer and take them back, to claim what another one left, and to read a
//! range. Every string of every reply is read. Beside it, for scale, a real server over loopback, asked in pipelines by a
//! client that builds a tree of each reply.

#![allow(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a failed benchmark may panic")]

mod support;

use std::hint::black_box;

use brooklet::EntryId;

use support::engine::{Bench, argv};
use support::measure::Rounds;
use support::server::{Server, read_strings};
use support::shapes::{self, KEY, Request};
use support::table;

const ENTRIES: usize = 100_000;
const BATCH: usize = 100;

/// How often each job goes over all entries.
const WALKS: usize = 5;

/// Calls in one round: a round then takes less than a millisecond, and most fit between two interruptions by others.
const CALLS: usize = 10;

/// Rounds in which a job goes over all entries.
const ROUNDS: usize = ENTRIES / BATCH / CALLS;

/// The jobs, in the order in which they run in each walk.
const JOBS: [&str; 6] = [
    "XREADGROUP COUNT 100",
    "XACK of 100",
    "both",
    "XAUTOCLAIM COUNT 100",
    "XAUTOCLAIM COUNT 1000",
    "XRANGE COUNT 100",
];

fn main() {
    let requests = shapes::small_requests(ENTRIES);
    let mut bench = Bench::new(false);
    requests.iter().for_each(|request| bench.call(&argv(request)));
    let mut server = Server::from_environment();
    if let Some(server) = &mut server {
        server.pipeline(&requests, |_| {});
    }
    let (mut ours, mut theirs) = (Times::default(), Times::default());
    for _ in 0..WALKS {
        measure_engine(&mut bench, &mut ours);
        if let Some(server) = &mut server {
            measure_server(server, &requests, &mut theirs);
        }
    }
    let rows = JOBS.iter().enumerate().map(|(job, name)| {
        let [median, spread, least] = ours.0[job].cells();
        let mut row = vec![String::from(*name), median, spread, least];
        row.extend(match server {
            Some(_) => {
                let ratio = theirs.0[job].median_ns() / ours.0[job].median_ns();
                [format!("{:.0}", theirs.0[job].median_ns()), format!("{ratio:.1}")]
            }
            None => [String::new(), String::new()],
        });
        row
    });
    let head = [
        "100,000 entries of 4 small fields",
        "ns an entry",
        "spread",
        "best tenth",
        "Redis over loopback",
        "times as long",
    ];
    table::print("Groups and ranges", &head, &rows.collect::<Vec<_>>());
}

/// The times of each job.
#[derive(Default)]
struct Times([Rounds; JOBS.len()]);

fn measure_engine(bench: &mut Bench, times: &mut Times) {
    let [read, ack, both, claim_small, claim_large, range] = &mut times.0;
    let mut ids = Vec::new();

    recreate_group(bench);
    let mut delivered = Vec::with_capacity(ENTRIES / BATCH);
    for _ in 0..ROUNDS {
        read.measure(CALLS * BATCH, || {
            for _ in 0..CALLS {
                read_batch(bench, &mut ids);
                delivered.push(ids.clone());
            }
        });
    }
    for delivered in delivered.chunks(CALLS) {
        ack.measure(CALLS * BATCH, || delivered.iter().for_each(|ids| ack_batch(bench, ids)));
    }

    recreate_group(bench);
    for _ in 0..ROUNDS {
        both.measure(CALLS * BATCH, || {
            for _ in 0..CALLS {
                read_batch(bench, &mut ids);
                ack_batch(bench, &ids);
            }
        });
    }

    recreate_group(bench);
    (0..ENTRIES / BATCH).for_each(|_| read_batch(bench, &mut ids));
    claim_all(bench, "b", 100, claim_small);
    claim_all(bench, "c", 1000, claim_large);

    let mut start = String::from("-");
    for _ in 0..ROUNDS {
        range.measure(CALLS * BATCH, || {
            for _ in 0..CALLS {
                bench.run(&["XRANGE", KEY, &start, "+", "COUNT", "100"]);
                black_box(bench.read_entries(&mut ids));
                assert_eq!(ids.len(), BATCH);
                start = format!("({}", ids[BATCH - 1].to_text().as_str());
            }
        });
    }
}

fn recreate_group(bench: &mut Bench) {
    bench.run(&["XGROUP", "DESTROY", KEY, "group"]);
    bench.run(&["XGROUP", "CREATE", KEY, "group", "0"]);
}

fn read_batch(bench: &mut Bench, ids: &mut Vec<EntryId>) {
    bench.call(&[b"XREADGROUP", b"GROUP", b"group", b"a", b"COUNT", b"100", b"STREAMS", KEY.as_bytes(), b">"]);
    black_box(bench.read_entries(ids));
    assert_eq!(ids.len(), BATCH);
}

fn ack_batch(bench: &mut Bench, ids: &[EntryId]) {
    let texts: Vec<_> = ids.iter().map(|id| id.to_text()).collect();
    let head: [&[u8]; 3] = [b"XACK", KEY.as_bytes(), b"group"];
    let argv: Vec<&[u8]> = head.into_iter().chain(texts.iter().map(|text| text.as_bytes())).collect();
    bench.call(&argv);
    assert_eq!(bench.integer(), BATCH as i64);
}

/// Claims every pending entry, page by page, as a worker does that takes over for others.
fn claim_all(bench: &mut Bench, consumer: &str, page: usize, rounds: &mut Rounds) {
    bench.now_ms += 1;
    let (mut start, mut ids) = (EntryId::MIN, Vec::new());
    let count = page.to_string();
    for _ in 0..ENTRIES / page {
        rounds.measure(page, || {
            let from = start.to_text();
            bench.run(&["XAUTOCLAIM", KEY, "group", consumer, "0", from.as_str(), "COUNT", &count]);
            black_box(bench.read_entries(&mut ids));
        });
        // The first ID is where to go on.
        assert_eq!(ids.len(), 1 + page);
        start = ids[0];
    }
    assert_eq!(start, EntryId::MIN, "all were looked at");
}

/// The same jobs on the server, ten calls in a pipeline.
fn measure_server(server: &mut Server, requests: &[Request], times: &mut Times) {
    let [read, ack, both, claim_small, claim_large, range] = &mut times.0;
    let reads =
        vec![words(&["XREADGROUP", "GROUP", "group", "a", "COUNT", "100", "STREAMS", KEY, ">"]); ENTRIES / BATCH];
    let acks: Vec<Request> = requests.chunks(BATCH).map(ack_request).collect();

    recreate_server_group(server);
    send(server, &reads, CALLS, BATCH, read);
    send(server, &acks, CALLS, BATCH, ack);

    recreate_server_group(server);
    let mixed: Vec<Request> = reads.iter().zip(&acks).flat_map(|(read, ack)| [read.clone(), ack.clone()]).collect();
    // Each entry is in two calls here.
    send(server, &mixed, 2 * CALLS, BATCH / 2, both);

    recreate_server_group(server);
    send(server, &reads, CALLS, BATCH, &mut Rounds::default());
    for (rounds, page, consumer) in [(claim_small, 100, "b"), (claim_large, 1000, "c")] {
        send(
            server,
            &pages(requests, page, |start, count| {
                words(&["XAUTOCLAIM", KEY, "group", consumer, "0", start, "COUNT", count])
            }),
            CALLS * BATCH / page,
            page,
            rounds,
        );
    }
    send(
        server,
        &pages(requests, BATCH, |start, count| words(&["XRANGE", KEY, start, "+", "COUNT", count])),
        CALLS,
        BATCH,
        range,
    );
}

/// A request for each page. All IDs are known beforehand, so no page has to wait for the one before.
fn pages(requests: &[Request], page: usize, request: impl Fn(&str, &str) -> Request) -> Vec<Request> {
    let starts = requests.chunks(page).map(|entries| String::from_utf8_lossy(&entries[0][2]));
    starts.map(|start| request(&start, &page.to_string())).collect()
}

fn recreate_server_group(server: &mut Server) {
    server.call(&["XGROUP", "DESTROY", KEY, "group"]);
    server.call(&["XGROUP", "CREATE", KEY, "group", "0"]);
}

fn ack_request(entries: &[Request]) -> Request {
    let head = words(&["XACK", KEY, "group"]);
    head.into_iter().chain(entries.iter().map(|entry| entry[2].clone())).collect()
}

fn words(words: &[&str]) -> Request {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// Sends `calls` requests at a time, each about `entries` entries, and reads what they answer.
fn send(server: &mut Server, requests: &[Request], calls: usize, entries: usize, rounds: &mut Rounds) {
    for batch in requests.chunks(calls) {
        rounds.measure(calls * entries, || {
            server.pipeline(batch, |reply| {
                black_box(read_strings(&reply));
            });
        });
    }
}
