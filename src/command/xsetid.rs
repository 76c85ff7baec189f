//! Sets a stream's last ID, and the two counters that go with it.
//!
//! Syntax: `XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]`. See
//! <https://redis.io/docs/latest/commands/xsetid/>.

use super::Call;
use super::args::Args;
use crate::engine::effect::Effect;
use crate::error::Error;
use crate::id::EntryId;
use crate::stream::Stream;

struct Xsetid<'a> {
    key: &'a [u8],
    last_id: EntryId,
    entries_added: Option<u64>,
    /// 0-0 leaves it as it is.
    max_deleted: EntryId,
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    Xsetid::parse(call.argv)?.run(call)
}

impl<'a> Xsetid<'a> {
    /// Values are judged as they are read: of two errors that of the first option is shown.
    fn parse(argv: &'a [&'a [u8]]) -> Result<Xsetid<'a>, Error> {
        let mut args = Args::new(argv, 1);
        let key = args.word()?;
        let last_id = args.id()?;
        let mut entries_added = None;
        let mut max_deleted = EntryId::MIN;
        while args.len() > 0 {
            if args.keyword("ENTRIESADDED") {
                let added = args.integer()?;
                entries_added = Some(u64::try_from(added).map_err(|_| Error::EntriesAddedNegative)?);
            } else if args.keyword("MAXDELETEDID") {
                max_deleted = args.id()?;
                if last_id < max_deleted {
                    return Err(Error::SetIdBelowGivenDeleted);
                }
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(Xsetid { key, last_id, entries_added, max_deleted })
    }

    fn run(self, call: &mut Call<'_, 'a>) -> Result<(), Error> {
        let at = call.lookup_stream(self.key)?.ok_or(Error::NoSuchKey)?;
        let stream = call.engine.stream(at).ok_or(Error::NoSuchKey)?;
        let effect = self.decide(stream)?;
        call.commit(at, &effect)?;
        call.count_changes(1);
        call.reply.ok();
        Ok(())
    }

    fn decide(&self, stream: &Stream) -> Result<Effect<'static>, Error> {
        if self.last_id < stream.max_deleted() {
            return Err(Error::SetIdBelowDeleted);
        }
        if stream.entries().last_id().is_some_and(|top| self.last_id < top) {
            return Err(Error::SetIdBelowTop);
        }
        let entries_added = self.entries_added.unwrap_or(stream.entries_added());
        if entries_added < stream.len() {
            return Err(Error::EntriesAddedBelowLength);
        }
        let max_deleted = if self.max_deleted == EntryId::MIN { stream.max_deleted() } else { self.max_deleted };
        Ok(Effect::SetId { last_id: self.last_id, entries_added, max_deleted })
    }
}
