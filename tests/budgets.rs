//! Budgets: what is refused when the memory that may be used is used up, and when a reply would be too large. What is
//! refused has changed nothing.
#![allow(dead_code, reason = "the support files serve several test programs")]
#![allow(clippy::panic, clippy::indexing_slicing, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/driver.rs"]
mod driver;
#[path = "support/pattern.rs"]
mod pattern;

use brooklet::Config;

use driver::Driver;

const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.";

/// Everything that can be seen of what the tests store.
fn dump(driver: &mut Driver) -> Vec<String> {
    let lines = ["XINFO STREAM s FULL COUNT 0", "XINFO STREAM t FULL COUNT 0", "GET text", "EXISTS s t text new none"];
    lines.iter().map(|line| driver.run(line)).collect()
}

/// An engine that holds more than it may: streams, a text, and a group with entries that are pending and released.
fn full() -> Driver {
    let mut driver = Driver::new();
    driver.run_all(&["SET text value", "XADD t 1-1 f v", "XGROUP CREATE s g 0 MKSTREAM", "XGROUP CREATE s h $"]);
    for ms in 1..=6 {
        driver.run(&format!("XADD s {ms}-1 f v"));
    }
    driver.run_all(&["XREADGROUP GROUP g a COUNT 4 STREAMS s >", "XDEL s 2-1", "XNACK s g FAIL IDS 1 3-1"]);
    driver.engine.configure(Config { memory_bytes_max: 1, ..driver.engine.config().clone() });
    driver
}

mod maxmemory {
    use super::*;

    #[test]
    fn what_adds_is_refused_and_changes_nothing() {
        let mut driver = full();
        let before = (dump(&mut driver), driver.engine.effects_len());
        for line in [
            "XADD s * f v",
            "XADD s MAXLEN 0 * f v",
            "XADD none NOMKSTREAM * f v",
            "XADDIF t 1-1 * f v",
            "XGROUP CREATE s new 0",
            "XGROUP CREATECONSUMER s g new",
            "XSETID s 9999999-0",
            "SET text v",
            // Not Redis: what would make pending lists longer.
            "XREADGROUP GROUP g a STREAMS s >",
            "XREADGROUP GROUP g new COUNT 1 STREAMS s >",
            "XCLAIM s g new 0 5-1 FORCE",
            "XNACK s g FAIL IDS 1 5-1 FORCE",
        ] {
            assert_eq!(driver.run(line), OOM, "{line}");
            assert_eq!((dump(&mut driver), driver.engine.effects_len()), before, "{line}");
        }
    }

    #[test]
    fn what_reads_removes_or_moves_is_not_refused() {
        let mut driver = full();
        for line in [
            "XREADGROUP GROUP g a STREAMS s 0",
            "XREADGROUP GROUP g new NOACK COUNT 1 STREAMS s >",
            "XREADGROUP GROUP g b CLAIM 0 NOACK COUNT 1 STREAMS s >",
            "XCLAIM s g b 0 1-1",
            "XCLAIM s g b 0 1-1 FORCE",
            "XAUTOCLAIM s g b 0 -",
            "XNACK s g FAIL IDS 1 1-1",
            "XNACK s g FAIL IDS 1 999-1 FORCE",
            "XGROUP SETID s g $",
            "XCFGSET s IDMP-MAXSIZE 5",
            "XREADGROUP GROUP g third STREAMS s >",
            "XACK s g 1-1",
            "XACKDEL s g IDS 1 4-1",
            "XDELEX s IDS 1 5-1",
            "XDEL s 6-1",
            "XTRIM s MAXLEN 1",
            "XRANGE s - +",
            "XREAD STREAMS s 0",
            "XGROUP DELCONSUMER s g a",
            "XGROUP DESTROY s h",
            "PEXPIRE s 100000",
            "PERSIST s",
            "RENAME s new",
            "GET text",
            "DEL new",
            "FLUSHALL",
        ] {
            let reply = driver.run(line);
            assert!(!reply.starts_with('-'), "{line}: {reply}");
        }
    }

    #[test]
    fn a_transaction_that_adds_is_not_begun() {
        let mut driver = full();
        let before = dump(&mut driver);
        let (reply, _) = driver.exec(&["DEL s", "XADD s * f v"]);
        assert_eq!(reply, "-EXECABORT Transaction discarded because of previous errors.");
        assert_eq!(dump(&mut driver), before);
        assert_eq!(driver.exec(&["DEL s", "XLEN s"]).0, "[:1 :0]");
    }

    #[test]
    fn a_woken_reader_of_a_group_is_refused_what_it_would_hold() {
        let mut driver = Driver::new();
        driver.run_all(&["XGROUP CREATE s g $ MKSTREAM"]);
        let waiter = driver.block("XREADGROUP GROUP g a BLOCK 0 STREAMS s >");
        let memory_bytes_max = driver.engine.memory();
        driver.engine.configure(Config { memory_bytes_max, ..driver.engine.config().clone() });
        driver.run_all(&["XADD s 1-1 f v"]);
        assert_eq!(driver.all_woken(), [(waiter, OOM.into())]);
        assert_eq!(driver.run("XPENDING s g"), "[:0 null null null-array]");
    }

    #[test]
    fn appends_are_welcome_again_after_a_flush() {
        let mut driver = Driver::with(Config { memory_bytes_max: 1 << 20, ..Config::default() });
        driver.validates = false;
        for round in 0..3 {
            let mut added = 0;
            while driver.run(&format!("XADD s{added} * field value-{added}")) != OOM {
                driver.run(&format!("PEXPIRE s{added} 100000"));
                added += 1;
            }
            assert!(added > 1000, "round {round}: {added}");
            driver.run_all(&["FLUSHALL"]);
            assert_eq!(driver.engine.memory(), 0);
        }
    }

