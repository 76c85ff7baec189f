//! Many of everything: a million arguments take no more than a million steps, a crowd of readers no more than one step
//! each, and the memory of what is gone is given back.
#![allow(dead_code, reason = "the support files serve several test programs")]
#![allow(clippy::panic, clippy::indexing_slicing, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/driver.rs"]
mod driver;
#[path = "support/pattern.rs"]
mod pattern;

use std::time::{Duration, Instant};

use brooklet::{Position, Reply};

use driver::{Driver, START_MS, words};

/// Work that a test does a million times over has this long: twenty times what it takes when all is well, and a
/// thousandth of what it takes when each step looks at all others.
const PATIENCE: Duration = Duration::from_secs(30);

const MILLION: usize = 1_000_000;

mod millions {
    use super::*;

    /// A stream of 10,000 entries, of which consumer `a` of group `g` holds all.
    fn prepared() -> Driver {
        let mut driver = Driver::new();
        driver.validates = false;
        driver.run_all(&["XGROUP CREATE s g 0 MKSTREAM", "XGROUP CREATE s h 0"]);
        for ms in 1..=10_000 {
            driver.run(&format!("XADD s {ms}-1 f v"));
        }
        driver.run("XREADGROUP GROUP g a STREAMS s >");
        driver.run("XREADGROUP GROUP h a STREAMS s >");
        driver
    }

    /// Runs a command with a million words in the place of `IDS`: IDs in a scattered order, each many times.
    #[track_caller]
    fn check(line: &str, starts: &str) {
        let mut driver = prepared();
        let id = |n: usize| format!("{}-1", n * 7919 % 20_011 + 1).into_bytes();
        let ids: Vec<Vec<u8>> = (0..MILLION).map(id).collect();
        let mut argv = Vec::new();
        for word in words(line) {
            match word {
                b"IDS" if line.contains("NUMIDS") => argv.extend([&b"IDS"[..], b"1000000"]),
                b"IDS" | b"NUMIDS" => argv.extend(ids.iter().map(Vec::as_slice)),
                word => argv.push(word),
            }
        }
        let start = Instant::now();
        let (reply, _) = driver.run_words(&argv);
        assert!(start.elapsed() < PATIENCE, "{line}: {:?}", start.elapsed());
        assert!(reply.starts_with(starts), "{line}: {}", reply.get(..100).unwrap_or(&reply));
        driver.engine.validate().expect("every invariant holds");
        let effects = driver.take_effects();
        let mut other = driver.replayed(&effects).expect("what was written can be read");
        assert_eq!(other.run("XPENDING s g"), driver.run("XPENDING s g"));
    }

    #[test]
    fn of_ids_to_delete() {
        check("XDEL s IDS", ":10000");
        check("XDELEX s IDS NUMIDS", "[");
        check("XDELEX s DELREF IDS NUMIDS", "[");
        check("XDELEX s ACKED IDS NUMIDS", "[");
    }

    #[test]
    fn of_ids_to_acknowledge() {
        check("XACK s g IDS", ":10000");
        check("XACKDEL s g IDS NUMIDS", "[");
        check("XACKDEL s g ACKED IDS NUMIDS", "[");
    }

    #[test]
    fn of_ids_to_claim() {
        check("XCLAIM s g b 0 IDS JUSTID", "[");
        check("XCLAIM s g b 0 IDS JUSTID RETRYCOUNT 70000 FORCE", "[");
        check("XCLAIM s g b 99999999 IDS JUSTID", "[]");
    }

    #[test]
    fn of_ids_to_give_back() {
        check("XNACK s g SILENT IDS NUMIDS", ":");
        check("XNACK s g FATAL IDS NUMIDS FORCE", ":");
    }

