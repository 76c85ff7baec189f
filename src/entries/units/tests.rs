//! Walks in slices between writes against walks at once, and logs that were read back against those that were stored.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec;
use std::cell::Cell;

use super::super::tests::Random;
use super::super::{NodeLimits, Threshold, Trim};
use super::image::{CONTINUES, END, GIVEN_UP, OPENS};
use super::*;
use crate::image::{ImageFault, ImageReader};

std::thread_local! {
    static REFUSED: Cell<bool> = const { Cell::new(false) };
}

/// Lets a test play an allocator that has nothing for a shadow.
pub(super) fn is_memory_refused() -> bool {
    REFUSED.get()
}

const LIMITS: [NodeLimits; 5] = [
    NodeLimits { bytes_max: 4096, entries_max: 100 },
    NodeLimits { bytes_max: 500, entries_max: 10 },
    NodeLimits { bytes_max: 20_000, entries_max: 1000 },
    NodeLimits { bytes_max: 200_000, entries_max: 0 },
    NodeLimits { bytes_max: 0, entries_max: 0 },
];

fn id(ms: u64) -> EntryId {
    EntryId::new(ms, 0)
}

/// What is done to a log, decided already.
#[derive(Clone, Debug)]
enum Change {
    Add {
        id: EntryId,
        fields: Vec<Vec<u8>>,
        opens_node: bool,
    },
    /// Room that is never used: nothing tells afterwards that it was made.
    Reserve {
        fields: Vec<Vec<u8>>,
        opens_node: bool,
    },
    Remove {
        from: EntryId,
        to: EntryId,
        reports: bool,
    },
    /// The last ID is lowered.
    Cut {
        behind: EntryId,
    },
}

fn flat(fields: &[Vec<u8>]) -> Vec<&[u8]> {
    fields.iter().map(|text| &text[..]).collect()
}

fn apply(log: &mut Entries, change: &Change) {
    match change {
        Change::Add { id, fields, opens_node } => {
            log.reserve(&flat(fields), *opens_node).unwrap();
            log.append(*id, &flat(fields), *opens_node);
        }
        Change::Reserve { fields, opens_node } => log.reserve(&flat(fields), *opens_node).unwrap(),
        Change::Cut { behind } => log.cut_behind(*behind).unwrap(),
        Change::Remove { from, to, reports } => {
            let mut count = 0;
            let mut listener = |_| count += 1;
            let removed = log.remove_range(*from, *to, if *reports { Some(&mut listener) } else { None });
            assert!(!reports || removed == count);
        }
    }
}

/// The whole log as one image.
fn image_of(log: &Entries) -> Vec<u8> {
    let mut image = Vec::new();
    let mut writer = ImageWriter::new(&mut image);
    log.write_blocks(&mut writer);
    writer.finish().unwrap();
    image
}

fn load(images: &[(&[u8], Option<PartSpan>)]) -> Result<Entries, ImageFault> {
    let mut log = Entries::new();
    for (image, span) in images {
        let mut reader = ImageReader::new(image);
        log.load_blocks(&mut reader, *span)?;
        if !reader.is_at_end() {
            return Err(ImageFault::Misfit("something stands behind the end"));
        }
    }
    log.finish_load()?;
    Ok(log)
}

/// The table, as tests compare it.
fn table_of(log: &Entries) -> Option<Vec<(EntryId, Option<PartSpan>)>> {
    log.runs.as_ref().map(|runs| runs.table.iter().map(|run| (run.first, run.span)).collect())
}

/// Units as a storage keeps them.
#[derive(Default)]
struct Stored {
    units: BTreeMap<u64, Vec<u8>>,
    next: u64,
}

impl Stored {
    fn put(&mut self, unit: &[u8]) -> PartSpan {
        self.next += 1;
        self.units.insert(self.next, unit.to_vec());
        PartSpan { first: self.next, count: 1 }
    }

    fn get(&self, span: PartSpan) -> &[u8] {
        &self.units[&span.first]
    }
}

/// One step of a walk, with the bytes and the name it led to.
fn step(log: &mut Entries, stored: &mut Stored, lost: u64) -> (UnitStep, Option<PartSpan>) {
    let mut out = b"prefix".to_vec();
    let step = log.next_run(&mut |span| lost == 0 || !span.first.is_multiple_of(lost), &mut out);
    assert!(out.starts_with(b"prefix"));
    let image = &out[6..];
    match step {
        UnitStep::Changed => {
            let span = stored.put(image);
            log.name_run(span);
            (step, Some(span))
        }
        UnitStep::Unchanged(span) => {
            assert!(image.is_empty());
            (step, Some(span))
        }
        UnitStep::End | UnitStep::Lost => {
            assert!(image.is_empty());
            (step, None)
        }
    }
}

