//! Reads as a consumer of a group: new entries, which become pending, or the consumer's own pending ones again.
//!
//! Syntax: `XREADGROUP GROUP group consumer [COUNT count] [MAXCOUNT count] [MAXSIZE bytes] [BLOCK milliseconds]
//! [CLAIM min-idle-time] [NOACK] STREAMS key [key ...] id [id ...]`.
//! See <https://redis.io/docs/latest/commands/xreadgroup/>.
//!
//! Each stream is read, and what was delivered is committed, before the next one is looked at, because a key may be
//! named twice. A stream whose part would make the reply too large, or whose pending entries find no memory, ends the
//! reply before it; only if it is the first one, that is an error.
//!
//! Differs from Redis in that pending entries beyond `maxmemory` are refused, too.

use alloc::vec::Vec;

use super::reading::{ReadOptions, Reading, StreamPart};
use super::xrange::{write_entry, write_fields};
use super::{Block, Call, args};
use crate::engine::KeyRef;
use crate::engine::effect::{Effect, Owned};
use crate::error::{Error, Place};
use crate::group::Group;
use crate::id::EntryId;
use crate::memory::try_push;
use crate::reply::Reply;
use crate::stream::Stream;

/// What is wanted of one stream.
#[derive(Clone, Copy)]
struct Source<'a> {
    key: &'a [u8],
    at: KeyRef,
    /// The consumer's own pending entries after this ID; without it, new entries.
    history: Option<EntryId>,
    /// The least idle time of other pending entries that are claimed along the way.
    claim_ms: Option<u64>,
}

/// What a read of one stream decided.
#[derive(Default)]
struct Delivery {
    /// Pending entries that are delivered once more.
    again: Vec<Owned>,
    /// New entries.
    new: Vec<Owned>,
    /// The group's place afterwards.
    place: Option<(EntryId, Option<u64>)>,
}

impl Delivery {
    fn is_empty(&self) -> bool {
        self.again.is_empty() && self.new.is_empty()
    }
}

/// A read through a group.
struct Xreadgroup<'a> {
    options: ReadOptions<'a>,
    group: &'a [u8],
    consumer: &'a [u8],
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let options = ReadOptions::parse(call.argv, true)?;
    let (group, consumer) = options.group.ok_or(Error::MissingGroup)?;
    Xreadgroup { options, group, consumer }.run(call)
}

impl<'a> Xreadgroup<'a> {
    fn run(&self, call: &mut Call<'_, 'a>) -> Result<(), Error> {
        let sources = self.sources(call)?;
        let mut unseen = sources.as_slice();
        let mut reading = Reading::begin(call, self.options.limits);
        for source in &sources {
            if reading.is_full(call.reply) {
                break;
            }
            match self.read(call, &mut reading, source, &mut unseen) {
                Ok(()) => {}
                Err(error) if reading.streams_len() == 0 => return Err(error),
                Err(_) => break,
            }
        }
        self.see_consumer(call, &mut unseen)?;
        if reading.streams_len() > 0 {
            reading.finish(call.reply);
            return Ok(());
        }
        call.reply.truncate(call.start);
        if self.options.block_ms.is_none() || !call.may_block {
            call.reply.null_array();
            return Ok(());
        }
        call.blocked = Some(Block {
            deadline_ms: self.options.deadline_ms(call.now_ms),
            mature_ms: sources.iter().filter_map(|source| self.next_mature_ms(call, source)).min(),
            is_group_read: true,
            first_key: self.options.first_key,
            keys: self.options.keys.len(),
            replaced: Vec::new(),
        });
        Ok(())
    }

