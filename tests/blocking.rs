//! Readers that wait: who is woken, in which order, when, with what, and what is left afterwards.
//!
//! The transcripts in `conformance/` hold what a real server can show, too. Here is what needs a clock driven by hand
//! and a look inside: deadlines, ties, cancellation.
#![allow(dead_code, reason = "the support files serve several test programs")]
#![allow(clippy::panic, clippy::indexing_slicing, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/driver.rs"]
mod driver;
#[path = "support/pattern.rs"]
mod pattern;

use brooklet::{Config, WaiterId};

use driver::{Driver, START_MS};

const NO_GROUP: &str = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

/// An engine with the stream `s` and the group `g` that has read all of it.
fn with_group() -> Driver {
    let mut driver = Driver::new();
    driver.run_all(&["XGROUP CREATE s g $ MKSTREAM"]);
    driver
}

/// An engine in which consumer `a` of group `g` holds one entry for each of these IDs, all delivered at the start.
fn with_pending(ids: &[&str]) -> Driver {
    let mut driver = with_group();
    for id in ids {
        driver.run(&format!("XADD s {id} f v"));
    }
    driver.run("XREADGROUP GROUP g a STREAMS s >");
    driver
}

fn entry(id: &str) -> String {
    format!("{{s [[{id} [f v]]]}}")
}

fn claimed(id: &str, idle_ms: u64, deliveries: u64) -> String {
    format!("{{s [[{id} [f v] :{idle_ms} :{deliveries}]]}}")
}

fn null() -> String {
    "null-array".into()
}

/// What the waiters got, in the order in which they were served.
#[track_caller]
fn assert_woken<const N: usize>(driver: &mut Driver, expected: [(WaiterId, String); N]) {
    assert_eq!(driver.all_woken(), expected);
}

mod arrival {
    use super::*;

    #[test]
    fn readers_are_served_in_the_order_in_which_they_came() {
        let mut driver = Driver::new();
        let waiters: Vec<WaiterId> = (0..300).map(|_| driver.block("XREAD BLOCK 0 STREAMS s $")).collect();
        driver.run("XADD s 1-1 f v");
        let served: Vec<WaiterId> = driver.all_woken().into_iter().map(|(waiter, _)| waiter).collect();
        assert_eq!(served, waiters);
    }

    #[test]
    fn names_of_waiters_are_never_used_again() {
        let mut driver = Driver::new();
        let first = driver.block("XREAD BLOCK 0 STREAMS s $");
        assert!(driver.engine.cancel(first));
        let second = driver.block("XREAD BLOCK 0 STREAMS s $");
        assert!(second > first);
        assert!(!driver.engine.cancel(first), "the place of the first is the second's by now");
        driver.run("XADD s 1-1 f v");
        assert_woken(&mut driver, [(second, entry("1-1"))]);
    }

    #[test]
    fn a_group_serves_one_reader_with_all_there_is_and_the_rest_keep_their_order() {
        let mut driver = with_group();
        let [a, b, c] =
            ["a", "b", "c"].map(|name| driver.block(&format!("XREADGROUP GROUP g {name} BLOCK 0 STREAMS s >")));
        driver.exec(&["XADD s 1-1 f v", "XADD s 2-1 f v"]);
        assert_woken(&mut driver, [(a, "{s [[1-1 [f v]] [2-1 [f v]]]}".into())]);
        driver.run("XADD s 3-1 f v");
        assert_woken(&mut driver, [(b, entry("3-1"))]);
        driver.run("XADD s 4-1 f v");
        assert_woken(&mut driver, [(c, entry("4-1"))]);
    }

    #[test]
    fn with_a_count_one_transaction_serves_several_readers_of_a_group() {
        let mut driver = with_group();
        let [a, b, c] =
            ["a", "b", "c"].map(|name| driver.block(&format!("XREADGROUP GROUP g {name} COUNT 1 BLOCK 0 STREAMS s >")));
        driver.exec(&["XADD s 1-1 f v", "XADD s 2-1 f v"]);
        assert_woken(&mut driver, [(a, entry("1-1")), (b, entry("2-1"))]);
        assert_eq!(driver.engine.statistics().waiting_readers(), 1);
        driver.run("XADD s 3-1 f v");
        assert_woken(&mut driver, [(c, entry("3-1"))]);
    }

