//! Commands on pending entries.

use std::collections::BTreeMap;

use brooklet::{EntryId, Value};

use super::Context;
use super::group::Pending;
use super::words::{
    Answer, SYNTAX, bulk, count, id, id_value, ids, integer, is, maybe_id, number, range_end, range_start, refuse,
    refuse_with,
};

/// `XACK key group id [id ...]`
pub(crate) fn xack(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let group = context.stream(&argv[1])?.and_then(|stream| stream.groups.get_mut(&argv[2]));
    let Some(group) = group else { return Ok(Value::Integer(0)) };
    let ids = ids(&argv[3..])?;
    Ok(count(ids.into_iter().filter(|id| group.pending.remove(id).is_some()).count() as u64))
}

/// `XPENDING key group [[IDLE ms] start end count [consumer]]`
pub(crate) fn xpending(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let words = &argv[3..];
    match words {
        [] => xpending_summary(context, &argv[1], &argv[2]),
        [idle, idle_ms, start, end, count] if is(idle, "IDLE") => {
            xpending_list(context, argv, Some(idle_ms), [start, end, count], None)
        }
        [idle, idle_ms, start, end, count, consumer] if is(idle, "IDLE") => {
            xpending_list(context, argv, Some(idle_ms), [start, end, count], Some(consumer))
        }
        [idle, ..] if is(idle, "IDLE") => refuse(SYNTAX),
        [start, end, count] => xpending_list(context, argv, None, [start, end, count], None),
        [start, end, count, consumer, surplus @ ..] if surplus.len() <= 2 => {
            xpending_list(context, argv, None, [start, end, count], Some(consumer))
        }
        _ => refuse(SYNTAX),
    }
}

fn xpending_summary(context: &mut Context<'_>, key: &[u8], group_name: &[u8]) -> Answer {
    let group = &context.group(key, group_name)?.groups[group_name];
    let mut counts: BTreeMap<&[u8], u64> = BTreeMap::new();
    for owner in group.pending.values().filter_map(|pending| pending.owner.as_deref()) {
        *counts.entry(owner).or_default() += 1;
    }
    let consumers = counts
        .into_iter()
        .map(|(owner, owned)| Value::Array(vec![bulk(owner), Value::Bulk(owned.to_string().into_bytes())]));
    let end_value = |end: Option<(&EntryId, &Pending)>| end.map_or(Value::Null, |(&id, _)| id_value(id));
    Ok(Value::Array(vec![
        count(group.pending.len() as u64),
        end_value(group.pending.first_key_value()),
        end_value(group.pending.last_key_value()),
        if group.pending.is_empty() { Value::NullArray } else { Value::Array(consumers.collect()) },
    ]))
}

fn xpending_list(
    context: &mut Context<'_>,
    argv: &[Vec<u8>],
    idle_ms: Option<&Vec<u8>>,
    [start, end, count_max]: [&Vec<u8>; 3],
    consumer: Option<&Vec<u8>>,
) -> Answer {
    let now_ms = context.now_ms;
    let idle_ms_min = idle_ms.map_or(Ok(0), |word| integer(word))?.max(0) as u64;
    let count_max = integer(count_max)?.max(0) as usize;
    let (start, end) = (range_start(start)?, range_end(end)?);
    let group = &context.group(&argv[1], &argv[2])?.groups[&argv[2]];
    let found = group
        .pending
        .iter()
        .filter(|(id, _)| start <= **id && **id <= end)
        .filter(|(_, pending)| pending.is_idle(idle_ms_min, now_ms))
        .filter(|(_, pending)| consumer.is_none() || pending.owner.as_ref() == consumer);
    let lines = found.take(count_max).map(|(&id, pending)| {
        let (owner, idle_ms) = match &pending.owner {
            Some(owner) => (bulk(owner), count(pending.idle_ms(now_ms))),
            None => (bulk(b""), Value::Integer(-1)),
        };
        Value::Array(vec![id_value(id), owner, idle_ms, Value::Integer(pending.deliveries)])
    });
    Ok(Value::Array(lines.collect()))
}

