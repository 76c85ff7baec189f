//! Lets a key expire after a time. A time that has already passed removes it.
//!
//! Syntax: `EXPIRE key seconds [NX | XX | GT | LT]`, `PEXPIRE key milliseconds [NX | XX | GT | LT]`. See
//! <https://redis.io/docs/latest/commands/expire/>, <https://redis.io/docs/latest/commands/pexpire/>.

use super::Call;
use super::args::{Args, integer, is};
use crate::engine::effect::Effect;
use crate::error::Error;

pub(super) fn run_seconds(call: &mut Call<'_, '_>) -> Result<(), Error> {
    Expire::parse(call.argv, call.now_ms, 1000)?.run(call)
}

pub(super) fn run_milliseconds(call: &mut Call<'_, '_>) -> Result<(), Error> {
    Expire::parse(call.argv, call.now_ms, 1)?.run(call)
}

struct Expire<'a> {
    key: &'a [u8],
    at_ms: i64,
    condition: Condition,
}

/// What must be true of the expiry the key already has. XX goes together with GT or LT.
#[derive(Default)]
struct Condition {
    none: bool,
    some: bool,
    later: bool,
    earlier: bool,
}

impl<'a> Expire<'a> {
    /// The options are read before the time they follow, as in Redis: of two errors theirs is shown.
    fn parse(argv: &'a [&'a [u8]], now_ms: u64, unit_ms: i64) -> Result<Expire<'a>, Error> {
        let mut args = Args::new(argv, 1);
        let (key, time) = (args.word()?, args.word()?);
        let condition = Condition::parse(args)?;
        let at_ms = integer(time)?.checked_mul(unit_ms).and_then(|time_ms| time_ms.checked_add_unsigned(now_ms));
        Ok(Expire { key, at_ms: at_ms.ok_or(Error::InvalidExpire)?, condition })
    }

    fn run(self, call: &mut Call<'_, 'a>) -> Result<(), Error> {
        let found = call.lookup(self.key);
        let expires_ms = found.and_then(|at| call.engine.key(at)).and_then(|key| key.expires_ms());
        let Some(at) = found.filter(|_| self.condition.holds(expires_ms, self.at_ms)) else {
            call.reply.integer(0);
            return Ok(());
        };
        match u64::try_from(self.at_ms) {
            Ok(at_ms) if at_ms > call.now_ms => call.commit(at, &Effect::Expire { at_ms: Some(at_ms) })?,
            _ => call.commit(at, &Effect::Remove)?,
        }
        call.count_changes(1);
        call.reply.integer(1);
        Ok(())
    }
}

impl Condition {
    fn parse(mut args: Args<'_>) -> Result<Condition, Error> {
        let mut condition = Condition::default();
        while let Some(option) = args.next() {
            let flag = match option {
                _ if is(option, "NX") => &mut condition.none,
                _ if is(option, "XX") => &mut condition.some,
                _ if is(option, "GT") => &mut condition.later,
                _ if is(option, "LT") => &mut condition.earlier,
                _ => return Err(Error::UnsupportedOption(args.taken())),
            };
            *flag = true;
        }
        if condition.none && (condition.some || condition.later || condition.earlier) {
            return Err(Error::ExpireConditions);
        }
        if condition.later && condition.earlier {
            return Err(Error::ExpireLaterAndEarlier);
        }
        Ok(condition)
    }

    /// A key that does not expire counts as one that expires after any time.
    fn holds(&self, expires_ms: Option<u64>, at_ms: i64) -> bool {
        let is_later = expires_ms.is_some_and(|expires_ms| i128::from(at_ms) > i128::from(expires_ms));
        let is_earlier = expires_ms.is_none_or(|expires_ms| i128::from(at_ms) < i128::from(expires_ms));
        let is_refused = self.none && expires_ms.is_some()
            || self.some && expires_ms.is_none()
            || self.later && !is_later
            || self.earlier && !is_earlier;
        !is_refused
    }
}