/// Walks to the end, and thaws: the spans of all runs, and how many were written.
fn walk(log: &mut Entries, stored: &mut Stored) -> (Vec<PartSpan>, usize) {
    let (mut spans, before) = (Vec::new(), stored.next);
    while let (told, Some(span)) = step(log, stored, 0) {
        assert_ne!(told, UnitStep::Lost);
        spans.push(span);
    }
    log.validate().unwrap();
    log.thaw();
    log.validate().unwrap();
    (spans, (stored.next - before) as usize)
}

/// A random history of one log.
struct History {
    random: Random,
    limits: NodeLimits,
    last: EntryId,
}

impl History {
    fn new(seed: u64, limits: NodeLimits) -> History {
        History { random: Random(seed), limits, last: EntryId::MIN }
    }

    /// What is done next to `log`; `growth` says how often that is an append.
    fn next(&mut self, log: &Entries, growth: usize) -> Vec<Change> {
        if log.len() == 0 && self.random.chance(50) {
            self.last = id(self.random.below(1000) as u64);
        }
        if let Some(last) = log.last_id().filter(|_| self.random.chance(2)) {
            self.last = EntryId::new(last.ms(), last.seq() + self.random.below(3) as u64);
            return vec![Change::Cut { behind: self.last }];
        }
        match self.random.below(100) {
            choice if choice < growth => vec![self.add(log)],
            choice if choice < growth + 2 => {
                vec![Change::Reserve { fields: self.fields(), opens_node: self.random.chance(50) }]
            }
            choice if choice % 20 == 19 => self.trim(log),
            _ => vec![self.remove(log)],
        }
    }

    fn add(&mut self, log: &Entries) -> Change {
        let (ms, seq) = (self.last.ms(), self.last.seq());
        self.last = match self.random.below(4) {
            0 => EntryId::new(ms, seq + 1),
            1 => EntryId::new(ms, seq + 1 + self.random.below(300) as u64),
            2 => EntryId::new(ms + 1 + self.random.below(300) as u64, 0),
            _ => EntryId::new(ms + 1 + self.random.below(1 << 20) as u64, self.random.below(1000) as u64),
        };
        let fields = self.fields();
        let opens_node = log.opens_node(&flat(&fields), self.limits);
        Change::Add { id: self.last, fields, opens_node }
    }

    fn fields(&mut self) -> Vec<Vec<u8>> {
        let sets = if self.random.chance(80) { 3 } else { 30 };
        let set = self.random.below(sets);
        let mut fields = Vec::new();
        for index in 0..1 + self.random.below(3) {
            fields.push(if set == 4 { b"17".to_vec() } else { format!("name-{set}-{index}").into_bytes() });
            fields.push(match self.random.below(20) {
                0..4 => format!("{}", self.random.below(1 << 20) as i64 - 1000).into_bytes(),
                4..8 => format!("a value that comes again {}", self.random.below(5)).into_bytes(),
                8..10 => Vec::new(),
                10 if self.random.chance(10) => vec![b'h'; self.random.below(150_000)],
                10 => vec![b'l'; self.random.below(9_000)],
                _ => vec![b'v'; self.random.below(2_500)],
            });
        }
        fields
    }

    fn remove(&mut self, log: &Entries) -> Change {
        let reports = self.random.chance(50);
        let (from, to) = if self.random.below(150) == 0 {
            (EntryId::MIN, EntryId::MAX)
        } else {
            let ids: Vec<EntryId> = log.range(EntryId::MIN, EntryId::MAX).map(|entry| entry.id()).collect();
            let first = self.random.below(ids.len().max(1));
            let count = [1, 1, 1, 1, 1, 1, 3, 3, 10, 10, 30, 100][self.random.below(12)];
            let last = (first + self.random.below(count)).min(ids.len().saturating_sub(1));
            (ids.get(first).copied().unwrap_or(self.last), ids.get(last).copied().unwrap_or(self.last))
        };
        Change::Remove { from, to, reports }
    }

