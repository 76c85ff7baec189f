//! Bad input and numbers at their limits: every refusal leaves the state as it was, and nothing is allocated because a
//! number announces it. Many arguments are in `scale.rs`, budgets of memory and of replies in `budgets.rs`.
#![allow(dead_code, reason = "the support files serve several test programs")]
#![allow(clippy::panic, clippy::indexing_slicing, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/driver.rs"]
mod driver;
#[path = "support/pattern.rs"]
mod pattern;

use driver::{Driver, START_MS};

/// Everything that can be seen of what the tests store.
fn dump(driver: &mut Driver) -> Vec<String> {
    let keys = ["s", "t", "text", "new"];
    let lines = ["TYPE KEY", "PTTL KEY", "GET KEY", "XINFO STREAM KEY FULL COUNT 0"];
    let line = |key: &&str| lines.map(|line| line.replace("KEY", key));
    keys.iter().flat_map(line).map(|line| driver.run(&line)).collect()
}

/// Two streams, a text, and a group with entries that are pending, released and gone.
fn furnished() -> Driver {
    let mut driver = Driver::new();
    driver.run_all(&["SET text value", "XADD t 1-1 f v", "XGROUP CREATE s g 0 MKSTREAM", "XGROUP CREATE s h $"]);
    for ms in 1..=6 {
        driver.run(&format!("XADD s {ms}-1 f v"));
    }
    driver.run_all(&["XREADGROUP GROUP g a COUNT 4 STREAMS s >", "XDEL s 2-1", "XNACK s g FAIL IDS 1 3-1"]);
    driver.run_all(&["XADD s IDMP p i * f v", "PEXPIRE t 5000"]);
    driver
}

mod refusals {
    use super::*;

    /// Runs lines that must all be refused with this error, and looks whether anything changed.
    #[track_caller]
    fn check(error: &str, lines: &[&str]) {
        let mut driver = furnished();
        let before = (dump(&mut driver), driver.engine.effects_len(), driver.engine.memory());
        for line in lines {
            assert_eq!(driver.run(line), error, "{line}");
            let after = (dump(&mut driver), driver.engine.effects_len(), driver.engine.memory());
            assert_eq!(after, before, "{line}");
            // Inside a transaction the same holds, for this command.
            let (replies, _) = driver.exec(&[line, "XLEN s"]);
            if !replies.starts_with("-EXECABORT") {
                assert!(replies.starts_with("[-") && replies.ends_with(" :6]"), "{line}: {replies}");
            }
            let after = (dump(&mut driver), driver.engine.effects_len(), driver.engine.memory());
            assert_eq!(after, before, "{line}");
        }
    }

    #[test]
    fn numbers_beyond_the_limits_are_no_numbers() {
        check(
            "-ERR value is not an integer or out of range",
            &[
                "XRANGE s - + COUNT 9223372036854775808",
                "XREVRANGE s + - COUNT -9223372036854775809",
                "XREAD COUNT 99999999999999999999 STREAMS s 0",
                "XREADGROUP GROUP g new COUNT 9223372036854775808 STREAMS s >",
                "XADD s MAXLEN 9223372036854775808 * f v",
                "XADD new MAXLEN ~ 5 LIMIT 9223372036854775808 * f v",
                "XTRIM s MAXLEN 18446744073709551615",
                "XPENDING s g - + 9223372036854775808",
                "XPENDING s g IDLE 9223372036854775808 - + 5",
                "XGROUP CREATE new g $ MKSTREAM ENTRIESREAD 9223372036854775808",
                "XGROUP SETID s g 0 ENTRIESREAD 1e3",
                "XSETID s 99-0 ENTRIESADDED 18446744073709551615",
                "XCFGSET s IDMP-DURATION 9223372036854775808",
                "XNACK s g FAIL IDS 1 1-1 RETRYCOUNT 9223372036854775808",
                "XINFO STREAM s FULL COUNT 9223372036854775808",
                "PEXPIRE s 9223372036854775808",
                "SET text other PX 9223372036854775808",
            ],
        );
    }

