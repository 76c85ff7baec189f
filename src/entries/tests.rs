//! The log against a model of it, and against what a Redis server answered.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use super::trim::Removal;
use super::*;
use crate::id::EntryId;
use naive_entries::{Fields, Id, Keep, NaiveEntries};

#[path = "../../tests/support/naive_entries.rs"]
mod naive_entries;

const USUAL: NodeLimits = NodeLimits { bytes_max: 4096, entries_max: 100 };
const UNLIMITED: NodeLimits = NodeLimits { bytes_max: 0, entries_max: 0 };

/// Appends as XADD does: decide, reserve, apply.
#[track_caller]
fn add(log: &mut Entries, id: Id, fields: &[(&[u8], &[u8])], limits: NodeLimits) {
    let fields: Vec<&[u8]> = fields.iter().flat_map(|&(name, value)| [name, value]).collect();
    let opens_node = log.opens_node(&fields, limits);
    log.reserve(&fields, opens_node).unwrap();
    let memory = log.memory();
    log.append(EntryId::new(id.0, id.1), &fields, opens_node);
    assert!(log.memory() <= memory, "appending allocated");
}

fn naive_id(id: EntryId) -> Id {
    (id.ms(), id.seq())
}

fn entry_id(id: Id) -> EntryId {
    EntryId::new(id.0, id.1)
}

fn fields_of(entry: Entry<'_>) -> Fields {
    let mut texts = Vec::new();
    entry.for_each_text(&mut |text| texts.push(text.to_vec()));
    let (pairs, rest) = texts.as_chunks();
    assert_eq!((pairs.len(), rest.len()), (entry.field_count(), 0));
    pairs.iter().cloned().map(|[name, value]| (name, value)).collect()
}

fn ids(log: &Entries) -> Vec<Id> {
    log.range(EntryId::MIN, EntryId::MAX).map(|entry| naive_id(entry.id())).collect()
}

/// A log with one-field entries 1-0, 2-0 ... of which `deleted` are removed again.
#[track_caller]
fn log_of(count: u64, limits: NodeLimits, deleted: &[u64]) -> Entries {
    let mut log = Entries::new();
    for ms in 1..=count {
        add(&mut log, (ms, 0), &[(b"f", b"v")], limits);
    }
    for &ms in deleted {
        assert!(log.remove(EntryId::new(ms, 0)));
    }
    log.validate().unwrap();
    log
}

fn max_len(length: u64, approximate: bool, limit: Option<u64>) -> Trim {
    Trim { threshold: Threshold::MaxLen(length), approximate, limit }
}

fn min_id(ms: u64, approximate: bool) -> Trim {
    Trim { threshold: Threshold::MinId(EntryId::new(ms, 0)), approximate, limit: None }
}

/// A pseudo-random sequence: the same for the same seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// The log and the model of it, driven by the same operations.
struct Pair {
    log: Entries,
    model: NaiveEntries,
    limits: NodeLimits,
    random: Random,
    last: Id,
}

impl Pair {
    fn new(seed: u64, limits: NodeLimits) -> Self {
        let (log, model) = (Entries::new(), NaiveEntries::default());
        Pair { log, model, limits, random: Random(seed), last: (0, 0) }
    }

    fn append(&mut self) {
        let fields = self.random_fields();
        self.last = self.random_next_id();
        let NodeLimits { bytes_max, entries_max } = self.limits;
        let opens_node = self.model.opens_node(&fields, bytes_max, entries_max);
        let flat: Vec<&[u8]> = fields.iter().flat_map(|(name, value)| [&name[..], &value[..]]).collect();
        assert_eq!(self.log.opens_node(&flat, self.limits), opens_node);
        if self.random.chance(5) {
            // A command that gave up after reserving.
            self.log.reserve(&flat, !opens_node).unwrap();
            self.log.validate().unwrap();
        }
        self.log.reserve(&flat, opens_node).unwrap();
        let memory = self.log.memory();
        self.log.append(entry_id(self.last), &flat, opens_node);
        assert!(self.log.memory() <= memory, "appending allocated");
        self.model.append(self.last, fields, opens_node);
    }