    #[test]
    fn of_keys_to_remove_and_to_look_for() {
        let mut driver = Driver::new();
        driver.validates = false;
        let names: Vec<Vec<u8>> = (0..MILLION).map(|n| format!("key{n}").into_bytes()).collect();
        for name in &names[..200_000] {
            driver.run_words(&[b"SET", name, b"v"]);
        }
        driver.take_effects();
        let argv =
            |command: &'static [u8]| [command].into_iter().chain(names.iter().map(Vec::as_slice)).collect::<Vec<_>>();
        let start = Instant::now();
        assert_eq!(driver.run_words(&argv(b"EXISTS")).0, ":200000");
        assert_eq!(driver.run_words(&argv(b"DEL")).0, ":200000");
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
        assert!(
            driver.engine.memory() < 3 * driver.engine.effects_len() as u64,
            "room was made for more than was written"
        );
        driver.take_effects();
        assert_eq!(driver.engine.memory(), 0);
    }

    #[test]
    fn of_streams_to_read() {
        let mut driver = Driver::new();
        driver.validates = false;
        driver.run_all(&["XADD s 1-1 f v", "XGROUP CREATE s g 0"]);
        let half = MILLION / 2;
        for (read, id, streams) in [("XREAD COUNT 1 STREAMS", "0", half), ("XREADGROUP GROUP g a STREAMS", ">", 1)] {
            let mut argv = words(read);
            argv.extend(vec![&b"s"[..]; half]);
            argv.extend(vec![id.as_bytes(); half]);
            let start = Instant::now();
            let (reply, _) = driver.run_words(&argv);
            assert!(start.elapsed() < PATIENCE, "{read}: {:?}", start.elapsed());
            assert_eq!(reply.matches("[1-1 [f v]]").count(), streams);
        }
        let names: Vec<String> = (0..half).map(|n| format!("none{n}")).collect();
        let mut argv = words("XREAD BLOCK 0 STREAMS");
        argv.extend(names.iter().map(String::as_bytes));
        argv.extend(vec![&b"$"[..]; half]);
        let start = Instant::now();
        let waiter = driver.block_words(&argv);
        assert!(driver.engine.cancel(waiter));
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    }

    #[test]
    fn of_fields_in_one_entry() {
        let mut driver = Driver::new();
        let texts: Vec<Vec<u8>> = (0..MILLION).map(|n| format!("text{}", n % 5000).into_bytes()).collect();
        let mut argv = words("XADD s 1-1");
        argv.extend(texts.iter().map(Vec::as_slice));
        let start = Instant::now();
        assert_eq!(driver.run_words(&argv).0, "1-1");
        argv[2] = b"2-1";
        assert_eq!(driver.run_words(&argv).0, "2-1");
        driver.run_all(&["XADD s 3-1 f v", "XREVRANGE s + - COUNT 1"]);
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
        argv[2] = b"2-1";
        assert!(driver.run_words(&argv).0.starts_with("-ERR The ID specified"));
        assert!(driver.run_words(&argv[..argv.len() - 1]).0.starts_with("-ERR wrong number of arguments"));
    }

    #[test]
    fn of_commands_in_one_transaction() {
        let mut driver = Driver::new();
        driver.validates = false;
        let append = words("XADD s * f v");
        let batch = vec![append.as_slice(); MILLION / 5];
        let mut reply = Reply::new();
        let start = Instant::now();
        driver.engine.exec(START_MS, driver.session, &batch, &mut reply);
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
        assert_eq!(driver.run("XLEN s"), format!(":{}", MILLION / 5));
        assert_eq!(driver.engine.position(), Position(1));
        assert!(driver.engine.memory() < 40 * MILLION as u64 / 5, "{}", driver.engine.memory());
    }

    #[test]
    fn of_words_that_mean_nothing() {
        let mut driver = Driver::new();
        for (line, error) in [
            ("NONSENSE", "-ERR unknown command 'NONSENSE', with args beginning with: 'x' 'x' "),
            (
                "XGROUP CREATE s g 0",
                "-ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.",
            ),
            ("XTRIM s MAXLEN 5", "-ERR syntax error"),
            ("PEXPIRE s 5", "-ERR Unsupported option x"),
        ] {
            let mut argv = words(line);
            argv.extend(vec![&b"x"[..]; MILLION]);
            let start = Instant::now();
            let (reply, _) = driver.run_words(&argv);
            assert!(reply.starts_with(error), "{line}: {reply}");
            assert!(start.elapsed() < PATIENCE, "{line}: {:?}", start.elapsed());
        }
    }

