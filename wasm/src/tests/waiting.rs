//! Readers that wait, and time.

use wasm_bindgen_test::wasm_bindgen_test;

use super::client::Client;

#[wasm_bindgen_test]
fn a_reader_that_waits_has_a_number_and_later_a_reply() {
    let mut client = Client::new();
    let waiter = client.wait("XREAD BLOCK 0 STREAMS s $");
    assert_eq!(client.answer().reply, "");
    assert_eq!(client.take(), None);
    client.run("XADD other 1-1 f v");
    assert_eq!(client.take(), None);
    client.run("XADD s 1-1 f v");
    let written = client.answer().position;
    assert_eq!(client.take(), Some((waiter, "{s [[1-1 [f v]]]}".into())));
    assert_eq!(client.answer().position, written);
    assert_eq!(client.take(), None);
}

#[wasm_bindgen_test]
fn readers_are_served_in_the_order_in_which_they_came() {
    let mut client = Client::new();
    client.run("XGROUP CREATE s g 0 MKSTREAM");
    let waiters: Vec<u64> =
        (0..10).map(|n| client.wait(&format!("XREADGROUP GROUP g c{n} COUNT 1 BLOCK 0 STREAMS s >"))).collect();
    for n in 1..=10 {
        client.run(&format!("XADD s {n}-1 f v"));
    }
    for (n, waiter) in (1..=10).zip(waiters) {
        assert_eq!(client.take(), Some((waiter, format!("{{s [[{n}-1 [f v]]]}}"))));
    }
    assert_eq!(client.take(), None);
}

#[wasm_bindgen_test]
fn a_batch_serves_readers_after_its_last_command() {
    let mut client = Client::new();
    let waiter = client.wait("XREAD BLOCK 0 STREAMS s $");
    client.exec(&["XADD s 1-1 f v", "XADD s 2-1 f v"]);
    assert_eq!(client.take(), Some((waiter, "{s [[1-1 [f v]] [2-1 [f v]]]}".into())));
}

#[wasm_bindgen_test]
fn a_wait_that_is_cancelled_has_no_reply() {
    let mut client = Client::new();
    let waiter = client.wait("XREAD BLOCK 500 STREAMS s $") as f64;
    assert_eq!(client.answer().deadline_ms, Some(1500));
    assert!(client.door.cancel(waiter));
    assert_eq!(client.answer().deadline_ms, None);
    assert!(!client.door.cancel(waiter));
    for odd in [-1.0, 0.0, 0.5, f64::NAN, f64::INFINITY, 1e300] {
        assert!(!client.door.cancel(odd), "{odd}");
    }
    client.run("XADD s 1-1 f v");
    assert_eq!(client.take(), None);
}

#[wasm_bindgen_test]
fn deadlines_are_told_and_kept() {
    let mut client = Client::new();
    assert_eq!(client.run("PING"), "+PONG");
    assert_eq!(client.answer().deadline_ms, None);
    let late = client.wait("XREAD BLOCK 500 STREAMS s $");
    let early = client.wait("XREAD BLOCK 200 STREAMS s $");
    assert_eq!(client.answer().deadline_ms, Some(1200));
    client.pass(199.0);
    assert_eq!(client.take(), None);
    assert_eq!(client.answer().deadline_ms, Some(1200));
    client.pass(1.0);
    assert_eq!(client.answer().deadline_ms, Some(1500));
    assert_eq!(client.take(), Some((early, "nil-array".into())));
    assert_eq!(client.answer().deadline_ms, Some(1500));
    client.pass(10_000.0);
    assert_eq!(client.take(), Some((late, "nil-array".into())));
    assert_eq!(client.answer().deadline_ms, None);
}

#[wasm_bindgen_test]
fn deadlines_of_64_bits_are_told_whole() {
    let mut client = Client::new();
    client.now_ms = 1.7e12;
    client.wait("XREAD BLOCK 1099511627776 STREAMS s $");
    assert_eq!(client.answer().deadline_ms, Some(1_700_000_000_000 + (1 << 40)));
}