    fn random_next_id(&mut self) -> Id {
        let (ms, seq) = self.last;
        match self.random.below(8) {
            0..3 => (ms, seq + 1),
            3..6 => (ms + 1 + self.random.below(300) as u64, 0),
            6 => (ms, seq + 2 + self.random.below(1000) as u64),
            _ => (ms + 1 + (self.random.below(1 << 20) as u64) * 5000, self.random.below(100_000) as u64),
        }
    }

    fn random_fields(&mut self) -> Fields {
        let count = if self.random.chance(2) { 60 } else { 1 + self.random.below(5) };
        let sets = if self.random.chance(70) { 3 } else { 40 };
        let set = self.random.below(sets);
        (0..count).map(|index| (self.random_name(set, index), self.random_value())).collect()
    }

    fn random_name(&mut self, set: usize, index: usize) -> Vec<u8> {
        match (set % 7, index) {
            (5, 0) => Vec::new(),
            (6, _) => format!("{}", set * 1000).into_bytes(),
            _ if self.random.chance(1) => b"surprise".to_vec(),
            _ => format!("name-{set}-{index}").into_bytes(),
        }
    }

    fn random_value(&mut self) -> Vec<u8> {
        match self.random.below(10) {
            0 => Vec::new(),
            1..4 => format!("{}", self.random.below(1000) as i64 - 100).into_bytes(),
            4 => format!("{}", (self.random.below(1 << 30) as i64) << self.random.below(33)).into_bytes(),
            5 => b"007".to_vec(),
            6 | 7 => format!("a value that comes again {}", self.random.below(5)).into_bytes(),
            8 => vec![b'x'; self.random.below(200)],
            _ if self.random.chance(5) => vec![b'y'; self.random.below(20_000)],
            _ => vec![self.random.below(256) as u8; self.random.below(8)],
        }
    }

    fn random_id(&mut self) -> Id {
        let ids = self.model.live_ids();
        match self.random.below(10) {
            0 => (0, 0),
            1 => (u64::MAX, u64::MAX),
            2 => (self.random.below(1 + self.last.0 as usize) as u64, self.random.below(3) as u64),
            _ if ids.is_empty() => self.last,
            3 => ids[0],
            4 => ids[ids.len() - 1],
            _ => ids[self.random.below(ids.len())],
        }
    }

    fn remove(&mut self) {
        let (mut from, mut to) = (self.random_id(), self.random_id());
        let ids = self.model.live_ids();
        if self.random.chance(95) && !ids.is_empty() {
            // A short run: most often one entry, now and then a few nodes.
            let first = self.random.below(ids.len());
            let length = if self.random.chance(90) { 1 } else { 1 + self.random.below(30) };
            (from, to) = (ids[first], ids[(first + length).min(ids.len()) - 1]);
        }
        let report = self.random.chance(50);
        self.remove_range(from, to, report);
    }

    fn remove_range(&mut self, from: Id, to: Id, report: bool) {
        let expected = self.model.remove_range(from, to);
        let mut removed = Vec::new();
        let mut push = |id| removed.push(naive_id(id));
        let listener: Option<&mut dyn FnMut(EntryId)> = if report { Some(&mut push) } else { None };
        let count = self.log.remove_range(entry_id(from), entry_id(to), listener);
        assert_eq!(count, expected.len() as u64);
        assert!(!report || removed == expected);
    }

    /// The last ID is lowered to that of the last live entry, or to one before the tombstones behind it.
    fn cut(&mut self) {
        let Some(&(ms, seq)) = self.model.live_ids().last() else { return };
        self.last = (ms, seq + self.random.below(3) as u64);
        self.log.cut_behind(entry_id(self.last)).unwrap();
        self.model.cut_behind(self.last);
    }

