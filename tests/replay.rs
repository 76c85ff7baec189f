//! The journal is the state: an engine that replays another's effects equals it, whatever happened there, at each
//! moment at which effects were taken, and goes on answering the same afterwards.
//!
//! `BROOKLET_REPLAY_OPS` says how many commands, `BROOKLET_SEED` repeats one sequence. A failure is printed with the
//! shortest sequence that still shows it.
#![allow(dead_code, reason = "each test program uses its part of the support files")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/sequences.rs"]
mod sequences;

use brooklet::{Config, Engine, Value};

use engine::{View, compare_views, recorded_view};
use generate::{Generator, Mode};
use model::Settings;
use sequences::*;
use steps::{Step, next_step, number_from_environment, random_settings, show_steps};

const SEQUENCE_LEN: usize = 300;
/// After this many steps both engines run the same commands, and the follower no longer replays.
const FOLLOWED_LEN: usize = 240;
const OPERATIONS: u64 = 60_000;

#[test]
fn replayed_effects_equal_the_live_engine() {
    if let Some(seed) = number_from_environment("BROOKLET_SEED") {
        run_sequence(seed);
        return;
    }
    let operations = number_from_environment("BROOKLET_REPLAY_OPS").unwrap_or(OPERATIONS);
    for seed in 0..operations.div_ceil(SEQUENCE_LEN as u64) {
        run_sequence(seed);
    }
}

/// A unit is applied as a whole or not at all, so a journal that was cut off somewhere is one with fewer units.
#[test]
fn a_cut_journal_replays_up_to_its_last_whole_unit() {
    for seed in 0..20 {
        let mut generator = Generator::new(seed, Mode::All);
        let settings = random_settings(&mut generator);
        let mut live = Engine::new(journaling(&settings));
        let mut bytes = Vec::new();
        let mut moments = Vec::new();
        for _ in 0..40 {
            let step = next_step(&mut generator);
            let replies = engine::run_step(&mut live, &step);
            observe(&mut generator, &step, &replies);
            let seen = recorded_view(&mut live, step.now_ms);
            live.take_effects(&mut bytes);
            moments.push(Moment { journal_len: bytes.len(), now_ms: step.now_ms, seen });
        }
        for cut in 0..=bytes.len() {
            check_cut(&settings, &bytes, cut, &moments)
                .unwrap_or_else(|fault| panic!("seed {seed}, cut at {cut}: {fault}"));
        }
    }
}

/// What could be seen when the journal had this length.
struct Moment {
    journal_len: usize,
    now_ms: u64,
    seen: View,
}

fn check_cut(settings: &Settings, bytes: &[u8], cut: usize, moments: &[Moment]) -> Result<(), String> {
    let mut follower = Engine::new(journaling(settings));
    let whole = match follower.replay(&bytes[..cut]) {
        Ok(()) => cut,
        Err(error) => error.offset,
    };
    let last_taken = moments.iter().map(|moment| moment.journal_len).filter(|&len| len <= cut).max().unwrap_or(0);
    if !(last_taken..=cut).contains(&whole) {
        return Err(format!("replayed up to byte {whole}, though byte {last_taken} ends a unit"));
    }
    follower.validate().map_err(|breach| format!("validate: {breach}"))?;
    match moments.iter().rfind(|moment| moment.journal_len == whole) {
        Some(moment) => compare_views(&moment.seen, &recorded_view(&mut follower, moment.now_ms)),
        None => Ok(()),
    }
}

fn run_sequence(seed: u64) {
    let mut generator = Generator::new(seed, Mode::All);
    let settings = random_settings(&mut generator);
    let mut pair = Pair::new(&settings);
    let mut steps: Vec<Taken> = Vec::new();
    while steps.len() < SEQUENCE_LEN {
        let step = next_step(&mut generator);
        let followed = steps.len() < FOLLOWED_LEN;
        let take = steps.len() + 1 == FOLLOWED_LEN || generator.random().percent(15);
        let taken = Taken { step, take: followed && take, followed };
        steps.push(taken.clone());
        match shrink::catch(|| pair.run(&taken)).flatten() {
            Ok(replies) => observe(&mut generator, &taken.step, &replies),
            Err(difference) => report(seed, &settings, steps, &difference),
        }
    }
    if let Err(difference) = shrink::catch(|| pair.compare_with_one_replay(&settings, generator.now_ms())).flatten() {
        panic!("seed {seed}: the pieces replayed one by one and all at once differ: {difference}");
    }
}