    #[test]
    fn ids_beyond_the_limits_are_no_ids() {
        let long = "0".repeat(128);
        check(
            "-ERR Invalid stream ID specified as stream command argument",
            &[
                "XADD s 18446744073709551616-1 f v",
                "XADD new 1-18446744073709551616 f v",
                "XADD s 18446744073709551616-* f v",
                "XADD s MINID 18446744073709551616 * f v",
                "XADD new 1-1-1 f v",
                "XADD new - f v",
                &format!("XADD new {long} f v"),
                "XDEL s 1-1 18446744073709551616",
                "XACK s g 1-1 +",
                "XRANGE s 18446744073709551616 +",
                "XRANGE s - (18446744073709551616-1",
                "XREAD STREAMS s t 0 x",
                "XREADGROUP GROUP g new STREAMS s s > x",
                "XGROUP CREATE new g + MKSTREAM",
                "XGROUP CREATE s new 18446744073709551616",
                "XGROUP SETID s g (1",
                "XSETID s 99-",
                "XSETID s 99-0 MAXDELETEDID x",
                "XDELEX s IDS 2 1-1 x",
                "XDELEX s DELREF IDS 2 1-1 x",
                "XACKDEL s g IDS 2 1-1 x",
                "XNACK s g FAIL IDS 2 1-1 x",
                "XNACK s g SILENT IDS 2 x 1-1 FORCE",
                "XCLAIM s g new 0 1-1 LASTID x",
                "XAUTOCLAIM s g new 0 x",
                "XPENDING s g x + 5",
                "XIDMPRECORD s p other x",
            ],
        );
    }

    #[test]
    fn the_last_ids_have_no_neighbours() {
        const MAX: &str = "18446744073709551615-18446744073709551615";
        check(
            "-ERR invalid start ID for the interval",
            &[&format!("XRANGE s ({MAX} +"), &format!("XAUTOCLAIM s g new 0 ({MAX}")],
        );
        check(
            "-ERR invalid end ID for the interval",
            &["XRANGE s - (0-0", "XREVRANGE s (0-0 -", "XPENDING s g - (0-0 5"],
        );
    }

    #[test]
    fn of_unknown_words_only_the_beginning_is_shown() {
        let (long, shown) = ("x".repeat(1000), "x".repeat(128));
        check(&format!("-ERR unknown command '{shown}'"), &[&long]);
        let error = format!("-ERR unknown command 'NONE', with args beginning with: '{shown}' ");
        check(&error, &[&format!("NONE {long} {long}")]);
        check(&format!("-ERR unknown subcommand '{shown}'. Try XGROUP HELP."), &[&format!("XGROUP {long} s g")]);
        check(&format!("-ERR unknown subcommand '{shown}'. Try XINFO HELP."), &[&format!("XINFO {long} s")]);
    }

    #[test]
    fn a_request_without_words_is_an_unknown_command() {
        let (reply, _) = furnished().run_words(&[]);
        assert_eq!(reply, "-ERR unknown command ''");
        assert_eq!(furnished().run_words(&[b""]).0, reply);
    }

    #[test]
    fn an_id_that_does_not_follow_is_refused() {
        check(
            "-ERR The ID specified in XADD is equal or smaller than the target stream top item",
            &["XADD s 6-1 f v", "XADD s 6-* f v", "XADD s MAXLEN 0 5-5 f v", "XADD s MINID 999-0 0-* f v"],
        );
        check("-ERR The ID specified in XADD must be greater than 0-0", &["XADD s 0-0 f v", "XADD new 0 f v"]);
    }

    #[test]
    fn odd_fields_are_refused() {
        check(
            "-ERR wrong number of arguments for 'xadd' command",
            &["XADD s * f", "XADD s * f v f", "XADD new MAXLEN 5 *", "XADD new NOMKSTREAM 9-9 a b c"],
        );
    }

