//! The same crate in a dedicated Worker, where there is no window.
#![cfg(target_arch = "wasm32")]
#![allow(dead_code, reason = "the support file serves several test programs")]
#![allow(clippy::panic, clippy::indexing_slicing, clippy::unwrap_used, reason = "a panic here is a failed test")]

mod indexed_db;
mod support;

use brooklet_web::Value;
use support::{open, sleep};
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[wasm_bindgen_test]
async fn there_is_no_window() {
    let kind = js_sys::eval("typeof window + ' ' + typeof WorkerGlobalScope").unwrap();
    assert_eq!(kind.as_string().as_deref(), Some("undefined function"));
}

#[wasm_bindgen_test]
async fn entries_are_read_as_they_come() {
    let stream = open().stream("s");
    let writer = stream.clone();
    spawn_local(async move {
        for n in 0..10 {
            sleep(1).await;
            writer.add(&[("n", n)]).await.unwrap();
        }
    });
    let mut entries = stream.read_after("$");
    for n in 0..10 {
        assert_eq!(entries.next().await.unwrap().unwrap().get("n"), Some(n.to_string().as_str()));
    }
}

#[wasm_bindgen_test]
async fn a_read_times_out() {
    let read = open().call(&["XREAD", "BLOCK", "20", "STREAMS", "s", "$"]);
    assert_eq!(read.await, Ok(Value::NullArray));
}
