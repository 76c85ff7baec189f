//! Stored values to begin with, how they are changed, and how they get their checksums back.
//!
//! A target for stored values is about what lies behind the checksums. Built with `--cfg fuzzing` the library does not
//! compare them; here they are repaired besides, so that a corpus goes as deep where they are compared.
//!
//! A log is told as in the fixtures: records of a key (8 bytes), a length (4 bytes) and so many bytes of a chunk. A whole
//! storage is told in the same way, with the place of a value in the highest byte of its key.

use brooklet::persist::{CHUNK_HEADER_BYTES, EncodedChunk, PART_FRAME_BYTES, Tail};
use xxhash_rust::xxh64::xxh64;

use super::dump::call_line;
use super::input::Input;
use super::journals::{NOW_MS, SOURCE, change, new_engine};

pub(super) const LOG_ID: u64 = 0x0123_4567_89ab_cdef;

/// Small enough for groups of several chunks.
const CHUNK_BYTES_MAX: usize = 150;
/// How many commands make a group.
const GROUP_COMMANDS: usize = 6;
/// The logs of the fixtures, with their names.
pub(super) const FIXTURES: [(&str, &[u8]); 5] = [
    ("good", include_bytes!("../../tests/fixtures/v1/good.log")),
    ("torn", include_bytes!("../../tests/fixtures/v1/torn.log")),
    ("holed", include_bytes!("../../tests/fixtures/v1/holed.log")),
    ("flipped", include_bytes!("../../tests/fixtures/v1/flipped.log")),
    ("too-new", include_bytes!("../../tests/fixtures/v1/too_new.log")),
];

/// No more than that are looked at.
const RECORDS_MAX: usize = 64;

/// A value under its key, of which the highest byte says what should stand there; see [`place`].
pub(super) type Record = (u64, Vec<u8>);

/// What a value should be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The rest of the key is the sequence.
    Chunk,
    /// The rest of the key is the ID.
    Part,
    Manifest,
    /// The rest of the key is an epoch that was claimed; there is no value.
    Epoch,
    Witness,
}

const PLACES: [Place; 5] = [Place::Chunk, Place::Part, Place::Manifest, Place::Epoch, Place::Witness];

pub(super) fn place(key: u64) -> Place {
    PLACES[usize::from(key.to_be_bytes()[0]) % PLACES.len()]
}

/// The key of a value in a place; `number` is below 2^56.
pub(super) fn key(place: Place, number: u64) -> u64 {
    (place as u64) << 56 | number
}

/// The key without the place.
pub(super) fn number(key: u64) -> u64 {
    key & ((1 << 56) - 1)
}

/// Where a group ended: the log, and how many journal bytes and units there were.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) tail: Tail,
    pub(super) journal_bytes: usize,
}

/// A real log with every effect there is, of two owners.
pub(super) struct RealLog {
    pub(super) chunks: Vec<EncodedChunk>,
    pub(super) journal: Vec<u8>,
    /// After each group.
    pub(super) moments: Vec<Moment>,
}

impl RealLog {
    pub(super) fn new() -> RealLog {
        let mut engine = new_engine();
        let mut tail = Tail::new(LOG_ID);
        let mut log = RealLog { chunks: Vec::new(), journal: Vec::new(), moments: Vec::new() };
        let mut units = 0;
        for (number, commands) in SOURCE.chunks(GROUP_COMMANDS).enumerate() {
            if number % 3 == 0 {
                let epoch = 1 + number as u64 / 3;
                tail.append_epoch_mark(epoch, NOW_MS, &mut log.chunks).expect("the numbers are in range");
            }
            for line in commands {
                call_line(&mut engine, NOW_MS - 1000, line);
            }
            let mut group = Vec::new();
            let position = engine.take_effects(&mut group).0;
            let new_units = u32::try_from(position - units).expect("a group is small");
            tail.append_group(&group, new_units, NOW_MS, CHUNK_BYTES_MAX, &mut log.chunks).expect("as above");
            units = position;
            log.journal.extend_from_slice(&group);
            log.moments.push(Moment { tail, journal_bytes: log.journal.len() });
        }
        log
    }

    pub(super) fn records(&self) -> Vec<Record> {
        self.chunks.iter().map(|chunk| (chunk.sequence, chunk.bytes.clone())).collect()
    }
}

/// The records that these bytes tell; what is cut off at the end is a record as well.
pub(super) fn records(mut bytes: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    while let Some((key, rest)) = bytes.split_first_chunk::<8>()
        && let Some((length, rest)) = rest.split_first_chunk::<4>()
        && records.len() < RECORDS_MAX
    {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX).min(rest.len());
        let (value, rest) = rest.split_at(length);
        records.push((u64::from_le_bytes(*key), value.to_vec()));
        bytes = rest;
    }
    records
}

/// The bytes that tell these records.
pub(super) fn told(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in records {
        bytes.extend_from_slice(&key.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(value.len()).expect("values are small").to_le_bytes());
        bytes.extend_from_slice(value);
    }
    bytes
}

/// One change to one of the values: which (a byte), and then where, how and with what.
pub(super) fn change_record(records: &mut Vec<Record>, input: &mut Input<'_>) {
    let which = usize::from(input.byte());
    if records.is_empty() {
        return;
    }
    let which = which % records.len();
    match input.byte() {
        // It gets another key, vanishes, stands there twice, or changes places.
        0xec..0xf0 => records[which].0 = records[which].0 & !0xff | u64::from(input.byte()),
        0xf0..0xf4 => drop(records.remove(which)),
        0xf4..0xf8 if records.len() < RECORDS_MAX => records.insert(which, records[which].clone()),
        0xf8.. => {
            let other = usize::from(input.byte()) % records.len();
            let (key, value) = (records[which].0, records[which].1.clone());
            records[which] = (key, std::mem::replace(&mut records[other].1, value));
        }
        how => {
            let (key, value) = &mut records[which];
            change(value, input);
            if how & 1 == 0 {
                mend_length(*key, value);
            }
        }
    }
}

/// Lets a chunk or a part announce the length that it has.
fn mend_length(key: u64, value: &mut [u8]) {
    let (at, frame_bytes) = match place(key) {
        Place::Chunk => (48, CHUNK_HEADER_BYTES),
        Place::Part => (24, PART_FRAME_BYTES),
        _ => return,
    };
    let length = u32::try_from(value.len().saturating_sub(frame_bytes)).expect("values are small");
    if let Some(field) = value.get_mut(at..at + 4) {
        field.copy_from_slice(&length.to_le_bytes());
    }
}

/// Lets each chunk follow the one before it, the first one a chunk with the checksum `previous`.
pub(super) fn mend_chain<'a>(chunks: impl Iterator<Item = &'a mut Vec<u8>>, mut previous: u64) {
    for chunk in chunks {
        if let Some(field) = chunk.get_mut(32..40) {
            field.copy_from_slice(&previous.to_le_bytes());
        }
        if chunk.len() >= CHUNK_HEADER_BYTES {
            previous = xxh64(&[&chunk[..56], &chunk[CHUNK_HEADER_BYTES..]].concat(), 0);
            chunk[56..64].copy_from_slice(&previous.to_le_bytes());
        }
    }
}

/// Gives a manifest or a part the checksum of its bytes, and tells it.
pub(super) fn mend_seal(value: &mut [u8]) -> u64 {
    let Some((body, seal)) = value.split_last_chunk_mut::<8>() else { return 0 };
    let checksum = xxh64(body, 0);
    *seal = checksum.to_le_bytes();
    checksum
}
