//! Units of a group under random changes, against a twin that is told at once, and images that were damaged.

use std::cell::Cell;
use std::collections::HashMap;
use std::vec;
use std::vec::Vec;

use super::super::pages::TIME_MS_MAX;
use super::super::tests::{Dice, Walk, add_consumer, own};
use super::super::{ConsumerKey, Group, Pending};
use super::UNIT_RECORDS;
use crate::id::EntryId;
use crate::image::{ImageFault, ImageReader, ImageWriter, PartSpan, UNIT_BYTES_MAX, UnitStep};
use crate::memory::OutOfMemory;

std::thread_local! {
    /// How often memory is granted before it is refused once.
    static GRANTED: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Lets a test play the allocator.
pub(super) fn ask_for_memory() -> Result<(), OutOfMemory> {
    let granted = GRANTED.get();
    GRANTED.set(granted.and_then(|granted| granted.checked_sub(1)));
    if granted == Some(0) { Err(OutOfMemory) } else { Ok(()) }
}

fn written(write: &dyn Fn(&mut ImageWriter<'_>)) -> Vec<u8> {
    let mut image = Vec::new();
    let mut writer = ImageWriter::new(&mut image);
    write(&mut writer);
    writer.finish().unwrap();
    image
}

fn head(group: &Group) -> Vec<u8> {
    written(&|out| group.write_head(out))
}

/// The whole group in one piece: all there is to know of it.
fn whole(group: &Group) -> Vec<u8> {
    written(&|out| {
        group.write_head(out);
        group.write_pending(out);
    })
}

fn load_whole(image: &[u8]) -> Result<Group, ImageFault> {
    let mut reader = ImageReader::new(image);
    let mut group = Group::load_head(&mut reader)?;
    group.load_pending(&mut reader)?;
    group.finish_load()?;
    if reader.is_at_end() { Ok(group) } else { Err(ImageFault::Misfit("more than a group")) }
}

fn load_units<'a>(head: &[u8], units: impl Iterator<Item = (PartSpan, &'a [u8])>) -> Result<Group, ImageFault> {
    let mut group = Group::load_head(&mut ImageReader::new(head))?;
    for (span, unit) in units {
        let mut reader = ImageReader::new(unit);
        group.load_unit(&mut reader, span)?;
        if !reader.is_at_end() {
            return Err(ImageFault::Misfit("more than a unit"));
        }
    }
    group.finish_load()?;
    Ok(group)
}

/// An entry as a walk shows it, with the name of its owner instead of the key.
type Seen = (EntryId, u64, i64, Option<Vec<u8>>);

/// What the walks over a group show.
fn seen(group: &Group) -> Vec<Vec<Seen>> {
    let plain = |pending: Pending| {
        let name = pending.consumer.map(|key| group.consumer_ref(key).unwrap().name().to_vec());
        (pending.id, pending.time_ms, pending.deliveries, name)
    };
    let collect = |walk: Walk<'_>| {
        let mut entries = Vec::new();
        walk(&mut |pending| {
            entries.push(plain(pending));
            true
        });
        entries
    };
    let mut all = vec![collect(&|f| group.walk(EntryId::MIN, f)), collect(&|f| group.walk_delivery(f))];
    all.extend(group.consumers().map(|(key, _)| collect(&|f| group.walk_consumer(key, EntryId::MIN, f))));
    all
}

#[track_caller]
fn assert_same(one: &Group, other: &Group) {
    assert!(seen(one) == seen(other), "the walks differ");
    assert!(whole(one) == whole(other), "the images differ");
    assert_eq!((one.pending_len(), one.unowned_len()), (other.pending_len(), other.unowned_len()));
}

/// All units of a group, told at once, as if nothing were stored.
fn told_at_once(group: &mut Group) -> Vec<Vec<u8>> {
    group.divide().unwrap();
    let mut units = Vec::new();
    loop {
        let mut unit = Vec::new();
        match group.next_unit(&mut |_| false, &mut unit) {
            UnitStep::Changed => units.push(unit),
            UnitStep::End => break,
            step => panic!("{step:?}"),
        }
    }
    group.thaw();
    units
}

/// Where units are stored, and the snapshot that is being taken.
#[derive(Default)]
struct Store {
    parts: HashMap<u64, Vec<u8>>,
    /// How many units were written and how many were found unchanged.
    changed: usize,
    unchanged: usize,
    told: Vec<PartSpan>,
}

