//! How long until a key expires: -1 if it never does, -2 if there is none.
//!
//! Syntax: `TTL key`, `PTTL key`. See <https://redis.io/docs/latest/commands/ttl/>,
//! <https://redis.io/docs/latest/commands/pttl/>.

use super::Call;
use crate::error::Error;

/// In seconds, rounded to the nearest.
pub(super) fn run_seconds(call: &mut Call<'_, '_>) -> Result<(), Error> {
    run(call, &|left_ms| left_ms.saturating_add(500) / 1000)
}

pub(super) fn run_milliseconds(call: &mut Call<'_, '_>) -> Result<(), Error> {
    run(call, &|left_ms| left_ms)
}

fn run(call: &mut Call<'_, '_>, in_unit: &dyn Fn(u64) -> u64) -> Result<(), Error> {
    let &[_, key] = call.argv else { return Err(Error::Syntax) };
    let found = call.lookup(key);
    match found.and_then(|at| call.engine.key(at)).map(|key| key.expires_ms()) {
        None => call.reply.integer(-2),
        Some(None) => call.reply.integer(-1),
        Some(Some(expires_ms)) => call.reply.count(in_unit(expires_ms.saturating_sub(call.now_ms))),
    }
    Ok(())
}
