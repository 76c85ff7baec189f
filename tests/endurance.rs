//! What a store costs in the long run: how much is written for each byte of effects, how much is kept for what is there, and
//! what a storage that stalls costs in memory. The clock is virtual.
//!
//! `BROOKLET_ENDURANCE_MB` says how many megabytes are added; the long run takes 500.
#![allow(dead_code, reason = "each test program uses its part of the support files")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/history.rs"]
mod history;
#[path = "support/host.rs"]
mod host;
#[path = "support/sequences.rs"]
mod sequences;
#[path = "support/storage.rs"]
mod storage;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use brooklet::Config;
use brooklet::persist::{RecoveryConfig, StoreConfig};

use host::{Host, START_MS};
use random::Random;
use sequences::*;
use steps::number_from_environment;
use storage::{Job, MemoryStorage, Work};

const MEGABYTE: u64 = 1 << 20;

/// The system's allocator, which counts what is live, for each thread by itself.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(freed: usize, taken: usize) {
    LIVE.set(LIVE.get() - freed as isize + taken as isize);
    PEAK.set(PEAK.get().max(LIVE.get()));
}

#[allow(unsafe_code, reason = "an allocator cannot be written without; every call is handed on as it came")]
// SAFETY: each function passes its arguments to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(0, layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), 0);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout.size(), size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn open(storage: MemoryStorage) -> Host {
    let opened = Host::open(storage, Config::default(), StoreConfig::default(), RecoveryConfig::new(7), START_MS);
    opened.expect("it opens").0
}

/// A value of a hundred bytes that nobody can compress.
fn value(random: &mut Random) -> String {
    (0..100).map(|_| char::from(b'!' + random.below(90) as u8)).collect()
}

/// The bytes that a request has written.
fn bytes_of(work: &Work) -> u64 {
    let all = |values: &[(u64, storage::Bytes)]| values.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    match work {
        Work::Append { chunks, .. } => all(chunks),
        Work::PutParts { parts, .. } => all(parts),
        Work::Flip { manifest, .. } => manifest.len() as u64,
        _ => 0,
    }
}

#[test]
fn what_is_added_is_written_twice_at_most() {
    let megabytes = number_from_environment("BROOKLET_ENDURANCE_MB").unwrap_or(50);
    let mut random = Random::new(1);
    let mut host = open(MemoryStorage::default());
    let (mut added, mut written) = (0, 0);
    while added < megabytes * MEGABYTE {
        for _ in 0..200 {
            let line = format!("XADD s * sensor {}", value(&mut random));
            host.run(&line);
        }
        host.now_ms += 4;
        // Nothing is under way: all that is unwritten was added now.
        added += host.store.unwritten_bytes() as u64;
        written += host.pump_counting(&mut |job| bytes_of(&job.work));
    }
    let status = host.store.status();
    println!("{added} bytes of effects, {written} bytes written, {} snapshots", status.snapshots);
    assert!(status.snapshots > 15, "{} snapshots", status.snapshots);
    assert!(written <= 2 * added, "{written} bytes are written for {added}");
}

/// Entries come and go, and all of a sudden most of them are gone: what is stored follows.
#[test]
fn what_is_kept_is_bounded_by_what_is_there() {
    let mut random = Random::new(2);
    let mut host = open(MemoryStorage::default());
    for round in 0..30 {
        for _ in 0..random.below(40) {
            for _ in 0..500 {
                host.run(&format!("XADD s{} * sensor {}", random.below(4), value(&mut random)));
            }
            host.now_ms += 10;
            host.pump();
        }
        match random.below(6) {
            0 => drop(host.run("DEL s0")),
            1 => drop(host.run("XTRIM s1 MAXLEN 100")),
            2 => drop(host.run("XTRIM s2 MAXLEN 10")),
            3 => drop(host.run("FLUSHALL")),
            _ => {}
        }
        host.settle();
        let stored = host.storage.bytes() as u64;
        let mut fresh = open(host.storage.clone());
        fresh.settle();
        fresh.store.compact();
        fresh.settle();
        let live = fresh.store.status().parts_bytes;
        let state_hash = host.engine.state_hash();
        assert_eq!(fresh.engine.state_hash(), state_hash, "round {round}");
        assert!(stored <= 3 * live + 2 * MEGABYTE, "round {round}: {stored} bytes are stored for {live}");
    }
    assert!(host.store.status().snapshots > 20, "{:?}", host.store.status());
}

/// Fifty thousand events a second, and for ten seconds the storage says nothing, a snapshot being under way.
#[test]
fn a_storage_that_stalls_costs_little_and_loses_nothing() {
    const EVENTS_EACH_MS: u64 = 50;
    let mut random = Random::new(3);
    let mut host = open(MemoryStorage::default());
    let mut run = |host: &mut Host, count: u64| {
        for _ in 0..count {
            host.run(&format!("XADD s MAXLEN ~ 20000 * sensor {}", value(&mut random)));
        }
    };
    for _ in 0..1000 {
        run(&mut host, EVENTS_EACH_MS);
        host.now_ms += 1;
        host.pump();
    }
    host.store.compact();
    assert!(host.run_until("PutParts"));
    host.perform_kept();
    let before = LIVE.get();
    PEAK.set(before);
    let (mut stalled, mut waited, mut refused) = (Vec::new(), 0, 0);
    for _ in 0..10_000 {
        // Whoever can wait waits when the store is busy; the others go on until it is overloaded.
        for event in 0..EVENTS_EACH_MS {
            if host.store.is_overloaded() {
                refused += 1;
            } else if host.store.is_busy() && event % 2 == 0 {
                waited += 1;
            } else {
                run(&mut host, 1);
            }
        }
        host.now_ms += 1;
        while let Some(request) = host.ask() {
            stalled.push(Job::new(&host.store, &request));
        }
        if host.store.wants_time() {
            host.store.work(&mut host.engine, host.now_ms);
        }
    }
    let stalled_bytes: u64 = stalled.iter().map(|job| bytes_of(&job.work)).sum();
    let cost = PEAK.get() - before;
    println!("{cost} bytes at most, {waited} events waited, {refused} were refused, {stalled_bytes} were under way");
    assert!(waited > 0 && refused > 0, "the stall was not long enough to show anything");
    assert!(cost <= 24 * MEGABYTE as isize, "{cost} bytes");
    for job in stalled {
        host.execute(&job);
    }
    host.settle();
    assert_eq!((host.store.durable(), host.store.refusal()), (host.engine.position(), None));
    let state_hash = host.engine.state_hash();
    host.storage.lose_power(0);
    assert_eq!(open(host.storage).engine.state_hash(), state_hash);
}
