//! The byte string under a key.
//!
//! Syntax: `GET key`. See <https://redis.io/docs/latest/commands/get/>.

use super::Call;
use crate::engine::{KeyRef, Stored};
use crate::error::Error;

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let &[_, key] = call.argv else { return Err(Error::Syntax) };
    let found = call.lookup(key);
    write_bytes(call, found)?;
    Ok(())
}

/// Writes the byte string of a key, or a null for no key. An error if the key holds something else.
pub(super) fn write_bytes(call: &mut Call<'_, '_>, found: Option<KeyRef>) -> Result<(), Error> {
    match found.and_then(|at| call.engine.key(at)).and_then(|key| key.value()) {
        None => call.reply.null(),
        Some(Stored::Bytes(bytes)) => call.reply.bulk(bytes),
        Some(Stored::Stream(_)) => return Err(Error::WrongType),
    }
    Ok(())
}
