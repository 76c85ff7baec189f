//! Random histories, each with its own damage, opened with any options: what comes out was acknowledged, and what was
//! durable is there or its loss is told.

use brooklet::persist::{LogBreak, Loss, OnCorruption, OnDataLoss, OpenError, Recovered, RecoveryConfig};

use crate::history::{History, LOG_ID, Shape, config};
use crate::random::Random;
use crate::steps::number_from_environment;
use crate::storage::{Level, MemoryStorage, Place};
use crate::{check_goes_on, log_count};

const SEEDS: u64 = 400;

#[test]
fn random_damage_gives_an_acknowledged_state_or_a_refusal() {
    if let Some(seed) = number_from_environment("BROOKLET_SEED") {
        drop(run(seed));
        return;
    }
    let mut seen = Seen::default();
    for seed in 0..number_from_environment("BROOKLET_RECOVERY_SEEDS").unwrap_or(SEEDS) {
        let outcome = std::panic::catch_unwind(|| run(seed));
        let outcome = outcome
            .unwrap_or_else(|_| panic!("seed {seed}. Repeat: BROOKLET_SEED={seed} cargo test --test recovery damaged"));
        seen.count(&outcome);
    }
    assert!(seen.whole > 0 && seen.torn > 0 && seen.lossy > 0 && seen.refused > 0, "{seen:?}");
}

/// That each kind of end is reached.
#[derive(Default, Debug)]
struct Seen {
    whole: u32,
    torn: u32,
    lossy: u32,
    refused: u32,
}

impl Seen {
    fn count(&mut self, outcome: &Result<Recovered, OpenError>) {
        match outcome {
            Ok(recovered) if !recovered.losses.is_empty() => self.lossy += 1,
            Ok(recovered) if recovered.tail_dropped.chunks > 0 => self.torn += 1,
            Ok(_) => self.whole += 1,
            Err(_) => self.refused += 1,
        }
    }
}

fn run(seed: u64) -> Result<Recovered, OpenError> {
    let random = &mut Random::new(seed);
    let shape = Shape {
        journal_bytes: 500 + random.below(6000) as usize,
        group_bytes: 100 + random.below(900) as usize,
        chunk_bytes_max: 150 + random.below(600) as usize,
        has_views: true,
    };
    let history = History::new(seed, shape);
    let moments = &history.moments;
    let (mut storage, covered) = if random.percent(50) {
        let moment = &moments[random.below(moments.len() as u64) as usize];
        let (storage, _) = history.stored_with_snapshot(moment, 1 + random.below(4) as usize);
        (storage, moment.tail.sequence)
    } else {
        (history.stored(if random.percent(50) { Level::Durable } else { Level::Written }), 0)
    };
    // What the witness saw durable stays, unless damage takes it.
    let durable = moments.iter().rfind(|_| random.percent(30)).filter(|_| random.percent(70));
    storage.witness = durable.map(History::witness);
    let config = random_config(random);
    let intact = storage.stored.clone();
    for _ in 0..random.below(3) {
        damage(random, &mut storage);
    }
    let is_intact = storage.stored == intact && storage.faults.unreadable.is_empty();

    let mut attempt = storage.clone();
    let outcome = history.open(&mut attempt, config);
    match &outcome {
        Ok(recovered) => {
            let durable = durable.map_or(0, |moment| moment.tail.sequence);
            check_opened(&history, recovered, &storage, durable.max(covered));
            assert!(!is_intact || recovered.tail == history.last().tail, "nothing was damaged");
            if recovered.tail.log_id == LOG_ID && recovered.tail.sequence > 0 {
                let compared = history.open_and_compare(&mut storage.clone(), config);
                assert_eq!(&compared, recovered, "the same storage, opened twice from the same state");
            }
            if !config.is_read_only {
                // The next owner's witness knows the log as it is.
                attempt.witness = None;
                attempt.faults.unreadable.clear();
                let next = RecoveryConfig { can_tear: config.can_tear, ..crate::history::config() };
                check_goes_on(&history, &mut attempt, next, recovered);
            }
        }
        Err(error) => {
            assert!(!is_intact, "nothing was damaged: {error}");
            assert!(!error.to_string().is_empty());
            check_refusal(error, config);
        }
    }
    outcome
}

fn random_config(random: &mut Random) -> RecoveryConfig {
    let config = config();
    RecoveryConfig {
        can_tear: random.percent(50),
        is_read_only: random.percent(20),
        on_corruption: if random.percent(50) { OnCorruption::Salvage } else { OnCorruption::Refuse },
        on_data_loss: if random.percent(50) { OnDataLoss::Accept } else { OnDataLoss::Refuse },
        page_bytes: [1, 700, 3000, 1 << 20][random.below(4) as usize],
        ..config
    }
}

fn damage(random: &mut Random, storage: &mut MemoryStorage) {
    let chunks = storage.stored.log.keys().map(|&sequence| Place::Chunk(sequence));
    let parts = storage.stored.parts.keys().map(|&id| Place::Part(id));
    let manifest = storage.stored.manifest.iter().map(|_| Place::Manifest);
    let places: Vec<Place> = if random.percent(80) { chunks.collect() } else { parts.chain(manifest).collect() };
    let Some(&place) = places.get(random.below(places.len().max(1) as u64) as usize) else { return };
    match random.below(12) {
        0..3 => storage.flip_bit(place, random.next() as usize),
        3..5 => storage.drop_value(place),
        5..7 => {
            storage.faults.unreadable.insert(place);
        }
        7..10 => storage.cut_log(random.below(storage.log_bytes() as u64 + 1) as usize / 3),
        10 => storage.lose_power(random.below(storage.undurable() as u64 + 1) as usize),
        _ => storage.erase(),
    }
}

/// What has to hold for everything that opens: that it is a prefix was compared already.
fn check_opened(history: &History, recovered: &Recovered, damaged: &MemoryStorage, durable: u64) {
    let has_lost_durable = recovered.tail.log_id != LOG_ID || recovered.tail.sequence < durable;
    if has_lost_durable && damaged.witness.is_some() {
        assert!(!recovered.losses.is_empty(), "what was durable is gone without a word");
    }
    assert!(recovered.tail.sequence <= history.last().tail.sequence);
    let was_marked = recovered.losses.iter().any(|loss| !matches!(loss, Loss::Erased(_)));
    assert_eq!(recovered.is_lossy, was_marked);
    assert!(recovered.clock_ms >= damaged.witness.map_or(0, |witness| witness.clock_ms));
    if recovered.losses.is_empty() && damaged.faults.unreadable.is_empty() {
        let all = log_count(damaged);
        let covered = recovered.manifest.as_ref().map_or(0, |manifest| manifest.upto_sequence);
        assert!(covered > 0 || all.chunks == recovered.log.chunks + recovered.tail_dropped.chunks);
    }
}

/// What was consented to is no reason to refuse.
fn check_refusal(error: &OpenError, config: RecoveryConfig) {
    match *error {
        OpenError::Erased(_) | OpenError::DataLoss(_) => assert_eq!(config.on_data_loss, OnDataLoss::Refuse),
        OpenError::CorruptLog(LogBreak { last_good, first_bad, next_good, .. }) => {
            assert!(last_good < first_bad && next_good.is_none_or(|next_good| next_good > first_bad));
            assert!(config.on_corruption == OnCorruption::Refuse || last_good == 0);
        }
        OpenError::CorruptSnapshot { .. } => {}
        _ => panic!("{error:?}: no damage of this kind was done"),
    }
}
