//! What is written, as a whole or not at all.

use brooklet_web::storage::{Answer, Batch, Request, StorageFault, Stored};
use wasm_bindgen_test::wasm_bindgen_test;

use super::{Db, OPEN, bytes, js, new_name};

/// An owner of epoch 1 with chunks 1 to 9, parts 1 to 3, and a manifest.
async fn filled(name: &str) -> Db {
    let mut db = Db::owner(name, 1).await;
    let texts: Vec<String> = (1..10).map(|n| format!("chunk {n}")).collect();
    let chunks: Vec<(u64, &[u8])> = (1..).zip(texts.iter().map(|text| text.as_bytes())).collect();
    let batch = Batch {
        epoch: 1,
        parts: &[(1, b"part 1"), (2, b"part 2"), (3, b"part 3")],
        chunks: &chunks,
        manifest: Some(b"manifest"),
        ..Batch::default()
    };
    assert_eq!(db.write(batch).await, Answer::Done);
    db
}

async fn sequences(db: &mut Db) -> Vec<u64> {
    db.log().await.iter().map(|(sequence, _)| *sequence).collect()
}

#[wasm_bindgen_test]
async fn a_batch_deletes_what_it_names() {
    let mut db = filled(&new_name("delete")).await;
    let batch = Batch {
        epoch: 1,
        manifest: Some(b"next"),
        delete_log_upto: Some(3),
        delete_log_from: Some(8),
        delete_parts: &[3, 1, 77],
        ..Batch::default()
    };
    assert_eq!(db.write(batch).await, Answer::Done);
    assert_eq!(sequences(&mut db).await, [4, 5, 6, 7]);
    assert_eq!(db.ask(Request::ListParts).await, Answer::Ids(vec![2]));
    assert_eq!(db.ask(Request::ReadManifest).await, Answer::Value(bytes("next")));
    let all = Batch { epoch: 1, delete_log_from: Some(0), ..Batch::default() };
    assert_eq!(db.write(all).await, Answer::Done);
    assert_eq!(db.ask(Request::ListLog).await, Answer::Bounds(None));
}

