//! What a seed is like: the medium, the sizes, how often things fail. Sizes are small, so that boundaries are met often.

use brooklet::Config;
use brooklet::persist::{Mode, StoreConfig, WriterConfig};

use super::medium::Kind;
use crate::engine;
use crate::generate::{self, Generator};
use crate::random::Random;
use crate::steps::random_settings;

pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) store: StoreConfig,
    pub(crate) engine: Config,
    pub(crate) start_ms: u64,
    /// Of a hundred jobs of the storage, how many go wrong.
    pub(crate) faults: u64,
    /// Whether what is stored is damaged while nobody looks.
    pub(crate) damages: bool,
}

impl Plan {
    pub(crate) fn new(random: &mut Random, seed: u64) -> Plan {
        let kind = if random.percent(60) { Kind::Database } else { Kind::Files };
        let settings = random_settings(&mut Generator::new(seed, generate::Mode::All));
        let hash_seed = [random.next(), random.next()];
        Plan {
            kind,
            store: store_config(random, kind),
            engine: Config { journal: true, hash_seed, ..engine::config(&settings) },
            // Small times make explicit IDs and automatic ones meet.
            start_ms: one_of(random, &[1 + random.clone().below(50), 1_700_000_000_000]),
            faults: one_of(random, &[8, 15, 25]),
            damages: random.percent(25),
        }
    }
}

fn store_config(random: &mut Random, kind: Kind) -> StoreConfig {
    StoreConfig {
        writer: WriterConfig {
            mode: [Mode::Always, Mode::EverySecond, Mode::EverySecond, Mode::No][random.below(4) as usize],
            chunk_bytes_max: one_of(random, &[300, 2_000, 60_000]) as usize,
            group_bytes_max: one_of(random, &[500, 5_000, 1 << 20]) as usize,
            busy_bytes: one_of(random, &[20_000, 1 << 16, 8 << 20]) as usize,
            answer_ms_max: 10_000,
            retry_ms_min: 50,
            retry_ms_max: 2_000,
            keeps_until_durable: kind == Kind::Files,
        },
        log_bytes_min: one_of(random, &[1_000, 8_000, 64 << 10]),
        log_chunks_max: one_of(random, &[5, 50, 1_000]),
        part_bytes_max: one_of(random, &[200, 2_000, 60_000]) as usize,
        put_bytes_max: one_of(random, &[500, 8_000, 256 << 10]) as usize,
        work_bytes: one_of(random, &[1, 2_000, 128 << 10]) as usize,
        delete_parts_max: one_of(random, &[1, 10, 1_000]) as usize,
        witness_every_ms: one_of(random, &[100, 1_000]),
    }
}

fn one_of(random: &mut Random, choices: &[u64]) -> u64 {
    choices[random.below(choices.len() as u64) as usize]
}
