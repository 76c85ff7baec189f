//! A snapshot being taken: how far the walk is, and what was kept for it.
//!
//! *Pages* are told in order. One that is touched earlier is kept as its image. Of each page it is noted which of its
//! keys have streams with units of their own; these are told behind it. Such a stream is found under its key, unless it
//! was moved to another name meanwhile or removed: then it is in the list of the strays, under the key it had.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::SnapshotStep;
use super::key;
use super::pages::{PageRef, PageTable};
use crate::engine::PartNames;
use crate::engine::keyspace::{DATABASES, KeyRef, Keyspace};
use crate::image::{ImageWriter, PartSpan, UnitStep};
use crate::memory::{Boxed, OutOfMemory, try_box, try_boxed, try_push};
use crate::planted::{Bug, planted};
use crate::stream::{Stream, UnitCursor, UnitKind};

/// A snapshot being taken; see the head of this file.
pub(super) struct Capture {
    /// The page that is told, or will be next.
    page: PageRef,
    /// What is left to tell of it, once the page itself is told.
    streams: Option<Streams>,
    /// Pages behind that one which were touched, in order.
    kept: Vec<PageImage>,
    strays: Vec<Stray>,
    hash: u64,
    /// Memory for something that had to be kept was refused.
    is_lost: bool,
}

/// A page as it was.
struct PageImage {
    page: PageRef,
    bytes: Vec<u8>,
    hash: u64,
    /// Where it was stored, if it had not changed.
    stored: Option<PartSpan>,
    /// The keys whose streams have units of their own, in order.
    divided: Vec<u32>,
}

/// The streams of a page.
struct Streams {
    divided: Vec<u32>,
    next: usize,
    cursor: UnitCursor,
}

/// A stream that is not where it was.
struct Stray {
    /// The key it had.
    at: KeyRef,
    name: Box<[u8]>,
    place: StrayPlace,
}

enum StrayPlace {
    /// It has another name.
    Moved(KeyRef),
    /// It was removed, and is kept here until its units are told.
    Removed(Boxed<Stream>),
    /// Its units are told.
    Told,
}

impl Capture {
    pub(super) fn begin() -> Result<Boxed<Capture>, OutOfMemory> {
        try_box(Capture {
            page: PageRef::FIRST,
            streams: None,
            kept: Vec::new(),
            strays: Vec::new(),
            hash: 0,
            is_lost: false,
        })
    }

    pub(super) fn memory(&self) -> usize {
        let kept = self.kept.iter().map(|image| image.bytes.capacity() + image.divided.capacity() * size_of::<u32>());
        let strays = self.strays.iter().map(|stray| {
            let stream = match &stray.place {
                StrayPlace::Removed(stream) => size_of::<Stream>() + stream.memory(),
                StrayPlace::Moved(_) | StrayPlace::Told => 0,
            };
            stray.name.len() + stream
        });
        let lists = self.kept.capacity() * size_of::<PageImage>() + self.strays.capacity() * size_of::<Stray>();
        lists + kept.sum::<usize>() + strays.sum::<usize>()
    }

    // The walk.

    pub(super) fn next(
        &mut self,
        keyspace: &mut Keyspace,
        table: &mut PageTable,
        names: &mut dyn PartNames,
        unit: &mut Vec<u8>,
    ) -> SnapshotStep {
        if self.is_lost {
            return SnapshotStep::Abandoned;
        }
        let step = match self.streams.take() {
            None => self.tell_page(keyspace, table, names, unit),
            Some(streams) => self.tell_stream(streams, keyspace, names, unit),
        };
        step.unwrap_or(SnapshotStep::Abandoned)
    }

    /// Tells the next page that has keys.
    fn tell_page(
        &mut self,
        keyspace: &mut Keyspace,
        table: &mut PageTable,
        names: &mut dyn PartNames,
        unit: &mut Vec<u8>,
    ) -> Result<SnapshotStep, OutOfMemory> {
        let Some(page) = self.next_page(keyspace) else { return Ok(SnapshotStep::Done { state_hash: self.hash }) };
        self.page = page;
        let is_kept = self.kept.first().is_some_and(|image| image.page == page);
        let image = if is_kept {
            self.kept.remove(0)
        } else {
            PageImage::of(page, keyspace, table, Some(&mut |span| names.is_stored(span)))?
        };
        self.hash = self.hash.wrapping_add(image.hash);
        self.streams = Some(Streams { divided: image.divided, next: 0, cursor: UnitCursor::default() });
        if let Some(span) = image.stored.filter(|&span| names.is_stored(span)) {
            // Where it was kept, the table may have a newer page, which is not stored.
            return Ok(SnapshotStep::Unchanged(span));
        }
        if image.bytes.is_empty() {
            return Ok(SnapshotStep::Worked);
        }
        *unit = image.bytes;
        let span = names.name(unit.len());
        table.name(page, span);
        Ok(SnapshotStep::Changed(span))
    }

