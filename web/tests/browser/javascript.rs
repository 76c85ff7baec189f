//! Plain data from and to JavaScript values.

use brooklet_web::{EntryId, Fields, Options, from_js, to_js};
use js_sys::{Array, JSON, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::open;

fn json(value: &JsValue) -> String {
    JSON::stringify(value).unwrap().into()
}

/// What an expression of JavaScript is.
fn js(expression: &str) -> JsValue {
    js_sys::eval(&format!("({expression})")).unwrap()
}

fn pairs(fields: &Fields) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    fields.pairs().map(|(name, value)| (text(name), text(value))).collect()
}

#[wasm_bindgen_test]
async fn entries_become_objects_with_all_their_fields() {
    let stream = open().stream("s");
    let add =
        stream.add(&[("b", "1"), ("10", "2"), ("2", "3"), ("b", "4"), ("__proto__", "5")]).field("raw", [0xff, 0]);
    add.id(EntryId::new(u64::MAX, u64::MAX)).await.unwrap();
    let entry = stream.range(..).next().await.unwrap().unwrap();
    let object = to_js(&entry).unwrap();
    let raw = Reflect::get(&Reflect::get(&object, &"pairs".into()).unwrap(), &5.into()).unwrap();
    assert!(Array::from(&raw).get(1).is_instance_of::<js_sys::Uint8Array>());
    let expected = r#"{"id":"18446744073709551615-18446744073709551615","pairs":[["b","1"],["10","2"],["2","3"],["b","4"],["__proto__","5"],["raw",{"0":255,"1":0}]]}"#;
    assert_eq!(json(&object), expected);
}

#[wasm_bindgen_test]
async fn fields_come_from_objects_and_from_pairs() {
    let fields: Fields = from_js(js("{ b: 'x', a: 1, half: 0.5, big: 12345678901234567890n, yes: true }")).unwrap();
    let expected = [("b", "x"), ("a", "1"), ("half", "0.5"), ("big", "12345678901234567890"), ("yes", "true")];
    assert_eq!(pairs(&fields), expected.map(|(name, value)| (name.to_string(), value.to_string())));
    let fields: Fields = from_js(js("[['x', 'y'], ['x', 'z'], ['__proto__', 'w']]")).unwrap();
    let expected = [("x", "y"), ("x", "z"), ("__proto__", "w")];
    assert_eq!(pairs(&fields), expected.map(|(name, value)| (name.to_string(), value.to_string())));
    let fields: Fields = from_js(js("[['raw', new Uint8Array([255, 0])]]")).unwrap();
    assert_eq!(fields.bytes("raw"), Some(&[0xff, 0][..]));
    let fields: Fields = from_js(js("JSON.parse('{\"__proto__\": \"x\"}')")).unwrap();
    assert_eq!(fields.get("__proto__"), Some("x"));
    for refused in ["{ a: { b: 1 } }", "{ a: [1] }", "[['a']]", "5", "'text'", "[['a', 'b', 'c']]", "null"] {
        assert!(from_js::<Fields>(js(refused)).is_err(), "{refused}");
    }

    let stream = open().stream("s");
    let fields: Fields = from_js(js("{ page: '/' }")).unwrap();
    stream.add_fields(&fields).await.unwrap();
    assert_eq!(stream.range(..).next().await.unwrap().unwrap().get("page"), Some("/"));
}

#[wasm_bindgen_test]
fn options_come_from_objects() {
    let options: Options = from_js(js("{ memoryBytesMax: 1048576, nodeEntriesMax: 10 }")).unwrap();
    assert_eq!(options, Options { memory_bytes_max: 1 << 20, node_entries_max: 10, ..Options::default() });
    assert_eq!(from_js::<Options>(Object::new().into()), Ok(Options::default()));
    assert_eq!(from_js::<Options>(to_js(&options).unwrap()), Ok(options));
    let error = from_js::<Options>(js("{ memoryByteMax: 1 }")).unwrap_err();
    assert!(error.to_string().contains("`memoryByteMax`"), "{error}");
    for refused in ["{ memoryBytesMax: -1 }", "{ memoryBytesMax: 'much' }", "{ replyBytesMax: 4294967296 }"] {
        assert!(from_js::<Options>(js(refused)).is_err(), "{refused}");
    }
}

#[wasm_bindgen_test]
async fn an_inspection_becomes_plain_data() {
    let db = open();
    let stream = db.stream("s");
    stream.add(&[("a", "b")]).id("1-1").await.unwrap();
    let group = stream.group([0xff]).await.unwrap();
    group.read("c").next().await.unwrap().unwrap();
    db.call(&["XSETID", "s", "5-0", "ENTRIESADDED", "9007199254740993"]).await.unwrap();
    let object = to_js(&db.inspect().unwrap()).unwrap();
    let at = |path: &[&str]| {
        let mut value = object.clone();
        for name in path {
            value = Reflect::get(&value, &(*name).into()).unwrap();
        }
        value
    };
    assert!(at(&["memoryBytes"]).as_f64().unwrap() > 0.0);
    assert_eq!(at(&["waitingReaders"]).as_f64(), Some(0.0));
    let stream = |name| at(&["streams", "0", name]);
    assert_eq!(stream("name").as_string().as_deref(), Some("s"));
    assert_eq!(stream("length").as_f64(), Some(1.0));
    assert_eq!(stream("firstId").as_string().as_deref(), Some("1-1"));
    assert_eq!(stream("lastId").as_string().as_deref(), Some("5-0"));
    assert_eq!(stream("entriesAdded").as_f64(), Some(9007199254740992.0));
    let group = |name| at(&["streams", "0", "groups", "0", name]);
    assert!(group("name").is_instance_of::<js_sys::Uint8Array>());
    assert_eq!(group("pending").as_f64(), Some(1.0));
    assert_eq!(group("lastDeliveredId").as_string().as_deref(), Some("1-1"));
    let consumer = |name| at(&["streams", "0", "groups", "0", "consumers", "0", name]);
    assert_eq!(consumer("name").as_string().as_deref(), Some("c"));
    assert_eq!(consumer("pending").as_f64(), Some(1.0));
    assert!(consumer("idleMs").as_f64().is_some() && consumer("inactiveMs").as_f64().is_some());
}