    #[test]
    fn announced_numbers_of_ids_that_are_not_there_are_refused() {
        let most = i64::MAX;
        check(
            "-ERR The `numids` parameter must match the number of arguments",
            &[
                &format!("XDELEX s IDS {most} 1-1"),
                "XDELEX s ACKED IDS 2 1-1",
                &format!("XACKDEL s g DELREF IDS {most} 1-1"),
                "XACKDEL s g IDS 1000000000 1-1 3-1",
            ],
        );
        check(
            "-ERR Number of IDs must be a positive integer",
            &[
                "XDELEX s IDS 0 1-1",
                "XDELEX s IDS -1 1-1",
                "XACKDEL s g IDS 9223372036854775808 1-1",
                "XDELEX s IDS x 1-1",
            ],
        );
        check(
            "-ERR number of IDs doesn't match numids",
            &["XNACK s g FAIL IDS 2147483647 1-1", "XNACK s g FATAL IDS 2 1-1"],
        );
        check(
            "-ERR numids must be a positive integer",
            &["XNACK s g FAIL IDS 2147483648 1-1", "XNACK s g FAIL IDS 0 1-1", "XNACK s g FAIL IDS x 1-1"],
        );
        check("-ERR syntax error", &["XDELEX s IDS 1 1-1 3-1", "XACKDEL s g IDS 1 1-1 3-1"]);
    }

    #[test]
    fn the_wrong_type_is_refused_by_each_command() {
        check(
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
            &[
                "XADD text * f v",
                "XADD text NOMKSTREAM 1-1 f v",
                "XADDIF text 0-0 * f v",
                "XLEN text",
                "XRANGE text - +",
                "XREVRANGE text + -",
                "XDEL text x",
                "XDELEX text IDS 1 x",
                "XTRIM text MAXLEN 0",
                "XREAD STREAMS s text 0 0",
                "XREAD BLOCK 0 STREAMS text 0",
                "XREADGROUP GROUP g new STREAMS s text > >",
                "XGROUP CREATE text g x MKSTREAM",
                "XGROUP SETID text g x",
                "XGROUP DESTROY text g",
                "XGROUP CREATECONSUMER text g c",
                "XGROUP DELCONSUMER text g c",
                "XACK text g x",
                "XACKDEL text g IDS 1 x",
                "XNACK text g WHAT IDS 1 x",
                "XPENDING text g",
                "XCLAIM text g c x x",
                "XAUTOCLAIM text g c 0 -",
                "XINFO STREAM text",
                "XINFO GROUPS text",
                "XINFO CONSUMERS text g",
                "XSETID text 1-1",
                "XCFGSET text IDMP-MAXSIZE 5",
                "XIDMPRECORD text p i 1-1",
                "GET s",
                "SET s v GET",
            ],
        );
    }

    #[test]
    fn a_missing_group_is_refused_before_anything_is_made() {
        check(
            "-NOGROUP No such key 's' or consumer group 'none' in XREADGROUP with GROUP option",
            &["XREADGROUP GROUP none c STREAMS s >", "XREADGROUP GROUP none c BLOCK 0 STREAMS s x"],
        );
        check(
            "-NOGROUP No such key 't' or consumer group 'g' in XREADGROUP with GROUP option",
            &["XREADGROUP GROUP g new STREAMS s t > >"],
        );
        check(
            "-NOGROUP No such key 'none' or consumer group 'g'",
            &["XPENDING none g", "XCLAIM none g c x 1-1", "XAUTOCLAIM none g c 0 -", "XNACK none g WHAT IDS 1 x"],
        );
        check(
            "-NOGROUP No such consumer group 'none' for key name 's'",
            &[
                "XGROUP SETID s none x",
                "XGROUP CREATECONSUMER s none c",
                "XGROUP DELCONSUMER s none c",
                "XINFO CONSUMERS s none",
            ],
        );
    }

