//! Databases in IndexedDB, as applications open them.

use std::task::Poll;

use brooklet_web::{Brooklet, Error, Mode, Value};
use js_sys::Promise;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{Polled, id};

/// A name that no other test has.
fn new_name() -> String {
    format!("stored-{}-{}", js_sys::Date::now(), js_sys::Math::random())
}

async fn reopened(name: &str) -> Brooklet {
    Brooklet::open_indexed_db(name).await.unwrap()
}

fn len(db: &Brooklet) -> impl Future<Output = Result<u64, Error>> {
    db.stream("s").len()
}

#[wasm_bindgen_test]
async fn what_was_acknowledged_is_there_when_it_is_opened_again() {
    let name = new_name();
    for (round, mode) in [Mode::EverySecond, Mode::Always, Mode::No].into_iter().enumerate() {
        let db = Brooklet::open_indexed_db(&name).mode(mode).await.unwrap();
        assert_eq!(len(&db).await, Ok(2 * round as u64));
        let stream = db.stream("s");
        stream.add(&[("n", "1")]).await.unwrap();
        let last = stream.add(&[("n", "2")]).await.unwrap();
        let group = stream.group(format!("g{round}")).await.unwrap();
        let message = group.read("c").next().await.unwrap().unwrap();
        message.ack().await.unwrap();
        db.close().await.unwrap();
        assert_eq!(db.call(&["PING"]).await, Err(Error::Closed));

        let again = reopened(&name).await;
        let entries = again.call(&["XREVRANGE", "s", "+", "-", "COUNT", "1"]).await.unwrap();
        let Value::Array(entries) = entries else { panic!("{entries:?}") };
        let Value::Array(entry) = &entries[0] else { panic!("{entries:?}") };
        assert_eq!(entry[0], Value::Bulk(last.to_text().as_str().as_bytes().to_vec()));
        assert!(again.durability(|it| it.unwrap().was_clean).unwrap());
        again.close().await.unwrap();
    }
}

#[wasm_bindgen_test]
async fn a_reply_waits_until_what_it_tells_of_is_written() {
    let db = reopened(&new_name()).await;
    let stream = db.stream("s");
    db.sync().await.unwrap();
    let mut adding = Polled::new(stream.add(&[("n", "1")]).id("1-1"));
    assert!(adding.poll().is_pending());
    let mut length = Polled::new(stream.len());
    assert!(length.poll().is_pending(), "it tells of an entry that is not written");
    let mut other = Polled::new(db.stream("other").len());
    assert_eq!(other.poll(), Poll::Ready(Ok(0)));
    let mut reader = stream.read_after("0");
    let mut next = Polled::new(reader.next());
    assert!(next.poll().is_pending());
    assert_eq!(db.inspect().unwrap().streams[0].length, 1, "looking waits for nothing");

    db.flush().await.unwrap();
    assert_eq!(adding.poll(), Poll::Ready(Ok(id("1-1"))));
    assert_eq!(length.poll(), Poll::Ready(Ok(1)));
    assert_eq!(adding.woken(), 1);
    let Poll::Ready(entry) = next.poll() else { panic!("it is written") };
    assert_eq!(entry.unwrap().unwrap().id(), id("1-1"));
    db.sync().await.unwrap();
    db.durability(|it| assert_eq!(it.unwrap().durable, it.unwrap().applied)).unwrap();
    db.close().await.unwrap();
}

#[wasm_bindgen_test]
async fn a_reader_that_was_woken_waits_for_the_storage_too() {
    let db = reopened(&new_name()).await;
    let stream = db.stream("s");
    let mut reader = stream.read_after("$");
    let mut next = Polled::new(reader.next());
    // What the stream was like is told at once, as nothing of it is unwritten.
    assert!(next.poll().is_pending());
    drop(stream.add(&[("n", "1")]).into_future());
    assert!(next.poll().is_pending(), "the engine has answered, and the storage has not");
    db.flush().await.unwrap();
    assert!(next.poll().is_ready());
    db.close().await.unwrap();
}

