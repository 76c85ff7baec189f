//! The lock: one holds it.

use brooklet_web::storage::{Answer, Request, Storage};
use wasm_bindgen_test::wasm_bindgen_test;

use super::{Db, js, new_name};

const FOR_EVER: u64 = u64::MAX;

fn lock(wait_ms: u64) -> Request<'static> {
    Request::Lock { wait_ms, steals: false }
}

const STEAL: Request<'static> = Request::Lock { wait_ms: 0, steals: true };

/// How many wait for the lock.
async fn waiting(name: &str) -> f64 {
    let count =
        js(name, "return (await navigator.locks.query()).pending.filter((it) => it.name === full).length").await;
    count.as_f64().unwrap()
}

#[wasm_bindgen_test]
async fn one_holds_it_until_he_closes() {
    let name = new_name("lock");
    let (mut first, mut second) = (Db::new(&name), Db::new(&name));
    assert_eq!(first.ask(lock(0)).await, Answer::Done);
    assert_eq!(first.ask(lock(0)).await, Answer::Done);
    assert_eq!(second.ask(lock(0)).await, Answer::Locked);
    assert_eq!(second.ask(lock(20)).await, Answer::Locked);
    assert_eq!(Db::new(&new_name("lock")).ask(lock(0)).await, Answer::Done);
    first.storage.close();
    assert_eq!(second.ask(lock(10_000)).await, Answer::Done);
    // To drop it is to close it.
    drop(second);
    assert_eq!(Db::new(&name).ask(lock(10_000)).await, Answer::Done);
}

#[wasm_bindgen_test]
async fn whoever_waits_gets_it_next() {
    let name = new_name("wait");
    let mut first = Db::new(&name);
    assert_eq!(first.ask(lock(FOR_EVER)).await, Answer::Done);
    for wait_ms in [FOR_EVER, 100_000] {
        let mut second = Db::new(&name);
        let pending = second.place(lock(wait_ms));
        assert_eq!(waiting(&name).await, 1.0);
        assert!(!pending.is_answered());
        first.storage.close();
        assert_eq!(pending.answer().await, Answer::Done);
        first = second;
    }
    // Whoever is closed waits no longer.
    for wait_ms in [FOR_EVER, 100_000] {
        let mut second = Db::new(&name);
        let pending = second.place(lock(wait_ms));
        assert_eq!(waiting(&name).await, 1.0);
        second.storage.close();
        assert_eq!(waiting(&name).await, 0.0);
        assert!(!pending.is_answered());
    }
}

#[wasm_bindgen_test]
async fn it_can_be_taken_away() {
    let name = new_name("steal");
    js(
        &name,
        "globalThis.unhandled = 0
        addEventListener('unhandledrejection', () => { unhandled += 1 })",
    )
    .await;
    let (mut first, mut second) = (Db::new(&name), Db::new(&name));
    assert_eq!(first.ask(lock(0)).await, Answer::Done);
    assert!(!first.storage.is_robbed());
    assert_eq!(second.ask(STEAL).await, Answer::Done);
    assert_eq!(waiting(&name).await, 0.0);
    assert!(first.storage.is_robbed());
    assert!(!second.storage.is_robbed());
    // What was robbed lets go of nothing.
    first.storage.close();
    assert!(!first.storage.is_robbed());
    assert_eq!(Db::new(&name).ask(lock(0)).await, Answer::Locked);
    // It is also taken if nobody has it.
    drop(second);
    assert_eq!(Db::new(&name).ask(STEAL).await, Answer::Done);
    assert_eq!(js(&name, "await new Promise((resolve) => setTimeout(resolve)); return unhandled").await, 0);
}

#[wasm_bindgen_test]
async fn whoever_closes_before_it_is_granted_does_not_keep_it() {
    let name = new_name("early");
    let mut first = Db::new(&name);
    let pending = first.place(lock(0));
    first.storage.close();
    let mut second = Db::new(&name);
    assert_eq!(second.ask(lock(10_000)).await, Answer::Done);
    assert!(!pending.is_answered());
}

#[wasm_bindgen_test]
async fn without_locks_everybody_has_one() {
    let name = new_name("no locks");
    js(
        &name,
        "const original = LockManager.prototype.request
        LockManager.prototype.request = function (it, ...more) {
            if (it === full) throw new DOMException('', 'SecurityError')
            return original.call(this, it, ...more)
        }",
    )
    .await;
    let (mut first, mut second) = (Db::new(&name), Db::new(&name));
    for how in [lock(0), lock(10), STEAL] {
        assert_eq!(first.ask(how).await, Answer::Done);
        assert_eq!(second.ask(how).await, Answer::Done);
    }
}
