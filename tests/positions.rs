//! Positions: the point in the journal on which a reply depends. Whoever shows a reply only when the journal is stored
//! up to its position never shows what a crash undoes.
//!
//! Writes depend on their own effects, reads on the newest effect of the keys they looked at, a miss on the newest
//! removal in its database, readers that waited on what they were given.
#![allow(dead_code, reason = "the support files serve several test programs")]
#![allow(clippy::panic, clippy::indexing_slicing, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/driver.rs"]
mod driver;
#[path = "support/pattern.rs"]
mod pattern;

use brooklet::{Config, Position};

use driver::Driver;

/// Runs a line and returns the position of its reply.
#[track_caller]
fn position_of(driver: &mut Driver, line: &str) -> u64 {
    driver.run_at(line).1.0
}

/// Runs a line that is a unit of its own, and returns its position.
#[track_caller]
fn write(driver: &mut Driver, line: &str) -> u64 {
    let before = driver.engine.position().0;
    let (reply, position) = driver.run_at(line);
    assert_eq!(position.0, before + 1, "{line}: {reply}");
    assert_eq!(driver.engine.position(), position, "{line}: {reply}");
    position.0
}

/// Checks that lines have these positions and write nothing.
#[track_caller]
fn assert_reads(driver: &mut Driver, expected: u64, lines: &[&str]) {
    let before = (driver.engine.position(), driver.engine.effects_len());
    for line in lines {
        let (reply, position) = driver.run_at(line);
        assert_eq!(position.0, expected, "{line}: {reply}");
        assert_eq!((driver.engine.position(), driver.engine.effects_len()), before, "{line}: {reply}");
    }
}

/// What looks at a stream `s` with a group `g` and changes nothing.
const READS: &[&str] = &[
    "XLEN s",
    "XRANGE s - +",
    "XRANGE s - + COUNT 0",
    "XREVRANGE s + -",
    "XREAD STREAMS s 0",
    "XREAD STREAMS s $",
    "XPENDING s g",
    "XPENDING s g - + 10",
    "XINFO STREAM s",
    "XINFO STREAM s FULL",
    "XINFO GROUPS s",
    "XINFO CONSUMERS s g",
    "EXISTS s",
    "TYPE s",
    "TTL s",
    "PTTL s",
];

/// Writes that turn out to have nothing to do, or to be refused: what they tell, they read.
const WRITES_IN_VAIN: &[&str] = &[
    "XDEL s 99-1",
    "XDEL s x",
    "XDELEX s IDS 1 99-1",
    "XTRIM s MAXLEN 1000",
    "XTRIM s MINID ~ 1",
    "XACK s g 99-1",
    "XACK s none 1-1",
    "XACKDEL s g IDS 1 99-1",
    "XNACK s g FAIL IDS 1 99-1",
    "XADD s 1-1 f v",
    "XADDIF s 0-0 * f v",
    "XGROUP CREATE s g 0",
    "XGROUP DESTROY s none",
    "XGROUP CREATECONSUMER s g a",
    "XGROUP DELCONSUMER s g none",
    "XGROUP SETID s none 0",
    "XSETID s 0-1",
    "XCFGSET s IDMP-MAXSIZE 100",
    "XREADGROUP GROUP g a STREAMS s >",
    "XREADGROUP GROUP none a STREAMS s >",
    "XCLAIM s g a 999999 1-1",
    "XAUTOCLAIM s g a 999999 -",
    "XIDMPRECORD s p i 99-1",
    "PERSIST s",
    "PEXPIRE s 100 XX",
    "SET s v NX",
    "SET s v GET",
    "RENAME s s",
    "GET s",
];

/// A stream with everything that `READS` and `WRITES_IN_VAIN` look at, and the position of its newest effect. Other
/// keys changed before and after.
fn prepared() -> (Driver, u64) {
    let mut driver = Driver::new();
    driver.run_all(&["SET other value", "XADD s 1-1 f v", "XADD s 2-1 f v", "XGROUP CREATE s g 0"]);
    driver.run("XREADGROUP GROUP g a STREAMS s >");
    let newest = driver.engine.position().0;
    driver.run_all(&["SET other value", "XADD t 1-1 f v", "XADD t 2-1 f v"]);
    (driver, newest)
}

mod reads {
    use super::*;

    #[test]
    fn depend_on_the_newest_effect_of_their_key() {
        let (mut driver, newest) = prepared();
        assert_reads(&mut driver, newest, READS);
        let newest = write(&mut driver, "XACK s g 1-1");
        driver.run_all(&["SET other value"]);
        assert_reads(&mut driver, newest, READS);
    }

    #[test]
    fn in_vain_depend_on_the_newest_effect_of_their_key_too() {
        let (mut driver, newest) = prepared();
        assert_reads(&mut driver, newest, WRITES_IN_VAIN);
    }

