//! The rules I1 to I10, a function for each that is about what stands at one moment. I8 stands in opening.rs, where a
//! storage is opened; I6 in medium.rs, where it is written; I9 and I10 where commands and seeds are run.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use brooklet::persist::{Chunk, Manifest, Tail};
use brooklet::{Engine, EntryId, Value};

use super::clients::OWN_KEY;
use super::promises::{Levels, Promises};
use super::trace::{Checked, breach, ensure};
use crate::compare;
use crate::engine;
use crate::generate::{Command, show};
use crate::steps;
use crate::storage::Contents;

/// The chunks that were ever formed: what stands in the log behind each.
#[derive(Default)]
pub(crate) struct ChunkBook {
    /// By sequence and checksum, which covers all before: the units up to it, and whether a group ends with it.
    chunks: BTreeMap<(u64, u64), (u64, bool)>,
}

impl ChunkBook {
    /// Notes a chunk that is about to be stored. The chain leads to the units before it.
    pub(crate) fn note(&mut self, bytes: &[u8]) -> Checked {
        let Ok(chunk) = Chunk::decode(bytes) else { return breach("I2", "a chunk that cannot be decoded is stored") };
        let before = match chunk.sequence {
            1 => Some(0),
            sequence => self.chunks.get(&(sequence - 1, chunk.previous)).map(|(units, _)| *units),
        };
        let Some(before) = before else {
            return breach("I2", format!("chunk {} follows one that nobody has formed", chunk.sequence));
        };
        let units = before + if chunk.is_last { u64::from(chunk.units) } else { 0 };
        self.chunks.insert((chunk.sequence, chunk.checksum), (units, chunk.is_last));
        Ok(())
    }

    /// The units up to the end of a log.
    pub(crate) fn units(&self, tail: Tail) -> Checked<u64> {
        match self.chunks.get(&(tail.sequence, tail.checksum)) {
            _ if tail.sequence == 0 => Ok(0),
            Some((units, true)) => Ok(*units),
            Some((_, false)) => breach("I2", format!("the log ends inside a group, with chunk {}", tail.sequence)),
            None => breach("I2", format!("the log ends with a chunk {} that nobody has formed", tail.sequence)),
        }
    }
}

/// I1: what was acknowledged at this level is there after a crash.
pub(crate) fn i1_acknowledgements_survive(recovered: u64, acknowledged: Levels, loses_power: bool) -> Checked {
    let needed = acknowledged.after(loses_power);
    ensure("I1", recovered >= needed, || {
        format!("{recovered} units are there, {needed} were acknowledged, loss of power: {loses_power}")
    })
}

/// I2: what is there was issued, and the state is the one after so many units.
pub(crate) fn i2_state_is_a_prefix(
    recovered: &mut Engine,
    expected: &mut Engine,
    position: u64,
    issued: u64,
    now_ms: u64,
) -> Checked {
    ensure("I2", position <= issued, || format!("{position} units are there, {issued} were issued"))?;
    same_state("I2", recovered, expected, now_ms)
}

/// I2: if nothing was lost, everything looks as it did, both in the engines that were recovered and in the model.
pub(crate) fn i2_state_is_what_it_was(expected: &View, found: &View) -> Checked {
    compare_views("I2", found, expected)
}

/// I3: what callers saw is there, and no last ID has gone back behind an ID that somebody saw.
pub(crate) fn i3_what_was_seen_is_there(
    recovered: u64,
    engine: &mut Engine,
    promises: &Promises,
    loses_power: bool,
    now_ms: u64,
) -> Checked {
    let needed = promises.seen.after(loses_power);
    ensure("I3", recovered >= needed, || format!("{recovered} units are there, a reply told of unit {needed}"))?;
    for (name, id) in promises.kept_ids().filter(|_| !loses_power) {
        let last = last_id(engine, name.0, &name.1, now_ms);
        ensure("I3", last.is_some_and(|last| last >= id), || {
            format!("the last ID of {} is {last:?}, and somebody has seen {id}", String::from_utf8_lossy(&name.1))
        })?;
    }
    Ok(())
}

/// I3: an ID that a clock gave is above all that anybody has seen.
pub(crate) fn i3_ids_are_new(seen: Option<EntryId>, given: EntryId) -> Checked {
    ensure("I3", seen.is_none_or(|seen| seen < given), || {
        format!("the ID {given} is given, though somebody has seen {}", seen.unwrap_or_default())
    })
}

