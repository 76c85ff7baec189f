//! What several test programs share. Each program uses a part of it, so unused items are no fault here.
#![allow(dead_code, reason = "each test program uses its own part")]

pub(crate) mod pattern;
pub(crate) mod resp_client;
pub(crate) mod target;
pub(crate) mod transcript;
