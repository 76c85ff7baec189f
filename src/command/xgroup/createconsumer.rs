//! Creates a consumer, if the group has none of this name, and answers how many it created.
//!
//! Syntax: `XGROUP CREATECONSUMER key group consumer`. See
//! <https://redis.io/docs/latest/commands/xgroup-createconsumer/>.

use super::{Call, find_group};
use crate::engine::effect::Effect;
use crate::error::Error;

pub(in crate::command) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let &[_, _, key, group, consumer] = call.argv else { return Err(Error::Syntax) };
    let (at, _, found) = find_group(call, key, group)?;
    if found.consumer(consumer).is_some() {
        call.reply.integer(0);
        return Ok(());
    }
    call.commit(at, &Effect::ConsumerCreate { group, consumer, now_ms: call.now_ms })?;
    call.count_changes(1);
    call.reply.integer(1);
    Ok(())
}