impl Store {
    /// One step; whether the end is reached. Some of what is stored is said to be lost.
    fn step(&mut self, group: &mut Group, lost_in_100: u64, dice: &mut Dice) -> bool {
        // Images are appended to what is there.
        let mut out = vec![7; 3];
        let mut is_stored = |span: PartSpan| {
            assert!(self.parts.contains_key(&span.first) && span.count == 2);
            dice.below(100) >= lost_in_100
        };
        match group.next_unit(&mut is_stored, &mut out) {
            UnitStep::Changed => {
                let span = PartSpan { first: self.parts.len() as u64, count: 2 };
                self.parts.insert(span.first, out.split_off(3));
                group.name_unit(span);
                self.told.push(span);
                self.changed += 1;
            }
            UnitStep::Unchanged(span) => {
                self.told.push(span);
                self.unchanged += 1;
            }
            UnitStep::End => return true,
            UnitStep::Lost => panic!("no memory was refused"),
        }
        assert!(out == [7; 3]);
        false
    }

    /// Takes a whole snapshot; how many units were changed and unchanged.
    fn take(&mut self, group: &mut Group) -> (usize, usize) {
        self.begin();
        while !self.step(group, 0, &mut Dice(0)) {}
        group.thaw();
        (self.changed, self.unchanged)
    }

    fn begin(&mut self) {
        (self.changed, self.unchanged) = (0, 0);
        self.told.clear();
    }

    fn units(&self) -> impl Iterator<Item = (PartSpan, &[u8])> {
        self.told.iter().map(|span| (*span, &self.parts[&span.first][..]))
    }

    fn images(&self) -> Vec<Vec<u8>> {
        self.units().map(|(_, unit)| unit.to_vec()).collect()
    }
}

const NAMES: [&str; 5] = ["ann", "", "bob", "a reader with a longer name", "zoe"];

/// What a history goes on from.
struct History {
    dice: Dice,
    now_ms: u64,
    next_ms: u64,
}

impl History {
    /// Two groups with this many entries.
    fn new(seed: u64, entries: u64) -> (History, Group, Group) {
        let mut history = History { dice: Dice(seed), now_ms: 1_000_000, next_ms: 1 };
        let mut groups = [(); 2].map(|()| Group::new(EntryId::MIN, Some(0)));
        for index in 0..entries {
            history.next_ms += 1 + history.dice.below(2);
            let name = NAMES[(index / 50 % 5) as usize];
            for group in &mut groups {
                let consumer = add_consumer(group, name);
                own(group, EntryId::new(history.next_ms, 0), Some(consumer), history.now_ms + index / 20, 1);
            }
        }
        let [one, other] = groups;
        (history, one, other)
    }

    /// The next change of all groups, which are alike but for the keys of their consumers.
    fn change(&mut self, groups: &mut [&mut Group]) {
        let dice = &mut self.dice;
        match dice.below(12) {
            0 => self.now_ms += dice.below(100),
            1 => self.now_ms -= dice.below(100),
            _ => {}
        }
        let name = NAMES[dice.below(5) as usize];
        let deliveries = match dice.below(9) {
            0 => i64::MAX - dice.below(2) as i64,
            1 => 65_530 + dice.below(8) as i64,
            _ => dice.below(5) as i64,
        };
        let mut known = Vec::new();
        let most = 1 + dice.below(40);
        for _ in 0..1 + dice.below(most) {
            let from = EntryId::new(dice.below(self.next_ms + 1), 0);
            groups[0].walk(from, &mut |pending| {
                known.push(pending.id);
                false
            });
        }
        let time_ms = if dice.below(20) == 0 { u64::MAX } else { self.now_ms };
        let choice = dice.below(80);
        let fresh: Vec<EntryId> = (0..1 + dice.below(120))
            .map(|_| {
                self.next_ms += 1 + self.dice.below(3);
                EntryId::new(self.next_ms, self.dice.below(2))
            })
            .collect();
        for group in groups {
            let consumer = group.consumer(name.as_bytes());
            let consumer = consumer.unwrap_or_else(|| add_consumer(group, name));
            match choice {
                0 => {
                    group.delete_consumer(consumer);
                }
                1 => {
                    group.delete_consumer(consumer);
                    add_consumer(group, name);
                }
                2 => {
                    // Whole units go.
                    let mut ids = Vec::new();
                    group.walk(known.first().copied().unwrap_or(EntryId::MIN), &mut |pending| {
                        ids.push(pending.id);
                        ids.len() < 2500
                    });
                    ids.iter().for_each(|&id| assert!(group.forget(id)));
                }
                3..21 => known.iter().for_each(|&id| {
                    group.forget(id);
                }),
                21..36 => known.iter().for_each(|&id| {
                    own(group, id, None, 0, deliveries);
                }),
                36..52 => known.iter().for_each(|&id| {
                    own(group, id, Some(consumer), time_ms, deliveries);
                }),
                52 => {
                    group.touch_seen(consumer, time_ms);
                    group.touch_active(consumer, self.now_ms);
                    group.last_id = EntryId::new(self.next_ms, 0);
                    group.entries_read = known.len().checked_sub(3).map(|read| read as u64);
                }
                _ => fresh.iter().for_each(|&id| {
                    own(group, id, Some(consumer), time_ms, 1);
                }),
            }
        }
    }
}

