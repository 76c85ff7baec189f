//! Commands, batches, the block of numbers, options and statistics.

use wasm_bindgen_test::wasm_bindgen_test;

use super::client::{Client, IDEMPOTENT_SECONDS, MEMORY_BYTES_MAX, NODE_ENTRIES_MAX, REPLY_BYTES_MAX, encoded};

#[wasm_bindgen_test]
fn every_kind_of_reply_is_read() {
    let mut client = Client::new();
    assert_eq!(client.run("PING"), "+PONG");
    assert_eq!(client.run("XADD s 1-1 f v"), "1-1");
    assert_eq!(
        client.run("XADD s 18446744073709551615-18446744073709551614 f v"),
        "18446744073709551615-18446744073709551614"
    );
    assert_eq!(client.run("XLEN s"), ":2");
    assert_eq!(client.run("XRANGE s - (2-0"), "[[1-1 [f v]]]");
    assert_eq!(client.run("XREAD COUNT 1 STREAMS s 0"), "{s [[1-1 [f v]]]}");
    assert_eq!(client.run("XREAD STREAMS none 0"), "nil-array");
    assert_eq!(client.run("GET none"), "nil");
    assert_eq!(client.run("TTL s"), ":-1");
    assert_eq!(client.run("NONE a"), "-ERR unknown command 'NONE', with args beginning with: 'a' ");
    assert_eq!(client.run("XGROUP CREATE s g 0"), "+OK");
    let groups = client.run("XINFO GROUPS s");
    assert_eq!(groups, "[%{name g consumers :0 pending :0 last-delivered-id 0-0 entries-read nil lag :2}]");
}

#[wasm_bindgen_test]
fn words_may_be_any_bytes_of_any_length() {
    let mut client = Client::new();
    for length in [0, 1, 254, 255, 256, 70_000] {
        let word: Vec<u8> = (0..length).map(|at| (at * 7 + length) as u8).collect();
        assert!(client.call(&encoded(&[b"SET", &word, &word])));
        assert_eq!(client.answer().reply, "+OK", "{length}");
        assert!(client.call(&encoded(&[b"GET", &word])));
        let answer = client.answer();
        assert_eq!(answer.reply, String::from_utf8_lossy(&word), "{length}");
        assert_eq!(answer.is_ascii, word.is_ascii(), "{length}");
    }
    // Many words, beyond what is looked up without an allocation.
    for fields in [14, 15, 16, 1000] {
        let mut words: Vec<&[u8]> = vec![b"XADD", b"s", b"*"];
        words.extend(std::iter::repeat_n(&b"x"[..], 2 * fields));
        client.now_ms += 1.0;
        assert!(client.call(&encoded(&words)));
        assert_eq!(client.answer().reply, format!("{}-0", client.now_ms), "{fields}");
    }
}

#[wasm_bindgen_test]
fn the_time_is_what_the_caller_says() {
    let mut client = Client::new();
    for (now_ms, id) in
        [(5000.9, "5000-0"), (5000.0, "5000-1"), (4000.0, "5000-2"), (-1.0, "5000-3"), (f64::NAN, "5000-4")]
    {
        client.now_ms = now_ms;
        assert_eq!(client.run("XADD s * f v"), id);
    }
    client.now_ms = f64::INFINITY;
    assert_eq!(client.run("XADD s * f v"), format!("{}-0", (1_u64 << 48) - 1));
}

#[wasm_bindgen_test]
fn batches_run_as_one() {
    let mut client = Client::new();
    let reply = client.exec(&["XADD s * f v", "XADD s * f v", "GET s", "XLEN s", "XREAD BLOCK 0 STREAMS s $"]);
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    assert_eq!(reply, format!("[1000-0 1000-1 {wrong} :2 nil-array]"));
    assert_eq!(client.exec(&["DEL s", "DEL"]), "-EXECABORT Transaction discarded because of previous errors.");
    assert_eq!(client.run("XLEN s"), ":2");
    assert_eq!(client.exec(&[]), "[]");
}

#[wasm_bindgen_test]
fn the_block_of_numbers_stays_in_its_place() {
    let mut client = Client::new();
    let place = client.door.answer();
    client.run("XADD s 1-1 f v");
    assert!(client.call(&encoded(&[b"SET", b"k", &vec![b'x'; 20 << 20]])));
    assert_eq!(client.run("GET k").len(), 20 << 20);
    client.configure(&[(NODE_ENTRIES_MAX, 5.0)]);
    assert_eq!(client.door.answer(), place);
    assert_eq!(client.run("XLEN s"), ":1");
}

#[wasm_bindgen_test]
fn replies_say_what_they_depend_on() {
    let mut client = Client::new();
    client.run("XADD s 1-1 f v");
    let first = client.answer().position;
    client.run("XADD t 1-1 f v");
    let second = client.answer().position;
    assert!(0 < first && first < second, "{first} {second}");
    client.run("XLEN s");
    assert_eq!(client.answer().position, first);
    client.run("XLEN t");
    assert_eq!(client.answer().position, second);
    client.exec(&["XLEN s", "XADD s 2-1 f v"]);
    assert!(client.answer().position > second);
    client.run("PING");
    assert_eq!(client.answer().position, 0);
}