    fn trim(&mut self, log: &Entries) -> Vec<Change> {
        let keep = log.len() - self.random.below(1 + log.len() as usize / 6) as u64;
        let threshold = match log.range(EntryId::MIN, EntryId::MAX).nth((log.len() - keep) as usize) {
            Some(entry) if self.random.chance(50) => Threshold::MinId(entry.id()),
            _ => Threshold::MaxLen(keep),
        };
        let trim = Trim { threshold, approximate: self.random.chance(50), limit: None };
        let reports = self.random.chance(50);
        if self.random.chance(60) {
            let through = log.plan_trim(&trim).through;
            return through.map(|to| Change::Remove { from: EntryId::MIN, to, reports }).into_iter().collect();
        }
        let mut changes = Vec::new();
        let divisor = 1 + self.random.below(4) as u64;
        let mut removable = |id: EntryId| (id.ms() + id.seq()).is_multiple_of(divisor);
        let mut push = |from, to| {
            changes.push(Change::Remove { from, to, reports });
            Ok(())
        };
        log.plan_trim_each(&trim, &mut removable, &mut push).unwrap();
        changes
    }
}

/// A log that is told in slices, and one that is told at once and changed afterwards.
struct Twins {
    sliced: Entries,
    whole: Entries,
    sliced_units: Stored,
    whole_units: Stored,
    history: History,
    /// How often a step was taken that told an unchanged run, or a changed one, or while something was saved.
    unchanged: usize,
    changed: usize,
    shadowed: usize,
}

impl Twins {
    fn new(seed: u64, limits: NodeLimits) -> Twins {
        Twins {
            sliced: Entries::new(),
            whole: Entries::new(),
            sliced_units: Stored::default(),
            whole_units: Stored::default(),
            history: History::new(seed, limits),
            unchanged: 0,
            changed: 0,
            shadowed: 0,
        }
    }

    fn live(&mut self, growth: usize) {
        for change in self.history.next(&self.sliced, growth) {
            apply(&mut self.sliced, &change);
            self.apply_to_whole(&change);
        }
        self.sliced.validate().unwrap();
    }

    fn apply_to_whole(&mut self, change: &Change) {
        if !matches!(change, Change::Reserve { .. }) {
            apply(&mut self.whole, change);
        }
    }

    fn snapshot(&mut self) {
        self.sliced.divide().unwrap();
        self.whole.divide().unwrap();
        let lost = [0, 5][self.history.random.below(2)];
        let gives_up_after = if self.history.random.chance(15) { self.history.random.below(4) } else { usize::MAX };
        let at_once = self.tell_whole(lost, gives_up_after);
        let pending = self.tell_sliced(lost, &at_once);

        if gives_up_after == usize::MAX && self.history.random.chance(50) {
            self.reload_whole(&at_once);
        }
        pending.iter().for_each(|change| self.apply_to_whole(change));
        self.whole.validate().unwrap();
        assert_eq!(image_of(&self.sliced), image_of(&self.whole));
        assert_eq!(table_of(&self.sliced), table_of(&self.whole));
    }

    fn tell_whole(&mut self, lost: u64, gives_up_after: usize) -> Vec<(UnitStep, Option<PartSpan>)> {
        if self.history.random.chance(20) {
            self.whole.freeze();
        }
        let mut steps = Vec::new();
        while steps.len() < gives_up_after && !steps.last().is_some_and(|&(step, _)| step == UnitStep::End) {
            steps.push(step(&mut self.whole, &mut self.whole_units, lost));
            self.whole.validate().unwrap();
        }
        self.whole.thaw();
        self.whole.validate().unwrap();
        steps
    }

    /// Walks between changes, which are returned.
    fn tell_sliced(&mut self, lost: u64, at_once: &[(UnitStep, Option<PartSpan>)]) -> Vec<Change> {
        let mut pending = Vec::new();
        let (changes_each, growth) = (self.history.random.below(80), 20 + self.history.random.below(70));
        for expected in at_once {
            while self.history.random.chance(changes_each) {
                for change in self.history.next(&self.sliced, growth) {
                    if !matches!(change, Change::Reserve { .. }) {
                        self.sliced.freeze();
                    }
                    apply(&mut self.sliced, &change);
                    pending.push(change);
                }
                self.sliced.validate().unwrap();
            }
            let frozen = self.sliced.runs.as_ref().and_then(|runs| runs.frozen.as_ref());
            self.shadowed += usize::from(frozen.is_some_and(|frozen| frozen.shadow.memory() > 0));
            let told = step(&mut self.sliced, &mut self.sliced_units, lost);
            assert_eq!(&told, expected);
            if let (UnitStep::Changed, Some(span)) = told {
                assert!(self.sliced_units.get(span) == self.whole_units.get(span), "a unit differs");
                self.changed += 1;
            }
            self.unchanged += usize::from(matches!(told.0, UnitStep::Unchanged(_)));
            self.sliced.validate().unwrap();
        }
        self.sliced.thaw();
        self.sliced.validate().unwrap();
        pending
    }