    fn trim(&mut self) {
        let live = self.model.live_ids().len();
        let keep = if self.random.chance(50) {
            let fewer = self.random.below(live / 8 + 2);
            Keep::Newest((live + 1).saturating_sub(fewer) as u64)
        } else {
            let ids = self.model.live_ids();
            let oldest = self.random.below(live / 8 + 1);
            Keep::From(if self.random.chance(95) && !ids.is_empty() { ids[oldest] } else { self.random_id() })
        };
        let approximate = self.random.chance(60);
        let limit = (approximate && self.random.chance(30)).then(|| self.random.below(live + 3) as u64);
        let threshold = match keep {
            Keep::Newest(length) => Threshold::MaxLen(length),
            Keep::From(id) => Threshold::MinId(entry_id(id)),
        };
        let trim = Trim { threshold, approximate, limit };
        if self.random.chance(50) {
            self.trim_all(&trim, keep);
        } else {
            self.trim_each(&trim, keep);
        }
    }

    fn trim_all(&mut self, trim: &Trim, keep: Keep) {
        let expected = self.model.trimmed(keep, trim.approximate, trim.limit);
        let removal = self.log.plan_trim(trim);
        assert_eq!(removal.count, expected.len() as u64, "{trim:?}");
        assert_eq!(removal.through.is_some(), removal.count > 0);
        if let Some(through) = removal.through {
            let model = &mut self.model;
            assert_eq!(model.remove_range((0, 0), naive_id(through)), expected);
            assert_eq!(self.log.remove_range(EntryId::MIN, through, None), removal.count);
        }
    }

    fn trim_each(&mut self, trim: &Trim, keep: Keep) {
        let divisor = 1 + self.random.below(4) as u64;
        let removable = |(ms, seq): Id| (ms + seq).is_multiple_of(divisor);
        let expected = self.model.trimmed_each(keep, trim.approximate, trim.limit, removable);
        let mut ranges = Vec::new();
        let planned = self.log.plan_trim_each(trim, &mut |id| removable(naive_id(id)), &mut |first, last| {
            ranges.push((naive_id(first), naive_id(last)));
            Ok(())
        });
        assert_eq!(planned, Ok(expected.len() as u64), "{trim:?}");
        let live = self.model.live_ids();
        for pair in ranges.windows(2) {
            assert!(live.iter().any(|&id| pair[0].1 < id && id < pair[1].0), "neighbours were not joined");
        }
        let mut removed = Vec::new();
        for (first, last) in ranges {
            removed.extend(self.model.remove_range(first, last));
            self.log.remove_range(entry_id(first), entry_id(last), None);
        }
        assert_eq!(removed, expected);
    }

    /// Compares everything that can be asked for.
    #[track_caller]
    fn compare(&mut self) {
        self.log.validate().unwrap();
        let live = self.model.live_ids();
        assert_eq!(self.log.len(), live.len() as u64);
        assert_eq!(self.log.nodes(), self.model.nodes() as u64);
        assert_eq!(self.log.first_id().map(naive_id), live.first().copied());
        assert_eq!(self.log.last_id().map(naive_id), live.last().copied());

        let (from, to) = (self.random_id(), self.random_id());
        let expected: Vec<Id> = live.iter().copied().filter(|&id| from <= id && id <= to).collect();
        let forward = self.log.range(entry_id(from), entry_id(to));
        assert!(forward.map(|entry| naive_id(entry.id())).eq(expected.iter().copied()), "{from:?} to {to:?}");
        let backward = self.log.range_back(entry_id(from), entry_id(to));
        assert!(
            backward.map(|entry| naive_id(entry.id())).eq(expected.iter().rev().copied()),
            "{to:?} back to {from:?}"
        );
        assert_eq!(self.log.contains(entry_id(from)), live.contains(&from));
    }

