//! A stream in a snapshot: its head, which stands among the keys, and the units of what is too large for that.
//!
//! *Design.* What a small stream has stands in its head, so that a thousand small streams are a few values in a
//! storage. Entries above [`INLINE_BYTES_MAX`] are divided into runs of blocks, and the pending entries of a group above
//! [`INLINE_PENDING_MAX`] into pages: each is a unit of its own, written again only when it has changed.
//!
//! *Layout of the head*
//!
//! ```text
//! head     = duration-s iids-max last-id entries-added max-deleted iids-added iids-duplicates
//!            producers entries count group*
//! producers = 0 | 1 image            (`producers.rs`)
//! entries  = 0 | 1 image             0: in units of their own (`entries/`)
//! group    = name head pending       (`group/`)
//! pending  = 0 | 1 image             0: in units of their own
//! ```
//!
//! *Frozen.* While a snapshot is taken and this stream's units are not all told, the stream is frozen before its first
//! change: entries and groups then keep what they change, and a group that is destroyed is kept whole.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{ENTRIES_ADDED_MAX, ProducerLimits, Stream};
use crate::group::{Group, GroupKey};
use crate::id::EntryId;
use crate::image::{ImageFault, ImageReader, ImageWriter, PartSpan, UnitStep};
use crate::memory::{OutOfMemory, try_box, try_boxed};
use crate::producers::Producers;

/// Entries up to this size stand in the head.
const INLINE_BYTES_MAX: usize = 1024;

/// So many pending entries of a group stand in the head.
const INLINE_PENDING_MAX: u64 = 64;

/// What a unit of a stream holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum UnitKind {
    /// A run of blocks.
    Blocks,
    /// Pending entries of a group.
    Pending,
}

/// What a frozen stream has besides what its parts keep.
pub(super) struct Frozen {
    /// Groups with units of their own that were destroyed since.
    destroyed: Vec<(Box<[u8]>, Group)>,
    /// One of them could not be kept.
    is_lost: bool,
}

impl Frozen {
    pub(super) fn memory(&self) -> usize {
        let groups = self.destroyed.iter().map(|(name, group)| name.len() + group.memory());
        self.destroyed.capacity() * size_of::<(Box<[u8]>, Group)>() + groups.sum::<usize>()
    }
}

/// Where a walk over the units of a stream stands.
#[derive(Default)]
pub(crate) struct UnitCursor {
    is_behind_entries: bool,
    /// The group whose units are told.
    group: Option<Box<[u8]>>,
}

impl UnitCursor {
    /// What the unit holds that was told last.
    pub(crate) fn kind(&self) -> UnitKind {
        if self.is_behind_entries { UnitKind::Pending } else { UnitKind::Blocks }
    }

    /// The group whose unit was told last, if it was one of a group.
    pub(crate) fn group(&self) -> Option<&[u8]> {
        self.group.as_deref()
    }
}

/// Which group: one that is there, or one that was destroyed.
#[derive(Clone, Copy)]
enum Place {
    Live(GroupKey),
    Destroyed(usize),
}

impl Stream {
    /// The stream has another name now, which its units do not say yet.
    pub(crate) fn note_moved(&mut self) {
        self.is_moved = true;
    }

    /// Decides what is large enough for units of its own; returns whether anything is. To be called before the head is
    /// written, and never while the stream is frozen.
    pub(crate) fn divide(&mut self) -> Result<bool, OutOfMemory> {
        if core::mem::take(&mut self.is_moved) {
            self.entries.undivide();
            self.for_each_group(&mut |group| group.undivide());
        }
        let mut has_units = self.entries.bytes() > INLINE_BYTES_MAX;
        if has_units {
            self.entries.divide()?;
        } else {
            self.entries.undivide();
        }
        let mut after: Option<GroupKey> = None;
        while let Some(key) = self.groups.next_key(after) {
            after = Some(key);
            let Some(mut group) = self.groups.group_mut(key) else { continue };
            if group.pending_len() > INLINE_PENDING_MAX {
                group.divide()?;
                has_units = true;
            } else {
                group.undivide();
            }
        }
        Ok(has_units)
    }

    /// Whether anything was divided.
    pub(crate) fn has_units(&self) -> bool {
        self.entries.is_divided() || self.groups.iter().any(|(_, _, group)| group.is_divided())
    }