    #[test]
    fn a_bad_claim_changes_nothing() {
        check("-ERR Invalid min-idle-time argument for XCLAIM", &["XCLAIM s g new x 1-1"]);
        check("-ERR Invalid min-idle-time argument for XAUTOCLAIM", &["XAUTOCLAIM s g new 9223372036854775808 -"]);
        check("-ERR Unrecognized XCLAIM option 'x'", &["XCLAIM s g new 0 1-1 x", "XCLAIM s g new 0 1-1 FORCE x"]);
        check("-ERR Invalid IDLE option argument for XCLAIM", &["XCLAIM s g new 0 1-1 IDLE x"]);
        check("-ERR Invalid TIME option argument for XCLAIM", &["XCLAIM s g new 0 1-1 TIME 9223372036854775808"]);
        check("-ERR Invalid RETRYCOUNT option argument for XCLAIM", &["XCLAIM s g new 0 1-1 RETRYCOUNT x"]);
        check(
            "-ERR COUNT must be > 0",
            &[
                "XAUTOCLAIM s g new 0 - COUNT 0",
                "XAUTOCLAIM s g new 0 - COUNT x",
                "XAUTOCLAIM s g new 0 - COUNT 9223372036854775807",
            ],
        );
        check(
            "-ERR Insufficient memory, failed allocating transient memory, COUNT too high.",
            &["XAUTOCLAIM s g new 0 - COUNT 576460752303423487"],
        );
        check(
            "-ERR min-idle-time is not an integer or out of range",
            &["XREADGROUP GROUP g new CLAIM 9223372036854775808 STREAMS s >"],
        );
        check("-ERR min-idle-time must be a positive integer", &["XREADGROUP GROUP g new CLAIM -1 STREAMS s >"]);
    }

    #[test]
    fn bad_times_change_nothing() {
        check("-ERR invalid expire time in 'pexpire' command", &["PEXPIRE s 9223372036854775807"]);
        check(
            "-ERR invalid expire time in 'expire' command",
            &["EXPIRE s 9223372036854775807", "EXPIRE s -9223372036854775808"],
        );
        check(
            "-ERR invalid expire time in 'set' command",
            &["SET text other EX 9223372036854775807", "SET new v PX 0"],
        );
        check("-ERR timeout is out of range", &["XREAD BLOCK 9223372036854775807 STREAMS s 0"]);
        check("-ERR timeout is negative", &["XREADGROUP GROUP g new BLOCK -1 STREAMS s >"]);
        check(
            "-ERR timeout is not an integer or out of range",
            &["XREADGROUP GROUP g new BLOCK 9223372036854775808 STREAMS s >"],
        );
    }

    #[test]
    fn settings_out_of_range_change_nothing() {
        check(
            "-ERR IDMP-DURATION must be between 1 and 86400 seconds",
            &["XCFGSET s IDMP-DURATION 0", "XCFGSET s IDMP-DURATION 86401"],
        );
        check(
            "-ERR IDMP-MAXSIZE must be between 1 and 10000 entries",
            &["XCFGSET s IDMP-MAXSIZE -1", "XCFGSET s IDMP-MAXSIZE 10001"],
        );
        check("-ERR The ID specified in XSETID is smaller than the target stream top item", &["XSETID s 6-1"]);
        check(
            "-ERR The entries_added specified in XSETID is smaller than the target stream length",
            &["XSETID s 9999999-0 ENTRIESADDED 5"],
        );
        check("-ERR entries_added must be positive", &["XSETID s 9999999-0 ENTRIESADDED -9223372036854775808"]);
        check(
            "-ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
            &["XSETID s 9999999-0 MAXDELETEDID 18446744073709551615-0"],
        );
    }
}

mod extremes {
    use super::*;

    const MAX: &str = "18446744073709551615-18446744073709551615";
    const I64_MAX: i64 = i64::MAX;

