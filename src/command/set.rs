//! Stores a byte string under a key, whatever the key held.
//!
//! Syntax: `SET key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds |
//! PXAT unix-time-milliseconds | KEEPTTL]`. See <https://redis.io/docs/latest/commands/set/>.

use super::Call;
use super::args::{Args, integer};
use super::get::write_bytes;
use crate::engine::effect::Effect;
use crate::error::Error;

/// The longest value: what Redis takes by default.
const VALUE_BYTES_MAX: usize = 512 << 20;

/// When the value is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    /// NX: only where nothing is.
    Missing,
    /// XX: only where something is.
    Existing,
}

/// What becomes of the key's expiry.
#[derive(Clone, Copy)]
enum Expiry<'a> {
    Never,
    /// KEEPTTL: it stays as it is.
    Kept,
    /// A number of so many milliseconds each, after now or after 1970.
    At {
        time: &'a [u8],
        unit_ms: i64,
        is_relative: bool,
    },
}

struct Set<'a> {
    key: &'a [u8],
    value: &'a [u8],
    condition: Condition,
    expiry: Option<Expiry<'a>>,
    shows_old: bool,
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    Set::parse(call.argv)?.run(call)
}

impl<'a> Set<'a> {
    fn parse(argv: &'a [&'a [u8]]) -> Result<Set<'a>, Error> {
        let mut args = Args::new(argv, 1);
        let (key, value) = (args.word()?, args.word()?);
        let mut set = Set { key, value, condition: Condition::Always, expiry: None, shows_old: false };
        while args.len() > 0 {
            set.accept(&mut args)?;
        }
        if value.len() > VALUE_BYTES_MAX { Err(Error::ValueTooLarge) } else { Ok(set) }
    }

    fn accept(&mut self, args: &mut Args<'a>) -> Result<(), Error> {
        if self.condition != Condition::Existing && args.keyword("NX") {
            self.condition = Condition::Missing;
        } else if self.condition != Condition::Missing && args.keyword("XX") {
            self.condition = Condition::Existing;
        } else if args.keyword("GET") {
            self.shows_old = true;
        } else if self.expiry.is_none() {
            self.expiry = Some(Expiry::accept(args)?);
        } else if !(matches!(self.expiry, Some(Expiry::Kept)) && args.keyword("KEEPTTL")) {
            return Err(Error::Syntax);
        }
        Ok(())
    }

    fn run(self, call: &mut Call<'_, 'a>) -> Result<(), Error> {
        let mut expires_ms = self.expiry.unwrap_or(Expiry::Never).resolve(call.now_ms)?;
        let found = call.lookup(self.key);
        if self.shows_old {
            write_bytes(call, found)?;
            call.check_reply()?;
        }
        let refused = match self.condition {
            Condition::Always => false,
            Condition::Missing => found.is_some(),
            Condition::Existing => found.is_none(),
        };
        if refused {
            if !self.shows_old {
                call.reply.null();
            }
            return Ok(());
        }
        if let Some(Expiry::Kept) = self.expiry {
            expires_ms = found.and_then(|at| call.engine.key(at)?.expires_ms());
        }
        let at = call.engine.find_or_create(call.session.database, self.key)?;
        let stored = call.commit(at, &Effect::SetBytes { value: self.value, expires_ms });
        if stored.is_err() {
            call.engine.drop_vacant(at);
        }
        stored?;
        call.count_changes(1);
        if !self.shows_old {
            call.reply.ok();
        }
        Ok(())
    }
}

impl<'a> Expiry<'a> {
    fn accept(args: &mut Args<'a>) -> Result<Expiry<'a>, Error> {
        let has_operand = args.len() > 1;
        if args.keyword("KEEPTTL") {
            return Ok(Expiry::Kept);
        }
        let (unit_ms, is_relative) = if has_operand && args.keyword("EX") {
            (1000, true)
        } else if has_operand && args.keyword("PX") {
            (1, true)
        } else if has_operand && args.keyword("EXAT") {
            (1000, false)
        } else if has_operand && args.keyword("PXAT") {
            (1, false)
        } else {
            return Err(Error::Syntax);
        };
        Ok(Expiry::At { time: args.word()?, unit_ms, is_relative })
    }

    /// The time at which the key expires, as far as the request says it.
    fn resolve(self, now_ms: u64) -> Result<Option<u64>, Error> {
        let Expiry::At { time, unit_ms, is_relative } = self else { return Ok(None) };
        let time = integer(time)?;
        if time <= 0 {
            return Err(Error::InvalidExpire);
        }
        let base_ms = if is_relative { now_ms.cast_signed() } else { 0 };
        let at_ms =
            time.checked_mul(unit_ms).and_then(|time_ms| time_ms.checked_add(base_ms)).ok_or(Error::InvalidExpire)?;
        Ok(u64::try_from(at_ms).ok())
    }
}
