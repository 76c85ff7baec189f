//! The store, as whoever drives it sees it: what is asked for when, what follows from each answer, what is left in the
//! storage, and that whoever opens it next finds what was told to be there.
//!
//! `BROOKLET_STORE_SEEDS` says how many random lives of a store are lived, and `BROOKLET_SEED` repeats one.
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

#[path = "store/closing.rs"]
mod closing;
#[path = "store/flips.rs"]
mod flips;
#[path = "store/lives.rs"]
mod lives;
#[path = "store/loading.rs"]
mod loading;
#[path = "store/snapshots.rs"]
mod snapshots;

use brooklet::Config;
use brooklet::persist::{Recovered, RecoveryConfig, StoreConfig, WriterConfig};

use host::{Host, START_MS};
use sequences::*;
use storage::MemoryStorage;

/// Small sizes, so that everything happens soon.
fn small() -> StoreConfig {
    StoreConfig {
        writer: WriterConfig { chunk_bytes_max: 500, ..WriterConfig::default() },
        log_bytes_min: 4000,
        part_bytes_max: 400,
        put_bytes_max: 900,
        work_bytes: 700,
        delete_parts_max: 3,
        ..StoreConfig::default()
    }
}

/// A store that takes no snapshot unless it is asked to.
fn unhurried() -> StoreConfig {
    StoreConfig { log_bytes_min: 1 << 30, log_chunks_max: 1 << 30, ..small() }
}

#[track_caller]
fn open_with(storage: MemoryStorage, config: StoreConfig, now_ms: u64) -> (Host, Recovered) {
    let opened = Host::open(storage, Config::default(), config, RecoveryConfig::new(77), now_ms);
    opened.expect("it opens")
}

#[track_caller]
fn open(storage: MemoryStorage, config: StoreConfig) -> Host {
    open_with(storage, config, START_MS).0
}

/// Adds entries of about a hundred bytes each, no two of which are alike, and all of which become durable.
fn fill(host: &mut Host, entries: u64) {
    for _ in 0..entries {
        let number = host.engine.position().0;
        let value: String =
            (1..5).map(|factor| format!("{:016x}", (number + factor).wrapping_mul(!0 / 7 * 3))).collect();
        host.run(&format!("XADD s * field {value}"));
        host.pump();
    }
    host.store.sync();
    host.pump();
}

/// How often something was asked for.
fn count(host: &Host, name: &str) -> usize {
    host.asked.iter().filter(|asked| *asked == name).count()
}

/// Whoever opens the storage as it is now finds the state that the host has.
#[track_caller]
fn check_recovers(host: &Host) {
    check_stored(&host.storage, host.engine.state_hash());
}

#[track_caller]
fn check_stored(storage: &MemoryStorage, state_hash: u64) {
    let mut storage = storage.clone();
    storage.faults = storage::Faults::default();
    assert_eq!(open(storage, small()).engine.state_hash(), state_hash);
}