    #[test]
    fn a_stream_whose_ids_are_used_up_still_answers() {
        let mut driver = Driver::new();
        driver.run_all(&[&format!("XADD s {MAX} f v"), "XGROUP CREATE s g 0"]);
        let exhausted = "-ERR The stream has exhausted the last possible ID, unable to add more items";
        for id in ["*", "5-5", "18446744073709551615-*", MAX] {
            assert_eq!(driver.run(&format!("XADD s {id} f v")), exhausted, "{id}");
        }
        let entry = format!("[{MAX} [f v]]");
        for line in
            ["XRANGE s - +", "XREVRANGE s + -", &format!("XRANGE s {MAX} {MAX}"), "XRANGE s 18446744073709551615 +"]
        {
            assert_eq!(driver.run(line), format!("[{entry}]"), "{line}");
        }
        assert_eq!(driver.run(&format!("XREAD STREAMS s {MAX}")), "null-array");
        assert_eq!(driver.run("XREAD STREAMS s +"), format!("{{s [{entry}]}}"));
        assert_eq!(driver.run("XREADGROUP GROUP g c STREAMS s >"), format!("{{s [{entry}]}}"));
        assert_eq!(driver.run("XREADGROUP GROUP g c STREAMS s >"), "null-array");
        assert_eq!(driver.run("XPENDING s g"), format!("[:1 {MAX} {MAX} [[c 1]]]"));
        assert_eq!(
            driver.run(&format!("XAUTOCLAIM s g d 0 {MAX}")),
            format!("[\"0-0\" [{entry}] []]").replace('"', "")
        );
        assert_eq!(driver.run(&format!("XTRIM s MINID {MAX}")), ":0");
        assert_eq!(driver.run(&format!("XDEL s {MAX}")), ":1");
        assert_eq!(driver.run("XADD s * f v"), exhausted);
        assert_eq!(
            driver.run("XSETID s 1-1"),
            "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"
        );
    }

    #[test]
    fn the_sequence_carries_over_at_its_end() {
        let mut driver = Driver::new();
        driver.run_all(&["XADD s 9999999999999-18446744073709551615 f v"]);
        assert_eq!(driver.run("XADD s 9999999999999-* f v").split(' ').next(), Some("-ERR"));
        assert_eq!(driver.run("XADD s * f v"), "10000000000000-0");
        driver.run_all(&["XADD s 18446744073709551615-18446744073709551614 f v"]);
        assert_eq!(driver.run("XADD s * f v"), MAX);
    }

    #[test]
    fn entries_added_stop_at_the_largest_number() {
        let mut driver = Driver::new();
        driver.run_all(&[
            "XADD s 1-1 f v",
            &format!("XSETID s 1-1 ENTRIESADDED {I64_MAX}"),
            "XADD s 2-1 f v",
            "XADD s 3-1 f v",
        ]);
        assert!(driver.run("XINFO STREAM s").contains(&format!("entries-added :{I64_MAX} ")));
    }

    #[test]
    fn entries_read_stop_at_the_largest_number() {
        let mut driver = Driver::new();
        driver.run_all(&["XADD s 1-1 f v", &format!("XSETID s 1-1 ENTRIESADDED {I64_MAX}")]);
        driver.run_all(&[&format!("XGROUP CREATE s g 1-1 ENTRIESREAD {I64_MAX}"), "XADD s 2-1 f v", "XADD s 3-1 f v"]);
        driver.run("XREADGROUP GROUP g c STREAMS s >");
        let groups = driver.run("XINFO GROUPS s");
        assert!(groups.contains(&format!("entries-read :{I64_MAX} lag :0")), "{groups}");
    }

    #[test]
    fn a_lag_may_be_negative() {
        let mut driver = Driver::new();
        driver.run_all(&["XADD s 1-1 f v", &format!("XSETID s 1-1 ENTRIESADDED {I64_MAX}")]);
        driver.run_all(&[&format!("XGROUP CREATE s g 1-1 ENTRIESREAD {I64_MAX}"), "XSETID s 1-1 ENTRIESADDED 1"]);
        let groups = driver.run("XINFO GROUPS s");
        assert!(groups.contains(&format!("lag :{}", 1 - I64_MAX)), "{groups}");
    }

