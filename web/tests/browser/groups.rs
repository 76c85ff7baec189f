//! Groups: who gets what, and what becomes of what was fetched and not handed out.

use std::collections::BTreeSet;
use std::task::Poll;

use brooklet_web::{EntryId, Error, Group, Message, Nack, PendingEntry, Stream};
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{Polled, id, open, sleep};

/// A stream with entries 1-0, 2-0, ... and a group.
async fn filled(entries: u64) -> (Stream, Group) {
    let stream = open().stream("s");
    for n in 1..=entries {
        stream.add(&[("n", n)]).id(EntryId::new(n, 0)).await.unwrap();
    }
    let group = stream.group("g").await.unwrap();
    (stream, group)
}

async fn next(messages: &mut brooklet_web::Messages) -> Message {
    messages.next().await.unwrap().unwrap()
}

/// Who has what, and how often it was delivered.
async fn pending(group: &Group) -> Vec<(u64, Option<String>, u64)> {
    let text = |name: Vec<u8>| String::from_utf8(name).unwrap();
    let entries = group.pending_entries(.., 1000).await.unwrap();
    entries.into_iter().map(|it| (it.id.ms(), it.consumer.map(text), it.deliveries)).collect()
}

fn of(consumer: &str) -> Option<String> {
    Some(consumer.into())
}

#[wasm_bindgen_test]
async fn a_group_is_made_once() {
    let stream = open().stream("s");
    let group = stream.group("g").await.unwrap();
    stream.add(&[("n", 1)]).id("1-0").await.unwrap();
    stream.group("late").from("$").await.unwrap();
    // A group that is there keeps its place.
    let again = stream.group("g").from("$").await.unwrap();
    assert_eq!((again.name(), again.stream().name()), (&b"g"[..], &b"s"[..]));
    assert_eq!(next(&mut group.read("c")).await.id(), id("1-0"));
    let late = stream.group("late").await.unwrap();
    let mut messages = late.read("c");
    let mut waiting = Polled::new(messages.next());
    assert!(waiting.poll().is_pending());
}

#[wasm_bindgen_test]
async fn messages_are_shared_out_and_acknowledged() {
    let (stream, group) = filled(4).await;
    let (mut a, mut b) = (group.read("a").ahead(1), group.read("b").ahead(1));
    let (first, second, third) = (next(&mut a).await, next(&mut b).await, next(&mut a).await);
    assert_eq!([&first, &second, &third].map(|message| message.id().ms()), [1, 2, 3]);
    assert_eq!((first.deliveries, first.idle_ms, first.get("n")), (1, None, Some("1")));
    assert_eq!(first.ack().await, Ok(1));
    assert_eq!(first.ack().await, Ok(0));
    // An acknowledgement that nobody awaits has happened all the same.
    drop(second.ack());
    assert_eq!(pending(&group).await, [(3, of("a"), 1)]);
    assert_eq!(group.ack(&[third.id(), id("9-9")]).await, Ok(1));
    assert_eq!(pending(&group).await, []);
    assert_eq!(stream.len().await, Ok(4));
}

#[wasm_bindgen_test]
async fn what_was_pending_comes_first_after_a_reload() {
    let (stream, group) = filled(25).await;
    let mut before = group.read("c").ahead(25);
    for _ in 1..=25 {
        next(&mut before).await;
    }
    drop(before);
    group.ack(&[id("2-0")]).await.unwrap();
    stream.delete(&[id("3-0")]).await.unwrap();
    stream.add(&[("n", 26)]).id("26-0").await.unwrap();
    sleep(2).await;
    let mut after = group.read("c").count(24);
    let first = next(&mut after).await;
    assert_eq!((first.id(), first.deliveries), (id("1-0"), 2));
    assert!(first.idle_ms.unwrap() >= 1, "{:?}", first.idle_ms);
    let mut seen = vec![1];
    while let Some(message) = after.next().await.unwrap() {
        seen.push(message.id().ms());
        assert_eq!(message.deliveries, if message.id().ms() == 26 { 1 } else { 2 });
    }
    // 2 is acknowledged; 3 is gone, and still pending.
    assert_eq!(seen, std::iter::once(1).chain(4..=26).collect::<Vec<u64>>());
    assert!(pending(&group).await.contains(&(3, of("c"), 1)));
}