    #[test]
    fn depend_on_the_newest_of_all_keys_they_look_at() {
        let (mut driver, newest) = prepared();
        let other = driver.engine.position().0;
        assert!(other > newest);
        assert_reads(&mut driver, other, &["EXISTS s t", "XREAD STREAMS t s 0 0", "XREAD STREAMS s t $ $"]);
        assert_reads(&mut driver, newest, &["EXISTS s s", "XREAD COUNT 1 STREAMS s s 0 0"]);
    }

    #[test]
    fn depend_on_each_kind_of_effect() {
        let (mut driver, _) = prepared();
        for line in [
            "XADD s 3-1 f v",
            "XADD s MAXLEN 2 4-1 f v",
            "XADD s IDMP p i * f v",
            "XTRIM s MAXLEN 2",
            "XDEL s 4-1",
            "XDELEX s DELREF IDS 1 2-1",
            "XSETID s 9999999-0",
            "XCFGSET s IDMP-MAXSIZE 7",
            "XGROUP CREATE s h 0",
            "XGROUP SETID s h 1-1",
            "XGROUP CREATECONSUMER s h c",
            "XGROUP DELCONSUMER s h c",
            "XGROUP DESTROY s h",
            "XCLAIM s g b 0 1000000-0 FORCE",
            "XNACK s g FAIL IDS 1 1000000-0",
            "XAUTOCLAIM s g b 0 -",
            "XACK s g 1000000-0",
            "XREADGROUP GROUP g c NOACK STREAMS s >",
            "PEXPIRE s 5000",
            "PERSIST s",
        ] {
            let (reply, position) = driver.run_at(line);
            driver.run_all(&["SET other value"]);
            assert!(position.0 + 1 == driver.engine.position().0, "{line}: {reply}");
            assert_reads(&mut driver, position.0, &["XLEN s", "XINFO STREAM s FULL"]);
        }
    }

    #[test]
    fn of_nothing_stored_depend_on_nothing() {
        let (mut driver, _) = prepared();
        assert_reads(
            &mut driver,
            0,
            &["PING", "ECHO x", "TIME", "XINFO HELP", "XGROUP HELP", "NONSENSE", "XLEN", "XADD s"],
        );
        // Refused for its words alone.
        assert_reads(
            &mut driver,
            0,
            &["XRANGE s x +", "XADD s 0-0 f v", "XTRIM s MAXLEN x", "XREAD COUNT x STREAMS s 0"],
        );
    }

    #[test]
    fn of_a_duplicate_depend_on_what_it_tells_of() {
        let (mut driver, _) = prepared();
        let added = write(&mut driver, "XADD s IDMP p i * f v");
        driver.run_all(&["SET other value"]);
        assert_reads(&mut driver, added, &["XADD s IDMP p i * f v"]);
    }
}

mod misses {
    use super::*;

    const MISSES: &[&str] = &[
        "EXISTS none",
        "GET none",
        "TYPE none",
        "TTL none",
        "XLEN none",
        "XRANGE none - +",
        "XREAD STREAMS none 0",
        "XINFO STREAM none",
        "XPENDING none g",
        "XREADGROUP GROUP g c STREAMS none >",
        "XDEL none 1-1",
        "XDELEX none IDS 1 x",
        "XACK none g 1-1",
        "XACKDEL none g IDS 1 1-1",
        "XTRIM none MAXLEN 0",
        "XADD none NOMKSTREAM * f v",
        "XADDIF none 5-5 * f v",
        "XSETID none 1-1",
        "XCFGSET none IDMP-MAXSIZE 5",
        "XGROUP CREATE none g 0",
        "XGROUP DESTROY none g",
        "DEL none none",
        "RENAME none other",
        "PERSIST none",
        "PEXPIRE none 5",
        "SET none v XX",
    ];

    #[test]
    fn depend_on_the_newest_removal_in_their_database() {
        let (mut driver, _) = prepared();
        assert_reads(&mut driver, 0, MISSES);
        for line in ["DEL other", "RENAME t u", "PEXPIRE u 0", "FLUSHDB", "FLUSHALL"] {
            if line.starts_with("FLUSH") {
                driver.run_all(&["SET some v"]);
            }
            let removed = write(&mut driver, line);
            driver.run_all(&["SET another v"]);
            assert_reads(&mut driver, removed, MISSES);
        }
    }

    #[test]
    fn depend_on_the_expiry_that_somebody_found() {
        let (mut driver, _) = prepared();
        driver.run_all(&["PEXPIRE t 100"]);
        let before = driver.engine.position().0;
        driver.now_ms += 100;
        // Finding it is what removes it.
        assert_eq!(driver.run_at("TYPE t"), ("+none".into(), Position(before + 1)));
        driver.run_all(&["SET other v"]);
        assert_reads(&mut driver, before + 1, MISSES);
    }

