//! Removes a consumer, and answers how many pending entries went with it.
//!
//! Syntax: `XGROUP DELCONSUMER key group consumer`. See
//! <https://redis.io/docs/latest/commands/xgroup-delconsumer/>.

use super::{Call, find_group};
use crate::engine::effect::Effect;
use crate::error::Error;

pub(in crate::command) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let &[_, _, key, group, consumer] = call.argv else { return Err(Error::Syntax) };
    let (at, _, found) = find_group(call, key, group)?;
    let Some(known) = found.consumer(consumer).and_then(|key| found.consumer_ref(key)) else {
        call.reply.integer(0);
        return Ok(());
    };
    let pending = known.pending_len();
    call.commit(at, &Effect::ConsumerDelete { group, consumer })?;
    call.count_changes(1);
    call.reply.count(pending);
    Ok(())
}
