//! XINFO: everything a stream knows about itself.

use brooklet::Value;

use super::group::Group;
use super::group_commands::{bad_subcommand_options, help};
use super::stream::{Entry, Stream};
use super::words::{Answer, NO_SUCH_KEY, bulk, count, id_value, integer, is, refuse_with};
use super::{Context, find_subcommand};

pub(crate) const SUBCOMMANDS: &[(&str, i64)] = &[("stream", -3), ("groups", 3), ("consumers", 4), ("help", 2)];

pub(crate) fn xinfo(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    match find_subcommand("xinfo", SUBCOMMANDS, argv)? {
        "stream" => stream(context, argv),
        "groups" => groups(context, argv),
        "consumers" => consumers(context, argv),
        _ => Ok(help(9)),
    }
}

/// `XINFO STREAM key [FULL [COUNT n]]`: 10 entries of each list unless it says otherwise, 0 for all.
fn stream(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let stream = context.stream_or(&argv[2], NO_SUCH_KEY)?;
    match &argv[3..] {
        [] => Ok(short(stream)),
        [word] if is(word, "FULL") => Ok(full(stream, 10)),
        [word, option, value] if is(word, "FULL") && is(option, "COUNT") => {
            let count_max = match integer(value)? {
                0 => usize::MAX,
                value => usize::try_from(value).unwrap_or(10),
            };
            Ok(full(stream, count_max))
        }
        _ => bad_subcommand_options("XINFO", &argv[1]),
    }
}

fn short(stream: &Stream) -> Value {
    let mut pairs = facts(stream);
    pairs.push(pair("groups", count(stream.groups.len() as u64)));
    pairs.push(pair("first-entry", stream.entries().next().map_or(Value::Null, Entry::value)));
    pairs.push(pair("last-entry", stream.entries().next_back().map_or(Value::Null, Entry::value)));
    Value::Map(pairs)
}

fn full(stream: &Stream, count_max: usize) -> Value {
    let mut pairs = facts(stream);
    pairs.push(pair("entries", Value::Array(stream.entries().take(count_max).map(Entry::value).collect())));
    let groups = stream.groups.iter().map(|(name, group)| full_group(stream, name, group, count_max));
    pairs.push(pair("groups", Value::Array(groups.collect())));
    Value::Map(pairs)
}

/// The thirteen facts with which both forms begin.
fn facts(stream: &Stream) -> Vec<(Value, Value)> {
    let records: usize = stream.producers.values().map(Vec::len).sum();
    vec![
        pair("length", count(stream.length())),
        pair("radix-tree-keys", count(stream.node_count())),
        pair("radix-tree-nodes", count(stream.node_count() + 1)),
        pair("last-generated-id", id_value(stream.last_id)),
        pair("max-deleted-entry-id", id_value(stream.max_deleted_id)),
        pair("entries-added", Value::Integer(stream.entries_added)),
        pair("recorded-first-entry-id", id_value(stream.first_id())),
        pair("idmp-duration", count(stream.idmp_duration_s)),
        pair("idmp-maxsize", count(stream.idmp_entries_max)),
        pair("pids-tracked", count(stream.producers.len() as u64)),
        pair("iids-tracked", count(records as u64)),
        pair("iids-added", count(stream.messages_added)),
        pair("iids-duplicates", count(stream.messages_duplicate)),
    ]
}

fn full_group(stream: &Stream, name: &[u8], group: &Group, count_max: usize) -> Value {
    let pending = group.pending.iter().take(count_max).map(|(&id, pending)| {
        let owner = bulk(pending.owner.as_deref().unwrap_or_default());
        Value::Array(vec![id_value(id), owner, count(pending.delivered_at_ms), Value::Integer(pending.deliveries)])
    });
    let unowned = group.pending.values().filter(|pending| pending.owner.is_none()).count();
    let consumers = group.consumers.keys().map(|name| full_consumer(group, name, count_max));
    Value::Map(vec![
        pair("name", bulk(name)),
        pair("last-delivered-id", id_value(group.last_id)),
        pair("entries-read", integer_or_null(group.entries_read)),
        pair("lag", integer_or_null(stream.lag(group))),
        pair("pel-count", count(group.pending.len() as u64)),
        pair("nacked-count", count(unowned as u64)),
        pair("pending", Value::Array(pending.collect())),
        pair("consumers", Value::Array(consumers.collect())),
    ])
}

fn full_consumer(group: &Group, name: &[u8], count_max: usize) -> Value {
    let consumer = &group.consumers[name];
    let pending = group.pending_of(name).take(count_max).map(|(id, pending)| {
        Value::Array(vec![id_value(id), count(pending.delivered_at_ms), Value::Integer(pending.deliveries)])
    });
    Value::Map(vec![
        pair("name", bulk(name)),
        pair("seen-time", count(consumer.seen_at_ms)),
        pair("active-time", consumer.active_at_ms.map_or(Value::Integer(-1), count)),
        pair("pel-count", count(group.pending_of(name).count() as u64)),
        pair("pending", Value::Array(pending.collect())),
    ])
}

fn groups(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let stream = context.stream_or(&argv[2], NO_SUCH_KEY)?;
    let groups = stream.groups.iter().map(|(name, group)| {
        Value::Map(vec![
            pair("name", bulk(name)),
            pair("consumers", count(group.consumers.len() as u64)),
            pair("pending", count(group.pending.len() as u64)),
            pair("last-delivered-id", id_value(group.last_id)),
            pair("entries-read", integer_or_null(group.entries_read)),
            pair("lag", integer_or_null(stream.lag(group))),
        ])
    });
    Ok(Value::Array(groups.collect()))
}

fn consumers(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let now_ms = context.now_ms;
    let stream = context.stream_or(&argv[2], NO_SUCH_KEY)?;
    let Some(group) = stream.groups.get(&argv[3]) else {
        return refuse_with("NOGROUP No such consumer group '{}' for key name '{}'", &[&argv[3], &argv[2]]);
    };
    let since = |at_ms: u64| count(now_ms.saturating_sub(at_ms));
    let consumers = group.consumers.iter().map(|(name, consumer)| {
        Value::Map(vec![
            pair("name", bulk(name)),
            pair("pending", count(group.pending_of(name).count() as u64)),
            pair("idle", since(consumer.seen_at_ms)),
            pair("inactive", consumer.active_at_ms.map_or(Value::Integer(-1), since)),
        ])
    });
    Ok(Value::Array(consumers.collect()))
}

fn pair(name: &str, value: Value) -> (Value, Value) {
    (bulk(name.as_bytes()), value)
}

fn integer_or_null(value: Option<i64>) -> Value {
    value.map_or(Value::Null, Value::Integer)
}
