//! Commands that add entries, trim, and set what a stream remembers about itself.

use brooklet::{EntryId, Value};

use super::stream::{Fields, MessageId, Record, References, Stream, Threshold, Trim};
use super::words::{
    Answer, INVALID_ID, NO_SUCH_KEY, SYNTAX, count, digits, id, id_value, integer, is, maybe_id, ok, refuse,
    refuse_with,
};
use super::{Context, Held, wrong_arity};

/// The ID argument of XADD.
#[derive(Clone, Copy)]
enum NewId {
    Auto,
    AutoSeq(u64),
    Given(EntryId),
}

/// The options of trimming while they are read.
struct TrimWords {
    threshold: Option<Threshold>,
    approximate: bool,
    limit: Option<u64>,
    references: Option<References>,
}

/// `XADD key [NOMKSTREAM] [KEEPREF | DELREF | ACKED] [IDMPAUTO pid | IDMP pid iid]
/// [MAXLEN | MINID [= | ~] threshold [LIMIT count]] <* | id> field value [field value ...]`
pub(crate) fn xadd(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let mut words = TrimWords::new();
    let mut must_exist = false;
    let mut producer: Option<(&Vec<u8>, Option<&Vec<u8>>)> = None;
    let mut new_id = None;
    let mut rest = &argv[2..];
    while let [word, tail @ ..] = rest {
        if let Some(tail) = words.read(rest)? {
            rest = tail;
        } else if is(word, "NOMKSTREAM") {
            must_exist = true;
            rest = tail;
        } else if let (true, [pid, iid, tail @ ..]) = (is(word, "IDMP"), tail) {
            check_producer(producer.is_some(), pid, "ERR syntax error, IDMP requires a non-empty producer ID")?;
            if iid.is_empty() {
                return refuse("ERR syntax error, IDMP requires a non-empty idempotent ID");
            }
            producer = Some((pid, Some(iid)));
            rest = tail;
        } else if let (true, [pid, tail @ ..]) = (is(word, "IDMPAUTO"), tail) {
            check_producer(producer.is_some(), pid, "ERR syntax error, IDMPAUTO requires a non-empty producer ID")?;
            producer = Some((pid, None));
            rest = tail;
        } else {
            new_id = Some(read_new_id(word)?);
            rest = tail;
            break;
        }
    }
    if producer.is_some() && !matches!(new_id, None | Some(NewId::Auto)) {
        return refuse("ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs");
    }
    let trim = words.finish(context)?;
    let Some((new_id, fields)) = new_id.zip(read_fields(rest)) else { return wrong_arity("xadd") };
    check_not_zero(new_id)?;

    let now_ms = context.now_ms;
    if context.stream(&argv[1])?.is_none() && must_exist {
        return Ok(Value::Null);
    }
    // A duplicate needs no ID of its own, so that it is answered even when there are none left.
    let record = producer.map(|(pid, iid)| (pid, message_id(iid, &fields)));
    if let (Some((pid, message)), Some(stream)) = (&record, context.stream(&argv[1])?)
        && let Some(original) = stream.find_record(pid, message).map(|record| record.id)
    {
        stream.messages_duplicate += 1;
        return Ok(id_value(original));
    }
    if let Some(stream) = context.stream(&argv[1])? {
        check_not_exhausted(stream)?;
    }
    let id = append(context, &argv[1], new_id, fields)?;
    if let Some(stream) = context.stream(&argv[1])? {
        if let Some((pid, message)) = record {
            stream.add_record(pid, Record { message, id, inserted_at_ms: now_ms });
        }
        if let Some(trim) = trim {
            stream.trim(&trim);
        }
    }
    Ok(id_value(id))
}

