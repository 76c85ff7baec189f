//! What is read, and how much of it at a time.

use brooklet_web::storage::{Answer, Batch, Request, Stored};
use wasm_bindgen_test::wasm_bindgen_test;

use super::{Db, OPEN, OPEN_READ_ONLY, bytes, js, new_name};

/// What an empty storage answers to everything.
async fn look_empty(db: &mut Db) {
    assert_eq!(db.ask(Request::ReadManifest).await, Answer::Value(Stored::Missing));
    assert_eq!(db.ask(Request::ReadEpoch).await, Answer::Number(0));
    assert_eq!(db.ask(Request::ListLog).await, Answer::Bounds(None));
    assert_eq!(db.ask(Request::ListParts).await, Answer::Ids(vec![]));
    let missing = Answer::Values(vec![Stored::Missing, Stored::Missing]);
    assert_eq!(db.ask(Request::ReadParts(&[3, 4])).await, missing);
    for bytes_max in [0, 1, 1000] {
        let answer = db.ask(Request::ReadLog { from_sequence: 0, bytes_max }).await;
        assert_eq!(answer, Answer::Chunks { chunks: vec![], has_more: false });
    }
}

#[wasm_bindgen_test]
async fn a_new_database_is_empty() {
    let mut db = Db::open(&new_name("new")).await;
    look_empty(&mut db).await;
}

#[wasm_bindgen_test]
async fn whoever_only_reads_creates_nothing() {
    let name = new_name("read only");
    let mut db = Db::new(&name);
    for _ in 0..2 {
        assert_eq!(db.ask(OPEN_READ_ONLY).await, Answer::Done);
        look_empty(&mut db).await;
        let is_there = js(&name, "return (await indexedDB.databases()).some((it) => it.name === full)").await;
        assert_eq!(is_there, false);
    }
    // It can be created afterwards, and then it is read.
    let mut owner = Db::owner(&name, 1).await;
    assert_eq!(owner.append(1, 1, b"one").await, Answer::Done);
    assert_eq!(db.ask(OPEN_READ_ONLY).await, Answer::Done);
    assert_eq!(db.log().await, [(1, bytes("one"))]);
    assert_eq!(owner.append(1, 2, b"two").await, Answer::Done);
    assert_eq!(db.log().await.len(), 2);
}

#[wasm_bindgen_test]
async fn what_was_written_is_there_after_opening_again() {
    let name = new_name("again");
    let mut db = Db::owner(&name, 1).await;
    let all: Vec<u8> = (0..=255).collect();
    let batch = Batch {
        epoch: 1,
        is_durable: true,
        parts: &[(1 << 52, b"part"), (0, b"")],
        chunks: &[(9, &all), (10, b"ten")],
        manifest: Some(b"manifest"),
        ..Batch::default()
    };
    assert_eq!(db.write(batch).await, Answer::Done);
    let before = db.everything().await;
    assert_eq!(before[0], Answer::Ids(vec![0, 1 << 52]));
    assert_eq!(before[1], Answer::Values(vec![Stored::Bytes(vec![]), bytes("part")]));
    assert_eq!(before[2], Answer::Value(bytes("manifest")));
    assert_eq!(before[3], Answer::Number(1));
    assert_eq!(db.log().await, [(9, Stored::Bytes(all)), (10, bytes("ten"))]);
    assert_eq!(db.ask(OPEN).await, Answer::Done);
    assert_eq!(db.everything().await, before);
    drop(db);
    let mut db = Db::open(&name).await;
    assert_eq!(db.everything().await, before);
    assert_eq!(db.ask(Request::ListLog).await, Answer::Bounds(Some((9, 10))));
    let some = db.ask(Request::ReadParts(&[7, 1 << 52, 0, 1 << 52])).await;
    assert_eq!(some, Answer::Values(vec![Stored::Missing, bytes("part"), Stored::Bytes(vec![]), bytes("part")]));
}

#[wasm_bindgen_test]
async fn a_page_ends_where_it_has_enough() {
    let name = new_name("pages");
    let mut db = Db::owner(&name, 1).await;
    let long = vec![1; 60_000];
    let sizes: Vec<usize> = (0..400).map(|n| if n % 100 < 90 { 100 } else { 60_000 }).collect();
    let chunks: Vec<(u64, &[u8])> = (1..).zip(sizes.iter().map(|size| &long[..*size])).collect();
    assert_eq!(db.write(Batch { epoch: 1, chunks: &chunks, ..Batch::default() }).await, Answer::Done);
    for bytes_max in [1, 100, 5000, 60_000, 200_000, 1 << 20, 1 << 30] {
        let (mut from_sequence, mut pages) = (1, 0);
        let mut has_more = true;
        while has_more {
            let answer = db.ask(Request::ReadLog { from_sequence, bytes_max }).await;
            let Answer::Chunks { chunks: page, has_more: more } = answer else { panic!("{answer:?}") };
            for (sequence, stored) in &page {
                assert_eq!(*sequence, from_sequence);
                assert_eq!(stored, &Stored::Bytes(long[..sizes[*sequence as usize - 1]].to_vec()));
                from_sequence += 1;
            }
            // Without the last one it had not enough.
            let length = |(_, stored): &(u64, Stored)| if let Stored::Bytes(it) = stored { it.len() } else { 0 };
            let before: usize = page.iter().rev().skip(1).map(length).sum();
            assert!(before < bytes_max, "{before} of {bytes_max}");
            assert!(more || from_sequence == 401);
            assert!(!page.is_empty() || !more);
            (has_more, pages) = (more, pages + 1);
        }
        assert_eq!(from_sequence, 401);
        if bytes_max == 1 << 20 {
            assert!(pages < 10, "{pages}");
        }
    }
    // More than asked for never lies in the browser's memory than 16 times as much.
    let most = js(
        &name,
        "let most = 0
        patch(IDBObjectStore, 'getAll', (store, original, words) => {
            most = Math.max(most, words[1])
            return original.apply(store, words)
        })
        globalThis.mostRead = () => most",
    );
    most.await;
    for from_sequence in [1, 20, 1] {
        db.ask(Request::ReadLog { from_sequence, bytes_max: 120_000 }).await;
    }
    assert_eq!(js(&name, "return mostRead()").await, 32);
}

