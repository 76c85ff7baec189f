//! Reading a snapshot back: units in the order in which they were told, into an empty engine.
//!
//! The bytes may be anybody's. What does not fit ends the reading, and the engine is to be dropped.

use super::key;
use super::pages::PageRef;
use crate::engine::keyspace::{DATABASES, KeyRef, Stored};
use crate::engine::timers::{Purpose, Timer};
use crate::engine::{Engine, ReplayError};
use crate::image::{ImageFault, ImageReader, PartSpan};

impl Engine {
    /// Reads a unit back. The engine has to be empty before the first; units come whole, and in the order in which they
    /// were told.
    pub fn load_unit(&mut self, unit: &[u8], span: PartSpan) -> Result<(), ReplayError> {
        self.load(unit, span).map_err(replay_error)
    }

    /// Ends reading a snapshot; the hash is the one that [`SnapshotStep::Done`](super::SnapshotStep::Done) told.
    pub fn finish_load(&mut self, state_hash: u64) -> Result<(), ReplayError> {
        self.finish(state_hash).map_err(replay_error)
    }

    fn load(&mut self, unit: &[u8], span: PartSpan) -> Result<(), ImageFault> {
        let mut image = ImageReader::new(unit);
        let kind = image.byte()?;
        let database = image.byte()?;
        if database >= DATABASES {
            return Err(ImageFault::Misfit("there is no such database"));
        }
        match kind {
            key::KEYS => self.load_keys(database, &mut image, span)?,
            key::BLOCKS | key::PENDING => {
                let name = image.bytes()?;
                let at = self.keyspace.find(database, name).ok_or(NO_STREAM)?;
                let stream = self.keyspace.key_mut(at).and_then(|key| key.stream_mut()).ok_or(NO_STREAM)?;
                let loaded = if kind == key::BLOCKS {
                    stream.load_blocks(&mut image, span)
                } else {
                    let group = image.bytes()?;
                    stream.load_pending(group, &mut image, span)
                };
                self.keyspace.settle(at);
                loaded?;
            }
            _ => return Err(ImageFault::Misfit("a unit of an unknown kind")),
        }
        if image.is_at_end() { Ok(()) } else { Err(ImageFault::Misfit("a unit goes on behind its end")) }
    }

    fn load_keys(&mut self, database: u8, image: &mut ImageReader<'_>, span: PartSpan) -> Result<(), ImageFault> {
        let mut page = None;
        let mut is_in_place = true;
        while !image.is_at_end() {
            let asked = KeyRef { database, slot: image.number()? };
            let name = image.bytes()?;
            let expires_ms = image.option()?;
            let value = key::load_value(image)?;
            if *page.get_or_insert(PageRef::of(asked)) != PageRef::of(asked) {
                return Err(ImageFault::Misfit("keys of two pages in a unit"));
            }
            let taken = ImageFault::Misfit("a key stands there twice");
            let at = self.keyspace.create_at(asked, name)?.ok_or(taken)?;
            if at != asked {
                // It went behind all that was read so far: into an earlier page, which is not as it was stored now.
                self.snapshots.table.mark_changed(PageRef::of(at));
                is_in_place = false;
            }
            self.give_loaded(at, value, expires_ms)?;
        }
        if let Some(page) = page.filter(|_| is_in_place) {
            self.snapshots.table.note_told(page, 0)?;
            self.snapshots.table.name(page, span);
        }
        Ok(())
    }

    fn give_loaded(&mut self, at: KeyRef, value: Stored, expires_ms: Option<u64>) -> Result<(), ImageFault> {
        self.timers.reserve(2)?;
        let produced_ms = match &value {
            Stored::Stream(stream) => stream.produced_deadline_ms(),
            Stored::Bytes(_) => None,
        };
        self.keyspace.set_value(at, Some(value));
        if let Some(key) = self.keyspace.key_mut(at) {
            key.set_expires_ms(expires_ms);
        }
        for (at_ms, purpose) in [(expires_ms, Purpose::Expire), (produced_ms, Purpose::ForgetProduced)] {
            if let Some(at_ms) = at_ms {
                self.timers.push(Timer::of_key(at_ms, purpose, at));
            }
        }
        Ok(())
    }

    fn finish(&mut self, state_hash: u64) -> Result<(), ImageFault> {
        self.keyspace.end_load();
        let mut sum = 0_u64;
        for database in 0..DATABASES {
            let mut next = self.keyspace.next_from(database, 0);
            while let Some(at) = next {
                if let Some(stream) = self.keyspace.key_mut(at).and_then(|key| key.stream_mut()) {
                    let finished = stream.finish_load();
                    self.keyspace.settle(at);
                    finished?;
                }
                if let Some(key) = self.keyspace.key(at) {
                    let hash = key::hash_of(database, key);
                    self.snapshots.table.add_hash(PageRef::of(at), hash);
                    sum = sum.wrapping_add(hash);
                }
                next = self.keyspace.next_from(database, at.slot + 1);
            }
        }
        if sum == state_hash { Ok(()) } else { Err(ImageFault::Misfit("something of it is missing")) }
    }
}

const NO_STREAM: ImageFault = ImageFault::Misfit("a unit of a stream that is not there");

fn replay_error(fault: ImageFault) -> ReplayError {
    let reason = match fault {
        ImageFault::OutOfMemory => "out of memory",
        ImageFault::Misfit(reason) => reason,
    };
    ReplayError { offset: 0, reason }
}
