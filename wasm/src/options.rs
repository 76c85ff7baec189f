//! The few options of a door, and what it counts.
//!
//! *Design.* Options come as numbers in a fixed order, statistics go as a reply: both ways that calls take anyway.
//!
//! *Why not objects.* To read and write their fields from here takes imports: with js-sys 1.1 KB of the module and 0.2 KB
//! of glue, for what JavaScript does in a line; with serde-wasm-bindgen 24 KB.

use alloc::string::String;
use core::fmt::Write;

use brooklet::persist::{Mode, OnCorruption, OnDataLoss, OpenError, Refusal, StorageFault};
use brooklet::{Config, Reply};
use brooklet_web::storage::Traits;
use brooklet_web::{Condition, End, Host, StorageOptions};

/// How many options there are.
pub(crate) const LIMITS: usize = 6;

/// The configuration with these options, in the order of the client. What is negative keeps its value.
pub(crate) fn configured(mut config: Config, limits: [f64; LIMITS]) -> Config {
    let [memory, reply, node_bytes, node_entries, idempotent_seconds, idempotent_entries] = limits;
    let set = |value: &mut u64, limit: f64| {
        if limit >= 0.0 {
            *value = limit as u64;
        }
    };
    set(&mut config.memory_bytes_max, memory);
    set(&mut config.node_bytes_max, node_bytes);
    set(&mut config.node_entries_max, node_entries);
    set(&mut config.idmp_duration_s, idempotent_seconds);
    set(&mut config.idmp_entries_max, idempotent_entries);
    if reply >= 0.0 {
        config.reply_bytes_max = reply as usize;
    }
    config
}

/// What a storage is like: 1 answers at once, 2 can tear, 4 loses on a failed sync.
pub(crate) fn storage_traits(flags: u32, value_bytes_max: f64) -> Traits {
    Traits {
        is_sync: flags & 1 != 0,
        can_tear: flags & 2 != 0,
        loses_on_failed_sync: flags & 4 != 0,
        value_bytes_max: value_bytes_max as usize,
    }
}

/// How it is opened: 1 always durable, 2 never durable by itself, 4 read only, 8 salvage, 16 accept a loss, 32 steal the
/// lock.
pub(crate) fn storage_options(flags: u32, lock_wait_ms: f64) -> StorageOptions {
    let has = |flag: u32| flags & flag != 0;
    StorageOptions {
        mode: match (has(1), has(2)) {
            (true, _) => Mode::Always,
            (false, true) => Mode::No,
            (false, false) => Mode::EverySecond,
        },
        is_read_only: has(4),
        on_corruption: if has(8) { OnCorruption::Salvage } else { OnCorruption::Refuse },
        on_data_loss: if has(16) { OnDataLoss::Accept } else { OnDataLoss::Refuse },
        steals_lock: has(32),
        // Beyond what the type holds is the largest value, which is for ever.
        lock_wait_ms: lock_wait_ms as u64,
    }
}

/// Writes how a database is stored as a map: numbers, and why it has ended, as the name of an error and a sentence.
pub(crate) fn write_durability(host: &Host, reply: &mut Reply) {
    reply.clear();
    let Some(durability) = host.durability() else { return reply.map(0) };
    let status = durability.status.unwrap_or_default();
    let fields = [
        ("written", durability.written.0),
        ("durable", durability.durable.0),
        ("applied", durability.applied.0),
        ("unwritten-bytes", durability.unwritten_bytes as u64),
        ("epoch", status.epoch),
        ("log-chunks", status.log.chunks),
        ("log-bytes", status.log.bytes),
        ("snapshots", status.snapshots),
        ("snapshot-ms", status.snapshot_ms),
        ("snapshot-bytes", status.parts_bytes),
        ("is-lossy", status.is_lossy.into()),
        ("was-clean", durability.was_clean.into()),
        ("is-healing", durability.is_healing.into()),
        ("torn-bytes", durability.tail_dropped.bytes),
    ];
    reply.map(fields.len() + 3);
    for (name, value) in fields {
        reply.bulk(name.as_bytes());
        reply.count(value);
    }
    reply.bulk(b"losses");
    reply.array(durability.losses.len());
    let mut text = String::new();
    for loss in durability.losses {
        text.clear();
        let _ = write!(text, "{loss}");
        reply.bulk(text.as_bytes());
    }
    text.clear();
    if let Some(Refusal::Failing(fault)) = durability.refusal {
        let _ = write!(text, "{fault}");
    }
    reply.bulk(b"fault");
    reply.bulk(text.as_bytes());
    text.clear();
    let name = match host.condition() {
        Condition::Ended(End::Unopened(error)) => {
            let _ = write!(text, "{error}");
            error_name(&error)
        }
        Condition::Ended(End::Stopped(refusal)) => stopped(refusal, &mut text),
        Condition::Opening | Condition::Open | Condition::Ended(End::Closed) => "",
    };
    reply.bulk(b"end");
    reply.array(2);
    reply.bulk(name.as_bytes());
    reply.bulk(text.as_bytes());
}

