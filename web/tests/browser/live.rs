//! Readers that wait: who is woken when, and what is lost when somebody gives up: nothing.

use std::task::Poll;

use brooklet_web::{Error, Value};
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{Polled, id, open, sleep};

#[wasm_bindgen_test]
async fn what_is_there_comes_first_and_then_what_comes() {
    let stream = open().stream("s");
    for n in 1..=3 {
        stream.add(&[("n", n)]).await.unwrap();
    }
    let writer = stream.clone();
    spawn_local(async move {
        for n in 4..=250 {
            sleep(0).await;
            writer.add(&[("n", n)]).await.unwrap();
        }
    });
    let mut entries = stream.read_after("0").count(250);
    for n in 1..=250 {
        let entry = entries.next().await.unwrap().unwrap();
        assert_eq!(entry.get("n"), Some(n.to_string().as_str()));
    }
    assert_eq!(entries.next().await, Ok(None));
}

#[wasm_bindgen_test]
async fn dollar_is_the_moment_of_the_call() {
    let stream = open().stream("s");
    // A stream that is not there yet.
    let mut from_nothing = stream.read_after("$");
    stream.add(&[("n", 1)]).id("1-0").await.unwrap();
    let mut from_one = stream.read_after("$");
    stream.add(&[("n", 2)]).id("2-0").await.unwrap();
    stream.delete(&[id("2-0")]).await.unwrap();
    // The last ID is that of an entry that is gone.
    let mut from_two = stream.read_after("$");
    stream.add(&[("n", 3)]).id("3-0").await.unwrap();
    assert_eq!(from_nothing.next().await.unwrap().unwrap().id(), id("1-0"));
    assert_eq!(from_nothing.next().await.unwrap().unwrap().id(), id("3-0"));
    assert_eq!(from_one.next().await.unwrap().unwrap().id(), id("3-0"));
    assert_eq!(from_two.next().await.unwrap().unwrap().id(), id("3-0"));
}

#[wasm_bindgen_test]
async fn a_reader_is_woken_once_and_only_when_there_is_something() {
    let db = open();
    let stream = db.stream("s");
    let mut entries = stream.read_after("$");
    let mut next = Polled::new(entries.next());
    assert!(next.poll().is_pending());
    assert!(next.poll().is_pending());
    db.stream("other").add(&[("a", "b")]).await.unwrap();
    db.call(&["SET", "text", "x"]).await.unwrap();
    assert_eq!(next.woken(), 0);
    assert_eq!(db.inspect().unwrap().waiting_readers, 1);
    stream.add(&[("n", 1)]).await.unwrap();
    stream.add(&[("n", 2)]).await.unwrap();
    assert_eq!(next.woken(), 1);
    let Poll::Ready(Ok(Some(entry))) = next.poll() else { panic!("it is there") };
    assert_eq!(entry.get("n"), Some("1"));
    drop(next);
    assert_eq!(db.inspect().unwrap().waiting_readers, 0);
    assert_eq!(entries.next().await.unwrap().unwrap().get("n"), Some("2"));
}

#[wasm_bindgen_test]
async fn all_readers_of_a_stream_get_all_of_it() {
    let stream = open().stream("s");
    let mut readers: Vec<_> = (0..20).map(|_| stream.read_after("$")).collect();
    let mut waiting: Vec<_> = readers.iter_mut().map(|reader| Polled::new(reader.next())).collect();
    assert!(waiting.iter_mut().all(|next| next.poll().is_pending()));
    stream.add(&[("n", 1)]).await.unwrap();
    for next in &mut waiting {
        assert_eq!(next.woken(), 1);
        assert!(matches!(next.poll(), Poll::Ready(Ok(Some(entry))) if entry.get("n") == Some("1")));
    }
}

#[wasm_bindgen_test]
async fn the_last_waker_is_the_one_that_is_woken() {
    let stream = open().stream("s");
    let mut entries = stream.read_after("$");
    let mut next = Box::pin(entries.next());
    let mut first = Polled::new(std::future::poll_fn(|context| Poll::Ready(next.as_mut().poll(context).is_ready())));
    assert_eq!(first.poll(), Poll::Ready(false));
    let first_woken = first.woken();
    drop(first);
    let mut second = Polled::new(next);
    assert!(second.poll().is_pending());
    stream.add(&[("n", 1)]).await.unwrap();
    assert_eq!((first_woken, second.woken()), (0, 1));
    assert!(second.poll().is_ready());
}

#[wasm_bindgen_test]
async fn a_wait_given_up_is_over_and_loses_nothing() {
    let db = open();
    let stream = db.stream("s");
    let mut entries = stream.read_after("$");
    let mut next = Polled::new(entries.next());
    assert!(next.poll().is_pending());
    assert_eq!(db.inspect().unwrap().waiting_readers, 1);
    drop(next);
    assert_eq!(db.inspect().unwrap().waiting_readers, 0);
    stream.add(&[("n", 1)]).await.unwrap();
    // Given up after the engine had answered, before anybody looked.
    let mut next = Polled::new(entries.next());
    assert!(matches!(next.poll(), Poll::Ready(Ok(Some(_)))));
    drop(next);
    let mut next = Polled::new(entries.next());
    assert!(next.poll().is_pending());
    stream.add(&[("n", 2)]).await.unwrap();
    stream.add(&[("n", 3)]).await.unwrap();
    assert_eq!(next.woken(), 1);
    drop(next);
    for n in ["2", "3"] {
        assert_eq!(entries.next().await.unwrap().unwrap().get("n"), Some(n));
    }
}

