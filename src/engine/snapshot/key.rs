//! The images of keys: what a page of them says, and reading it.
//!
//! *Layout of a unit.* The first byte is its kind.
//!
//! ```text
//! 1 keys     database, then until its end: number name expiry value
//!            value = 1 bytes | 2 head                (`stream/image.rs`)
//! 2 blocks   database name run                       (`entries/`)
//! 3 pending  database name group-name pages          (`group/`)
//! ```
//!
//! The *number* of a key is its slot, which SCAN's cursors are made of; all keys of a unit are of one page.

use crate::engine::Stored;
use crate::engine::keyspace::Key;
use crate::hash::hash;
use crate::id::EntryId;
use crate::image::{ImageFault, ImageReader, ImageWriter};
use crate::memory::{try_box, try_boxed};
use crate::stream::Stream;

pub(super) const KEYS: u8 = 1;
pub(super) const BLOCKS: u8 = 2;
pub(super) const PENDING: u8 = 3;

const BYTES_VALUE: u8 = 1;
const STREAM_VALUE: u8 = 2;

/// Writes a key that has a value.
pub(super) fn write(slot: u32, key: &Key, image: &mut ImageWriter<'_>) {
    image.varint(u64::from(slot));
    image.bytes(key.name());
    image.option(key.expires_ms());
    if let Some(value) = key.value() {
        write_value(value, false, image);
    }
}

/// Writes a value, of a stream its head; if `is_whole`, with everything that else would stand in units of its own.
pub(in crate::engine) fn write_value(value: &Stored, is_whole: bool, image: &mut ImageWriter<'_>) {
    match value {
        Stored::Bytes(bytes) => {
            image.byte(BYTES_VALUE);
            image.bytes(bytes);
        }
        Stored::Stream(stream) => {
            image.byte(STREAM_VALUE);
            stream.write_head(is_whole, image);
        }
    }
}

/// Reads a value.
pub(in crate::engine) fn load_value(image: &mut ImageReader<'_>) -> Result<Stored, ImageFault> {
    match image.byte()? {
        BYTES_VALUE => Ok(Stored::Bytes(try_boxed(image.bytes()?)?)),
        STREAM_VALUE => Ok(Stored::Stream(try_box(Stream::load_head(image)?)?)),
        _ => Err(ImageFault::Misfit("a value of an unknown kind")),
    }
}

/// The hash of a key and of how its value is built: names, counters, numbers of entries, of nodes and of pending
/// entries. It tells whether all units were read; that each unit is whole is known from its checksum. When consumers were
/// seen and how many repeated appends were answered is no part of it, since no journal has that.
pub(super) fn hash_of(database: u8, key: &Key) -> u64 {
    let mut sum = hash([u64::from(database), key.expires_ms().map_or(0, |at_ms| at_ms.wrapping_add(1))], key.name());
    match key.value() {
        None => {}
        Some(Stored::Bytes(bytes)) => sum = hash([sum, 0], bytes),
        Some(Stored::Stream(stream)) => add_stream(&mut sum, stream),
    }
    sum
}

fn add_stream(sum: &mut u64, stream: &Stream) {
    let limits = stream.producer_limits();
    let producers = stream.producers().map_or((0, 0), |producers| (producers.len(), producers.records_len()));
    let entries = stream.entries();
    for number in [
        u64::from(limits.duration_s),
        u64::from(limits.entries_max),
        stream.entries_added(),
        stream.iids_added(),
        producers.0 as u64,
        producers.1 as u64,
        entries.len(),
        entries.nodes(),
        stream.groups().len() as u64,
    ] {
        add(sum, number, &[]);
    }
    let ends = [entries.first_id(), entries.last_id()].map(Option::unwrap_or_default);
    for id in [stream.last_id(), stream.max_deleted()].into_iter().chain(ends) {
        add_id(sum, id);
    }
    for (_, name, group) in stream.groups().iter() {
        add(sum, group.pending_len(), name);
        add(sum, group.unowned_len(), &[]);
        add(sum, group.entries_read.map_or(0, |read| read.wrapping_add(1)), &[]);
        add_id(sum, group.last_id);
        for (_, consumer) in group.consumers() {
            add(sum, consumer.pending_len(), consumer.name());
        }
    }
}

fn add(sum: &mut u64, number: u64, bytes: &[u8]) {
    *sum = hash([*sum, number], bytes);
}

fn add_id(sum: &mut u64, id: EntryId) {
    add(sum, id.ms(), &[]);
    add(sum, id.seq(), &[]);
}
