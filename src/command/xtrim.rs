//! Removes the oldest entries beyond a threshold.
//!
//! Syntax: `XTRIM key <MAXLEN | MINID> [= | ~] threshold [LIMIT count] [KEEPREF | DELREF | ACKED]`.
//! See <https://redis.io/docs/latest/commands/xtrim/>.

use super::Call;
use super::args::Args;
use super::threshold::TrimOptions;
use crate::error::Error;

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let mut args = Args::new(call.argv, 1);
    let key = args.word()?;
    let mut trim = TrimOptions::default();
    while trim.accept(&mut args)? {}
    args.finish()?;
    trim.check(true)?;
    let removed = match call.lookup_stream(key)? {
        Some(at) => trim.run(call, at)?,
        None => 0,
    };
    call.count_changes(removed as usize);
    call.reply.count(removed);
    Ok(())
}
