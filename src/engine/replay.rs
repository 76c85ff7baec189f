//! Replay: journal bytes back into state.
//!
//! The bytes may be damaged, or made by somebody else: each number is checked before it is used, nothing is allocated
//! by an announced size, and an effect that does not fit the state ends the replay with the place where it stands.

use alloc::vec::Vec;
use core::fmt;

use super::apply::Fault;
use super::effect::{Effect, Owned};
use super::journal::{NAMES_MAX, tag, unzigzag};
use super::keyspace::{DATABASES, KeyRef};
use super::{Engine, Position};
use crate::id::EntryId;
use crate::memory::{OutOfMemory, try_push};
use crate::planted::{Bug, planted};

/// Why a journal could not be replayed. Whole units before `offset` are applied; the engine is not to be used further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplayError {
    /// Where in the bytes the unit begins that could not be applied.
    pub offset: usize,
    /// What was wrong with it.
    pub reason: &'static str,
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the journal can't be replayed: ")?;
        f.write_str(self.reason)?;
        f.write_str(", in the unit at byte ")?;
        fmt::Display::fmt(&self.offset, f)
    }
}

impl core::error::Error for ReplayError {}

/// What a run has said so far.
#[derive(Default)]
pub(crate) struct Run<'a> {
    database: u8,
    keys: Vec<(u8, &'a [u8])>,
    current: Option<(u8, &'a [u8])>,
    last_id: EntryId,
    /// The names of all sets that got a number, and where each set ends.
    names: Vec<&'a [u8]>,
    names_ends: Vec<usize>,
}

/// Lists of an effect, reused from one effect to the next.
#[derive(Default)]
struct Lists<'a> {
    fields: Vec<&'a [u8]>,
    ranges: Vec<(EntryId, EntryId)>,
    ids: Vec<EntryId>,
    items: Vec<Owned>,
}

impl<'a> Run<'a> {
    /// The names that have this number: `fields` gets them, each with room for its value.
    fn known_names(&self, number: u64, fields: &mut Vec<&'a [u8]>) -> Result<(), Fault> {
        let unknown = Fault::Misfit("names that were not written out");
        let number = usize::try_from(number).map_err(|_| unknown)?;
        let end = *self.names_ends.get(number).ok_or(unknown)?;
        let start = number.checked_sub(1).and_then(|before| self.names_ends.get(before)).copied().unwrap_or(0);
        fields.clear();
        for name in self.names.get(start..end).unwrap_or(&[]) {
            try_push(fields, name)?;
            try_push(fields, &[])?;
        }
        Ok(())
    }
}

const CUT: Fault = Fault::Misfit("it ends too early");

impl Engine {
    /// Applies journal bytes, as [`Engine::take_effects`] gave them: whole runs, in order. Nothing is journaled again;
    /// the position moves on by the number of units.
    pub fn replay(&mut self, bytes: &[u8]) -> Result<(), ReplayError> {
        let mut rest = Reader { bytes };
        let mut run = Run::default();
        let mut lists = Lists::default();
        while !rest.bytes.is_empty() {
            let offset = bytes.len() - rest.bytes.len();
            let result = rest.bytes().and_then(|unit| self.replay_unit(unit, &mut run, &mut lists));
            result.map_err(|fault| ReplayError { offset, reason: reason(fault) })?;
        }
        Ok(())
    }

