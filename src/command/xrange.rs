//! The entries between two IDs, oldest first.
//!
//! Syntax: `XRANGE key start end [COUNT count]`. See <https://redis.io/docs/latest/commands/xrange/>.

use super::Call;
use super::args::{Args, range_end, range_start};
use crate::engine::KeyRef;
use crate::entries::Entry;
use crate::error::Error;
use crate::id::EntryId;
use crate::reply::Reply;

/// What XRANGE and XREVRANGE ask for.
pub(super) struct Range<'a> {
    key: &'a [u8],
    from: EntryId,
    to: EntryId,
    count: Option<i64>,
    newest_first: bool,
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    Range::parse(call.argv, false)?.run(call)
}

impl<'a> Range<'a> {
    /// XREVRANGE takes the two ends the other way round.
    pub(super) fn parse(argv: &'a [&'a [u8]], newest_first: bool) -> Result<Range<'a>, Error> {
        let mut args = Args::new(argv, 1);
        let key = args.word()?;
        let (first, second) = (args.word()?, args.word()?);
        let (start, end) = if newest_first { (second, first) } else { (first, second) };
        let (from, to) = (range_start(start)?, range_end(end)?);
        let mut count = None;
        while args.len() > 0 {
            if !args.keyword("COUNT") {
                return Err(Error::Syntax);
            }
            count = Some(args.integer()?);
        }
        Ok(Range { key, from, to, count, newest_first })
    }

    pub(super) fn run(self, call: &mut Call<'_, 'a>) -> Result<(), Error> {
        let Some(at) = call.lookup_stream(self.key)? else {
            call.reply.array(0);
            return Ok(());
        };
        match self.count {
            // Redis answers a null here, and an empty array where there is no key.
            Some(count) if count <= 0 => call.reply.null_array(),
            Some(count) => self.write(call, at, count.unsigned_abs()),
            None => self.write(call, at, u64::MAX),
        }
        Ok(())
    }

    fn write(&self, call: &mut Call<'_, 'a>, at: KeyRef, count_max: u64) {
        let Some(stream) = call.engine.stream(at) else { return };
        let entries = stream.entries();
        let open = call.reply.open_array();
        let mut written = 0;
        if self.newest_first {
            let mut cursor = entries.range_back(self.from, self.to);
            while written < count_max && call.reply.check().is_ok() {
                let Some(entry) = cursor.next_entry() else { break };
                write_entry(call.reply, &entry);
                written += 1;
            }
        } else {
            let mut cursor = entries.range(self.from, self.to);
            while written < count_max && call.reply.check().is_ok() {
                let Some(entry) = cursor.next_entry() else { break };
                write_entry(call.reply, &entry);
                written += 1;
            }
        }
        call.reply.close_array(open, written as usize);
    }
}

/// Writes an entry as all commands show it: its ID, then a flat array of names and values.
#[inline(never)]
pub(super) fn write_entry(reply: &mut Reply, entry: &Entry<'_>) {
    reply.array(2);
    reply.id(entry.id());
    write_fields(reply, entry);
}

/// Writes the names and values of an entry as a flat array.
pub(super) fn write_fields(reply: &mut Reply, entry: &Entry<'_>) {
    reply.array(entry.field_count() * 2);
    entry.for_each_text(&mut |text| reply.bulk(text));
}