    #[test]
    fn a_waiter_that_takes_the_place_of_an_earlier_one_still_comes_last() {
        let mut driver = with_group();
        let gone = driver.block("XREADGROUP GROUP g gone BLOCK 0 STREAMS s >");
        let first = driver.block("XREADGROUP GROUP g first BLOCK 0 STREAMS s >");
        assert!(driver.engine.cancel(gone));
        let second = driver.block("XREADGROUP GROUP g second BLOCK 0 STREAMS s >");
        driver.run("XADD s 1-1 f v");
        driver.run("XADD s 2-1 f v");
        assert_woken(&mut driver, [(first, entry("1-1")), (second, entry("2-1"))]);
    }

    #[test]
    fn a_reader_that_waits_on_keeps_its_place_before_later_ones() {
        let mut driver = with_group();
        let first = driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
        driver.exec(&["XADD s 1-1 f v", "XDEL s 1-1"]);
        let second = driver.block("XREADGROUP GROUP g b BLOCK 0 STREAMS s >");
        driver.run("XADD s 2-1 f v");
        assert_woken(&mut driver, [(first, entry("2-1"))]);
        driver.run("XADD s 3-1 f v");
        assert_woken(&mut driver, [(second, entry("3-1"))]);
    }

    #[test]
    fn each_group_is_a_queue_of_its_own() {
        let mut driver = with_group();
        driver.run_all(&["XGROUP CREATE s h $"]);
        let ga = driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
        let plain = driver.block("XREAD BLOCK 0 STREAMS s $");
        let gb = driver.block("XREADGROUP GROUP g b BLOCK 0 STREAMS s >");
        let ha = driver.block("XREADGROUP GROUP h a BLOCK 0 STREAMS s >");
        driver.run("XADD s 1-1 f v");
        let expected = [(ga, entry("1-1")), (plain, entry("1-1")), (ha, entry("1-1"))];
        assert_woken(&mut driver, expected);
        driver.run("XADD s 2-1 f v");
        assert_woken(&mut driver, [(gb, entry("2-1"))]);
    }

    #[test]
    fn databases_have_waiters_of_their_own() {
        let mut driver = Driver::new();
        let zero = driver.block("XREAD BLOCK 0 STREAMS s $");
        driver.session.database = 15;
        let fifteen = driver.block("XREAD BLOCK 0 STREAMS s $");
        driver.run("XADD s 1-1 f v");
        assert_woken(&mut driver, [(fifteen, entry("1-1"))]);
        driver.session.database = 0;
        driver.run("XADD s 2-1 f v");
        assert_woken(&mut driver, [(zero, entry("2-1"))]);
    }
}

mod keys {
    use super::*;

    #[test]
    fn everything_there_is_comes_in_the_order_of_the_readers_keys() {
        let mut driver = Driver::new();
        let waiter = driver.block("XREAD BLOCK 0 STREAMS s t u $ $ $");
        driver.exec(&["XADD u 1-1 f v", "XADD s 1-1 f v", "XADD u 2-1 f v"]);
        assert_woken(&mut driver, [(waiter, "{s [[1-1 [f v]]] u [[1-1 [f v]] [2-1 [f v]]]}".into())]);
    }

    #[test]
    fn a_key_named_twice_is_waited_on_once_and_answered_twice() {
        let mut driver = Driver::new();
        let waiter = driver.block("XREAD BLOCK 0 STREAMS s s $ 0");
        driver.run("XADD s 1-1 f v");
        assert_woken(&mut driver, [(waiter, "{s [[1-1 [f v]]] s [[1-1 [f v]]]}".into())]);
        let mut driver = with_group();
        let waiter = driver.block("XREADGROUP GROUP g a COUNT 1 BLOCK 0 STREAMS s s > >");
        driver.exec(&["XADD s 1-1 f v", "XADD s 2-1 f v"]);
        assert_woken(&mut driver, [(waiter, "{s [[1-1 [f v]]] s [[2-1 [f v]]]}".into())]);
    }

    #[test]
    fn keys_are_served_in_the_order_in_which_they_changed() {
        let mut driver = Driver::new();
        let s = driver.block("XREAD BLOCK 0 STREAMS s $");
        let t = driver.block("XREAD BLOCK 0 STREAMS t $");
        driver.exec(&["XADD t 1-1 f v", "XADD s 1-1 f v"]);
        assert_woken(&mut driver, [(t, "{t [[1-1 [f v]]]}".into()), (s, entry("1-1"))]);
    }

    #[test]
    fn a_key_that_nobody_waits_on_any_more_leaves_nothing_behind() {
        let mut driver = Driver::new();
        let before = driver.engine.memory();
        let waiter = driver.block("XREAD BLOCK 1000 STREAMS s t u $ $ $");
        assert!(driver.engine.memory() > before);
        assert_eq!(driver.run("EXISTS s t u"), ":0");
        assert!(driver.engine.cancel(waiter));
        assert_eq!(driver.engine.memory(), before);
        assert_eq!(driver.engine.next_deadline(), None);
    }

