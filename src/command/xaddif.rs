//! Appends an entry, but only if the last ID of the stream is the expected one: optimistic concurrency for event
//! sourcing. This command is ours; Redis has nothing like it.
//!
//! Syntax: `XADDIF key expected-last-id <* | ms-* | id> field value [field value ...]`. The reply is the new ID, or the
//! error `LASTID` with the last ID there is. `0-0` is the last ID of a stream that does not exist or never had an
//! entry.

use super::Call;
use super::args::Args;
use super::xadd::{NewId, append, fields};
use crate::error::Error;
use crate::id::EntryId;

struct Xaddif<'a> {
    key: &'a [u8],
    expected: EntryId,
    id: NewId,
    fields: &'a [&'a [u8]],
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    Xaddif::parse(call.argv)?.run(call)
}

impl<'a> Xaddif<'a> {
    fn parse(argv: &'a [&'a [u8]]) -> Result<Xaddif<'a>, Error> {
        let mut args = Args::new(argv, 1);
        let (key, expected, id) = (args.word()?, args.id()?, NewId::parse(args.word()?)?);
        let fields = fields(&args)?;
        id.check()?;
        Ok(Xaddif { key, expected, id, fields })
    }

    fn run(self, call: &mut Call<'_, 'a>) -> Result<(), Error> {
        let found = call.lookup_stream(self.key)?;
        let last = found.and_then(|at| call.engine.stream(at)).map_or(EntryId::MIN, |stream| stream.last_id());
        if last != self.expected {
            call.known.last_id = last;
            return Err(Error::LastIdMismatch);
        }
        let (_, id) = append(call, found, self.key, self.id, self.fields, None)?;
        call.reply.id(id);
        call.count_changes(1);
        Ok(())
    }
}