    /// Looks up every key and reads every ID, before anything is served.
    fn sources(&self, call: &mut Call<'_, 'a>) -> Result<Vec<Source<'a>>, Error> {
        let mut sources = Vec::new();
        let mut claim_ms = self.options.claim_ms;
        call.known.group = self.group;
        for (index, (key, word)) in self.options.streams().enumerate() {
            let id_place = self.options.ids.len() - index;
            let found = call.lookup_group(key, self.group)?;
            let key_place = Place::from_end(id_place + self.options.keys.len());
            let (at, _) = found.ok_or(Error::NoGroupForRead(key_place))?;
            let history = history(word, Place::from_end(id_place))?;
            if history.is_some() {
                // As in Redis, a history ID ends claiming for the keys behind it.
                claim_ms = None;
            }
            try_push(&mut sources, Source { key, at, history, claim_ms })?;
        }
        Ok(sources)
    }

    /// Creates the consumer where it is not there, and notes that it was seen, in all streams that are left. A read
    /// that is refused creates nothing, so this comes after the first decision that stands, or after all of them.
    fn see_consumer(&self, call: &mut Call<'_, 'a>, unseen: &mut &[Source<'a>]) -> Result<(), Error> {
        for source in core::mem::take(unseen) {
            see_consumer(call, source.at, self.group, self.consumer)?;
        }
        Ok(())
    }

    /// Reads one stream: writes its part of the reply, then commits what was delivered.
    fn read(
        &self,
        call: &mut Call<'_, 'a>,
        reading: &mut Reading,
        source: &Source<'a>,
        unseen: &mut &[Source<'a>],
    ) -> Result<(), Error> {
        let before = reading.written();
        let part = reading.open_stream(call.reply, source.key);
        let mut delivery = Delivery::default();
        let read = self
            .write(call, reading, source, &part, &mut delivery)
            .and_then(|()| call.check_reply())
            .and_then(|()| self.commit(call, source.at, &delivery, unseen));
        if read.is_err() || (reading.written() == before && source.history.is_none()) {
            reading.drop_stream(call.reply, part);
        } else {
            reading.close_stream(call.reply, part);
        }
        read
    }

    fn write(
        &self,
        call: &mut Call<'_, 'a>,
        reading: &mut Reading,
        source: &Source<'a>,
        part: &StreamPart,
        delivery: &mut Delivery,
    ) -> Result<(), Error> {
        let now_ms = call.now_ms;
        let Some(stream) = call.engine.stream(source.at) else { return Ok(()) };
        let Some((_, group)) = stream.group(self.group) else { return Ok(()) };
        let mut writer = Writer { stream, group, reply: call.reply, reading, part, delivery, now_ms };
        match (source.history, source.claim_ms) {
            (Some(after), _) => writer.write_history(self.consumer, after),
            (None, claim_ms) => {
                if let Some(claim_ms) = claim_ms {
                    writer.write_claimed(claim_ms)?;
                }
                writer.write_new(claim_ms.is_some())
            }
        }
    }

    fn commit(
        &self,
        call: &mut Call<'_, 'a>,
        at: KeyRef,
        delivery: &Delivery,
        unseen: &mut &[Source<'a>],
    ) -> Result<(), Error> {
        if delivery.is_empty() {
            return Ok(());
        }
        let (now_ms, group, consumer) = (call.now_ms, self.group, Some(self.consumer));
        let again = Effect::Own { group, consumer, now_ms, time_ms: now_ms, items: &delivery.again };
        let new = Effect::Own { group, consumer, now_ms, time_ms: now_ms, items: &delivery.new };
        let becomes_pending = !self.options.no_ack && !delivery.new.is_empty();
        if becomes_pending && call.engine.is_memory_exceeded() {
            return Err(Error::OutOfMemory);
        }
        self.see_consumer(call, unseen)?;
        let place = delivery.place.map(|(last_id, entries_read)| Effect::GroupSet { group, last_id, entries_read });
        // The place in the stream moves last and takes no memory but the journal's.
        if let Some(place) = &place {
            call.promise(at, place)?;
        }
        if becomes_pending {
            call.promise(at, &new)?;
        }
        if !delivery.again.is_empty() {
            call.commit(at, &again)?;
        }
        if becomes_pending {
            call.commit_promised(at, &new)?;
        }
        if let Some(place) = &place {
            call.commit_promised(at, place)?;
        }
        // A read counts as one change; looking at one's own history as none.
        call.count_changes(usize::from(delivery.place.is_some()));
        Ok(())
    }

    /// When a pending entry that is not yet claimable will be.
    fn next_mature_ms(&self, call: &Call<'_, 'a>, source: &Source<'a>) -> Option<u64> {
        let claim_ms = source.claim_ms?;
        let (_, group) = call.engine.stream(source.at)?.group(self.group)?;
        let mut next_ms = None;
        group.walk_delivery(&mut |pending| {
            let mature_ms = pending.time_ms.saturating_add(claim_ms);
            // What is claimable by now and was not claimed has lost its entry.
            if pending.consumer.is_some() && mature_ms > call.now_ms {
                next_ms = Some(mature_ms);
            }
            next_ms.is_none()
        });
        next_ms
    }
}

/// Creates a consumer if it is not there, and notes that it was seen.
pub(super) fn see_consumer<'a>(
    call: &mut Call<'_, 'a>,
    at: KeyRef,
    group: &'a [u8],
    consumer: &'a [u8],
) -> Result<(), Error> {
    let now_ms = call.now_ms;
    let found = call.engine.stream(at).and_then(|stream| stream.group(group)?.1.consumer(consumer));
    match found {
        None => {
            call.commit(at, &Effect::ConsumerCreate { group, consumer, now_ms })?;
            call.count_changes(1);
        }
        Some(key) => {
            let stream = call.engine.stream_mut(at);
            if let Some(mut group) = stream.and_then(|stream| stream.group_mut(group)) {
                group.touch_seen(key, now_ms);
            }
        }
    }
    Ok(())
}

/// The ID after which the consumer wants its own pending entries; none if it wants new ones. The largest ID of all
/// means new ones as well.
fn history(word: &[u8], place: Place) -> Result<Option<EntryId>, Error> {
    match word {
        b">" => Ok(None),
        b"$" | b"+" => Err(Error::MeaninglessId(place)),
        id => Ok(Some(args::id(id)?).filter(|&id| id != EntryId::MAX)),
    }
}

/// Writes the entries of one stream and notes what that delivers.
struct Writer<'w> {
    stream: &'w Stream,
    group: &'w Group,
    reply: &'w mut Reply,
    reading: &'w mut Reading,
    part: &'w StreamPart,
    delivery: &'w mut Delivery,
    now_ms: u64,
}

