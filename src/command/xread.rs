//! Reads what came after an ID, from one or many streams, and waits for it if asked to.
//!
//! Syntax: `XREAD [COUNT count] [MAXCOUNT count] [MAXSIZE bytes] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]`.
//! See <https://redis.io/docs/latest/commands/xread/>.

use alloc::vec::Vec;

use super::reading::{ReadOptions, Reading};
use super::xrange::write_entry;
use super::{Block, Call, args};
use crate::engine::KeyRef;
use crate::error::Error;
use crate::id::EntryId;
use crate::memory::try_push;

/// Where reading a stream begins.
struct Start<'a> {
    key: &'a [u8],
    at: Option<KeyRef>,
    /// Entries after this ID are wanted; none can be if it is missing.
    from: Option<EntryId>,
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let options = ReadOptions::parse(call.argv, false)?;
    let mut starts = Vec::new();
    let mut replaced = Vec::new();
    for (place, (key, word)) in options.streams().enumerate() {
        let at = call.lookup_stream(key)?;
        let from = start(call, at, word)?;
        if word == b"$" {
            let id = from.and_then(EntryId::predecessor).unwrap_or(EntryId::MAX);
            try_push(&mut replaced, (options.first_key + options.keys.len() + place, id))?;
        }
        try_push(&mut starts, Start { key, at, from })?;
    }
    let mut reading = Reading::begin(call, options.limits);
    for start in &starts {
        write_stream(call, &mut reading, start);
    }
    if reading.streams_len() > 0 {
        reading.finish(call.reply);
        return Ok(());
    }
    call.reply.truncate(call.start);
    if options.block_ms.is_none() || !call.may_block {
        call.reply.null_array();
        return Ok(());
    }
    call.blocked = Some(Block {
        deadline_ms: options.deadline_ms(call.now_ms),
        first_key: options.first_key,
        keys: options.keys.len(),
        replaced,
        ..Block::default()
    });
    Ok(())
}

/// The first ID wanted: after the given one, after the last one there is (`$`), or the last entry itself (`+`).
fn start<'a>(call: &Call<'_, 'a>, at: Option<KeyRef>, word: &'a [u8]) -> Result<Option<EntryId>, Error> {
    let stream = at.and_then(|at| call.engine.stream(at));
    match word {
        b"$" => Ok(stream.map_or(EntryId::MIN, |stream| stream.last_id()).successor()),
        b"+" => Ok(stream.and_then(|stream| stream.entries().last_id())),
        b">" => Err(Error::OnlyGroupNew),
        id => Ok(args::id(id)?.successor()),
    }
}

fn write_stream(call: &mut Call<'_, '_>, reading: &mut Reading, start: &Start<'_>) {
    let (Some(at), Some(from)) = (start.at, start.from) else { return };
    let Some(stream) = call.engine.stream(at) else { return };
    if stream.last_id() < from {
        return;
    }
    let mut cursor = stream.entries().range(from, EntryId::MAX);
    let before = reading.written();
    let part = reading.open_stream(call.reply, start.key);
    while reading.allows(call.reply, &part) {
        let Some(entry) = cursor.next_entry() else { break };
        write_entry(call.reply, &entry);
        reading.count_entry();
    }
    if reading.written() == before && call.reply.check().is_ok() {
        reading.drop_stream(call.reply, part);
    } else {
        reading.close_stream(call.reply, part);
    }
}
