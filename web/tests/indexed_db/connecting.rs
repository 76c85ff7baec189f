//! Connections that are opened, given up, lost and taken away.

use brooklet_web::IndexedDb;
use brooklet_web::storage::{Answer, Batch, Request, Storage, StorageFault};
use wasm_bindgen_test::wasm_bindgen_test;

use super::{Db, OPEN, OPEN_READ_ONLY, Pending, bytes, js, new_name};

const CLOSED: Answer = Answer::Failed(StorageFault::Closed);

#[wasm_bindgen_test]
async fn nothing_is_answered_without_a_connection() {
    let mut db = Db::new(&new_name("unopened"));
    let requests = [
        Request::ReadManifest,
        Request::ReadEpoch,
        Request::ListLog,
        Request::ReadLog { from_sequence: 0, bytes_max: 0 },
        Request::ReadLog { from_sequence: 0, bytes_max: 10 },
        Request::ListParts,
        Request::ReadParts(&[1]),
        Request::Write(Batch::default()),
    ];
    for request in requests {
        assert_eq!(db.ask(request).await, CLOSED, "{request:?}");
    }
    let (question, pending) = Pending::new();
    db.storage.heal(question);
    assert!(matches!(pending.answer().await, Answer::Failed(StorageFault::Closed) | Answer::Done));
}

#[wasm_bindgen_test]
async fn nothing_happens_after_an_opening_that_was_asked_for_before() {
    let name = new_name("given up");
    let mut db = Db::owner(&name, 1).await;
    let long = vec![7; 60_000];
    for read_only in [false, true] {
        let mut pending = Vec::new();
        for sequence in 1..100 {
            let chunks: [(u64, &[u8]); 2] = [(sequence, &long), (sequence + 1000, &long)];
            pending.push(db.place(Request::Write(Batch { epoch: 1, chunks: &chunks, ..Batch::default() })));
        }
        pending.push(db.place(Request::ListLog));
        assert_eq!(db.ask(Request::Open { new_segment: false, read_only }).await, Answer::Done);
        // Nobody knows what became of them, and what became of them stays.
        let after = db.ask(Request::ListLog).await;
        for pending in pending {
            assert!(pending.is_answered());
            assert_eq!(pending.answer().await, CLOSED);
        }
        let count = db.log().await.len();
        let mut other = Db::open(&name).await;
        assert_eq!(other.log().await.len(), count);
        assert_eq!(db.ask(Request::ListLog).await, after);
        assert_eq!(db.log().await.len(), count);
        assert_eq!(count % 2, 0);
    }
    // What was opened to be read from is a connection like others.
    assert_eq!(db.append(1, 5000, b"more").await, Answer::Done);
}

/// What it placed before the fence's row must not land without it.
#[wasm_bindgen_test]
async fn a_batch_that_is_given_up_before_its_row_lands_nothing() {
    let name = new_name("no row");
    let mut owner = Db::owner(&name, 2).await;
    assert_eq!(owner.append(2, 1, b"one").await, Answer::Done);
    let mut stale = Db::open(&name).await;
    let chunks: [(u64, &[u8]); 1] = [(1, b"stale")];
    let batch = Batch { epoch: 1, chunks: &chunks, ..Batch::default() };
    let batches = [batch, Batch { claims: true, ..batch }, Batch { epoch: 9, quarantine_from: Some(1), ..batch }];
    for batch in batches {
        let pending = stale.place(Request::Write(batch));
        assert_eq!(stale.ask(OPEN).await, Answer::Done);
        assert_eq!(pending.answer().await, CLOSED);
        assert_eq!(owner.log().await, [(1, bytes("one"))], "{batch:?}");
    }
    stale.place(Request::Write(batch));
    drop(stale);
    assert_eq!(owner.log().await, [(1, bytes("one"))]);
}

