//! The consumers of a group, in the order of their names.
//!
//! Syntax: `XINFO CONSUMERS key group`. See <https://redis.io/docs/latest/commands/xinfo-consumers/>.

use super::{Call, count, find_stream, name};
use crate::error::Error;

pub(in crate::command) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let &[_, _, key, group] = call.argv else { return Err(Error::Syntax) };
    let now_ms = call.now_ms;
    let (stream, reply) = find_stream(call, key)?;
    let (_, found) = stream.group(group).ok_or(Error::NoGroup)?;
    reply.array(found.consumers_len());
    for (_, consumer) in found.consumers() {
        reply.map(4);
        name(reply, "name");
        reply.bulk(consumer.name());
        count(reply, "pending", consumer.pending_len());
        count(reply, "idle", now_ms.saturating_sub(consumer.seen_ms()));
        name(reply, "inactive");
        match consumer.active_ms() {
            Some(active_ms) => reply.count(now_ms.saturating_sub(active_ms)),
            None => reply.integer(-1),
        }
    }
    Ok(())
}
