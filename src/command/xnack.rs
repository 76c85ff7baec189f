//! Gives pending entries back: they keep their place, lose their owner, and are the first to be claimed.
//!
//! Syntax: `XNACK key group <SILENT | FAIL | FATAL> IDS numids id [id ...] [RETRYCOUNT count] [FORCE]`.
//! See <https://redis.io/docs/latest/commands/xnack/>.

use super::args::{Args, is};
use super::ids::{self, Decided, Repeats};
use super::{Call, found_group};
use crate::engine::effect::{Effect, Owned};
use crate::error::Error;
use crate::number::parse_i64;

/// Why an entry is given back, which decides its delivery count.
#[derive(Clone, Copy)]
enum Mode {
    /// As if it had not been delivered.
    Silent,
    /// The delivery counts.
    Fail,
    /// It shall count as delivered too often.
    Fatal,
}

struct Xnack<'a> {
    mode: Mode,
    ids: &'a [&'a [u8]],
    deliveries: Option<i64>,
    creates: bool,
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let mut args = Args::new(call.argv, 1);
    let (key, group) = (args.word()?, args.word()?);
    let found = call.lookup_group(key, group)?.ok_or(Error::NoKeyOrGroup)?;
    let request = Xnack::parse(&mut args)?;
    let ids = ids::parse(request.ids)?;
    let repeats = Repeats::new(&ids)?;
    let (stream, known) = found_group(call.engine, found)?;
    let mut decided = Decided::default();
    let mut creates = false;
    for (place, &id) in ids.iter().enumerate() {
        let deliveries = match repeats.before(place).map(|before| decided.at(before)) {
            None => known.pending(id).map(|pending| pending.deliveries),
            Some(Some(item)) => Some(item.deliveries),
            // What was passed over once is passed over again.
            Some(None) => continue,
        };
        if deliveries.is_none() && !(request.creates && stream.entries().contains(id)) {
            continue;
        }
        creates |= deliveries.is_none();
        let deliveries = request.resolve(deliveries.unwrap_or(0));
        decided.push(place, Owned { id, deliveries })?;
    }
    let items = decided.items;
    if creates && call.engine.is_memory_exceeded() {
        return Err(Error::OutOfMemory);
    }
    if !items.is_empty() {
        let now_ms = call.now_ms;
        call.commit(found.0, &Effect::Own { group, consumer: None, now_ms, time_ms: 0, items: &items })?;
    }
    call.count_changes(items.len());
    call.reply.count(items.len() as u64);
    Ok(())
}

impl<'a> Xnack<'a> {
    fn parse(args: &mut Args<'a>) -> Result<Xnack<'a>, Error> {
        let mode = Mode::parse(args.word()?).ok_or(Error::NackMode)?;
        let (mut ids, mut deliveries, mut creates) = (None, None, false);
        while let Some(word) = args.next() {
            if is(word, "FORCE") {
                creates = true;
            } else if is(word, "RETRYCOUNT") && args.len() > 0 {
                let count = args.integer()?;
                deliveries = Some(count).filter(|&count| count >= 0);
                deliveries.ok_or(Error::NackRetryCount)?;
            } else if is(word, "IDS") && args.len() > 0 {
                ids = Some(parse_ids(args)?);
            } else {
                return Err(Error::UnknownNackOption(args.taken()));
            }
        }
        Ok(Xnack { mode, ids: ids.ok_or(Error::NackIdsExpected)?, deliveries, creates })
    }

    /// The delivery count that an entry has afterwards.
    fn resolve(&self, before: i64) -> i64 {
        self.deliveries.unwrap_or(match self.mode {
            Mode::Silent => before.saturating_sub(1).max(0),
            Mode::Fail => before,
            Mode::Fatal => i64::MAX,
        })
    }
}

fn parse_ids<'a>(args: &mut Args<'a>) -> Result<&'a [&'a [u8]], Error> {
    let count = parse_i64(args.word()?).and_then(|count| i32::try_from(count).ok());
    let count = count.filter(|&count| count > 0).ok_or(Error::NackNumIds)?;
    args.take(count.unsigned_abs() as usize).ok_or(Error::NackNumIdsMismatch)
}

impl Mode {
    fn parse(word: &[u8]) -> Option<Mode> {
        if is(word, "SILENT") {
            Some(Mode::Silent)
        } else if is(word, "FAIL") {
            Some(Mode::Fail)
        } else if is(word, "FATAL") {
            Some(Mode::Fatal)
        } else {
            None
        }
    }
}
