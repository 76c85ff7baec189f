//! Chunks: journal bytes as values of a bounded size, chained so that none can be missing, swapped or foreign.
//!
//! A chunk does not know what the journal says, nor where it is stored.
//!
//! *Design.* What one transaction appends is a group: whole runs of the journal, cut at any byte into as many chunks as
//! the medium's value size asks for. A group counts only with its last chunk, so a command larger than a chunk is still
//! all or nothing. Each chunk carries the checksum of the one before it: where the chain holds, the chunks are those of
//! one log, in the order in which they were written, with none left out. The [`Tail`] is all that is needed to go on, on
//! either side: writing makes the next chunk from it, reading compares the next chunk with it.
//!
//! *Why not the manifest's checksum in the first chunk after a snapshot.* A snapshot is written beside the log while the
//! log goes on, so that chunk is stored before the manifest exists. The manifest names the last chunk that it covers,
//! by sequence and checksum, and the chain runs on across it.
//!
//! *Layout*: 64 bytes, little-endian, then the payload. The checksum covers everything but itself.
//!
//! ```text
//!  0  4  magic "BRK1"             4  1  major version, 1
//!  5  1  flags                    6  2  length of the header, 64
//!  8  8  log id                  16  8  epoch
//! 24  8  sequence                32  8  checksum of the chunk before; 0 in chunk 1
//! 40  8  base time in ms         48  4  length of the payload
//! 52  4  units in the group, in its last chunk; 0 in the others
//! 56  8  checksum                64     payload
//! ```
//!
//! *Invariants*
//! 1. Sequences are 1, 2, 3 ... without a gap, for the life of a log.
//! 2. Within a group the epoch stays the same; from one group to the next it never falls.
//! 3. The payloads of a group, joined, are the journal bytes that were passed in; no payload is empty but that of an
//!    epoch mark, which is a group of its own.
//! 4. A chunk that the assembler refuses has changed nothing in it.

use alloc::vec::Vec;
use core::fmt;

use super::bytes::{
    DecodeFault, EncodeFault, Head, MAJOR, NUMBER_END, Reader, Seal, check_length, check_whole, checksum_of_two,
    checksums_match, put_u32, put_u64, require,
};
use crate::memory::{OutOfMemory, try_push};

/// The length of the header.
pub const CHUNK_HEADER_BYTES: usize = 64;

/// The usual limit of a chunk, header included. Chromium keeps IndexedDB values above 64 KiB in files of their own: five
/// times slower, and never synced in relaxed transactions. What is left out is for the envelope of the value.
pub const CHUNK_BYTES_MAX: usize = 60_000;

const MAGIC: [u8; 4] = *b"BRK1";

const FIRST: u8 = 1 << 0;
const LAST: u8 = 1 << 1;
const EPOCH: u8 = 1 << 2;

/// Where the checksum stands, between what it covers.
const CHECKSUM_AT: usize = 56;

/// A limit above this would not be one: payload lengths have 32 bits.
const CHUNK_BYTES_LIMIT: usize = 1 << 30;

const _: () = assert!(CHUNK_BYTES_MAX < CHUNK_BYTES_LIMIT && CHUNK_BYTES_MAX > CHUNK_HEADER_BYTES);