    /// Puts in the place of the whole log what was stored of it.
    fn reload_whole(&mut self, at_once: &[(UnitStep, Option<PartSpan>)]) {
        let spans = at_once.iter().filter_map(|&(_, span)| span);
        let images: Vec<_> = spans.map(|span| (self.whole_units.get(span), Some(span))).collect();
        let loaded = load(&images).unwrap();
        loaded.validate().unwrap();
        assert_eq!(image_of(&loaded), image_of(&self.whole));
        assert_eq!(table_of(&loaded), table_of(&self.whole));
        assert_eq!((loaded.len(), loaded.nodes()), (self.whole.len(), self.whole.nodes()));
        assert_eq!((loaded.first_id(), loaded.last_id()), (self.whole.first_id(), self.whole.last_id()));
        assert_eq!(loaded.bytes(), self.whole.bytes());
        self.whole = loaded;
    }
}

#[test]
fn slices_between_writes_tell_what_a_walk_at_once_tells() {
    let (mut unchanged, mut changed, mut shadowed) = (0, 0, 0);
    for seed in 0..60 {
        let mut twins = Twins::new(seed, LIMITS[seed as usize % LIMITS.len()]);
        for round in 0..12 {
            let most = [4, 30, 150][twins.history.random.below(3)];
            let steps = if round == 0 { 400 } else { twins.history.random.below(most) };
            let growth = if round == 0 { 97 } else { 40 + twins.history.random.below(55) };
            (0..steps).for_each(|_| twins.live(growth));
            twins.snapshot();
        }
        unchanged += twins.unchanged;
        changed += twins.changed;
        shadowed += twins.shadowed;
    }
    // The histories are worth something only if all of this happens often.
    assert!(unchanged > 500 && changed > 2000 && shadowed > 1500, "{unchanged}, {changed}, {shadowed}");
}

/// Entries with one value of so many bytes, from `first` on.
fn fill(log: &mut Entries, ms: core::ops::Range<u64>, value_bytes: usize, limits: NodeLimits) {
    for ms in ms {
        let fields = vec![b"name".to_vec(), format!("{ms:0value_bytes$}x").into_bytes()];
        let opens_node = log.opens_node(&flat(&fields), limits);
        apply(log, &Change::Add { id: id(ms), fields, opens_node });
    }
}

/// A divided log of about so many bytes, told once.
fn log_of(bytes: usize, limits: NodeLimits, stored: &mut Stored) -> (Entries, u64, Vec<PartSpan>) {
    let (mut log, mut ms) = (Entries::new(), 1);
    while log.bytes() < bytes {
        fill(&mut log, ms..ms + 50, 180, limits);
        ms += 50;
    }
    log.divide().unwrap();
    let (spans, written) = walk(&mut log, stored);
    assert_eq!(spans.len(), written);
    (log, ms, spans)
}

#[test]
fn only_what_has_changed_is_written_again() {
    for limits in LIMITS {
        let mut stored = Stored::default();
        let (mut log, end, spans) = log_of(if limits == LIMITS[0] { 20 << 20 } else { 2 << 20 }, limits, &mut stored);
        assert!(spans.iter().all(|&span| stored.get(span).len() <= UNIT_BYTES_MAX));
        assert!(spans.len() <= log.bytes() / (UNIT_BYTES_MAX * 9 / 10) + 1, "{} runs", spans.len());
        assert_eq!(walk(&mut log, &mut stored), (spans.clone(), 0));

        // What does nothing changes nothing.
        assert!(!log.remove(EntryId::new(end / 2, 1)));
        assert_eq!(walk(&mut log, &mut stored).1, 0);

        // A deletion, though the node may begin in another run.
        for ms in [1, end / 2, end / 3, end - 1] {
            assert!(log.remove(id(ms)));
            assert_eq!(walk(&mut log, &mut stored).1, 1, "{ms}");
        }

        // Appending: the last run, and what it grew into.
        fill(&mut log, end..end + 1000, 180, limits);
        let (now, written) = walk(&mut log, &mut stored);
        assert_eq!(written, 1 + now.len() - spans.len());
        assert_eq!(now.iter().filter(|span| spans.contains(span)).count(), spans.len() - 4);

        // After a reload it is known what is stored.
        let images: Vec<_> = now.iter().map(|&span| (stored.get(span), Some(span))).collect();
        let mut loaded = load(&images).unwrap();
        assert_eq!(walk(&mut loaded, &mut stored), (now.clone(), 0));
        fill(&mut loaded, end + 1000..end + 1001, 180, limits);
        assert_eq!(walk(&mut loaded, &mut stored).1, 1);

        // A queue: a run goes when its blocks are gone, and what is left of the first one joins the next.
        loaded.remove_range(EntryId::MIN, id(end / 2), None);
        let (left, written) = walk(&mut loaded, &mut stored);
        assert!(written <= 2 && left.len() < now.len() * 2 / 3, "{written} of {}", left.len());
    }
}

