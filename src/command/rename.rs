//! Gives a key another name, in the place of whatever had it.
//!
//! Syntax: `RENAME key newkey`. See <https://redis.io/docs/latest/commands/rename/>.

use super::Call;
use crate::engine::effect::Effect;
use crate::error::Error;

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let &[_, key, to] = call.argv else { return Err(Error::Syntax) };
    let at = call.lookup(key).ok_or(Error::NoSuchKey)?;
    if key != to {
        call.commit(at, &Effect::Rename { to })?;
        call.count_changes(1);
    }
    call.reply.ok();
    Ok(())
}