#[test]
fn a_sliced_snapshot_is_what_a_twin_tells_at_once() {
    let (mut snapshots, mut unchanged, mut reloads, mut given_up) = (0, 0, 0, 0);
    for seed in 0..8 {
        let (mut history, mut group, mut twin) = History::new(seed, seed * 900);
        let mut store = Store::default();
        for _ in 0..25 {
            let lost_in_100 = if history.dice.below(2) == 0 { 0 } else { 30 };
            let expected = told_at_once(&mut twin);
            twin.undivide();
            let head = head(&twin);
            let as_of = load_whole(&whole(&twin)).unwrap();
            // A group that lost its last entry is not divided any more.
            group.divide().unwrap();
            // Frozen at once, at the first change, or by the first step.
            if history.dice.below(2) == 0 {
                group.freeze();
            }
            let steps_in_10 = [2, 5, 9][history.dice.below(3) as usize];
            let patience = 1 + history.dice.below(30);
            store.begin();
            let mut changes = 0;
            let is_told = loop {
                if history.dice.below(10) < steps_in_10 {
                    if store.step(&mut group, lost_in_100, &mut history.dice) {
                        break true;
                    }
                } else {
                    group.freeze();
                    history.change(&mut [&mut group, &mut twin]);
                    changes += 1;
                }
                group.validate().unwrap();
                if changes > 3 * patience {
                    break false;
                }
            };
            if is_told {
                assert!(store.images() == expected, "the snapshot is not what was there");
                snapshots += 1;
                unchanged += store.unchanged;
                let mut loaded = load_units(&head, store.units()).unwrap();
                loaded.validate().unwrap();
                assert_same(&loaded, &as_of);
                assert!(told_at_once(&mut loaded) == expected, "reading has moved records");
            } else {
                given_up += 1;
            }
            group.thaw();
            group.validate().unwrap();
            assert_same(&group, &twin);
            // Now and then everything is read back and goes on from there, beside what was not.
            if history.dice.below(5) == 0 {
                let mut as_it_was = group;
                as_it_was.divide().unwrap();
                store.take(&mut as_it_was);
                let head = written(&|out| as_it_was.write_head(out));
                group = load_units(&head, store.units()).unwrap();
                for _ in 0..10 {
                    history.change(&mut [&mut as_it_was, &mut group]);
                    group.validate().unwrap();
                    assert_same(&group, &as_it_was);
                }
                group.divide().unwrap();
                store.take(&mut group);
                twin = load_units(&written(&|out| group.write_head(out)), store.units()).unwrap();
                group = load_units(&written(&|out| group.write_head(out)), store.units()).unwrap();
                twin.undivide();
                reloads += 1;
            }
        }
    }
    assert!(snapshots > 100 && unchanged > 150 && reloads > 20 && given_up > 10, "{snapshots} {unchanged} {reloads}");
}

