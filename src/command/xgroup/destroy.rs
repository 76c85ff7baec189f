//! Removes a group with its consumers and all that is pending, and answers how many it removed.
//!
//! Syntax: `XGROUP DESTROY key group`. See <https://redis.io/docs/latest/commands/xgroup-destroy/>.

use super::{Call, find_stream};
use crate::engine::effect::Effect;
use crate::error::Error;

pub(in crate::command) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let &[_, _, key, group] = call.argv else { return Err(Error::Syntax) };
    let at = find_stream(call, key)?;
    if call.engine.stream(at).is_none_or(|stream| stream.group(group).is_none()) {
        call.reply.integer(0);
        return Ok(());
    }
    call.commit(at, &Effect::GroupDestroy { group })?;
    call.count_changes(1);
    call.reply.integer(1);
    Ok(())
}
