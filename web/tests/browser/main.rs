//! What Rust applications use, in a real browser's window; `tests/worker.rs` runs in a Worker.
//!
//! `wasm-pack test --headless --chrome web` and `cargo xtask test web` run these.
#![cfg(target_arch = "wasm32")]
#![allow(dead_code, reason = "the support file serves several test programs")]
#![allow(clippy::panic, clippy::indexing_slicing, clippy::unwrap_used, reason = "a panic here is a failed test")]

#[path = "../indexed_db/mod.rs"]
mod indexed_db;
#[path = "../support/mod.rs"]
mod support;

mod groups;
mod javascript;
mod live;
mod randomness;
mod stored;
mod streams;
mod timers;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