    fn replay_unit<'a>(&mut self, unit: &'a [u8], run: &mut Run<'a>, lists: &mut Lists<'a>) -> Result<(), Fault> {
        let mut unit = Reader { bytes: unit };
        let position = self.journal.next_position();
        while let Ok(tag) = unit.byte() {
            self.replay_effect(tag, &mut unit, run, lists, position)?;
        }
        self.journal.count_replayed_unit();
        self.prune_timers();
        Ok(())
    }

    fn replay_effect<'a>(
        &mut self,
        tag: u8,
        unit: &mut Reader<'a>,
        run: &mut Run<'a>,
        lists: &mut Lists<'a>,
        position: Position,
    ) -> Result<(), Fault> {
        match tag {
            tag::BEGIN => *run = Run::default(),
            tag::SELECT => {
                run.database = unit.byte()?;
                if run.database >= DATABASES {
                    return Err(Fault::Misfit("there is no such database"));
                }
            }
            tag::KEY => {
                let key = (run.database, unit.bytes()?);
                try_push(&mut run.keys, key)?;
                run.current = Some(key);
            }
            tag::SAME_KEY => {
                let number = usize::try_from(unit.varint()?).unwrap_or(usize::MAX);
                let key = run.keys.get(number).ok_or(Fault::Misfit("a key that was not named"))?;
                run.database = key.0;
                run.current = Some(*key);
            }
            tag::FLUSH => self.apply_flush(Some(run.database), position),
            tag::FLUSH_ALL => self.apply_flush(None, position),
            _ => {
                let (database, name) = run.current.ok_or(Fault::Misfit("an effect on no key"))?;
                let effect = unit.effect(tag, run, lists)?;
                let at = self.keyspace.find_or_create(database, name)?;
                let result = self.check_and_apply(at, &effect, position);
                self.keyspace.drop_vacant(at);
                self.drop_signals();
                result?;
            }
        }
        Ok(())
    }

    fn check_and_apply(&mut self, at: KeyRef, effect: &Effect<'_>, position: Position) -> Result<(), Fault> {
        let exists = self.keyspace.key(at).is_some_and(|key| key.value().is_some());
        let creates = matches!(effect, Effect::Create { .. } | Effect::SetBytes { .. } | Effect::Restore { .. });
        if !exists && !creates {
            return Err(Fault::Misfit("an effect on a key that is not there"));
        }
        self.apply(at, effect, position)
    }
}

fn reason(fault: Fault) -> &'static str {
    match fault {
        Fault::OutOfMemory => "out of memory",
        Fault::Misfit(reason) => reason,
    }
}

impl From<Fault> for OutOfMemory {
    fn from(_: Fault) -> Self {
        OutOfMemory
    }
}