/// A chunk, decoded; its payload stays where it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chunk<'a> {
    /// The log it belongs to.
    pub log_id: u64,
    /// The epoch of the owner that wrote it.
    pub epoch: u64,
    /// Its place in the log, from 1.
    pub sequence: u64,
    /// The checksum of the chunk before.
    pub previous: u64,
    /// The owner's clock when its group was gathered.
    pub base_ms: u64,
    /// How many units its group has, if it is the last one of the group.
    pub units: u32,
    /// Whether a group begins with it.
    pub is_first: bool,
    /// Whether a group ends with it.
    pub is_last: bool,
    /// Whether it says nothing but that an owner has taken over.
    pub is_epoch_mark: bool,
    /// Its own checksum, which the next chunk repeats.
    pub checksum: u64,
    /// Its piece of the group's journal bytes.
    pub payload: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// Decodes a stored chunk, of which `bytes` has to be all. The bytes may be anything.
    pub fn decode(bytes: &'a [u8]) -> Result<Chunk<'a>, DecodeFault> {
        let mut reader = Reader::new(bytes);
        let head = Head::read(&mut reader, MAGIC)?;
        let (log_id, epoch, sequence) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let (previous, base_ms) = (reader.u64()?, reader.u64()?);
        let (payload_bytes, units) = (reader.u32()?, reader.u32()?);
        let checksum = reader.u64()?;

        let needs = u64::from(head.header_bytes) + u64::from(payload_bytes);
        let seal = Seal { stored: checksum, computed: computed_checksum(bytes) };
        check_whole(bytes, needs, &seal)?;
        head.check_version(head.major, 0)?;
        check_length(bytes, needs)?;

        require(usize::from(head.header_bytes) >= CHUNK_HEADER_BYTES, "a chunk's header is too short")?;
        require((1..NUMBER_END).contains(&sequence), "a chunk's sequence is out of range")?;
        require(epoch < NUMBER_END, "a chunk's epoch is out of range")?;
        let payload = bytes.get(usize::from(head.header_bytes)..).unwrap_or(&[]);
        let has = |flag: u8| head.flags & flag != 0;
        let (is_first, is_last, is_epoch_mark) = (has(FIRST), has(LAST), has(EPOCH));
        require(!is_epoch_mark || (is_first && is_last), "an epoch mark is not a group of its own")?;
        require(is_epoch_mark == payload.is_empty(), "an epoch mark holds bytes, or another chunk none")?;
        require((units > 0) == (is_last && !is_epoch_mark), "units are counted in the last chunk of a group")?;
        Ok(Chunk {
            log_id,
            epoch,
            sequence,
            previous,
            base_ms,
            units,
            is_first,
            is_last,
            is_epoch_mark,
            checksum,
            payload,
        })
    }

    fn encode(&self) -> Result<EncodedChunk, EncodeFault> {
        if !(1..NUMBER_END).contains(&self.sequence) || self.epoch >= NUMBER_END {
            return Err(EncodeFault::OutOfRange);
        }
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let flags = flag(self.is_first, FIRST) | flag(self.is_last, LAST) | flag(self.is_epoch_mark, EPOCH);
        let payload_bytes = u32::try_from(self.payload.len()).map_err(|_| EncodeFault::OutOfRange)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(CHUNK_HEADER_BYTES + self.payload.len()).map_err(OutOfMemory::from)?;
        Head { magic: MAGIC, major: MAJOR, flags, header_bytes: CHUNK_HEADER_BYTES as u16 }.put(&mut bytes);
        for number in [self.log_id, self.epoch, self.sequence, self.previous, self.base_ms] {
            put_u64(&mut bytes, number);
        }
        put_u32(&mut bytes, payload_bytes);
        put_u32(&mut bytes, self.units);
        debug_assert_eq!(bytes.len(), CHECKSUM_AT);
        let checksum = checksum_of_two(&bytes, self.payload);
        put_u64(&mut bytes, checksum);
        bytes.extend_from_slice(self.payload);
        Ok(EncodedChunk { sequence: self.sequence, checksum, bytes })
    }
}

fn computed_checksum(bytes: &[u8]) -> u64 {
    let front = bytes.get(..CHECKSUM_AT).unwrap_or(&[]);
    let back = bytes.get(CHUNK_HEADER_BYTES..).unwrap_or(&[]);
    checksum_of_two(front, back)
}

/// A chunk as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EncodedChunk {
    /// Its place in the log, which is its key in a store.
    pub sequence: u64,
    /// Its checksum.
    pub checksum: u64,
    /// All its bytes.
    pub bytes: Vec<u8>,
}

/// Where a log ends: what the next chunk is made from, or has to agree with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tail {
    /// The log.
    pub log_id: u64,
    /// The epoch of the last chunk, or of the manifest.
    pub epoch: u64,
    /// The sequence of the last chunk; 0 if there never was one.
    pub sequence: u64,
    /// The checksum of the last chunk; 0 if there never was one.
    pub checksum: u64,
}

impl Tail {
    /// The tail of a log without any chunk.
    pub fn new(log_id: u64) -> Tail {
        Tail { log_id, ..Tail::default() }
    }

    /// The sequence of the next chunk.
    pub fn next_sequence(&self) -> u64 {
        self.sequence.saturating_add(1)
    }