    #[test]
    fn one_key_gone_answers_for_all_keys_of_the_reader() {
        let mut driver = with_group();
        driver.run_all(&["XGROUP CREATE t g $ MKSTREAM"]);
        let waiter = driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s t > >");
        driver.exec(&["XADD t 1-1 f v", "DEL s"]);
        assert_woken(&mut driver, [(waiter, NO_GROUP.into())]);
        assert_eq!(driver.run("XPENDING t g"), "[:0 null null null-array]");
    }
}

mod endings {
    use super::*;

    /// Lets a reader of the group and a plain reader wait, and checks who is woken with what.
    #[track_caller]
    fn check(lines: &[&str], group_reader: Option<&str>) {
        let mut driver = with_group();
        driver.run_all(&["XADD s 1-1 f v", "XREADGROUP GROUP g a STREAMS s >", "XGROUP CREATE s other $"]);
        let reader = driver.block("XREADGROUP GROUP g b BLOCK 0 STREAMS s >");
        driver.block("XREAD BLOCK 0 STREAMS s $");
        match lines {
            [line] => drop(driver.run(line)),
            lines => drop(driver.exec(lines)),
        }
        let expected: Vec<_> = group_reader.map(|reply| (reader, reply.to_string())).into_iter().collect();
        assert_eq!(driver.all_woken(), expected, "{lines:?}");
        assert_eq!(driver.engine.statistics().waiting_readers(), 2 - expected.len());
    }

    #[test]
    fn the_end_of_the_group_is_told() {
        check(&["XGROUP DESTROY s g"], Some(NO_GROUP));
        check(&["XGROUP DESTROY s other"], None);
        check(&["XGROUP DESTROY s nobody"], None);
    }

    #[test]
    fn the_end_of_the_key_is_told_to_readers_of_groups_only() {
        check(&["DEL s"], Some(NO_GROUP));
        check(&["FLUSHDB"], Some(NO_GROUP));
        check(&["FLUSHALL"], Some(NO_GROUP));
        check(&["RENAME s t"], Some(NO_GROUP));
        check(&["PEXPIRE s 0"], Some(NO_GROUP));
    }

    #[test]
    fn another_value_in_its_place_is_told_to_readers_of_groups_only() {
        check(&["SET s v"], Some(WRONG_TYPE));
        check(&["SET t v", "RENAME t s"], Some(WRONG_TYPE));
    }

    #[test]
    fn what_ends_and_begins_again_in_one_transaction_is_not_told() {
        check(&["XGROUP DESTROY s g", "XGROUP CREATE s g $"], None);
        check(&["DEL s", "XGROUP CREATE s g $ MKSTREAM"], None);
        check(&["RENAME s t", "RENAME t s"], None);
        check(&["SET s v", "DEL s", "XGROUP CREATE s g 0 MKSTREAM"], None);
    }

    #[test]
    fn what_leaves_nothing_to_read_wakes_nobody() {
        check(&["XADD s 2-1 f v", "XDEL s 2-1"], None);
        check(&["XADD s MAXLEN 0 2-1 f v"], None);
        check(&["XADD s 2-1 f v", "XTRIM s MAXLEN 0"], None);
        check(&["XADD s 2-1 f v", "XDELEX s IDS 1 2-1"], None);
    }

    #[test]
    fn what_changes_no_entry_wakes_nobody() {
        for line in [
            "XGROUP SETID s g 0",
            "XGROUP CREATECONSUMER s g c",
            "XGROUP DELCONSUMER s g a",
            "XACK s g 1-1",
            "XACKDEL s g IDS 1 1-1",
            "XDEL s 1-1",
            "XSETID s 9-9",
            "XCLAIM s g c 0 1-1",
            "XAUTOCLAIM s g c 0 -",
            "XCFGSET s IDMP-MAXSIZE 5",
            "XNACK s g FAIL IDS 1 1-1",
            "PEXPIRE s 1000",
            "RENAME s s",
        ] {
            check(&[line], None);
        }
    }

    #[test]
    fn expiry_is_told_when_its_time_comes_and_not_before() {
        let mut driver = with_group();
        driver.run_all(&["PEXPIRE s 100"]);
        let reader = driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
        let plain = driver.block("XREAD BLOCK 0 STREAMS s $");
        assert_eq!(driver.engine.next_deadline(), Some(START_MS + 100));
        driver.pass(99);
        assert_woken(&mut driver, []);
        driver.pass(1);
        assert_woken(&mut driver, [(reader, NO_GROUP.into())]);
        assert_eq!(driver.engine.next_deadline(), None);
        driver.run("XADD s 1-1 f v");
        assert_woken(&mut driver, [(plain, entry("1-1"))]);
    }