impl Writer<'_> {
    fn allows(&mut self) -> bool {
        self.reading.allows(self.reply, self.part)
    }

    /// The consumer's own pending entries. One whose entry is gone is shown without fields and left as it is.
    fn write_history(&mut self, consumer: &[u8], after: EntryId) -> Result<(), Error> {
        let (Some(consumer), Some(from)) = (self.group.consumer(consumer), after.successor()) else { return Ok(()) };
        let mut entries = self.stream.entries().lookup();
        let mut result = Ok(());
        self.group.walk_consumer(consumer, from, &mut |pending| {
            if !self.allows() {
                return false;
            }
            match entries.get(pending.id) {
                Some(entry) => {
                    write_entry(self.reply, &entry);
                    let item = Owned { id: pending.id, deliveries: pending.deliveries.saturating_add(1) };
                    result = try_push(&mut self.delivery.again, item);
                }
                None => {
                    self.reply.array(2);
                    self.reply.id(pending.id);
                    self.reply.null_array();
                }
            }
            self.reading.count_entry();
            result.is_ok()
        });
        Ok(result?)
    }

    /// Pending entries of any consumer that have been idle long enough, the longest first; released ones before all.
    fn write_claimed(&mut self, claim_ms: u64) -> Result<(), Error> {
        let mut entries = self.stream.entries().lookup();
        let mut result = Ok(());
        self.group.walk_delivery(&mut |pending| {
            let idle_ms = self.now_ms.saturating_sub(pending.time_ms);
            let is_mature = pending.consumer.is_none() || idle_ms >= claim_ms;
            if !is_mature || !self.allows() {
                return false;
            }
            let Some(entry) = entries.get(pending.id) else { return true };
            self.reply.array(4);
            self.reply.id(pending.id);
            write_fields(self.reply, &entry);
            self.reply.count(idle_ms);
            self.reply.integer(pending.deliveries);
            self.reading.count_entry();
            let item = Owned { id: pending.id, deliveries: pending.deliveries.saturating_add(1) };
            result = try_push(&mut self.delivery.again, item);
            result.is_ok()
        });
        Ok(result?)
    }

    /// Entries that nobody in the group was given yet.
    fn write_new(&mut self, with_idle: bool) -> Result<(), Error> {
        let (mut last_id, mut entries_read) = (self.group.last_id, self.group.entries_read);
        let Some(from) = last_id.successor().filter(|&from| from <= self.stream.last_id()) else { return Ok(()) };
        let mut cursor = self.stream.entries().range(from, EntryId::MAX);
        while self.allows() {
            let Some(entry) = cursor.next_entry() else { break };
            if with_idle {
                self.reply.array(4);
                self.reply.id(entry.id());
                write_fields(self.reply, &entry);
                self.reply.integer(0);
                self.reply.integer(0);
            } else {
                write_entry(self.reply, &entry);
            }
            self.reading.count_entry();
            try_push(&mut self.delivery.new, Owned { id: entry.id(), deliveries: 1 })?;
            entries_read = self.stream.count_delivery(last_id, entries_read, entry.id());
            last_id = entry.id();
            self.delivery.place = Some((last_id, entries_read));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use crate::{Config, Engine, Reply, Session, Value};

    fn call(engine: &mut Engine, line: &str) -> Value {
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let mut reply = Reply::new();
        engine.call(1, Session::default(), &argv, &mut reply);
        reply.to_value().unwrap()
    }

    #[test]
    fn a_refused_read_creates_no_consumer() {
        let limits =
            [Config { memory_bytes_max: 1, ..Config::default() }, Config { reply_bytes_max: 400, ..Config::default() }];
        for limited in limits {
            let mut engine = Engine::new(Config { journal: true, ..Config::default() });
            call(&mut engine, "XGROUP CREATE empty g 0 MKSTREAM");
            call(&mut engine, &std::format!("XADD s 1-1 f {}", "x".repeat(1000)));
            call(&mut engine, "XGROUP CREATE s g 0");
            let effects_len = engine.effects_len();
            engine.configure(limited);
            let refused = call(&mut engine, "XREADGROUP GROUP g a STREAMS empty s > >");
            assert!(matches!(refused, Value::Error(_)), "{refused:?}");
            assert_eq!(engine.effects_len(), effects_len);
            engine.configure(Config::default());
            assert!(matches!(call(&mut engine, "XREADGROUP GROUP g a STREAMS empty s > >"), Value::Pairs(_)));
            let consumers = call(&mut engine, "XINFO CONSUMERS empty g");
            assert!(matches!(consumers, Value::Array(consumers) if consumers.len() == 1));
        }
    }
}
