//! One attempt at a snapshot: units become parts, parts are put, the list of parts becomes a manifest.
//!
//! *Design.* The engine tells a unit into a buffer; parts are cut from it one by one, into a batch, as long as there is
//! room in the batch. A batch that is put stays until the answer has come, and one more is filled meanwhile: so memory
//! is bounded by one unit and two batches, whatever the state's size. Of what is stored only the list remains.
//!
//! *Why not one part for each unit.* A unit is as large as its largest entry, and the values of a storage are not.
//!
//! *Invariants*
//! 1. `listed` has each part once: those of units that did not change, and those that were cut.
//! 2. `batch_bytes` is the sum of what is in `batch`, and `new_bytes` the sum of all that was cut.
//! 3. IDs that were given for it are not below `first_id`.

use alloc::string::String;
use alloc::vec::Vec;

use super::super::bytes::EncodeFault;
use super::super::chunk::Tail;
use super::super::manifest::Manifest;
use super::super::part::{PART_FRAME_BYTES, Part, PartRef};
use super::super::storage::StorageFault;
use super::catalog::Catalog;
use super::loader::{UNIT_ENDS, UNIT_GOES_ON};
use crate::engine::{PartNames, Position};
use crate::image::PartSpan;
use crate::invariant::ensure;
use crate::memory::{OutOfMemory, try_push};
use crate::planted::{Bug, planted};
use crate::sort::sort;

/// What a snapshot covers, and what there was when it began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// The end of the log that it covers.
    pub(super) tail: Tail,
    pub(super) position: Position,
    /// The bytes of all chunks that were formed until then.
    pub(super) formed_bytes: u64,
    /// The engine's memory.
    pub(super) memory: u64,
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Units are being told.
    Telling,
    /// All units are told; the state has this hash.
    Told { state_hash: u64 },
    /// All parts were found to be there.
    Checked { state_hash: u64 },
    /// The flip is under way.
    Flipping,
    /// The flip has failed so, or nobody knows.
    Unknown(StorageFault),
}

/// A part to be put.
pub(super) struct NewPart {
    pub(super) id: u64,
    pub(super) bytes: Vec<u8>,
}

/// An attempt at a snapshot; see the head of this file.
pub(super) struct Attempt {
    pub(super) start: Start,
    pub(super) stage: Stage,
    first_id: u64,
    /// The parts for the manifest, in the order in which they are loaded.
    listed: Vec<PartRef>,
    unit: Vec<u8>,
    /// The parts that the unit becomes, and how many of them are cut.
    span: PartSpan,
    cut: u32,
    batch: Vec<NewPart>,
    batch_bytes: usize,
    /// The batch that is under way.
    put: Vec<NewPart>,
    new_bytes: u64,
    /// What a listing found.
    found: Vec<u64>,
    manifest: Vec<u8>,
    /// Whether chunks that it covers may be stored after the flip has deleted them.
    leaves_log: bool,
}

impl Attempt {
    pub(super) fn new(start: Start, first_id: u64) -> Attempt {
        Attempt {
            start,
            stage: Stage::Telling,
            first_id,
            listed: Vec::new(),
            unit: Vec::new(),
            span: PartSpan::default(),
            cut: 0,
            batch: Vec::new(),
            batch_bytes: 0,
            put: Vec::new(),
            new_bytes: 0,
            found: Vec::new(),
            manifest: Vec::new(),
            leaves_log: false,
        }
    }

    // Units.

    /// The buffer for the next unit.
    pub(super) fn unit_mut(&mut self) -> &mut Vec<u8> {
        &mut self.unit
    }

    /// Takes the unit in the buffer, which is to be stored under these names.
    pub(super) fn take_unit(&mut self, span: PartSpan) {
        (self.span, self.cut) = (span, 0);
    }

    /// Lists the parts of a unit that is stored already.
    pub(super) fn list(&mut self, parts: &[PartRef]) -> Result<(), OutOfMemory> {
        self.listed.try_reserve(parts.len())?;
        self.listed.extend_from_slice(parts);
        Ok(())
    }

    /// Whether there is a unit of which parts have to be cut.
    pub(super) fn has_unit(&self) -> bool {
        self.cut < self.span.count
    }

    /// Cuts the next part from the unit.
    pub(super) fn cut(&mut self, log_id: u64, payload_bytes_max: usize) -> Result<(), EncodeFault> {
        let from = payload_bytes_max.saturating_mul(self.cut as usize);
        let rest = self.unit.get(from..).unwrap_or(&[]);
        let is_last = self.cut + 1 >= self.span.count;
        debug_assert_eq!(is_last, rest.len() <= payload_bytes_max, "a unit of another size than its names");
        let payload = if is_last { rest } else { rest.get(..payload_bytes_max).unwrap_or(rest) };
        let kind = if is_last { UNIT_ENDS } else { UNIT_GOES_ON };
        let id = self.span.first.saturating_add(u64::from(self.cut));
        self.listed.try_reserve(1).map_err(OutOfMemory::from)?;
        let (bytes, listed) = Part { log_id, id, kind, payload }.encode()?;
        let length = bytes.len();
        try_push(&mut self.batch, NewPart { id, bytes })?;
        self.listed.push(listed);
        self.batch_bytes += length;
        self.new_bytes += length as u64;
        self.cut += 1;
        Ok(())
    }

    /// Whether the batch has no room for more.
    pub(super) fn is_batch_full(&self, put_bytes_max: usize) -> bool {
        self.batch_bytes >= put_bytes_max.max(1)
    }

