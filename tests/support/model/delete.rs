//! Commands that delete entries by ID.

use brooklet::{EntryId, Value};

use super::Context;
use super::stream::{References, Stream};
use super::words::{Answer, SYNTAX, count, ids, is, number, refuse};

const DELETED: i64 = 1;
const NO_SUCH: i64 = -1;
const STILL_REFERENCED: i64 = 2;

/// `XDEL key id [id ...]`
pub(crate) fn xdel(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let Some(stream) = context.stream(&argv[1])? else { return Ok(Value::Integer(0)) };
    let ids = ids(&argv[2..])?;
    Ok(count(ids.into_iter().filter(|&id| stream.delete(id)).count() as u64))
}

/// `XDELEX key [KEEPREF | DELREF | ACKED] IDS numids id [id ...]`
pub(crate) fn xdelex(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let (references, words) = read_ids_block(&argv[2..])?;
    let Some(stream) = context.stream(&argv[1])? else { return Ok(all_missing(words)) };
    let ids = ids(words)?;
    Ok(integers(ids.into_iter().map(|id| delete(stream, id, references, NO_SUCH))))
}

/// `XACKDEL key group [KEEPREF | DELREF | ACKED] IDS numids id [id ...]`
pub(crate) fn xackdel(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let (references, words) = read_ids_block(&argv[3..])?;
    let group_name = &argv[2];
    let stream = context.stream(&argv[1])?.filter(|stream| stream.groups.contains_key(group_name));
    let Some(stream) = stream else { return Ok(all_missing(words)) };
    let ids = ids(words)?;
    Ok(integers(ids.into_iter().map(|id| {
        let acked = stream.groups.get_mut(group_name).is_some_and(|group| group.pending.remove(&id).is_some());
        if acked { delete(stream, id, references, DELETED) } else { NO_SUCH }
    })))
}

/// Deletes as far as references allow, and says what happened; `missing` is the word for an entry that was not there.
fn delete(stream: &mut Stream, id: EntryId, references: References, missing: i64) -> i64 {
    match references {
        References::Keep => {}
        References::Delete => stream.purge_references(id),
        References::Acked if stream.is_referenced(id) => return STILL_REFERENCED,
        References::Acked => {}
    }
    if stream.delete(id) { DELETED } else { missing }
}

/// A mode and a block of IDs, in any order. What is repeated replaces what was there.
fn read_ids_block(words: &[Vec<u8>]) -> Result<(References, &[Vec<u8>]), Vec<u8>> {
    let modes = [("KEEPREF", References::Keep), ("DELREF", References::Delete), ("ACKED", References::Acked)];
    let (mut references, mut block) = (References::Keep, None);
    let mut rest = words;
    while let [word, tail @ ..] = rest {
        if let (true, [numids, tail @ ..]) = (is(word, "IDS"), tail) {
            let Some(numids) = number(numids).and_then(|numids| usize::try_from(numids).ok()).filter(|&n| n > 0) else {
                return refuse("ERR Number of IDs must be a positive integer");
            };
            let Some((ids, tail)) = tail.split_at_checked(numids) else {
                return refuse("ERR The `numids` parameter must match the number of arguments");
            };
            block = Some(ids);
            rest = tail;
            continue;
        }
        match modes.into_iter().find(|(name, _)| is(word, name)) {
            Some((_, mode)) => references = mode,
            None => return refuse(SYNTAX),
        }
        rest = tail;
    }
    match block {
        Some(ids) => Ok((references, ids)),
        None => refuse("ERR IDS option is required"),
    }
}

fn all_missing(ids: &[Vec<u8>]) -> Value {
    integers(ids.iter().map(|_| NO_SUCH))
}

fn integers(values: impl Iterator<Item = i64>) -> Value {
    Value::Array(values.map(Value::Integer).collect())
}