#[wasm_bindgen_test]
async fn one_chunk_is_read_by_its_own_key() {
    let mut db = Db::owner(&new_name("one"), 1).await;
    let chunks: [(u64, &[u8]); 2] = [(5, b"five"), (8, b"eight")];
    assert_eq!(db.write(Batch { epoch: 1, chunks: &chunks, ..Batch::default() }).await, Answer::Done);
    for (from_sequence, expected) in [(0, Some(5)), (5, Some(5)), (6, Some(8)), (8, Some(8)), (9, None)] {
        let answer = db.ask(Request::ReadLog { from_sequence, bytes_max: 0 }).await;
        let Answer::Chunks { chunks, has_more } = answer else { panic!("{answer:?}") };
        assert_eq!(chunks.first().map(|(sequence, _)| *sequence), expected);
        assert!(chunks.len() < 2);
        assert_eq!(has_more, expected.is_some());
    }
}

#[wasm_bindgen_test]
async fn what_is_no_bytes_is_there_and_cannot_be_read() {
    let name = new_name("no bytes");
    let mut db = Db::owner(&name, 1).await;
    let chunks: [(u64, &[u8]); 3] = [(1, b"one"), (2, b"two"), (3, b"three")];
    assert_eq!(db.write(Batch { epoch: 1, chunks: &chunks, ..Batch::default() }).await, Answer::Done);
    js(
        &name,
        "await raw(['log', 'meta', 'parts'], (log, meta, parts) => {
            log.put('two', 2)
            meta.put({ two: 2 }, 'manifest')
            parts.put(new ArrayBuffer(2), 1)
            parts.put(null, 2)
        })",
    )
    .await;
    assert_eq!(db.log().await, [(1, bytes("one")), (2, Stored::Unreadable), (3, bytes("three"))]);
    let one = db.ask(Request::ReadLog { from_sequence: 2, bytes_max: 0 }).await;
    assert_eq!(one, Answer::Chunks { chunks: vec![(2, Stored::Unreadable)], has_more: true });
    assert_eq!(db.ask(Request::ReadManifest).await, Answer::Value(Stored::Unreadable));
    let parts = db.ask(Request::ReadParts(&[1, 2, 3])).await;
    assert_eq!(parts, Answer::Values(vec![Stored::Unreadable, Stored::Unreadable, Stored::Missing]));
}

/// A request that fails by itself cannot be made by hand; what it looks like can: an error, and an event that aborts the
/// transaction unless that is prevented.
#[wasm_bindgen_test]
async fn what_fails_to_be_read_alone_is_unreadable() {
    let name = new_name("lost file");
    let mut db = Db::owner(&name, 1).await;
    let batch = Batch {
        epoch: 1,
        parts: &[(1, b"one"), (2, b"two")],
        chunks: &[(1, b"one"), (2, b"two")],
        manifest: Some(b"m"),
        ..Batch::default()
    };
    assert_eq!(db.write(batch).await, Answer::Done);
    js(
        &name,
        "patch(IDBObjectStore, 'get', (store, original, words) => {
            const request = original.apply(store, words)
            if (words[0] === 2 || words[0] === 'manifest') {
                Object.defineProperty(request, 'error', { value: new DOMException('', 'NotReadableError') })
                request.addEventListener('success', () => {
                    const goesOn = new Event('error', { bubbles: true, cancelable: true })
                    if (request.dispatchEvent(goesOn)) store.transaction.abort()
                })
            }
            return request
        })",
    )
    .await;
    let one = db.ask(Request::ReadLog { from_sequence: 2, bytes_max: 0 }).await;
    assert_eq!(one, Answer::Chunks { chunks: vec![(2, Stored::Unreadable)], has_more: true });
    assert_eq!(db.ask(Request::ReadParts(&[2, 1])).await, Answer::Values(vec![Stored::Unreadable, bytes("one")]));
    assert_eq!(db.ask(Request::ReadManifest).await, Answer::Value(Stored::Unreadable));
}