    #[track_caller]
    fn compare_fields(&self) {
        let live = self.model.live();
        let forward: Vec<_> = self.log.range(EntryId::MIN, EntryId::MAX).collect();
        assert_eq!(forward.len(), live.len());
        for (entry, (id, fields)) in forward.into_iter().zip(&live) {
            assert_eq!((naive_id(entry.id()), &fields_of(entry)), (*id, fields));
        }
        for (entry, (id, fields)) in self.log.range_back(EntryId::MIN, EntryId::MAX).zip(live.iter().rev()) {
            assert_eq!((naive_id(entry.id()), &fields_of(entry)), (*id, fields));
        }
    }
}

#[test]
fn random_operations_agree_with_the_model() {
    let limits = [
        USUAL,
        NodeLimits { bytes_max: 500, entries_max: 10 },
        NodeLimits { bytes_max: 20_000, entries_max: 1000 },
        UNLIMITED,
        NodeLimits { bytes_max: 1, entries_max: 0 },
        NodeLimits { bytes_max: 0, entries_max: 1 },
        NodeLimits { bytes_max: u64::MAX, entries_max: u64::MAX },
    ];
    for seed in 0..42 {
        let mut pair = Pair::new(seed, limits[seed as usize % limits.len()]);
        for step in 0..400 {
            match pair.random.below(100) {
                // Growth first, then a stream that shrinks about as fast as it grows.
                0..70 => pair.append(),
                _ if step < 100 => pair.append(),
                70..93 => pair.remove(),
                93..95 => pair.cut(),
                _ => pair.trim(),
            }
            pair.compare();
        }
        pair.compare_fields();
        pair.remove_range((0, 0), (u64::MAX, u64::MAX), seed.is_multiple_of(2));
        pair.compare();
    }
}

#[test]
fn nodes_begin_where_redis_begins_them() {
    // The number of nodes that a Redis server reported, for entries 1-0, 2-0 ... of equal names and values.
    for (names, value_bytes, entries, nodes) in [
        (1, 2, 1000, 10),
        (4, 2, 1000, 10),
        (1, 100, 1000, 28),
        (1, 1024, 100, 34),
        (1, 5000, 10, 10),
        (10, 30, 200, 17),
        (1, 2020, 50, 25),
        (1, 4040, 50, 50),
        (1, 4080, 10, 10),
    ] {
        let mut log = Entries::new();
        let value = vec![b'v'; value_bytes];
        let names: Vec<_> = (0..names).map(|index| format!("name{index}")).collect();
        let fields: Vec<(&[u8], &[u8])> = names.iter().map(|name| (name.as_bytes(), &value[..])).collect();
        for ms in 1..=entries {
            add(&mut log, (ms, 0), &fields, USUAL);
        }
        log.validate().unwrap();
        assert_eq!(log.nodes(), nodes, "{} values of {value_bytes} bytes", names.len());
    }
}

#[test]
fn extreme_entries_come_back() {
    let mut log = Entries::new();
    let many: Vec<Vec<u8>> = (0..20_000).map(|index| format!("{:04}", index % 3000).into_bytes()).collect();
    let many: Vec<(&[u8], &[u8])> = many.chunks(2).map(|pair| (&pair[0][..], &pair[1][..])).collect();
    let large = vec![7; 1 << 20];
    let entries: [&[(&[u8], &[u8])]; 7] = [
        &[(b"", b"")],
        &many,
        &[(b"", b""), (b"", b""), (b"7", b"-0")],
        &[(&large, &large)],
        &[(b"twice", b"twice"), (b"twice", b"twice")],
        &many,
        &[(b"", b"")],
    ];
    for limits in [USUAL, UNLIMITED] {
        log = Entries::new();
        for (ms, fields) in (1..).zip(entries) {
            add(&mut log, (ms, 0), fields, limits);
            log.validate().unwrap();
        }
        for (entry, fields) in log.range(EntryId::MIN, EntryId::MAX).zip(entries) {
            let read = fields_of(entry);
            assert!(read.iter().map(|(name, value)| (&name[..], &value[..])).eq(fields.iter().copied()));
        }
    }
    assert_eq!((log.nodes(), log.blocks().count()), (1, 7));
    log.remove_range(EntryId::MIN, EntryId::MAX, None);
    assert_eq!(log.memory(), 0);
}

