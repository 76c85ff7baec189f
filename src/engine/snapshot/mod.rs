//! Snapshots: the state at one moment as units, told one by one while the state moves on, and read back.
//!
//! *Design.* State is divided into units: a page of 64 keys with the heads of their streams and all that is small, a run
//! of blocks, a few pages of pending entries. Each piece remembers where its unit was stored last and whether it has
//! changed since; what has not is only named again. The walk goes by database, page and key, one unit at a time, as slow
//! as its owner wants. Whatever is about to change and is not yet told is kept first, as it was at the moment of the
//! snapshot: a page of keys as its image, a block or the image of pending pages by the stream (`entries/`, `group/`), a
//! stream that is removed as a whole.
//!
//! *Why not a copy of everything, or units as they are when the walk comes to them.* Memory once taken is never given
//! back in WebAssembly, so a copy would cost its double for ever. And units of different moments would need a
//! comparison with the position of each of them at each effect of the journal behind.
//!
//! *Keeping never fails a write.* If memory for it is refused, the snapshot is given up instead.
//!
//! *Emptying a database gives the snapshot up*: the next one is the cheaper one.
//!
//! `pages.rs` knows the pages, `key.rs` writes keys, `capture.rs` is the walk, `load.rs` the way back.
//!
//! *Invariants*
//! 1. A page that is behind the walk, or kept, is as it was at the moment of the snapshot; so are the units of a stream
//!    that is frozen or was not changed since.
//! 2. A stream is frozen only while a snapshot is taken and its units are not all told.
//! 3. A unit is called unchanged only if what it says is what was stored under its name.

use alloc::string::String;
use alloc::vec::Vec;

use super::Engine;
use super::keyspace::{KeyRef, Keyspace, Stored};
use crate::image::PartSpan;
use crate::invariant::ensure;
use crate::memory::Boxed;

mod capture;
pub(super) mod key;
mod load;
mod pages;

use capture::Capture;
use pages::{PageRef, PageTable};

/// Who stores the units of a snapshot, as far as the engine has to know.
pub trait PartNames {
    /// Whether a unit that was named so is still stored, whole, and may be listed again.
    fn is_stored(&self, span: PartSpan) -> bool;

    /// Names a unit of so many bytes that is to be stored.
    fn name(&mut self, bytes: usize) -> PartSpan;
}

/// One step of a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotStep {
    /// A unit is to be stored under this name; its bytes are in the buffer.
    Changed(PartSpan),
    /// A unit is as it was when it was stored under this name.
    Unchanged(PartSpan),
    /// Something was done, and there is nothing to tell.
    Worked,
    /// All units are told, in the order in which they have to be read; the state has this hash.
    Done {
        /// For [`Engine::finish_load`].
        state_hash: u64,
    },
    /// No snapshot is being taken: none was begun, or it was given up, since a whole database was emptied or memory was
    /// refused. What was told of it is worthless; another one can be begun.
    Abandoned,
}

/// What the engine knows about snapshots.
#[derive(Default)]
pub(super) struct Snapshots {
    table: PageTable,
    capture: Option<Boxed<Capture>>,
}

impl Snapshots {
    pub(super) fn memory(&self) -> usize {
        let capture = self.capture.as_ref().map_or(0, |capture| size_of::<Capture>() + capture.memory());
        self.table.memory() + capture
    }
}

impl Engine {
    /// Begins a snapshot of the state as it is now. One that is being taken is given up. If memory is refused,
    /// [`Engine::next_unit`] says that none is being taken.
    pub fn begin_snapshot(&mut self) {
        self.abandon_snapshot();
        self.snapshots.capture = Capture::begin().ok();
    }

    /// Goes on with the snapshot: a little work, bounded by the size of a unit. What was in `unit` is dropped.
    pub fn next_unit(&mut self, names: &mut dyn PartNames, unit: &mut Vec<u8>) -> SnapshotStep {
        unit.clear();
        let Some(capture) = &mut self.snapshots.capture else { return SnapshotStep::Abandoned };
        let step = capture.next(&mut self.keyspace, &mut self.snapshots.table, names, unit);
        match step {
            SnapshotStep::Done { .. } => self.snapshots.capture = None,
            SnapshotStep::Abandoned => self.abandon_snapshot(),
            _ => {}
        }
        step
    }

