//! What a door tells of itself: what was counted, how it is stored, why it has ended.
//!
//! *Design.* Reports go as replies: a way that calls take anyway. What an error is called is said here, in the words of the
//! client; what it says is said by the engine.

use alloc::string::String;
use core::fmt::Write;

use brooklet::Reply;
use brooklet::persist::{OpenError, Refusal, StorageFault};
use brooklet_web::{Condition, End, Host};

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
    use brooklet::Config;

    use super::*;

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