#[test]
fn a_node_that_became_the_last_again_takes_entries() {
    let fill = [b'x'; 3000];
    let mut log = log_of(3, USUAL, &[]);
    add(&mut log, (4, 0), &[(b"f", &fill), (b"g", &fill)], USUAL);
    assert_eq!(log.nodes(), 2);
    log.remove(EntryId::new(4, 0));
    assert_eq!((log.nodes(), log.blocks().count()), (1, 1));
    add(&mut log, (5, 0), &[(b"f", b"v")], USUAL);
    log.validate().unwrap();
    assert_eq!((log.nodes(), log.blocks().count(), ids(&log)), (1, 1, vec![(1, 0), (2, 0), (3, 0), (5, 0)]));
}

#[test]
fn a_dead_block_gives_its_bytes_back_and_is_never_written_again() {
    let value = [b'x'; 1300];
    let mut log = Entries::new();
    for ms in 1..=12 {
        add(&mut log, (ms, 0), &[(b"f", &value)], UNLIMITED);
    }
    let blocks: Vec<_> = log.blocks().map(|(block, _)| (block.first().ms(), block.last().ms())).collect();
    assert_eq!((log.nodes(), blocks), (1, vec![(1, 3), (4, 6), (7, 9), (10, 12)]));

    let before = log.memory();
    assert_eq!(log.remove_range(EntryId::new(4, 0), EntryId::new(9, 0), None), 6);
    log.validate().unwrap();
    assert!(log.memory() <= before - 7800, "{} of {before} bytes are held", log.memory());
    assert_eq!(ids(&log), [(1, 0), (2, 0), (3, 0), (10, 0), (11, 0), (12, 0)]);

    // The last block may be written to again and so stays, until a later one takes its place.
    log.remove_range(EntryId::new(10, 0), EntryId::new(12, 0), None);
    let other: &[(&[u8], &[u8])] = &[(b"other", &value), (b"names", &value), (b"here", &value), (b"f", &value)];
    add(&mut log, (13, 0), other, UNLIMITED);
    log.validate().unwrap();
    let bytes: Vec<_> = log.blocks().map(|(block, bytes)| (block.live(), block.total(), bytes.is_empty())).collect();
    assert_eq!(bytes, [(3, 3, false), (0, 3, true), (0, 3, true), (0, 3, true), (1, 1, false)]);
    add(&mut log, (14, 0), &[(b"f", &value)], UNLIMITED);
    log.validate().unwrap();
    assert_eq!(ids(&log), [(1, 0), (2, 0), (3, 0), (13, 0), (14, 0)]);
}

#[test]
fn a_last_block_whose_bytes_are_gone_is_followed_by_a_new_one() {
    let value = [b'x'; 3000];
    let mut log = Entries::new();
    for ms in 1..=4 {
        add(&mut log, (ms, 0), &[(b"f", &value)], UNLIMITED);
    }
    add(&mut log, (5, 0), &[(b"f", &value)], NodeLimits { bytes_max: 1, entries_max: 1 });
    assert_eq!(log.nodes(), 2);
    log.remove_range(EntryId::new(4, 0), EntryId::new(5, 0), None);
    log.validate().unwrap();
    assert_eq!(log.nodes(), 1);
    for ms in 6..9 {
        add(&mut log, (ms, 0), &[(b"f", b"v")], UNLIMITED);
        log.validate().unwrap();
    }
    assert_eq!(ids(&log), [(1, 0), (2, 0), (3, 0), (6, 0), (7, 0), (8, 0)]);
}