    #[test]
    fn delivery_counts_stop_at_the_largest_number() {
        let mut driver = Driver::new();
        driver.run_all(&["XADD s 1-1 f v", "XGROUP CREATE s g 0", "XREADGROUP GROUP g a STREAMS s >"]);
        let deliveries = |driver: &mut Driver| {
            let pending = driver.run("XPENDING s g - + 1");
            pending.rsplit(':').next().and_then(|count| count.trim_end_matches(']').parse::<i64>().ok())
        };
        driver.run_all(&["XNACK s g FATAL IDS 1 1-1"]);
        assert_eq!(deliveries(&mut driver), Some(I64_MAX));
        for line in [
            "XCLAIM s g b 0 1-1",
            "XAUTOCLAIM s g b 0 -",
            "XREADGROUP GROUP g b STREAMS s 0",
            "XREADGROUP GROUP g b CLAIM 0 STREAMS s >",
        ] {
            driver.run_all(&[line]);
            assert_eq!(deliveries(&mut driver), Some(I64_MAX), "{line}");
        }
        for (line, count) in [
            ("XNACK s g SILENT IDS 1 1-1".into(), I64_MAX - 1),
            ("XNACK s g SILENT IDS 1 1-1 RETRYCOUNT 0".into(), 0),
            ("XNACK s g SILENT IDS 1 1-1".into(), 0),
            (format!("XCLAIM s g b 0 1-1 RETRYCOUNT {I64_MAX}"), I64_MAX),
            ("XCLAIM s g b 0 1-1 RETRYCOUNT -5".into(), I64_MAX),
            (format!("XCLAIM s g b 0 1-1 RETRYCOUNT {} JUSTID", I64_MAX - 1), I64_MAX - 1),
            ("XCLAIM s g b 0 1-1".into(), I64_MAX),
        ] {
            driver.run_all(&[&line]);
            assert_eq!(deliveries(&mut driver), Some(count), "{line}");
        }
    }

    #[test]
    fn claims_with_times_at_the_limits_mean_the_present() {
        let mut driver = Driver::new();
        driver.run_all(&["XADD s 1-1 f v", "XGROUP CREATE s g 0", "XREADGROUP GROUP g a STREAMS s >"]);
        for (option, idle_ms) in [
            (format!("IDLE {I64_MAX}"), 0),
            (format!("IDLE {}", i64::MIN), 0),
            ("IDLE -1".into(), 0),
            (format!("IDLE {START_MS}"), START_MS),
            (format!("IDLE {}", START_MS + 1), 0),
            (format!("TIME {I64_MAX}"), 0),
            (format!("TIME {}", i64::MIN), 0),
            ("TIME 0".into(), START_MS),
            (format!("TIME {}", START_MS + 1), 0),
            (format!("TIME {START_MS} IDLE 7"), 7),
        ] {
            driver.run_all(&[&format!("XCLAIM s g b {} 1-1 {option}", i64::MIN)]);
            assert_eq!(driver.run("XPENDING s g - + 1").split(' ').nth(2), Some(&*format!(":{idle_ms}")), "{option}");
        }
        assert_eq!(driver.run(&format!("XCLAIM s g b {I64_MAX} 1-1")), "[]");
        assert_eq!(driver.run(&format!("XAUTOCLAIM s g b {I64_MAX} - COUNT 1")), "[0-0 [] []]");
        assert_eq!(driver.run(&format!("XPENDING s g IDLE {I64_MAX} - + {I64_MAX}")), "[]");
    }

