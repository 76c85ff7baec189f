//! Creates a group.
//!
//! Syntax: `XGROUP CREATE key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]`. See
//! <https://redis.io/docs/latest/commands/xgroup-create/>.

use super::{Args, Call, parse_entries_read, parse_place};
use crate::engine::effect::Effect;
use crate::error::Error;
use crate::id::EntryId;

/// Redis takes MKSTREAM repeatedly, but no more words than this.
const WORDS_MAX: usize = 8;

struct Create<'a> {
    key: &'a [u8],
    group: &'a [u8],
    /// Read once it is known that there is, or will be, a stream.
    place: &'a [u8],
    makes_stream: bool,
    entries_read: Option<u64>,
}

pub(in crate::command) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    Create::parse(call.argv)?.run(call)
}

impl<'a> Create<'a> {
    fn parse(argv: &'a [&'a [u8]]) -> Result<Create<'a>, Error> {
        let mut args = Args::new(argv, 1);
        args.word()?;
        let (key, group, place) = (args.word()?, args.word()?, args.word()?);
        let mut create = Create { key, group, place, makes_stream: false, entries_read: None };
        while args.len() > 0 {
            if args.keyword("MKSTREAM") {
                create.makes_stream = true;
            } else if args.len() > 1 && args.keyword("ENTRIESREAD") {
                create.entries_read = parse_entries_read(&mut args)?;
            } else {
                return Err(Error::SubcommandSyntax);
            }
        }
        if argv.len() > WORDS_MAX { Err(Error::SubcommandSyntax) } else { Ok(create) }
    }

    fn run(self, call: &mut Call<'_, 'a>) -> Result<(), Error> {
        let found = call.lookup_stream(self.key)?;
        if found.is_none() && !self.makes_stream {
            return Err(Error::GroupNeedsKey);
        }
        let stream = found.and_then(|at| call.engine.stream(at));
        let last_id = parse_place(self.place, stream.map_or(EntryId::MIN, |stream| stream.last_id()))?;
        if stream.is_some_and(|stream| stream.group(self.group).is_some()) {
            return Err(Error::GroupExists);
        }
        let entries_added = stream.map_or(0, |stream| stream.entries_added());
        let entries_read = self.entries_read.map(|read| read.min(entries_added));

        let at = match found {
            Some(at) => at,
            None => call.create_stream(self.key)?,
        };
        let created = call.commit(at, &Effect::GroupCreate { group: self.group, last_id, entries_read });
        if created.is_err() && found.is_none() {
            // Should there be no memory for this either, an empty stream is left, which does no harm.
            let _ = call.commit(at, &Effect::Remove);
        }
        created?;
        call.count_changes(1);
        call.reply.ok();
        Ok(())
    }
}
