//! The simulation, piece by piece; tests/simulation.rs says what it is.

mod checks;
mod clients;
mod damage;
mod host;
mod jobs;
mod medium;
mod opening;
mod past;
mod plan;
mod promises;
mod reopening;
pub(crate) mod runs;
mod trace;
mod world;