    /// The page to be told next: one that has keys now, or was kept.
    fn next_page(&mut self, keyspace: &Keyspace) -> Option<PageRef> {
        let mut from = self.page;
        loop {
            let in_use = keyspace.next_from(from.database, from.slots().start).map(PageRef::of);
            let kept = self.kept.first().map(|image| image.page).filter(|page| page.database == from.database);
            if let Some(page) = in_use.into_iter().chain(kept).min() {
                return Some(page);
            }
            from = PageRef { database: from.database + 1, page: 0 };
            if from.database >= DATABASES {
                return None;
            }
        }
    }

    /// Tells the next unit of the streams of the page.
    fn tell_stream(
        &mut self,
        mut streams: Streams,
        keyspace: &mut Keyspace,
        names: &mut dyn PartNames,
        unit: &mut Vec<u8>,
    ) -> Result<SnapshotStep, OutOfMemory> {
        let Some(&slot) = streams.divided.get(streams.next) else {
            self.page = self.page.next();
            return Ok(SnapshotStep::Worked);
        };
        let at = KeyRef { database: self.page.database, slot };
        let stray = self.strays.iter_mut().find(|stray| stray.at == at);
        let name = match &stray {
            Some(stray) => try_boxed(&stray.name)?,
            None => try_boxed(keyspace.key(at).map_or(&[][..], |key| key.name()))?,
        };
        let (stream, settled) = match stray.map(|stray| &mut stray.place) {
            Some(StrayPlace::Removed(stream)) => (Some(&mut **stream), None),
            Some(&mut StrayPlace::Moved(to)) => (stream_at(keyspace, to), Some(to)),
            Some(StrayPlace::Told) => (None, None),
            None => (stream_at(keyspace, at), Some(at)),
        };
        // It cannot be gone: whoever removes it keeps it.
        let Some(stream) = stream else { return Ok(SnapshotStep::Abandoned) };
        let mut before = |cursor: &UnitCursor, image: &mut ImageWriter<'_>| {
            image.byte(match cursor.kind() {
                UnitKind::Blocks => key::BLOCKS,
                UnitKind::Pending => key::PENDING,
            });
            image.byte(at.database);
            image.bytes(&name);
            if let Some(group) = cursor.group() {
                image.bytes(group);
            }
        };
        let step = stream.next_unit(&mut streams.cursor, &mut |span| names.is_stored(span), &mut before, unit);
        let told = match step {
            UnitStep::Changed => {
                let span = names.name(unit.len());
                stream.name_unit(&streams.cursor, span);
                SnapshotStep::Changed(span)
            }
            UnitStep::Unchanged(span) => SnapshotStep::Unchanged(span),
            UnitStep::End => {
                stream.thaw();
                streams.next += 1;
                streams.cursor = UnitCursor::default();
                SnapshotStep::Worked
            }
            UnitStep::Lost => SnapshotStep::Abandoned,
        };
        if let Some(at) = settled {
            keyspace.settle(at);
        }
        if step == UnitStep::End
            && let Some(stray) = self.strays.iter_mut().find(|stray| stray.at == at)
        {
            stray.place = StrayPlace::Told;
        }
        self.streams = Some(streams);
        Ok(told)
    }

    // What changes meanwhile.

    /// A key is about to change: keeps what of it is not told.
    pub(super) fn keep(&mut self, at: KeyRef, keyspace: &mut Keyspace, table: &mut PageTable) {
        if !self.is_lost && !planted(Bug::SkipPageCopy) && self.try_keep(at, keyspace, table).is_err() {
            self.is_lost = true;
        }
    }

    fn try_keep(&mut self, at: KeyRef, keyspace: &mut Keyspace, table: &mut PageTable) -> Result<(), OutOfMemory> {
        let page = PageRef::of(at);
        let is_awaited = match page.cmp(&self.page) {
            core::cmp::Ordering::Less => false,
            core::cmp::Ordering::Equal if self.streams.is_some() => self
                .streams
                .iter()
                .any(|streams| streams.divided.binary_search(&at.slot).is_ok_and(|place| place >= streams.next)),
            _ => self.keep_page(page, keyspace, table)?.divided.binary_search(&at.slot).is_ok(),
        };
        if is_awaited
            && !self.strays.iter().any(|stray| stray.at == at)
            && let Some(stream) = stream_at(keyspace, at)
        {
            let frozen = stream.freeze();
            keyspace.settle(at);
            frozen?;
        }
        Ok(())
    }

    /// The image of a page that is not told, made now if need be.
    fn keep_page(
        &mut self,
        page: PageRef,
        keyspace: &mut Keyspace,
        table: &mut PageTable,
    ) -> Result<&PageImage, OutOfMemory> {
        let place = match self.kept.binary_search_by(|image| image.page.cmp(&page)) {
            Ok(place) => place,
            Err(place) => {
                let image = PageImage::of(page, keyspace, table, None)?;
                self.kept.try_reserve(1)?;
                self.kept.insert(place, image);
                place
            }
        };
        self.kept.get(place).ok_or(OutOfMemory)
    }

    /// A stream was removed from its key: keeps it if its units are not told.
    pub(super) fn keep_removed(&mut self, at: KeyRef, name: &[u8], stream: Boxed<Stream>) {
        if !stream.is_frozen() || self.is_lost {
            return;
        }
        let moved = self.strays.iter_mut().find(|stray| matches!(stray.place, StrayPlace::Moved(to) if to == at));
        if let Some(stray) = moved {
            stray.place = StrayPlace::Removed(stream);
        } else {
            self.add_stray(at, name, StrayPlace::Removed(stream));
        }
    }

    /// A frozen stream was moved to another key.
    pub(super) fn note_moved(&mut self, from: KeyRef, to: KeyRef, name: &[u8]) {
        let moved = self.strays.iter_mut().find(|stray| matches!(stray.place, StrayPlace::Moved(at) if at == from));
        if let Some(stray) = moved {
            stray.place = StrayPlace::Moved(to);
        } else {
            self.add_stray(from, name, StrayPlace::Moved(to));
        }
    }

    fn add_stray(&mut self, at: KeyRef, name: &[u8], place: StrayPlace) {
        let added = try_boxed(name).and_then(|name| try_push(&mut self.strays, Stray { at, name, place }));
        self.is_lost |= added.is_err();
    }
}