    #[test]
    fn of_options_that_repeat() {
        let mut driver = Driver::new();
        driver.run_all(&["XADD s 1-1 f v"]);
        for (before, option, after, reply) in [
            ("XRANGE s - +", "COUNT 1", "", "[[1-1 [f v]]]"),
            ("XADD s", "NOMKSTREAM", "2-1 f v", "2-1"),
            ("XREAD", "COUNT 1", "STREAMS s 2-1", "null-array"),
            ("SET text v", "NX", "", "+OK"),
        ] {
            let mut argv = words(before);
            (0..MILLION / 2).for_each(|_| argv.extend(words(option)));
            argv.extend(words(after).into_iter().filter(|word| !word.is_empty()));
            let start = Instant::now();
            assert_eq!(driver.run_words(&argv).0, reply, "{before}");
            assert!(start.elapsed() < PATIENCE, "{before}: {:?}", start.elapsed());
        }
    }
}

mod memory {
    use super::*;

    /// What is held when nothing is stored and nobody waits, after something was.
    #[track_caller]
    fn assert_all_given_back(driver: &mut Driver) {
        driver.run_all(&["FLUSHALL"]);
        driver.all_woken();
        driver.take_effects();
        assert_eq!(driver.engine.memory(), 0);
    }

    #[test]
    fn readers_that_were_served_leave_nothing_behind() {
        let mut driver = Driver::new();
        driver.run_all(&["XADD s 1-1 f v"]);
        for _ in 0..100 {
            driver.block("XREAD BLOCK 1000 STREAMS s a-key-with-a-rather-long-name $ $");
            driver.run("XADD s * f v");
            assert_eq!(driver.all_woken().len(), 1);
        }
        assert_all_given_back(&mut driver);
    }

    #[test]
    fn readers_that_waited_in_vain_leave_nothing_behind() {
        let mut driver = Driver::new();
        driver.run_all(&["XADD s 1-1 f v", "XGROUP CREATE s g 0", "XREADGROUP GROUP g a STREAMS s >"]);
        for _ in 0..100 {
            driver.block("XREADGROUP GROUP g b CLAIM 100 BLOCK 10 STREAMS s >");
            driver.exec(&["XADD s * f v", "XTRIM s MAXLEN 0"]);
            driver.pass(10);
            assert_eq!(driver.all_woken().len(), 1);
        }
        assert_all_given_back(&mut driver);
    }

    #[test]
    fn ten_thousand_waiters_are_counted_and_leave_nothing_behind() {
        let mut driver = Driver::new();
        driver.validates = false;
        for _ in 0..10_000 {
            driver.block("XREAD BLOCK 1000 STREAMS s t $ $");
        }
        assert!(driver.engine.memory() > 10_000 * 100);
        driver.run("XADD t 1-1 f v");
        assert_eq!(driver.all_woken().len(), 10_000);
        assert_all_given_back(&mut driver);
    }

    #[test]
    fn a_flush_gives_everything_back() {
        let mut driver = Driver::new();
        driver.validates = false;
        for n in 0..20_000 {
            driver.run(&format!("XADD s{n} 1-1 f v"));
            driver.run(&format!("PEXPIRE s{n} 1000"));
        }
        driver.run_all(&["XGROUP CREATE s0 g 0", "XREADGROUP GROUP g a STREAMS s0 >", "XADD s0 IDMP p i * f v"]);
        assert_all_given_back(&mut driver);
        assert_eq!(driver.engine.next_deadline(), None);
    }

    #[test]
    fn keys_that_expire_give_everything_back() {
        let mut driver = Driver::new();
        driver.validates = false;
        for n in 0..20_000 {
            driver.run(&format!("SET text{n} value PX {}", 1 + n % 100));
        }
        driver.pass(100);
        driver.take_effects();
        assert_eq!(driver.engine.memory(), 0);
        assert_eq!(driver.engine.statistics().expired_keys(), 20_000);
    }