#[test]
fn runs_that_were_thinned_out_are_joined() {
    let mut stored = Stored::default();
    let (mut log, end, spans) = log_of(2 << 20, LIMITS[1], &mut stored);
    // Most nodes go as a whole.
    (1..end).filter(|ms| ms / 10 % 10 != 0).for_each(|ms| assert!(log.remove(id(ms))));
    let (left, _) = walk(&mut log, &mut stored);
    assert!(left.len() <= spans.len() / 5, "{} of {}", left.len(), spans.len());
    assert_eq!(walk(&mut log, &mut stored), (left, 0));
}

#[test]
fn what_is_dropped_while_frozen_is_moved_and_not_copied() {
    for (limits, reports) in LIMITS.into_iter().flat_map(|limits| [(limits, false), (limits, true)]) {
        let mut stored = Stored::default();
        let (mut log, end, _) = log_of(2 << 20, limits, &mut stored);
        fill(&mut log, end..end + 30, 5000, limits);
        let (image, before, blocks) = (image_of(&log), log.memory(), log.blocks.len());
        let mut places: Vec<_> = log.blocks().map(|(_, bytes)| bytes.as_ptr()).collect();
        log.freeze();
        apply(&mut log, &Change::Remove { from: EntryId::MIN, to: id(end + 20), reports });
        log.validate().unwrap();
        let shadow = &log.runs.as_ref().unwrap().frozen.as_ref().unwrap().shadow;
        let copied = shadow.saved().filter(|block| !places.contains(&block.bytes.as_ptr())).count();
        // The first block of the node that stays, if some of it went.
        assert!(copied <= 1, "{copied} of {blocks} blocks were copied");
        assert!(log.memory() <= before + blocks * 160 + (8 << 10), "{} after {before} bytes", log.memory());

        // The rest goes with the open block.
        apply(&mut log, &Change::Remove { from: EntryId::MIN, to: EntryId::MAX, reports });
        log.validate().unwrap();
        assert_eq!((log.len(), log.is_divided()), (0, true));
        places.clear();

        // Lower IDs, which have nothing to do with what was there.
        fill(&mut log, 1..100, 200, limits);
        log.validate().unwrap();
        let mut told = Entries::new();
        while let (UnitStep::Changed | UnitStep::Unchanged(_), Some(span)) = step(&mut log, &mut stored, 0) {
            told.load_blocks(&mut ImageReader::new(stored.get(span)), None).unwrap();
            log.validate().unwrap();
        }
        told.finish_load().unwrap();
        assert!(image_of(&told) == image, "what was told is not what was there");
        log.thaw();
        assert!(!log.is_divided());
        log.validate().unwrap();
        let mut fresh = Entries::new();
        fill(&mut fresh, 1..100, 200, limits);
        assert_eq!(image_of(&log), image_of(&fresh));
    }
}

#[test]
fn an_emptied_log_holds_no_memory() {
    let mut stored = Stored::default();
    let (mut log, ..) = log_of(1 << 20, LIMITS[0], &mut stored);
    log.freeze();
    log.remove_range(EntryId::MIN, EntryId::MAX, None);
    assert!(log.memory() > 1 << 20);
    log.thaw();
    assert_eq!((log.memory(), log.bytes(), log.is_divided()), (0, 0, false));

    let (mut log, ..) = log_of(1 << 20, LIMITS[0], &mut stored);
    log.remove_range(EntryId::MIN, EntryId::MAX, None);
    assert_eq!(log.memory(), 0);
    log.divide().unwrap();
    assert!(!log.is_divided());
    assert_eq!(step(&mut log, &mut stored, 0), (UnitStep::End, None));

    let (mut log, ..) = log_of(1 << 20, LIMITS[0], &mut stored);
    log.undivide();
    log.freeze();
    assert_eq!((log.is_divided(), step(&mut log, &mut stored, 0)), (false, (UnitStep::End, None)));
}

