//! Removes all keys, of all databases or of the session's.
//!
//! Syntax: `FLUSHALL [ASYNC | SYNC]`, `FLUSHDB [ASYNC | SYNC]`. See
//! <https://redis.io/docs/latest/commands/flushall/>, <https://redis.io/docs/latest/commands/flushdb/>.
//!
//! Differs from Redis in that ASYNC is done at once, too: there is no thread to leave it to.

use super::args::Args;
use super::{Call, Flow};
use crate::engine::DATABASES;
use crate::error::Error;

pub(super) fn run_all<'a>(call: &mut Call<'_, 'a>) -> Result<Flow, Error<'a>> {
    run(call, None)
}

pub(super) fn run_database<'a>(call: &mut Call<'_, 'a>) -> Result<Flow, Error<'a>> {
    let database = call.session.database;
    run(call, Some(database))
}

fn run<'a>(call: &mut Call<'_, 'a>, database: Option<u8>) -> Result<Flow, Error<'a>> {
    parse(Args::new(call.argv, 1))?;
    let keys = match database {
        Some(database) => call.engine.database(database).len(),
        None => (0..DATABASES).map(|database| call.engine.database(database).len()).sum(),
    };
    call.engine.flush(database)?;
    call.count_changes(keys);
    call.reply.ok();
    Ok(Flow::Done)
}

fn parse(mut args: Args<'_>) -> Result<(), Error<'_>> {
    // Either word may stand there, not both.
    let _ = args.keyword("ASYNC") || args.keyword("SYNC");
    args.finish()
}
