//! A stream's counters with its first and last entry, or (FULL) with entries, groups, consumers and what is pending.
//!
//! Syntax: `XINFO STREAM key [FULL [COUNT count]]`. See <https://redis.io/docs/latest/commands/xinfo-stream/>.
//!
//! Differs from Redis in `radix-tree-nodes`: there is no radix tree, so the number is what a small one would have.

use super::{Args, Call, count, find_stream, id, integer, is, name, write_entry, write_progress};
use crate::error::Error;
use crate::group::{Consumer, ConsumerKey, Group, Pending};
use crate::id::EntryId;
use crate::reply::Reply;
use crate::stream::Stream;

/// How many entries, and how many pending ones of each list, FULL shows unless it is told.
const COUNT_DEFAULT: u64 = 10;

struct Info<'a> {
    key: &'a [u8],
    /// Read once it is known that there is a stream.
    options: Args<'a>,
}

/// How much of the stream is shown.
enum Extent {
    Summary,
    /// At most so many entries, and so many pending ones of each list.
    Full {
        count_max: u64,
    },
}

pub(in crate::command) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    Info::parse(call.argv)?.run(call)
}

impl<'a> Info<'a> {
    fn parse(argv: &'a [&'a [u8]]) -> Result<Info<'a>, Error> {
        let mut args = Args::new(argv, 1);
        args.word()?;
        Ok(Info { key: args.word()?, options: args })
    }

    fn run(self, call: &mut Call<'_, 'a>) -> Result<(), Error> {
        let (stream, reply) = find_stream(call, self.key)?;
        match self.parse_extent()? {
            Extent::Summary => write_summary(reply, stream),
            Extent::Full { count_max } => write_full(reply, stream, count_max),
        }
        Ok(())
    }

    fn parse_extent(&self) -> Result<Extent, Error> {
        match *self.options.rest() {
            [] => Ok(Extent::Summary),
            [full] if is(full, "FULL") => Ok(Extent::Full { count_max: COUNT_DEFAULT }),
            [full, option, count] if is(full, "FULL") && is(option, "COUNT") => {
                let count_max = match integer(count)? {
                    0 => u64::MAX,
                    count => u64::try_from(count).unwrap_or(COUNT_DEFAULT),
                };
                Ok(Extent::Full { count_max })
            }
            _ => Err(Error::SubcommandSyntax),
        }
    }
}

/// The counters, which both forms begin with.
fn write_counters(reply: &mut Reply, stream: &Stream) {
    let nodes = stream.entries().nodes();
    let limits = stream.producer_limits();
    let producers = stream.producers();
    count(reply, "length", stream.len());
    count(reply, "radix-tree-keys", nodes);
    count(reply, "radix-tree-nodes", nodes + 1);
    id(reply, "last-generated-id", stream.last_id());
    id(reply, "max-deleted-entry-id", stream.max_deleted());
    count(reply, "entries-added", stream.entries_added());
    id(reply, "recorded-first-entry-id", stream.entries().first_id().unwrap_or(EntryId::MIN));
    count(reply, "idmp-duration", u64::from(limits.duration_s));
    count(reply, "idmp-maxsize", u64::from(limits.entries_max));
    count(reply, "pids-tracked", producers.map_or(0, |producers| producers.len() as u64));
    count(reply, "iids-tracked", producers.map_or(0, |producers| producers.records_len() as u64));
    count(reply, "iids-added", stream.iids_added());
    count(reply, "iids-duplicates", stream.iids_duplicates());
}

fn write_summary(reply: &mut Reply, stream: &Stream) {
    reply.map(16);
    write_counters(reply, stream);
    count(reply, "groups", stream.groups().len() as u64);
    let entries = stream.entries();
    for (title, end) in [("first-entry", entries.first_id()), ("last-entry", entries.last_id())] {
        name(reply, title);
        match end.and_then(|id| stream.get(id)) {
            Some(entry) => write_entry(reply, &entry),
            None => reply.null(),
        }
    }
}

fn write_full(reply: &mut Reply, stream: &Stream, count_max: u64) {
    reply.map(15);
    write_counters(reply, stream);
    name(reply, "entries");
    write_entries(reply, stream, count_max);
    name(reply, "groups");
    reply.array(stream.groups().len());
    for (_, group_name, group) in stream.groups().iter() {
        reply.map(8);
        name(reply, "name");
        reply.bulk(group_name);
        write_progress(reply, stream, group);
        count(reply, "pel-count", group.pending_len());
        count(reply, "nacked-count", group.unowned_len());
        name(reply, "pending");
        write_pending(reply, group, None, count_max);
        name(reply, "consumers");
        reply.array(group.consumers_len());
        for (key, consumer) in group.consumers() {
            write_consumer(reply, group, key, consumer, count_max);
        }
    }
}

fn write_entries(reply: &mut Reply, stream: &Stream, count_max: u64) {
    let open = reply.open_array();
    let mut cursor = stream.entries().range(EntryId::MIN, EntryId::MAX);
    let mut written = 0;
    while (written as u64) < count_max && reply.check().is_ok() {
        let Some(entry) = cursor.next_entry() else { break };
        write_entry(reply, &entry);
        written += 1;
    }
    reply.close_array(open, written);
}

fn write_consumer(reply: &mut Reply, group: &Group, key: ConsumerKey, consumer: &Consumer, count_max: u64) {
    reply.map(5);
    name(reply, "name");
    reply.bulk(consumer.name());
    count(reply, "seen-time", consumer.seen_ms());
    name(reply, "active-time");
    match consumer.active_ms() {
        Some(active_ms) => reply.count(active_ms),
        None => reply.integer(-1),
    }
    count(reply, "pel-count", consumer.pending_len());
    name(reply, "pending");
    write_pending(reply, group, Some(key), count_max);
}

/// The pending entries of one consumer, or of the whole group with the consumer's name, which is empty for nobody's.
fn write_pending(reply: &mut Reply, group: &Group, of: Option<ConsumerKey>, count_max: u64) {
    let open = reply.open_array();
    let mut written = 0;
    let mut write = |pending: Pending| {
        if written as u64 == count_max || reply.check().is_err() {
            return false;
        }
        reply.array(if of.is_some() { 3 } else { 4 });
        reply.id(pending.id);
        if of.is_none() {
            let owner = pending.consumer.and_then(|key| group.consumer_ref(key));
            reply.bulk(owner.map_or(&[], Consumer::name));
        }
        reply.count(pending.time_ms);
        reply.integer(pending.deliveries);
        written += 1;
        true
    };
    match of {
        Some(key) => group.walk_consumer(key, EntryId::MIN, &mut write),
        None => group.walk(EntryId::MIN, &mut write),
    }
    reply.close_array(open, written);
}