/// I4: the lists of pending entries agree, inside and as commands show them.
pub(crate) fn i4_pending_lists_agree(engine: &mut Engine, now_ms: u64) -> Checked {
    if let Err(fault) = engine.validate() {
        return breach("I4", fault);
    }
    for key in [OWN_KEY, "s1", "s2", "s3"] {
        for group in ["g1", "g2"] {
            let argument = |text: &str| text.as_bytes().to_vec();
            let summary = engine::call(engine, now_ms, 0, &vec![argument("XPENDING"), argument(key), argument(group)]);
            let consumers = vec![argument("XINFO"), argument("CONSUMERS"), argument(key), argument(group)];
            let consumers = engine::call(engine, now_ms, 0, &consumers);
            let groups = engine::call(engine, now_ms, 0, &vec![argument("XINFO"), argument("GROUPS"), argument(key)]);
            let (Value::Array(summary), Value::Array(consumers)) = (summary, consumers) else { continue };
            let total = number(summary.first());
            let owned: i64 = consumers.iter().map(|consumer| number(field(consumer, "pending"))).sum();
            let listed: i64 = match summary.get(3) {
                Some(Value::Array(lines)) => lines.iter().map(listed_of).sum(),
                _ => 0,
            };
            ensure("I4", owned == listed && total >= owned, || {
                format!("{key} {group}: {total} pending, {listed} listed, {owned} owned")
            })?;
            if let Value::Array(groups) = groups {
                let mine = groups.iter().find(|it| field(it, "name") == Some(&Value::Bulk(argument(group))));
                let pending = mine.map_or(total, |mine| number(field(mine, "pending")));
                ensure("I4", pending == total, || format!("{key} {group}: {total} pending, {pending} said"))?;
            }
        }
    }
    Ok(())
}

/// I5: two engines cannot be told apart, by what they show or by their hash.
pub(crate) fn i5_same_state(one: &mut Engine, other: &mut Engine, now_ms: u64) -> Checked {
    same_state("I5", one, other, now_ms)
}

/// I6: the log goes on from the snapshot without a gap, and no chunk is from an owner before the one before it.
pub(crate) fn i6_one_owner_at_a_time(contents: &Contents) -> Checked {
    let manifest = contents.manifest.as_ref().and_then(|bytes| Manifest::decode(bytes).ok());
    let mut last = manifest.map(|manifest| manifest.tail());
    let covered = last.map_or(0, |tail| tail.sequence);
    for (sequence, bytes) in contents.log.range(covered + 1..) {
        let Ok(chunk) = Chunk::decode(bytes) else { break };
        if let Some(before) = last {
            ensure("I6", before.next_sequence() == *sequence && before.checksum == chunk.previous, || {
                format!("chunk {sequence} does not follow chunk {}", before.sequence)
            })?;
            ensure("I6", before.epoch <= chunk.epoch, || {
                format!("chunk {sequence} of epoch {} stands behind one of epoch {}", chunk.epoch, before.epoch)
            })?;
        }
        last = Some(Tail { log_id: chunk.log_id, epoch: chunk.epoch, sequence: *sequence, checksum: chunk.checksum });
    }
    Ok(())
}

/// I7: the storage does not grow without bound: three times what is live, and a fixed number of bytes.
pub(crate) fn i7_bytes_are_bounded(contents: &Contents, live: u64, bytes_more: u64) -> Checked {
    let bytes = |values: &BTreeMap<u64, crate::storage::Bytes>| values.values().map(|it| it.len() as u64).sum::<u64>();
    let listed = contents.manifest.as_ref().and_then(|bytes| Manifest::decode(bytes).ok());
    let listed: u64 = listed.iter().flat_map(|manifest| &manifest.parts).map(|part| u64::from(part.length)).sum();
    let manifest = contents.manifest.as_ref().map_or(0, |bytes| bytes.len() as u64);
    let (log, parts) = (bytes(&contents.log), bytes(&contents.parts));
    let bound = 3 * live + bytes_more;
    ensure("I7", log + parts + manifest <= bound, || {
        format!(
            "{log} bytes of log, {parts} of parts ({listed} listed), {manifest} of manifest; {live} are live, {bound} are allowed"
        )
    })
}

/// The bytes of parts that no manifest lists.
pub(crate) fn unlisted_bytes(contents: &Contents) -> u64 {
    let manifest = contents.manifest.as_ref().and_then(|bytes| Manifest::decode(bytes).ok()).unwrap_or_default();
    let is_listed = |id: &u64| manifest.parts.iter().any(|part| part.id == *id);
    contents.parts.iter().filter(|(id, _)| !is_listed(id)).map(|(_, bytes)| bytes.len() as u64).sum()
}

