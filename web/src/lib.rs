//! brooklet in WebAssembly: what surrounds the engine in a browser tab, a Worker or Node.
//!
//! [`Host`] is the engine with what the platform adds to it: random numbers, and memory that grows in large steps. The
//! npm package's door and Rust applications both stand on it.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod growth;
mod host;

pub use host::{Host, OpenError};