    #[test]
    fn the_largest_counts_return_what_there_is() {
        let mut driver = Driver::new();
        driver.run_all(&["XADD s 1-1 f v", "XGROUP CREATE s g 0"]);
        let entry = "[[1-1 [f v]]]";
        for (line, reply) in [
            (format!("XRANGE s - + COUNT {I64_MAX}"), entry.to_string()),
            (format!("XREVRANGE s + - COUNT {I64_MAX}"), entry.into()),
            (
                format!("XREAD COUNT {I64_MAX} MAXCOUNT {I64_MAX} MAXSIZE {I64_MAX} STREAMS s 0"),
                format!("{{s {entry}}}"),
            ),
            (format!("XREADGROUP GROUP g a COUNT {I64_MAX} MAXSIZE {I64_MAX} STREAMS s >"), format!("{{s {entry}}}")),
            (format!("XAUTOCLAIM s g b 0 - COUNT {}", 1u64 << 36), format!("[0-0 {entry} []]")),
            (format!("XPENDING s g - + {I64_MAX}"), "[[1-1 b :0 :2]]".into()),
            (format!("XTRIM s MAXLEN ~ {I64_MAX} LIMIT {I64_MAX}"), ":0".into()),
        ] {
            assert_eq!(driver.run(&line), reply, "{line}");
        }
        driver.run_all(&[
            &format!("XINFO STREAM s FULL COUNT {I64_MAX}"),
            &format!("XINFO STREAM s FULL COUNT {}", i64::MIN),
        ]);
        driver.run_all(&[
            &format!("XADD s MAXLEN ~ {I64_MAX} LIMIT {I64_MAX} 2-1 f v"),
            &format!("XREAD COUNT {} STREAMS s 0", i64::MIN),
        ]);
        assert_eq!(driver.run(&format!("XRANGE s - + COUNT {}", i64::MIN)), "null-array");
    }

    #[test]
    fn expiry_beyond_all_clocks_never_comes() {
        let mut driver = Driver::new();
        let longest = I64_MAX as u64 - START_MS;
        driver.run_all(&["SET text v", &format!("PEXPIRE text {longest}"), &format!("SET other v PXAT {I64_MAX}")]);
        assert_eq!(driver.run("PTTL text"), format!(":{longest}"));
        assert_eq!(driver.run("PTTL other"), format!(":{longest}"));
        driver.advance_to(u64::MAX);
        assert_eq!(driver.run("EXISTS text other"), ":2");
        assert_eq!(driver.run(&format!("PEXPIRE text {}", i64::MIN)), ":1");
        assert_eq!(driver.run("EXISTS text other"), ":1");
    }

    #[test]
    fn a_clock_at_its_end_stands_still() {
        let mut driver = Driver::new();
        driver.now_ms = u64::MAX;
        driver.run_all(&["XGROUP CREATE s g 0 MKSTREAM", "SET text v PX 1"]);
        assert_eq!(driver.run("XADD s * f v"), "281474976710655-0");
        assert_eq!(driver.run("XADD s * f v"), "281474976710655-1");
        driver.run_all(&[
            "XADD s IDMP p i * f v",
            "XREADGROUP GROUP g a STREAMS s >",
            "XCLAIM s g b 0 281474976710655-0 IDLE 5",
        ]);
        driver.run_all(&["XNACK s g FAIL IDS 1 281474976710655-1", "XREADGROUP GROUP g c CLAIM 0 STREAMS s >", "TIME"]);
        driver.advance_to(u64::MAX);
        assert_eq!(driver.run("EXISTS text"), ":1");
        assert_eq!(driver.run("XPENDING s g IDLE 1 - + 9"), "[]");
    }

    #[test]
    fn a_clock_at_zero_or_running_backwards_repeats_no_id_and_makes_nothing_old() {
        let mut driver = Driver::new();
        driver.run_all(&["XADD s * f v", "XGROUP CREATE s g 0", "XREADGROUP GROUP g a STREAMS s >"]);
        driver.run_all(&["XADD s IDMP p i * f v", "SET text v PX 10"]);
        driver.advance_to(0);
        assert_eq!(driver.run("XADD s * f v"), format!("{START_MS}-2"));
        assert_eq!(driver.run("XADD s IDMP p i * f v"), format!("{START_MS}-1"));
        assert_eq!(driver.run("XADD s IDMP p j * f v"), format!("{START_MS}-3"));
        assert_eq!(driver.run("XPENDING s g - + 9"), format!("[[{START_MS}-0 a :0 :1]]"));
        assert_eq!(driver.run("XCLAIM s g b 1 1000000-0"), "[]");
        assert_eq!(driver.run("PTTL text"), format!(":{}", START_MS + 10));
        assert!(driver.run("XINFO CONSUMERS s g").contains("name a pending :1 idle :0 inactive :0"));
        driver.run_all(&["XREADGROUP GROUP g c STREAMS s >", "TIME", "PEXPIRE s 1"]);
        driver.advance_to(0);
        assert_eq!(driver.run("EXISTS s"), ":1");
        driver.advance_to(1);
        assert_eq!(driver.run("EXISTS s"), ":0");
    }