#[wasm_bindgen_test]
async fn an_opening_gives_up_the_one_before() {
    let name = new_name("opened twice");
    let mut db = Db::new(&name);
    let first = db.place(OPEN);
    let second = db.place(OPEN_READ_ONLY);
    let third = db.place(OPEN);
    assert_eq!(first.answer().await, CLOSED);
    assert_eq!(second.answer().await, CLOSED);
    assert_eq!(third.answer().await, Answer::Done);
    assert_eq!(db.claim(1).await, Answer::Done);
    assert_eq!(db.append(1, 1, b"one").await, Answer::Done);
    // No connection is left over: it can be deleted at once.
    drop(db);
    js(&name, "await done(indexedDB.deleteDatabase(full))").await;
}

#[wasm_bindgen_test]
async fn a_closed_storage_answers_nothing_and_holds_nothing() {
    let name = new_name("closed");
    let mut db = Db::owner(&name, 1).await;
    let pending = db.place(Request::Write(Batch { epoch: 1, chunks: &[(1, b"one")], ..Batch::default() }));
    let opening = {
        let mut other = Db::new(&name);
        other.place(OPEN)
    };
    db.storage.close();
    drop(db);
    js(&name, "await done(indexedDB.deleteDatabase(full))").await;
    assert!(!pending.is_answered());
    assert!(!opening.is_answered());
}

#[wasm_bindgen_test]
async fn whoever_deletes_the_database_is_not_blocked() {
    let name = new_name("version change");
    let mut db = Db::owner(&name, 1).await;
    let mut reader = Db::new(&name);
    assert_eq!(reader.ask(OPEN_READ_ONLY).await, Answer::Done);
    // What was placed before is done.
    let pending = db.place(Request::Write(Batch { epoch: 1, chunks: &[(1, b"one")], ..Batch::default() }));
    js(&name, "await done(indexedDB.deleteDatabase(full))").await;
    assert_eq!(pending.answer().await, Answer::Done);
    assert_eq!(db.append(1, 2, b"two").await, CLOSED);
    assert_eq!(db.ask(Request::ListLog).await, CLOSED);
    assert_eq!(reader.ask(Request::ListLog).await, CLOSED);
    assert_eq!(db.ask(OPEN).await, Answer::Done);
    assert_eq!(db.ask(Request::ReadEpoch).await, Answer::Number(0));
}

/// Keeps the connections of a database in `connections`.
const KEEP_CONNECTIONS: &str = "
    globalThis.connections = []
    patch(IDBDatabase, 'transaction', (db, original, words) => {
        if (!connections.includes(db)) connections.push(db)
        return original.apply(db, words)
    })
";

#[wasm_bindgen_test]
async fn a_connection_that_is_lost_fails_everything_until_it_is_opened_again() {
    let name = new_name("lost");
    js(&name, KEEP_CONNECTIONS).await;
    let mut db = Db::owner(&name, 1).await;
    assert_eq!(db.append(1, 1, b"one").await, Answer::Done);
    let chunks: [(u64, &[u8]); 1] = [(2, b"two")];
    let write = Request::Write(Batch { epoch: 1, chunks: &chunks, ..Batch::default() });
    // The platform closes it, and says so.
    let pending = [db.place(write), db.place(Request::ListLog), db.place(Request::ReadParts(&[1]))];
    js(&name, "const db = connections.pop(); db.close(); db.dispatchEvent(new Event('close'))").await;
    for pending in pending {
        assert_eq!(pending.answer().await, CLOSED);
    }
    for _ in 0..2 {
        assert_eq!(db.ask(write).await, CLOSED);
        assert_eq!(db.ask(Request::ReadEpoch).await, CLOSED);
    }
    assert_eq!(db.ask(OPEN).await, Answer::Done);
    assert_eq!(db.append(1, 3, b"three").await, Answer::Done);
    // It is closed, and nobody has said so.
    js(&name, "connections.pop().close()").await;
    assert_eq!(db.ask(write).await, CLOSED);
    assert_eq!(db.ask(Request::ReadEpoch).await, CLOSED);
    assert_eq!(db.ask(OPEN).await, Answer::Done);
    assert_eq!(db.ask(Request::ReadEpoch).await, Answer::Number(1));
    assert_eq!(db.log().await.last(), Some(&(3, bytes("three"))));
}

