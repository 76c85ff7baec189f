//! The few options of a door, and what it counts.
//!
//! *Design.* Options come as numbers in a fixed order, statistics go as a reply: both ways that calls take anyway.
//!
//! *Why not objects.* To read and write their fields from here takes imports: with js-sys 1.1 KB of the module and 0.2 KB
//! of glue, for what JavaScript does in a line; with serde-wasm-bindgen 24 KB.

use brooklet::{Config, Reply};
use brooklet_web::Host;

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