#[wasm_bindgen_test]
fn room_keeps_what_was_written() {
    let mut client = Client::new();
    let request = encoded(&[b"SET", b"k", b"v"]);
    client.write(&request);
    assert!(!client.door.room(100_000).is_null());
    assert!(client.door.call(request.len(), 0.0));
    assert_eq!(client.answer().reply, "+OK");
    // A large buffer is given back, a small one is kept.
    assert_eq!(client.door.request_bytes(), 100_000);
    client.write(&[0; 2 << 20]);
    client.door.call(0, 0.0);
    assert_eq!(client.door.request_bytes(), 0);
}

#[wasm_bindgen_test]
fn room_that_there_is_not_is_refused() {
    let mut client = Client::new();
    client.run("SET k v");
    for bytes in [usize::MAX, 1 << 31, 3 << 30] {
        assert!(client.door.room(bytes).is_null(), "{bytes}");
    }
    assert_eq!(client.run("GET k"), "v");
}

#[wasm_bindgen_test]
fn options_are_taken_and_others_kept() {
    let mut client = Client::new();
    client.configure(&[(NODE_ENTRIES_MAX, 2.0), (IDEMPOTENT_SECONDS, 7.0)]);
    for n in 1..=5 {
        client.run(&format!("XADD s {n}-1 f v"));
    }
    // Three nodes, of which the two that are not needed go.
    assert_eq!(client.run("XTRIM s MAXLEN ~ 1"), ":4");
    assert!(client.run("XINFO STREAM s").contains("idmp-duration :7 "));
    client.configure(&[(REPLY_BYTES_MAX, 320.0)]);
    assert_eq!(client.run("ECHO hello"), "hello");
    let long = format!("ECHO {}", "x".repeat(400));
    assert_eq!(
        client.run(&long),
        "-ERR the reply would be larger than 320 bytes: ask for less, for example with COUNT"
    );
    client.configure(&[(REPLY_BYTES_MAX, 100_000.0), (MEMORY_BYTES_MAX, 1.0)]);
    assert_eq!(client.run(&long).len(), 400);
    assert!(client.run("XADD s * f v").starts_with("-OOM "));
    client.configure(&[]);
    client.configure(&[(MEMORY_BYTES_MAX, f64::NAN)]);
    assert!(client.run("XADD s * f v").starts_with("-OOM "));
    client.configure(&[(MEMORY_BYTES_MAX, 0.0)]);
    assert_eq!(client.run("XADD s * f v"), "1000-0");
}

#[wasm_bindgen_test]
fn statistics_are_a_reply() {
    let mut client = Client::new();
    let statistics = |client: &mut Client| {
        client.door.statistics();
        let reply = client.answer().reply;
        let numbers: Vec<i64> =
            reply.split(':').skip(1).map(|it| it.split([' ', '}']).next().unwrap().parse().unwrap()).collect();
        let [memory, waiting, changes, expired] = numbers[..] else { panic!("{reply}") };
        let named = format!(
            "%{{memory-bytes :{memory} waiting-readers :{waiting} changes :{changes} expired-keys :{expired}}}"
        );
        assert_eq!(reply, named);
        (memory, [waiting, changes, expired])
    };
    let (before, counts) = statistics(&mut client);
    assert_eq!(counts, [0, 0, 0]);
    client.run("XADD s 1-1 f v");
    client.run("PEXPIRE s 10");
    client.wait("XREAD BLOCK 0 STREAMS t $");
    let (after, counts) = statistics(&mut client);
    assert_eq!(counts, [1, 2, 0]);
    assert!(after > before);
    client.pass(10.0);
    assert_eq!(statistics(&mut client).1, [1, 2, 1]);
}

#[wasm_bindgen_test]
fn names_of_streams_are_told() {
    let mut client = Client::new();
    client.door.names(0);
    assert_eq!(client.answer().reply, "[]");
    client.run("XADD b 1-1 f v");
    client.run("XADD a 1-1 f v");
    client.run("SET text v");
    client.door.names(0);
    let reply = client.answer().reply;
    assert!(["[a b]", "[b a]"].contains(&reply.as_str()), "{reply}");
    // More than a reply may hold is an error, as for a command.
    client.configure(&[(REPLY_BYTES_MAX, 1000.0)]);
    let long = "x".repeat(500);
    client.run(&format!("XADD one-{long} 1-1 f v"));
    client.door.names(0);
    assert!(client.answer().reply.contains(&long));
    client.run(&format!("XADD two-{long} 1-1 f v"));
    client.door.names(0);
    assert_eq!(client.answer().reply, "-OOM the reply has no room for all names");
}

#[wasm_bindgen_test]
fn doors_share_nothing() {
    let (mut one, mut other) = (Client::new(), Client::new());
    one.run("SET k one");
    other.run("SET k other");
    assert_eq!((one.run("GET k"), other.run("GET k")), ("one".into(), "other".into()));
}
