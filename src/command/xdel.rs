//! Deletes entries, and counts those that were there. Pending entries stay pending.
//!
//! Syntax: `XDEL key id [id ...]`. See <https://redis.io/docs/latest/commands/xdel/>.

use alloc::vec::Vec;

use super::Call;
use super::args::{Args, id};
use crate::engine::effect::Effect;
use crate::error::Error;
use crate::id::EntryId;
use crate::stream::Stream;

struct Xdel<'a> {
    key: &'a [u8],
    /// Read once it is known that there is a stream: without one any words will do.
    ids: &'a [&'a [u8]],
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    Xdel::parse(call.argv)?.run(call)
}

impl<'a> Xdel<'a> {
    fn parse(argv: &'a [&'a [u8]]) -> Result<Xdel<'a>, Error> {
        let mut args = Args::new(argv, 1);
        Ok(Xdel { key: args.word()?, ids: args.rest() })
    }

    fn run(self, call: &mut Call<'_, 'a>) -> Result<(), Error> {
        let found = call.lookup_stream(self.key)?;
        let Some((at, stream)) = found.and_then(|at| Some((at, call.engine.stream(at)?))) else {
            call.reply.integer(0);
            return Ok(());
        };
        let before = stream.len();
        let ids = live_ids(stream, self.ids)?;
        if !ids.is_empty() {
            call.commit(at, &Effect::Delete { ids: &ids, purge: false })?;
        }
        // An ID may be given twice, so what went is counted by what is left.
        let deleted = before.saturating_sub(call.engine.stream(at).map_or(0, Stream::len));
        call.count_changes(deleted as usize);
        call.reply.count(deleted);
        Ok(())
    }
}

/// Those of the IDs that have a live entry; an error if any word is no ID.
fn live_ids(stream: &Stream, words: &[&[u8]]) -> Result<Vec<EntryId>, Error> {
    let mut ids = Vec::new();
    ids.try_reserve_exact(words.len()).map_err(|_| Error::OutOfMemory)?;
    for word in words {
        let id = id(word)?;
        if stream.entries().contains(id) {
            ids.push(id);
        }
    }
    Ok(ids)
}
