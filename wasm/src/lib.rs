//! The narrow door between JavaScript and the engine.
//!
//! *Design.* One [`Door`] is one database. A request is words in a buffer that JavaScript writes (request.rs has the
//! encoding), one call runs it, and the reply is read from two other buffers: heads and numbers, and all text
//! (`brooklet::Reply` has the encoding). Where they lie and what else is to know stands in a block of numbers that stays
//! in one place (answer.rs). So a command costs one crossing, and no value is made on either side that nobody asked for.
//!
//! *Why not an export for each command.* There are fifty, each with its options; JavaScript would hand over objects that
//! have to be taken apart field by field, at 70 ns each. Words are what the engine reads anyway.
//!
//! *Why the clock is an argument.* The engine has none, and asking JavaScript for the time from here is a crossing more.
//!
//! *What JavaScript has to keep to.* Any call may make the memory grow, and then views of it are empty: they are made
//! after a call and not used after the next one. After a trap nothing may be called any more: the instance is thrown
//! away.
//!
//! A build with debug assertions has the standard library, and with it panics that say what they are; the tests depend on
//! crates that bring it. The module that is shipped has none.
#![cfg_attr(all(target_arch = "wasm32", not(debug_assertions)), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod answer;
mod door;
mod options;
mod report;
mod request;
mod storage;
#[cfg(all(test, target_arch = "wasm32"))]
mod tests;

pub use door::Door;

/// Small, and as fast as the usual one.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

/// A panic is a bug, and ends the instance: JavaScript sees a trap.
#[cfg(all(target_arch = "wasm32", not(debug_assertions)))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