#[test]
fn a_refused_copy_loses_the_snapshot_and_nothing_else() {
    for limits in LIMITS {
        let mut stored = Stored::default();
        let (mut log, end, spans) = log_of(1 << 20, limits, &mut stored);
        let mut other = load(&[(&image_of(&log), None)]).unwrap();
        for ms in [5, end / 2] {
            assert!(log.remove(id(ms)) && other.remove(id(ms)));
        }
        assert_eq!(step(&mut log, &mut stored, 0).0, UnitStep::Changed);
        log.freeze();
        assert!(log.remove(id(end - 2)) && other.remove(id(end - 2)));
        log.validate().unwrap();
        let frozen = log.memory();
        REFUSED.set(true);
        let late = Change::Remove { from: id(end / 2 + 200), to: id(end / 2 + 900), reports: false };
        apply(&mut log, &late);
        apply(&mut other, &late);
        fill(&mut log, end..end + 100, 180, limits);
        fill(&mut other, end..end + 100, 180, limits);
        REFUSED.set(false);
        log.validate().unwrap();
        assert!(log.memory() < frozen);
        assert_eq!(step(&mut log, &mut stored, 0), (UnitStep::Lost, None));
        assert_eq!(step(&mut log, &mut stored, 0), (UnitStep::Lost, None));
        log.thaw();
        log.validate().unwrap();
        assert!(image_of(&log) == image_of(&other));

        // The next walk knows what was named, and what has changed.
        let (now, written) = walk(&mut log, &mut stored);
        assert!(written < spans.len(), "{written} runs were written again");
        let mut loaded = Entries::new();
        for span in now {
            loaded.load_blocks(&mut ImageReader::new(stored.get(span)), None).unwrap();
        }
        loaded.finish_load().unwrap();
        assert!(image_of(&loaded) == image_of(&other));
    }
}

/// Logs of all kinds that are small enough to be damaged at each place.
fn small_logs() -> Vec<Entries> {
    let mut logs = Vec::new();
    for (seed, limits) in (0..).zip(LIMITS.into_iter().cycle().take(40)) {
        let (mut log, mut history) = (Entries::new(), History::new(seed, limits));
        for step in 0..10 + seed * 4 {
            let changes = history.next(&log, if step < 20 { 95 } else { 70 });
            changes.iter().for_each(|change| apply(&mut log, change));
        }
        if log.len() > 0 {
            logs.push(log);
        }
    }
    logs
}

#[test]
fn a_small_log_comes_back_from_one_image() {
    let mut one = Entries::new();
    fill(&mut one, 1..2, 10, LIMITS[0]);
    for mut log in small_logs().into_iter().chain([one, Entries::new()]) {
        let image = image_of(&log);
        assert!(image.len() <= 1 + log.bytes() + log.blocks.len() * 24);
        let mut loaded = load(&[(&image, None)]).unwrap();
        loaded.validate().unwrap();
        assert!(!loaded.is_divided());
        assert!(loaded.memory() <= log.memory() + 8);
        assert_eq!(image_of(&loaded), image);
        // Any cut is noticed.
        for cut in (0..image.len()).rev().take(40) {
            assert!(load(&[(&image[..cut], None)]).is_err());
        }

        let mut history = History::new(7, LIMITS[2]);
        history.last = EntryId::new(log.last_id().map_or(0, EntryId::ms) + (1 << 40), 0);
        for _ in 0..30 {
            for change in history.next(&log, 70) {
                if let Change::Add { fields, .. } = &change {
                    let fields = flat(fields);
                    assert!(LIMITS.iter().all(|&it| log.opens_node(&fields, it) == loaded.opens_node(&fields, it)));
                }
                apply(&mut log, &change);
                apply(&mut loaded, &change);
                loaded.validate().unwrap();
                assert_eq!(image_of(&loaded), image_of(&log));
            }
        }
    }
}

