//! Commands that read entries.

use brooklet::{EntryId, Value};

use super::Context;
use super::group::Group;
use super::stream::{Entry, Stream};
use super::words::{
    Answer, SYNTAX, bulk, count, id, id_value, integer, is, number, range_end, range_start, refuse, refuse_with,
};

pub(crate) fn xlen(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    Ok(count(context.stream(&argv[1])?.map_or(0, |stream| stream.length())))
}

/// `XRANGE key start end [COUNT n]`
pub(crate) fn xrange(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    range(context, &argv[1], &argv[2], &argv[3], &argv[4..], false)
}

/// `XREVRANGE key end start [COUNT n]`
pub(crate) fn xrevrange(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    range(context, &argv[1], &argv[3], &argv[2], &argv[4..], true)
}

fn range(
    context: &mut Context<'_>,
    key: &[u8],
    start: &[u8],
    end: &[u8],
    options: &[Vec<u8>],
    reverse: bool,
) -> Answer {
    let (start, end) = (range_start(start)?, range_end(end)?);
    let mut count_max = None;
    let mut rest = options;
    while let [word, value, tail @ ..] = rest {
        if !is(word, "COUNT") {
            return refuse(SYNTAX);
        }
        count_max = Some(integer(value)?.max(0) as usize);
        rest = tail;
    }
    if !rest.is_empty() {
        return refuse(SYNTAX);
    }
    let Some(stream) = context.stream(key)? else { return Ok(Value::Array(Vec::new())) };
    if count_max == Some(0) {
        return Ok(Value::NullArray);
    }
    let mut found: Vec<&Entry> = stream.entries().filter(|entry| start <= entry.id && entry.id <= end).collect();
    if reverse {
        found.reverse();
    }
    found.truncate(count_max.unwrap_or(usize::MAX));
    Ok(Value::Array(found.into_iter().map(Entry::value).collect()))
}

/// The options that XREAD and XREADGROUP share, and those that only the latter knows.
#[derive(Default)]
struct ReadWords<'a> {
    group: Option<(&'a [u8], &'a [u8])>,
    /// `None` is no limit.
    count: Option<u64>,
    entries_max: Option<u64>,
    bytes_max: Option<u64>,
    claim_idle_ms: Option<u64>,
    no_ack: bool,
    keys: &'a [Vec<u8>],
    ids: &'a [Vec<u8>],
}

/// `XREAD [COUNT n] [MAXCOUNT n] [MAXSIZE n] [BLOCK ms] STREAMS key [key ...] id [id ...]`
pub(crate) fn xread(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let words = read_words(argv, context.now_ms, false)?;
    let mut after = Vec::new();
    for (key, word) in words.keys.iter().zip(words.ids) {
        let stream = context.stream(key)?;
        after.push(match word.as_slice() {
            b"$" => stream.map_or(EntryId::MIN, |stream| stream.last_id),
            b"+" => stream.and_then(|stream| stream.top_id().predecessor()).unwrap_or(EntryId::MAX),
            b">" => {
                return refuse(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> \
                     option.",
                );
            }
            word => id(word)?,
        });
    }
    let mut reading = Reading::new(&words);
    for (key, after) in words.keys.iter().zip(after) {
        let Some(stream) = context.stream(key)? else { continue };
        reading.open(key);
        for entry in stream.entries().filter(|entry| entry.id > after).take(words.count_max()) {
            if !reading.has_room() {
                break;
            }
            reading.emit(entry.value());
        }
        reading.close(false);
    }
    Ok(reading.finish())
}

/// Where a group reader begins.
#[derive(Clone, Copy)]
enum From {
    News,
    History(EntryId),
}