    /// Writes the head, with what is not divided or, if `is_whole`, with everything.
    pub(crate) fn write_head(&self, is_whole: bool, image: &mut ImageWriter<'_>) {
        image.varint(u64::from(self.producer_limits.duration_s));
        image.varint(u64::from(self.producer_limits.entries_max));
        image.id(self.last_id);
        image.varint(self.entries_added);
        image.id(self.max_deleted);
        image.varint(self.iids_added);
        image.varint(self.iids_duplicates);
        image.byte(u8::from(self.producers.is_some()));
        if let Some(producers) = &self.producers {
            producers.write(image);
        }
        let has_entries = is_whole || !self.entries.is_divided();
        image.byte(u8::from(has_entries));
        if has_entries {
            self.entries.write_blocks(image);
        }
        image.varint(self.groups.len() as u64);
        for (_, name, group) in self.groups.iter() {
            image.bytes(name);
            group.write_head(image);
            let has_pending = is_whole || !group.is_divided();
            image.byte(u8::from(has_pending));
            if has_pending {
                group.write_pending(image);
            }
        }
    }

    /// Reads a head.
    pub(crate) fn load_head(image: &mut ImageReader<'_>) -> Result<Stream, ImageFault> {
        let producer_limits = ProducerLimits { duration_s: image.number()?, entries_max: image.number()? };
        let mut stream = Stream::new(producer_limits);
        stream.last_id = image.id()?;
        stream.entries_added = image.varint()?;
        stream.max_deleted = image.id()?;
        stream.iids_added = image.varint()?;
        stream.iids_duplicates = image.varint()?;
        if image.byte()? == 1 {
            let producers = try_box(Producers::load(image)?)?;
            stream.produced_deadline_ms = producers.oldest_ms().map(|oldest_ms| stream.deadline_after(oldest_ms));
            stream.producers = Some(producers);
        }
        if image.byte()? == 1 {
            stream.entries.load_blocks(image, None)?;
        }
        for _ in 0..image.varint()? {
            let name = image.bytes()?;
            if stream.groups.get(name).is_some() {
                return Err(ImageFault::Misfit("a group stands there twice"));
            }
            let mut group = Group::load_head(image)?;
            if image.byte()? == 1 {
                group.load_pending(image)?;
            }
            let name = stream.groups.reserve(name)?;
            stream.groups.insert(name, group);
        }
        Ok(stream)
    }

    /// Reads a run of blocks behind those that were read before.
    pub(crate) fn load_blocks(&mut self, image: &mut ImageReader<'_>, span: PartSpan) -> Result<(), ImageFault> {
        self.entries.load_blocks(image, Some(span))
    }

    /// Reads pending entries of a group.
    pub(crate) fn load_pending(
        &mut self,
        name: &[u8],
        image: &mut ImageReader<'_>,
        span: PartSpan,
    ) -> Result<(), ImageFault> {
        let mut group =
            self.group_mut(name).ok_or(ImageFault::Misfit("pending entries of a group that is not there"))?;
        group.load_unit(image, span)
    }

    /// Ends loading, when all units were read: checks what can only be checked then.
    pub(crate) fn finish_load(&mut self) -> Result<(), ImageFault> {
        self.entries.finish_load()?;
        let mut after: Option<GroupKey> = None;
        while let Some(key) = self.groups.next_key(after) {
            after = Some(key);
            if let Some(mut group) = self.groups.group_mut(key) {
                group.finish_load()?;
            }
        }
        let is_sound = self.entries.last_id().is_none_or(|last| last <= self.last_id)
            && self.entries.first_id() != Some(EntryId::MIN)
            && (self.len()..=ENTRIES_ADDED_MAX).contains(&self.entries_added);
        if is_sound { Ok(()) } else { Err(ImageFault::Misfit("the counters of a stream do not fit its entries")) }
    }