#[test]
fn approximate_trimming_stops_in_front_of_the_node_it_cannot_remove() {
    let log = log_of(250, USUAL, &[]);
    let through = |ms, count| Removal { through: Some(EntryId::new(ms, 0)), count };
    let nothing = Removal { through: None, count: 0 };
    assert_eq!(log.plan_trim(&max_len(150, true, None)), through(100, 100));
    assert_eq!(log.plan_trim(&max_len(151, true, None)), nothing);
    assert_eq!(log.plan_trim(&max_len(0, true, None)), through(250, 250));
    assert_eq!(log.plan_trim(&max_len(0, true, Some(99))), nothing);
    assert_eq!(log.plan_trim(&max_len(0, true, Some(249))), through(200, 200));
    assert_eq!(log.plan_trim(&max_len(0, false, None)), through(250, 250));
    assert_eq!(log.plan_trim(&max_len(249, false, None)), through(1, 1));
    assert_eq!(log.plan_trim(&max_len(130, false, None)), through(120, 120));
    assert_eq!(log.plan_trim(&max_len(250, false, None)), nothing);
    assert_eq!(log.plan_trim(&min_id(100, true)), nothing);
    assert_eq!(log.plan_trim(&min_id(101, true)), through(100, 100));
    assert_eq!(log.plan_trim(&min_id(101, false)), through(100, 100));
    assert_eq!(log.plan_trim(&min_id(1, false)), nothing);
    assert_eq!(Entries::new().plan_trim(&max_len(0, true, None)), nothing);
    assert_eq!(Entries::new().plan_trim(&min_id(5, false)), nothing);
}

#[test]
fn a_node_is_judged_by_its_last_id_even_when_that_is_deleted() {
    let log = log_of(200, USUAL, &[100]);
    assert_eq!(log.plan_trim(&min_id(100, true)).count, 0);
    assert_eq!(log.plan_trim(&min_id(101, true)).count, 99);
}

#[test]
fn entries_judged_one_by_one_go_even_behind_some_that_stay() {
    // Measured: 250 entries, a group read 120 and acknowledged 60 of them; MAXLEN ~ 0 ACKED removes these 60.
    let log = log_of(250, USUAL, &[]);
    let planned = |trim: &Trim, removable: &dyn Fn(u64) -> bool| {
        let mut ranges = Vec::new();
        let count = log.plan_trim_each(trim, &mut |id| removable(id.ms()), &mut |first, last| {
            ranges.push((first.ms(), last.ms()));
            Ok(())
        });
        (count.unwrap(), ranges)
    };
    let acked = |ms: u64| ms <= 120 && ms.is_multiple_of(2);
    assert_eq!(planned(&max_len(0, true, None), &acked).0, 60);
    assert_eq!(planned(&max_len(0, true, Some(99)), &acked).0, 0);
    assert_eq!(planned(&max_len(245, true, None), &|_| true), (5, vec![(1, 5)]));
    assert_eq!(planned(&max_len(240, false, None), &|ms| ms != 3), (10, vec![(1, 2), (4, 11)]));
    // Without its first node the log would be too short: that node is worked through, the second is not looked at.
    assert_eq!(planned(&max_len(160, false, None), &|ms| ms > 150), (0, vec![]));
    assert_eq!(planned(&max_len(160, false, None), &|ms| ms > 50), (50, vec![(51, 100)]));
    assert_eq!(planned(&max_len(120, false, None), &|ms| ms > 150), (100, vec![(151, 250)]));
    assert_eq!(planned(&min_id(150, true), &|ms| ms > 90), (59, vec![(91, 149)]));
}