/// A divided group of two consumers, who got entries by turns, a hundred at a time, ten milliseconds after each other.
fn delivered(count: u64) -> (Group, [ConsumerKey; 2]) {
    let mut group = Group::new(EntryId::MIN, None);
    let consumers = ["ann", "bob"].map(|name| add_consumer(&mut group, name));
    for index in 0..count {
        let time_ms = 1_700_000_000_000 + index / 100 * 10;
        own(&mut group, EntryId::new(time_ms, index % 100), Some(consumers[(index / 100 % 2) as usize]), time_ms, 1);
    }
    group.divide().unwrap();
    (group, consumers)
}

fn first_pending(group: &Group) -> EntryId {
    group.first_pending().unwrap()
}

#[test]
fn an_acknowledgement_changes_one_unit_also_after_a_load() {
    let (mut group, _) = delivered(100_000);
    let mut store = Store::default();
    assert_eq!(store.take(&mut group), (98, 0));
    assert_eq!(store.take(&mut group), (0, 98));
    group.forget(EntryId::new(1_700_000_005_000, 42));
    assert_eq!(store.take(&mut group), (1, 97));
    let mut loaded = load_units(&head(&group), store.units()).unwrap();
    loaded.validate().unwrap();
    assert!(loaded.is_divided());
    assert_same(&loaded, &group);
    assert_eq!(store.take(&mut loaded), (0, 98));
    loaded.forget(EntryId::new(1_700_000_005_000, 43));
    assert_eq!(store.take(&mut loaded), (1, 97));
    // What is not stored any more is told again.
    let mut told = Vec::new();
    assert_eq!(loaded.next_unit(&mut |_| false, &mut told), UnitStep::Changed);
    assert_eq!(told, store.images()[0]);
    loaded.name_unit(store.told[0]);
    // A unit that got no name does not get that of another one.
    loaded.thaw();
    let mut is_stored = [false, true].into_iter();
    let mut step = || loaded.next_unit(&mut |_| is_stored.next().unwrap(), &mut Vec::new());
    assert_eq!([step(), step()], [UnitStep::Changed, UnitStep::Unchanged(store.told[1])]);
    loaded.name_unit(PartSpan { first: 1 << 40, count: 2 });
    loaded.thaw();
    let first = store.told[0];
    assert_eq!(loaded.next_unit(&mut |span| span == first, &mut Vec::new()), UnitStep::Unchanged(first));
    // What changed after the moment is changed at the next one, whether it was told or not, and named or not.
    let second_unit = EntryId::new(1_700_000_000_150, 3);
    loaded.thaw();
    assert_eq!(loaded.next_unit(&mut |_| false, &mut Vec::new()), UnitStep::Changed);
    loaded.forget(first_pending(&loaded));
    loaded.name_unit(PartSpan { first: 0, count: 2 });
    loaded.forget(second_unit);
    loaded.thaw();
    assert_eq!(store.take(&mut loaded), (2, 96));
    group.undivide();
    assert_eq!(group.next_unit(&mut |_| true, &mut told), UnitStep::End);
    assert_same(&load_whole(&whole(&group)).unwrap(), &group);
}

#[test]
fn a_unit_fits_into_a_part() {
    let (mut group, consumers) = delivered(100_000);
    let bytes = |group: &mut Group| told_at_once(group).iter().map(Vec::len).sum::<usize>() / 1000;
    let delivered = bytes(&mut group);
    let mut dice = Dice(1);
    for index in 0..400_000 {
        let some = dice.below(100_000);
        if group.forget(EntryId::new(1_700_000_000_000 + some / 100 * 10, some % 100)) {
            let (ms, consumer) = (1_700_000_010_000 + index, Some(consumers[dice.below(2) as usize]));
            own(&mut group, EntryId::new(ms, 0), consumer, ms + dice.below(1000), 3);
        }
    }
    let churned = bytes(&mut group);
    assert!(delivered < 620 && churned < 1020, "of 100,000: {delivered} and {churned} KB");

    let mut group = Group::new(EntryId::MIN, None);
    let consumers: Vec<_> = (0..1024).map(|name| add_consumer(&mut group, &std::format!("{name}"))).collect();
    for (index, &consumer) in (0..).zip(&consumers) {
        let (far, time_ms) = (index % 2 == 0, if index % 2 == 0 { TIME_MS_MAX } else { 0 });
        let id = EntryId::new(if far { u64::MAX >> 1 } else { 0 }, u64::MAX - index);
        own(&mut group, id, Some(consumer), time_ms, i64::MAX);
        group.pending.set_order(id, u32::MAX - 1024 + index as u32);
    }
    let names: usize = group.consumers().map(|(_, consumer)| 1 + consumer.name().len()).sum();
    let units = told_at_once(&mut group);
    assert!((units.len(), UNIT_RECORDS) == (1, 1024) && units[0].len() - names < 46 << 10, "{}", units[0].len());
    const { assert!(46 << 10 < UNIT_BYTES_MAX) };
    let loaded = load_units(&head(&group), units.iter().map(|unit| (PartSpan::default(), &unit[..]))).unwrap();
    assert_same(&loaded, &group);
}