/// `XREADGROUP GROUP g c [COUNT n] [MAXCOUNT n] [MAXSIZE n] [BLOCK ms] [CLAIM min-idle] [NOACK]
/// STREAMS key [key ...] id [id ...]`
pub(crate) fn xreadgroup(context: &mut Context<'_>, argv: &[Vec<u8>]) -> Answer {
    let now_ms = context.now_ms;
    let words = read_words(argv, now_ms, true)?;
    let Some((group_name, consumer)) = words.group else { return refuse("ERR Missing GROUP option for XREADGROUP") };
    let mut froms = Vec::new();
    for (key, word) in words.keys.iter().zip(words.ids) {
        if !context.stream(key)?.is_some_and(|stream| stream.groups.contains_key(group_name)) {
            let line = "NOGROUP No such key '{}' or consumer group '{}' in XREADGROUP with GROUP option";
            return refuse_with(line, &[key, group_name]);
        }
        froms.push(match word.as_slice() {
            b">" => From::News,
            b"$" | b"+" => return meaningless_id(word),
            word => match id(word)? {
                // The last possible ID is how Redis itself writes down `>`.
                EntryId::MAX => From::News,
                after => From::History(after),
            },
        });
    }
    for key in words.keys {
        if let Some(group) = context.stream(key)?.and_then(|stream| stream.groups.get_mut(group_name)) {
            group.see_consumer(consumer, now_ms);
        }
    }
    let mut reading = Reading::new(&words);
    let mut claim_idle_ms = words.claim_idle_ms;
    for (key, from) in words.keys.iter().zip(froms) {
        // A group that exists for the first mention of a key exists for the second one, too.
        let Some(stream) = context.stream(key)? else { continue };
        if reading.is_full() {
            break;
        }
        reading.open(key);
        let mut reader = GroupReader { stream, group_name, consumer, now_ms, no_ack: words.no_ack };
        match from {
            From::News => {
                let claims = claim_idle_ms.map_or_else(Vec::new, |idle_ms| reader.claimable(idle_ms));
                let claims = claims.into_iter().map(|id| (id, true));
                let news = reader.news().into_iter().map(|id| (id, false));
                for (id, claimed) in claims.chain(news).take(words.count_max()) {
                    if !reading.has_room() {
                        break;
                    }
                    let value = if claimed { reader.claim(id) } else { reader.deliver(id, claim_idle_ms.is_some()) };
                    reading.emit(value);
                }
                reading.close(false);
            }
            From::History(after) => {
                // As in Redis, a history ID ends claiming for the keys after it.
                claim_idle_ms = None;
                for id in reader.history(after).into_iter().take(words.count_max()) {
                    if !reading.has_room() {
                        break;
                    }
                    let value = reader.redeliver(id);
                    reading.emit(value);
                }
                reading.close(true);
            }
        }
    }
    Ok(reading.finish())
}

/// One stream as one consumer of one group reads it.
struct GroupReader<'a> {
    stream: &'a mut Stream,
    group_name: &'a [u8],
    consumer: &'a [u8],
    now_ms: u64,
    no_ack: bool,
}

impl GroupReader<'_> {
    fn group(&mut self) -> &mut Group {
        self.stream.groups.get_mut(self.group_name).expect("the group was looked up before")
    }

    fn news(&mut self) -> Vec<EntryId> {
        let last_id = self.group().last_id;
        self.stream.entries().map(|entry| entry.id).filter(|&id| id > last_id).collect()
    }

    /// What lay unacknowledged long enough and still exists.
    fn claimable(&mut self, idle_ms_min: u64) -> Vec<EntryId> {
        let now_ms = self.now_ms;
        let group = self.group();
        let mut order = group.claim_order();
        order.retain(|id| group.pending[id].is_idle(idle_ms_min, now_ms));
        order.retain(|&id| self.stream.get(id).is_some());
        order
    }

    fn history(&mut self, after: EntryId) -> Vec<EntryId> {
        let consumer = self.consumer;
        self.group().pending_of(consumer).map(|(id, _)| id).filter(|&id| id > after).collect()
    }

    /// Takes over an entry that somebody else, or nobody, had: it stays pending even with NOACK.
    fn claim(&mut self, id: EntryId) -> Value {
        let (consumer, now_ms) = (self.consumer, self.now_ms);
        let group = self.group();
        let before = group.pending[&id].clone();
        group.assign(id, consumer, now_ms, before.deliveries.saturating_add(1), now_ms);
        let idle_ms = before.idle_ms(now_ms);
        self.value(id, Some((idle_ms, before.deliveries)))
    }

    /// Delivers a new entry. One that is pending already changes hands and counts from 1 again.
    fn deliver(&mut self, id: EntryId, with_claim: bool) -> Value {
        let (last_id, read) = (self.group().last_id, self.group().entries_read);
        let countable = last_id >= self.stream.first_id() && !self.stream.has_tombstone_from(last_id);
        let entries_read = match read {
            Some(read) if countable => Some(read.saturating_add(1)),
            _ if self.stream.entries_added > 0 => self.stream.estimate_read(id),
            unchanged => unchanged,
        };
        let (consumer, now_ms, no_ack) = (self.consumer, self.now_ms, self.no_ack);
        let group = self.group();
        group.last_id = id;
        group.entries_read = entries_read;
        if !no_ack {
            group.assign(id, consumer, now_ms, 1, now_ms);
        }
        self.value(id, with_claim.then_some((0, 0)))
    }

    /// Shows the consumer again what it has. A deleted entry is a null and is not delivered.
    fn redeliver(&mut self, id: EntryId) -> Value {
        let (consumer, now_ms) = (self.consumer, self.now_ms);
        if self.stream.get(id).is_none() {
            return Value::Array(vec![id_value(id), Value::NullArray]);
        }
        let group = self.group();
        let deliveries = group.pending[&id].deliveries.saturating_add(1);
        group.assign(id, consumer, now_ms, deliveries, now_ms);
        self.value(id, None)
    }

    fn value(&self, id: EntryId, before: Option<(u64, i64)>) -> Value {
        let fields = self.stream.get(id).map_or(Value::NullArray, Entry::fields_value);
        let mut parts = vec![id_value(id), fields];
        if let Some((idle_ms, deliveries)) = before {
            parts.push(count(idle_ms));
            parts.push(Value::Integer(deliveries));
        }
        Value::Array(parts)
    }
}

