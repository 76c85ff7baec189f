//! XGROUP: groups and consumers come and go.

use brooklet::{EntryId, Value};

use super::group::Group;
use super::stream::Stream;
use super::words::{Answer, count, id, integer, is, ok, range_end, range_start, refuse, refuse_with};
use super::{Context, Held, find_subcommand};

const KEY_REQUIRED: &str = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to \
                            use the MKSTREAM option to create an empty stream automatically.";

pub(crate) const SUBCOMMANDS: &[(&str, i64)] =
    &[("create", -5), ("setid", -5), ("destroy", 4), ("createconsumer", 5), ("delconsumer", 5), ("help", 2)];

pub(crate) fn xgroup(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    match find_subcommand("xgroup", SUBCOMMANDS, argv)? {
        "create" => create(context, argv),
        "setid" => set_id(context, argv),
        "destroy" => destroy(context, argv),
        "createconsumer" => create_consumer(context, argv),
        "delconsumer" => delete_consumer(context, argv),
        _ => Ok(help(17)),
    }
}

pub(crate) fn bad_subcommand_options(command: &str, word: &[u8]) -> Answer {
    let line = "ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP.";
    refuse_with(line, &[word, command.as_bytes()])
}

/// The wording of help is not the model's business, its number of lines is.
pub(crate) fn help(lines: usize) -> Value {
    Value::Array(vec![Value::Simple(Vec::new()); lines])
}

/// `XGROUP CREATE key group <id | $> [MKSTREAM] [ENTRIESREAD n]`
fn create(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let (key, group_name, id_word) = (&argv[2], &argv[3], &argv[4]);
    let settings = context.settings;
    let mut make_stream = false;
    let mut entries_read = None;
    let mut rest = &argv[5..];
    while let [word, tail @ ..] = rest {
        rest = if is(word, "MKSTREAM") {
            make_stream = true;
            tail
        } else if let (true, [value, tail @ ..]) = (is(word, "ENTRIESREAD"), tail) {
            entries_read = read_entries_read(value)?;
            tail
        } else {
            return bad_subcommand_options("XGROUP", &argv[1]);
        };
    }
    if context.stream(key)?.is_none() {
        if !make_stream {
            return refuse(KEY_REQUIRED);
        }
        read_group_id(id_word, EntryId::MIN, id)?;
        context.put(key, Held::Stream(Box::new(Stream::new(settings))));
    }
    let stream = context.stream_or(key, KEY_REQUIRED)?;
    let last_id = read_group_id(id_word, stream.last_id, id)?;
    if stream.groups.contains_key(group_name) {
        return refuse("BUSYGROUP Consumer Group name already exists");
    }
    let entries_read = entries_read.map(|read| read.min(stream.entries_added));
    stream.groups.insert(group_name.clone(), Group::new(last_id, entries_read));
    Ok(ok())
}

/// `XGROUP SETID key group <id | $> [ENTRIESREAD n]`. Unlike elsewhere, `-` and `+` are IDs here.
fn set_id(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let mut entries_read = None;
    let mut rest = &argv[5..];
    while !rest.is_empty() {
        match rest {
            [word, value, tail @ ..] if is(word, "ENTRIESREAD") => {
                entries_read = read_entries_read(value)?;
                rest = tail;
            }
            _ => return bad_subcommand_options("XGROUP", &argv[1]),
        }
    }
    let stream = existing_group(context, argv)?;
    let last_id = read_group_id(&argv[4], stream.last_id, |word| match word {
        b"-" => range_start(word),
        b"+" => range_end(word),
        _ => id(word),
    })?;
    let entries_added = stream.entries_added;
    let Some(group) = stream.groups.get_mut(&argv[3]) else { return refuse(KEY_REQUIRED) };
    group.last_id = last_id;
    group.entries_read = entries_read.map(|read| read.min(entries_added));
    Ok(ok())
}

fn destroy(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let stream = context.stream_or(&argv[2], KEY_REQUIRED)?;
    Ok(Value::Integer(i64::from(stream.groups.remove(&argv[3]).is_some())))
}

fn create_consumer(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let now_ms = context.now_ms;
    let stream = existing_group(context, argv)?;
    let created = stream.groups.get_mut(&argv[3]).is_some_and(|group| group.create_consumer(&argv[4], now_ms));
    Ok(Value::Integer(i64::from(created)))
}

/// The consumer's pending entries go with it.
fn delete_consumer(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let stream = existing_group(context, argv)?;
    let Some(group) = stream.groups.get_mut(&argv[3]) else { return refuse(KEY_REQUIRED) };
    let before = group.pending.len();
    group.consumers.remove(&argv[4]);
    group.pending.retain(|_, pending| pending.owner.as_ref() != Some(&argv[4]));
    Ok(count((before - group.pending.len()) as u64))
}

fn existing_group<'a>(context: &'a mut Context<'_>, argv: &[Vec<u8>]) -> Result<&'a mut Stream, Vec<u8>> {
    let stream = context.stream_or(&argv[2], KEY_REQUIRED)?;
    if !stream.groups.contains_key(&argv[3]) {
        return refuse_with("NOGROUP No such consumer group '{}' for key name '{}'", &[&argv[3], &argv[2]]);
    }
    Ok(stream)
}

/// `-1` stands for a number that is not known.
fn read_entries_read(word: &[u8]) -> Result<Option<i64>, Vec<u8>> {
    match integer(word)? {
        -1 => Ok(None),
        read if read >= 0 => Ok(Some(read)),
        _ => refuse("ERR value for ENTRIESREAD must be positive or -1"),
    }
}

type ReadId = fn(&[u8]) -> Result<EntryId, Vec<u8>>;

fn read_group_id(word: &[u8], last_id: EntryId, read: ReadId) -> Result<EntryId, Vec<u8>> {
    if word == b"$" { Ok(last_id) } else { read(word) }
}
