//! Takes pending entries over, whoever owns them.
//!
//! Syntax: `XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-ms] [RETRYCOUNT count]
//! [FORCE] [JUSTID] [LASTID id]`. See <https://redis.io/docs/latest/commands/xclaim/>.

use alloc::vec::Vec;

use super::args::{self, Args};
use super::ids::{Decided, Repeats};
use super::xrange::write_entry;
use super::xreadgroup::see_consumer;
use super::{Call, found_group};
use crate::engine::KeyRef;
use crate::engine::effect::{Effect, Owned};
use crate::error::Error;
use crate::group::{GroupKey, Pending};
use crate::id::EntryId;
use crate::memory::try_push;
use crate::number::parse_i64;

struct Xclaim<'a> {
    group: &'a [u8],
    consumer: &'a [u8],
    min_idle_ms: u64,
    ids: Vec<EntryId>,
    /// The delivery time that the entries get, if not the present one.
    time_ms: Option<u64>,
    deliveries: Option<i64>,
    creates: bool,
    ids_only: bool,
    last_id: Option<EntryId>,
}

/// What was decided.
#[derive(Default)]
struct Claim {
    decided: Decided,
    /// Pending entries whose entry is gone.
    lost: Vec<EntryId>,
    creates: bool,
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let &[_, key, group, ..] = call.argv else { return Err(Error::Syntax) };
    // Redis looks for the group before it reads the rest.
    let found = call.lookup_group(key, group)?.ok_or(Error::NoKeyOrGroup)?;
    Xclaim::parse(call.argv, call.now_ms)?.run(call, found)
}