/// What the client calls an error.
fn error_name(error: &OpenError) -> &'static str {
    match error {
        OpenError::CorruptSnapshot { .. } | OpenError::CorruptLog(_) | OpenError::Unreplayable { .. } => "CorruptError",
        OpenError::Erased(_) | OpenError::DataLoss(_) => "DataLossError",
        OpenError::TooNew { .. } => "FormatTooNewError",
        OpenError::Locked => "LockedError",
        OpenError::Fenced { .. } => "FencedError",
        OpenError::Storage { fault: StorageFault::Quota, .. } => "StorageFullError",
        OpenError::Storage { .. } | OpenError::OutOfMemory | OpenError::OutOfRange => "StorageError",
    }
}

/// Why a database had to stop: the name of the error, and a sentence.
fn stopped(refusal: Refusal, text: &mut String) -> &'static str {
    let (name, sentence) = match refusal {
        Refusal::Fenced => {
            ("FencedError", "another owner has taken over; what was not written here never will be. Open again")
        }
        Refusal::Corrupt => {
            ("CorruptError", "what was stored is damaged or gone, and nothing more was written to it. Open again")
        }
        Refusal::Failing(_) => ("StorageError", "the storage failed. Open again"),
    };
    text.push_str(sentence);
    name
}

/// Writes memory, waiting readers and what was counted as a map.
pub(crate) fn write_statistics(host: &Host, reply: &mut Reply) {
    let statistics = host.statistics();
    let fields = [
        ("memory-bytes", host.memory()),
        ("waiting-readers", statistics.waiting_readers() as u64),
        ("changes", statistics.changes()),
        ("expired-keys", statistics.expired_keys()),
    ];
    reply.clear();
    reply.map(fields.len());
    for (name, value) in fields {
        reply.bulk(name.as_bytes());
        reply.count(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_negative_keeps_its_value() {
        let kept = configured(Config::default(), [-1.0; LIMITS]);
        assert_eq!(format!("{kept:?}"), format!("{:?}", Config::default()));
        let set = configured(Config::default(), [1.0, 2.0, 3.0, 0.0, 5.0, 6.0]);
        assert_eq!((set.memory_bytes_max, set.reply_bytes_max, set.node_bytes_max), (1, 2, 3));
        assert_eq!((set.node_entries_max, set.idmp_duration_s, set.idmp_entries_max), (0, 5, 6));
        // Beyond what the type holds is the largest value, and no number at all is none.
        let odd = configured(Config::default(), [1e30, f64::NAN, f64::INFINITY, 0.5, -0.0, -1.0]);
        assert_eq!((odd.memory_bytes_max, odd.node_bytes_max, odd.node_entries_max), (u64::MAX, u64::MAX, 0));
        assert_eq!((odd.reply_bytes_max, odd.idmp_duration_s), (Config::default().reply_bytes_max, 0));
    }

    #[test]
    fn statistics_are_a_map() {
        let host = Host::in_memory(Config::default()).unwrap();
        let mut reply = Reply::new();
        reply.simple("what was there before");
        write_statistics(&host, &mut reply);
        let Some(brooklet::Value::Map(pairs)) = reply.to_value() else { panic!("not a map") };
        assert_eq!(pairs.len(), 4);
        assert!(pairs.iter().all(|(_, value)| matches!(value, brooklet::Value::Integer(_))));
    }
}