#[test]
fn whatever_is_accepted_is_a_log() {
    let mut random = Random(42);
    let images: Vec<_> = small_logs().iter().map(image_of).filter(|image| image.len() < 20_000).collect();
    assert!(images.len() > 10);
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..40_000 {
        let mut image = images[round % images.len()].clone();
        if random.chance(5) {
            image = (0..random.below(60))
                .map(|_| [0, 1, 2, 3, 0x80, 0x41, random.below(256) as u8][random.below(7)])
                .collect();
            image.insert(0, 1);
        } else if random.chance(10) {
            image.truncate(1 + random.below(image.len()));
        }
        for _ in 0..random.below(3) {
            let at = random.below(image.len());
            match random.below(4) {
                0 => image[at] ^= 1 << random.below(8),
                1 => image[at] = random.below(256) as u8,
                2 => drop(image.remove(at)),
                _ => image.insert(at, random.below(256) as u8),
            }
            if image.is_empty() {
                image.push(END);
            }
        }
        match load(&[(&image, None)]) {
            Ok(log) => {
                use_up(log);
                accepted += 1;
            }
            Err(ImageFault::Misfit(_)) => refused += 1,
            Err(ImageFault::OutOfMemory) => panic!("something was allocated by an announced size"),
        }
    }
    assert!(accepted > 5000 && refused > 5000, "{accepted} accepted, {refused} refused");
}

/// Does with a log that was read back whatever can be done.
fn use_up(mut log: Entries) {
    log.validate().unwrap();
    let ids: Vec<_> = log.range(EntryId::MIN, EntryId::MAX).map(|entry| entry.id()).collect();
    let mut back: Vec<_> = log.range_back(EntryId::MIN, EntryId::MAX).map(|entry| entry.id()).collect();
    back.reverse();
    assert_eq!(ids, back);
    assert_eq!(ids.len() as u64, log.len());
    if let Some(id) = log.last_id().and_then(|_| log.blocks.back()?.last.successor()) {
        let fields = vec![b"name-0-0".to_vec(), b"value".to_vec()];
        let opens_node = log.opens_node(&flat(&fields), LIMITS[0]);
        apply(&mut log, &Change::Add { id, fields, opens_node });
        log.validate().unwrap();
    }
    if let Some(&middle) = ids.get(ids.len() / 2) {
        assert!(log.remove(middle));
        log.validate().unwrap();
    }
    log.remove_range(EntryId::MIN, EntryId::MAX, None);
    assert_eq!(log.memory(), 0);
}

