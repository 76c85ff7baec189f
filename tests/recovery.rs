//! Recovery: whatever happened to a storage, opening it gives a state that was acknowledged, or a refusal that says what
//! is wrong and has changed nothing. The rules have the numbers of src/persist/recovery/mod.rs.
//!
//! `BROOKLET_RECOVERY_SEEDS` says how many random histories are damaged, `BROOKLET_SEED` repeats one, and
//! `BROOKLET_CUT_STEP=1` cuts a large log at every byte.
#![allow(dead_code, reason = "each test program uses its part of the support files")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/history.rs"]
mod history;
#[path = "support/sequences.rs"]
mod sequences;
#[path = "support/storage.rs"]
mod storage;

#[path = "recovery/breaks.rs"]
mod breaks;
#[path = "recovery/damaged.rs"]
mod damaged;
#[path = "recovery/failures.rs"]
mod failures;
#[path = "recovery/order.rs"]
mod order;
#[path = "recovery/snapshot.rs"]
mod snapshot;
#[path = "recovery/witness.rs"]
mod witness;

use brooklet::persist::{ChunkCount, Leftovers, Manifest, Recovered, RecoveryConfig};

use history::{History, Moment, Shape};
use sequences::*;
use storage::{Level, MemoryStorage};

const SMALL: Shape = Shape { journal_bytes: 6000, group_bytes: 400, chunk_bytes_max: 300, has_views: false };

/// What a storage opened without trouble says.
fn plain(moment: &Moment, epoch: u64, log: ChunkCount) -> Recovered {
    Recovered {
        tail: moment.tail,
        epoch: Some(epoch),
        units: moment.units,
        clock_ms: moment.base_ms,
        was_clean: false,
        is_new: false,
        losses: Vec::new(),
        is_lossy: false,
        tail_dropped: ChunkCount::default(),
        log,
        manifest: None,
        next_part_id: 0,
        leftovers: Leftovers::default(),
    }
}

fn log_count(storage: &MemoryStorage) -> ChunkCount {
    ChunkCount { chunks: storage.stored.log.len() as u64, bytes: storage.log_bytes() as u64 }
}

fn with_snapshot(history: &History, parts: usize) -> (MemoryStorage, Manifest) {
    history.stored_with_snapshot(&history.moments[history.moments.len() / 2], parts)
}

/// The owner takes over and appends; what it appends is there when the storage is opened once more.
fn check_goes_on(history: &History, storage: &mut MemoryStorage, config: RecoveryConfig, recovered: &Recovered) {
    let again = history.open(storage, config).expect("it was opened before");
    assert_eq!((again.tail, again.is_lossy), (recovered.tail, recovered.is_lossy), "open(open(x)) = open(x)");
    assert_eq!((again.tail_dropped, again.losses), (ChunkCount::default(), Vec::new()));
    let epoch = again.epoch.expect("it was claimed");
    let (mut tail, mut chunks) = (again.tail, Vec::new());
    tail.append_epoch_mark(epoch, 5, &mut chunks).expect("in range");
    storage.append(epoch, Level::Durable, &[(tail.sequence, &chunks[0].bytes)]).expect("the epoch is ours");
    let opened = history::open_into(storage, config, &mut |_| Ok(()));
    assert_eq!(opened.expect("it was opened before").tail, tail);
}
