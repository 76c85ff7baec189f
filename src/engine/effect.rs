//! Effects: what a command decided, in full, so that applying it cannot fail and cannot differ.
//!
//! Each write of the engine is one or more effects on one key. The same function applies an effect when it happens and
//! when it is read back from a journal, so the two cannot drift apart.

use crate::id::EntryId;

/// A pending entry as it shall be: the delivery count is already the resulting one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Owned {
    pub(crate) id: EntryId,
    pub(crate) deliveries: i64,
}

/// A change of one key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Effect<'a> {
    /// An empty stream comes into being.
    Create { idmp_duration_s: u32, idmp_entries_max: u32 },
    /// An entry is appended; `fields` are names and values in turn.
    Add { id: EntryId, opens_node: bool, fields: &'a [&'a [u8]] },
    /// Live entries in these ranges (both ends included) go; `purge` takes their pending entries along.
    Trim { ranges: &'a [(EntryId, EntryId)], purge: bool },
    /// These entries go, where they exist; the highest of those becomes the max-deleted ID if it is above it. `purge`
    /// drops the pending entries of all the IDs, existing or not.
    Delete { ids: &'a [EntryId], purge: bool },
    /// XSETID's three values, resolved.
    SetId { last_id: EntryId, entries_added: u64, max_deleted: EntryId },
    /// How long and how many IDs of producers are remembered; what is remembered is forgotten.
    Configure { idmp_duration_s: u32, idmp_entries_max: u32 },
    /// A producer's ID is remembered with the entry it led to.
    Produced { producer: &'a [u8], iid: &'a [u8], id: EntryId, at_ms: u64 },
    /// Producers' IDs remembered at or before this time are forgotten.
    ExpireProduced { through_ms: u64 },
    /// A group comes into being.
    GroupCreate { group: &'a [u8], last_id: EntryId, entries_read: Option<u64> },
    /// A group's place in the stream changes.
    GroupSet { group: &'a [u8], last_id: EntryId, entries_read: Option<u64> },
    /// A group goes with all its pending entries.
    GroupDestroy { group: &'a [u8] },
    /// A consumer comes into being, seen at `now_ms`.
    ConsumerCreate { group: &'a [u8], consumer: &'a [u8], now_ms: u64 },
    /// A consumer goes with its pending entries.
    ConsumerDelete { group: &'a [u8], consumer: &'a [u8] },
    /// Pending entries are created or change owner, time and count; without a consumer they are released. A consumer
    /// that got one it did not have was active at `now_ms`.
    Own { group: &'a [u8], consumer: Option<&'a [u8]>, now_ms: u64, time_ms: u64, items: &'a [Owned] },
    /// Pending entries are acknowledged or dropped.
    Forget { group: &'a [u8], ids: &'a [EntryId] },
    /// The key holds this byte string, whatever it held.
    SetBytes { value: &'a [u8], expires_ms: Option<u64> },
    /// The key holds this value, whatever it held: one that DUMP wrote and that was seen to be readable.
    Restore { value: &'a [u8], expires_ms: Option<u64> },
    /// The key expires at this time, or never.
    Expire { at_ms: Option<u64> },
    /// The key goes.
    Remove,
    /// The key's value and expiry move to another name of the same database, over whatever was there.
    Rename { to: &'a [u8] },
}

impl Effect<'_> {
    /// An upper bound of the effect's bytes in a journal.
    pub(super) fn encoded_bytes_max(&self) -> usize {
        /// A tag and up to five varints.
        const FIXED: usize = 1 + 5 * 10;
        const ID: usize = 20;
        let text = |bytes: &[u8]| bytes.len() + 10;
        FIXED
            + match *self {
                Effect::Add { fields, .. } => fields.iter().map(|field| field.len() + 10).sum(),
                Effect::Trim { ranges, .. } => ranges.len() * 2 * ID,
                Effect::Delete { ids, .. } => ids.len() * ID,
                Effect::Produced { producer, iid, .. } => text(producer) + text(iid),
                Effect::GroupCreate { group, .. } | Effect::GroupSet { group, .. } | Effect::GroupDestroy { group } => {
                    text(group)
                }
                Effect::ConsumerCreate { group, consumer, .. } | Effect::ConsumerDelete { group, consumer } => {
                    text(group) + text(consumer)
                }
                Effect::Own { group, consumer, items, .. } => {
                    text(group) + text(consumer.unwrap_or(&[])) + items.len() * (ID + 10)
                }
                Effect::Forget { group, ids } => text(group) + ids.len() * ID,
                Effect::SetBytes { value, .. } | Effect::Restore { value, .. } => text(value),
                Effect::Rename { to } => text(to),
                Effect::Create { .. }
                | Effect::SetId { .. }
                | Effect::Configure { .. }
                | Effect::ExpireProduced { .. }
                | Effect::Expire { .. }
                | Effect::Remove => 0,
            }
    }
}