/// Then what was before it may not have ended.
#[wasm_bindgen_test]
async fn an_opening_whose_first_transaction_fails_has_failed() {
    let name = new_name("first");
    let mut db = Db::owner(&name, 1).await;
    js(
        &name,
        "globalThis.firstFault = 'throws'
        patch(IDBObjectStore, 'add', (store, original, words) => {
            if (firstFault === 'throws') throw new DOMException('', 'UnknownError')
            if (firstFault === 'aborts') {
                const error = { value: new DOMException('', 'UnknownError'), configurable: true }
                Object.defineProperty(store.transaction, 'error', error)
            }
            return original.apply(store, words)
        })
        patch(IDBTransaction, 'commit', (transaction, original, words) =>
            firstFault === 'aborts' ? transaction.abort() : original.apply(transaction, words))",
    )
    .await;
    assert_eq!(db.ask(OPEN).await, Answer::Failed(StorageFault::Io));
    assert_eq!(db.ask(Request::ListLog).await, CLOSED);
    js(&name, "firstFault = 'aborts'").await;
    assert_eq!(db.ask(OPEN).await, Answer::Failed(StorageFault::Io));
    assert_eq!(db.ask(Request::ListLog).await, CLOSED);
    js(&name, "firstFault = ''").await;
    assert_eq!(db.ask(OPEN).await, Answer::Done);
    assert_eq!(db.append(1, 1, b"one").await, Answer::Done);
}

#[wasm_bindgen_test]
async fn without_indexed_db_nothing_opens() {
    let name = new_name("none");
    js(
        &name,
        "const original = IDBFactory.prototype.open
        IDBFactory.prototype.open = function (it, ...more) {
            if (it === full) throw new DOMException('', 'SecurityError')
            return original.call(this, it, ...more)
        }",
    )
    .await;
    let mut db = Db::new(&name);
    for request in [OPEN, OPEN_READ_ONLY] {
        assert_eq!(db.ask(request).await, Answer::Failed(StorageFault::Io));
    }
    assert_eq!(db.ask(Request::ListLog).await, CLOSED);
}

#[wasm_bindgen_test]
async fn a_database_of_somebody_else_is_left_alone() {
    let name = new_name("foreign");
    // A later version, and one that is the same without the stores.
    js(&name, "(await done(indexedDB.open(full, 2))).close()").await;
    assert_eq!(Db::new(&name).ask(OPEN).await, Answer::Failed(StorageFault::Io));
    let name = new_name("foreign");
    js(&name, "(await done(indexedDB.open(full, 1))).close()").await;
    let mut db = Db::new(&name);
    assert_eq!(db.ask(OPEN).await, Answer::Failed(StorageFault::Io));
    assert_eq!(db.ask(Request::ListLog).await, CLOSED);
    assert_eq!(js(&name, "return (await done(indexedDB.open(full))).objectStoreNames.length").await, 0);
}

#[wasm_bindgen_test]
async fn to_destroy_leaves_nothing() {
    let name = new_name("destroyed");
    let destroy = || {
        let (question, pending) = Pending::new();
        IndexedDb::destroy(&name, question);
        pending.answer()
    };
    assert_eq!(destroy().await, Answer::Done);
    let mut db = Db::owner(&name, 1).await;
    assert_eq!(db.ask(Request::WriteWitness(b"was here")).await, Answer::Done);
    assert_eq!(destroy().await, Answer::Done);
    assert_eq!(js(&name, "return (await indexedDB.databases()).some((it) => it.name === full)").await, false);
    let mut db = Db::open(&name).await;
    assert_eq!(db.ask(Request::ReadEpoch).await, Answer::Number(0));
    let witness = db.ask(Request::ReadWitness).await;
    assert_eq!(witness, Answer::Value(brooklet_web::storage::Stored::Missing));
}