#[wasm_bindgen_test]
async fn a_command_that_waits_waits_alone() {
    let db = open();
    let mut read = Polled::new(db.call(&["XREAD", "BLOCK", "0", "STREAMS", "s", "$"]));
    assert!(read.poll().is_pending());
    assert_eq!(db.call(&["PING"]).await, Ok(Value::Simple(b"PONG".to_vec())));
    db.stream("s").add(&[("a", "b")]).await.unwrap();
    assert!(matches!(read.poll(), Poll::Ready(Ok(Value::Pairs(_)))));
    // To drop one that nobody polled ends its wait, too.
    drop(db.call(&["XREAD", "BLOCK", "0", "STREAMS", "s", "$"]));
    assert_eq!(db.inspect().unwrap().waiting_readers, 0);
}

#[wasm_bindgen_test]
async fn group_readers_are_served_in_the_order_in_which_they_came() {
    let stream = open().stream("s");
    let group = stream.group("g").await.unwrap();
    let mut readers: Vec<_> = (0..5).map(|n| group.read(n).ahead(1)).collect();
    let mut waiting: Vec<_> = readers.iter_mut().map(|reader| Polled::new(reader.next())).collect();
    assert!(waiting.iter_mut().all(|next| next.poll().is_pending()));
    for n in 0..5_usize {
        stream.add(&[("n", n)]).await.unwrap();
        let woken: Vec<usize> = waiting.iter().map(Polled::woken).collect();
        assert_eq!(woken, (0..5).map(|reader| usize::from(reader <= n)).collect::<Vec<_>>());
    }
    for (n, next) in waiting.iter_mut().enumerate() {
        let Poll::Ready(Ok(Some(message))) = next.poll() else { panic!("{n} was served") };
        assert_eq!(message.get("n"), Some(n.to_string().as_str()));
    }
}

#[wasm_bindgen_test]
async fn closing_tells_those_who_wait() {
    let db = open();
    let stream = db.stream("s");
    let group = stream.group("g").await.unwrap();
    let (mut entries, mut messages) = (stream.read_after("$"), group.read("c"));
    let mut next_entry = Polled::new(entries.next());
    let mut next_message = Polled::new(messages.next());
    let mut call = Polled::new(db.call(&["XREAD", "BLOCK", "60000", "STREAMS", "s", "$"]));
    assert!(next_entry.poll().is_pending() && next_message.poll().is_pending() && call.poll().is_pending());
    drop(db.close());
    assert_eq!((next_entry.woken(), next_message.woken(), call.woken()), (1, 1, 1));
    assert_eq!(next_entry.poll(), Poll::Ready(Err(Error::Closed)));
    assert!(matches!(next_message.poll(), Poll::Ready(Err(Error::Closed))));
    assert_eq!(call.poll(), Poll::Ready(Err(Error::Closed)));
}

#[wasm_bindgen_test]
async fn whoever_is_woken_may_call_at_once() {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::sync::Arc;
    use std::task::{Context, Wake, Waker};

    thread_local! {
        static DATABASE: RefCell<Option<brooklet_web::Brooklet>> = const { RefCell::new(None) };
    }

    /// Runs a command in the middle of being woken.
    struct Caller;

    impl Wake for Caller {
        fn wake(self: Arc<Self>) {
            let db = DATABASE.with(|place| place.borrow().clone()).unwrap();
            drop(db.call(&["SET", "woken", "yes"]));
        }
    }

    let db = open();
    DATABASE.with(|place| *place.borrow_mut() = Some(db.clone()));
    let read = Rc::new(RefCell::new(Box::pin(db.call(&["XREAD", "BLOCK", "0", "STREAMS", "s", "$"]))));
    let waker = Waker::from(Arc::new(Caller));
    assert!(read.borrow_mut().as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    db.stream("s").add(&[("a", "b")]).await.unwrap();
    assert_eq!(db.call(&["GET", "woken"]).await, Ok(Value::Bulk(b"yes".to_vec())));
    DATABASE.with(|place| place.borrow_mut().take());
}

#[wasm_bindgen_test]
async fn a_hundred_thousand_entries_pass_through_little_memory() {
    const ENTRIES: u64 = 100_000;
    const PAGES_MAX: usize = 256;
    let db = open();
    let stream = db.stream("s");
    let mut entries = stream.read_after("$");
    let pages_before = core::arch::wasm32::memory_size::<0>();
    let writer = stream.clone();
    spawn_local(async move {
        for n in 0..ENTRIES {
            writer.add(&[("n", n), ("also", n * 7)]).max_len(1000).approx().await.unwrap();
            if n % 500 == 499 {
                sleep(0).await;
            }
        }
    });
    for n in 0..ENTRIES {
        let entry = entries.next().await.unwrap().unwrap();
        assert_eq!(entry.get("n"), Some(n.to_string().as_str()));
        assert_eq!(entry.get("also"), Some((n * 7).to_string().as_str()));
    }
    let grown = core::arch::wasm32::memory_size::<0>() - pages_before;
    assert!(grown <= PAGES_MAX, "{grown} pages");
}