#[test]
fn dealing_numbers_anew_changes_every_unit_it_touches() {
    let twins = || {
        let (mut group, consumers) = delivered(5000);
        (0..5000).step_by(50).for_each(|index| {
            own(&mut group, EntryId::new(1_700_000_000_000 + index / 100 * 10, index % 100), None, 0, 1);
        });
        let mut newest = None;
        group.walk_delivery(&mut |pending| {
            newest = if pending.consumer.is_none() { Some(pending.id) } else { newest };
            pending.consumer.is_none()
        });
        group.pending.set_order(newest.unwrap(), u32::MAX);
        (group, consumers)
    };
    let ((mut group, _), (mut twin, _)) = (twins(), twins());
    let mut store = Store::default();
    assert_eq!(store.take(&mut group), (5, 0));
    let at_once = told_at_once(&mut twin);
    store.begin();
    assert!(!store.step(&mut group, 0, &mut Dice(0)));
    let first = first_pending(&group);
    own(&mut group, first, Some(0), 5, 1);
    own(&mut group, first, None, 0, 1);
    group.validate().unwrap();
    while !store.step(&mut group, 0, &mut Dice(0)) {}
    group.thaw();
    assert!(store.images() == at_once);
    assert_eq!((store.changed, store.unchanged), (0, 5));
    assert_eq!(store.take(&mut group), (5, 0));
    assert_same(&load_units(&head(&group), store.units()).unwrap(), &group);
}

#[test]
fn a_consumer_that_goes_is_told_as_it_was() {
    let ((mut group, [ann, bob]), (mut twin, _)) = (delivered(3000), delivered(3000));
    let at_once = told_at_once(&mut twin);
    group.freeze();
    assert_eq!(group.delete_consumer(ann), 1500);
    assert_eq!(add_consumer(&mut group, "eve"), ann);
    let ann = add_consumer(&mut group, "ann");
    own(&mut group, EntryId::new(1, 1), Some(ann), 7, 1);
    assert_eq!(group.delete_consumer(bob), 1500);
    group.forget(EntryId::new(1, 1));
    group.validate().unwrap();
    // Even an empty group has to tell what it was.
    assert!(group.is_divided());
    let mut store = Store::default();
    while !store.step(&mut group, 0, &mut Dice(0)) {}
    assert!(store.images() == at_once);
    assert_same(&load_units(&head(&twin), store.units()).unwrap(), &twin);
    group.thaw();
    assert!(!group.is_divided());
    assert_eq!(group.pending.memory(), 0);
    group.validate().unwrap();
}

#[test]
fn an_image_of_one_moment_is_not_taken_for_that_of_another() {
    let (mut group, [ann, _]) = delivered(2 * UNIT_RECORDS as u64);
    group.freeze();
    let first_unit = |group: &Group| {
        let mut ids = Vec::new();
        group.walk(EntryId::MIN, &mut |pending| {
            ids.push(pending.id);
            ids.len() + 1 < UNIT_RECORDS
        });
        ids
    };
    // The first unit is kept, then is empty at the next moment, and has records again after it.
    let first = first_pending(&group);
    group.forget(first);
    group.thaw();
    first_unit(&group).into_iter().for_each(|id| assert!(group.forget(id)));
    let second = told_at_once(&mut group);
    assert_eq!(second.len(), 1);
    group.freeze();
    group.forget(first_pending(&group));
    (1..4).for_each(|ms| assert!(own(&mut group, EntryId::new(ms, 0), Some(ann), 7, 1)));
    group.validate().unwrap();
    let mut store = Store::default();
    while !store.step(&mut group, 0, &mut Dice(0)) {}
    assert!(store.images() == second);
    group.thaw();
    assert_eq!(told_at_once(&mut group).len(), 2);
}

