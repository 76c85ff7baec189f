//! Rules 4 and 5: a torn end is dropped where the medium can tear; every other break is refused, or salvaged.

use brooklet::persist::{Damage, Leftovers, LogBreak, Loss, Manifest, OpenError, RecoveryConfig};

use crate::history::{History, Shape, config, contents, read_only, salvaging, tearable};
use crate::steps::number_from_environment;
use crate::storage::{Level, MemoryStorage, Place};
use crate::{SMALL, check_goes_on, log_count, with_snapshot};

const LARGE: Shape = Shape { journal_bytes: 256 << 10, group_bytes: 4000, chunk_bytes_max: 1500, has_views: true };

/// The end of a log that lost its last bytes, on both kinds of media.
fn check_cut(history: &History, storage: &MemoryStorage, cut: usize) {
    let mut torn = storage.clone();
    torn.cut_log(cut);
    let left = log_count(&torn);
    let last = torn.stored.log.keys().next_back().copied().unwrap_or(0);
    let is_last_whole = last > 0 && *torn.stored.log[&last] == history.chunks[last as usize - 1].bytes;
    let ends_with_group = is_last_whole && history.moments.iter().any(|moment| moment.tail.sequence == last);

    let mut atomic = torn.clone();
    match history.open(&mut atomic, config()) {
        Ok(recovered) => {
            assert!(ends_with_group || last == 0, "cut by {cut}: a torn value was taken on an atomic medium");
            assert_eq!(recovered.log, left);
        }
        Err(OpenError::CorruptLog(broken)) => {
            assert!(!ends_with_group, "cut by {cut}: {broken}");
            assert_eq!((broken.first_bad, broken.next_good), (if is_last_whole { last + 1 } else { last }, None));
        }
        Err(error) => panic!("cut by {cut}: {error}"),
    }

    let recovered = history.open(&mut torn, tearable()).unwrap_or_else(|error| panic!("cut by {cut}: {error}"));
    let expected = if ends_with_group {
        last
    } else {
        history.moments.iter().map(|moment| moment.tail.sequence).filter(|&it| it < last).max().unwrap_or(0)
    };
    assert_eq!(recovered.tail.sequence, expected, "cut by {cut}");
    let dropped = recovered.tail_dropped;
    assert_eq!((recovered.log.chunks + dropped.chunks, recovered.log.bytes + dropped.bytes), (left.chunks, left.bytes));
    assert_eq!(log_count(&torn), recovered.log, "what was dropped is gone");
    assert!(recovered.losses.is_empty() && !recovered.is_lossy);
    check_goes_on(history, &mut torn, tearable(), &recovered);
}

#[test]
fn r4_every_prefix_of_a_small_log_is_a_clean_prefix_or_refused() {
    let history = History::new(4, SMALL);
    let storage = history.stored(Level::Written);
    for cut in 0..=storage.log_bytes() {
        check_cut(&history, &storage, cut);
    }
}

#[test]
fn r4_a_large_log_cut_at_the_end_of_each_chunk_is_a_clean_prefix_or_refused() {
    let history = History::new(4, LARGE);
    let storage = history.stored(Level::Written);
    let mut left = storage.log_bytes();
    assert!(left >= 256 << 10);
    for chunk in &history.chunks {
        left -= chunk.bytes.len();
        [left.checked_sub(1), Some(left), Some(left + 1)].into_iter().flatten().for_each(|cut| {
            check_cut(&history, &storage, cut);
        });
    }
}

/// The log before the append that is cut is in the snapshot, but for one append: otherwise it would be read again for
/// each of its bytes.
#[test]
fn r4_a_large_log_cut_inside_each_append_is_a_clean_prefix_or_refused() {
    let history = History::new(4, LARGE);
    let step = number_from_environment("BROOKLET_CUT_STEP").unwrap_or(61) as usize;
    for (index, moments) in history.moments.windows(3).enumerate() {
        let storage = history.stored_from(&moments[0], &moments[2]);
        let chunks = &history.chunks[moments[1].tail.sequence as usize..moments[2].tail.sequence as usize];
        let append_bytes: usize = chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        for cut in (index % step..append_bytes).step_by(step) {
            check_cut(&history, &storage, cut);
        }
    }
}

#[test]
fn r4_the_state_of_every_prefix_is_the_one_of_that_moment() {
    let history = History::new(5, LARGE);
    let storage = history.stored(Level::Written);
    for moment in history.moments[1..].iter().step_by(4) {
        let mut cut = storage.clone();
        let behind: usize = history.chunks[moment.tail.sequence as usize..].iter().map(|chunk| chunk.bytes.len()).sum();
        cut.cut_log(behind.saturating_sub(1));
        assert_eq!(history.open_and_compare(&mut cut, tearable()).tail, moment.tail);
    }
}

/// The chunks of one append may have reached the disk in any order: a first one that did not, with a last one that did,
/// is a tear as well. Behind a whole group it is a hole.
#[test]
fn r4_a_tear_reaches_over_one_append_and_no_further() {
    let history = History::new(4, SMALL);
    let storage = history.stored(Level::Written);
    let groups: Vec<(u64, u64)> =
        history.moments.windows(2).map(|pair| (pair[0].tail.sequence + 1, pair[1].tail.sequence)).collect();
    let (first, last) = *groups.last().expect("there are groups");
    assert!(first < last, "the last group has several chunks");
    for (index, &(begin, end)) in groups.iter().enumerate() {
        for sequence in begin..=end {
            let mut damaged = storage.clone();
            damaged.flip_bit(Place::Chunk(sequence), 700);
            let opened = history.open(&mut damaged, tearable());
            if index + 1 == groups.len() {
                let dropped = opened.expect("it may be a tear").tail_dropped;
                assert_eq!(dropped.chunks, last - begin + 1);
            } else {
                let error = opened.expect_err("another append came behind");
                assert!(matches!(error, OpenError::CorruptLog(LogBreak { first_bad, .. }) if first_bad == sequence));
            }
        }
    }
}

