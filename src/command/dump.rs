//! The value of a key as bytes, for RESTORE.
//!
//! Syntax: `DUMP key`. See <https://redis.io/docs/latest/commands/dump/>.
//!
//! The bytes are brooklet's own (docs/format.md), not those of a Redis server: a stream with everything that belongs to
//! it, or a byte string. The expiry is no part of them.

use alloc::vec::Vec;

use super::Call;
use crate::engine::dump;
use crate::error::Error;

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let &[_, key] = call.argv else { return Err(Error::Syntax) };
    match call.lookup(key).and_then(|at| call.engine.key(at)?.value()) {
        None => call.reply.null(),
        Some(value) => {
            let mut bytes = Vec::new();
            dump::write(value, &mut bytes)?;
            call.reply.bulk(&bytes);
        }
    }
    Ok(())
}
