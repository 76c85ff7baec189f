//! What the benchmarks share. Each program uses a part of it, so unused items are no fault here.
#![allow(dead_code, reason = "each benchmark uses its own part")]

pub(crate) mod allocator;
pub(crate) mod engine;
pub(crate) mod measure;
pub(crate) mod server;
pub(crate) mod shapes;
pub(crate) mod table;

#[path = "../../tests/support/random.rs"]
pub(crate) mod random;
#[path = "../../tests/support/resp_client.rs"]
pub(crate) mod resp_client;
