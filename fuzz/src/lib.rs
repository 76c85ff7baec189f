//! The bodies of the fuzz targets: each is one function of bytes that panics when the engine breaks a promise.
//!
//! A target in `fuzz_targets/` hands libFuzzer's bytes to its body. `tests/corpus.rs` includes this file as a module and
//! replays the committed corpora through the same functions, so what a fuzzer once found stays found on any compiler.
#![allow(dead_code, unreachable_pub, reason = "the targets and the tests each use their part")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a finding is a panic")]

#[path = "../../tests/support/compare.rs"]
mod compare;
#[path = "../../tests/support/model/mod.rs"]
mod model;

#[path = "../../tests/support/sealed.rs"]
mod sealed;
#[path = "../../tests/support/storage.rs"]
mod storage;

pub mod arguments;
pub mod chunk;
pub mod effects;
pub mod manifest;
pub mod operations;
pub mod restore;
pub mod snapshot;

mod dump;
mod input;
mod journals;
mod replies;
mod values;
