//! The few options of a door.
//!
//! *Design.* Options come as numbers in a fixed order, and as flags: a way that calls take anyway.
//!
//! *Why not objects.* To read their fields from here takes imports: with js-sys 1.1 KB of the module and 0.2 KB of glue,
//! for what JavaScript does in a line; with serde-wasm-bindgen 24 KB.

use brooklet::Config;
use brooklet::persist::{Mode, OnCorruption, OnDataLoss};
use brooklet_web::StorageOptions;
use brooklet_web::storage::Traits;

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
    fn each_flag_is_one_option() {
        let none = storage_options(0, 0.0);
        assert_eq!(format!("{none:?}"), format!("{:?}", StorageOptions::default()));
        assert_eq!((storage_options(1, 0.0).mode, storage_options(2, 0.0).mode), (Mode::Always, Mode::No));
        assert!(storage_options(4, 0.0).is_read_only && !none.is_read_only);
        assert_eq!(storage_options(8, 0.0).on_corruption, OnCorruption::Salvage);
        assert_eq!(storage_options(16, 0.0).on_data_loss, OnDataLoss::Accept);
        assert!(storage_options(32, 0.0).steals_lock && !none.steals_lock);
        assert_eq!(storage_options(0, 1500.0).lock_wait_ms, 1500);
        assert_eq!(storage_options(0, f64::INFINITY).lock_wait_ms, u64::MAX);
    }

    #[test]
    fn each_flag_is_one_trait() {
        let is = |flags| {
            let Traits { is_sync, can_tear, loses_on_failed_sync, value_bytes_max } = storage_traits(flags, 60_000.0);
            (is_sync, can_tear, loses_on_failed_sync, value_bytes_max)
        };
        assert_eq!(is(0), (false, false, false, 60_000));
        assert_eq!((is(1).0, is(2).1, is(4).2), (true, true, true));
        assert_eq!(is(7), (true, true, true, 60_000));
    }
}