#[test]
fn the_division_ends_with_the_last_entry() {
    for count in [1, 3000] {
        let (mut group, _) = delivered(count);
        while let Some(first) = group.first_pending() {
            assert!(group.is_divided());
            group.forget(first);
        }
        assert!(!group.is_divided());
        assert_eq!(group.pending.memory(), 0);
        // The moment of a group that is in one piece is the business of others.
        group.freeze();
        group.thaw();
        group.name_unit(PartSpan::default());
        assert_eq!(group.next_unit(&mut |_| true, &mut Vec::new()), UnitStep::End);
    }
    let (mut group, [ann, _]) = delivered(1);
    group.reserve_pending(Some(ann), 5).unwrap();
    group.forget(first_pending(&group));
    group.reserve_pending(Some(ann), 0).unwrap();
    assert_eq!(group.pending.memory(), 0);
}

#[test]
fn what_is_kept_is_counted_and_given_back() {
    let (mut group, _) = delivered(5000);
    let before = group.memory();
    group.freeze();
    group.freeze();
    for index in [0, 30, 45] {
        group.forget(EntryId::new(1_700_000_000_000 + index * 10, 0));
    }
    group.validate().unwrap();
    assert!(group.memory() > before + 3 * 5000, "three images are kept");
    group.thaw();
    group.validate().unwrap();
    assert!(group.memory() < before + 300);
    // A walk that is given up begins anew.
    let mut out = Vec::new();
    assert_eq!(group.next_unit(&mut |_| true, &mut out), UnitStep::Changed);
    group.thaw();
    assert_eq!(told_at_once(&mut group)[0], out);
}

#[test]
fn where_memory_is_refused_a_snapshot_is_lost_and_nothing_else() {
    let mut lost = 0;
    for granted in 0.. {
        let (mut history, mut group, mut twin) = History::new(granted as u64, 5000);
        let at_once = told_at_once(&mut twin);
        group.divide().unwrap();
        let mut store = Store::default();
        GRANTED.set(Some(granted));
        group.freeze();
        let mut is_lost = false;
        for _ in 0..12 {
            let mut out = vec![7];
            let step = group.next_unit(&mut |_| true, &mut out);
            assert!(!is_lost || step == UnitStep::Lost, "what is lost stays lost");
            is_lost = step == UnitStep::Lost;
            if step == UnitStep::Changed {
                let span = PartSpan { first: store.parts.len() as u64, count: 2 };
                store.parts.insert(span.first, out.split_off(1));
                store.told.push(span);
                group.name_unit(span);
            }
            assert_eq!(out, [7], "half an image");
            (0..2).for_each(|_| history.change(&mut [&mut group, &mut twin]));
            group.validate().unwrap();
        }
        let was_refused = GRANTED.take().is_none();
        assert!(is_lost || store.images() == at_once, "the snapshot is not what was there");
        assert!(was_refused || !is_lost);
        lost += usize::from(is_lost);
        assert_same(&group, &twin);
        // The next one succeeds, and knows what was stored.
        group.thaw();
        group.divide().unwrap();
        let at_once = told_at_once(&mut twin);
        store.take(&mut group);
        assert!(store.images() == at_once);
        if !was_refused {
            break;
        }
    }
    assert!(lost > 5, "{lost}");
}

#[test]
fn a_number_that_is_not_to_be_believed_moves_a_unit() {
    let (mut group, _) = delivered(2 * UNIT_RECORDS as u64);
    let units = told_at_once(&mut group);
    let spans = [7, 9].map(|first| PartSpan { first, count: 1 });
    // The first unit may be the 17th, and the next one the 81st.
    for first in [0, 3, 16, 17] {
        for second in [0, first, first + 1, 80, 81, 1 << 20, (1 << 30) - 1, 1 << 30, u32::MAX] {
            let images = [(first, &units[0]), (second, &units[1])].map(|(number, unit)| {
                let mut numbered = written(&|out| out.varint(u64::from(number)));
                numbered.extend_from_slice(&unit[1..]);
                numbered
            });
            let read = spans.into_iter().zip(images.iter().map(|image| &image[..]));
            let mut loaded = load_units(&head(&group), read).unwrap();
            loaded.validate().unwrap();
            assert!(loaded.memory() < 130_000, "{first} {second}: {}", loaded.memory());
            assert_same(&loaded, &group);
            let mut step = || loaded.next_unit(&mut |_| true, &mut Vec::new());
            let is_believed = [first <= 16, second > if first <= 16 { first } else { 0 } && second <= 80];
            for (is_believed, span) in is_believed.into_iter().zip(spans) {
                let expected = if is_believed { UnitStep::Unchanged(span) } else { UnitStep::Changed };
                assert_eq!(step(), expected, "{first} {second}");
            }
            assert_eq!(step(), UnitStep::End);
        }
    }
}