#[wasm_bindgen_test]
async fn what_was_fetched_and_not_written_yet_is_given_back() {
    let db = reopened(&new_name()).await;
    let stream = db.stream("s");
    stream.add(&[("n", "1")]).await.unwrap();
    let group = stream.group("g").await.unwrap();
    let mut messages = group.read("c");
    // The first page is that of messages that were pending before; there are none.
    let mut next = Polled::new(messages.next());
    for _ in 0..3 {
        assert!(next.poll().is_pending(), "delivered, and not written");
    }
    drop(next);
    drop(messages);
    db.flush().await.unwrap();
    let message = group.read("other").claim_idle_ms(u64::from(u32::MAX)).next().await.unwrap().unwrap();
    assert_eq!(message.get("n"), Some("1"));
    db.close().await.unwrap();
}

#[wasm_bindgen_test]
async fn only_one_has_it_open() {
    let name = new_name();
    let first = reopened(&name).await;
    first.stream("s").add(&[("n", "1")]).await.unwrap();
    let Err(refused) = Brooklet::open_indexed_db(&name).await else { panic!("it is held") };
    assert!(refused.to_string().starts_with("another owner holds the storage"), "{refused}");
    let look = Brooklet::open_indexed_db(&name).read_only().await.unwrap();
    assert_eq!(len(&look).await, Ok(1));
    assert_eq!(look.stream("s").add(&[("n", "2")]).await.unwrap_err().code(), Some("READONLY"));
    look.close().await.unwrap();

    let second = Brooklet::open_indexed_db(&name).steal().await.unwrap();
    assert_eq!(len(&second).await, Ok(1));
    let late = first.stream("s").add(&[("n", "2")]).await.unwrap_err();
    assert!(late.to_string().starts_with("another owner has taken over"), "{late}");
    assert_eq!(len(&first).await, Err(late));
    assert!(first.close().await.is_ok(), "there is nothing to close any more");

    // Whoever waits gets it when it is closed.
    let waiting = Brooklet::open_indexed_db(&name).wait_ms(60_000).into_future();
    second.stream("s").add(&[("n", "3")]).await.unwrap();
    second.close().await.unwrap();
    let third = waiting.await.unwrap();
    assert_eq!(len(&third).await, Ok(2));
    third.close().await.unwrap();
}

#[wasm_bindgen_test]
async fn an_opening_that_is_dropped_lets_go() {
    let name = new_name();
    let first = reopened(&name).await;
    let mut waiting = Polled::new(Brooklet::open_indexed_db(&name).wait_ms(u64::MAX));
    assert!(waiting.poll().is_pending());
    drop(waiting);
    first.close().await.unwrap();
    reopened(&name).await.close().await.unwrap();
}

#[wasm_bindgen_test]
async fn what_was_erased_is_missed() {
    let name = new_name();
    let db = reopened(&name).await;
    db.stream("s").add(&[("n", "1")]).await.unwrap();
    db.close().await.unwrap();
    let delete = js_sys::Function::new_with_args(
        "name",
        "return new Promise((done) => { indexedDB.deleteDatabase('brooklet:' + name).onsuccess = () => done() })",
    );
    let deleted: Promise = delete.call1(&js_sys::global(), &name.clone().into()).unwrap().unchecked_into();
    JsFuture::from(deleted).await.unwrap();
    let Err(refused) = Brooklet::open_indexed_db(&name).await else { panic!("it was erased") };
    assert!(matches!(refused, Error::Unopened(_)) && refused.to_string().contains("it was erased"), "{refused}");
    let accepted = Brooklet::open_indexed_db(&name).accept_loss().await.unwrap();
    assert_eq!(len(&accepted).await, Ok(0));
    assert_eq!(accepted.durability(|it| it.unwrap().losses.len()), Ok(1));
    accepted.close().await.unwrap();
}

#[wasm_bindgen_test]
async fn a_database_in_memory_has_nothing_to_store() {
    let db = crate::support::open();
    db.stream("s").add(&[("n", "1")]).await.unwrap();
    db.flush().await.unwrap();
    db.sync().await.unwrap();
    assert_eq!(db.durability(|it| it.is_none()), Ok(true));
    db.close().await.unwrap();
    assert_eq!(db.flush().await, Err(Error::Closed));
}