/// A last group whose head is gone, and one that begins with a chunk that is gone as well.
#[test]
fn r4_two_appends_that_lost_their_first_chunks_are_no_tear() {
    let history = History::new(4, SMALL);
    let mut storage = history.stored(Level::Written);
    for pair in history.moments[history.moments.len() - 3..].windows(2) {
        assert!(pair[1].tail.sequence > pair[0].tail.sequence + 1, "a group of several chunks");
        storage.flip_bit(Place::Chunk(pair[0].tail.sequence + 1), 9);
    }
    assert!(matches!(history.open(&mut storage, tearable()), Err(OpenError::CorruptLog(_))));
}

#[test]
fn r5_a_hole_is_refused_wherever_it_is() {
    let history = History::new(5, SMALL);
    let storage = history.stored(Level::Durable);
    let last = history.last().tail.sequence;
    for sequence in 1..last {
        let mut holed = storage.clone();
        holed.drop_value(Place::Chunk(sequence));
        let last_good = if sequence == 1 { 0 } else { history.moment_before(sequence).tail.sequence };
        let next_good = Some(sequence + 1);
        let expected =
            OpenError::CorruptLog(LogBreak { last_good, first_bad: sequence, next_good, damage: Damage::Missing });
        assert_eq!(history.open(&mut holed, config()), Err(expected));
        assert_eq!(history.open(&mut holed, read_only()), Err(expected));
        if sequence < history.moment_before(last).tail.sequence {
            assert_eq!(history.open(&mut holed, tearable()), Err(expected));
        }
    }
}

/// An append is whole there or not at all: a last one that is damaged was acknowledged.
#[test]
fn r5_a_bad_last_chunk_is_refused_on_an_atomic_medium() {
    let history = History::new(5, SMALL);
    let last = history.last().tail.sequence;
    let last_good = history.moment_before(last).tail.sequence;
    for bit in (0..history.chunks[last as usize - 1].bytes.len() * 8).step_by(7) {
        let mut storage = history.stored(Level::Durable);
        storage.flip_bit(Place::Chunk(last), bit);
        let error = history.open(&mut storage, config()).expect_err("a bit is wrong");
        let OpenError::CorruptLog(broken) = error else { panic!("{error:?}") };
        assert_eq!((broken.last_good, broken.first_bad, broken.next_good), (last_good, last, None));
    }
}

#[test]
fn r5_salvage_loads_what_comes_before_and_puts_the_rest_aside() {
    let history = History::new(5, Shape { has_views: true, ..SMALL });
    let last = history.last().tail.sequence;
    for sequence in (2..=last).step_by(3) {
        let mut storage = history.stored(Level::Durable);
        storage.witness = Some(History::witness(history.last()));
        storage.flip_bit(Place::Chunk(sequence), 77);
        storage.put_parts(1, &[(8, b"may be of help")]).expect("nobody else is there");
        let before = contents(&storage);
        let recovered = history.open_and_compare(&mut storage, salvaging());
        let last_good = recovered.tail.sequence;
        let [Loss::Rest(broken)] = recovered.losses[..] else { panic!("{:?}", recovered.losses) };
        assert_eq!((broken.last_good, broken.first_bad), (last_good, sequence));
        assert_eq!(recovered.clock_ms, history.last().base_ms + 1);
        assert_eq!((recovered.is_lossy, recovered.leftovers.clone()), (true, Leftovers::default()));
        assert_eq!(storage.stored.log.len() as u64, last_good);
        let rest = before.log.clone().split_off(&(last_good + 1));
        assert!(storage.stored.quarantine == rest, "the rest is in quarantine as it was");
        assert_eq!(storage.stored.parts.len(), 1);
        // The owner's first durable append is followed by a witness of the shorter log.
        storage.witness = None;
        check_goes_on(&history, &mut storage, config(), &recovered);
    }
}

#[test]
fn r5_salvage_keeps_the_snapshot() {
    let history = History::new(6, Shape { has_views: true, ..SMALL });
    let (mut storage, manifest) = with_snapshot(&history, 3);
    let hole = manifest.upto_sequence + 1;
    storage.drop_value(Place::Chunk(hole));
    let recovered = history.open_and_compare(&mut storage, salvaging());
    assert_eq!(recovered.tail.sequence, manifest.upto_sequence);
    assert_eq!(recovered.manifest, Some(Manifest { is_lossy: true, ..manifest }));
    assert_eq!(storage.stored.log.len(), 0);
    check_goes_on(&history, &mut storage, config(), &recovered);
}

#[test]
fn r5_without_a_good_beginning_there_is_nothing_to_salvage() {
    let history = History::new(5, SMALL);
    let mut storage = history.stored(Level::Durable);
    storage.flip_bit(Place::Chunk(1), 300);
    let error = history.open(&mut storage, salvaging()).expect_err("nothing is before chunk 1");
    assert!(matches!(error, OpenError::CorruptLog(LogBreak { last_good: 0, first_bad: 1, next_good: Some(2), .. })));
}

#[test]
fn r5_a_reader_salvages_without_writing() {
    let history = History::new(5, SMALL);
    let mut storage = history.stored(Level::Durable);
    storage.drop_value(Place::Chunk(9));
    let config = RecoveryConfig { is_read_only: true, ..salvaging() };
    let recovered = history.open(&mut storage, config).expect("the prefix is there");
    assert_eq!((recovered.tail, recovered.epoch), (history.moment_before(9).tail, None));
    assert_eq!((recovered.losses.len(), recovered.is_lossy), (1, true));
}