    /// Keeps what the stream is, until [`Stream::thaw`].
    pub(crate) fn freeze(&mut self) -> Result<(), OutOfMemory> {
        if self.frozen.is_some() {
            return Ok(());
        }
        self.frozen = Some(try_box(Frozen { destroyed: Vec::new(), is_lost: false })?);
        self.entries.freeze();
        self.for_each_group(&mut |group| group.freeze());
        Ok(())
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Its units are told, or nobody wants them any more.
    pub(crate) fn thaw(&mut self) {
        self.entries.thaw();
        self.for_each_group(&mut |group| {
            group.thaw();
            group.is_new = false;
        });
        self.frozen = None;
    }

    /// Tells the next unit, as the stream was when it was frozen: a changed one is written to the end of `out`, behind
    /// what `before` writes about the cursor.
    pub(crate) fn next_unit(
        &mut self,
        cursor: &mut UnitCursor,
        is_stored: &mut dyn FnMut(PartSpan) -> bool,
        before: &mut dyn FnMut(&UnitCursor, &mut ImageWriter<'_>),
        out: &mut Vec<u8>,
    ) -> UnitStep {
        if self.frozen.as_ref().is_some_and(|frozen| frozen.is_lost) {
            return UnitStep::Lost;
        }
        loop {
            out.clear();
            let mut image = ImageWriter::new(out);
            before(cursor, &mut image);
            if image.finish().is_err() {
                return UnitStep::Lost;
            }
            let step = match (cursor.is_behind_entries, self.group_at(cursor)) {
                (false, _) if self.entries.is_divided() => self.entries.next_run(is_stored, out),
                (true, Some(place)) => self.next_pending(place, is_stored, out),
                (true, None) => return UnitStep::End,
                (false, _) => UnitStep::End,
            };
            if step != UnitStep::End {
                return step;
            }
            let next = self.next_divided(cursor.group.as_deref()).map(try_boxed).transpose();
            cursor.is_behind_entries = true;
            match next {
                Ok(next) => cursor.group = next,
                Err(OutOfMemory) => return UnitStep::Lost,
            }
        }
    }

    /// Says where the unit is stored that was told last.
    pub(crate) fn name_unit(&mut self, cursor: &UnitCursor, span: PartSpan) {
        if !cursor.is_behind_entries {
            return self.entries.name_run(span);
        }
        if let Some(Place::Live(key)) = self.group_at(cursor)
            && let Some(mut group) = self.groups.group_mut(key)
        {
            group.name_unit(span);
        } else if let Some(Place::Destroyed(place)) = self.group_at(cursor)
            && let Some((_, group)) = self.frozen.as_mut().and_then(|frozen| frozen.destroyed.get_mut(place))
        {
            group.name_unit(span);
        }
    }

    /// Keeps a group that was destroyed, if its units are still wanted.
    pub(super) fn keep_destroyed(&mut self, name: Box<[u8]>, group: Group) {
        let Some(frozen) = &mut self.frozen else { return };
        if group.is_new || !group.is_divided() {
            return;
        }
        match frozen.destroyed.try_reserve(1) {
            Ok(()) => frozen.destroyed.push((name, group)),
            Err(_) => frozen.is_lost = true,
        }
    }

    fn next_pending(
        &mut self,
        place: Place,
        is_stored: &mut dyn FnMut(PartSpan) -> bool,
        out: &mut Vec<u8>,
    ) -> UnitStep {
        match place {
            Place::Live(key) => {
                self.groups.group_mut(key).map_or(UnitStep::End, |mut group| group.next_unit(is_stored, out))
            }
            Place::Destroyed(place) => {
                let frozen = self.frozen.as_mut();
                let group = frozen.and_then(|frozen| frozen.destroyed.get_mut(place));
                group.map_or(UnitStep::End, |(_, group)| group.next_unit(is_stored, out))
            }
        }
    }

    /// The group of the cursor, as it was when the stream was frozen: not one of the same name that was created since.
    fn group_at(&self, cursor: &UnitCursor) -> Option<Place> {
        let name = cursor.group.as_deref()?;
        if let Some((key, _)) = self.group(name).filter(|(_, group)| !group.is_new) {
            return Some(Place::Live(key));
        }
        let destroyed = self.frozen.as_ref()?.destroyed.iter().position(|(other, _)| **other == *name)?;
        Some(Place::Destroyed(destroyed))
    }

    /// The first group behind a name that has units of its own.
    fn next_divided(&self, after: Option<&[u8]>) -> Option<&[u8]> {
        let mut live = self.groups.next_after(after);
        while let Some((key, name)) = live
            && self.groups.group(key).is_none_or(|group| group.is_new || !group.is_divided())
        {
            live = self.groups.next_after(Some(name));
        }
        let destroyed = self.frozen.as_ref().map_or(&[][..], |frozen| &frozen.destroyed);
        let destroyed = destroyed.iter().map(|(name, _)| &**name);
        let destroyed = destroyed.filter(|name| after.is_none_or(|after| *name > after)).min();
        live.map(|(_, name)| name).into_iter().chain(destroyed).min()
    }

    fn for_each_group(&mut self, f: &mut dyn FnMut(&mut Group)) {
        let mut after: Option<GroupKey> = None;
        while let Some(key) = self.groups.next_key(after) {
            after = Some(key);
            if let Some(mut group) = self.groups.group_mut(key) {
                f(&mut group);
            }
        }
    }
}
