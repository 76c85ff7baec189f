//! Lets a key live for ever.
//!
//! Syntax: `PERSIST key`. See <https://redis.io/docs/latest/commands/persist/>.

use super::Call;
use crate::engine::effect::Effect;
use crate::error::Error;

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let &[_, key] = call.argv else { return Err(Error::Syntax) };
    let found = call.lookup(key);
    let expires = |at| call.engine.key(at).is_some_and(|key| key.expires_ms().is_some());
    let Some(at) = found.filter(|&at| expires(at)) else {
        call.reply.integer(0);
        return Ok(());
    };
    call.commit(at, &Effect::Expire { at_ms: None })?;
    call.count_changes(1);
    call.reply.integer(1);
    Ok(())
}
