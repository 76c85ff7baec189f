//! A stream as plainly as it can be said: nodes of entries, counters, groups, producers.
//!
//! *Nodes.* Replies depend on where nodes begin (`~` trims whole nodes, XINFO counts them), so the model keeps them, as
//! lists of entries of which some are tombstones. Their size is computed from scratch whenever it is asked for.

use std::collections::BTreeMap;

use brooklet::{EntryId, Value};

use super::Settings;
use super::group::Group;
use super::words::id_value;

pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: EntryId,
    pub(crate) fields: Fields,
    live: bool,
}

/// A run of entries, at least one of them live. The first entry, live or not, gives the names that later ones share.
#[derive(Clone, Debug)]
struct Node {
    entries: Vec<Entry>,
}

/// What happens to pending entries that refer to an entry when it goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum References {
    /// They stay, and refer to nothing.
    Keep,
    /// They go, too.
    Delete,
    /// The entry only goes when every group has read and acknowledged it.
    Acked,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Threshold {
    Length(u64),
    FirstId(EntryId),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Trim {
    pub(crate) threshold: Threshold,
    pub(crate) approximate: bool,
    /// The largest number of entries to remove; 0 is no limit.
    pub(crate) limit: u64,
    pub(crate) references: References,
}

/// The identity of a message as its producer sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum MessageId {
    Given(Vec<u8>),
    /// IDMPAUTO: the pairs themselves, sorted, stand for their hash.
    Content(Fields),
}

#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) message: MessageId,
    pub(crate) id: EntryId,
    pub(crate) inserted_at_ms: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Stream {
    nodes: Vec<Node>,
    pub(crate) last_id: EntryId,
    pub(crate) max_deleted_id: EntryId,
    pub(crate) entries_added: i64,
    pub(crate) groups: BTreeMap<Vec<u8>, Group>,
    pub(crate) idmp_duration_s: u64,
    pub(crate) idmp_entries_max: u64,
    /// The records of each producer, oldest first. A producer without records is not in the map.
    pub(crate) producers: BTreeMap<Vec<u8>, Vec<Record>>,
    pub(crate) messages_added: u64,
    pub(crate) messages_duplicate: u64,
}

impl Stream {
    pub(crate) fn new(settings: &Settings) -> Stream {
        Stream {
            nodes: Vec::new(),
            last_id: EntryId::MIN,
            max_deleted_id: EntryId::MIN,
            entries_added: 0,
            groups: BTreeMap::new(),
            idmp_duration_s: settings.idmp_duration_s,
            idmp_entries_max: settings.idmp_entries_max,
            producers: BTreeMap::new(),
            messages_added: 0,
            messages_duplicate: 0,
        }
    }

