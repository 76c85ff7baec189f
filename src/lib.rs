#![doc = include_str!("../README.md")]
//! Redis Streams as a library.
//!
//! The engine keeps streams in memory and answers Redis' stream commands. It knows no clock, no randomness, no I/O and
//! no threads: the time is an argument, deadlines are asked for, effects are handed out as bytes.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod command;
mod engine;
mod entries;
mod error;
mod group;
mod hash;
mod id;
mod image;
mod invariant;
mod memory;
mod number;
pub mod persist;
mod planted;
mod producers;
mod reply;
mod slots;
mod sort;
mod sorted_keys;
mod stream;

pub use command::{CommandDocumentation, CommandFlags, CommandInfo, KeyPositions, command, commands};
pub use engine::{
    CommandStatistics, Config, Engine, Outcome, PartNames, Position, Ready, ReplayError, Session, SnapshotStep,
    Statistics, WaiterId,
};
pub use error::error_lines;
pub use id::{EntryId, IdText};
pub use image::PartSpan;
#[cfg(planted)]
pub use planted::{Bug, plant};
pub use reply::{Kind, Protocol, Reply, Token, Tokens, Value};
