//! Rebuilds an engine from what recovery hands over.
//!
//! *Design.* A unit of a snapshot is one or more parts, whose kinds say whether more of it follows. Most units are one
//! part and are read where they lie; of the others the pieces are joined.
//!
//! *Invariants*
//! 1. `joined` holds the pieces of the unit that is not whole yet, and `span` their names; there are none otherwise.

use alloc::vec::Vec;

use super::super::part::Part;
use super::super::recovery::RecoveryItem;
use crate::engine::{Engine, ReplayError};
use crate::image::PartSpan;

/// The kind of a part with which a unit ends.
pub(super) const UNIT_ENDS: u8 = 0;

/// The kind of a part after which more of its unit follows, in the part with the next ID.
pub(super) const UNIT_GOES_ON: u8 = 1;

/// Rebuilds an engine; see the head of this file.
#[derive(Default)]
pub struct Loader {
    joined: Vec<u8>,
    span: PartSpan,
}

impl Loader {
    /// A loader for an engine that is empty.
    pub fn new() -> Loader {
        Loader::default()
    }

    /// Applies what recovery hands over. After an error neither this nor the engine is to be used further.
    pub fn take(&mut self, engine: &mut Engine, item: RecoveryItem<'_>) -> Result<(), ReplayError> {
        match item {
            RecoveryItem::Part(part) => self.take_part(engine, &part),
            RecoveryItem::SnapshotEnd { state_hash } => {
                require(self.span.count == 0, "a snapshot ends inside a unit")?;
                self.joined = Vec::new();
                engine.finish_load(state_hash)
            }
            RecoveryItem::Group(group) => {
                let before = engine.position();
                engine.replay(group.journal)?;
                let units = engine.position().0 - before.0;
                require(units == u64::from(group.units), "a group holds another number of units than it says")
            }
        }
    }

    fn take_part(&mut self, engine: &mut Engine, part: &Part<'_>) -> Result<(), ReplayError> {
        if self.span.count == 0 {
            self.span.first = part.id;
        }
        let follows = part.id.checked_sub(self.span.first) == Some(u64::from(self.span.count));
        require(follows, "the parts of a unit are not those that belong together")?;
        self.span.count = self.span.count.checked_add(1).ok_or(misfit("a unit has too many parts"))?;
        match part.kind {
            UNIT_ENDS if self.span.count == 1 => engine.load_unit(part.payload, self.span)?,
            UNIT_ENDS => {
                self.join(part.payload)?;
                engine.load_unit(&self.joined, self.span)?;
                self.joined.clear();
            }
            UNIT_GOES_ON => return self.join(part.payload),
            _ => return Err(misfit("a part is of an unknown kind")),
        }
        self.span = PartSpan::default();
        Ok(())
    }

    fn join(&mut self, payload: &[u8]) -> Result<(), ReplayError> {
        self.joined.try_reserve(payload.len()).map_err(|_| misfit("there is no memory to join a unit"))?;
        self.joined.extend_from_slice(payload);
        Ok(())
    }
}

fn require(holds: bool, otherwise: &'static str) -> Result<(), ReplayError> {
    if holds { Ok(()) } else { Err(misfit(otherwise)) }
}

fn misfit(reason: &'static str) -> ReplayError {
    ReplayError { offset: 0, reason }
}