/// `XADDIF key expected-last-id <* | ms-* | id> field value [field value ...]`: ours, not Redis'. Adds only if the last
/// ID of the stream is the expected one; a missing key counts as `0-0`.
pub(crate) fn xaddif(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let expected = id(&argv[2])?;
    let new_id = read_new_id(&argv[3])?;
    let Some(fields) = read_fields(&argv[4..]) else { return wrong_arity("xaddif") };
    check_not_zero(new_id)?;
    let last = context.stream(&argv[1])?.map_or(EntryId::MIN, |stream| stream.last_id);
    if last != expected {
        let (last, expected) = (last.to_string(), expected.to_string());
        let line = "LASTID The last ID of the stream is {}, not the expected {}";
        return refuse_with(line, &[last.as_bytes(), expected.as_bytes()]);
    }
    if let Some(stream) = context.stream(&argv[1])? {
        check_not_exhausted(stream)?;
    }
    append(context, &argv[1], new_id, fields).map(id_value)
}

/// `XTRIM key <MAXLEN | MINID> [= | ~] threshold [LIMIT n] [KEEPREF | DELREF | ACKED]`
pub(crate) fn xtrim(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let mut words = TrimWords::new();
    let mut rest = &argv[2..];
    while !rest.is_empty() {
        let Some(tail) = words.read(rest)? else { return refuse(SYNTAX) };
        rest = tail;
    }
    if words.threshold.is_none() && words.limit.unwrap_or(0) == 0 {
        return refuse("ERR syntax error, XTRIM must be called with a trimming strategy");
    }
    let Some(trim) = words.finish(context)? else { return refuse(SYNTAX) };
    let removed = context.stream(&argv[1])?.map_or(0, |stream| stream.trim(&trim));
    Ok(count(removed))
}