#[test]
fn looking_up_finds_the_live_entries_in_whatever_order_they_are_asked_for() {
    let deleted: Vec<u64> = (1..=350).filter(|ms| ms % 7 == 3 || (195..=205).contains(ms)).collect();
    let log = log_of(350, USUAL, &deleted);
    let mut random = Random(11);
    for largest_step in [1, 2, 5, 150] {
        let (mut lookup, mut ms) = (log.lookup(), 0);
        for _ in 0..1000 {
            // Upwards in steps, beyond the end and back to the front; now and then back, or the same again.
            ms = (ms + 1 + random.below(largest_step) as u64) % 355;
            ms -= if random.chance(5) { random.below(ms as usize + 1) as u64 } else { 0 };
            for seq in [0, 1] {
                let expected = (seq == 0 && (1..=350).contains(&ms) && !deleted.contains(&ms)).then_some((ms, 0));
                let found = lookup.get(EntryId::new(ms, seq));
                assert_eq!(found.map(|entry| naive_id(entry.id())), expected, "{ms}-{seq}");
                assert_eq!(found.map(fields_of), expected.map(|_| vec![(b"f".to_vec(), b"v".to_vec())]));
            }
        }
    }
}

#[test]
fn a_refusal_to_note_a_range_is_handed_on() {
    let log = log_of(10, USUAL, &[]);
    let refused =
        log.plan_trim_each(&max_len(0, false, None), &mut |_| true, &mut |_, _| Err(crate::memory::OutOfMemory));
    assert_eq!(refused, Err(crate::memory::OutOfMemory));
}

#[test]
fn small_streams_and_similar_entries_take_little_memory() {
    let one = log_of(1, USUAL, &[]);
    assert!(one.memory() <= 128, "{}", one.memory());

    let mut log = Entries::new();
    let values: Vec<_> = (0..10_000).map(|index| format!("v{}", index % 10)).collect();
    for (ms, value) in (1_700_000_000_000..).zip(&values) {
        let value = value.as_bytes();
        let fields: [(&[u8], &[u8]); 4] =
            [(b"field1", value), (b"field2", value), (b"field3", value), (b"field4", value)];
        add(&mut log, (ms, 0), &fields, USUAL);
    }
    // Two bytes of head, four values of three bytes, and a little for names and headers. Redis takes 25.
    assert!(log.memory() <= 16 * values.len(), "{}", log.memory());
    log.remove_range(EntryId::MIN, EntryId::new(1_700_000_009_990, 0), None);
    assert!(log.memory() < 8192, "{}", log.memory());
}

#[test]
fn the_sixteenth_set_of_names_is_kept_as_well() {
    let mut log = Entries::new();
    let names: Vec<_> = (0..40).map(|index| format!("name-{index}")).collect();
    for ms in 1..=400 {
        let name = names[ms as usize % names.len()].as_bytes();
        add(&mut log, (ms, 0), &[(name, b"v")], UNLIMITED);
    }
    log.validate().unwrap();
    for entry in log.range(EntryId::MIN, EntryId::MAX) {
        let name = names[entry.id().ms() as usize % names.len()].as_bytes();
        assert_eq!(fields_of(entry), [(name.to_vec(), b"v".to_vec())]);
    }
}

#[test]
fn an_empty_range_yields_nothing_and_removes_nothing() {
    let mut log = log_of(3, USUAL, &[]);
    let id = |ms| EntryId::new(ms, 0);
    assert_eq!(log.range(id(3), id(1)).count() + log.range_back(id(3), id(1)).count(), 0);
    assert_eq!(log.remove_range(id(3), id(1), None), 0);
    assert_eq!(log.range(id(4), EntryId::MAX).count() + log.range_back(EntryId::MIN, EntryId::new(0, 9)).count(), 0);
    assert!(log.get(id(2)).is_some() && !log.remove(EntryId::new(2, 1)) && log.remove(id(2)) && !log.remove(id(2)));
    assert!(log.get(id(2)).is_none() && !log.contains(id(2)));
    let empty = Entries::new();
    assert_eq!(empty.range(EntryId::MIN, EntryId::MAX).count(), 0);
    assert_eq!(empty.range_back(EntryId::MIN, EntryId::MAX).count(), 0);
    assert_eq!((empty.first_id(), empty.last_id(), empty.memory()), (None, None, 0));
}
