//! XINFO: what streams, groups and consumers look like. A file for each subcommand; here is what they share.

use super::Call;
use super::args::{Args, integer, is};
use super::xrange::write_entry;
use crate::error::Error;
use crate::group::Group;
use crate::id::EntryId;
use crate::reply::Reply;
use crate::stream::Stream;

pub(super) mod consumers;
pub(super) mod groups;
pub(super) mod help;
pub(super) mod stream;

/// The stream of this name, which must be there.
fn find_stream<'c>(call: &'c mut Call<'_, '_>, key: &[u8]) -> Result<(&'c Stream, &'c mut Reply), Error> {
    let at = call.lookup_stream(key)?.ok_or(Error::NoSuchKey)?;
    let stream = call.engine.stream(at).ok_or(Error::NoSuchKey)?;
    Ok((stream, call.reply))
}

fn name(reply: &mut Reply, name: &str) {
    reply.bulk(name.as_bytes());
}

fn count(reply: &mut Reply, name: &str, value: u64) {
    reply.bulk(name.as_bytes());
    reply.count(value);
}

fn id(reply: &mut Reply, name: &str, id: EntryId) {
    reply.bulk(name.as_bytes());
    reply.id(id);
}

/// How far a group has read: three pairs, which GROUPS and STREAM FULL show alike.
fn write_progress(reply: &mut Reply, stream: &Stream, group: &Group) {
    id(reply, "last-delivered-id", group.last_id);
    name(reply, "entries-read");
    match group.entries_read {
        Some(entries_read) => reply.count(entries_read),
        None => reply.null(),
    }
    name(reply, "lag");
    match stream.lag(group) {
        Some(lag) => reply.integer(lag),
        None => reply.null(),
    }
}