/// A group with everything in it, and its image in one piece and in units.
fn specimen() -> (Vec<u8>, Vec<u8>, Vec<Vec<u8>>) {
    let mut group = Group::new(EntryId::new(70, 3), Some(9));
    let consumers = NAMES.map(|name| add_consumer(&mut group, name));
    let mut dice = Dice(7);
    for index in 0..UNIT_RECORDS as u64 + 30 {
        let owner = if dice.below(5) == 0 { None } else { Some(consumers[dice.below(4) as usize]) };
        let deliveries = if dice.below(10) == 0 { 70_000 } else { 1 };
        own(&mut group, EntryId::new(1000 + index, dice.below(3)), owner, 5000 + dice.below(9), deliveries);
    }
    // A few of them are left, in both units, with free slots between them.
    for index in (0..UNIT_RECORDS as u64 + 20).filter(|index| index % 40 != 0) {
        (0..3).for_each(|seq| {
            group.forget(EntryId::new(1000 + index, seq));
        });
    }
    group.touch_active(consumers[0], 77);
    let units = told_at_once(&mut group);
    assert_eq!(units.len(), 2);
    (whole(&group), head(&group), units)
}

/// Loads damaged images; returns how many were accepted. What is accepted is sound.
fn load_damaged(whole: &[u8], head: &[u8], units: &[Vec<u8>]) -> usize {
    let spanned = units.iter().map(|unit| (PartSpan { first: 1, count: 1 }, &unit[..]));
    let loaded = [load_whole(whole), load_units(head, spanned)];
    let accepted = loaded.into_iter().flatten().inspect(|group| {
        group.validate().unwrap();
        let again = load_whole(&self::whole(group)).unwrap();
        assert_same(group, &again);
    });
    accepted.count()
}

#[test]
fn damaged_images_are_refused_or_make_a_sound_group() {
    let (whole, head, units) = specimen();
    assert_eq!(load_damaged(&whole, &head, &units), 2);
    let (mut accepted, mut tried) = (0, 0);
    // Each bit of each image, and each length.
    let mut damage_each = |image: &[u8], load: &mut dyn FnMut(&[u8]) -> usize| {
        for bit in 0..image.len() * 8 {
            let mut flipped = image.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            accepted += load(&flipped);
            tried += 1;
        }
        for len in 0..image.len() {
            assert_eq!(load(&image[..len]), 0, "a part of an image is not an image");
        }
    };
    damage_each(&whole, &mut |whole| load_damaged(whole, &[], &[]));
    damage_each(&head, &mut |head| load_damaged(&[], head, &units));
    for damaged in 0..2 {
        damage_each(&units[damaged], &mut |unit| {
            let mut units = units.clone();
            units[damaged] = unit.to_vec();
            load_damaged(&[], &head, &units)
        });
    }
    assert!(accepted > 1000 && tried > 5000, "{accepted} of {tried}");
}

#[test]
fn arbitrary_images_are_refused_or_make_a_sound_group() {
    let (whole, head, units) = specimen();
    let mut dice = Dice(3);
    for _ in 0..20_000 {
        let mut images = [whole.clone(), head.clone(), units[0].clone(), units[1].clone()];
        for _ in 0..1 + dice.below(3) {
            let donor = images[dice.below(4) as usize].clone();
            let image = &mut images[dice.below(4) as usize];
            let at = dice.below(image.len() as u64 + 1) as usize;
            match dice.below(4) {
                0 => image.truncate(at),
                1 => image.splice(at.., donor[donor.len().min(at)..].iter().copied()).for_each(drop),
                2 => image.insert(at, [0, 1, 127, 128, 255][dice.below(5) as usize]),
                _ => image[at..].iter_mut().take(4).for_each(|byte| *byte = dice.below(256) as u8),
            }
        }
        let [whole, head, first, second] = images;
        load_damaged(&whole, &head, &[first, second]);
        let noise: Vec<u8> = (0..dice.below(60)).map(|_| dice.below(256) as u8 & 143).collect();
        load_damaged(&noise, &noise, std::slice::from_ref(&noise));
        load_damaged(&[], &head, &[noise.clone(), units[1].clone()]);
    }
}

