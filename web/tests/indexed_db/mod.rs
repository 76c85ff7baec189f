//! The storage in IndexedDB, on a real one. The same tests run in a window and in a Worker.
//!
//! One helper asks and awaits the answer; faults are planted into the platform's own methods, for one database at a time,
//! so that a test that fails disturbs no other.

mod connecting;
mod fencing;
mod healing;
mod locking;
mod noting;
mod reading;
mod writing;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use brooklet_web::IndexedDb;
use brooklet_web::storage::{Answer, Batch, Listener, Question, Request, Storage, Stored};
use js_sys::{Function, Promise};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Who hears one answer.
#[derive(Default)]
struct Ear {
    answer: RefCell<Option<Answer>>,
    waker: RefCell<Option<Waker>>,
    heard: Cell<u32>,
}

impl Listener for Ear {
    fn hear(&self, number: u64, answer: Answer) {
        assert_eq!(number, 7);
        self.heard.set(self.heard.get() + 1);
        assert_eq!(self.heard.get(), 1, "answered twice: {answer:?}");
        self.answer.replace(Some(answer));
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// An answer that may not be there yet.
struct Pending(Rc<Ear>);

impl Pending {
    fn new() -> (Question, Pending) {
        let ear = Rc::new(Ear::default());
        (Question::new(7, Rc::clone(&ear) as Rc<dyn Listener>), Pending(ear))
    }

    fn is_answered(&self) -> bool {
        self.0.heard.get() > 0
    }

    async fn answer(self) -> Answer {
        poll_fn(|context| match self.0.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                self.0.waker.replace(Some(context.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}

/// A storage that is asked.
struct Db {
    storage: IndexedDb,
}

impl Db {
    fn new(name: &str) -> Db {
        Db { storage: IndexedDb::new(name) }
    }

    async fn open(name: &str) -> Db {
        let mut db = Db::new(name);
        assert_eq!(db.ask(OPEN).await, Answer::Done);
        db
    }

    /// One who has claimed an epoch.
    async fn owner(name: &str, epoch: u64) -> Db {
        let mut db = Db::open(name).await;
        assert_eq!(db.claim(epoch).await, Answer::Done, "{epoch}");
        db
    }

    /// Asks, and does not wait.
    fn place(&mut self, request: Request<'_>) -> Pending {
        let (question, pending) = Pending::new();
        self.storage.ask(&request, question);
        pending
    }

    async fn ask(&mut self, request: Request<'_>) -> Answer {
        self.place(request).answer().await
    }

    async fn claim(&mut self, epoch: u64) -> Answer {
        self.ask(Request::Write(Batch { epoch, claims: true, is_durable: true, ..Batch::default() })).await
    }

    async fn write(&mut self, batch: Batch<'_>) -> Answer {
        self.ask(Request::Write(batch)).await
    }

    async fn append(&mut self, epoch: u64, sequence: u64, bytes: &[u8]) -> Answer {
        self.write(Batch { epoch, chunks: &[(sequence, bytes)], ..Batch::default() }).await
    }

    /// All chunks there are.
    async fn log(&mut self) -> Vec<(u64, Stored)> {
        let (mut all, mut from_sequence) = (Vec::new(), 0);
        loop {
            let answer = self.ask(Request::ReadLog { from_sequence, bytes_max: 1 << 20 }).await;
            let Answer::Chunks { chunks, has_more } = answer else { panic!("{answer:?}") };
            let Some((last, _)) = chunks.last() else { return all };
            from_sequence = last + 1;
            all.extend(chunks);
            if !has_more {
                return all;
            }
        }
    }

    /// Everything there is, to be compared.
    async fn everything(&mut self) -> Vec<Answer> {
        let ids = self.ask(Request::ListParts).await;
        let Answer::Ids(list) = &ids else { panic!("{ids:?}") };
        let parts = self.ask(Request::ReadParts(list)).await;
        let manifest = self.ask(Request::ReadManifest).await;
        let epoch = self.ask(Request::ReadEpoch).await;
        let chunks = Answer::Chunks { chunks: self.log().await, has_more: false };
        vec![ids, parts, manifest, epoch, chunks]
    }
}

const OPEN: Request<'static> = Request::Open { new_segment: false, read_only: false };
const OPEN_READ_ONLY: Request<'static> = Request::Open { new_segment: false, read_only: true };

fn bytes(text: &str) -> Stored {
    Stored::Bytes(text.as_bytes().to_vec())
}

/// A name that no database has.
fn new_name(test: &str) -> String {
    format!("{test} {} {}", js_sys::Date::now(), js_sys::Math::random())
}

/// Runs JavaScript with the name of a database: `name`, and as it is in IndexedDB, `full`. What it returns is awaited.
async fn js(name: &str, body: &str) -> JsValue {
    let body = format!("return (async () => {{ const full = 'brooklet:' + name; {TOOLS} {body} }})()");
    let promise = Function::new_with_args("name", &body).call1(&JsValue::NULL, &name.into()).unwrap();
    JsFuture::from(promise.unchecked_into::<Promise>()).await.unwrap()
}

/// What the pieces of JavaScript share: IndexedDB with promises, and methods that are replaced for one database.
const TOOLS: &str = "
    const done = (request) => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
    })
    const ended = (transaction) => new Promise((resolve, reject) => {
        transaction.oncomplete = () => resolve()
        transaction.onabort = () => reject(transaction.error)
    })
    const raw = async (stores, work) => {
        const db = await done(indexedDB.open(full))
        const transaction = db.transaction(stores, 'readwrite')
        const end = ended(transaction)
        const result = work(...stores.map((store) => transaction.objectStore(store)))
        await end
        db.close()
        return result && result.result
    }
    const patch = (type, method, replace) => {
        const original = type.prototype[method]
        type.prototype[method] = function (...words) {
            const transaction = this.transaction ?? this
            const db = (transaction.db ?? this).name
            return db === full ? replace(this, original, words) : original.apply(this, words)
        }
    }
";