    /// Appends a group to `out`: `journal` in chunks of at most `chunk_bytes_max` bytes each, header included. The
    /// journal bytes are whole runs with `units` units in them; without bytes there is no group. After a fault nothing
    /// is appended and the tail is as it was.
    pub fn append_group(
        &mut self,
        journal: &[u8],
        units: u32,
        base_ms: u64,
        chunk_bytes_max: usize,
        out: &mut Vec<EncodedChunk>,
    ) -> Result<(), EncodeFault> {
        if journal.is_empty() != (units == 0) {
            return Err(EncodeFault::OutOfRange);
        }
        let payload_bytes_max = chunk_bytes_max.min(CHUNK_BYTES_LIMIT).saturating_sub(CHUNK_HEADER_BYTES).max(1);
        let count = journal.len().div_ceil(payload_bytes_max);
        let mut chunks = journal.chunks(payload_bytes_max).enumerate().map(|(index, payload)| {
            let is_last = index + 1 == count;
            let units = if is_last { units } else { 0 };
            Chunk { is_first: index == 0, is_last, units, base_ms, payload, ..Chunk::EMPTY }
        });
        self.append(&mut chunks, out)
    }

    /// Appends an epoch mark to `out`: the first chunk of an owner that has taken over with `epoch`.
    pub fn append_epoch_mark(
        &mut self,
        epoch: u64,
        base_ms: u64,
        out: &mut Vec<EncodedChunk>,
    ) -> Result<(), EncodeFault> {
        if epoch < self.epoch {
            return Err(EncodeFault::OutOfRange);
        }
        let mark = Chunk { is_first: true, is_last: true, is_epoch_mark: true, base_ms, ..Chunk::EMPTY };
        let mut tail = Tail { epoch, ..*self };
        tail.append(&mut core::iter::once(mark), out)?;
        *self = tail;
        Ok(())
    }

    /// Appends chunks, each made to follow the one before.
    fn append<'a>(
        &mut self,
        chunks: &mut dyn Iterator<Item = Chunk<'a>>,
        out: &mut Vec<EncodedChunk>,
    ) -> Result<(), EncodeFault> {
        let before = out.len();
        let mut tail = *self;
        for chunk in chunks {
            let Tail { log_id, epoch, checksum: previous, .. } = tail;
            let chunk = Chunk { log_id, epoch, sequence: tail.next_sequence(), previous, ..chunk };
            let appended = chunk.encode().and_then(|encoded| {
                tail = Tail { sequence: encoded.sequence, checksum: encoded.checksum, ..tail };
                Ok(try_push(out, encoded)?)
            });
            if let Err(fault) = appended {
                out.truncate(before);
                return Err(fault);
            }
        }
        *self = tail;
        Ok(())
    }
}

impl Chunk<'_> {
    const EMPTY: Chunk<'static> = Chunk {
        log_id: 0,
        epoch: 0,
        sequence: 0,
        previous: 0,
        base_ms: 0,
        units: 0,
        is_first: false,
        is_last: false,
        is_epoch_mark: false,
        checksum: 0,
        payload: &[],
    };
}

/// What is wrong with a chunk, looked at in its place in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChunkFault {
    /// It cannot be decoded.
    Undecodable(DecodeFault),
    /// It is whole, and belongs to another log.
    WrongLog {
        /// The log that is read.
        expected: u64,
        /// The log it belongs to.
        found: u64,
    },
    /// It is whole, and another one should stand here: chunks are missing, doubled or out of order.
    Gap {
        /// The sequence that should stand here.
        expected: u64,
        /// The sequence it has.
        found: u64,
    },
    /// It was not written after the chunk before it, but after another one with the same sequence.
    BrokenChain {
        /// The checksum of the chunk before it.
        expected: u64,
        /// The checksum of the chunk that it was written after.
        found: u64,
    },
    /// Its owner had been superseded when it was written.
    EpochWentBack {
        /// The epoch of the chunk before it.
        expected: u64,
        /// Its epoch.
        found: u64,
    },
    /// It stands where a chunk with its flags cannot stand.
    BadFlags(&'static str),
    /// The memory to join it with the rest of its group is not there.
    OutOfMemory,
}

