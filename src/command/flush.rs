//! Removes all keys, of all databases or of the session's.
//!
//! Syntax: `FLUSHALL [ASYNC | SYNC]`, `FLUSHDB [ASYNC | SYNC]`. See
//! <https://redis.io/docs/latest/commands/flushall/>, <https://redis.io/docs/latest/commands/flushdb/>.
//!
//! Differs from Redis in that ASYNC is done at once, too: there is no thread to leave it to.

use super::Call;
use super::args::Args;
use crate::engine::DATABASES;
use crate::error::Error;

pub(super) fn run_all(call: &mut Call<'_, '_>) -> Result<(), Error> {
    run(call, None)
}

pub(super) fn run_database(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let database = call.session.database;
    run(call, Some(database))
}

fn run(call: &mut Call<'_, '_>, database: Option<u8>) -> Result<(), Error> {
    parse(Args::new(call.argv, 1))?;
    let keys = match database {
        Some(database) => call.engine.database(database).len(),
        None => (0..DATABASES).map(|database| call.engine.database(database).len()).sum(),
    };
    call.engine.flush(database)?;
    call.count_changes(keys);
    call.reply.ok();
    Ok(())
}

fn parse(mut args: Args<'_>) -> Result<(), Error> {
    // Either word may stand there, not both.
    let _ = args.keyword("ASYNC") || args.keyword("SYNC");
    args.finish()
}