#[test]
fn what_does_not_belong_into_a_group_is_refused() {
    let (whole, head, units) = specimen();
    let spans = || units.iter().map(|unit| (PartSpan { first: 1, count: 1 }, &unit[..]));
    let refused = |result: Result<Group, ImageFault>| matches!(result, Err(ImageFault::Misfit(_)));
    assert!(refused(load_units(&head, spans().chain(spans()))), "entries twice");
    assert!(refused(load_units(&head, spans().take(1))), "entries that are missing");
    assert!(refused(load_whole(&[&whole[..], &[0]].concat())), "bytes behind the end");
    let mut loaded = load_units(&head, spans()).unwrap();
    assert!(loaded.load_unit(&mut ImageReader::new(&units[0]), PartSpan::default()).is_err(), "a unit too late");
    assert!(loaded.finish_load().is_err(), "the end twice");

    // One consumer, "a", and this for its entries: ID, time and order, count.
    let mut group = Group::new(EntryId::MIN, None);
    let consumer = Some(add_consumer(&mut group, "a"));
    (1..3).for_each(|ms| assert!(own(&mut group, EntryId::new(ms, 0), consumer, 1, 1)));
    let head = self::head(&group);
    let head_of = |consumers: &[&[u8]], counts: [u64; 2]| {
        written(&|out| {
            out.id(EntryId::MIN);
            out.option(None);
            out.varint(consumers.len() as u64);
            consumers.iter().for_each(|name| {
                out.bytes(name);
                out.varint(0);
                out.option(None);
            });
            counts.into_iter().for_each(|count| out.varint(count));
        })
    };
    assert_eq!(head, head_of(&[b"a"], [2, 0]));
    for names in [[&b"a"[..], b"a"], [b"b", b"a"]] {
        assert!(refused(Group::load_head(&mut ImageReader::new(&head_of(&names, [0, 0])))), "{names:?}");
    }
    let units = told_at_once(&mut group);
    for counts in [[1, 0], [3, 0], [2, 1]] {
        let unit = (PartSpan::default(), &units[0][..]);
        assert!(refused(load_units(&head_of(&[b"a"], counts), [unit].into_iter())), "{counts:?}");
    }
    assert!(refused(load_units(&head_of(&[], [0, 0]), [(PartSpan::default(), &[0, 0, 0][..])].into_iter())));
    let unit = |owners: &[&[u8]], records: &[[u64; 6]]| {
        let unit = written(&|out| {
            out.varint(0);
            out.varint(owners.len() as u64);
            owners.iter().for_each(|owner| out.bytes(owner));
            out.varint(records.len() as u64);
            records.iter().flatten().for_each(|&number| out.varint(number));
        });
        load_units(&head, [(PartSpan::default(), &unit[..])].into_iter())
    };
    // Owner, then the milliseconds and the sequence of the ID, time and order, and the count.
    let good = [[1, 2, 0, 2, 0, 1], [1, 2, 0, 0, 1, 1]];
    assert_same(&unit(&[b"a"], &good).unwrap(), &group);
    for (place, value) in [(0, 2), (1, 0), (3, 3), (3, 2 << 48), (4, 0), (4, 1 << 32), (5, 1 << 63)] {
        let mut bad = good;
        bad[1][place] = value;
        assert!(refused(unit(&[b"a"], &bad)), "{place} {value}");
    }
    assert!(refused(unit(&[b"a", b"a"], &good)), "an owner twice");
    assert!(refused(unit(&[b"b"], &good)), "an owner who is not there");
    assert!(refused(unit(&[b"a"], &vec![[1, 2, 0, 2, 0, 1]; UNIT_RECORDS + 1])), "too many records");
}
