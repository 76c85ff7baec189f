//! The time of the call: seconds since 1970, and microseconds within the second.
//!
//! Syntax: `TIME`. See <https://redis.io/docs/latest/commands/time/>.
//!
//! Differs from Redis in that the clock has milliseconds: the last three digits are always 0.

use super::Call;
use crate::error::Error;
use crate::number::DecimalText;

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let now_ms = call.now_ms.cast_signed();
    call.reply.array(2);
    call.reply.bulk(DecimalText::new(now_ms / 1000).as_bytes());
    call.reply.bulk(DecimalText::new(now_ms % 1000 * 1000).as_bytes());
    Ok(())
}
