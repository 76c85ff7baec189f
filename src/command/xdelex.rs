//! Deletes entries, with a choice of what becomes of references to them.
//!
//! Syntax: `XDELEX key [KEEPREF | DELREF | ACKED] IDS numids id [id ...]`.
//! See <https://redis.io/docs/latest/commands/xdelex/>.

use alloc::vec::Vec;

use super::args::Args;
use super::ids::{self, Repeats};
use super::threshold::References;
use super::{Call, found_stream};
use crate::engine::effect::Effect;
use crate::error::Error;
use crate::memory::try_push;

/// What became of an ID, as XDELEX and XACKDEL answer it.
pub(super) const DELETED: i64 = 1;
pub(super) const NOT_FOUND: i64 = -1;
pub(super) const KEPT: i64 = 2;

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let mut args = Args::new(call.argv, 1);
    let key = args.word()?;
    let (references, words) = ids::parse_with_references(&mut args)?;
    let Some(at) = call.lookup_stream(key)? else {
        return reply_all_missing(call, words.len());
    };
    let ids = ids::parse(words)?;
    let repeats = Repeats::new(&ids)?;
    let stream = found_stream(call.engine, at)?;
    let mut deleted = Vec::new();
    let mut existing = 0;
    call.reply.array(ids.len());
    for (place, &id) in ids.iter().enumerate() {
        let exists = stream.entries().contains(id) && !repeats.is_repeated(place);
        let kept = references == References::Acked && stream.is_referenced(id);
        if !kept && (exists || references == References::Delete) {
            try_push(&mut deleted, id)?;
        }
        existing += usize::from(exists && !kept);
        call.reply.integer(match (kept, exists) {
            (true, _) => KEPT,
            (false, true) => DELETED,
            (false, false) => NOT_FOUND,
        });
    }
    call.check_reply()?;
    if !deleted.is_empty() {
        call.commit(at, &Effect::Delete { ids: &deleted, purge: references == References::Delete })?;
    }
    call.count_changes(existing);
    Ok(())
}

/// The answer where there is no stream or no group to look for the IDs in.
pub(super) fn reply_all_missing(call: &mut Call<'_, '_>, len: usize) -> Result<(), Error> {
    call.reply.array(len);
    for _ in 0..len {
        call.reply.integer(NOT_FOUND);
    }
    Ok(())
}