    #[test]
    fn a_stream_trimmed_as_it_grows_never_fills_the_memory() {
        let mut driver = Driver::with(Config { memory_bytes_max: 100_000, ..Config::default() });
        driver.validates = false;
        driver.run_all(&["XGROUP CREATE s g $ MKSTREAM"]);
        for _ in 0..20_000 {
            driver.run_all(&["XADD s MAXLEN ~ 500 * field value"]);
            driver.run_all(&["XREADGROUP GROUP g a STREAMS s >", "XGROUP DELCONSUMER s g a"]);
        }
    }
}

mod replies {
    use super::*;

    const TOO_LARGE: &str = "-ERR the reply would be larger than 1000 bytes: ask for less, for example with COUNT";

    fn limited() -> Driver {
        let mut driver = Driver::with(Config { reply_bytes_max: 1000, journal: true, ..Config::default() });
        driver.run_all(&["XGROUP CREATE s g 0 MKSTREAM"]);
        for ms in 1..=100 {
            driver.run(&format!("XADD s {ms}-1 field value"));
        }
        driver
    }

    #[test]
    fn a_reply_beyond_the_limit_is_refused_and_changes_nothing() {
        let mut driver = limited();
        let ids: Vec<String> = (1..=100).map(|ms| format!("{ms}-1")).collect();
        let ids = ids.join(" ");
        driver.run_all(&["XREADGROUP GROUP g a COUNT 10 STREAMS s >"]);
        let position = driver.engine.position();
        for line in [
            "XRANGE s - +".into(),
            "XREVRANGE s + -".into(),
            "XREAD STREAMS s 0".into(),
            "XREADGROUP GROUP g new STREAMS s >".into(),
            "XREADGROUP GROUP g new CLAIM 0 STREAMS s >".into(),
            format!("XCLAIM s g new 0 {ids} FORCE"),
            format!("XDELEX s DELREF IDS 100 {ids}"),
            format!("ECHO {}", "x".repeat(1000)),
        ] {
            assert_eq!(driver.run(&line), TOO_LARGE, "{line}");
            assert_eq!(driver.engine.position(), position, "{line}");
            assert_eq!(driver.run("XPENDING s g"), "[:10 1-1 10-1 [[a 10]]]", "{line}");
        }
        assert_eq!(driver.run("XLEN s"), ":100");
    }

    #[test]
    fn a_claim_beyond_the_limit_changes_nothing() {
        let mut driver = limited();
        for _ in 0..10 {
            driver.run_all(&["XREADGROUP GROUP g a COUNT 10 STREAMS s >"]);
        }
        let position = driver.engine.position();
        for line in [
            "XAUTOCLAIM s g new 0 -",
            "XREADGROUP GROUP g a STREAMS s 0",
            "XINFO STREAM s FULL COUNT 0",
            "XPENDING s g - + 100",
        ] {
            assert_eq!(driver.run(line), TOO_LARGE, "{line}");
            assert_eq!(driver.engine.position(), position, "{line}");
        }
        assert_eq!(driver.run("XPENDING s g"), "[:100 1-1 100-1 [[a 100]]]");
    }

    #[test]
    fn what_still_fits_is_delivered_before_a_stream_that_does_not() {
        let mut driver = limited();
        driver.run_all(&["XADD small 1-1 f v", "XGROUP CREATE small g 0"]);
        let reply = driver.run("XREADGROUP GROUP g a STREAMS small s > >");
        assert_eq!(reply, "{small [[1-1 [f v]]]}");
        assert_eq!(driver.run("XPENDING s g"), "[:0 null null null-array]");
    }

    #[test]
    fn the_smallest_limit_stops_no_write() {
        for reply_bytes_max in [0, 1, 3, 100, 320] {
            let mut driver = Driver::with(Config { reply_bytes_max, ..Config::default() });
            assert_eq!(driver.run("XADD s 1-1 f v"), "1-1", "{reply_bytes_max}");
            driver.block("XREAD BLOCK 0 STREAMS s $");
            assert_eq!(driver.run("XADD s 2-1 f v"), "2-1", "{reply_bytes_max}");
            assert_eq!(driver.all_woken().len(), 1);
            // Two replies may not fit together: then they are refused before anything is done.
            let refused = "-\"ERR the reply would be larger than 320 bytes: ask for less, for example with COUNT\"";
            assert_eq!(driver.exec(&["XADD s 3-1 f v", "DEL s"]).0, format!("[{refused} {refused}]"));
            assert_eq!(driver.run("XLEN s"), ":2");
        }
    }

    #[test]
    fn in_a_transaction_each_command_that_no_longer_fits_is_refused_before_it_runs() {
        let mut driver = limited();
        let lines: Vec<String> = (0..100).map(|n| format!("XADD s 200-{n} f v")).collect();
        let before = driver.run("XLEN s");
        let (replies, _) = driver.exec(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let added = replies.matches("200-").count();
        assert!(added > 10 && added < 100, "{added}");
        assert_eq!(replies.matches("-\"ERR the reply would be larger").count(), 100 - added);
        assert_eq!((before, driver.run("XLEN s")), (":100".into(), format!(":{}", 100 + added)));
    }

    #[test]
    fn no_limit_is_larger_than_what_a_reply_can_tell() {
        let mut driver = Driver::with(Config { reply_bytes_max: usize::MAX, ..Config::default() });
        let huge = vec![0; 1 << 28];
        let (reply, _) = driver.run_words(&[b"ECHO", &huge]);
        assert!(reply.starts_with("-ERR the reply would be larger than"), "{} bytes", reply.len());
    }
}
