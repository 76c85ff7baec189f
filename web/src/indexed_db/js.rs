//! JavaScript as this storage sees it: objects with properties and methods that are named by text.
//!
//! *Design.* One type, [`Js`], and a dozen functions. A property that cannot be read is missing. A method that cannot be
//! called is a fault, like one that throws, so "there is no IndexedDB here" needs no code of its own. Arguments are described
//! ([`Arg`]) and made where the call is, and a fault among many requests is looked at once, at the end ([`Placing`]): nobody
//! who calls has a way out in the middle, on which there is something to be dropped. That is a tenth of the code.
//!
//! *Why not web-sys and js-sys.* web-sys has no `commit()` without a warning and no durability without a flag for the
//! compiler, and each of the 40 methods that are used here would be an import with a piece of glue. js-sys adds 30 imports
//! as soon as there is a closure. What a method call costs more this way, one microsecond, does not count beside a
//! transaction.
//!
//! *Why the callback is never dropped by hand.* A closure that is gone when JavaScript calls it is an error in the page's
//! console. This one belongs to the JavaScript function, and goes when nobody can call that any more.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast, JsValue};

use super::fence::Row;
use crate::storage::StorageFault;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_name = globalThis)]
    static GLOBAL: JsValue;
    #[wasm_bindgen(js_name = encodeURIComponent)]
    fn encode_uri_component(text: &str) -> JsValue;
    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    fn date_now() -> f64;
    #[wasm_bindgen(js_namespace = JSON, js_name = parse, catch)]
    fn parse_json(text: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = Reflect, js_name = get, catch)]
    fn get(object: &JsValue, name: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = Reflect, js_name = get, catch)]
    fn get_item(object: &JsValue, index: u32) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = Reflect, js_name = set, catch)]
    fn set(object: &JsValue, name: &str, value: &JsValue) -> Result<bool, JsValue>;
    #[wasm_bindgen(js_namespace = Reflect, js_name = apply, catch)]
    fn apply(function: &JsValue, this: &JsValue, arguments: &List) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = Reflect, js_name = construct, catch)]
    fn construct(class: &JsValue, arguments: &List) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_name = Array)]
    type List;
    #[wasm_bindgen(constructor, js_class = "Array")]
    fn new() -> List;
    #[wasm_bindgen(method, js_class = "Array")]
    fn push(this: &List, item: &JsValue);

    #[wasm_bindgen(js_name = Uint8Array)]
    type Bytes;
    /// What it is given is a view of this memory, and what it makes is a copy.
    #[wasm_bindgen(constructor, js_class = "Uint8Array")]
    fn new(bytes: &[u8]) -> Bytes;
    /// All of them, copied into this memory.
    #[wasm_bindgen(method, js_class = "Uint8Array")]
    fn subarray(this: &Bytes) -> Vec<u8>;
}

