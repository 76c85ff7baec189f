//! How many entries a stream has.
//!
//! Syntax: `XLEN key`. See <https://redis.io/docs/latest/commands/xlen/>.

use super::Call;
use crate::error::Error;

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let &[_, key] = call.argv else { return Err(Error::Syntax) };
    let at = call.lookup_stream(key)?;
    let len = at.and_then(|at| call.engine.stream(at)).map_or(0, |stream| stream.len());
    call.reply.count(len);
    Ok(())
}