    #[test]
    fn expiry_is_told_by_whoever_finds_it_first() {
        let mut driver = with_group();
        driver.run_all(&["PEXPIRE s 100"]);
        let reader = driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
        driver.now_ms += 100;
        assert_eq!(driver.run("TYPE s"), "+none");
        assert_woken(&mut driver, [(reader, NO_GROUP.into())]);
    }

    #[test]
    fn rename_onto_the_key_serves_or_tells_what_is_missing() {
        let mut driver = with_group();
        driver.run_all(&["XADD with 1-1 f v", "XGROUP CREATE with g 0", "XADD without 1-1 f v"]);
        let first = driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
        driver.run_all(&["RENAME with s"]);
        assert_woken(&mut driver, [(first, entry("1-1"))]);
        let second = driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
        driver.run_all(&["RENAME without s"]);
        assert_woken(&mut driver, [(second, NO_GROUP.into())]);
    }

    #[test]
    fn rename_moves_no_waiter() {
        let mut driver = Driver::new();
        driver.run_all(&["XADD s 1-1 f v"]);
        let waiter = driver.block("XREAD BLOCK 0 STREAMS s $");
        driver.run_all(&["RENAME s t", "XADD t 2-1 f v"]);
        assert_woken(&mut driver, []);
        driver.run_all(&["XADD s 1-1 f v"]);
        assert_woken(&mut driver, []);
        driver.run_all(&["XADD s 1-2 f v"]);
        assert_woken(&mut driver, [(waiter, entry("1-2"))]);
    }

    #[test]
    fn a_consumer_deleted_while_it_waits_is_made_again_by_the_next_entry() {
        let mut driver = with_group();
        let waiter = driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
        driver.run_all(&["XGROUP DELCONSUMER s g a"]);
        assert_eq!(driver.run("XINFO CONSUMERS s g"), "[]");
        driver.run("XADD s 1-1 f v");
        assert_woken(&mut driver, [(waiter, entry("1-1"))]);
        assert_eq!(driver.run("XPENDING s g"), "[:1 1-1 1-1 [[a 1]]]");
    }
}

mod ids {
    use super::*;

    #[test]
    fn the_dollar_is_what_it_was_when_the_reader_came() {
        let mut driver = Driver::new();
        driver.run_all(&["XADD s 5-5 f v"]);
        let waiter = driver.block("XREAD BLOCK 0 STREAMS s t $ $");
        driver.exec(&["XADD s 6-1 f v", "XDEL s 6-1"]);
        assert_woken(&mut driver, []);
        driver.run_all(&["DEL s", "XADD s 5-5 f v"]);
        assert_woken(&mut driver, []);
        driver.run_all(&["XADD s 5-6 f v"]);
        assert_woken(&mut driver, [(waiter, entry("5-6"))]);
    }

    #[test]
    fn the_last_entry_is_the_newest_at_the_time_of_waking() {
        let mut driver = Driver::new();
        let waiter = driver.block("XREAD BLOCK 0 STREAMS s +");
        driver.exec(&["XADD s 1-1 f v", "XADD s 2-1 f v", "XADD s 3-1 f v", "XDEL s 3-1"]);
        assert_woken(&mut driver, [(waiter, entry("2-1"))]);
    }

    #[test]
    fn nothing_comes_behind_the_last_id_of_all() {
        let mut driver = Driver::new();
        let max = "18446744073709551615-18446744073709551615";
        driver.run_all(&[&format!("XADD s {max} f v")]);
        driver.block("XREAD BLOCK 10 STREAMS s $");
        driver.block(&format!("XREAD BLOCK 10 STREAMS s {max}"));
        driver.run_all(&["DEL s", "XADD s 1-1 f v"]);
        assert_woken(&mut driver, []);
        driver.pass(10);
        assert_eq!(driver.all_woken().len(), 2);
    }

    #[test]
    fn the_last_id_of_all_means_new_entries_to_a_group() {
        let mut driver = with_group();
        let waiter = driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s 18446744073709551615-18446744073709551615");
        driver.run("XADD s 1-1 f v");
        assert_woken(&mut driver, [(waiter, entry("1-1"))]);
    }