/// `XSETID key last-id [ENTRIESADDED n] [MAXDELETEDID id]`
pub(crate) fn xsetid(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let last_id = id(&argv[2])?;
    let mut entries_added = None;
    let mut max_deleted_id = EntryId::MIN;
    let mut rest = &argv[3..];
    while let [word, value, tail @ ..] = rest {
        if is(word, "ENTRIESADDED") {
            let added = integer(value)?;
            if added < 0 {
                return refuse("ERR entries_added must be positive");
            }
            entries_added = Some(added);
        } else if is(word, "MAXDELETEDID") {
            max_deleted_id = id(value)?;
            if last_id < max_deleted_id {
                return refuse("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
            }
        } else {
            return refuse(SYNTAX);
        }
        rest = tail;
    }
    if !rest.is_empty() {
        return refuse(SYNTAX);
    }
    let stream = context.stream_or(&argv[1], NO_SUCH_KEY)?;
    if last_id < stream.max_deleted_id {
        return refuse("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
    }
    if stream.length() > 0 && last_id < stream.top_id() {
        return refuse("ERR The ID specified in XSETID is smaller than the target stream top item");
    }
    if entries_added.is_some_and(|added| added < stream.length() as i64) {
        return refuse("ERR The entries_added specified in XSETID is smaller than the target stream length");
    }
    stream.last_id = last_id;
    stream.entries_added = entries_added.unwrap_or(stream.entries_added);
    if max_deleted_id != EntryId::MIN {
        stream.max_deleted_id = max_deleted_id;
    }
    Ok(ok())
}

/// `XCFGSET key [IDMP-DURATION s] [IDMP-MAXSIZE n]`: a change forgets all messages, the same value again does not.
pub(crate) fn xcfgset(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let (mut duration_s, mut entries_max) = (None, None);
    let mut rest = &argv[2..];
    while let [word, value, tail @ ..] = rest {
        if is(word, "IDMP-DURATION") {
            let line = "ERR IDMP-DURATION must be between 1 and 86400 seconds";
            read_once(&mut duration_s, value, 86_400, "IDMP-DURATION", line)?;
        } else if is(word, "IDMP-MAXSIZE") {
            let line = "ERR IDMP-MAXSIZE must be between 1 and 10000 entries";
            read_once(&mut entries_max, value, 10_000, "IDMP-MAXSIZE", line)?;
        } else {
            return refuse(SYNTAX);
        }
        rest = tail;
    }
    if !rest.is_empty() {
        return refuse(SYNTAX);
    }
    if duration_s.is_none() && entries_max.is_none() {
        return refuse("ERR At least one parameter must be specified");
    }
    let stream = context.stream_or(&argv[1], NO_SUCH_KEY)?;
    let before = (stream.idmp_duration_s, stream.idmp_entries_max);
    stream.idmp_duration_s = duration_s.unwrap_or(before.0);
    stream.idmp_entries_max = entries_max.unwrap_or(before.1);
    if before != (stream.idmp_duration_s, stream.idmp_entries_max) {
        stream.producers.clear();
    }
    Ok(ok())
}

/// `XIDMPRECORD key pid iid id`: remembers a message whose entry exists.
pub(crate) fn xidmprecord(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let (pid, message) = (&argv[2], MessageId::Given(argv[3].clone()));
    if pid.is_empty() {
        return refuse("ERR producer ID must be non-empty");
    }
    if argv[3].is_empty() {
        return refuse("ERR idempotent ID must be non-empty");
    }
    let id = id(&argv[4])?;
    let inserted_at_ms = context.now_ms;
    let stream = context.stream_or(&argv[1], NO_SUCH_KEY)?;
    if stream.get(id).is_none() {
        return refuse("ERR No such message in stream");
    }
    match stream.find_record(pid, &message).map(|record| record.id) {
        Some(known) if known == id => Ok(ok()),
        Some(_) => refuse("ERR IID already exists for this producer with a different stream ID"),
        None => {
            stream.add_record(pid, Record { message, id, inserted_at_ms });
            Ok(ok())
        }
    }
}

impl TrimWords {
    fn new() -> TrimWords {
        TrimWords { threshold: None, approximate: false, limit: None, references: None }
    }

    /// Reads one option with its values from the front, and returns what follows it. `None`: it is none of these.
    fn read<'a>(&mut self, words: &'a [Vec<u8>]) -> Result<Option<&'a [Vec<u8>]>, Vec<u8>> {
        let [word, tail @ ..] = words else { return Ok(None) };
        if let (true, [value, tail @ ..]) = (is(word, "LIMIT"), tail) {
            let limit = integer(value)?;
            if limit < 0 {
                return refuse("ERR The LIMIT argument must be >= 0.");
            }
            self.limit = Some(limit as u64);
            return Ok(Some(tail));
        }
        if (is(word, "MAXLEN") || is(word, "MINID")) && !tail.is_empty() {
            return self.read_threshold(is(word, "MAXLEN"), tail).map(Some);
        }
        let modes = [("KEEPREF", References::Keep), ("DELREF", References::Delete), ("ACKED", References::Acked)];
        match modes.into_iter().find(|(name, _)| is(word, name)) {
            Some((_, references)) if self.references.is_none() => {
                self.references = Some(references);
                Ok(Some(tail))
            }
            _ => Ok(None),
        }
    }

    fn read_threshold<'a>(&mut self, by_length: bool, words: &'a [Vec<u8>]) -> Result<&'a [Vec<u8>], Vec<u8>> {
        if self.threshold.is_some() {
            return refuse("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
        }
        let (sign, value, tail): (&[u8], _, _) = match words {
            [sign, value, tail @ ..] if sign == b"~" || sign == b"=" => (sign, value, tail),
            [value, tail @ ..] => (b"=", value, tail),
            [] => return refuse(SYNTAX),
        };
        self.approximate = sign == b"~";
        self.threshold = Some(if by_length {
            let length = integer(value)?;
            if length < 0 {
                return refuse("ERR The MAXLEN argument must be >= 0.");
            }
            Threshold::Length(length as u64)
        } else {
            Threshold::FirstId(id(value)?)
        });
        Ok(tail)
    }

    fn finish(self, context: &Context<'_>) -> Result<Option<Trim>, Vec<u8>> {
        if self.threshold.is_none() && self.limit.is_some_and(|limit| limit != 0) {
            return refuse("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
        }
        if self.limit.is_some() && !self.approximate {
            return refuse("ERR syntax error, LIMIT cannot be used without the special ~ option");
        }
        let default_limit = match context.settings.node_entries_max {
            0 => 10_000,
            entries => entries.saturating_mul(100).min(1_000_000),
        };
        let limit = if self.approximate { self.limit.unwrap_or(default_limit) } else { 0 };
        let references = self.references.unwrap_or(References::Keep);
        let approximate = self.approximate;
        Ok(self.threshold.map(|threshold| Trim { threshold, approximate, limit, references }))
    }
}

