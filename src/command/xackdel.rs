//! Acknowledges entries and deletes them, with a choice of what becomes of other references to them.
//!
//! Syntax: `XACKDEL key group [KEEPREF | DELREF | ACKED] IDS numids id [id ...]`.
//! See <https://redis.io/docs/latest/commands/xackdel/>.

use alloc::vec::Vec;

use super::args::Args;
use super::ids::{self, Repeats};
use super::threshold::References;
use super::xdelex::{DELETED, KEPT, NOT_FOUND, reply_all_missing};
use super::{Call, found_group};
use crate::engine::effect::Effect;
use crate::error::Error;
use crate::memory::try_push;

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let mut args = Args::new(call.argv, 1);
    let (key, group) = (args.word()?, args.word()?);
    let (references, words) = ids::parse_with_references(&mut args)?;
    let Some((at, group_key)) = call.lookup_group(key, group)? else {
        return reply_all_missing(call, words.len());
    };
    let ids = ids::parse(words)?;
    let repeats = Repeats::new(&ids)?;
    let (stream, pending) = found_group(call.engine, (at, group_key))?;
    let (mut acknowledged, mut deleted) = (Vec::new(), Vec::new());
    call.reply.array(ids.len());
    for (place, &id) in ids.iter().enumerate() {
        if !pending.is_pending(id) || repeats.is_repeated(place) {
            call.reply.integer(NOT_FOUND);
            continue;
        }
        try_push(&mut acknowledged, id)?;
        if references == References::Acked && stream.is_referenced_beside(id, group_key) {
            call.reply.integer(KEPT);
            continue;
        }
        if references == References::Delete || stream.entries().contains(id) {
            try_push(&mut deleted, id)?;
        }
        call.reply.integer(DELETED);
    }
    call.check_reply()?;
    let purge = references == References::Delete;
    let delete = Effect::Delete { ids: &deleted, purge };
    call.promise(at, &delete)?;
    if !acknowledged.is_empty() {
        call.commit(at, &Effect::Forget { group, ids: &acknowledged })?;
    }
    if !deleted.is_empty() {
        call.commit_promised(at, &delete)?;
    }
    call.count_changes(acknowledged.len() + deleted.len());
    Ok(())
}
