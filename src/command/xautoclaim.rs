//! Takes over pending entries that have been idle long enough, a page at a time.
//!
//! Syntax: `XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]`.
//! See <https://redis.io/docs/latest/commands/xautoclaim/>.

use alloc::vec::Vec;

use super::args::{Args, range_start};
use super::xrange::write_entry;
use super::xreadgroup::see_consumer;
use super::{Call, found_group};
use crate::engine::KeyRef;
use crate::engine::effect::{Effect, Owned};
use crate::error::Error;
use crate::group::GroupKey;
use crate::id::EntryId;
use crate::memory::try_push;
use crate::number::parse_i64;

/// How many pending entries are looked at for each one wanted.
const SCANNED_PER_COUNT: u64 = 10;
/// The largest COUNT that is a number of entries at all: Redis multiplies it by 16.
const COUNT_MAX: u64 = i64::MAX.unsigned_abs() / 16;
/// The largest COUNT that Redis finds memory for. Nothing is allocated by it here.
const COUNT_IN_MEMORY_MAX: u64 = 1 << 36;

struct Xautoclaim<'a> {
    group: &'a [u8],
    consumer: &'a [u8],
    min_idle_ms: u64,
    start: EntryId,
    count: u64,
    ids_only: bool,
}

/// What was decided.
#[derive(Default)]
struct Claim {
    items: Vec<Owned>,
    /// Pending entries whose entry is gone.
    lost: Vec<EntryId>,
    /// Where the next page begins.
    next: EntryId,
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (key, request) = Xautoclaim::parse(call.argv)?;
    let found = call.lookup_group(key, request.group)?;
    request.run(call, found.ok_or(Error::NoKeyOrGroup)?)
}

impl<'a> Xautoclaim<'a> {
    fn parse(argv: &'a [&'a [u8]]) -> Result<(&'a [u8], Xautoclaim<'a>), Error> {
        let mut args = Args::new(argv, 1);
        let (key, group, consumer) = (args.word()?, args.word()?, args.word()?);
        let min_idle = parse_i64(args.word()?).ok_or(Error::InvalidMinIdle)?;
        let min_idle_ms = u64::try_from(min_idle).unwrap_or(0);
        let start = range_start(args.word()?)?;
        let mut request = Xautoclaim { group, consumer, min_idle_ms, start, count: 100, ids_only: false };
        while args.len() > 0 {
            if args.len() > 1 && args.keyword("COUNT") {
                request.count = count(args.word()?)?;
            } else if args.keyword("JUSTID") {
                request.ids_only = true;
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok((key, request))
    }

    fn run(&self, call: &mut Call<'_, 'a>, found: (KeyRef, GroupKey)) -> Result<(), Error> {
        let (now_ms, group, consumer) = (call.now_ms, self.group, self.consumer);
        let at = found.0;
        let claim = self.decide(call, found)?;
        call.check_reply()?;
        let own = Effect::Own { group, consumer: Some(consumer), now_ms, time_ms: now_ms, items: &claim.items };
        let forget = Effect::Forget { group, ids: &claim.lost };
        see_consumer(call, at, group, consumer)?;
        call.promise(at, &forget)?;
        if !claim.items.is_empty() {
            call.commit(at, &own)?;
        }
        if !claim.lost.is_empty() {
            call.commit_promised(at, &forget)?;
        }
        call.count_changes(claim.items.len() + claim.lost.len());
        Ok(())
    }

    /// Decides entry by entry and writes the reply.
    fn decide(&self, call: &mut Call<'_, 'a>, found: (KeyRef, GroupKey)) -> Result<Claim, Error> {
        let mut claim = Claim::default();
        let (stream, group) = found_group(call.engine, found)?;
        let (reply, now_ms) = (&mut *call.reply, call.now_ms);
        reply.array(3);
        let next = reply.open_id();
        let open = reply.open_array();
        let mut scannable = self.count.saturating_mul(SCANNED_PER_COUNT);
        let mut wanted = self.count;
        let mut result = Ok(());
        let mut entries = stream.entries().lookup();
        group.walk(self.start, &mut |pending| {
            if scannable == 0 || wanted == 0 {
                claim.next = pending.id;
                return false;
            }
            scannable -= 1;
            let Some(entry) = entries.get(pending.id) else {
                wanted -= 1;
                result = try_push(&mut claim.lost, pending.id);
                return result.is_ok();
            };
            if pending.consumer.is_some() && now_ms.saturating_sub(pending.time_ms) < self.min_idle_ms {
                return true;
            }
            wanted -= 1;
            let deliveries = pending.deliveries.saturating_add(i64::from(!self.ids_only));
            result = try_push(&mut claim.items, Owned { id: pending.id, deliveries });
            if self.ids_only {
                reply.id(pending.id);
            } else {
                write_entry(reply, &entry);
            }
            result.is_ok() && reply.check().is_ok()
        });
        result?;
        reply.set_id(next, claim.next);
        reply.close_array(open, claim.items.len());
        reply.array(claim.lost.len());
        claim.lost.iter().for_each(|&id| reply.id(id));
        Ok(claim)
    }
}

fn count(word: &[u8]) -> Result<u64, Error> {
    let count = parse_i64(word).and_then(|count| u64::try_from(count).ok());
    let count = count.filter(|&count| count > 0 && count <= COUNT_MAX).ok_or(Error::CountNotPositive)?;
    if count > COUNT_IN_MEMORY_MAX { Err(Error::CountTooLarge) } else { Ok(count) }
}