fn observe(generator: &mut Generator, step: &Step, replies: &[Value]) {
    for (command, reply) in step.commands.iter().zip(replies) {
        generator.observe(command, reply);
    }
}

/// A step, and whether the effects so far are taken after it.
#[derive(Clone)]
struct Taken {
    step: Step,
    take: bool,
    /// False for the last part of a sequence, in which the follower runs the steps itself.
    followed: bool,
}

/// A live engine and one that only replays its effects.
struct Pair {
    live: Engine,
    follower: Engine,
    bytes: Vec<u8>,
}

impl Pair {
    fn new(settings: &Settings) -> Pair {
        Pair { live: Engine::new(journaling(settings)), follower: Engine::new(journaling(settings)), bytes: Vec::new() }
    }

    fn run(&mut self, taken: &Taken) -> Result<Vec<Value>, String> {
        let Taken { step, take, followed } = taken;
        let replies = engine::run_step(&mut self.live, step);
        if !followed {
            let repeated = engine::run_step(&mut self.follower, step);
            let now = format!("after the replay, {}", steps::show_steps(std::slice::from_ref(step)));
            compare(&now, &replies, &repeated)?;
        }
        if *take {
            self.take(step.now_ms)?;
        }
        Ok(replies)
    }

    /// Hands the effects over and compares everything that can be seen. Looking at a key may let it expire, which is an
    /// effect: so the live engine is looked at first.
    fn take(&mut self, now_ms: u64) -> Result<(), String> {
        let expected = recorded_view(&mut self.live, now_ms);
        let mut piece = Vec::new();
        let position = self.live.take_effects(&mut piece);
        self.follower.replay(&piece).map_err(|error| format!("replay: {error}"))?;
        if self.follower.position() != position {
            return Err(format!("positions: live {position:?}, replayed {:?}", self.follower.position()));
        }
        self.bytes.extend_from_slice(&piece);
        self.follower.validate().map_err(|breach| format!("validate: {breach}"))?;
        compare_views(&expected, &recorded_view(&mut self.follower, now_ms))
    }

    /// An empty engine replays everything that was taken, in one go.
    fn compare_with_one_replay(&mut self, settings: &Settings, now_ms: u64) -> Result<(), String> {
        let expected = recorded_view(&mut self.live, now_ms);
        self.live.take_effects(&mut self.bytes);
        let mut late = Engine::new(journaling(settings));
        late.replay(&self.bytes).map_err(|error| format!("replay: {error}"))?;
        compare_views(&expected, &recorded_view(&mut late, now_ms))
    }
}

fn compare(what: &str, live: &[Value], replayed: &[Value]) -> Result<(), String> {
    let masked = |values: &[Value]| {
        let mut values = values.to_vec();
        values.iter_mut().for_each(|value| compare::mask(value, compare::UNRECORDED));
        values
    };
    let (live, replayed) = (masked(live), masked(replayed));
    if live == replayed {
        return Ok(());
    }
    let show = |values: &[Value]| values.iter().map(compare::show).collect::<String>();
    Err(format!("{what}\nlive:\n{}replayed:\n{}", show(&live), show(&replayed)))
}

fn journaling(settings: &Settings) -> Config {
    Config { journal: true, ..engine::config(settings) }
}

/// Shortens the steps as long as the last one still fails, prints them, and fails.
fn report(seed: u64, settings: &Settings, steps: Vec<Taken>, difference: &str) -> ! {
    let length = steps.len();
    let (steps, difference) = shrink::quietly(|| {
        let steps = shrink::shrink(steps, |steps| last_failure(settings, steps).is_some());
        let difference = last_failure(settings, &steps).unwrap_or_else(|| difference.to_string());
        (steps, difference)
    });
    let steps: Vec<Step> = steps.into_iter().map(|taken| taken.step).collect();
    panic!(
        "seed {seed}, step {length}, {settings:?}\n{}{difference}\n\
         Repeat: BROOKLET_SEED={seed} cargo test --test replay",
        show_steps(&steps),
    );
}

/// Whether the last step fails, and no step before.
fn last_failure(settings: &Settings, steps: &[Taken]) -> Option<String> {
    let mut pair = Pair::new(settings);
    for (position, taken) in steps.iter().enumerate() {
        let last = position + 1 == steps.len();
        if let Err(difference) = shrink::catch(|| pair.run(taken)).flatten() {
            return last.then_some(difference);
        }
    }
    None
}