/// `XCLAIM key group consumer min-idle id [id ...] [IDLE ms | TIME unix-ms] [RETRYCOUNT n] [FORCE] [JUSTID]
/// [LASTID id]`
pub(crate) fn xclaim(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let now_ms = context.now_ms;
    let (group_name, consumer) = (&argv[2], &argv[3]);
    let stream = context.group(&argv[1], group_name)?;
    let idle_ms_min = min_idle(&argv[4], "XCLAIM")?;
    let mut ids = Vec::new();
    let mut rest = &argv[5..];
    while let [word, tail @ ..] = rest
        && let Some(id) = maybe_id(word, 0)
    {
        ids.push(id);
        rest = tail;
    }

    let (mut force, mut just_id) = (false, false);
    let mut delivered_at_ms = None;
    let mut deliveries = None;
    let mut last_id = EntryId::MIN;
    while let [word, tail @ ..] = rest {
        rest = match tail {
            _ if is(word, "FORCE") => {
                force = true;
                tail
            }
            _ if is(word, "JUSTID") => {
                just_id = true;
                tail
            }
            [value, tail @ ..] if is(word, "IDLE") => {
                delivered_at_ms = Some(i128::from(now_ms) - i128::from(option_number(value, "IDLE")?));
                tail
            }
            [value, tail @ ..] if is(word, "TIME") => {
                delivered_at_ms = Some(i128::from(option_number(value, "TIME")?));
                tail
            }
            [value, tail @ ..] if is(word, "RETRYCOUNT") => {
                deliveries = Some(option_number(value, "RETRYCOUNT")?).filter(|&count| count >= 0);
                tail
            }
            [value, tail @ ..] if is(word, "LASTID") => {
                last_id = id(value)?;
                tail
            }
            _ => return refuse_with("ERR Unrecognized XCLAIM option '{}'", &[word]),
        };
    }
    // A time before all times or in the future is taken for the present.
    let delivered_at_ms = match delivered_at_ms {
        Some(at_ms) if (0..=i128::from(now_ms)).contains(&at_ms) => at_ms as u64,
        _ => now_ms,
    };

    if let Some(group) = stream.groups.get_mut(group_name) {
        group.last_id = group.last_id.max(last_id);
        group.see_consumer(consumer, now_ms);
    }
    let mut claimed = Vec::new();
    for id in ids {
        let entry = stream.get(id).map(super::stream::Entry::value);
        let Some(group) = stream.groups.get_mut(group_name) else { continue };
        let Some(entry) = entry else {
            group.pending.remove(&id);
            continue;
        };
        let before = match group.pending.get(&id) {
            Some(pending) if pending.is_idle(idle_ms_min, now_ms) => pending.deliveries,
            None if force => 1,
            _ => continue,
        };
        let after = deliveries.unwrap_or(if just_id { before } else { before.saturating_add(1) });
        group.assign(id, consumer, delivered_at_ms, after, now_ms);
        claimed.push(if just_id { id_value(id) } else { entry });
    }
    Ok(Value::Array(claimed))
}