#[test]
fn what_cannot_be_is_refused() {
    // One entry 1-0 with the field "a" and the value "b", which opens a node; then the same at 2-0, marked as having
    // the names of the first, in a block of its own.
    let opens: &[u8] = &[OPENS, 2, 0, 6, 0x80, 1, 1, b'a', 1, b'b'];
    let continues: &[u8] = &[CONTINUES, 2, 0, 6, 0x80, 1, 1, b'a', 1, b'b'];
    let given_up: &[u8] = &[GIVEN_UP, 2, 0, 2, 0, 2, 30];
    let dead: &[u8] = &[CONTINUES, 2, 0, 6, 0x90, 1, 1, b'a', 1, b'b'];
    let second = |entry: &[u8]| [&[OPENS, 2, 0, 6 + entry.len() as u8, 0x80, 1, 1, b'a', 1, b'b'], entry].concat();
    let image = |blocks: &[&[u8]]| [&blocks.concat()[..], &[END]].concat();
    for image in [
        image(&[]),
        image(&[opens]),
        image(&[opens, opens]),
        image(&[opens, continues, dead]),
        image(&[opens, given_up, given_up, continues]),
        image(&[opens, given_up]),
        image(&[&second(&[0xa1, 1, 1, b'c'])]),
        image(&[&second(&[0x20, 1, 1, 1, b'c', 0x45])]),
        image(&[&second(&[0xa1, 1, 0xc0, 4])]),
    ] {
        load(&[(&image, None)]).unwrap().validate().unwrap();
    }
    let refused = |image: &[u8], span: Option<PartSpan>| match load(&[(image, span)]) {
        Err(ImageFault::Misfit(why)) => why,
        _ => "nothing",
    };
    for (bad, why) in [
        (image(&[continues]), "a node is not opened"),
        (image(&[given_up]), "a node is not opened"),
        (image(&[&[9, 2, 0]]), "a block of an unknown kind"),
        (image(&[&[OPENS, 0, 0, 6, 0x80, 1, 1, b'a', 1, b'b']]), "entries are not in the order of their IDs"),
        (image(&[opens, &[OPENS, 0, 0, 6, 0x80, 1, 1, b'a', 1, b'b']]), "entries are not in the order of their IDs"),
        (image(&[opens, &[OPENS, 1, 9, 6, 0x80, 1, 1, b'a', 1, b'b']]), "entries are not in the order of their IDs"),
        (image(&[&second(&[0xc1, 0, 1, b'c'])]), "entries are not in the order of their IDs"),
        (image(&[opens, dead, continues]), "dead entries are held"),
        (image(&[&[OPENS, 2, 0, 6, 0x90, 1, 1, b'a', 1, b'b']]), "a node without a live entry"),
        (image(&[&[OPENS, 2, 0, 6, 0x90, 1, 1, b'a', 1, b'b'], opens]), "a node without a live entry"),
        (image(&[&[OPENS, 2, 0, 6, 0, 1, 1, b'a', 1, b'b']]), "an entry has not the names it claims"),
        (image(&[opens, &[CONTINUES, 2, 0, 6, 0x80, 1, 1, b'z', 1, b'b']]), "an entry has not the names it claims"),
        (image(&[opens, &[CONTINUES, 2, 0, 6, 0, 1, 1, b'a', 1, b'b']]), "an entry has not the names it claims"),
        (image(&[&second(&[0x21, 1, 1, b'c'])]), "an entry has not the names it claims"),
        (image(&[&second(&[0xa2, 1, 1, b'c'])]), "an entry cannot be read"),
        (image(&[&[OPENS, 2, 0, 6, 0x81, 1, 1, b'a', 1, b'b']]), "an entry cannot be read"),
        (image(&[&[OPENS, 2, 0, 2, 0x80, 0]]), "an entry without fields"),
        (image(&[&[OPENS, 2, 0, 0]]), "an entry cannot be read"),
        (image(&[&[OPENS, 2, 0, 6, 0x80, 1, 1, b'a', 2, b'b']]), "an entry cannot be read"),
        (image(&[&[OPENS, 2, 0, 6, 0x80, 2, 1, b'a', 1, b'b']]), "an entry cannot be read"),
        (image(&[&second(&[0xa1, 1, 0xc0, 3])]), "an entry cannot be read"),
        (image(&[&second(&[0xa1, 1, 0xc0, 6])]), "an entry cannot be read"),
        (image(&[&[OPENS, 2, 0, 6, 0x80, 1, 1, b'a', 1, b'7']]), "an integer stands as a text"),
        (image(&[opens, &[GIVEN_UP, 2, 0, 2, 0, 0, 30]]), "a block counts what cannot be"),
        (image(&[opens, &[GIVEN_UP, 2, 0, 2, 0, 1, 30]]), "a block counts what cannot be"),
        (image(&[opens, &[GIVEN_UP, 2, 5, 0, 3, 2, 30]]), "a block counts what cannot be"),
        (image(&[opens, &[GIVEN_UP, 2, 0, 2, 0, 0x81, 0x10, 30]]), "a block counts what cannot be"),
        (image(&[opens])[..5].to_vec(), "an image ends too early"),
        (opens.to_vec(), "an image ends too early"),
    ] {
        assert_eq!(refused(&bad, None), why, "{bad:?}");
    }
    assert_eq!(refused(&image(&[]), Some(PartSpan { first: 1, count: 1 })), "a run has no blocks");

    // Where no template stands, the front of the block would be taken for one, of 128 names.
    let bad = [&[OPENS, 2, 0, 0x88, 1, 0x80, 1, 1, b'a', 1, b'b', 0xa2, 1][..], &[0x40; 128], &[END]].concat();
    assert_eq!(refused(&bad, None), "a template is used before it is given");

    // A second entry must begin below the size of a block.
    let mut large = vec![0x80, 1, 1, b'a', 0x90, 0];
    large.resize(6 + (16 << 8), b'x');
    for (entry, is_refused) in [(&[][..], false), (&[0xa1, 1, 1, b'c'], true)] {
        let block = [&large[..], entry].concat();
        let mut bad = Vec::new();
        let mut writer = ImageWriter::new(&mut bad);
        writer.byte(OPENS);
        writer.id(id(2));
        writer.bytes(&block);
        writer.byte(END);
        writer.finish().unwrap();
        assert_eq!(refused(&bad, None) == "a block is not divided where it should be", is_refused);
    }
}
