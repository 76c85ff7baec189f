//! Answers `PONG`, or its argument.
//!
//! Syntax: `PING [message]`. See <https://redis.io/docs/latest/commands/ping/>.

use super::Call;
use crate::error::Error;

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    match call.argv {
        [_] => call.reply.simple("PONG"),
        [_, message] => call.reply.bulk(message),
        _ => return Err(Error::Arity),
    }
    Ok(())
}
