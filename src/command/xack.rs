//! Acknowledges entries: they are no longer pending.
//!
//! Syntax: `XACK key group id [id ...]`. See <https://redis.io/docs/latest/commands/xack/>.

use super::args::Args;
use super::ids::{self, Repeats};
use super::{Call, found_group};
use crate::engine::effect::Effect;
use crate::error::Error;

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let mut args = Args::new(call.argv, 1);
    let (key, group) = (args.word()?, args.word()?);
    let Some(found) = call.lookup_group(key, group)? else {
        call.reply.integer(0);
        return Ok(());
    };
    let mut ids = ids::parse(args.rest())?;
    let (_, pending) = found_group(call.engine, found)?;
    pending.retain_pending(&mut ids);
    let repeats = Repeats::new(&ids)?;
    let acknowledged = (0..ids.len()).filter(|&place| !repeats.is_repeated(place)).count();
    if acknowledged > 0 {
        call.commit(found.0, &Effect::Forget { group, ids: &ids })?;
    }
    call.count_changes(acknowledged);
    call.reply.count(acknowledged as u64);
    Ok(())
}
