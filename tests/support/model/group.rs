//! A consumer group as plainly as it can be said: one map of pending entries, searched and sorted whenever needed.

use std::collections::BTreeMap;

use brooklet::EntryId;

#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) last_id: EntryId,
    /// `None` when it cannot be told.
    pub(crate) entries_read: Option<i64>,
    pub(crate) pending: BTreeMap<EntryId, Pending>,
    pub(crate) consumers: BTreeMap<Vec<u8>, Consumer>,
    stamps: u64,
}

/// A delivered entry that nobody acknowledged yet (Redis: PEL record, NACK).
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// `None` when it was given back (XNACK).
    pub(crate) owner: Option<Vec<u8>>,
    pub(crate) delivered_at_ms: u64,
    /// Grows with each setting of the delivery time: equal times keep the order in which they were set.
    stamp: u64,
    pub(crate) deliveries: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    pub(crate) seen_at_ms: u64,
    /// `None` until the consumer got its first entry.
    pub(crate) active_at_ms: Option<u64>,
}

impl Group {
    pub(crate) fn new(last_id: EntryId, entries_read: Option<i64>) -> Group {
        Group { last_id, entries_read, pending: BTreeMap::new(), consumers: BTreeMap::new(), stamps: 0 }
    }

    /// Creates the consumer unless it exists. True if it is new.
    pub(crate) fn create_consumer(&mut self, name: &[u8], now_ms: u64) -> bool {
        let known = self.consumers.contains_key(name);
        if !known {
            self.consumers.insert(name.to_vec(), Consumer { seen_at_ms: now_ms, active_at_ms: None });
        }
        !known
    }

    /// A consumer shows itself, whether or not it gets anything.
    pub(crate) fn see_consumer(&mut self, name: &[u8], now_ms: u64) {
        self.create_consumer(name, now_ms);
        if let Some(consumer) = self.consumers.get_mut(name) {
            consumer.seen_at_ms = now_ms;
        }
    }

    /// Makes `id` pending for `owner`, whoever had it before, with this delivery time and count. Getting an entry that
    /// the owner did not have makes it active.
    pub(crate) fn assign(&mut self, id: EntryId, owner: &[u8], delivered_at_ms: u64, deliveries: i64, now_ms: u64) {
        let had_it = self.pending.get(&id).is_some_and(|pending| pending.owner.as_deref() == Some(owner));
        self.set(id, Some(owner.to_vec()), delivered_at_ms, deliveries);
        if let Some(consumer) = self.consumers.get_mut(owner).filter(|_| !had_it) {
            consumer.active_at_ms = Some(now_ms);
        }
    }

    /// Makes `id` pending without an owner, behind all others that have none.
    pub(crate) fn release(&mut self, id: EntryId, deliveries: i64) {
        self.set(id, None, 0, deliveries);
    }

    fn set(&mut self, id: EntryId, owner: Option<Vec<u8>>, delivered_at_ms: u64, deliveries: i64) {
        self.stamps += 1;
        self.pending.insert(id, Pending { owner, delivered_at_ms, stamp: self.stamps, deliveries });
    }

    /// The IDs in the order in which CLAIM looks at them: given back ones first, then by delivery time.
    pub(crate) fn claim_order(&self) -> Vec<EntryId> {
        let mut order: Vec<_> = self.pending.iter().collect();
        order.sort_by_key(|(_, pending)| (pending.owner.is_some(), pending.delivered_at_ms, pending.stamp));
        order.into_iter().map(|(&id, _)| id).collect()
    }

    /// The pending entries of one consumer.
    pub(crate) fn pending_of(&self, consumer: &[u8]) -> impl Iterator<Item = (EntryId, &Pending)> {
        let owned = self.pending.iter().filter(move |(_, pending)| pending.owner.as_deref() == Some(consumer));
        owned.map(|(&id, pending)| (id, pending))
    }
}

impl Pending {
    pub(crate) fn idle_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.delivered_at_ms)
    }

    /// Whether it lies unacknowledged for so long. What nobody owns always does.
    pub(crate) fn is_idle(&self, idle_ms_min: u64, now_ms: u64) -> bool {
        self.owner.is_none() || self.idle_ms(now_ms) >= idle_ms_min
    }
}
