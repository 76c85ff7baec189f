//! Answers its argument.
//!
//! Syntax: `ECHO message`. See <https://redis.io/docs/latest/commands/echo/>.

use super::Call;
use crate::error::Error;

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let &[_, message] = call.argv else { return Err(Error::Syntax) };
    call.reply.bulk(message);
    Ok(())
}