    #[test]
    fn an_expiry_set_again_and_again_takes_no_more_memory() {
        let mut driver = Driver::new();
        driver.run_all(&["SET text value"]);
        for n in 0..20_000 {
            driver.run(&format!("PEXPIRE text {}", 1000 + n));
        }
        let effects = driver.take_effects();
        assert!(driver.engine.memory() < 10_000, "{}", driver.engine.memory());
        let other = driver.replayed(&effects).expect("what was written can be read");
        assert!(other.engine.memory() < 10_000, "{}", other.engine.memory());
    }

    #[test]
    fn producers_that_are_forgotten_leave_nothing_behind() {
        let mut driver = Driver::new();
        driver.validates = false;
        driver.run_all(&["XADD s 1-1 f v", "XCFGSET s IDMP-MAXSIZE 10000", "XCFGSET s IDMP-DURATION 1"]);
        driver.take_effects();
        let before = driver.engine.memory();
        let start = Instant::now();
        for n in 0..20_000 {
            driver.run(&format!("XADD s IDMP producer{n} iid MAXLEN 1 * f v"));
            driver.now_ms += 1;
            driver.engine.advance(driver.now_ms);
        }
        driver.pass(2000);
        driver.take_effects();
        assert!(driver.engine.memory() < before + 2000, "{} after {before}", driver.engine.memory());
        assert!(driver.run("XINFO STREAM s").contains("pids-tracked :0 iids-tracked :0 iids-added :20000 "));
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    }
}

mod producers {
    use super::*;

    #[test]
    fn a_thousand_of_them_are_remembered_for_a_while_at_a_thousand_appends_a_second() {
        let mut driver = Driver::new();
        driver.validates = false;
        let start = Instant::now();
        for n in 0..200_000 {
            driver.run(&format!("XADD s IDMP producer{} iid{n} MAXLEN 1 * f v", n % 1000));
            driver.now_ms += 1;
            driver.engine.advance(driver.now_ms);
        }
        assert!(driver.run("XINFO STREAM s").contains("pids-tracked :1000 iids-tracked :99999 iids-added :200000 "));
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    }
}

mod crowds {
    use super::*;

    #[test]
    fn a_reader_of_a_hundred_thousand_keys_is_not_run_for_each_of_them() {
        let mut driver = Driver::new();
        driver.validates = false;
        let names: Vec<String> = (0..100_000).map(|key| format!("key{key}")).collect();
        let read = format!("XREAD BLOCK 0 STREAMS {} {}", names.join(" "), vec!["$"; names.len()].join(" "));
        let waiter = driver.block(&read);
        let lines: Vec<String> =
            names.iter().flat_map(|name| [format!("XADD {name} 1-1 f v"), format!("XDEL {name} 1-1")]).collect();
        let start = Instant::now();
        driver.exec(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(driver.all_woken(), []);
        driver.run_all(&["FLUSHALL"]);
        assert!(driver.engine.cancel(waiter));
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    }

    #[test]
    fn a_hundred_thousand_readers_of_a_hundred_thousand_keys_end_with_one_flush() {
        let mut driver = Driver::new();
        driver.validates = false;
        for key in 0..100_000 {
            driver.run(&format!("XGROUP CREATE key{key} g $ MKSTREAM"));
            driver.block(&format!("XREADGROUP GROUP g a BLOCK 0 STREAMS key{key} >"));
        }
        let start = Instant::now();
        driver.run_all(&["FLUSHALL"]);
        assert_eq!(driver.all_woken().len(), 100_000);
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    }

    #[test]
    fn twenty_thousand_readers_of_one_group_take_one_entry_each() {
        let mut driver = Driver::new();
        driver.validates = false;
        driver.run_all(&["XGROUP CREATE s g $ MKSTREAM"]);
        for consumer in 0..20_000 {
            driver.block(&format!("XREADGROUP GROUP g c{consumer} COUNT 1 BLOCK 0 STREAMS s >"));
        }
        let lines: Vec<String> = (1..=20_000).map(|ms| format!("XADD s {ms}-1 f v")).collect();
        let start = Instant::now();
        driver.exec(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(driver.all_woken().len(), 20_000);
        assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    }
}
