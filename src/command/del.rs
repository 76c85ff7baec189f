//! Removes keys, and counts those that were there.
//!
//! Syntax: `DEL key [key ...]`. See <https://redis.io/docs/latest/commands/del/>.

use super::Call;
use super::args::Args;
use crate::engine::effect::Effect;
use crate::error::Error;

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let mut removed = 0;
    for key in Args::new(call.argv, 1).rest() {
        if let Some(at) = call.lookup(key) {
            call.commit(at, &Effect::Remove)?;
            call.count_changes(1);
            removed += 1;
        }
    }
    call.reply.count(removed);
    Ok(())
}