#[wasm_bindgen_test]
async fn what_was_fetched_and_not_handed_out_is_given_back() {
    let (_, group) = filled(12).await;
    let mut a = group.read("a").ahead(10);
    assert_eq!(next(&mut a).await.id(), id("1-0"));
    assert_eq!(pending(&group).await.len(), 10);
    drop(a);
    let expected: Vec<_> = std::iter::once((1, of("a"), 1)).chain((2..=10).map(|n| (n, None, 0))).collect();
    assert_eq!(pending(&group).await, expected);
    // Whoever claims gets them before what is new, as if they had never been delivered.
    let mut b = group.read("b").ahead(100).claim_idle_ms(60_000);
    for n in 2..=12 {
        let message = next(&mut b).await;
        assert_eq!((message.id().ms(), message.deliveries, message.idle_ms), (n, 1, None));
    }
}

#[wasm_bindgen_test]
async fn a_wait_given_up_in_the_last_moment_loses_nothing() {
    let (stream, group) = filled(0).await;
    let mut a = group.read("a");
    let mut waiting = Polled::new(a.next());
    assert!(waiting.poll().is_pending());
    stream.add(&[("n", 1)]).id("1-0").await.unwrap();
    assert_eq!(waiting.woken(), 1);
    // The engine has delivered; nobody has looked.
    drop(waiting);
    assert_eq!(pending(&group).await, [(1, of("a"), 1)]);
    assert_eq!(next(&mut a).await.id(), id("1-0"));

    let mut waiting = Polled::new(a.next());
    assert!(waiting.poll().is_pending());
    stream.add(&[("n", 2)]).id("2-0").await.unwrap();
    drop(waiting);
    drop(a);
    assert_eq!(pending(&group).await, [(1, of("a"), 1), (2, None, 0)]);
}

#[wasm_bindgen_test]
async fn a_wait_given_up_early_is_over() {
    let (stream, group) = filled(0).await;
    let db = stream.database();
    let mut a = group.read("a");
    let mut waiting = Polled::new(a.next());
    assert!(waiting.poll().is_pending());
    drop(waiting);
    assert_eq!(db.inspect().unwrap().waiting_readers, 0);
    stream.add(&[("n", 1)]).id("1-0").await.unwrap();
    assert_eq!(pending(&group).await, []);
    assert_eq!(next(&mut a).await.id(), id("1-0"));
}

#[wasm_bindgen_test]
async fn what_was_idle_too_long_is_claimed_while_waiting() {
    let (_, group) = filled(1).await;
    let mut a = group.read("a");
    next(&mut a).await;
    let mut b = group.read("b").claim_idle_ms(30);
    // Nothing is new: this waits until the message of the other one has been idle long enough.
    let message = next(&mut b).await;
    assert_eq!((message.id(), message.deliveries), (id("1-0"), 2));
    assert!(message.idle_ms.unwrap() >= 30);
    assert_eq!(pending(&group).await, [(1, of("b"), 2)]);
}

#[wasm_bindgen_test]
async fn messages_given_back_say_how() {
    let (_, group) = filled(3).await;
    let mut a = group.read("a");
    let messages = [next(&mut a).await, next(&mut a).await, next(&mut a).await];
    assert_eq!(messages[0].nack(Nack::default()).await, Ok(1));
    assert_eq!(messages[1].nack(Nack::Silent).await, Ok(1));
    assert_eq!(group.nack(&[messages[2].id(), id("9-9")], Nack::Fatal).await, Ok(1));
    let fatal = i64::MAX as u64;
    assert_eq!(pending(&group).await, [(1, None, 1), (2, None, 0), (3, None, fatal)]);
    let claimed = group.claim("b", 0, &[id("3-0"), id("1-0"), id("9-9")]).await.unwrap();
    let told: Vec<_> = claimed.iter().map(|it| (it.id().ms(), it.deliveries, it.idle_ms)).collect();
    assert_eq!(told, [(3, fatal + 1, None), (1, 2, None)]);
    assert!(group.claim("b", 60_000, &[id("1-0")]).await.unwrap().is_empty());
    assert!(group.claim("b", 0, &[]).await.is_err());
    claimed[1].ack().await.unwrap();
    assert_eq!(pending(&group).await.len(), 2);
}