impl fmt::Display for ChunkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ChunkFault::Undecodable(fault) => fault.fmt(f),
            ChunkFault::WrongLog { expected, found } => {
                write!(f, "it belongs to log {found:016x}, and this is log {expected:016x}")
            }
            ChunkFault::Gap { expected, found } => write!(f, "chunk {found} stands where chunk {expected} should"),
            ChunkFault::BrokenChain { expected, found } => {
                write!(f, "it follows a chunk with checksum {found:016x}, and the one before it has {expected:016x}")
            }
            ChunkFault::EpochWentBack { expected, found } => {
                write!(f, "it is of epoch {found}, after a chunk of epoch {expected}")
            }
            ChunkFault::BadFlags(what) => f.write_str(what),
            ChunkFault::OutOfMemory => f.write_str("there is no memory to join its group"),
        }
    }
}

impl core::error::Error for ChunkFault {}

impl From<DecodeFault> for ChunkFault {
    fn from(fault: DecodeFault) -> Self {
        ChunkFault::Undecodable(fault)
    }
}

/// What is wrong with a log, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogFault {
    /// The sequence of the chunk that should have stood here.
    pub sequence: u64,
    /// What is wrong with what stands here.
    pub fault: ChunkFault,
}

impl fmt::Display for LogFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chunk {} of the log: {}", self.sequence, self.fault)
    }
}

impl core::error::Error for LogFault {}

/// A whole group, read back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkGroup<'a> {
    /// The sequence of its first chunk.
    pub first_sequence: u64,
    /// The sequence of its last chunk.
    pub last_sequence: u64,
    /// The epoch of its owner.
    pub epoch: u64,
    /// Its owner's clock when it was gathered.
    pub base_ms: u64,
    /// How many units its journal bytes have to hold.
    pub units: u32,
    /// Whether it says nothing but that an owner has taken over.
    pub is_epoch_mark: bool,
    /// Whole runs of the journal.
    pub journal: &'a [u8],
}

/// Joins chunks to groups, in the order of their sequences, and refuses what does not belong there.
pub struct ChunkAssembler {
    /// The last chunk taken.
    tail: Tail,
    /// The last chunk of the last whole group.
    whole: Tail,
    /// The payloads of the group that is not whole yet.
    journal: Vec<u8>,
}

impl ChunkAssembler {
    /// An assembler for what follows `tail`.
    pub fn new(tail: Tail) -> ChunkAssembler {
        ChunkAssembler { tail, whole: tail, journal: Vec::new() }
    }

    /// Takes the next chunk, and yields the group that ends with it. A refused chunk changes nothing.
    pub fn push<'a>(&'a mut self, bytes: &'a [u8]) -> Result<Option<ChunkGroup<'a>>, LogFault> {
        let sequence = self.tail.next_sequence();
        let chunk = self.follow(bytes).map_err(|fault| LogFault { sequence, fault })?;
        if chunk.is_first {
            self.journal.clear();
        }
        // A group of one chunk is not copied: most of them are.
        let is_alone = chunk.is_first && chunk.is_last;
        if !is_alone {
            let reserved = self.journal.try_reserve(chunk.payload.len());
            reserved.map_err(|_| LogFault { sequence, fault: ChunkFault::OutOfMemory })?;
            self.journal.extend_from_slice(chunk.payload);
        }
        self.tail = Tail { epoch: chunk.epoch, sequence, checksum: chunk.checksum, ..self.tail };
        if !chunk.is_last {
            return Ok(None);
        }
        let first_sequence = self.whole.next_sequence();
        self.whole = self.tail;
        Ok(Some(ChunkGroup {
            first_sequence,
            last_sequence: sequence,
            epoch: chunk.epoch,
            base_ms: chunk.base_ms,
            units: chunk.units,
            is_epoch_mark: chunk.is_epoch_mark,
            journal: if is_alone { chunk.payload } else { &self.journal },
        }))
    }

    /// Where the chunks end that were taken.
    pub fn tail(&self) -> Tail {
        self.tail
    }

    /// Where the whole groups end: before the chunks of a group whose last chunk has not come.
    pub fn whole_tail(&self) -> Tail {
        self.whole
    }

    /// Whether chunks were taken of a group whose last chunk has not come.
    pub fn is_group_open(&self) -> bool {
        self.tail.sequence != self.whole.sequence
    }

