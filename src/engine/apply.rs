//! Applying effects: the one function through which state changes, live and on replay.

use super::dump;
use super::effect::{Effect, Owned};
use super::keyspace::{KeyRef, Stored};
use super::timers::{Purpose, Timer};
use super::{Engine, Position};
use crate::group::Group;
use crate::image::ImageFault;
use crate::memory::{OutOfMemory, try_box, try_boxed};
use crate::stream::{ProducerLimits, Stream};

/// Why an effect could not be applied; nothing has changed then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// The memory for it is not there.
    OutOfMemory,
    /// It does not fit the state: a damaged journal, or one of another engine.
    Misfit(&'static str),
}

impl From<OutOfMemory> for Fault {
    fn from(_: OutOfMemory) -> Self {
        Fault::OutOfMemory
    }
}

impl From<ImageFault> for Fault {
    fn from(fault: ImageFault) -> Self {
        match fault {
            ImageFault::OutOfMemory => Fault::OutOfMemory,
            ImageFault::Misfit(reason) => Fault::Misfit(reason),
        }
    }
}

impl Engine {
    /// Applies one effect to a key at `position`.
    pub(super) fn apply(&mut self, at: KeyRef, effect: &Effect<'_>, position: Position) -> Result<(), Fault> {
        self.before_change(at);
        match *effect {
            Effect::Create { idmp_duration_s, idmp_entries_max } => {
                if self.keyspace.key(at).is_none_or(|key| key.value().is_some()) {
                    return Err(Fault::Misfit("a stream is created where there is a value"));
                }
                let limits = ProducerLimits { duration_s: idmp_duration_s, entries_max: idmp_entries_max };
                let stream = Stored::Stream(try_box(Stream::new(limits))?);
                self.replace_value(at, Some(stream));
            }
            Effect::SetBytes { value, expires_ms } => {
                let value = try_boxed(value)?;
                self.timers.reserve(1)?;
                self.replace_value(at, Some(Stored::Bytes(value)));
                self.set_expiry(at, expires_ms);
            }
            Effect::Restore { value, expires_ms } => {
                let value = dump::read(value)?;
                self.timers.reserve(2)?;
                let produced_ms = match &value {
                    Stored::Stream(stream) => stream.produced_deadline_ms(),
                    Stored::Bytes(_) => None,
                };
                self.replace_value(at, Some(value));
                self.set_expiry(at, expires_ms);
                if let Some(deadline_ms) = produced_ms {
                    self.timers.push(Timer::of_key(deadline_ms, Purpose::ForgetProduced, at));
                }
            }
            Effect::Expire { at_ms } => {
                self.timers.reserve(1)?;
                self.set_expiry(at, at_ms);
            }
            Effect::Remove => self.remove_value(at, position),
            Effect::Rename { to } => self.rename(at, to, position)?,
            _ => self.apply_to_stream(at, effect)?,
        }
        let Some(key) = self.keyspace.key_mut(at) else { return Ok(()) };
        key.set_changed(position);
        if key.waiters().is_some() && wakes(effect) {
            self.signal(at);
        }
        Ok(())
    }

    fn apply_to_stream(&mut self, at: KeyRef, effect: &Effect<'_>) -> Result<(), Fault> {
        if let Effect::Produced { .. } | Effect::ExpireProduced { .. } = effect {
            self.timers.reserve(1)?;
        }
        let key = self.keyspace.key_mut(at).ok_or(Fault::Misfit("an effect on no key"))?;
        let stream = key.stream_mut().ok_or(Fault::Misfit("an effect on a key without a stream"))?;
        let before = stream.produced_deadline_ms();
        let applied = apply_to_stream(stream, effect);
        let deadline = stream.produced_deadline_ms();
        if let Some(deadline_ms) = deadline.filter(|_| deadline != before) {
            self.timers.push(Timer::of_key(deadline_ms, Purpose::ForgetProduced, at));
        }
        // Also after a refusal: some of the memory may have been there.
        self.keyspace.settle(at);
        applied
    }

    fn set_expiry(&mut self, at: KeyRef, expires_ms: Option<u64>) {
        if let Some(key) = self.keyspace.key_mut(at) {
            key.set_expires_ms(expires_ms);
        }
        if let Some(expires_ms) = expires_ms {
            self.timers.push(Timer::of_key(expires_ms, Purpose::Expire, at));
        }
    }

    fn remove_value(&mut self, at: KeyRef, position: Position) {
        self.replace_value(at, None);
        self.set_expiry(at, None);
        self.keyspace.note_removed(at.database, position);
    }

    fn rename(&mut self, at: KeyRef, to: &[u8], position: Position) -> Result<(), Fault> {
        self.timers.reserve(2)?;
        let target = self.keyspace.find_or_create(at.database, to)?;
        if target == at {
            return Ok(());
        }
        self.before_change(target);
        let expires_ms = self.keyspace.key(at).and_then(|key| key.expires_ms());
        self.replace_value(target, None);
        self.move_value(at, target);
        self.set_expiry(at, None);
        self.keyspace.note_removed(at.database, position);
        self.set_expiry(target, expires_ms);
        let deadline_ms = self.keyspace.key(target).and_then(|key| key.stream()?.produced_deadline_ms());
        if let Some(deadline_ms) = deadline_ms {
            self.timers.push(Timer::of_key(deadline_ms, Purpose::ForgetProduced, target));
        }
        if let Some(key) = self.keyspace.key_mut(target) {
            key.set_changed(position);
        }
        self.signal(target);
        Ok(())
    }

