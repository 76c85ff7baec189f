//! Adding, reading ranges, commands, batches, inspections.

use std::collections::BTreeMap;

use brooklet_web::{Brooklet, Entry, EntryId, Error, Fields, Options, References, Stream, Value};
use serde::{Deserialize, Serialize};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{id, open};

fn bulk(text: &str) -> Value {
    Value::Bulk(text.as_bytes().to_vec())
}

async fn filled(db: &Brooklet, entries: u64) -> Stream {
    let stream = db.stream("s");
    for n in 1..=entries {
        stream.add(&[("n", n)]).id(EntryId::new(n, 0)).await.unwrap();
    }
    stream
}

fn ids(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.id().ms()).collect()
}

#[wasm_bindgen_test]
async fn an_entry_is_what_was_added() {
    let clicks = open().stream("clicks");
    let added = clicks.add(&[("page", "/"), ("tag", "a")]).field("ms", 12).field("tag", [0xff]).await.unwrap();
    let entries = clicks.range(..).collect().await.unwrap();
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!(entry.id(), added);
    assert_eq!((entry.get("page"), entry.get("ms"), entry.get("none")), (Some("/"), Some("12"), None));
    assert_eq!(entry.get_all("tag").collect::<Vec<_>>(), [&b"a"[..], &[0xff]]);
    let names: Vec<&[u8]> = entry.pairs().map(|(name, _)| name).collect();
    assert_eq!(names, [&b"page"[..], b"tag", b"ms", b"tag"]);
    assert_eq!(clicks.len().await, Ok(1));
    assert_eq!(clicks.name(), b"clicks");
}

#[wasm_bindgen_test]
async fn ids_come_from_the_clock() {
    let before = js_sys::Date::now() as u64;
    let added = open().stream("s").add(&[("a", "b")]).await.unwrap();
    let after = js_sys::Date::now() as u64;
    assert!((before..=after).contains(&added.ms()), "{before} {added} {after}");
}

#[wasm_bindgen_test]
async fn names_and_values_are_any_bytes() {
    let stream = open().stream(b"\xff\0");
    let hostile: [&[u8]; 7] = [b"__proto__", b"constructor", b"7", b"", b"\xef\xbb\xbfbom", b"\xff\xfe", b"a\r\nb"];
    let fields: Fields = hostile.iter().map(|word| (word, word)).collect();
    stream.add_fields(&fields).await.unwrap();
    let entries = stream.range(..).collect().await.unwrap();
    assert_eq!(entries[0].fields(), &fields);
    assert!(entries[0].pairs().zip(hostile).all(|((name, value), word)| name == word && value == word));
}

#[wasm_bindgen_test]
async fn nothing_is_added_before_it_is_awaited() {
    let stream = open().stream("s");
    let append = stream.add(&[("a", "b")]);
    assert_eq!(stream.len().await, Ok(0));
    append.await.unwrap();
    assert_eq!(stream.len().await, Ok(1));
}

#[wasm_bindgen_test]
async fn options_do_what_they_say() {
    let db = open();
    let stream = db.stream("s");
    let add = || stream.add(&[("a", "b")]);
    assert_eq!(add().no_mk_stream().await, Err(Error::NoStream));
    assert_eq!(add().id("5-*").await, Ok(id("5-0")));
    assert_eq!(add().id("5-*").await, Ok(id("5-1")));
    assert_eq!(add().id("5-1").await.unwrap_err().code(), Some("ERR"));
    assert_eq!(add().id(id("6-0")).no_mk_stream().await, Ok(id("6-0")));
    assert_eq!(add().id("7-0").max_len(2).await, Ok(id("7-0")));
    assert_eq!(ids(&stream.range(..).collect().await.unwrap()), [6, 7]);
    assert_eq!(add().id("8-0").min_id("7").await, Ok(id("8-0")));
    assert_eq!(ids(&stream.range(..).collect().await.unwrap()), [7, 8]);
    // Whole nodes are trimmed, and this is less than one.
    assert_eq!(add().id("9-0").max_len(1).approx().await, Ok(id("9-0")));
    assert_eq!(stream.len().await, Ok(3));

    let group = stream.group("g").await.unwrap();
    let mut messages = group.read("c").count(1);
    messages.next().await.unwrap().unwrap();
    assert_eq!(add().id("10-0").max_len(1).references(References::Acked).await, Ok(id("10-0")));
    assert_eq!(stream.len().await, Ok(4));
    assert_eq!(add().id("11-0").max_len(1).references(References::Delete).await, Ok(id("11-0")));
    assert_eq!(group.pending().await.unwrap().count, 0);
    assert_eq!(stream.trim(0).await, Ok(1));
}

