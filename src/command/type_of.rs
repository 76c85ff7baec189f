//! What a key holds: `stream`, `string`, or `none` if there is no such key.
//!
//! Syntax: `TYPE key`. See <https://redis.io/docs/latest/commands/type/>.

use super::Call;
use crate::engine::Stored;
use crate::error::Error;

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let &[_, key] = call.argv else { return Err(Error::Syntax) };
    let found = call.lookup(key);
    call.reply.simple(match found.and_then(|at| call.engine.key(at)).and_then(|key| key.value()) {
        None => "none",
        Some(Stored::Bytes(_)) => "string",
        Some(Stored::Stream(_)) => "stream",
    });
    Ok(())
}