/// The reply of XREAD and XREADGROUP while it grows, and the two budgets that may end it.
struct Reading {
    entries_max: u64,
    bytes_max: u64,
    emitted: u64,
    streams: Vec<(Value, Value)>,
    open: Option<(Value, Vec<Value>)>,
}

impl Reading {
    fn new(words: &ReadWords<'_>) -> Reading {
        Reading {
            entries_max: words.entries_max.unwrap_or(u64::MAX),
            bytes_max: words.bytes_max.unwrap_or(u64::MAX),
            emitted: 0,
            streams: Vec::new(),
            open: None,
        }
    }

    /// Whether as many entries or bytes are there as MAXCOUNT or MAXSIZE allows: the streams that follow are not even
    /// mentioned. The first entry always fits, and the budget of bytes is compared with what is already there, so that
    /// it may be exceeded by one entry.
    fn is_full(&self) -> bool {
        self.emitted >= self.entries_max || (self.emitted > 0 && self.bytes() >= self.bytes_max)
    }

    fn open(&mut self, key: &[u8]) {
        self.open = Some((bulk(key), Vec::new()));
    }

    /// Whether one more entry may follow.
    fn has_room(&self) -> bool {
        !self.is_full()
    }

    fn emit(&mut self, entry: Value) {
        if let Some((_, entries)) = &mut self.open {
            entries.push(entry);
            self.emitted += 1;
        }
    }

    /// Ends a stream. Without entries it is left out, unless it is somebody's history.
    fn close(&mut self, keep_empty: bool) {
        if let Some((key, entries)) = self.open.take().filter(|(_, entries)| keep_empty || !entries.is_empty()) {
            self.streams.push((key, Value::Array(entries)));
        }
    }

    fn finish(self) -> Value {
        if self.streams.is_empty() { Value::NullArray } else { Value::Pairs(self.streams) }
    }

    /// What is already written of the reply, in RESP2. A list that is still open, as that of the streams is up to the
    /// end, is written down as an empty one. Around a stream and its entries is a frame of four bytes.
    fn bytes(&self) -> u64 {
        let empty_list = wire_bytes(&Value::Array(Vec::new()));
        let closed: u64 = self.streams.iter().map(|(key, entries)| 4 + wire_bytes(key) + wire_bytes(entries)).sum();
        let open = self
            .open
            .as_ref()
            .map_or(0, |(key, entries)| 4 + wire_bytes(key) + empty_list + entries.iter().map(wire_bytes).sum::<u64>());
        empty_list + closed + open
    }
}

fn wire_bytes(value: &Value) -> u64 {
    let line = |text: String| text.len() as u64 + 3;
    match value {
        Value::Simple(text) | Value::Error(text) => text.len() as u64 + 3,
        Value::Integer(value) => line(value.to_string()),
        Value::Bulk(text) => line(text.len().to_string()) + text.len() as u64 + 2,
        Value::Null | Value::NullArray => 5,
        Value::Array(items) => line(items.len().to_string()) + items.iter().map(wire_bytes).sum::<u64>(),
        Value::Map(pairs) => {
            let inner: u64 = pairs.iter().map(|(key, value)| wire_bytes(key) + wire_bytes(value)).sum();
            line((2 * pairs.len()).to_string()) + inner
        }
        Value::Pairs(pairs) => {
            let inner: u64 = pairs.iter().map(|(key, value)| 4 + wire_bytes(key) + wire_bytes(value)).sum();
            line(pairs.len().to_string()) + inner
        }
    }
}

