//! Makes a stream remember a producer's ID and the entry it led to. Saying the same again changes nothing.
//!
//! Syntax: `XIDMPRECORD key pid iid id`. See <https://redis.io/docs/latest/commands/xidmprecord/>.
//!
//! Differs from Redis in that the ID is remembered for its full time from this call on, however old the entry is.

use super::Call;
use super::args::Args;
use crate::engine::effect::Effect;
use crate::error::Error;
use crate::id::EntryId;
use crate::stream::Stream;

struct Xidmprecord<'a> {
    key: &'a [u8],
    producer: &'a [u8],
    iid: &'a [u8],
    id: EntryId,
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    Xidmprecord::parse(call.argv)?.run(call)
}

impl<'a> Xidmprecord<'a> {
    fn parse(argv: &'a [&'a [u8]]) -> Result<Xidmprecord<'a>, Error> {
        let mut args = Args::new(argv, 1);
        let (key, producer, iid) = (args.word()?, args.word()?, args.word()?);
        if producer.is_empty() {
            return Err(Error::EmptyProducer);
        }
        if iid.is_empty() {
            return Err(Error::EmptyIdempotentId);
        }
        Ok(Xidmprecord { key, producer, iid, id: args.id()? })
    }

    fn run(self, call: &mut Call<'_, 'a>) -> Result<(), Error> {
        let Xidmprecord { key, producer, iid, id } = self;
        let at = call.lookup_stream(key)?.ok_or(Error::NoSuchKey)?;
        let stream = call.engine.stream(at).ok_or(Error::NoSuchKey)?;
        if !self.is_known(stream)? {
            call.commit(at, &Effect::Produced { producer, iid, id, at_ms: call.now_ms })?;
            call.count_changes(1);
        }
        call.reply.ok();
        Ok(())
    }

    /// Whether just this is remembered already.
    fn is_known(&self, stream: &Stream) -> Result<bool, Error> {
        if !stream.entries().contains(self.id) {
            return Err(Error::NoSuchMessage);
        }
        match stream.producers().and_then(|producers| producers.find(self.producer, self.iid)) {
            None => Ok(false),
            Some(id) if id == self.id => Ok(true),
            Some(_) => Err(Error::IdempotentIdTaken),
        }
    }
}