    #[test]
    fn depend_on_the_expiry_that_time_brought() {
        let (mut driver, _) = prepared();
        driver.run_all(&["PEXPIRE t 100"]);
        driver.pass(100);
        let expired = driver.engine.position().0;
        driver.run_all(&["SET other v"]);
        assert_reads(&mut driver, expired, MISSES);
    }

    #[test]
    fn do_not_depend_on_other_databases() {
        let (mut driver, _) = prepared();
        let removed = write(&mut driver, "DEL t");
        driver.session.database = 3;
        assert_reads(&mut driver, 0, MISSES);
        driver.session.database = 0;
        assert_reads(&mut driver, removed, MISSES);
    }

    #[test]
    fn of_some_keys_depend_on_all_that_was_looked_for() {
        let (mut driver, newest) = prepared();
        let removed = write(&mut driver, "DEL t");
        assert!(removed > newest);
        assert_reads(&mut driver, removed, &["EXISTS s t", "XREAD STREAMS s t 0 0"]);
    }

    #[test]
    fn on_a_name_that_came_back_are_hits() {
        let (mut driver, _) = prepared();
        driver.run_all(&["DEL t"]);
        let added = write(&mut driver, "XADD t 1-1 f v");
        driver.run_all(&["DEL other"]);
        assert_reads(&mut driver, added, &["XLEN t"]);
    }
}

mod writes {
    use super::*;

    #[test]
    fn are_one_unit_each_and_depend_on_it() {
        let (mut driver, _) = prepared();
        for line in [
            "XREADGROUP GROUP g a STREAMS s 0",
            "XADD new 1-1 f v",
            "XADD s MAXLEN 1 IDMP p i * f v",
            "XGROUP CREATE made g $ MKSTREAM",
            "XREADGROUP GROUP g new STREAMS s >",
            "XREADGROUP GROUP g newer STREAMS s >",
            "XCLAIM s g newest 0 1000000-0 FORCE LASTID 9999999-0",
            "XACKDEL s g DELREF IDS 1 1000000-0",
            "SET text v EX 5",
            "DEL new made text none",
            "RENAME t u",
            "FLUSHALL",
        ] {
            write(&mut driver, line);
        }
    }

    #[test]
    fn to_a_key_that_expired_are_one_unit_with_its_removal() {
        let (mut driver, _) = prepared();
        driver.run_all(&["PEXPIRE s 100"]);
        driver.now_ms += 100;
        write(&mut driver, "XADD s 1-1 f v");
        assert_eq!(driver.run("XLEN s"), ":1");
    }

    #[test]
    fn of_a_transaction_are_one_unit() {
        let (mut driver, newest) = prepared();
        let before = driver.engine.position().0;
        let (_, position) = driver.exec(&["XADD s 8-1 f v", "XLEN none", "SET other v", "DEL t"]);
        assert_eq!((position.0, driver.engine.position().0), (before + 1, before + 1));
        assert_reads(&mut driver, before + 1, &["XLEN s", "GET other", "XLEN none"]);
        assert!(newest < before);
    }

    #[test]
    fn of_a_transaction_that_only_reads_are_none() {
        let (mut driver, newest) = prepared();
        let before = driver.engine.position();
        assert_eq!(driver.exec(&["XLEN s", "PING"]).1, Position(newest));
        assert_eq!(driver.exec(&["XLEN s", "XLEN t"]).1, before);
        assert_eq!(driver.exec(&["PING"]).1, Position(0));
        assert_eq!(driver.exec(&[]).1, Position(0));
        assert_eq!(driver.exec(&["XADD s", "XLEN s"]).1, Position(0));
        assert_eq!(driver.engine.position(), before);
    }

    #[test]
    fn count_without_a_journal_as_well() {
        let mut driver = Driver::with(Config::default());
        assert_eq!(position_of(&mut driver, "XADD s 1-1 f v"), 1);
        assert_eq!(position_of(&mut driver, "SET other v"), 2);
        assert_eq!(position_of(&mut driver, "XLEN s"), 1);
        assert_eq!(driver.take_effects(), []);
        assert_eq!(driver.engine.position(), Position(2));
    }

    #[test]
    fn move_no_position_when_effects_are_taken() {
        let (mut driver, newest) = prepared();
        let mut effects = Vec::new();
        assert_eq!(driver.engine.take_effects(&mut effects), driver.engine.position());
        assert_eq!(driver.engine.effects_len(), 0);
        assert_reads(&mut driver, newest, READS);
        let before = effects.len();
        assert_eq!(driver.engine.take_effects(&mut effects), driver.engine.position());
        assert_eq!(effects.len(), before);
    }