    /// Whether the batch should be put now: it is full, or there is no more to come.
    pub(super) fn wants_put(&self, put_bytes_max: usize) -> bool {
        let is_told = matches!(self.stage, Stage::Told { .. });
        !self.batch.is_empty() && (self.is_batch_full(put_bytes_max) || is_told)
    }

    /// Has the batch put.
    pub(super) fn put_batch(&mut self) {
        self.put = core::mem::take(&mut self.batch);
        self.batch_bytes = 0;
    }

    /// The parts that are being put.
    pub(super) fn put(&self) -> &[NewPart] {
        &self.put
    }

    /// Notes that they are stored.
    pub(super) fn put_done(&mut self) {
        self.put = Vec::new();
    }

    /// Gives back the memory for units, of which no more come.
    pub(super) fn release_unit(&mut self) {
        self.unit = Vec::new();
    }

    // The flip.

    /// Takes a listing of all parts, and tells the first that is missing, if one is.
    pub(super) fn check(&mut self, mut ids: Vec<u64>) -> Result<(), u64> {
        sort(&mut ids, &mut |one, other| one < other);
        ids.dedup();
        let missing = self.listed.iter().find(|part| ids.binary_search(&part.id).is_err()).map(|part| part.id);
        self.found = ids;
        missing.map_or(Ok(()), Err)
    }

    /// What the listing found.
    pub(super) fn found(&self) -> &[u64] {
        &self.found
    }

    /// Makes the manifest. From here on the list is sorted, and of what was found only what the manifest does not list
    /// remains; whatever `spares` names, too, is left out.
    pub(super) fn make_manifest(
        &mut self,
        manifest: Manifest,
        spares: &dyn Fn(u64) -> bool,
    ) -> Result<(), EncodeFault> {
        let manifest = Manifest { parts: core::mem::take(&mut self.listed), ..manifest };
        let encoded = manifest.encode();
        self.listed = manifest.parts;
        self.manifest = encoded?;
        sort(&mut self.listed, &mut |one, other| one.id < other.id);
        let listed = &self.listed;
        let is_listed = |id| listed.binary_search_by_key(&id, |part: &PartRef| part.id).is_ok();
        self.found.retain(|&id| (!is_listed(id) || planted(Bug::DeleteListedParts)) && !spares(id));
        Ok(())
    }

    /// The manifest's bytes, once it is made.
    pub(super) fn manifest(&self) -> &[u8] {
        &self.manifest
    }

    /// Notes that an append from this chunk on may be done after the flip.
    pub(super) fn note_append(&mut self, first_sequence: u64) {
        self.leaves_log |= first_sequence <= self.start.tail.sequence;
    }

    /// The new catalog, and what is superfluous now: parts, and the last of the chunks, if there may be any.
    pub(super) fn finish(self) -> (Catalog, Vec<u64>, Option<u64>) {
        let log_upto = self.leaves_log.then_some(self.start.tail.sequence);
        (Catalog::new(self.listed), self.found, log_upto)
    }

    // What is told about it.

    /// The first ID that may have been given for it.
    pub(super) fn first_id(&self) -> u64 {
        self.first_id
    }

    /// How many parts are listed.
    pub(super) fn parts(&self) -> usize {
        self.listed.len()
    }

    /// The bytes of all parts that were cut.
    pub(super) fn new_bytes(&self) -> u64 {
        self.new_bytes
    }

    /// The memory held.
    pub(super) fn memory(&self) -> usize {
        let parts = self.batch.iter().chain(&self.put).map(|part| part.bytes.capacity()).sum::<usize>();
        let places = (self.batch.capacity() + self.put.capacity()) * size_of::<NewPart>();
        let lists = self.listed.capacity() * size_of::<PartRef>() + self.found.capacity() * size_of::<u64>();
        self.unit.capacity() + parts + places + lists + self.manifest.capacity()
    }

    /// Checks the invariants in the head of this file.
    pub(super) fn validate(&self, next_part_id: u64) -> Result<(), String> {
        let bytes: usize = self.batch.iter().map(|part| part.bytes.len()).sum();
        ensure(bytes == self.batch_bytes, "attempt 2: the sum of bytes is wrong")?;
        let is_new = |id: u64| (self.first_id..next_part_id).contains(&id);
        let new_bytes: u64 = self.listed.iter().filter(|part| is_new(part.id)).map(|part| u64::from(part.length)).sum();
        ensure(new_bytes == self.new_bytes, "attempt 1: a part is not listed, or twice")?;
        let are_new = self.batch.iter().chain(&self.put).all(|part| is_new(part.id));
        ensure(are_new, "attempt 3: a part has an ID of another attempt")?;
        ensure(self.listed.iter().all(|part| part.id < next_part_id), "attempt 3: an ID was not given")
    }
}

/// Gives names to units, and knows which are stored.
pub(super) struct Names<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) next_part_id: &'a mut u64,
    pub(super) payload_bytes_max: usize,
}

impl PartNames for Names<'_> {
    fn is_stored(&self, span: PartSpan) -> bool {
        self.catalog.find(span).is_some()
    }

    fn name(&mut self, bytes: usize) -> PartSpan {
        let count = u32::try_from(bytes.div_ceil(self.payload_bytes_max).max(1)).unwrap_or(u32::MAX);
        let first = *self.next_part_id;
        *self.next_part_id = first.saturating_add(u64::from(count));
        PartSpan { first, count }
    }
}

/// How much of a unit fits into a part.
pub(super) fn payload_bytes_max(part_bytes_max: usize) -> usize {
    part_bytes_max.saturating_sub(PART_FRAME_BYTES).max(1)
}