    /// The live entries in order.
    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.nodes.iter().flat_map(|node| node.entries.iter().filter(|entry| entry.live))
    }

    pub(crate) fn length(&self) -> u64 {
        self.entries().count() as u64
    }

    pub(crate) fn node_count(&self) -> u64 {
        self.nodes.len() as u64
    }

    pub(crate) fn get(&self, id: EntryId) -> Option<&Entry> {
        self.entries().find(|entry| entry.id == id)
    }

    /// The first live ID, `0-0` when there is none.
    pub(crate) fn first_id(&self) -> EntryId {
        self.entries().next().map_or(EntryId::MIN, |entry| entry.id)
    }

    /// The last live ID, `0-0` when there is none.
    pub(crate) fn top_id(&self) -> EntryId {
        self.entries().next_back().map_or(EntryId::MIN, |entry| entry.id)
    }

    pub(crate) fn append(&mut self, id: EntryId, fields: Fields, settings: &Settings) {
        let raw_bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        let fits = self.nodes.last().is_some_and(|node| node.has_room(raw_bytes as u64, settings));
        let entry = Entry { id, fields, live: true };
        match self.nodes.last_mut() {
            Some(node) if fits => node.entries.push(entry),
            _ => self.nodes.push(Node { entries: vec![entry] }),
        }
        self.last_id = id;
        self.entries_added = self.entries_added.saturating_add(1);
    }

    /// Marks a tombstone; a node without live entries disappears. False if there is no such entry.
    fn remove(&mut self, id: EntryId) -> bool {
        let entries = self.nodes.iter_mut().flat_map(|node| node.entries.iter_mut());
        let Some(entry) = entries.into_iter().find(|entry| entry.live && entry.id == id) else { return false };
        entry.live = false;
        self.nodes.retain(|node| node.live() > 0);
        true
    }

    /// Removes an entry by command, which is remembered, unlike trimming.
    pub(crate) fn delete(&mut self, id: EntryId) -> bool {
        let deleted = self.remove(id);
        if deleted {
            self.max_deleted_id = self.max_deleted_id.max(id);
        }
        deleted
    }

    /// Removes the pending entries that refer to `id` from all groups.
    pub(crate) fn purge_references(&mut self, id: EntryId) {
        for group in self.groups.values_mut() {
            group.pending.remove(&id);
        }
    }

    /// Whether some group has still to read or to acknowledge `id`, whether or not it exists.
    pub(crate) fn is_referenced(&self, id: EntryId) -> bool {
        self.groups.values().any(|group| group.last_id < id || group.pending.contains_key(&id))
    }

    /// Removes what lies before the threshold and returns how many entries that were.
    pub(crate) fn trim(&mut self, trim: &Trim) -> u64 {
        let whole_nodes_only = trim.approximate && trim.references == References::Keep;
        let mut removed = 0;
        let mut position = 0;
        while let Some(node) = self.nodes.get(position) {
            let droppable = match trim.threshold {
                Threshold::Length(length) => self.length() - node.live() >= length,
                Threshold::FirstId(first) => node.last_id() < first,
            };
            if trim.limit > 0 && removed + node.live() > trim.limit {
                break;
            }
            if whole_nodes_only && !droppable {
                break;
            }
            let nodes_before = self.nodes.len();
            let live: Vec<EntryId> = node.entries.iter().filter(|entry| entry.live).map(|entry| entry.id).collect();
            for id in live {
                removed += u64::from(self.trim_entry(id, trim));
            }
            if !droppable {
                break;
            }
            if self.nodes.len() == nodes_before {
                position += 1;
            }
        }
        removed
    }

    /// Removes one entry if it lies before the threshold and its references allow it.
    fn trim_entry(&mut self, id: EntryId, trim: &Trim) -> bool {
        let surplus = match trim.threshold {
            Threshold::Length(length) => self.length() > length,
            Threshold::FirstId(first) => id < first,
        };
        if !surplus || (trim.references == References::Acked && self.is_referenced(id)) {
            return false;
        }
        if trim.references == References::Delete {
            self.purge_references(id);
        }
        self.remove(id)
    }

    /// Whether an entry was deleted at `id` or after it, so that counting from there would be wrong.
    pub(crate) fn has_tombstone_from(&self, id: EntryId) -> bool {
        self.length() > 0 && self.max_deleted_id != EntryId::MIN && id <= self.max_deleted_id
    }

    /// How many entries were ever added up to and including `id`, where that can be told.
    pub(crate) fn estimate_read(&self, id: EntryId) -> Option<i64> {
        let (length, first) = (self.length() as i64, self.first_id());
        if self.entries_added == 0 {
            return Some(0);
        }
        if length == 0 && id <= self.last_id {
            return Some(self.entries_added);
        }
        if id != EntryId::MIN && id < self.max_deleted_id {
            return None;
        }
        if id == self.last_id {
            return Some(self.entries_added);
        }
        if id > self.last_id {
            return None;
        }
        if self.max_deleted_id == EntryId::MIN || self.max_deleted_id < first {
            if id < first {
                return Some(self.entries_added - length);
            }
            if id == first {
                return Some(self.entries_added - length + 1);
            }
        }
        None
    }

    /// How many entries a group has still to read, where that can be told.
    pub(crate) fn lag(&self, group: &Group) -> Option<i64> {
        let (length, first) = (self.length() as i64, self.first_id());
        if self.entries_added == 0 || length == 0 {
            return Some(0);
        }
        if group.last_id < first && self.max_deleted_id < first {
            return Some(length);
        }
        match group.entries_read {
            Some(read) if !self.has_tombstone_from(group.last_id) => Some(self.entries_added - read),
            _ => Some(self.entries_added - self.estimate_read(group.last_id)?),
        }
    }

    pub(crate) fn find_record(&self, producer: &[u8], message: &MessageId) -> Option<&Record> {
        self.producers.get(producer)?.iter().find(|record| record.message == *message)
    }

    /// Remembers a message; beyond the limit the producer's oldest ones are forgotten.
    pub(crate) fn add_record(&mut self, producer: &[u8], record: Record) {
        let records = self.producers.entry(producer.to_vec()).or_default();
        records.push(record);
        while records.len() as u64 > self.idmp_entries_max {
            records.remove(0);
        }
        self.messages_added += 1;
    }

    /// Forgets the messages that are older than the stream's duration.
    pub(crate) fn sweep_records(&mut self, now_ms: u64) {
        let duration_ms = self.idmp_duration_s * 1000;
        for records in self.producers.values_mut() {
            records.retain(|record| record.inserted_at_ms + duration_ms > now_ms);
        }
        self.producers.retain(|_, records| !records.is_empty());
    }
}

