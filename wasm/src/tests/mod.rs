//! The door, driven as JavaScript drives it: requests are written through views of the memory, and so are answers read.
//! These run in a browser.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a panic here is a failed test")]

mod calls;
mod client;
mod garbage;
mod growth;
mod waiting;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