#[wasm_bindgen_test]
async fn repeated_appends_are_noticed() {
    let stream = open().stream("s");
    let first = stream.add(&[("a", 1)]).idempotent("p", "x").await.unwrap();
    assert_eq!(stream.add(&[("a", 2)]).idempotent("p", "x").await, Ok(first));
    let second = stream.add(&[("a", 3)]).idempotent_by_fields("p").await.unwrap();
    assert_eq!(stream.add(&[("a", 3)]).idempotent_by_fields("p").await, Ok(second));
    assert_ne!(first, second);
    assert_eq!(stream.len().await, Ok(2));
}

#[wasm_bindgen_test]
async fn appends_may_depend_on_the_last_id() {
    let stream = open().stream("s");
    let add = |last| stream.add(&[("a", "b")]).if_last_id(last);
    let first = add(EntryId::MIN).await.unwrap();
    let error = add(EntryId::MIN).await.unwrap_err();
    assert_eq!(error.code(), Some("LASTID"));
    assert_eq!(add(first).id("9999999999999-1").await, Ok(id("9999999999999-1")));
    assert!(matches!(add(first).max_len(1).await, Err(Error::Options(_))));
    assert!(matches!(add(first).no_mk_stream().await, Err(Error::Options(_))));
    assert_eq!(stream.len().await, Ok(2));
}

#[wasm_bindgen_test]
async fn values_are_entries_and_entries_are_values() {
    #[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
    struct Click {
        page: String,
        ms: u32,
        from: Option<String>,
    }
    let clicks = open().stream("clicks");
    let click = Click { page: "/".into(), ms: 12, from: None };
    clicks.add_value(&click).field("more", "x").await.unwrap();
    let entries = clicks.range(..).collect().await.unwrap();
    assert_eq!(entries[0].fields().len(), 3);
    assert_eq!(entries[0].to::<Click>(), Ok(click));
    assert!(matches!(entries[0].to::<BTreeMap<String, u8>>(), Err(Error::Value(_))));
    assert!(matches!(clicks.add_value(&5).field("a", "b").await, Err(Error::Value(_))));
    assert_eq!(clicks.len().await, Ok(1));
}

#[wasm_bindgen_test]
async fn ranges_are_what_rust_says() {
    let stream = filled(&open(), 5).await;
    let at = |ms| EntryId::new(ms, 0);
    assert_eq!(ids(&stream.range(..).collect().await.unwrap()), [1, 2, 3, 4, 5]);
    assert_eq!(ids(&stream.range(at(2)..at(4)).collect().await.unwrap()), [2, 3]);
    assert_eq!(ids(&stream.range(at(2)..=at(4)).collect().await.unwrap()), [2, 3, 4]);
    assert_eq!(ids(&stream.range(at(4)..).reverse().collect().await.unwrap()), [5, 4]);
    assert_eq!(ids(&stream.range(..at(4)).count(2).collect().await.unwrap()), [1, 2]);
    assert_eq!(ids(&stream.range(..).reverse().count(2).collect().await.unwrap()), [5, 4]);
    assert_eq!(ids(&stream.range(..).count(0).collect().await.unwrap()), [0; 0]);
    assert_eq!(ids(&stream.range(at(4)..at(2)).collect().await.unwrap()), [0; 0]);
    assert_eq!(ids(&stream.range(..EntryId::MIN).collect().await.unwrap()), [0; 0]);
    assert_eq!(
        ids(&stream
            .range((std::ops::Bound::Excluded(EntryId::MAX), std::ops::Bound::Unbounded))
            .collect()
            .await
            .unwrap()),
        [0; 0]
    );
    assert_eq!(ids(&open().stream("none").range(..).collect().await.unwrap()), [0; 0]);
}

#[wasm_bindgen_test]
async fn pages_of_a_range_fit_together() {
    let db = open();
    for entries in [99, 100, 101, 200, 250] {
        db.call(&["DEL", "s"]).await.unwrap();
        let stream = filled(&db, entries).await;
        let expected: Vec<u64> = (1..=entries).collect();
        assert_eq!(ids(&stream.range(..).collect().await.unwrap()), expected);
        let backwards: Vec<u64> = (1..=entries).rev().collect();
        assert_eq!(ids(&stream.range(..).reverse().collect().await.unwrap()), backwards);
        assert_eq!(ids(&stream.range(..).count(entries - 1).collect().await.unwrap()), expected[..expected.len() - 1]);
    }
}

