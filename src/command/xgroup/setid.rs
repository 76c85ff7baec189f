//! Moves a group to another place in the stream. How many entries it has read is then unknown, unless it is told.
//!
//! Syntax: `XGROUP SETID key group <id | $> [ENTRIESREAD entries-read]`. See
//! <https://redis.io/docs/latest/commands/xgroup-setid/>.

use super::{Args, Call, find_group, parse_entries_read, parse_place};
use crate::engine::effect::Effect;
use crate::error::Error;
use crate::id::EntryId;

struct SetId<'a> {
    key: &'a [u8],
    group: &'a [u8],
    /// Read once it is known that there is such a group.
    place: &'a [u8],
    entries_read: Option<u64>,
}

pub(in crate::command) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    SetId::parse(call.argv)?.run(call)
}

impl<'a> SetId<'a> {
    fn parse(argv: &'a [&'a [u8]]) -> Result<SetId<'a>, Error> {
        let mut args = Args::new(argv, 1);
        args.word()?;
        let (key, group, place) = (args.word()?, args.word()?, args.word()?);
        let mut entries_read = None;
        if args.len() > 1 && args.keyword("ENTRIESREAD") {
            entries_read = parse_entries_read(&mut args)?;
        }
        if args.len() > 0 {
            return Err(Error::SubcommandSyntax);
        }
        Ok(SetId { key, group, place, entries_read })
    }

    fn run(self, call: &mut Call<'_, 'a>) -> Result<(), Error> {
        let (at, stream, _) = find_group(call, self.key, self.group)?;
        let last_id = match self.place {
            // Unlike CREATE, Redis takes the ends of ranges here.
            b"-" => EntryId::MIN,
            b"+" => EntryId::MAX,
            place => parse_place(place, stream.last_id())?,
        };
        let entries_read = self.entries_read.map(|read| read.min(stream.entries_added()));
        call.commit(at, &Effect::GroupSet { group: self.group, last_id, entries_read })?;
        call.count_changes(1);
        call.reply.ok();
        Ok(())
    }
}