impl PageImage {
    /// A page as it is. Without `is_stored` nobody can say whether what was stored still is, so it is written in any case.
    fn of(
        page: PageRef,
        keyspace: &mut Keyspace,
        table: &mut PageTable,
        is_stored: Option<&mut dyn FnMut(PartSpan) -> bool>,
    ) -> Result<PageImage, OutOfMemory> {
        let stored = table.stored(page);
        let mut image =
            PageImage { page, bytes: Vec::new(), hash: 0, stored: stored.map(|(span, _)| span), divided: Vec::new() };
        if let (Some((span, hash)), Some(is_stored)) = (stored, is_stored)
            && is_stored(span)
        {
            image.hash = hash;
            return image.list_divided(keyspace);
        }
        image.write(keyspace)?;
        table.note_told(page, image.hash)?;
        if let Some((span, _)) = stored {
            table.name(page, span);
        }
        Ok(image)
    }

    /// Notes the streams of a page that has not changed.
    fn list_divided(mut self, keyspace: &Keyspace) -> Result<PageImage, OutOfMemory> {
        for slot in self.page.slots() {
            let at = KeyRef { database: self.page.database, slot };
            if keyspace.key(at).and_then(|key| key.stream()).is_some_and(Stream::has_units) {
                try_push(&mut self.divided, slot)?;
            }
        }
        Ok(self)
    }

    fn write(&mut self, keyspace: &mut Keyspace) -> Result<(), OutOfMemory> {
        let database = self.page.database;
        for slot in self.page.slots() {
            let at = KeyRef { database, slot };
            if let Some(stream) = stream_at(keyspace, at) {
                let divided = stream.divide();
                keyspace.settle(at);
                if divided? {
                    try_push(&mut self.divided, slot)?;
                }
            }
            let Some(key) = keyspace.key(at).filter(|key| key.value().is_some()) else { continue };
            let is_first = self.bytes.is_empty();
            let mut image = ImageWriter::new(&mut self.bytes);
            if is_first {
                image.byte(key::KEYS);
                image.byte(database);
            }
            key::write(slot, key, &mut image);
            image.finish()?;
            self.hash = self.hash.wrapping_add(key::hash_of(database, key));
        }
        Ok(())
    }
}

fn stream_at(keyspace: &mut Keyspace, at: KeyRef) -> Option<&mut Stream> {
    keyspace.key_mut(at)?.stream_mut()
}
