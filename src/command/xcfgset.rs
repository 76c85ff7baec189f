//! Sets how long, and how many, IDs of producers a stream remembers. Those it remembers are forgotten, unless nothing
//! changes.
//!
//! Syntax: `XCFGSET key [IDMP-DURATION seconds] [IDMP-MAXSIZE entries]`. See
//! <https://redis.io/docs/latest/commands/xcfgset/>.

use super::Call;
use super::args::Args;
use crate::engine::effect::Effect;
use crate::error::Error;
use crate::stream::ProducerLimits;

struct Xcfgset<'a> {
    key: &'a [u8],
    duration_s: Option<u32>,
    entries_max: Option<u32>,
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    Xcfgset::parse(call.argv)?.run(call)
}

impl<'a> Xcfgset<'a> {
    fn parse(argv: &'a [&'a [u8]]) -> Result<Xcfgset<'a>, Error> {
        let mut args = Args::new(argv, 1);
        let mut asked = Xcfgset { key: args.word()?, duration_s: None, entries_max: None };
        while args.len() > 0 {
            if args.keyword("IDMP-DURATION") {
                let value_max = ProducerLimits::DURATION_S_MAX;
                set(&mut asked.duration_s, &mut args, value_max, Error::IdmpDurationRange)?;
            } else if args.keyword("IDMP-MAXSIZE") {
                let value_max = ProducerLimits::ENTRIES_MAX;
                set(&mut asked.entries_max, &mut args, value_max, Error::IdmpMaxSizeRange)?;
            } else {
                return Err(Error::Syntax);
            }
        }
        if asked.duration_s.is_none() && asked.entries_max.is_none() {
            return Err(Error::NothingToConfigure);
        }
        Ok(asked)
    }

    fn run(self, call: &mut Call<'_, 'a>) -> Result<(), Error> {
        let at = call.lookup_stream(self.key)?.ok_or(Error::NoSuchKey)?;
        let before = call.engine.stream(at).ok_or(Error::NoSuchKey)?.producer_limits();
        let limits = ProducerLimits {
            duration_s: self.duration_s.unwrap_or(before.duration_s),
            entries_max: self.entries_max.unwrap_or(before.entries_max),
        };
        if limits != before {
            let ProducerLimits { duration_s: idmp_duration_s, entries_max: idmp_entries_max } = limits;
            call.commit(at, &Effect::Configure { idmp_duration_s, idmp_entries_max })?;
            call.count_changes(1);
        }
        call.reply.ok();
        Ok(())
    }
}

/// Reads the value of an option that may stand there once.
fn set(value: &mut Option<u32>, args: &mut Args<'_>, value_max: u32, out_of_range: Error) -> Result<(), Error> {
    if value.is_some() {
        return Err(Error::ConfiguredTwice(args.taken()));
    }
    let given = u32::try_from(args.integer()?).ok();
    *value = Some(given.filter(|given| (1..=value_max).contains(given)).ok_or(out_of_range)?);
    Ok(())
}