fn check_producer(again: bool, pid: &[u8], empty: &str) -> Result<(), Vec<u8>> {
    if again {
        return refuse("ERR syntax error, IDMP/IDMPAUTO specified multiple times");
    }
    if pid.is_empty() { refuse(empty) } else { Ok(()) }
}

fn message_id(iid: Option<&Vec<u8>>, fields: &Fields) -> MessageId {
    match iid {
        Some(iid) => MessageId::Given(iid.clone()),
        None => {
            let mut sorted = fields.clone();
            sorted.sort();
            MessageId::Content(sorted)
        }
    }
}

fn read_new_id(word: &[u8]) -> Result<NewId, Vec<u8>> {
    if word == b"*" {
        return Ok(NewId::Auto);
    }
    if let Some(ms) = word.strip_suffix(b"-*") {
        let ms = std::str::from_utf8(ms).ok().filter(|text| !text.is_empty()).and_then(digits);
        return ms.map_or_else(|| refuse(INVALID_ID), |ms| Ok(NewId::AutoSeq(ms)));
    }
    maybe_id(word, 0).map_or_else(|| refuse(INVALID_ID), |id| Ok(NewId::Given(id)))
}

/// Pairs, at least one.
fn read_fields(words: &[Vec<u8>]) -> Option<Fields> {
    let (pairs, surplus) = words.as_chunks::<2>();
    let complete = !pairs.is_empty() && surplus.is_empty();
    complete.then(|| pairs.iter().map(|[name, value]| (name.clone(), value.clone())).collect())
}

fn check_not_zero(new_id: NewId) -> Result<(), Vec<u8>> {
    match new_id {
        NewId::Given(EntryId::MIN) => refuse("ERR The ID specified in XADD must be greater than 0-0"),
        _ => Ok(()),
    }
}

fn check_not_exhausted(stream: &Stream) -> Result<(), Vec<u8>> {
    if stream.last_id == EntryId::MAX {
        return refuse("ERR The stream has exhausted the last possible ID, unable to add more items");
    }
    Ok(())
}

/// Appends under the ID that `new_id` means for this stream, which it creates if need be.
fn append(context: &mut Context<'_>, key: &[u8], new_id: NewId, fields: Fields) -> Result<EntryId, Vec<u8>> {
    let settings = context.settings;
    let last = context.stream(key)?.map_or(EntryId::MIN, |stream| stream.last_id);
    let id = match new_id {
        NewId::Auto if context.now_ms > last.ms() => Some(EntryId::new(context.now_ms, 0)),
        NewId::Auto => last.successor(),
        NewId::AutoSeq(ms) if ms > last.ms() => Some(EntryId::new(ms, 0)),
        NewId::AutoSeq(ms) if ms == last.ms() => last.seq().checked_add(1).map(|seq| EntryId::new(ms, seq)),
        NewId::AutoSeq(_) => None,
        NewId::Given(id) => Some(id),
    };
    let Some(id) = id.filter(|&id| id > last) else {
        return refuse("ERR The ID specified in XADD is equal or smaller than the target stream top item");
    };
    if context.stream(key)?.is_none() {
        context.put(key, Held::Stream(Box::new(Stream::new(settings))));
    }
    if let Some(stream) = context.stream(key)? {
        stream.append(id, fields, settings);
    }
    Ok(id)
}

fn read_once(place: &mut Option<u64>, word: &[u8], max: u64, name: &str, range: &str) -> Result<(), Vec<u8>> {
    if place.is_some() {
        return refuse_with("ERR {} specified multiple times", &[name.as_bytes()]);
    }
    let value = u64::try_from(integer(word)?).ok();
    *place = value.filter(|value| (1..=max).contains(value));
    if place.is_none() { refuse(range) } else { Ok(()) }
}