    #[test]
    fn a_producers_id_that_came_while_the_clock_ran_backwards_is_forgotten_in_its_time() {
        let mut driver = Driver::new();
        driver.run_all(&["XADD s IDMP p i * f v"]);
        driver.advance_to(1000);
        driver.run_all(&["XADD s IDMP q i * f v"]);
        driver.advance_to(1000 + 101_000);
        let info = driver.run("XINFO STREAM s");
        assert!(info.contains("pids-tracked :1 iids-tracked :1 "), "{info}");
    }

    #[test]
    fn names_may_be_any_bytes_and_none_at_all() {
        let mut driver = Driver::new();
        for name in [&b""[..], b"\0", b"\r\n", b"\xff\xfe", b"a b", &[b'x'; 70_000]] {
            let (reply, _) = driver.run_words(&[b"XADD", name, b"1-1", name, name]);
            assert_eq!(reply, "1-1");
            driver.run_words(&[b"XGROUP", b"CREATE", name, name, b"0"]);
            driver.run_words(&[b"XREADGROUP", b"GROUP", name, name, b"STREAMS", name, b">"]);
            assert_eq!(driver.run_words(&[b"XACK", name, name, b"1-1"]).0, ":1");
        }
        let (line, _) = driver.run_words(&[b"XPENDING", b"no\r\n+key", b"g\r\n"]);
        assert!(line.starts_with("-NOGROUP No such key 'no  +key'"), "{line}");
        assert!(driver.run_words(&[]).0.starts_with('-'));
        assert!(driver.run_words(&[b""]).0.starts_with("-ERR unknown command"));
    }

    #[test]
    fn settings_of_producers_are_those_that_xcfgset_allows() {
        for (given, duration, size) in [(0, ":1", ":1"), (u64::MAX, ":86400", ":10000")] {
            let mut driver = Driver::with(brooklet::Config {
                idmp_duration_s: given,
                idmp_entries_max: given,
                ..brooklet::Config::default()
            });
            driver.run_all(&["XADD s IDMP p i * f v"]);
            assert_eq!(driver.run("XADD s IDMP p i * f v"), driver.run("XADD s IDMP p i * f v"));
            let shown = driver.run("XINFO STREAM s");
            assert!(shown.contains(&format!("idmp-duration {duration}")), "{shown}");
            assert!(shown.contains(&format!("idmp-maxsize {size}")), "{shown}");
        }
    }

    #[test]
    fn there_are_sixteen_databases() {
        let mut driver = Driver::new();
        driver.session.database = 15;
        driver.run_all(&["XADD s 1-1 f v", "SET text v", "RENAME text other"]);
        for database in [16, 17, 31, 255] {
            driver.session.database = database;
            for line in ["XADD s 2-1 f v", "XREAD BLOCK 0 STREAMS s $", "EXISTS s", "FLUSHDB", "FLUSHALL", "PING"] {
                assert_eq!(driver.run(line), "-ERR DB index is out of range", "{line}");
                assert_eq!(driver.exec(&[line]).0, "-ERR DB index is out of range", "{line}");
            }
        }
        driver.session.database = 15;
        assert_eq!(driver.run("EXISTS s other text"), ":2");
        let effects = driver.take_effects();
        let mut other = driver.replayed(&effects).expect("what was written can be read");
        assert_eq!(other.run("XLEN s"), ":1");
        driver.run_all(&["FLUSHDB"]);
        assert_eq!(driver.run("EXISTS s other"), ":0");
    }
}
