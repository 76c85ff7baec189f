//! The entries of one stream: an append-only log of (ID, fields) with deletion, ranges and trimming.
//!
//! It knows nothing of groups, of time, of keys, of commands; entries are bytes to it.
//!
//! `token` writes one string, `block` is a run of entries, `writer` appends to the last block, `log` is the sequence
//! of blocks, `cursor` walks it in both directions, `remove` deletes, `cut` gives tombstones at the end up, `trim` decides what to delete, `geometry` says
//! where Redis would begin a new node, `units` tells the log to snapshots and reads it back, `validate` checks what the
//! others promise.

mod block;
mod cursor;
mod cut;
mod geometry;
mod log;
mod remove;
mod token;
mod trim;
mod units;
mod validate;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use block::Entry;
pub(crate) use geometry::NodeLimits;
pub(crate) use log::Entries;
pub(crate) use trim::{Threshold, Trim};
