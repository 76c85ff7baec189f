//! How a database is opened.

use brooklet::Config;

/// How a database is opened. `Options::default()` is a good choice.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(remote = "Self", default, deny_unknown_fields, rename_all = "camelCase"))]
pub struct Options {
    /// The memory in bytes beyond which commands that add answer `-OOM`: 256 MiB. 0 is no limit.
    pub memory_bytes_max: u64,
    /// The size in bytes beyond which a reply is refused: 64 MiB.
    pub reply_bytes_max: u32,
    /// `stream-node-max-bytes`: the virtual size at which a logical node is full, on which approximate trimming depends.
    pub node_bytes_max: u64,
    /// `stream-node-max-entries`: the number of entries at which a logical node is full.
    pub node_entries_max: u64,
    /// `stream-idmp-duration`: how long new streams remember a producer's IDs, in seconds.
    pub idempotent_seconds: u64,
    /// `stream-idmp-maxsize`: how many IDs new streams remember for each producer.
    pub idempotent_entries_max: u64,
}

impl Default for Options {
    fn default() -> Options {
        let config = Config::default();
        Options {
            memory_bytes_max: 256 << 20,
            reply_bytes_max: u32::try_from(config.reply_bytes_max).unwrap_or(u32::MAX),
            node_bytes_max: config.node_bytes_max,
            node_entries_max: config.node_entries_max,
            idempotent_seconds: config.idmp_duration_s,
            idempotent_entries_max: config.idmp_entries_max,
        }
    }
}

impl Options {
    pub(super) fn config(&self) -> Config {
        Config {
            memory_bytes_max: self.memory_bytes_max,
            reply_bytes_max: usize::try_from(self.reply_bytes_max).unwrap_or(usize::MAX),
            node_bytes_max: self.node_bytes_max,
            node_entries_max: self.node_entries_max,
            idmp_duration_s: self.idempotent_seconds,
            idmp_entries_max: self.idempotent_entries_max,
            ..Config::default()
        }
    }
}