    /// The chunk in `bytes`, if it follows the last one.
    fn follow<'a>(&self, bytes: &'a [u8]) -> Result<Chunk<'a>, ChunkFault> {
        let chunk = Chunk::decode(bytes)?;
        let Tail { log_id, epoch, checksum, .. } = self.tail;
        if chunk.log_id != log_id {
            return Err(ChunkFault::WrongLog { expected: log_id, found: chunk.log_id });
        }
        let expected = self.tail.next_sequence();
        if chunk.sequence != expected {
            return Err(ChunkFault::Gap { expected, found: chunk.sequence });
        }
        if !checksums_match(chunk.previous, checksum) {
            return Err(ChunkFault::BrokenChain { expected: checksum, found: chunk.previous });
        }
        if chunk.epoch < epoch {
            return Err(ChunkFault::EpochWentBack { expected: epoch, found: chunk.epoch });
        }
        match (self.is_group_open(), chunk.is_first) {
            (true, true) => Err(ChunkFault::BadFlags("it begins a group inside another")),
            (false, false) => Err(ChunkFault::BadFlags("it goes on with a group that was not begun")),
            (true, false) if chunk.epoch != epoch => Err(ChunkFault::BadFlags("the epoch changes inside a group")),
            _ => Ok(chunk),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use std::vec;

    const TAIL: Tail = Tail { log_id: 0xab, epoch: 5, sequence: 10, checksum: 99 };

    fn journal(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 7) as u8).collect()
    }

    /// A group of `len` journal bytes after `tail`, at most `payload` of them in a chunk.
    fn group(tail: &mut Tail, len: usize, payload: usize) -> Vec<EncodedChunk> {
        let mut chunks = Vec::new();
        tail.append_group(&journal(len), 3, 77, CHUNK_HEADER_BYTES + payload, &mut chunks).unwrap();
        chunks
    }

    /// A chunk that follows `TAIL` as a group of its own.
    fn next() -> Chunk<'static> {
        let Tail { log_id, epoch, checksum: previous, .. } = TAIL;
        let alone = Chunk { is_first: true, is_last: true, units: 1, payload: b"x", ..Chunk::EMPTY };
        Chunk { log_id, epoch, previous, sequence: 11, ..alone }
    }

    fn encoded(chunk: Chunk<'_>) -> Vec<u8> {
        chunk.encode().unwrap().bytes
    }

    /// Repairs the checksum, so that what else is wrong has to be found.
    fn reseal(bytes: &mut [u8]) {
        let checksum = computed_checksum(bytes).to_le_bytes();
        bytes[CHECKSUM_AT..CHUNK_HEADER_BYTES].copy_from_slice(&checksum);
    }

    #[test]
    fn groups_round_trip_at_every_size_of_chunk() {
        for len in 1..40 {
            for payload in 1..=len + 1 {
                let mut tail = TAIL;
                let chunks = group(&mut tail, len, payload);
                assert_eq!(chunks.len(), len.div_ceil(payload));
                let mut assembler = ChunkAssembler::new(TAIL);
                let (last, others) = chunks.split_last().unwrap();
                for (place, chunk) in others.iter().enumerate() {
                    assert_eq!(chunk.bytes.len(), CHUNK_HEADER_BYTES + payload);
                    assert_eq!(chunk.sequence, 11 + place as u64);
                    assert_eq!(assembler.push(&chunk.bytes), Ok(None));
                    assert!(assembler.is_group_open() && assembler.whole_tail() == TAIL);
                }
                let whole = assembler.push(&last.bytes).unwrap().unwrap();
                let expected = ChunkGroup {
                    first_sequence: 11,
                    last_sequence: 10 + chunks.len() as u64,
                    epoch: 5,
                    base_ms: 77,
                    units: 3,
                    is_epoch_mark: false,
                    journal: &journal(len),
                };
                assert_eq!(whole, expected);
                assert!(!assembler.is_group_open());
                assert_eq!((assembler.tail(), assembler.whole_tail()), (tail, tail));
            }
        }
    }

    #[test]
    fn groups_follow_each_other_under_rising_epochs() {
        let mut tail = Tail::new(0xab);
        let mut chunks = Vec::new();
        tail.append_epoch_mark(5, 1, &mut chunks).unwrap();
        chunks.extend(group(&mut tail, 9, 4));
        tail.append_epoch_mark(6, 2, &mut chunks).unwrap();
        chunks.extend(group(&mut tail, 4, 4));
        let mut assembler = ChunkAssembler::new(Tail::new(0xab));
        let mut seen = Vec::new();
        for chunk in &chunks {
            if let Some(group) = assembler.push(&chunk.bytes).unwrap() {
                let sequences = (group.first_sequence, group.last_sequence);
                seen.push((sequences, group.epoch, group.is_epoch_mark, group.journal.to_vec()));
            }
        }
        let expected = [
            ((1, 1), 5, true, vec![]),
            ((2, 4), 5, false, journal(9)),
            ((5, 5), 6, true, vec![]),
            ((6, 6), 6, false, journal(4)),
        ];
        assert_eq!(seen, expected);
        assert_eq!(tail.append_epoch_mark(5, 3, &mut chunks), Err(EncodeFault::OutOfRange));
    }

    #[test]
    fn a_limit_below_the_header_still_makes_progress() {
        let mut chunks = Vec::new();
        TAIL.clone().append_group(b"abc", 1, 0, 0, &mut chunks).unwrap();
        assert_eq!(chunks.len(), 3);
    }

    #[test]
    fn what_cannot_be_appended_changes_nothing() {
        let near_the_end = Tail { sequence: NUMBER_END - 3, ..TAIL };
        let (mut tail, mut chunks) = (near_the_end, group(&mut TAIL.clone(), 1, 1));
        assert_eq!(tail.append_group(b"abc", 1, 0, 65, &mut chunks), Err(EncodeFault::OutOfRange));
        assert_eq!(tail.append_group(b"", 1, 0, 65, &mut chunks), Err(EncodeFault::OutOfRange));
        assert_eq!(tail.append_group(b"abc", 0, 0, 65, &mut chunks), Err(EncodeFault::OutOfRange));
        assert_eq!(tail.append_epoch_mark(NUMBER_END, 0, &mut chunks), Err(EncodeFault::OutOfRange));
        assert_eq!(tail.append_group(b"", 0, 0, 65, &mut chunks), Ok(()));
        assert_eq!((tail, chunks.len()), (near_the_end, 1));
        assert_eq!(tail.append_group(b"ab", 1, 0, 65, &mut chunks), Ok(()));
    }

    #[test]
    fn chunks_with_right_checksums_in_wrong_places_are_refused() {
        let wrong = [
            (Chunk { log_id: 0xac, ..next() }, ChunkFault::WrongLog { expected: 0xab, found: 0xac }),
            (Chunk { sequence: 10, ..next() }, ChunkFault::Gap { expected: 11, found: 10 }),
            (Chunk { sequence: 12, ..next() }, ChunkFault::Gap { expected: 11, found: 12 }),
            (Chunk { previous: 98, ..next() }, ChunkFault::BrokenChain { expected: 99, found: 98 }),
            (Chunk { epoch: 4, ..next() }, ChunkFault::EpochWentBack { expected: 5, found: 4 }),
            (Chunk { is_first: false, ..next() }, ChunkFault::BadFlags("it goes on with a group that was not begun")),
        ];
        let mut assembler = ChunkAssembler::new(TAIL);
        for (chunk, fault) in wrong {
            assert_eq!(assembler.push(&encoded(chunk)), Err(LogFault { sequence: 11, fault }));
            assert_eq!((assembler.tail(), assembler.whole_tail()), (TAIL, TAIL));
        }
        assert!(assembler.push(&encoded(next())).unwrap().is_some());
    }

    #[test]
    fn nothing_comes_between_the_chunks_of_a_group() {
        let chunks = group(&mut TAIL.clone(), 3, 1);
        let mut assembler = ChunkAssembler::new(TAIL);
        assert_eq!(assembler.push(&chunks[0].bytes), Ok(None));
        let inside = Chunk { sequence: 12, previous: chunks[0].checksum, ..next() };
        let mark = Chunk { is_epoch_mark: true, units: 0, payload: b"", epoch: 6, ..inside };
        for (chunk, fault) in [
            (inside, "it begins a group inside another"),
            (mark, "it begins a group inside another"),
            (Chunk { is_first: false, epoch: 6, ..inside }, "the epoch changes inside a group"),
        ] {
            let fault = ChunkFault::BadFlags(fault);
            assert_eq!(assembler.push(&encoded(chunk)), Err(LogFault { sequence: 12, fault }));
        }
        assert_eq!(assembler.push(&chunks[1].bytes), Ok(None));
        assert_eq!(assembler.push(&chunks[2].bytes).unwrap().unwrap().journal, journal(3));
    }

    #[test]
    fn a_right_checksum_is_not_enough() {
        let mark = Chunk { is_epoch_mark: true, units: 0, payload: b"", ..next() };
        let cases = [
            (Chunk { units: 0, ..next() }, "units are counted in the last chunk of a group"),
            (Chunk { is_last: false, ..next() }, "units are counted in the last chunk of a group"),
            (Chunk { units: 1, ..mark }, "units are counted in the last chunk of a group"),
            (Chunk { is_first: false, ..mark }, "an epoch mark is not a group of its own"),
            (Chunk { is_last: false, ..mark }, "an epoch mark is not a group of its own"),
            (Chunk { payload: b"x", ..mark }, "an epoch mark holds bytes, or another chunk none"),
            (Chunk { payload: b"", ..next() }, "an epoch mark holds bytes, or another chunk none"),
        ];
        for (chunk, fault) in cases {
            assert_eq!(Chunk::decode(&encoded(chunk)), Err(DecodeFault::Malformed(fault)), "{chunk:?}");
        }
        assert!(Chunk::decode(&encoded(mark)).is_ok());
    }

    /// What decoding says once the bytes at a place are others and the checksum is right.
    fn planted(at: usize, bytes: &[u8]) -> Result<Chunk<'static>, DecodeFault> {
        let mut chunk = encoded(next());
        chunk[at..at + bytes.len()].copy_from_slice(bytes);
        reseal(&mut chunk);
        Chunk::decode(chunk.leak())
    }

    #[test]
    fn numbers_out_of_range_are_malformed() {
        let malformed = |what| Err(DecodeFault::Malformed(what));
        assert_eq!(planted(4, &[0]), malformed("version 0"));
        assert_eq!(planted(24, &[0; 8]), malformed("a chunk's sequence is out of range"));
        assert_eq!(planted(24, &NUMBER_END.to_le_bytes()), malformed("a chunk's sequence is out of range"));
        assert_eq!(planted(16, &NUMBER_END.to_le_bytes()), malformed("a chunk's epoch is out of range"));
        assert_eq!(planted(48, &[255; 4]), Err(DecodeFault::Torn { has: 65, needs: 64 + (1 << 32) - 1 }));
        assert_eq!(planted(48, &[0]), Err(DecodeFault::Excess { has: 65, needs: 64 }));
        let mut short_header = encoded(next());
        (short_header[6], short_header[48]) = (63, 2);
        reseal(&mut short_header);
        assert_eq!(Chunk::decode(&short_header), malformed("a chunk's header is too short"));
    }

    #[test]
    fn what_is_newer_is_told_from_what_is_damaged() {
        assert_eq!(planted(4, &[2]), Err(DecodeFault::TooNew { major: 2, flags: FIRST | LAST }));
        assert_eq!(planted(5, &[0x13]), Err(DecodeFault::TooNew { major: 1, flags: 0x13 }));
        assert_eq!(planted(5, &[0x0b]).map(|chunk| chunk.payload), Ok(&b"x"[..]));
        let mut damaged = encoded(next());
        damaged[4] = 2;
        assert!(matches!(Chunk::decode(&damaged), Err(DecodeFault::BadChecksum { .. })));
    }

    #[test]
    fn a_longer_header_is_skipped() {
        let mut bytes = encoded(next());
        bytes[6] = 72;
        bytes.splice(64..64, [9; 8]);
        reseal(&mut bytes);
        assert_eq!(Chunk::decode(&bytes).map(|chunk| chunk.payload), Ok(&b"x"[..]));
    }

    #[test]
    fn faults_say_what_and_where() {
        let fault = ChunkAssembler::new(TAIL).push(&[0; 7]).unwrap_err();
        assert_eq!(fault.to_string(), "chunk 11 of the log: its first four bytes are not those of such a value");
        let fault = ChunkAssembler::new(TAIL).push(b"BRK1").unwrap_err();
        assert_eq!(fault.to_string(), "chunk 11 of the log: torn: 4 bytes of at least 6");
        let gap = Chunk { sequence: 14, ..next() };
        let fault = ChunkAssembler::new(TAIL).push(&encoded(gap)).unwrap_err();
        assert_eq!(fault.to_string(), "chunk 11 of the log: chunk 14 stands where chunk 11 should");
    }
}