#[wasm_bindgen_test]
async fn what_is_put_comes_before_what_is_deleted() {
    let mut db = filled(&new_name("order")).await;
    let batch = Batch {
        epoch: 1,
        parts: &[(8, b"eight"), (9, b"nine")],
        chunks: &[(3, b"replaced"), (10, b"ten"), (12, b"twelve")],
        delete_log_upto: Some(3),
        delete_log_from: Some(12),
        delete_parts: &[9],
        ..Batch::default()
    };
    assert_eq!(db.write(batch).await, Answer::Done);
    assert_eq!(sequences(&mut db).await, [4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(db.ask(Request::ListParts).await, Answer::Ids(vec![1, 2, 3, 8]));
}

#[wasm_bindgen_test]
async fn chunks_that_are_carried_again_change_nothing() {
    let mut db = filled(&new_name("carried")).await;
    let before = db.everything().await;
    let again = Batch { epoch: 1, chunks: &[(8, b"chunk 8"), (9, b"chunk 9")], ..Batch::default() };
    assert_eq!(db.write(again).await, Answer::Done);
    assert_eq!(db.everything().await, before);
    // An empty batch is one, too: nobody has overtaken.
    assert_eq!(db.write(Batch { epoch: 1, ..Batch::default() }).await, Answer::Done);
    assert_eq!(db.everything().await, before);
}

#[wasm_bindgen_test]
async fn batches_that_are_placed_at_once_happen_in_order() {
    let mut db = Db::owner(&new_name("many"), 1).await;
    let long = vec![0; 50_000];
    let mut pending = Vec::new();
    for n in 0..40_u8 {
        let mut value = long.clone();
        value[0] = n;
        let chunks: [(u64, &[u8]); 1] = [(1, &value)];
        pending.push(db.place(Request::Write(Batch { epoch: 1, chunks: &chunks, ..Batch::default() })));
    }
    // What is asked for behind them sees them all.
    let answer = db.ask(Request::ReadLog { from_sequence: 1, bytes_max: 0 }).await;
    for pending in pending {
        assert_eq!(pending.answer().await, Answer::Done);
    }
    let Answer::Chunks { chunks, .. } = answer else { panic!("{answer:?}") };
    let [(1, Stored::Bytes(value))] = &chunks[..] else { panic!("{chunks:?}") };
    assert_eq!(value[0], 39);
}

#[wasm_bindgen_test]
async fn the_log_goes_into_quarantine_as_it_is() {
    let name = new_name("quarantine");
    let mut db = filled(&name).await;
    js(&name, "await raw(['log'], (log) => log.put('text', 7))").await;
    let batch = Batch {
        epoch: 1,
        is_durable: true,
        chunks: &[(10, b"chunk 10")],
        manifest: Some(b"lossy"),
        quarantine_from: Some(6),
        delete_parts: &[1],
        ..Batch::default()
    };
    assert_eq!(db.write(batch).await, Answer::Done);
    assert_eq!(sequences(&mut db).await, [1, 2, 3, 4, 5]);
    assert_eq!(db.ask(Request::ReadManifest).await, Answer::Value(bytes("lossy")));
    let quarantine = js(
        &name,
        "const keys = await raw(['quarantine'], (it) => it.getAllKeys())
        const values = await raw(['quarantine'], (it) => it.getAll())
        return keys.map((key, n) => key + '=' + (typeof values[n] === 'string' ? values[n] : new TextDecoder().decode(values[n]))).join()",
    );
    let expected = "6=chunk 6,7=text,8=chunk 8,9=chunk 9,10=chunk 10";
    assert_eq!(quarantine.await.as_string().as_deref(), Some(expected));
    // There is nothing to move.
    let nothing = Batch { epoch: 1, quarantine_from: Some(6), ..Batch::default() };
    assert_eq!(db.write(nothing).await, Answer::Done);
    assert_eq!(sequences(&mut db).await, [1, 2, 3, 4, 5]);
}

#[wasm_bindgen_test]
async fn what_cannot_be_moved_is_deleted() {
    let name = new_name("immovable");
    let mut db = filled(&name).await;
    // A request for chunk 8 that fails, as one for a lost file does: its event reaches the transaction.
    js(
        &name,
        "patch(IDBObjectStore, 'get', (store, original, words) =>
            words[0] === 8 ? store.add('there is one', 8) : original.apply(store, words))",
    )
    .await;
    let batch = Batch { epoch: 1, quarantine_from: Some(7), ..Batch::default() };
    assert_eq!(db.write(batch).await, Answer::Done);
    assert_eq!(sequences(&mut db).await, [1, 2, 3, 4, 5, 6]);
    let keys = js(&name, "return (await raw(['quarantine'], (it) => it.getAllKeys())).join()").await;
    assert_eq!(keys.as_string().as_deref(), Some("7,9"));
}

#[wasm_bindgen_test]
async fn a_batch_that_fails_changes_nothing() {
    // How the second of the values fails: where it is placed, later, or when all is committed.
    let ways = [
        ("throw new DOMException('', 'DataError')", StorageFault::Io),
        ("throw new DOMException('', 'QuotaExceededError')", StorageFault::Quota),
        ("return store.add('there is one', 1)", StorageFault::Io),
        (
            "const it = original.apply(store, words)
            store.transaction.commit = () => {}
            it.onsuccess = () => store.transaction.abort()
            return it",
            StorageFault::Io,
        ),
    ];
    for (way, fault) in ways {
        let name = new_name("failing");
        let mut db = filled(&name).await;
        let before = db.everything().await;
        js(
            &name,
            &format!(
                "globalThis.isBroken = true
                patch(IDBObjectStore, 'put', (store, original, words) => {{
                    if (isBroken && store.name === 'log' && words[1] === 11) {{ {way} }}
                    return original.apply(store, words)
                }})"
            ),
        )
        .await;
        let batch = Batch {
            epoch: 1,
            parts: &[(4, b"part 4")],
            chunks: &[(10, b"chunk 10"), (11, b"chunk 11"), (12, b"chunk 12")],
            manifest: Some(b"next"),
            delete_log_upto: Some(5),
            delete_parts: &[1],
            ..Batch::default()
        };
        assert_eq!(db.write(batch).await, Answer::Failed(fault), "{way}");
        assert_eq!(db.everything().await, before, "{way}");
        // What comes later may happen.
        js(&name, "isBroken = false").await;
        assert_eq!(db.write(batch).await, Answer::Done, "{way}");
        assert_eq!(sequences(&mut db).await, [6, 7, 8, 9, 10, 11, 12]);
    }
}

/// As Firefox does it: what fails does not abort a transaction that was told to commit, unless it is the last request.
const COMMITS_IN_PIECES: &str = "
    globalThis.commits = 0
    patch(IDBTransaction, 'commit', (transaction) => {
        commits += 1
        transaction.addEventListener('error', (event) => event.preventDefault())
    })
    patch(IDBObjectStore, 'put', (store, original, words) =>
        words[1] === 11 ? store.add('there is one', 1) : original.apply(store, words))
";

#[wasm_bindgen_test]
async fn a_batch_is_whole_where_transactions_commit_in_pieces() {
    let name = new_name("pieces");
    let mut db = filled(&name).await;
    js(&name, COMMITS_IN_PIECES).await;
    assert_eq!(db.ask(OPEN).await, Answer::Done);
    let before = db.everything().await;
    assert_eq!(js(&name, "return commits").await, 1);
    // A single value is told to commit, and that its failure did not abort is noticed.
    assert_eq!(db.append(1, 11, b"chunk 11").await, Answer::Failed(StorageFault::Io));
    assert_eq!(js(&name, "return commits").await, 2);
    assert_eq!(db.everything().await, before);
    // Several are not.
    let several = Batch { epoch: 1, chunks: &[(11, b"chunk 11"), (12, b"chunk 12")], ..Batch::default() };
    assert_eq!(db.write(several).await, Answer::Failed(StorageFault::Io));
    assert_eq!(js(&name, "return commits").await, 2);
    assert_eq!(db.everything().await, before);
    assert_eq!(db.append(1, 10, b"chunk 10").await, Answer::Done);
}

#[wasm_bindgen_test]
async fn a_batch_is_placed_and_told_to_commit_in_one_task() {
    let name = new_name("task");
    let mut db = filled(&name).await;
    js(
        &name,
        "globalThis.commits = []
        patch(IDBTransaction, 'commit', (transaction, original, words) => {
            commits.push(transaction.durability ?? 'unknown')
            return original.apply(transaction, words)
        })",
    )
    .await;
    let batch = Batch { epoch: 1, chunks: &[(10, b"ten"), (11, b"eleven")], ..Batch::default() };
    let pending = [
        db.place(Request::Write(batch)),
        db.place(Request::Write(Batch { is_durable: true, chunks: &[(12, b"twelve")], ..batch })),
    ];
    let is_firefox = js(&name, "return navigator.userAgent.includes('Firefox')").await == true;
    let expected = if is_firefox { "strict" } else { "relaxed,strict" };
    assert_eq!(js_sys::eval("commits.join()").unwrap().as_string().as_deref(), Some(expected));
    for pending in pending {
        assert_eq!(pending.answer().await, Answer::Done);
    }
}
