//! How many of these keys exist; a key that is named twice counts twice.
//!
//! Syntax: `EXISTS key [key ...]`. See <https://redis.io/docs/latest/commands/exists/>.

use super::Call;
use super::args::Args;
use crate::error::Error;

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let mut existing = 0;
    for key in Args::new(call.argv, 1).rest() {
        existing += u64::from(call.lookup(key).is_some());
    }
    call.reply.count(existing);
    Ok(())
}