/// `XAUTOCLAIM key group consumer min-idle start [COUNT n] [JUSTID]`
pub(crate) fn xautoclaim(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let now_ms = context.now_ms;
    let (group_name, consumer) = (&argv[2], &argv[3]);
    let idle_ms_min = min_idle(&argv[4], "XAUTOCLAIM")?;
    let start = range_start(&argv[5])?;
    let (mut count_max, mut just_id) = (100, false);
    let mut rest = &argv[6..];
    while let [word, tail @ ..] = rest {
        rest = match tail {
            [value, tail @ ..] if is(word, "COUNT") => {
                match number(value) {
                    Some(value) if value > 0 && value <= i64::MAX / 16 => count_max = value,
                    _ => return refuse("ERR COUNT must be > 0"),
                }
                tail
            }
            _ if is(word, "JUSTID") => {
                just_id = true;
                tail
            }
            _ => return refuse(SYNTAX),
        };
    }
    let stream = context.group(&argv[1], group_name)?;
    let Some(group) = stream.groups.get_mut(group_name) else { return refuse(SYNTAX) };
    group.see_consumer(consumer, now_ms);
    let scan: Vec<EntryId> = group.pending.range(start..).map(|(&id, _)| id).collect();
    let (mut claimed, mut deleted) = (Vec::new(), Vec::new());
    let mut scanned = 0;
    for &id in &scan {
        if scanned == 10 * count_max || (claimed.len() + deleted.len()) as i64 == count_max {
            break;
        }
        scanned += 1;
        let entry = stream.get(id).map(super::stream::Entry::value);
        let Some(group) = stream.groups.get_mut(group_name) else { break };
        let Some(entry) = entry else {
            group.pending.remove(&id);
            deleted.push(id_value(id));
            continue;
        };
        let pending = &group.pending[&id];
        if !pending.is_idle(idle_ms_min, now_ms) {
            continue;
        }
        let deliveries = if just_id { pending.deliveries } else { pending.deliveries.saturating_add(1) };
        group.assign(id, consumer, now_ms, deliveries, now_ms);
        claimed.push(if just_id { id_value(id) } else { entry });
    }
    let cursor = scan.get(scanned as usize).copied().unwrap_or(EntryId::MIN);
    Ok(Value::Array(vec![id_value(cursor), Value::Array(claimed), Value::Array(deleted)]))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum NackMode {
    Silent,
    Fail,
    Fatal,
}

/// `XNACK key group SILENT | FAIL | FATAL IDS numids id [id ...] [RETRYCOUNT n] [FORCE]`
pub(crate) fn xnack(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let group_name = &argv[2];
    let stream = context.group(&argv[1], group_name)?;
    let modes = [("SILENT", NackMode::Silent), ("FAIL", NackMode::Fail), ("FATAL", NackMode::Fatal)];
    let Some((_, mode)) = modes.into_iter().find(|(name, _)| is(&argv[3], name)) else {
        return refuse("ERR mode must be SILENT, FAIL, or FATAL");
    };
    let (mut block, mut deliveries, mut force) = (None, None, false);
    let mut rest = &argv[4..];
    while let [word, tail @ ..] = rest {
        rest = match tail {
            [numids, tail @ ..] if is(word, "IDS") => {
                let numids = number(numids).filter(|numids| (1..=i64::from(i32::MAX)).contains(numids));
                let Some(numids) = numids else { return refuse("ERR numids must be a positive integer") };
                let Some((ids, tail)) = tail.split_at_checked(numids as usize) else {
                    return refuse("ERR number of IDs doesn't match numids");
                };
                block = Some(ids);
                tail
            }
            [value, tail @ ..] if is(word, "RETRYCOUNT") => {
                let value = integer(value)?;
                if value < 0 {
                    return refuse("ERR Invalid RETRYCOUNT value, must be >= 0");
                }
                deliveries = Some(value);
                tail
            }
            _ if is(word, "FORCE") => {
                force = true;
                tail
            }
            _ => return refuse_with("ERR Unrecognized XNACK option '{}'", &[word]),
        };
    }
    let Some(block) = block else { return refuse("ERR syntax error, expected IDS keyword") };
    let mut released = 0;
    for id in ids(block)? {
        let exists = stream.get(id).is_some();
        let Some(group) = stream.groups.get_mut(group_name) else { continue };
        let before = match group.pending.get(&id) {
            Some(pending) => pending.deliveries,
            None if force && exists => 0,
            None => continue,
        };
        let after = deliveries.unwrap_or(match mode {
            NackMode::Silent => (before - 1).max(0),
            NackMode::Fail => before,
            NackMode::Fatal => i64::MAX,
        });
        group.release(id, after);
        released += 1;
    }
    Ok(count(released))
}

/// A negative time is none.
fn min_idle(word: &[u8], command: &str) -> Result<u64, Vec<u8>> {
    match number(word) {
        Some(idle_ms) => Ok(idle_ms.max(0) as u64),
        None => refuse_with("ERR Invalid min-idle-time argument for {}", &[command.as_bytes()]),
    }
}

fn option_number(word: &[u8], option: &str) -> Result<i64, Vec<u8>> {
    match number(word) {
        Some(value) => Ok(value),
        None => refuse_with("ERR Invalid {} option argument for XCLAIM", &[option.as_bytes()]),
    }
}
