//! Shows what is pending in a group: a summary, or entry by entry.
//!
//! Syntax: `XPENDING key group [[IDLE min-idle-time] start end count [consumer]]`.
//! See <https://redis.io/docs/latest/commands/xpending/>.

use super::Call;
use super::args::{Args, range_end, range_start};
use crate::engine::KeyRef;
use crate::error::Error;
use crate::group::{Group, GroupKey, Pending};
use crate::id::EntryId;
use crate::number::DecimalText;
use crate::reply::Reply;

/// Which pending entries to show.
struct Selection<'a> {
    min_idle_ms: i64,
    from: EntryId,
    to: EntryId,
    count: i64,
    consumer: Option<&'a [u8]>,
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let mut args = Args::new(call.argv, 1);
    let (key, group) = (args.word()?, args.word()?);
    let selection = if args.len() == 0 { None } else { Some(Selection::parse(args)?) };
    let found = call.lookup_group(key, group)?.ok_or(Error::NoKeyOrGroup)?;
    match selection {
        None => write_summary(call, found),
        Some(selection) => selection.write(call, found),
    }
    Ok(())
}

impl<'a> Selection<'a> {
    fn parse(mut args: Args<'a>) -> Result<Selection<'a>, Error> {
        // The numbers of words that Redis accepts, whatever they are.
        let words = args.len();
        if !(3..=6).contains(&words) {
            return Err(Error::Syntax);
        }
        let mut min_idle_ms = 0;
        if args.keyword("IDLE") {
            min_idle_ms = args.integer()?;
            if words < 5 {
                return Err(Error::Syntax);
            }
        }
        let (start, end) = (args.word()?, args.word()?);
        let count = args.integer()?;
        let (from, to) = (range_start(start)?, range_end(end)?);
        Ok(Selection { min_idle_ms, from, to, count, consumer: args.next() })
    }

    fn write(&self, call: &mut Call<'_, 'a>, found: (KeyRef, GroupKey)) {
        let now_ms = call.now_ms;
        let Some(stream) = call.engine.stream(found.0) else { return };
        let Some(group) = stream.groups().group(found.1) else { return };
        let reply = &mut *call.reply;
        let open = reply.open_array();
        let mut written = 0;
        if self.count > 0 {
            let mut show = |pending: Pending| {
                if pending.id > self.to {
                    return false;
                }
                if let Some(idle_ms) = self.idle_ms(&pending, now_ms) {
                    write_pending(reply, group, &pending, idle_ms);
                    written += 1;
                }
                written < self.count && reply.check().is_ok()
            };
            match self.consumer.map(|name| group.consumer(name)) {
                None => group.walk(self.from, &mut show),
                Some(Some(consumer)) => group.walk_consumer(consumer, self.from, &mut show),
                Some(None) => {}
            }
        }
        reply.close_array(open, written as usize);
    }

    /// How long the entry has been idle, if that is long enough: -1 for one that nobody owns, which always is.
    fn idle_ms(&self, pending: &Pending, now_ms: u64) -> Option<i64> {
        if pending.consumer.is_none() {
            return Some(-1);
        }
        let idle_ms = now_ms.saturating_sub(pending.time_ms).cast_signed();
        (idle_ms >= self.min_idle_ms).then_some(idle_ms)
    }
}

fn write_pending(reply: &mut Reply, group: &Group, pending: &Pending, idle_ms: i64) {
    let consumer = pending.consumer.and_then(|key| group.consumer_ref(key));
    reply.array(4);
    reply.id(pending.id);
    reply.bulk(consumer.map_or(b"", |consumer| consumer.name()));
    reply.integer(idle_ms);
    reply.integer(pending.deliveries);
}

fn write_summary(call: &mut Call<'_, '_>, found: (KeyRef, GroupKey)) {
    let Some(stream) = call.engine.stream(found.0) else { return };
    let Some(group) = stream.groups().group(found.1) else { return };
    let reply = &mut *call.reply;
    reply.array(4);
    reply.count(group.pending_len());
    let (Some(first), Some(last)) = (group.first_pending(), group.last_pending()) else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    reply.id(first);
    reply.id(last);
    let open = reply.open_array();
    let mut written = 0;
    for (_, consumer) in group.consumers().filter(|(_, consumer)| consumer.pending_len() > 0) {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk(DecimalText::new(consumer.pending_len().cast_signed()).as_bytes());
        written += 1;
    }
    reply.close_array(open, written);
}