/// A value of JavaScript.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Js(JsValue);

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Arg<'a> {
    Value(&'a Js),
    Missing,
    Text(&'a str),
    /// A number, below 2^53.
    Number(u64),
    /// A copy of bytes, as a `Uint8Array`.
    Bytes(&'a [u8]),
    /// What a text in JSON stands for.
    Json(&'a str),
    /// A list of text.
    Texts(&'a [&'a str]),
    /// The range of all keys from a number on.
    From(u64),
    /// The range of all keys up to a number.
    Upto(u64),
    /// The range of all rows of a kind.
    Rows(Row),
}

/// Requests that are placed in a transaction. The first fault stays, and nothing is placed after it.
pub(super) struct Placing<'a> {
    transaction: &'a Js,
    pub(super) fault: Option<StorageFault>,
}

/// What calls back with a number, which says what it is about, and a value.
pub(super) struct Callback(Js);

impl Js {
    pub(super) const MISSING: Js = Js(JsValue::UNDEFINED);

    /// Something global; missing if it is not there.
    #[inline(never)]
    pub(super) fn global(name: &str) -> Js {
        GLOBAL.with(|global| get(global, name).map_or(Js::MISSING, Js))
    }

    /// A new object without properties.
    pub(super) fn object() -> Js {
        Arg::Json("{}").make()
    }

    /// A property; missing if it cannot be read.
    #[inline(never)]
    pub(super) fn get(&self, name: &str) -> Js {
        get(&self.0, name).map_or(Js::MISSING, Js)
    }

    /// An item of an array.
    #[inline(never)]
    pub(super) fn item(&self, index: u32) -> Js {
        get_item(&self.0, index).map_or(Js::MISSING, Js)
    }

    /// The length of an array.
    pub(super) fn length(&self) -> u32 {
        self.get("length").as_number().unwrap_or(0) as u32
    }

    #[inline(never)]
    pub(super) fn set(&self, name: &str, value: &Js) {
        // It fails for what is frozen or no object; nothing here is.
        let _ = set(&self.0, name, &value.0);
    }

    /// Calls a method.
    #[inline(never)]
    pub(super) fn call(&self, name: &str, arguments: &[Arg<'_>]) -> Result<Js, StorageFault> {
        let called = apply(&self.get(name).0, &self.0, &list(arguments));
        called.map(Js).map_err(|thrown| Js(thrown).fault())
    }

    /// Calls a method, whatever comes of it.
    #[inline(never)]
    pub(super) fn tell(&self, name: &str) {
        let _ = self.call(name, &[]);
    }

    /// Makes an object of this class.
    pub(super) fn construct(&self, arguments: &[Arg<'_>]) -> Result<Js, StorageFault> {
        construct(&self.0, &list(arguments)).map(Js).map_err(|thrown| Js(thrown).fault())
    }

    pub(super) fn is_missing(&self) -> bool {
        self.0.is_undefined() || self.0.is_null()
    }

    #[inline(never)]
    pub(super) fn is(&self, text: &str) -> bool {
        self.as_text().is_some_and(|it| it == text)
    }

    pub(super) fn as_text(&self) -> Option<String> {
        self.0.as_string()
    }

    /// A number that is not negative.
    #[inline(never)]
    pub(super) fn as_number(&self) -> Option<u64> {
        self.0.as_f64().map(|number| number as u64)
    }

    /// A copy of the bytes, if it is a `Uint8Array`.
    #[inline(never)]
    pub(super) fn as_bytes(&self) -> Option<Vec<u8>> {
        self.0.dyn_ref::<Bytes>().map(Bytes::subarray)
    }

    /// What something that was thrown, or that a request or a transaction has failed with, amounts to.
    #[inline(never)]
    pub(super) fn fault(&self) -> StorageFault {
        let name = self.get("name");
        if name.is("QuotaExceededError") {
            StorageFault::Quota
        } else if name.is("InvalidStateError") {
            StorageFault::Closed
        } else {
            StorageFault::Io
        }
    }
}

impl<'a> Placing<'a> {
    pub(super) fn new(transaction: &'a Js) -> Placing<'a> {
        Placing { transaction, fault: None }
    }

    /// Places a request in a store; missing if that cannot be.
    #[inline(never)]
    pub(super) fn place(&mut self, store: &str, method: &str, arguments: &[Arg<'_>]) -> Js {
        if self.fault.is_some() {
            return Js::MISSING;
        }
        let store = self.transaction.call("objectStore", &[Arg::Text(store)]);
        store.and_then(|store| store.call(method, arguments)).unwrap_or_else(|fault| {
            self.fault = Some(fault);
            Js::MISSING
        })
    }

    /// Tells the transaction that there is no more to come, so that it happens even if nothing is heard any more. Where
    /// this is not known, a transaction finds out for itself.
    pub(super) fn commit(&self) {
        if self.fault.is_none() {
            self.transaction.tell("commit");
        }
    }

    pub(super) fn abort(&self) {
        self.transaction.tell("abort");
    }
}

impl Arg<'_> {
    #[inline(never)]
    fn make(&self) -> Js {
        let made = match *self {
            Arg::Value(value) => value.0.clone(),
            Arg::Missing => JsValue::UNDEFINED,
            Arg::Text(text) => JsValue::from_str(text),
            Arg::Number(number) => JsValue::from_f64(number as f64),
            Arg::Bytes(bytes) => Bytes::new(bytes).into(),
            Arg::Json(text) => parse_json(text).unwrap_or_default(),
            Arg::Texts(texts) => {
                let list = List::new();
                for text in texts {
                    list.push(&JsValue::from_str(text));
                }
                list.into()
            }
            Arg::From(number) => return key_range("lowerBound", &[Arg::Number(number)]),
            Arg::Upto(number) => return key_range("upperBound", &[Arg::Number(number)]),
            Arg::Rows(row) => {
                let (from, upto) = row.letters();
                return key_range("bound", &[Arg::Text(from), Arg::Text(upto)]);
            }
        };
        Js(made)
    }
}

impl Callback {
    pub(super) fn new(call: impl Fn(u32, Js) -> Js + 'static) -> Callback {
        let call: Box<dyn Fn(u32, JsValue) -> JsValue> = Box::new(move |about, value| call(about, Js(value)).0);
        Callback(Js(Closure::wrap(call).into_js_value()))
    }

    /// One that nobody hears.
    pub(super) fn nobody() -> Callback {
        Callback(Js::MISSING)
    }

    /// A function of one argument that calls back with this number.
    pub(super) fn about(&self, about: u32) -> Js {
        self.0.call("bind", &[Arg::Missing, Arg::Number(about.into())]).unwrap_or(Js::MISSING)
    }
}

/// The time in milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    date_now() as u64
}

/// Text as it may stand in an address or in the name of a file.
pub(super) fn encoded(text: &str) -> String {
    encode_uri_component(text).as_string().unwrap_or_default()
}

fn key_range(kind: &str, bounds: &[Arg<'_>]) -> Js {
    Js::global("IDBKeyRange").call(kind, bounds).unwrap_or(Js::MISSING)
}

fn list(arguments: &[Arg<'_>]) -> List {
    let list = List::new();
    for argument in arguments {
        list.push(&argument.make().0);
    }
    list
}