    #[test]
    fn keep_their_positions_over_a_replay() {
        let (mut driver, newest) = prepared();
        let removed = write(&mut driver, "DEL t");
        driver.run_all(&["SET other v"]);
        let effects = driver.take_effects();
        let mut other = driver.replayed(&effects).expect("what was written can be read");
        assert_eq!(other.engine.position(), driver.engine.position());
        assert_reads(&mut other, newest, READS);
        assert_reads(&mut other, removed, &["XLEN none"]);
        let next = write(&mut other, "XADD s 9-9 f v");
        assert_eq!(next, driver.engine.position().0 + 1);
    }
}

mod waiting {
    use super::*;

    #[test]
    fn readers_depend_on_the_newest_effect_of_their_keys() {
        let (mut driver, _) = prepared();
        let waiter = driver.block("XREAD BLOCK 0 STREAMS s t $ $");
        let added = write(&mut driver, "XADD s 3-1 f v");
        let woken = driver.woken().expect("it was woken");
        assert_eq!((woken.waiter, woken.position.0), (waiter, added));
    }

    #[test]
    fn readers_of_groups_depend_on_their_own_deliveries() {
        let (mut driver, _) = prepared();
        driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
        driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
        let (_, added) = driver.exec(&["XADD s 3-1 f v"]);
        let first = driver.woken().expect("one was woken");
        assert_eq!(first.position.0, added.0 + 1);
        assert_eq!(driver.engine.position(), first.position);
        assert_eq!(driver.woken(), None);
        driver.run("XADD s 4-1 f v");
        assert_eq!(driver.woken().map(|woken| woken.position), Some(Position(added.0 + 3)));
    }

    #[test]
    fn readers_without_acknowledgement_depend_on_the_place_of_the_group() {
        let (mut driver, _) = prepared();
        driver.block("XREADGROUP GROUP g a NOACK BLOCK 0 STREAMS s >");
        let (_, added) = driver.run_at("XADD s 3-1 f v");
        assert_eq!(driver.woken().map(|woken| woken.position), Some(Position(added.0 + 1)));
    }

    #[test]
    fn the_end_of_a_group_or_key_depends_on_what_ended_it() {
        for line in ["XGROUP DESTROY s g", "DEL s", "SET s v", "RENAME s elsewhere", "FLUSHALL"] {
            let (mut driver, _) = prepared();
            driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
            let ended = write(&mut driver, line);
            assert_eq!(driver.woken().map(|woken| woken.position.0), Some(ended), "{line}");
        }
    }

    #[test]
    fn the_end_by_expiry_depends_on_the_expiry() {
        let (mut driver, _) = prepared();
        driver.run_all(&["PEXPIRE s 100"]);
        driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
        let before = driver.engine.position().0;
        driver.pass(100);
        assert_eq!(driver.engine.position().0, before + 1);
        assert_eq!(driver.woken().map(|woken| woken.position.0), Some(before + 1));
    }

    #[test]
    fn claims_depend_on_themselves() {
        let (mut driver, _) = prepared();
        driver.block("XREADGROUP GROUP g b CLAIM 100 BLOCK 0 STREAMS s >");
        let before = driver.engine.position().0;
        driver.pass(100);
        assert_eq!(driver.engine.position().0, before + 1);
        assert_eq!(driver.woken().map(|woken| woken.position.0), Some(before + 1));
    }

    #[test]
    fn the_end_of_a_wait_depends_on_nothing_later_than_itself() {
        let (mut driver, newest) = prepared();
        driver.block("XREAD BLOCK 100 STREAMS s $");
        driver.pass(100);
        let ended = driver.woken().expect("its time is over").position;
        assert!(ended.0 >= newest && ended <= driver.engine.position());
    }

    #[test]
    fn being_resumed_in_vain_writes_nothing() {
        let (mut driver, _) = prepared();
        driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
        driver.block("XREAD BLOCK 0 STREAMS s $");
        let (_, position) = driver.exec(&["XADD s 3-1 f v", "XDEL s 3-1"]);
        assert_eq!(driver.woken(), None);
        assert_eq!(driver.engine.position(), position);
    }
}

mod refusals {
    use super::*;

    #[test]
    fn of_replay_name_the_unit_and_keep_what_came_before() {
        let (mut driver, _) = prepared();
        let first = driver.take_effects();
        driver.run_all(&["XADD s 7-1 f v"]);
        let second = driver.take_effects();
        // The second piece without the first does not fit anything.
        assert_eq!(driver.replayed(&second).map(|_| ()).expect_err("nothing to add to").offset, 0);
        let cut = [&first[..], &second[..second.len() - 1]].concat();
        let error = driver.replayed(&cut).map(|_| ()).expect_err("the last unit is cut");
        assert_eq!(error.offset, first.len());
        assert!(driver.replayed(&[first, second].concat()).is_ok());
    }
}