#[wasm_bindgen_test]
async fn a_range_may_change_while_it_is_read() {
    let stream = filled(&open(), 150).await;
    let mut range = stream.range(..);
    let mut seen = vec![range.next().await.unwrap().unwrap().id().ms()];
    assert_eq!(stream.delete(&[EntryId::new(120, 0), EntryId::new(1, 0), EntryId::new(999, 0)]).await, Ok(2));
    stream.add(&[("n", 151)]).id("151-0").await.unwrap();
    while let Some(entry) = range.next().await.unwrap() {
        seen.push(entry.id().ms());
    }
    assert_eq!(seen, (1..=151).filter(|n| *n != 120).collect::<Vec<u64>>());
    assert_eq!(range.next().await, Ok(None));
}

#[wasm_bindgen_test]
async fn every_command_is_there() {
    let db = open();
    assert_eq!(db.call(&["XADD", "s", "1-1", "a", "b"]).await, Ok(bulk("1-1")));
    assert_eq!(db.call(&[b"XLEN".to_vec(), b"s".to_vec()]).await, Ok(Value::Integer(1)));
    let entry = Value::Array(vec![bulk("1-1"), Value::Array(vec![bulk("a"), bulk("b")])]);
    assert_eq!(db.call(&["XRANGE", "s", "-", "+"]).await, Ok(Value::Array(vec![entry])));
    let error = db.call(&["SET"]).await.unwrap_err();
    assert_eq!(error.to_string(), "ERR wrong number of arguments for 'set' command");
    assert_eq!(error.code(), Some("ERR"));
    assert_eq!(db.call(&["no such"]).await.unwrap_err().code(), Some("ERR"));
    assert_eq!(db.call::<&str>(&[]).await.unwrap_err().code(), Some("ERR"));
}

#[wasm_bindgen_test]
async fn a_command_runs_though_nobody_awaits_it() {
    let db = open();
    drop(db.call(&["SET", "k", "v"]));
    assert_eq!(db.call(&["GET", "k"]).await, Ok(bulk("v")));
}

#[wasm_bindgen_test]
async fn errors_say_what_they_are() {
    let db = open();
    db.call(&["SET", "s", "text"]).await.unwrap();
    let stream = db.stream("s");
    for code in [
        stream.add(&[("a", "b")]).await.unwrap_err(),
        stream.range(..).next().await.unwrap_err(),
        stream.read_after("0").next().await.unwrap_err(),
        stream.read_after("$").next().await.unwrap_err(),
        stream.group("g").await.err().unwrap(),
        stream.len().await.unwrap_err(),
    ] {
        assert_eq!(code.code(), Some("WRONGTYPE"), "{code}");
    }
    let refused = db.stream("other").read_after("not an id").next().await.unwrap_err();
    assert_eq!(refused.to_string(), "ERR Invalid stream ID specified as stream command argument");
}

#[wasm_bindgen_test]
async fn batches_are_all_or_begun() {
    let db = open();
    let outcome =
        db.multi().call(&["XADD", "s", "1-1", "a", "b"]).call(&["GET", "s"]).call(&["XLEN", "s"]).await.unwrap();
    assert_eq!(outcome[0], Ok(bulk("1-1")));
    assert_eq!(outcome[1].as_ref().unwrap_err().code(), Some("WRONGTYPE"));
    assert_eq!(outcome[2], Ok(Value::Integer(1)));
    let error = db.multi().call(&["DEL", "s"]).call(&["DEL"]).await.unwrap_err();
    assert_eq!(error.code(), Some("EXECABORT"));
    assert_eq!(db.stream("s").len().await, Ok(1));
    assert_eq!(db.multi().await, Ok(Vec::new()));
    // What would wait answers at once.
    let outcome = db.multi().call(&["XREAD", "BLOCK", "0", "STREAMS", "s", "$"]).await.unwrap();
    assert_eq!(outcome, [Ok(Value::NullArray)]);
}