/// I7: nothing is left that the manifest has made superfluous.
pub(crate) fn i7_nothing_is_superfluous(contents: &Contents) -> Checked {
    let manifest = contents.manifest.as_ref().and_then(|bytes| Manifest::decode(bytes).ok()).unwrap_or_default();
    let is_listed = |id: &u64| manifest.parts.iter().any(|part| part.id == *id);
    let parts = contents.parts.keys().filter(|id| !is_listed(id)).count();
    let chunks = contents.log.range(..=manifest.upto_sequence).count();
    ensure("I7", parts + chunks == 0, || format!("{parts} parts and {chunks} chunks are superfluous"))
}

/// I9: what a failed command leaves behind.
pub(crate) fn i9_an_error_changes_nothing(before: &View, after: &View, command: &Command) -> Checked {
    ensure("I9", before == after, || format!("{} failed, and has changed something", show(command)))
}

/// Everything that can be seen, as replies in the order of [`looks`].
pub(crate) type View = Vec<Value>;

/// Everything that can be seen of two databases. Looking may let a key expire, which is an effect of its own.
pub(crate) fn view(engine: &mut Engine, now_ms: u64) -> View {
    let mut seen = Vec::new();
    for (database, command) in looks() {
        let mut reply = engine::call(engine, now_ms, *database, command);
        compare::mask(&mut reply, compare::UNRECORDED);
        seen.push(reply);
    }
    seen
}

/// What is looked at, in which database.
fn looks() -> &'static [(u8, Command)] {
    static LOOKS: OnceLock<Vec<(u8, Command)>> = OnceLock::new();
    LOOKS.get_or_init(|| {
        let commands = steps::dump();
        let own: Vec<Command> = commands.iter().filter_map(own_key).collect();
        let all: Vec<Command> = commands.into_iter().chain(own).collect();
        [0, 1].into_iter().flat_map(|database| all.iter().map(move |it| (database, it.clone()))).collect()
    })
}

/// The same for the key of the clients.
fn own_key(command: &Command) -> Option<Command> {
    let place = command.iter().position(|word| word == b"s1")?;
    let mut own = command.clone();
    own[place] = OWN_KEY.as_bytes().to_vec();
    Some(own)
}

fn same_state(rule: &'static str, one: &mut Engine, other: &mut Engine, now_ms: u64) -> Checked {
    compare_views(rule, &view(one, now_ms), &view(other, now_ms))?;
    let (found, expected) = (one.state_hash(), other.state_hash());
    ensure(rule, found == expected, || format!("the state looks the same, and its hash is {found:x}, not {expected:x}"))
}

fn compare_views(rule: &'static str, found: &View, expected: &View) -> Checked {
    let pairs = looks().iter().zip(found.iter().zip(expected));
    let Some(((database, command), (found, expected))) = pairs.into_iter().find(|(_, (one, other))| one != other)
    else {
        return Ok(());
    };
    let (found, expected) = (compare::show(found), compare::show(expected));
    let command = show(command);
    breach(rule, format!("database {database}, {command}\nfound:\n{found}expected:\n{expected}"))
}

fn last_id(engine: &mut Engine, database: u8, key: &[u8], now_ms: u64) -> Option<EntryId> {
    let command = vec![b"XINFO".to_vec(), b"STREAM".to_vec(), key.to_vec()];
    match field(&engine::call(engine, now_ms, database, &command), "last-generated-id") {
        Some(Value::Bulk(text)) => entry_id(&String::from_utf8_lossy(text)),
        _ => None,
    }
}

/// An ID from its text.
pub(crate) fn entry_id(text: &str) -> Option<EntryId> {
    let (ms, seq) = text.split_once('-')?;
    Some(EntryId::new(ms.parse().ok()?, seq.parse().ok()?))
}

fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let Value::Map(pairs) = value else { return None };
    let found = pairs.iter().find(|(key, _)| matches!(key, Value::Bulk(text) if text == name.as_bytes()));
    found.map(|(_, value)| value)
}

fn number(value: Option<&Value>) -> i64 {
    match value {
        Some(Value::Integer(number)) => *number,
        _ => 0,
    }
}

/// How many entries a line of XPENDING's summary gives a consumer.
fn listed_of(line: &Value) -> i64 {
    match line {
        Value::Array(parts) => match parts.get(1) {
            Some(Value::Bulk(text)) => String::from_utf8_lossy(text).parse().unwrap_or(0),
            other => number(other),
        },
        _ => 0,
    }
}