    #[test]
    fn ones_own_history_is_answered_at_once_whatever_else_is_asked() {
        let mut driver = with_pending(&["1-1"]);
        assert_eq!(driver.run("XREADGROUP GROUP g b BLOCK 0 STREAMS s 0"), "{s []}");
        assert_eq!(driver.run("XREADGROUP GROUP g a BLOCK 0 CLAIM 0 NOACK STREAMS s 0"), entry("1-1"));
    }

    #[test]
    fn limits_hold_for_what_a_woken_reader_gets() {
        let mut driver = Driver::new();
        let count = driver.block("XREAD COUNT 1 BLOCK 0 STREAMS s t $ $");
        let max_count = driver.block("XREAD MAXCOUNT 3 BLOCK 0 STREAMS s t $ $");
        let max_size = driver.block("XREAD MAXSIZE 1 BLOCK 0 STREAMS s t $ $");
        driver.exec(&["XADD s 1-1 f v", "XADD s 2-1 f v", "XADD t 1-1 f v", "XADD t 2-1 f v"]);
        let expected = [
            (count, "{s [[1-1 [f v]]] t [[1-1 [f v]]]}".into()),
            (max_count, "{s [[1-1 [f v]] [2-1 [f v]]] t [[1-1 [f v]]]}".into()),
            (max_size, entry("1-1")),
        ];
        assert_woken(&mut driver, expected);
    }
}

mod time {
    use super::*;

    #[test]
    fn a_wait_ends_at_its_time_and_not_before() {
        let mut driver = Driver::new();
        let waiter = driver.block("XREAD BLOCK 100 STREAMS s $");
        assert_eq!(driver.engine.next_deadline(), Some(START_MS + 100));
        driver.pass(99);
        assert_woken(&mut driver, []);
        driver.pass(1);
        assert_woken(&mut driver, [(waiter, null())]);
        assert_eq!(driver.engine.next_deadline(), None);
        assert!(!driver.engine.cancel(waiter));
    }

    #[test]
    fn waits_that_end_together_end_in_the_order_of_arrival() {
        let mut driver = Driver::new();
        let gone = driver.block("XREAD BLOCK 0 STREAMS s $");
        let first = driver.block("XREAD BLOCK 100 STREAMS s $");
        assert!(driver.engine.cancel(gone));
        let second = driver.block("XREAD BLOCK 100 STREAMS s $");
        driver.pass(100);
        assert_woken(&mut driver, [(first, null()), (second, null())]);
    }

    #[test]
    fn a_late_clock_ends_waits_in_the_order_of_their_time() {
        let mut driver = Driver::new();
        let later = driver.block("XREAD BLOCK 200 STREAMS s $");
        let sooner = driver.block("XREAD BLOCK 100 STREAMS s $");
        driver.pass(10_000);
        assert_woken(&mut driver, [(sooner, null()), (later, null())]);
    }

    #[test]
    fn an_entry_that_comes_before_the_clock_is_told_is_still_delivered() {
        let mut driver = Driver::new();
        let waiter = driver.block("XREAD BLOCK 100 STREAMS s $");
        driver.now_ms += 200;
        driver.run("XADD s 1-1 f v");
        assert_woken(&mut driver, [(waiter, entry("1-1"))]);
        driver.pass(0);
        assert_woken(&mut driver, []);
    }

    #[test]
    fn a_wait_that_was_resumed_in_vain_keeps_its_end() {
        let mut driver = with_group();
        let waiter = driver.block("XREADGROUP GROUP g a BLOCK 100 STREAMS s >");
        driver.pass(60);
        driver.exec(&["XADD s 1-1 f v", "XDEL s 1-1"]);
        assert_eq!(driver.engine.next_deadline(), Some(START_MS + 100));
        driver.pass(40);
        assert_woken(&mut driver, [(waiter, null())]);
    }

    #[test]
    fn zero_waits_for_ever() {
        let mut driver = Driver::new();
        driver.block("XREAD BLOCK 0 STREAMS s $");
        assert_eq!(driver.engine.next_deadline(), None);
        driver.advance_to(u64::MAX);
        assert_woken(&mut driver, []);
    }

    #[test]
    fn the_longest_time_is_further_than_any_clock() {
        let mut driver = Driver::new();
        let longest = i64::MAX as u64 - (1 << 48);
        driver.block(&format!("XREAD BLOCK {longest} STREAMS s $"));
        assert_eq!(driver.engine.next_deadline(), Some(START_MS + longest));
        driver.advance_to(u64::MAX);
        assert_woken(&mut driver, []);
        for too_long in [longest + 1, i64::MAX as u64] {
            let reply = driver.run(&format!("XREAD BLOCK {too_long} STREAMS s $"));
            assert_eq!(reply, "-ERR timeout is out of range");
        }
    }

