//! Runs seeds on all processors, until one fails.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::trace::Breach;
use super::world::World;
use crate::shrink::catch;

/// How a run ended well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Report {
    /// Everything that was asked, answered and replied.
    pub(crate) hash: u64,
    /// How often something went wrong.
    pub(crate) faults: u64,
    /// What happened, and how often.
    pub(crate) happened: BTreeMap<&'static str, u64>,
}

/// How a run ended badly.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) seed: u64,
    pub(crate) step: u64,
    pub(crate) breach: Breach,
    /// What happened last, a line each.
    pub(crate) trace: String,
}

/// Runs seeds, and returns their reports in order, or the failure of the first of them that fails.
pub(crate) fn run_seeds(seeds: Range<u64>, steps: u64) -> Result<Vec<Report>, Box<Failure>> {
    let next = AtomicU64::new(seeds.start);
    let (reports, failure) = (Mutex::new(BTreeMap::new()), Mutex::new(None::<Box<Failure>>));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            match run(seed, steps) {
                Ok(report) => drop(reports.lock().expect("nobody panics").insert(seed, report)),
                Err(found) => {
                    // Seeds before this one are run to their end.
                    next.fetch_max(seeds.end, Ordering::Relaxed);
                    let mut failure = failure.lock().expect("nobody panics");
                    if failure.as_ref().is_none_or(|other| found.seed < other.seed) {
                        *failure = Some(found);
                    }
                }
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    match failure.into_inner().expect("nobody panics") {
        Some(failure) => Err(failure),
        None => Ok(reports.into_inner().expect("nobody panics").into_values().collect()),
    }
}

/// Runs one seed. A panic is a failure like any other.
fn run(seed: u64, steps: u64) -> Result<Report, Box<Failure>> {
    let mut world = World::new(seed);
    let breach = match catch(|| world.run(steps)) {
        Ok(Ok(())) => return Ok(world.report()),
        Ok(Err(breach)) => breach,
        Err(what) => Breach { rule: "panic", what },
    };
    Err(Box::new(Failure { seed, step: world.trace.step, breach, trace: world.trace.show() }))
}
