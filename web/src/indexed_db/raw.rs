//! The storage as JavaScript sees one, for the tests that every storage has to pass (`pkg-config/types/storage.d.ts`).
//!
//! *Design.* One class with the methods of `Storage` and `StorageConnection`, arguments one by one, each a promise. What is
//! opened is the object itself. Failures have the names that a storage's failures have.
//!
//! It is built as a module of its own, for tests: `cargo rustc -p brooklet-web --crate-type cdylib --features raw-storage`.

extern crate std;

use alloc::rc::Rc;
use alloc::vec::Vec;

use js_sys::{Array, Error, Function, Promise, Reflect, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::IndexedDb;
use crate::storage::{Answer, Batch, Listener, Question, Request, Storage, StorageFault, Stored};

/// A storage in IndexedDB.
#[wasm_bindgen]
pub struct RawIndexedDb {
    storage: IndexedDb,
}

#[wasm_bindgen]
impl RawIndexedDb {
    /// The storage of the database with this name.
    #[wasm_bindgen(constructor)]
    pub fn new(name: &str) -> RawIndexedDb {
        RawIndexedDb { storage: IndexedDb::new(name) }
    }

    /// Deletes a database.
    pub fn destroy(name: &str) -> Promise {
        promise(|question| IndexedDb::destroy(name, question))
    }

    /// Takes the lock, until it is closed.
    pub fn lock(&mut self, wait: f64, steal: bool) -> Promise {
        self.ask(&Request::Lock { wait_ms: wait as u64, steals: steal })
    }

    /// Opens a connection.
    pub fn open(&mut self, new_segment: bool, read_only: bool) -> Promise {
        self.ask(&Request::Open { new_segment, read_only })
    }

    /// The witness.
    #[wasm_bindgen(js_name = readWitness)]
    pub fn read_witness(&mut self) -> Promise {
        self.ask(&Request::ReadWitness)
    }

    /// Notes the witness.
    #[wasm_bindgen(js_name = writeWitness)]
    pub fn write_witness(&mut self, bytes: &[u8]) -> Promise {
        self.ask(&Request::WriteWitness(bytes))
    }

    /// The manifest.
    #[wasm_bindgen(js_name = readManifest)]
    pub fn read_manifest(&mut self) -> Promise {
        self.ask(&Request::ReadManifest)
    }

    /// The newest epoch.
    #[wasm_bindgen(js_name = readEpoch)]
    pub fn read_epoch(&mut self) -> Promise {
        self.ask(&Request::ReadEpoch)
    }

    /// The first and the last sequence.
    #[wasm_bindgen(js_name = listLog)]
    pub fn list_log(&mut self) -> Promise {
        self.ask(&Request::ListLog)
    }

    /// Chunks.
    #[wasm_bindgen(js_name = readLog)]
    pub fn read_log(&mut self, from: f64, bytes_max: f64) -> Promise {
        self.ask(&Request::ReadLog { from_sequence: from as u64, bytes_max: bytes_max as usize })
    }

    /// The IDs of all parts.
    #[wasm_bindgen(js_name = listParts)]
    pub fn list_parts(&mut self) -> Promise {
        self.ask(&Request::ListParts)
    }

    /// Parts.
    #[wasm_bindgen(js_name = readParts)]
    pub fn read_parts(&mut self, ids: &Array) -> Promise {
        self.ask(&Request::ReadParts(&numbers(ids)))
    }

    /// Stores and deletes.
    pub fn write(&mut self, batch: &JsValue) -> Promise {
        let get = |name: &str| Reflect::get(batch, &name.into()).unwrap_or_default();
        let (parts, chunks) = (pairs(&get("parts")), pairs(&get("chunks")));
        let manifest = get("manifest");
        let manifest = (!manifest.is_null()).then(|| Uint8Array::new(&manifest).to_vec());
        self.ask(&Request::Write(Batch {
            epoch: number(&get("epoch")).unwrap_or(0),
            claims: get("claim").is_truthy(),
            is_durable: get("durable").is_truthy(),
            parts: &borrowed(&parts),
            chunks: &borrowed(&chunks),
            manifest: manifest.as_deref(),
            delete_log_upto: number(&get("deleteLogUpto")),
            delete_log_from: number(&get("deleteLogFrom")),
            quarantine_from: number(&get("quarantineFrom")),
            delete_parts: &numbers(&Array::from(&get("deleteParts"))),
        }))
    }

    /// Heals LevelDB's log.
    pub fn heal(&mut self) -> Promise {
        promise(|question| self.storage.heal(question))
    }

    /// Whether the lock was taken away.
    #[wasm_bindgen(js_name = isRobbed)]
    pub fn is_robbed(&self) -> bool {
        self.storage.is_robbed()
    }

    /// Lets go of everything.
    pub fn close(&mut self) {
        self.storage.close();
    }

    fn ask(&mut self, request: &Request<'_>) -> Promise {
        promise(|question| self.storage.ask(request, question))
    }
}

/// Who keeps a promise with an answer.
struct Promised {
    resolve: Function,
    reject: Function,
}

impl Listener for Promised {
    fn hear(&self, _: u64, answer: Answer) {
        let (settle, value) = match answer {
            Answer::Done => (&self.resolve, JsValue::UNDEFINED),
            Answer::Value(stored) => (&self.resolve, value(stored)),
            Answer::Number(number) => (&self.resolve, (number as f64).into()),
            Answer::Bounds(bounds) => {
                (&self.resolve, bounds.map_or(JsValue::NULL, |(first, last)| pair(first, (last as f64).into())))
            }
            Answer::Chunks { chunks, .. } => {
                let chunks = chunks.into_iter().map(|(sequence, stored)| pair(sequence, value(stored)));
                (&self.resolve, chunks.collect::<Array>().into())
            }
            Answer::Ids(ids) => {
                (&self.resolve, ids.into_iter().map(|id| JsValue::from(id as f64)).collect::<Array>().into())
            }
            Answer::Values(values) => (&self.resolve, values.into_iter().map(value).collect::<Array>().into()),
            Answer::Fenced => (&self.reject, error("FencedError")),
            Answer::Locked => (&self.reject, error("LockedError")),
            Answer::Failed(StorageFault::Quota) => (&self.reject, error("QuotaExceededError")),
            Answer::Failed(StorageFault::Closed) => (&self.reject, error("InvalidStateError")),
            Answer::Failed(_) => (&self.reject, error("Error")),
        };
        // Neither of the two functions throws.
        let _ = settle.call1(&JsValue::UNDEFINED, &value);
    }
}

fn promise(ask: impl FnOnce(Question)) -> Promise {
    let mut ask = Some(ask);
    Promise::new(&mut |resolve, reject| {
        if let Some(ask) = ask.take() {
            ask(Question::new(0, Rc::new(Promised { resolve, reject })));
        }
    })
}

fn value(stored: Stored) -> JsValue {
    match stored {
        Stored::Bytes(bytes) => Uint8Array::from(&bytes[..]).into(),
        Stored::Missing => JsValue::NULL,
        Stored::Unreadable => "unreadable".into(),
    }
}

fn pair(number: u64, second: JsValue) -> JsValue {
    Array::of2(&(number as f64).into(), &second).into()
}

fn error(name: &str) -> JsValue {
    let error = Error::new(name);
    error.set_name(name);
    error.into()
}

fn number(value: &JsValue) -> Option<u64> {
    value.as_f64().map(|number| number as u64)
}

fn numbers(list: &Array) -> Vec<u64> {
    list.iter().filter_map(|item| number(&item)).collect()
}

fn pairs(list: &JsValue) -> Vec<(u64, Vec<u8>)> {
    let pair = |item: JsValue| {
        let pair = Array::from(&item);
        Some((number(&pair.get(0))?, Uint8Array::new(&pair.get(1)).to_vec()))
    };
    Array::from(list).iter().filter_map(pair).collect()
}

fn borrowed(pairs: &[(u64, Vec<u8>)]) -> Vec<(u64, &[u8])> {
    pairs.iter().map(|(number, bytes)| (*number, bytes.as_slice())).collect()
}