    #[test]
    fn a_clock_that_runs_backwards_only_makes_waits_longer() {
        let mut driver = Driver::new();
        let waiter = driver.block("XREAD BLOCK 100 STREAMS s $");
        driver.advance_to(0);
        driver.advance_to(START_MS + 99);
        assert_woken(&mut driver, []);
        driver.advance_to(START_MS + 100);
        assert_woken(&mut driver, [(waiter, null())]);
    }

    #[test]
    fn a_wait_begun_at_the_end_of_time_does_not_overflow() {
        let mut driver = Driver::new();
        driver.now_ms = u64::MAX;
        let waiter = driver.block("XREAD BLOCK 1 STREAMS s $");
        driver.advance_to(u64::MAX);
        assert_woken(&mut driver, []);
        driver.run("XADD s * f v");
        assert_eq!(driver.all_woken(), [(waiter, "{s [[281474976710655-0 [f v]]]}".into())]);
    }

    #[test]
    fn a_reader_that_was_served_leaves_no_deadline() {
        let mut driver = Driver::new();
        driver.block("XREAD BLOCK 100 STREAMS s $");
        driver.run("XADD s 1-1 f v");
        assert_eq!(driver.engine.next_deadline(), None);
        assert_eq!(driver.all_woken().len(), 1);
        driver.pass(100);
        assert_woken(&mut driver, []);
    }
}

mod claims {
    use super::*;

    #[test]
    fn a_reader_gets_an_entry_in_the_millisecond_in_which_it_is_idle_long_enough() {
        let mut driver = with_pending(&["1-1"]);
        driver.pass(30);
        let waiter = driver.block("XREADGROUP GROUP g b CLAIM 100 BLOCK 0 STREAMS s >");
        assert_eq!(driver.engine.next_deadline(), Some(START_MS + 100));
        driver.pass(69);
        assert_woken(&mut driver, []);
        driver.pass(1);
        assert_woken(&mut driver, [(waiter, claimed("1-1", 100, 1))]);
        assert_eq!(driver.run("XPENDING s g - + 9"), "[[1-1 b :0 :2]]");
    }

    #[test]
    fn readers_whose_entry_matures_together_are_served_in_the_order_of_arrival() {
        let mut driver = with_pending(&["1-1"]);
        let gone = driver.block("XREADGROUP GROUP g gone BLOCK 0 STREAMS s >");
        let first = driver.block("XREADGROUP GROUP g first CLAIM 100 BLOCK 0 STREAMS s >");
        assert!(driver.engine.cancel(gone));
        let second = driver.block("XREADGROUP GROUP g second CLAIM 100 BLOCK 0 STREAMS s >");
        driver.pass(100);
        assert_woken(&mut driver, [(first, claimed("1-1", 100, 1))]);
        assert_eq!(driver.engine.next_deadline(), Some(START_MS + 200));
        driver.pass(100);
        assert_woken(&mut driver, [(second, claimed("1-1", 100, 2))]);
    }

    #[test]
    fn each_reader_has_its_own_idea_of_idle() {
        let mut driver = with_pending(&["1-1"]);
        let patient = driver.block("XREADGROUP GROUP g b CLAIM 200 BLOCK 0 STREAMS s >");
        let quick = driver.block("XREADGROUP GROUP g c CLAIM 100 BLOCK 0 STREAMS s >");
        driver.pass(100);
        assert_woken(&mut driver, [(quick, claimed("1-1", 100, 1))]);
        driver.pass(100);
        assert_woken(&mut driver, []);
        driver.pass(100);
        assert_woken(&mut driver, [(patient, claimed("1-1", 200, 2))]);
    }

    #[test]
    fn what_is_delivered_to_an_earlier_reader_matures_for_a_later_one() {
        let mut driver = with_group();
        let first = driver.block("XREADGROUP GROUP g a CLAIM 100 BLOCK 0 STREAMS s >");
        let second = driver.block("XREADGROUP GROUP g b CLAIM 100 BLOCK 0 STREAMS s >");
        assert_eq!(driver.engine.next_deadline(), None);
        driver.run("XADD s 1-1 f v");
        assert_woken(&mut driver, [(first, claimed("1-1", 0, 0))]);
        driver.pass(100);
        assert_woken(&mut driver, [(second, claimed("1-1", 100, 1))]);
    }

    #[test]
    fn of_several_keys_the_first_entry_to_mature_counts() {
        let mut driver = with_pending(&["1-1"]);
        driver.run_all(&["XADD t 1-1 f v", "XGROUP CREATE t g 0"]);
        driver.pass(50);
        driver.run("XREADGROUP GROUP g a STREAMS t >");
        let waiter = driver.block("XREADGROUP GROUP g b CLAIM 100 BLOCK 0 STREAMS t s > >");
        assert_eq!(driver.engine.next_deadline(), Some(START_MS + 100));
        driver.pass(50);
        assert_woken(&mut driver, [(waiter, claimed("1-1", 100, 1))]);
    }