impl Entry {
    pub(crate) fn fields_value(&self) -> Value {
        let texts = self.fields.iter().flat_map(|(name, value)| [name, value]);
        Value::Array(texts.map(|text| Value::Bulk(text.clone())).collect())
    }

    pub(crate) fn value(&self) -> Value {
        Value::Array(vec![id_value(self.id), self.fields_value()])
    }
}

impl Node {
    fn live(&self) -> u64 {
        self.entries.iter().filter(|entry| entry.live).count() as u64
    }

    /// The last ID, which may be a tombstone's.
    fn last_id(&self) -> EntryId {
        self.entries.last().map_or(EntryId::MIN, |entry| entry.id)
    }

    /// Whether an entry whose names and values have `raw_bytes` still belongs into this node.
    fn has_room(&self, raw_bytes: u64, settings: &Settings) -> bool {
        let bytes_max = match settings.node_bytes_max {
            0 => 1 << 30,
            bytes => bytes.min(1 << 30),
        };
        let entries_max = settings.node_entries_max;
        let full = entries_max > 0 && self.entries.len() as u64 >= entries_max;
        !full && self.bytes() + raw_bytes < bytes_max
    }

    /// The size that Redis' encoding of this node would have.
    fn bytes(&self) -> u64 {
        let Some(first) = self.entries.first() else { return 0 };
        let names: u64 = first.fields.iter().map(|(name, _)| text_bytes(name)).sum();
        let deleted = self.entries.len() as u64 - self.live();
        let head = 7
            + number_bytes(self.live() as i64)
            + number_bytes(deleted as i64)
            + number_bytes(first.fields.len() as i64)
            + names
            + number_bytes(0);
        head + self.entries.iter().map(|entry| entry.bytes_after(first)).sum::<u64>()
    }
}

impl Entry {
    /// The size of this entry in the encoding of a node that begins with `first`.
    fn bytes_after(&self, first: &Entry) -> u64 {
        let ms = self.id.ms().wrapping_sub(first.id.ms()) as i64;
        let seq = self.id.seq().wrapping_sub(first.id.seq()) as i64;
        let fields = self.fields.len() as i64;
        let values: u64 = self.fields.iter().map(|(_, value)| text_bytes(value)).sum();
        let names: u64 = self.fields.iter().map(|(name, _)| text_bytes(name)).sum();
        let same_names = self.fields.iter().map(|(name, _)| name).eq(first.fields.iter().map(|(name, _)| name));
        let flags_and_id = number_bytes(0) + number_bytes(ms) + number_bytes(seq);
        if same_names {
            flags_and_id + values + number_bytes(fields + 3)
        } else {
            flags_and_id + number_bytes(fields) + names + values + number_bytes(2 * fields + 4)
        }
    }
}

fn number_bytes(value: i64) -> u64 {
    let data = match value {
        0..=127 => 1,
        -4096..=4095 => 2,
        -32_768..=32_767 => 3,
        -8_388_608..=8_388_607 => 4,
        -2_147_483_648..=2_147_483_647 => 5,
        _ => 9,
    };
    with_back_length(data)
}

fn text_bytes(text: &[u8]) -> u64 {
    if let Some(value) = super::words::number(text) {
        return number_bytes(value);
    }
    let length = text.len() as u64;
    with_back_length(match length {
        0..64 => length + 1,
        64..4096 => length + 2,
        _ => length + 5,
    })
}

fn with_back_length(data: u64) -> u64 {
    data + match data {
        0..=127 => 1,
        128..16_384 => 2,
        16_384..2_097_152 => 3,
        _ => 4,
    }
}
