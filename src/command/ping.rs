//! Answers `PONG`, or its argument.
//!
//! Syntax: `PING [message]`. See <https://redis.io/docs/latest/commands/ping/>.

use super::{Call, Flow};
use crate::error::Error;

pub(super) fn run<'a>(call: &mut Call<'_, 'a>) -> Result<Flow, Error<'a>> {
    match call.argv {
        [_] => call.reply.simple("PONG"),
        [_, message] => call.reply.bulk(message),
        _ => return Err(Error::Arity { command: "ping" }),
    }
    Ok(Flow::Done)
}
