//! The witness, in a file and in the Cache.

use brooklet_web::storage::{Answer, Request, StorageFault, Stored};
use wasm_bindgen_test::wasm_bindgen_test;

use super::{Db, bytes, js, new_name};

/// Takes away what writes files, does the work, and gives it back.
async fn without_files(work: impl AsyncFnOnce()) {
    let take = "const type = FileSystemFileHandle.prototype
        globalThis.createWritable = type.createWritable
        delete type.createWritable";
    js("", take).await;
    work().await;
    js("", "FileSystemFileHandle.prototype.createWritable = createWritable").await;
}

async fn round_trip(name: &str) {
    let mut db = Db::new(name);
    assert_eq!(db.ask(Request::ReadWitness).await, Answer::Value(Stored::Missing));
    assert_eq!(db.ask(Request::WriteWitness(b"first, and longer")).await, Answer::Done);
    assert_eq!(db.ask(Request::WriteWitness(b"second")).await, Answer::Done);
    assert_eq!(db.ask(Request::ReadWitness).await, Answer::Value(bytes("second")));
    // Several are noted in order, and what is read behind them is the last one.
    let pending = ["third", "fourth", "fifth"].map(|text| db.place(Request::WriteWitness(text.as_bytes())));
    assert_eq!(db.ask(Request::ReadWitness).await, Answer::Value(bytes("fifth")));
    for pending in pending {
        assert!(pending.is_answered());
        assert_eq!(pending.answer().await, Answer::Done);
    }
    let mut other = Db::new(name);
    assert_eq!(other.ask(Request::ReadWitness).await, Answer::Value(bytes("fifth")));
}

#[wasm_bindgen_test]
async fn it_is_a_file() {
    let name = new_name("file / .. %");
    round_trip(&name).await;
    let found = js(
        &name,
        "const directory = await navigator.storage.getDirectory()
        const handle = await directory.getFileHandle('brooklet-' + encodeURIComponent(name) + '.witness')
        return await (await handle.getFile()).text()",
    )
    .await;
    assert_eq!(found.as_string().as_deref(), Some("fifth"));
}

#[wasm_bindgen_test]
async fn it_is_in_the_cache_where_files_cannot_be_written() {
    without_files(async || {
        let name = new_name("cache / .. %");
        round_trip(&name).await;
        let keys = js(&name, "return (await (await caches.open('brooklet')).keys()).map((it) => it.url).join()").await;
        assert!(keys.as_string().unwrap().contains("https://brooklet.invalid/cache%20"), "{keys:?}");
    })
    .await;
}

#[wasm_bindgen_test]
async fn it_is_nowhere_where_nothing_can_be_noted() {
    without_files(async || {
        js(
            "",
            "globalThis.openCache = CacheStorage.prototype.open
            CacheStorage.prototype.open = () => Promise.reject(new DOMException('', 'SecurityError'))",
        )
        .await;
        let mut db = Db::new(&new_name("nowhere"));
        assert_eq!(db.ask(Request::ReadWitness).await, Answer::Value(Stored::Missing));
        assert_eq!(db.ask(Request::WriteWitness(b"text")).await, Answer::Failed(StorageFault::Io));
        assert_eq!(db.ask(Request::ReadWitness).await, Answer::Value(Stored::Missing));
        js("", "CacheStorage.prototype.open = openCache").await;
    })
    .await;
}

#[wasm_bindgen_test]
async fn what_was_begun_and_not_written_is_not_there() {
    let name = new_name("begun");
    js(
        &name,
        "const directory = await navigator.storage.getDirectory()
        await directory.getFileHandle('brooklet-' + encodeURIComponent(name) + '.witness', { create: true })",
    )
    .await;
    assert_eq!(Db::new(&name).ask(Request::ReadWitness).await, Answer::Value(Stored::Missing));
}

#[wasm_bindgen_test]
async fn a_step_that_fails_is_told_and_the_next_goes_on() {
    let name = new_name("steps");
    let mut db = Db::new(&name);
    assert_eq!(db.ask(Request::WriteWitness(b"before")).await, Answer::Done);
    js(
        "",
        "const type = FileSystemWritableFileStream.prototype
        globalThis.writes = 0
        globalThis.originalWrite = type.write
        type.write = function (it) {
            writes += 1
            if (writes === 1) return Promise.reject(new DOMException('', 'QuotaExceededError'))
            if (writes === 2) throw new DOMException('', 'NoModificationAllowedError')
            return originalWrite.call(this, it)
        }",
    )
    .await;
    let pending = [db.place(Request::WriteWitness(b"one")), db.place(Request::WriteWitness(b"two"))];
    let read = db.ask(Request::ReadWitness).await;
    let mut answers = Vec::new();
    for pending in pending {
        answers.push(pending.answer().await);
    }
    assert_eq!(answers, [Answer::Failed(StorageFault::Quota), Answer::Failed(StorageFault::Io)]);
    assert_eq!(read, Answer::Value(bytes("before")));
    assert_eq!(db.ask(Request::WriteWitness(b"after")).await, Answer::Done);
    assert_eq!(db.ask(Request::ReadWitness).await, Answer::Value(bytes("after")));
    js("", "FileSystemWritableFileStream.prototype.write = originalWrite").await;
}
