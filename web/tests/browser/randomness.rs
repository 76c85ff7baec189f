//! Random numbers of the platform: each database has a hash seed of its own, and without them there is none.

use brooklet_web::{Brooklet, Error, Options};
use js_sys::Function;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

/// Opens a database on a platform whose `crypto` is this expression. What was asked of it is put into `asked`, a list
/// in JavaScript.
fn open_with(crypto: &str) -> (Result<Brooklet, Error>, Vec<f64>) {
    let replace = format!(
        "(() => {{
            const before = Object.getOwnPropertyDescriptor(globalThis, 'crypto')
            const asked = []
            Object.defineProperty(globalThis, 'crypto', {{ value: {crypto}, configurable: true }})
            return () => (Object.defineProperty(globalThis, 'crypto', before), asked)
        }})()"
    );
    let put_back = Function::from(js_sys::eval(&replace).unwrap());
    let opened = Brooklet::open(Options::default());
    let asked = js_sys::Array::from(&put_back.call0(&JsValue::NULL).unwrap());
    (opened, asked.iter().map(|bytes| bytes.as_f64().unwrap()).collect())
}

#[wasm_bindgen_test]
async fn without_random_numbers_there_is_no_database() {
    let platforms = [
        "undefined",
        "null",
        "{}",
        "{ getRandomValues: undefined }",
        "{ getRandomValues() { throw new Error('no randomness here') } }",
    ];
    for crypto in platforms {
        let (opened, _) = open_with(crypto);
        let error = opened.err().unwrap_or_else(|| panic!("opened with {crypto}"));
        assert_eq!(error, Error::NoRandomness, "{crypto}");
        assert_eq!(error.to_string(), "the platform has no random numbers (crypto.getRandomValues)");
    }
    assert!(Brooklet::open(Options::default()).is_ok());
}

#[wasm_bindgen_test]
async fn each_database_asks_for_a_seed_of_its_own() {
    for _ in 0..2 {
        let (opened, asked) = open_with("{ getRandomValues(bytes) { asked.push(bytes.length) } }");
        assert_eq!(asked.iter().sum::<f64>(), 16.0, "{asked:?}");
        let db = opened.unwrap();
        db.stream("s").add(&[("a", "b")]).await.unwrap();
        assert_eq!(db.stream("s").len().await, Ok(1));
    }
}