    #[test]
    fn an_entry_read_again_or_acknowledged_matures_later_or_never() {
        let mut driver = with_pending(&["1-1"]);
        let waiter = driver.block("XREADGROUP GROUP g b CLAIM 100 BLOCK 0 STREAMS s >");
        driver.pass(60);
        driver.run("XREADGROUP GROUP g a STREAMS s 0");
        driver.pass(40);
        assert_woken(&mut driver, []);
        assert_eq!(driver.engine.next_deadline(), Some(START_MS + 160));
        driver.run_all(&["XACK s g 1-1"]);
        driver.pass(60);
        assert_woken(&mut driver, []);
        assert_eq!(driver.engine.next_deadline(), None);
        driver.run("XADD s 2-1 f v");
        assert_woken(&mut driver, [(waiter, claimed("2-1", 0, 0))]);
    }

    #[test]
    fn an_entry_that_is_gone_matures_for_nobody() {
        let mut driver = with_pending(&["1-1", "2-1"]);
        driver.run_all(&["XDEL s 1-1"]);
        let waiter = driver.block("XREADGROUP GROUP g b CLAIM 100 BLOCK 0 STREAMS s >");
        driver.run_all(&["XDEL s 2-1"]);
        driver.pass(100);
        assert_woken(&mut driver, []);
        assert_eq!(driver.engine.next_deadline(), None, "what was due and could not be claimed is not due again");
        driver.run("XADD s 3-1 f v");
        assert_woken(&mut driver, [(waiter, claimed("3-1", 0, 0))]);
    }

    #[test]
    fn what_is_given_back_is_claimed_at_once() {
        let mut driver = with_pending(&["1-1"]);
        let waiter = driver.block("XREADGROUP GROUP g b CLAIM 5000 BLOCK 0 STREAMS s >");
        driver.run_all(&["XNACK s g FAIL IDS 1 1-1"]);
        assert_woken(&mut driver, [(waiter, claimed("1-1", START_MS, 1))]);
    }

    #[test]
    fn a_wait_that_ends_before_the_entry_matures_claims_nothing() {
        let mut driver = with_pending(&["1-1"]);
        let waiter = driver.block("XREADGROUP GROUP g b CLAIM 100 BLOCK 60 STREAMS s >");
        assert_eq!(driver.engine.next_deadline(), Some(START_MS + 60));
        driver.pass(1000);
        assert_woken(&mut driver, [(waiter, null())]);
        assert_eq!(driver.run("XPENDING s g - + 9"), "[[1-1 a :1000 :1]]");
    }

    #[test]
    fn the_largest_idle_time_never_comes() {
        let mut driver = with_pending(&["1-1"]);
        let waiter = driver.block(&format!("XREADGROUP GROUP g b CLAIM {} BLOCK 0 STREAMS s >", i64::MAX));
        driver.advance_to(u64::MAX);
        assert_woken(&mut driver, []);
        assert!(driver.engine.cancel(waiter));
        assert_eq!(driver.engine.next_deadline(), None);
    }

    #[test]
    fn a_clock_that_runs_backwards_makes_no_entry_old() {
        let mut driver = with_pending(&["1-1"]);
        driver.advance_to(10);
        let waiter = driver.block("XREADGROUP GROUP g b CLAIM 100 BLOCK 0 STREAMS s >");
        driver.advance_to(START_MS + 99);
        assert_woken(&mut driver, []);
        driver.advance_to(START_MS + 100);
        assert_woken(&mut driver, [(waiter, claimed("1-1", 100, 1))]);
    }
}

mod cancellation {
    use super::*;

    #[test]
    fn whoever_went_away_gets_nothing_and_takes_nothing() {
        let mut driver = with_group();
        let gone = driver.block("XREADGROUP GROUP g a BLOCK 100 STREAMS s >");
        let next = driver.block("XREADGROUP GROUP g b BLOCK 200 STREAMS s >");
        assert!(driver.engine.cancel(gone));
        assert!(!driver.engine.cancel(gone));
        assert_eq!(driver.engine.next_deadline(), Some(START_MS + 200));
        assert_eq!(driver.engine.statistics().waiting_readers(), 1);
        driver.run("XADD s 1-1 f v");
        assert_woken(&mut driver, [(next, entry("1-1"))]);
        assert_eq!(driver.run("XPENDING s g"), "[:1 1-1 1-1 [[b 1]]]");
    }