    /// Removes all keys of a database, or of all.
    pub(super) fn apply_flush(&mut self, database: Option<u8>, position: Position) {
        let databases = match database {
            Some(database) => database..database + 1,
            None => 0..super::keyspace::DATABASES,
        };
        // What would still be told of them is of no use: the next snapshot is the cheaper one.
        self.abandon_snapshot();
        for database in databases {
            self.forget_pages(database);
            let mut next = self.keyspace.next_from(database, 0);
            while let Some(at) = next {
                if self.keyspace.key(at).is_some_and(|key| key.value().is_some()) {
                    self.remove_value(at, position);
                    self.signal(at);
                    self.keyspace.drop_vacant(at);
                }
                next = self.keyspace.next_from(database, at.slot + 1);
            }
        }
    }
}

/// Whether readers that wait on the key have to look again.
fn wakes(effect: &Effect<'_>) -> bool {
    match effect {
        Effect::Add { .. }
        | Effect::SetBytes { .. }
        | Effect::Restore { .. }
        | Effect::Remove
        | Effect::Rename { .. }
        | Effect::GroupDestroy { .. } => true,
        // Released entries can be claimed at once.
        Effect::Own { consumer, .. } => consumer.is_none(),
        _ => false,
    }
}

fn apply_to_stream(stream: &mut Stream, effect: &Effect<'_>) -> Result<(), Fault> {
    match *effect {
        Effect::Add { id, opens_node, fields } => {
            if id <= stream.last_id() || fields.is_empty() || fields.len() % 2 == 1 {
                return Err(Fault::Misfit("an entry that does not follow the last one"));
            }
            stream.add(id, fields, opens_node)?;
        }
        Effect::Trim { ranges, purge } => stream.trim(ranges, purge),
        Effect::Delete { ids, purge } => stream.delete(ids, purge),
        Effect::SetId { last_id, entries_added, max_deleted } => {
            if stream.entries().last_id().is_some_and(|last| last > last_id) || entries_added < stream.len() {
                return Err(Fault::Misfit("a last ID or a count below what is there"));
            }
            stream.set_id(last_id, entries_added, max_deleted)?;
        }
        Effect::Configure { idmp_duration_s, idmp_entries_max } => {
            stream.configure(ProducerLimits { duration_s: idmp_duration_s, entries_max: idmp_entries_max });
        }
        Effect::Produced { producer, iid, id, at_ms } => stream.produced(producer, iid, id, at_ms)?,
        Effect::ExpireProduced { through_ms } => stream.expire_produced(through_ms),
        Effect::GroupCreate { group, last_id, entries_read } => {
            if stream.group(group).is_some() {
                return Err(Fault::Misfit("a group that is there already"));
            }
            stream.create_group(group, last_id, entries_read)?;
        }
        Effect::GroupDestroy { group } => stream.destroy_group(group),
        _ => apply_to_group(stream, effect)?,
    }
    Ok(())
}

fn apply_to_group(stream: &mut Stream, effect: &Effect<'_>) -> Result<(), Fault> {
    let name = match *effect {
        Effect::GroupSet { group, .. }
        | Effect::ConsumerCreate { group, .. }
        | Effect::ConsumerDelete { group, .. }
        | Effect::Own { group, .. }
        | Effect::Forget { group, .. } => group,
        _ => return Err(Fault::Misfit("not an effect on a group")),
    };
    let mut group = stream.group_mut(name).ok_or(Fault::Misfit("a group that is not there"))?;
    match *effect {
        Effect::GroupSet { last_id, entries_read, .. } => {
            group.last_id = last_id;
            group.entries_read = entries_read;
        }
        Effect::ConsumerCreate { consumer, now_ms, .. } => {
            if group.consumer(consumer).is_some() {
                return Err(Fault::Misfit("a consumer that is there already"));
            }
            let name = group.reserve_consumer(consumer)?;
            group.create_consumer(name, now_ms);
        }
        Effect::ConsumerDelete { consumer, .. } => {
            let key = group.consumer(consumer).ok_or(Fault::Misfit("a consumer that is not there"))?;
            group.delete_consumer(key);
        }
        Effect::Own { consumer, now_ms, time_ms, items, .. } => own(&mut group, consumer, now_ms, time_ms, items)?,
        Effect::Forget { ids, .. } => {
            for &id in ids {
                group.forget(id);
            }
        }
        _ => {}
    }
    Ok(())
}

fn own(group: &mut Group, consumer: Option<&[u8]>, now_ms: u64, time_ms: u64, items: &[Owned]) -> Result<(), Fault> {
    let consumer = match consumer {
        None => None,
        Some(name) => Some(group.consumer(name).ok_or(Fault::Misfit("a consumer that is not there"))?),
    };
    if items.iter().any(|item| item.deliveries < 0) {
        return Err(Fault::Misfit("a negative delivery count"));
    }
    let deliveries_max = items.iter().map(|item| item.deliveries).max().unwrap_or(0);
    group.reserve_pending(consumer, items.len())?;
    group.reserve_deliveries(deliveries_max, items.len())?;
    let mut gained = false;
    for item in items {
        gained |= group.own(item.id, consumer, time_ms, item.deliveries);
    }
    if let (Some(consumer), true) = (consumer, gained) {
        group.touch_active(consumer, now_ms);
    }
    Ok(())
}