/// Reads the operands of effects.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, Fault> {
        let (&byte, rest) = self.bytes.split_first().ok_or(CUT)?;
        self.bytes = rest;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 127);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte < 128 {
                return Ok(value);
            }
        }
        Err(Fault::Misfit("a number is too large"))
    }

    fn number(&mut self) -> Result<u32, Fault> {
        u32::try_from(self.varint()?).map_err(|_| Fault::Misfit("a number is too large"))
    }

    fn option(&mut self) -> Result<Option<u64>, Fault> {
        Ok(self.varint()?.checked_sub(1))
    }

    fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(CUT)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn id(&mut self) -> Result<EntryId, Fault> {
        Ok(EntryId::new(self.varint()?, self.varint()?))
    }

    fn id_after(&mut self, last: EntryId) -> Result<EntryId, Fault> {
        let step = unzigzag(self.varint()?);
        Ok(EntryId::new(last.ms().wrapping_add(step.cast_unsigned()), self.varint()?))
    }

    fn ids<'l>(&mut self, ids: &'l mut Vec<EntryId>) -> Result<&'l [EntryId], Fault> {
        ids.clear();
        let mut last = EntryId::MIN;
        for _ in 0..self.varint()? {
            last = self.id_after(last)?;
            try_push(ids, last)?;
        }
        Ok(ids)
    }

    fn ranges<'l>(&mut self, ranges: &'l mut Vec<(EntryId, EntryId)>) -> Result<&'l [(EntryId, EntryId)], Fault> {
        ranges.clear();
        let mut last = EntryId::MIN;
        for _ in 0..self.varint()? {
            let from = self.id_after(last)?;
            last = self.id_after(from)?;
            try_push(ranges, (from, last))?;
        }
        Ok(ranges)
    }

    fn items<'l>(&mut self, items: &'l mut Vec<Owned>) -> Result<&'l [Owned], Fault> {
        items.clear();
        let mut last = EntryId::MIN;
        for _ in 0..self.varint()? {
            last = self.id_after(last)?;
            let deliveries = self.varint()?.cast_signed();
            try_push(items, Owned { id: last, deliveries })?;
        }
        Ok(items)
    }

    /// Names that are written out: `fields` gets them, each with room for its value, and they may get a number.
    fn new_names(&mut self, run: &mut Run<'a>, fields: &mut Vec<&'a [u8]>) -> Result<(), Fault> {
        fields.clear();
        let is_numbered = run.names_ends.len() < NAMES_MAX;
        for _ in 0..self.varint()? {
            let name = self.bytes()?;
            if is_numbered {
                try_push(&mut run.names, name)?;
            }
            try_push(fields, name)?;
            try_push(fields, &[])?;
        }
        if is_numbered {
            try_push(&mut run.names_ends, run.names.len())?;
        }
        Ok(())
    }

    /// The values of the names in `fields`.
    fn values(&mut self, fields: &mut [&'a [u8]]) -> Result<(), Fault> {
        let (fields, _) = fields.as_chunks_mut();
        if self.varint()? != fields.len() as u64 {
            return Err(Fault::Misfit("other values than names"));
        }
        for [_, value] in fields {
            *value = self.bytes()?;
        }
        Ok(())
    }

    fn effect<'l>(&mut self, tag: u8, run: &mut Run<'a>, lists: &'l mut Lists<'a>) -> Result<Effect<'l>, Fault> {
        Ok(match tag {
            tag::CREATE => Effect::Create { idmp_duration_s: self.number()?, idmp_entries_max: self.number()? },
            tag::ADD | tag::ADD_IN_NEW_NODE | tag::ADD_SAME_NAMES | tag::ADD_SAME_NAMES_IN_NEW_NODE => {
                let id = self.id_after(run.last_id)?;
                run.last_id = id;
                if matches!(tag, tag::ADD | tag::ADD_IN_NEW_NODE) {
                    self.new_names(run, &mut lists.fields)?;
                } else {
                    run.known_names(self.varint()?, &mut lists.fields)?;
                }
                self.values(&mut lists.fields)?;
                let opens_node = matches!(tag, tag::ADD_IN_NEW_NODE | tag::ADD_SAME_NAMES_IN_NEW_NODE);
                Effect::Add { id, opens_node, fields: &lists.fields }
            }
            tag::TRIM | tag::TRIM_PURGE => {
                Effect::Trim { ranges: self.ranges(&mut lists.ranges)?, purge: tag == tag::TRIM_PURGE }
            }
            tag::DELETE | tag::DELETE_PURGE => {
                Effect::Delete { ids: self.ids(&mut lists.ids)?, purge: tag == tag::DELETE_PURGE }
            }
            tag::SET_ID => {
                Effect::SetId { last_id: self.id()?, entries_added: self.varint()?, max_deleted: self.id()? }
            }
            tag::CONFIGURE => Effect::Configure { idmp_duration_s: self.number()?, idmp_entries_max: self.number()? },
            tag::PRODUCED => {
                Effect::Produced { producer: self.bytes()?, iid: self.bytes()?, id: self.id()?, at_ms: self.varint()? }
            }
            tag::EXPIRE_PRODUCED => Effect::ExpireProduced { through_ms: self.varint()? },
            tag::GROUP_CREATE => {
                Effect::GroupCreate { group: self.bytes()?, last_id: self.id()?, entries_read: self.option()? }
            }
            tag::GROUP_SET => {
                Effect::GroupSet { group: self.bytes()?, last_id: self.id()?, entries_read: self.option()? }
            }
            tag::GROUP_DESTROY => Effect::GroupDestroy { group: self.bytes()? },
            tag::CONSUMER_CREATE => {
                Effect::ConsumerCreate { group: self.bytes()?, consumer: self.bytes()?, now_ms: self.varint()? }
            }
            tag::CONSUMER_DELETE => Effect::ConsumerDelete { group: self.bytes()?, consumer: self.bytes()? },
            tag::OWN | tag::RELEASE => {
                let group = self.bytes()?;
                let consumer = if tag == tag::OWN { Some(self.bytes()?) } else { None };
                let consumer = consumer.filter(|_| !planted(Bug::ForgetOwnerOnReplay));
                let now_ms = self.varint()?;
                let time_ms = now_ms.wrapping_sub(self.varint()?);
                Effect::Own { group, consumer, now_ms, time_ms, items: self.items(&mut lists.items)? }
            }
            tag::FORGET => Effect::Forget { group: self.bytes()?, ids: self.ids(&mut lists.ids)? },
            tag::SET_BYTES => Effect::SetBytes { expires_ms: self.option()?, value: self.bytes()? },
            tag::RESTORE => Effect::Restore { expires_ms: self.option()?, value: self.bytes()? },
            tag::EXPIRE => Effect::Expire { at_ms: self.option()? },
            tag::REMOVE => Effect::Remove,
            tag::RENAME => Effect::Rename { to: self.bytes()? },
            _ => return Err(Fault::Misfit("an effect of an unknown kind")),
        })
    }
}