    /// Gives up the snapshot that is being taken, if any.
    pub fn abandon_snapshot(&mut self) {
        if self.snapshots.capture.take().is_some() {
            thaw_all(&mut self.keyspace);
        }
    }

    /// Whether a snapshot is being taken.
    pub fn is_snapshot_open(&self) -> bool {
        self.snapshots.capture.is_some()
    }

    /// The hash that a snapshot of the state as it is now would have. It looks at every key.
    pub fn state_hash(&self) -> u64 {
        let hashes = (0..super::keyspace::DATABASES).flat_map(|number| {
            let keys = self.keyspace.database(number).iter();
            keys.map(move |(_, key)| key::hash_of(number, key))
        });
        hashes.fold(0, u64::wrapping_add)
    }

    /// To be called before a key changes, its value goes, or one comes.
    #[inline]
    pub(super) fn before_change(&mut self, at: KeyRef) {
        if self.journal.is_enabled() {
            self.keep(at);
        }
    }

    #[inline]
    fn keep(&mut self, at: KeyRef) {
        if let Some(capture) = &mut self.snapshots.capture {
            capture.keep(at, &mut self.keyspace, &mut self.snapshots.table);
        }
        self.snapshots.table.mark_changed(PageRef::of(at));
    }

    /// Gives a key another value, or none. What it had may still be wanted by a snapshot. To be called after
    /// [`Engine::before_change`].
    pub(super) fn replace_value(&mut self, at: KeyRef, value: Option<Stored>) {
        let before = self.keyspace.set_value(at, value);
        if let (Some(Stored::Stream(stream)), Some(capture)) = (before, &mut self.snapshots.capture) {
            let name = self.keyspace.key(at).map_or(&[][..], |key| key.name());
            capture.keep_removed(at, name, stream);
        }
    }

    /// Moves a value to another key that has none. To be called after [`Engine::before_change`] for both. The units of a
    /// stream say whose they are, so all of them are written anew.
    pub(super) fn move_value(&mut self, from: KeyRef, to: KeyRef) {
        let mut value = self.keyspace.set_value(from, None);
        if let Some(Stored::Stream(stream)) = &mut value {
            stream.note_moved();
            if let (Some(capture), true) = (&mut self.snapshots.capture, stream.is_frozen()) {
                let name = self.keyspace.key(from).map_or(&[][..], |key| key.name());
                capture.note_moved(from, to, name);
            }
        }
        self.keyspace.set_value(to, value);
    }

    /// All keys of a database went.
    pub(super) fn forget_pages(&mut self, database: u8) {
        self.snapshots.table.clear(database);
    }

    pub(super) fn validate_snapshots(&self) -> Result<(), String> {
        let is_open = self.is_snapshot_open();
        for number in 0..super::keyspace::DATABASES {
            let streams = self.keyspace.database(number).iter().filter_map(|(_, key)| key.stream());
            let mut frozen = streams.filter(|stream| stream.is_frozen());
            ensure(is_open || frozen.next().is_none(), "snapshots 2: a stream is frozen and nobody asks")?;
        }
        Ok(())
    }
}

/// Lets all frozen streams go on.
fn thaw_all(keyspace: &mut Keyspace) {
    for database in 0..super::keyspace::DATABASES {
        let mut next = keyspace.next_from(database, 0);
        while let Some(at) = next {
            thaw(keyspace, at);
            next = keyspace.next_from(database, at.slot + 1);
        }
    }
}

/// Lets a stream go on, also one of which units were told without its being frozen.
fn thaw(keyspace: &mut Keyspace, at: KeyRef) {
    let Some(stream) = keyspace.key_mut(at).and_then(|key| key.stream_mut()) else { return };
    stream.thaw();
    keyspace.settle(at);
}