#[wasm_bindgen_test]
async fn memory_has_a_limit() {
    let db = Brooklet::open(Options { memory_bytes_max: 1 << 20, ..Options::default() }).unwrap();
    let stream = db.stream("s");
    let mut added = 0;
    let error = loop {
        match stream.add(&[("text", "x".repeat(1000).as_str())]).await {
            Ok(_) => added += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Some("OOM"));
    assert!((900..1100).contains(&added), "{added}");
    stream.trim(0).await.unwrap();
    assert!(stream.add(&[("a", "b")]).await.is_ok());
}

/// What XINFO STREAM says of a stream with six entries of 400 bytes, by title.
async fn told(options: Options) -> impl Fn(&str) -> Value {
    let db = Brooklet::open(options).unwrap();
    let stream = db.stream("s");
    for _ in 0..6 {
        stream.add(&[("text", "x".repeat(400).as_str())]).await.unwrap();
    }
    let Ok(Value::Map(pairs)) = db.call(&["XINFO", "STREAM", "s"]).await else { panic!("it is a map") };
    move |title| pairs.iter().find(|(name, _)| *name == bulk(title)).unwrap().1.clone()
}

#[wasm_bindgen_test]
async fn databases_are_as_their_options_say() {
    let defaults = told(Options::default()).await;
    assert_eq!(defaults("radix-tree-keys"), Value::Integer(1));
    let by_entries = told(Options { node_entries_max: 2, ..Options::default() }).await;
    assert_eq!(by_entries("radix-tree-keys"), Value::Integer(3));
    let by_bytes = told(Options { node_bytes_max: 100, ..Options::default() }).await;
    assert_eq!(by_bytes("radix-tree-keys"), Value::Integer(6));
    let idempotent = Options { idempotent_seconds: 7, idempotent_entries_max: 5, ..Options::default() };
    let idempotent = told(idempotent).await;
    assert_eq!((idempotent("idmp-duration"), idempotent("idmp-maxsize")), (Value::Integer(7), Value::Integer(5)));
    let db = Brooklet::open(Options { reply_bytes_max: 1000, ..Options::default() }).unwrap();
    let error = db.call(&["ECHO", "x".repeat(1000).as_str()]).await.unwrap_err();
    assert!(error.to_string().contains("the reply would be larger than 1000 bytes"), "{error}");
}

#[wasm_bindgen_test]
async fn an_inspection_shows_what_there_is() {
    let db = open();
    assert_eq!(db.inspect().unwrap().streams, []);
    let stream = filled(&db, 3).await;
    let group = stream.group("g").await.unwrap();
    stream.group("empty").from("$").await.unwrap();
    stream.delete(&[EntryId::new(1, 0)]).await.unwrap();
    db.call(&["SET", "text", "x"]).await.unwrap();
    db.stream("a").add(&[("a", "b")]).await.unwrap();
    group.read("c").count(1).next().await.unwrap().unwrap();

    let inspection = db.inspect().unwrap();
    assert!(inspection.memory_bytes > 0);
    assert_eq!(inspection.waiting_readers, 0);
    let names: Vec<&[u8]> = inspection.streams.iter().map(|stream| stream.name.as_slice()).collect();
    assert_eq!(names, [b"a", b"s"]);
    let stream = &inspection.streams[1];
    assert_eq!((stream.length, stream.entries_added), (2, 3));
    assert_eq!((stream.first_id, stream.last_id), (id("2-0"), id("3-0")));
    let [empty, group] = &stream.groups[..] else { panic!("{stream:?}") };
    assert_eq!((empty.pending, empty.last_delivered_id, empty.lag), (0, id("3-0"), Some(0)));
    assert_eq!((group.pending, group.last_delivered_id, group.consumers.len()), (1, id("2-0"), 1));
    assert_eq!((group.consumers[0].name.as_slice(), group.consumers[0].pending), (&b"c"[..], 1));
    assert!(group.consumers[0].inactive_ms.is_some());
}

#[wasm_bindgen_test]
async fn handles_share_a_database_and_databases_share_nothing() {
    let db = open();
    let (clone, other) = (db.clone(), open());
    db.stream("s").add(&[("a", "b")]).await.unwrap();
    assert_eq!(clone.stream("s").len().await, Ok(1));
    assert_eq!(clone.stream("s").clone().database().stream("s").len().await, Ok(1));
    assert_eq!(other.stream("s").len().await, Ok(0));
}

#[wasm_bindgen_test]
async fn a_closed_database_says_so() {
    let db = open();
    let stream = filled(&db, 1).await;
    let group = stream.group("g").await.unwrap();
    let message = group.read("c").next().await.unwrap().unwrap();
    drop(db.close());
    drop(db.clone().close());
    assert_eq!(stream.add(&[("a", "b")]).await, Err(Error::Closed));
    assert_eq!(stream.range(..).next().await, Err(Error::Closed));
    assert_eq!(stream.read_after("$").next().await, Err(Error::Closed));
    assert_eq!(message.ack().await, Err(Error::Closed));
    assert_eq!(db.call(&["PING"]).await, Err(Error::Closed));
    assert_eq!(db.multi().call(&["PING"]).await, Err(Error::Closed));
    assert_eq!(db.inspect(), Err(Error::Closed));
}