impl ReadWords<'_> {
    fn count_max(&self) -> usize {
        self.count.map_or(usize::MAX, |count| count as usize)
    }
}

/// Reads all words up to the IDs, which depend on the keys.
fn read_words(argv: &[Vec<u8>], now_ms: u64, for_group: bool) -> Result<ReadWords<'_>, Vec<u8>> {
    let mut words = ReadWords::default();
    let mut rest = &argv[1..];
    loop {
        let [word, tail @ ..] = rest else { return refuse(SYNTAX) };
        rest = match tail {
            [value, tail @ ..] if is(word, "BLOCK") => {
                check_timeout(value, now_ms)?;
                tail
            }
            [value, tail @ ..] if is(word, "COUNT") => {
                words.count = u64::try_from(integer(value)?).ok().filter(|&count| count > 0);
                tail
            }
            [value, tail @ ..] if is(word, "MAXCOUNT") => {
                words.entries_max = Some(positive(value, "ERR MAXCOUNT must be a positive integer")?);
                tail
            }
            [value, tail @ ..] if is(word, "MAXSIZE") => {
                words.bytes_max = Some(positive(value, "ERR MAXSIZE must be a positive integer")?);
                tail
            }
            [group, consumer, tail @ ..] if is(word, "GROUP") => {
                check_for_group(for_group, "GROUP")?;
                words.group = Some((group, consumer));
                tail
            }
            [idle_ms, tail @ ..] if is(word, "CLAIM") => {
                check_for_group(for_group, "CLAIM")?;
                let Some(idle_ms) = number(idle_ms) else {
                    return refuse("ERR min-idle-time is not an integer or out of range");
                };
                let Ok(idle_ms) = u64::try_from(idle_ms) else {
                    return refuse("ERR min-idle-time must be a positive integer");
                };
                words.claim_idle_ms = Some(idle_ms);
                tail
            }
            _ if is(word, "NOACK") => {
                check_for_group(for_group, "NOACK")?;
                words.no_ack = true;
                tail
            }
            [_, ..] if is(word, "STREAMS") => {
                if tail.len() % 2 != 0 {
                    return unbalanced(for_group);
                }
                (words.keys, words.ids) = tail.split_at(tail.len() / 2);
                break;
            }
            _ => return refuse(SYNTAX),
        };
    }
    if let (Some(entries_max), Some(count)) = (words.entries_max, words.count)
        && entries_max < count
    {
        return refuse("ERR MAXCOUNT must be greater than or equal to COUNT");
    }
    Ok(words)
}

fn check_timeout(word: &[u8], now_ms: u64) -> Result<(), Vec<u8>> {
    let Some(timeout_ms) = number(word) else { return refuse("ERR timeout is not an integer or out of range") };
    if timeout_ms < 0 {
        return refuse("ERR timeout is negative");
    }
    if timeout_ms > i64::MAX - now_ms as i64 {
        return refuse("ERR timeout is out of range");
    }
    Ok(())
}

fn check_for_group(for_group: bool, name: &str) -> Result<(), Vec<u8>> {
    if for_group {
        return Ok(());
    }
    let line = "ERR The {} option is only supported by XREADGROUP. You called XREAD instead.";
    refuse_with(line, &[name.as_bytes()])
}

fn unbalanced<T>(for_group: bool) -> Result<T, Vec<u8>> {
    let (name, what) = if for_group { ("xreadgroup", "ID or '>'") } else { ("xread", "ID, '+', or '$'") };
    let line = "ERR Unbalanced '{}' list of streams: for each stream key an {} must be specified.";
    refuse_with(line, &[name.as_bytes(), what.as_bytes()])
}

fn meaningless_id(word: &[u8]) -> Answer {
    refuse_with(
        "ERR The {} ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
         specifying a proper ID, or use the > ID to get new messages. The {} ID would just return an empty result set.",
        &[word, word],
    )
}

fn positive(word: &[u8], line: &str) -> Result<u64, Vec<u8>> {
    match number(word).and_then(|value| u64::try_from(value).ok()) {
        Some(value) if value > 0 => Ok(value),
        _ => refuse(line),
    }
}
