//! XGROUP: groups and consumers, made and removed by hand. A file for each subcommand; here is what they share.

use super::Call;
use super::args::{Args, id};
use crate::engine::KeyRef;
use crate::error::Error;
use crate::group::Group;
use crate::id::EntryId;
use crate::stream::Stream;

pub(super) mod create;
pub(super) mod createconsumer;
pub(super) mod delconsumer;
pub(super) mod destroy;
pub(super) mod help;
pub(super) mod setid;

/// The stream of this name, which must be there.
fn find_stream(call: &mut Call<'_, '_>, key: &[u8]) -> Result<KeyRef, Error> {
    call.lookup_stream(key)?.ok_or(Error::GroupNeedsKey)
}

/// The stream of this name and its group, which must both be there.
fn find_group<'c, 'a>(
    call: &'c mut Call<'_, 'a>,
    key: &'a [u8],
    group: &'a [u8],
) -> Result<(KeyRef, &'c Stream, &'c Group), Error> {
    let at = find_stream(call, key)?;
    let stream = call.engine.stream(at).ok_or(Error::GroupNeedsKey)?;
    let (_, found) = stream.group(group).ok_or(Error::NoGroup)?;
    Ok((at, stream, found))
}

/// What follows ENTRIESREAD: a count, or -1 where it is not known.
fn parse_entries_read(args: &mut Args<'_>) -> Result<Option<u64>, Error> {
    match args.integer()? {
        -1 => Ok(None),
        count => u64::try_from(count).map(Some).map_err(|_| Error::EntriesReadNegative),
    }
}

/// An entry ID, or `$` for the last one of the stream.
fn parse_place(word: &[u8], last_id: EntryId) -> Result<EntryId, Error> {
    if word == b"$" { Ok(last_id) } else { id(word) }
}
