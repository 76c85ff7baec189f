//! The groups of a stream, in the order of their names.
//!
//! Syntax: `XINFO GROUPS key`. See <https://redis.io/docs/latest/commands/xinfo-groups/>.

use super::{Call, count, find_stream, name, write_progress};
use crate::error::Error;

pub(in crate::command) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let &[_, _, key] = call.argv else { return Err(Error::Syntax) };
    let (stream, reply) = find_stream(call, key)?;
    reply.array(stream.groups().len());
    for (_, group_name, group) in stream.groups().iter() {
        reply.map(6);
        name(reply, "name");
        reply.bulk(group_name);
        count(reply, "consumers", group.consumers_len() as u64);
        count(reply, "pending", group.pending_len());
        write_progress(reply, stream, group);
    }
    Ok(())
}