#[wasm_bindgen_test]
async fn what_is_pending_is_told_in_sum_and_one_by_one() {
    let (_, group) = filled(5).await;
    assert_eq!(group.pending().await.unwrap().ids, None);
    let (mut a, mut b) = (group.read("a").ahead(1), group.read("b").ahead(1));
    for _ in 0..2 {
        next(&mut a).await;
    }
    next(&mut b).await;
    let summary = group.pending().await.unwrap();
    assert_eq!((summary.count, summary.ids), (3, Some((id("1-0"), id("3-0")))));
    assert_eq!(summary.consumers, [(b"a".to_vec(), 2), (b"b".to_vec(), 1)]);
    let entries = group.pending_entries(id("2-0").., 10).await.unwrap();
    assert_eq!(entries.len(), 2);
    let expected =
        PendingEntry { id: id("2-0"), consumer: Some(b"a".to_vec()), idle_ms: entries[0].idle_ms, deliveries: 1 };
    assert_eq!(entries[0], expected);
    assert!(entries[0].idle_ms.is_some());
    assert_eq!(group.pending_entries(id("1-0")..id("2-0"), 10).await.unwrap().len(), 1);
    assert_eq!(group.pending_entries(.., 1).await.unwrap().len(), 1);
}

#[wasm_bindgen_test]
async fn a_group_that_is_gone_is_an_error() {
    let (stream, group) = filled(0).await;
    let mut messages = group.read("c");
    let mut waiting = Polled::new(messages.next());
    assert!(waiting.poll().is_pending());
    stream.database().call(&["XGROUP", "DESTROY", "s", "g"]).await.unwrap();
    let Poll::Ready(Err(error)) = waiting.poll() else { panic!("it was told") };
    assert_eq!(error.code(), Some("NOGROUP"));
    drop(waiting);
    assert_eq!(messages.next().await.err().unwrap().code(), Some("NOGROUP"));
    assert_eq!(group.read("d").next().await.err().unwrap().code(), Some("NOGROUP"));
    assert!(matches!(group.pending().await, Err(Error::Redis(_))));
}

#[wasm_bindgen_test]
async fn counts_are_totals() {
    let (_, group) = filled(30).await;
    let mut messages = group.read("c").count(12);
    let mut seen = 0;
    while let Some(message) = messages.next().await.unwrap() {
        seen += 1;
        message.ack().await.unwrap();
    }
    assert_eq!(seen, 12);
    assert!(messages.next().await.unwrap().is_none());
    drop(messages);
    // No more was fetched than was asked for.
    assert_eq!(pending(&group).await, []);
    assert!(group.read("c").count(0).next().await.unwrap().is_none());
    // One is the least that is fetched at once.
    next(&mut group.read("c").ahead(0)).await;
    assert_eq!(pending(&group).await, [(13, of("c"), 1)]);
}

#[wasm_bindgen_test]
async fn workers_do_each_piece_of_work_once() {
    let (stream, group) = filled(0).await;
    let done = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    for worker in 0..4_u8 {
        let (group, done) = (group.clone(), std::rc::Rc::clone(&done));
        spawn_local(async move {
            let mut messages = group.read(worker).ahead(3);
            while let Ok(Some(message)) = messages.next().await {
                if message.id().ms() % 7 == 0 {
                    sleep(0).await;
                }
                done.borrow_mut().push(message.id().ms());
                message.ack().await.unwrap();
            }
        });
    }
    for n in 1..=500 {
        stream.add(&[("n", n)]).id(EntryId::new(n, 0)).await.unwrap();
        if n % 50 == 0 {
            sleep(0).await;
        }
    }
    while done.borrow().len() < 500 {
        sleep(1).await;
    }
    drop(stream.database().close());
    let all = done.borrow();
    assert_eq!(all.iter().copied().collect::<BTreeSet<u64>>(), (1..=500).collect());
}