    #[test]
    fn a_reader_that_has_its_reply_can_not_be_cancelled() {
        let mut driver = Driver::new();
        let waiter = driver.block("XREAD BLOCK 0 STREAMS s $");
        driver.run("XADD s 1-1 f v");
        assert!(!driver.engine.cancel(waiter));
        assert_woken(&mut driver, [(waiter, entry("1-1"))]);
    }

    #[test]
    fn what_a_reader_did_before_it_went_away_stays() {
        let mut driver = with_group();
        let waiter = driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
        assert!(driver.engine.cancel(waiter));
        assert!(driver.run("XINFO CONSUMERS s g").contains("name a"));
    }

    #[test]
    fn readers_go_away_in_any_order() {
        let mut driver = Driver::new();
        let before = driver.engine.memory();
        let mut waiters: Vec<WaiterId> = (0..200).map(|_| driver.block("XREAD BLOCK 50 STREAMS s t $ $")).collect();
        while !waiters.is_empty() {
            let waiter = waiters.swap_remove(waiters.len() * 7 % 11 % waiters.len());
            assert!(driver.engine.cancel(waiter));
            driver.engine.validate().expect("every invariant holds");
        }
        assert_eq!(driver.engine.memory(), before);
        assert_eq!(driver.engine.next_deadline(), None);
    }
}

mod transactions {
    use super::*;

    #[test]
    fn nothing_waits_inside() {
        let mut driver = with_group();
        let lines =
            ["XREAD BLOCK 0 STREAMS s $", "XREADGROUP GROUP g a BLOCK 0 STREAMS s >", "XREAD BLOCK 5 STREAMS none 0"];
        assert_eq!(driver.exec(&lines).0, "[null-array null-array null-array]");
        assert_eq!(driver.engine.statistics().waiting_readers(), 0);
    }

    #[test]
    fn readers_are_served_after_the_last_command() {
        let mut driver = Driver::new();
        let waiter = driver.block("XREAD BLOCK 0 STREAMS s $");
        let (replies, _) = driver.exec(&["XADD s 1-1 f v", "XLEN s", "XADD s 2-1 f v", "XDEL s 1-1"]);
        assert_eq!(replies, "[1-1 :1 2-1 :1]");
        assert_woken(&mut driver, [(waiter, entry("2-1"))]);
    }

    #[test]
    fn what_the_transaction_reads_itself_is_not_left_for_those_who_wait() {
        let mut driver = with_group();
        let waiter = driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
        driver.exec(&["XADD s 1-1 f v", "XREADGROUP GROUP g b STREAMS s >"]);
        assert_woken(&mut driver, []);
        driver.run("XADD s 2-1 f v");
        assert_woken(&mut driver, [(waiter, entry("2-1"))]);
    }

    #[test]
    fn a_discarded_transaction_wakes_nobody() {
        let mut driver = Driver::new();
        driver.block("XREAD BLOCK 0 STREAMS s $");
        let (reply, _) = driver.exec(&["XADD s 1-1 f v", "XADD s"]);
        assert_eq!(reply, "-EXECABORT Transaction discarded because of previous errors.");
        assert_woken(&mut driver, []);
    }
}

mod replies {
    use super::*;

    #[test]
    fn a_reply_that_is_too_large_is_refused_and_delivers_nothing() {
        let mut driver = Driver::with(Config { reply_bytes_max: 2000, ..Config::default() });
        driver.run_all(&["XGROUP CREATE s g $ MKSTREAM"]);
        let waiter = driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
        let large = "x".repeat(3000);
        driver.run_all(&[&format!("XADD s 1-1 f {large}")]);
        let woken = driver.all_woken();
        assert_eq!(woken[0].0, waiter);
        assert!(woken[0].1.starts_with("-ERR the reply would be larger than 2000 bytes"), "{}", woken[0].1);
        assert_eq!(driver.run("XPENDING s g"), "[:0 null null null-array]");
    }

    #[test]
    fn errors_of_woken_readers_count_as_failed_calls() {
        let mut driver = with_group();
        driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
        driver.run_all(&["DEL s"]);
        let place = brooklet::commands().iter().position(|command| command.name == "xreadgroup").expect("it exists");
        let statistics = driver.engine.statistics().command(place);
        assert_eq!((statistics.calls, statistics.failed_calls, statistics.rejected_calls), (1, 1, 0));
        assert_eq!(driver.engine.statistics().errors().collect::<Vec<_>>(), [("NOGROUP", 1)]);
    }
}
