//! Healing: how much goes through LevelDB's log, and that nothing of it is left.

use brooklet_web::storage::{Answer, Storage, StorageFault};
use wasm_bindgen_test::wasm_bindgen_test;

use super::{Db, OPEN, Pending, js, new_name};

impl Db {
    fn heal(&mut self) -> Pending {
        let (question, pending) = Pending::new();
        self.storage.heal(question);
        pending
    }
}

/// Counts what is put into the store.
const COUNT: &str = "
    globalThis.healing = { values: 0, bytes: 0, most: 0, transactions: new Set(), durability: new Set() }
    patch(IDBObjectStore, 'put', (store, original, words) => {
        if (store.name === 'heal') {
            healing.values += 1
            healing.bytes += words[0].length
            healing.most = Math.max(healing.most, words[0].length)
            healing.transactions.add(store.transaction)
            healing.durability.add(store.transaction.durability)
        }
        return original.apply(store, words)
    })
";

#[wasm_bindgen_test]
async fn six_megabytes_go_through_the_log_and_are_gone() {
    let name = new_name("heal");
    let mut db = Db::owner(&name, 1).await;
    js(&name, COUNT).await;
    let pending = db.heal();
    // Others write meanwhile.
    for sequence in 1..20 {
        assert_eq!(db.append(1, sequence, b"meanwhile").await, Answer::Done);
    }
    assert_eq!(pending.answer().await, Answer::Done);
    let is_chromium = js(&name, "return navigator.userAgent.includes('Chrome/')").await == true;
    let report =
        "return [healing.bytes > 6e6, healing.most < 65536, healing.transactions.size, [...healing.durability]].join()";
    let expected = if is_chromium { "true,true,6,relaxed" } else { "false,true,0," };
    assert_eq!(js(&name, report).await.as_string().as_deref(), Some(expected));
    assert_eq!(js(&name, "return await raw(['heal'], (heal) => heal.count())").await, 0);
    assert_eq!(db.log().await.len(), 19);
}

#[wasm_bindgen_test]
async fn it_ends_with_the_connection_and_can_be_done_again() {
    let name = new_name("heal again");
    let mut db = Db::owner(&name, 1).await;
    let pending = db.heal();
    assert_eq!(db.ask(OPEN).await, Answer::Done);
    assert!(matches!(pending.answer().await, Answer::Failed(StorageFault::Closed) | Answer::Done));
    assert_eq!(db.heal().answer().await, Answer::Done);
    assert_eq!(js(&name, "return await raw(['heal'], (heal) => heal.count())").await, 0);
}
