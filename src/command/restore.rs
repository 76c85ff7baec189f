//! Creates a key from what DUMP gave.
//!
//! Syntax: `RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]`. See
//! <https://redis.io/docs/latest/commands/restore/>.
//!
//! A TTL of 0 is none. IDLETIME and FREQ are checked and mean nothing here: no key is ever evicted.

use super::Call;
use super::args::{Args, integer};
use crate::engine::dump;
use crate::engine::effect::Effect;
use crate::error::Error;

struct Restore<'a> {
    key: &'a [u8],
    ttl: &'a [u8],
    dumped: &'a [u8],
    replaces: bool,
    is_absolute: bool,
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    Restore::parse(call.argv)?.run(call)
}

impl<'a> Restore<'a> {
    fn parse(argv: &'a [&'a [u8]]) -> Result<Restore<'a>, Error> {
        let mut args = Args::new(argv, 1);
        let (key, ttl, dumped) = (args.word()?, args.word()?, args.word()?);
        let mut restore = Restore { key, ttl, dumped, replaces: false, is_absolute: false };
        let (mut has_idle_time, mut has_frequency) = (false, false);
        while args.len() > 0 {
            let has_operand = args.len() > 1;
            if args.keyword("REPLACE") {
                restore.replaces = true;
            } else if args.keyword("ABSTTL") {
                restore.is_absolute = true;
            } else if has_operand && !has_frequency && args.keyword("IDLETIME") {
                has_idle_time = true;
                if integer(args.word()?)? < 0 {
                    return Err(Error::NegativeIdleTime);
                }
            } else if has_operand && !has_idle_time && args.keyword("FREQ") {
                has_frequency = true;
                if !(0..=255).contains(&integer(args.word()?)?) {
                    return Err(Error::FrequencyRange);
                }
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(restore)
    }

    fn run(self, call: &mut Call<'_, 'a>) -> Result<(), Error> {
        let found = call.lookup(self.key);
        if found.is_some() && !self.replaces {
            return Err(Error::BusyKey);
        }
        let expires_ms = self.expires_ms(call.now_ms)?;
        let value = dump::verify(self.dumped).ok_or(Error::DumpVersion)?;
        let is_readable = dump::check(value)?;
        if !is_readable {
            return Err(Error::DumpFormat);
        }
        if expires_ms.is_some_and(|at_ms| at_ms <= call.now_ms) {
            // It has expired already: what was there goes, and nothing comes.
            if let Some(at) = found {
                call.commit(at, &Effect::Remove)?;
                call.count_changes(1);
            }
            call.reply.ok();
            return Ok(());
        }
        let at = call.engine.find_or_create(call.session.database, self.key)?;
        let restored = call.commit(at, &Effect::Restore { value, expires_ms });
        if restored.is_err() {
            call.engine.drop_vacant(at);
        }
        restored?;
        call.count_changes(1);
        call.reply.ok();
        Ok(())
    }

    fn expires_ms(&self, now_ms: u64) -> Result<Option<u64>, Error> {
        let ttl = u64::try_from(integer(self.ttl)?).map_err(|_| Error::NegativeTtl)?;
        let base_ms = if self.is_absolute { 0 } else { now_ms };
        Ok((ttl > 0).then(|| base_ms.saturating_add(ttl)))
    }
}