impl<'a> Xclaim<'a> {
    fn parse(argv: &'a [&'a [u8]], now_ms: u64) -> Result<Xclaim<'a>, Error> {
        let mut args = Args::new(argv, 1);
        let (_, group, consumer) = (args.word()?, args.word()?, args.word()?);
        let min_idle = parse_i64(args.word()?).ok_or(Error::InvalidMinIdle)?;
        let mut ids = Vec::new();
        while let Some(id) = args.peek().and_then(|word| EntryId::parse(word, 0)) {
            args.word()?;
            try_push(&mut ids, id)?;
        }
        let mut request = Xclaim {
            group,
            consumer,
            min_idle_ms: u64::try_from(min_idle).unwrap_or(0),
            ids,
            time_ms: None,
            deliveries: None,
            creates: false,
            ids_only: false,
            last_id: None,
        };
        while args.len() > 0 {
            request.accept(&mut args, now_ms)?;
        }
        Ok(request)
    }

    fn accept(&mut self, args: &mut Args<'a>, now_ms: u64) -> Result<(), Error> {
        let has_operand = args.len() > 1;
        if args.keyword("FORCE") {
            self.creates = true;
        } else if args.keyword("JUSTID") {
            self.ids_only = true;
        } else if has_operand && args.keyword("IDLE") {
            let idle = option(args)?;
            self.time_ms = Some(past(now_ms.cast_signed().checked_sub(idle), now_ms));
        } else if has_operand && args.keyword("TIME") {
            self.time_ms = Some(past(Some(option(args)?), now_ms));
        } else if has_operand && args.keyword("RETRYCOUNT") {
            self.deliveries = Some(option(args)?).filter(|&count| count >= 0);
        } else if has_operand && args.keyword("LASTID") {
            self.last_id = Some(args::id(args.word()?)?);
        } else {
            args.word()?;
            return Err(Error::UnknownClaimOption(args.taken()));
        }
        Ok(())
    }

    fn run(self, call: &mut Call<'_, 'a>, found: (KeyRef, GroupKey)) -> Result<(), Error> {
        let (now_ms, group, consumer) = (call.now_ms, self.group, self.consumer);
        let time_ms = self.time_ms.unwrap_or(now_ms);
        let at = found.0;
        let claim = self.decide(call, found, time_ms)?;
        call.check_reply()?;
        if claim.creates && call.engine.is_memory_exceeded() {
            return Err(Error::OutOfMemory);
        }
        let items = &*claim.decided.items;
        let own = Effect::Own { group, consumer: Some(consumer), now_ms, time_ms, items };
        let forget = Effect::Forget { group, ids: &claim.lost };
        see_consumer(call, at, group, consumer)?;
        call.promise(at, &forget)?;
        let place = self.place(call, at);
        if let Some(place) = &place {
            call.promise(at, place)?;
        }
        if !items.is_empty() {
            call.commit(at, &own)?;
        }
        if !claim.lost.is_empty() {
            call.commit_promised(at, &forget)?;
        }
        if let Some(place) = &place {
            call.commit_promised(at, place)?;
        }
        call.count_changes(items.len() + claim.lost.len() + usize::from(place.is_some()));
        Ok(())
    }

    /// Where LASTID moves the group to: forwards only.
    fn place(&self, call: &Call<'_, 'a>, at: KeyRef) -> Option<Effect<'a>> {
        let (_, group) = call.engine.stream(at)?.group(self.group)?;
        let last_id = self.last_id.filter(|&last_id| last_id > group.last_id)?;
        Some(Effect::GroupSet { group: self.group, last_id, entries_read: group.entries_read })
    }

    /// Decides for each ID in order, and writes the reply. An ID that is named twice is claimed twice.
    fn decide(&self, call: &mut Call<'_, 'a>, found: (KeyRef, GroupKey), time_ms: u64) -> Result<Claim, Error> {
        let mut claim = Claim::default();
        let repeats = Repeats::new(&self.ids)?;
        let (stream, group) = found_group(call.engine, found)?;
        let mut entries = stream.entries().lookup();
        let open = call.reply.open_array();
        for (place, &id) in self.ids.iter().enumerate() {
            let pending = match repeats.before(place).map(|before| claim.decided.at(before)) {
                None => group.pending(id).map(idle_since),
                Some(Some(item)) => Some((Some(time_ms), item.deliveries)),
                // What was passed over, or dropped, once is passed over now.
                Some(None) => continue,
            };
            let Some(entry) = entries.get(id) else {
                if pending.is_some() {
                    try_push(&mut claim.lost, id)?;
                }
                continue;
            };
            // An entry that is made pending by force counts as delivered once before.
            let before = match pending {
                Some((idle_since_ms, deliveries)) => {
                    let idle_ms = idle_since_ms.map(|since_ms| call.now_ms.saturating_sub(since_ms));
                    if idle_ms.is_some_and(|idle_ms| idle_ms < self.min_idle_ms) {
                        continue;
                    }
                    deliveries
                }
                None if self.creates => 1,
                None => continue,
            };
            claim.creates |= pending.is_none();
            let deliveries = self.deliveries.unwrap_or(before.saturating_add(i64::from(!self.ids_only)));
            claim.decided.push(place, Owned { id, deliveries })?;
            if self.ids_only {
                call.reply.id(id);
            } else {
                write_entry(call.reply, &entry);
            }
        }
        call.reply.close_array(open, claim.decided.items.len());
        Ok(claim)
    }
}

/// Since when an entry is idle (for ever, if nobody owns it) and how often it was delivered.
fn idle_since(pending: Pending) -> (Option<u64>, i64) {
    (pending.consumer.map(|_| pending.time_ms), pending.deliveries)
}

fn option(args: &mut Args<'_>) -> Result<i64, Error> {
    let keyword = args.taken();
    parse_i64(args.word()?).ok_or(Error::InvalidClaimOption(keyword))
}

/// A time that lies before all times, or in the future, is the present one.
fn past(time: Option<i64>, now_ms: u64) -> u64 {
    time.and_then(|time| u64::try_from(time).ok()).filter(|&time_ms| time_ms <= now_ms).unwrap_or(now_ms)
}
