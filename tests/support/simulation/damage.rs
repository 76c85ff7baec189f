//! Damage: values that change, vanish or cannot be read while nobody looks. It has to be found out, every time.
//!
//! *What may come of it.* If what was damaged does not matter, everything is there. Otherwise the opening is refused, and
//! says what is wrong. Whoever consents to the loss gets a beginning of what was, and is told ever after. Where nothing
//! can be saved, the refusal stays, and the storage is put back from a copy, as its message advises. On files, what one
//! append that was cut short can leave behind is dropped from the end and counted.
//!
//! The last chunk can vanish without a trace, unless a witness has seen it: so that is done only if one has.

use brooklet::persist::{Chunk, Loss, OnCorruption, OnDataLoss, OpenError, Recovered, RecoveryConfig};

use super::medium::Kind;
use super::opening::{Opened, Trouble, open};
use super::reopening::Legacy;
use super::trace::{Checked, breach, ensure};
use super::world::World;
use crate::storage::{Bytes, Place};

impl World {
    /// Damages the storage, opens it as somebody who wants to be told, and then as somebody who consents.
    pub(super) fn damage_and_open(&mut self, legacy: Legacy) -> Checked {
        let copy = self.medium.storage.clone();
        let last_group = self.medium.last_group();
        let Some(what) = self.damage() else { return self.open_again(legacy) };
        self.fault(what);
        let config = self.recovery_config();
        let first = self.try_open(config)?;
        let (first, opened) = match first {
            Opened::Open(engine, recovered) => (None, (engine, recovered)),
            Opened::Died => return breach("simulator", "nobody dies here"),
            Opened::Refused(error) => {
                let error = reason(error)?;
                self.trace.note(format_args!("refused: {error}"));
                let consenting =
                    RecoveryConfig { on_corruption: OnCorruption::Salvage, on_data_loss: OnDataLoss::Accept, ..config };
                match self.try_open(consenting)? {
                    Opened::Open(engine, recovered) => (Some(error), (engine, recovered)),
                    Opened::Refused(error) => {
                        reason(error)?;
                        self.note("put back from a copy");
                        let epochs = self.medium.storage.stored.epochs.clone();
                        self.medium.storage = copy;
                        self.medium.storage.stored.epochs.extend(epochs);
                        self.medium.storage.settle();
                        return self.open_again(legacy);
                    }
                    Opened::Died => return breach("simulator", "nobody dies here"),
                }
            }
        };
        self.medium.storage.faults.unreadable.clear();
        let (engine, recovered) = (*opened.0, *opened.1);
        let legacy = self.judge(legacy, first.as_ref(), &recovered, last_group)?;
        self.begin(legacy, engine, recovered)
    }

    fn try_open(&mut self, config: RecoveryConfig) -> Checked<Opened> {
        let engine = self.plan.engine.clone();
        open(&mut self.medium.storage, config, &engine, Trouble::None, &mut |_| Ok(()))
    }

    /// What a loss that was told of releases from.
    fn judge(
        &mut self,
        legacy: Legacy,
        refusal: Option<&OpenError>,
        recovered: &Recovered,
        last_group: u64,
    ) -> Checked<Legacy> {
        let was_told = !recovered.losses.is_empty() || recovered.tail_dropped.chunks > 0;
        ensure("damage", refusal.is_none() || !recovered.losses.is_empty(), || {
            format!("refused before, and opened without a loss: {refusal:?}")
        })?;
        let is_known = refusal.is_some() || self.consented > 0;
        ensure("damage", is_known || recovered.losses.is_empty(), || {
            format!("a loss that nobody has consented to: {:?}", recovered.losses)
        })?;
        let is_torn = self.medium.kind == Kind::Files && recovered.tail.sequence + 1 >= last_group;
        ensure("damage", recovered.tail_dropped.chunks == 0 || is_torn, || {
            format!("{:?} are dropped behind chunk {}", recovered.tail_dropped, recovered.tail.sequence)
        })?;
        if !was_told {
            self.note("damage that does not matter");
            return Ok(legacy);
        }
        self.note(if refusal.is_some() { "a loss is accepted" } else { "a torn end is dropped" });
        // A log that was erased leaves no mark in the one that is begun instead.
        let is_marked = recovered.losses.iter().any(|loss| !matches!(loss, Loss::Erased(_)));
        self.is_lossy = is_marked || (self.is_lossy && recovered.tail.log_id == self.log_id);
        if !recovered.losses.is_empty() {
            self.consented = recovered.epoch.unwrap_or(0);
        }
        self.promises.forget_ids();
        self.promises.forget_effects();
        Ok(Legacy { acknowledged: super::promises::Levels::default(), ..legacy })
    }

    /// Does something to the storage, and says what.
    fn damage(&mut self) -> Option<&'static str> {
        let witnessed = self.medium.storage.witness.map_or(0, |witness| witness.durable_sequence);
        let last = self.medium.storage.stored.log.last_key_value().map(|(sequence, _)| *sequence);
        if !self.plan.damages || !self.random.percent(60) {
            return None;
        }
        let place = self.place()?;
        let may_vanish = match place {
            Place::Chunk(sequence) => Some(sequence) != last || sequence <= witnessed,
            // One that covers nothing only says that something was lost before; nobody misses it.
            Place::Manifest => witnessed > 0 && !self.medium.storage.stored.log.contains_key(&1),
            Place::Part(_) => witnessed > 0,
        };
        match self.random.below(10) {
            0..4 => {
                let bit = self.random.next() as usize;
                self.medium.storage.flip_bit(place, bit);
                Some("a bit flips")
            }
            4..7 if may_vanish => {
                self.medium.storage.drop_value(place);
                Some("a value vanishes")
            }
            7 | 8 => {
                self.medium.storage.faults.unreadable.insert(place);
                Some("a value cannot be read")
            }
            9 if self.random.percent(50) => {
                // Something that was lost once, in the place of what was written instead. Where both follow the same
                // chunk nobody can tell which of them was lost; nor where the other one was cut short.
                let stored = &self.medium.storage.stored.log;
                let follows = |bytes: &Bytes| Chunk::decode(bytes).ok().map(|chunk| chunk.previous);
                let differs = |(sequence, bytes): &&(u64, Bytes)| {
                    let there = stored.get(sequence).and_then(follows);
                    there.is_some() && there != follows(bytes)
                };
                let (sequence, bytes) = self.medium.lost.iter().rfind(differs)?.clone();
                self.medium.storage.stored.log.insert(sequence, bytes);
                Some("an old value comes back")
            }
            9 if witnessed > 0 => {
                self.medium.storage.erase();
                Some("everything vanishes")
            }
            _ => None,
        }
    }

    fn place(&mut self) -> Option<Place> {
        let stored = &self.medium.storage.stored;
        let chunks = stored.log.keys().map(|sequence| Place::Chunk(*sequence));
        let parts = stored.parts.keys().map(|id| Place::Part(*id));
        let manifest = stored.manifest.iter().map(|_| Place::Manifest);
        let places: Vec<Place> = chunks.chain(parts).chain(manifest).collect();
        let count = places.len() as u64;
        (count > 0).then(|| places[self.random.below(count) as usize])
    }
}

/// A refusal has to say that something is damaged or gone.
fn reason(error: OpenError) -> Checked<OpenError> {
    match error {
        OpenError::Erased(_)
        | OpenError::DataLoss(_)
        | OpenError::CorruptLog(_)
        | OpenError::CorruptSnapshot { .. } => Ok(error),
        error => breach("damage", format!("damage is told as something else: {error}")),
    }
}
