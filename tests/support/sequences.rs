//! What random sequences of commands are made of, run on and compared with.
//!
//! A program says `use sequences::*`, for these files, and those that build on them, look for each other at its root.

pub(crate) mod compare;
pub(crate) mod engine;
pub(crate) mod generate;
pub(crate) mod model;
pub(crate) mod random;
pub(crate) mod shrink;
pub(crate) mod steps;
