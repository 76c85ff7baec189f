//! Effects that wait to be formed into chunks: whole runs of units, in the order in which they were pushed.
//!
//! It knows how a unit says its length and that it begins a run, because a group may be cut there and nowhere else. It
//! knows nothing of what effects mean.
//!
//! *Design.* A queue of segments. What is pushed is added to the last segment as long as that stays within the size of
//! a group, so that a group is one segment and is encoded from contiguous bytes. A push that is larger than a group is
//! not copied: it becomes a segment as it is, and is cut into groups when they are formed.
//!
//! *Why not one growing vector.* While a storage stalls it would double from 8 to 16 MiB, with both in memory for the
//! time of the copy, and wasm memory never shrinks.
//!
//! *Invariants*
//! 1. `bytes` is the sum of what the segments still have to give; no segment is empty.
//! 2. Positions ascend from segment to segment, and the first is above `taken`.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use crate::engine::Position;
use crate::invariant::ensure;
use crate::memory::{OutOfMemory, grown_capacity};

/// The tag of the effect with which a run begins; it is the first of its unit.
const RUN_BEGINS: u8 = 0;

/// Effects that wait; see the head of this file.
pub(super) struct Gathered {
    segments: VecDeque<Segment>,
    bytes: usize,
    group_bytes_max: usize,
    /// The position of the last unit that was taken.
    taken: Position,
}

struct Segment {
    bytes: Vec<u8>,
    /// Where the bytes begin that were not taken yet.
    start: usize,
    /// The position of its last unit.
    position: Position,
}

impl Segment {
    /// Makes room, and some more, but never for more than a group: doubling would waste half of each full segment.
    fn reserve(&mut self, length: usize, bytes_max: usize) -> Result<(), OutOfMemory> {
        let needed = self.bytes.len() + length;
        if needed > self.bytes.capacity() {
            let capacity = grown_capacity(self.bytes.capacity(), needed).min(bytes_max.max(needed));
            self.bytes.try_reserve_exact(capacity - self.bytes.len())?;
        }
        Ok(())
    }
}

/// What the next group is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Group<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) units: u32,
    /// The position of its last unit.
    pub(super) position: Position,
}

impl Gathered {
    pub(super) fn new(group_bytes_max: usize, position: Position) -> Gathered {
        Gathered { segments: VecDeque::new(), bytes: 0, group_bytes_max, taken: position }
    }

    /// Takes all `effects`, of which the last unit has `position`. If memory is refused, they stay where they are.
    pub(super) fn push(&mut self, effects: &mut Vec<u8>, position: Position) -> Result<(), OutOfMemory> {
        if effects.is_empty() {
            return Ok(());
        }
        debug_assert!(position > self.position(), "effects without a unit");
        let room = self.group_bytes_max.saturating_sub(effects.len());
        let length = effects.len();
        match self.segments.back_mut().filter(|segment| segment.bytes.len() <= room) {
            Some(segment) => {
                segment.reserve(length, self.group_bytes_max)?;
                segment.bytes.append(effects);
                segment.position = position;
            }
            None => {
                self.segments.try_reserve(1)?;
                let mut bytes = Vec::new();
                if length > self.group_bytes_max {
                    core::mem::swap(&mut bytes, effects);
                } else {
                    bytes.try_reserve(length)?;
                    bytes.append(effects);
                }
                self.segments.push_back(Segment { bytes, start: 0, position });
            }
        }
        self.bytes += length;
        Ok(())
    }

    /// The next group: all that is gathered, or as many whole runs as fit, but at least one.
    pub(super) fn front(&self) -> Option<Group<'_>> {
        let segment = self.segments.front()?;
        let rest = segment.bytes.get(segment.start..)?;
        let units = segment.position.0.saturating_sub(self.taken.0);
        let cut = if rest.len() > self.group_bytes_max { cut_runs(rest, self.group_bytes_max) } else { None };
        let (length, units) = cut.filter(|cut| cut.1 < units).unwrap_or((rest.len(), units));
        let position = Position(self.taken.0 + units);
        Some(Group { bytes: rest.get(..length)?, units: u32::try_from(units).unwrap_or(u32::MAX), position })
    }

    /// Forgets the first `length` bytes, which are those of [`Gathered::front`], up to `position`.
    pub(super) fn take_front(&mut self, length: usize, position: Position) {
        self.taken = position;
        self.bytes -= length;
        let Some(segment) = self.segments.front_mut() else { return };
        segment.start += length;
        if segment.start >= segment.bytes.len() {
            self.segments.pop_front();
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.segments = VecDeque::new();
        self.bytes = 0;
    }

    /// The bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The position of the last unit that was pushed.
    pub(super) fn position(&self) -> Position {
        self.segments.back().map_or(self.taken, |segment| segment.position)
    }

    /// The position of the last unit that was taken.
    pub(super) fn taken(&self) -> Position {
        self.taken
    }

    /// The memory held.
    pub(super) fn memory(&self) -> usize {
        let segments = self.segments.capacity() * size_of::<Segment>();
        segments + self.segments.iter().map(|segment| segment.bytes.capacity()).sum::<usize>()
    }

    /// Checks the invariants in the head of this file.
    pub(super) fn validate(&self) -> Result<(), String> {
        let (mut bytes, mut position) = (0, self.taken);
        for segment in &self.segments {
            ensure(segment.start < segment.bytes.len(), "gathered 1: a segment is empty")?;
            bytes += segment.bytes.len() - segment.start;
            ensure(segment.position > position, "gathered 2: positions do not ascend")?;
            position = segment.position;
        }
        ensure(bytes == self.bytes, "gathered 1: the sum of bytes is wrong")
    }
}

/// The whole runs at the start of `bytes` that fit into `bytes_max`, or the first run if that alone is larger: their
/// length and number of units. `None` if there is only one run.
fn cut_runs(bytes: &[u8], bytes_max: usize) -> Option<(usize, u64)> {
    let (mut at, mut units, mut cut) = (0, 0, None);
    while let Some((length, begins_run)) = bytes.get(at..).and_then(first_unit) {
        if begins_run && at > 0 {
            if at > bytes_max && cut.is_some() {
                break;
            }
            cut = Some((at, units));
        }
        at += length;
        units += 1;
        if at > bytes_max && cut.is_some() {
            break;
        }
    }
    cut
}

/// The length of the unit at the start of `bytes`, and whether it begins a run.
fn first_unit(bytes: &[u8]) -> Option<(usize, bool)> {
    let mut length = 0;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        length |= usize::from(byte & 127).checked_shl(7 * index as u32)?;
        if byte < 128 {
            let total = (index + 1).checked_add(length)?;
            return Some((total, bytes.get(index + 1) == Some(&RUN_BEGINS)));
        }
    }
    None
}
