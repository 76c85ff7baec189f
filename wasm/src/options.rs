//! The few options of a door, read by hand.
//!
//! *Design.* Numbers under fixed names, looked up in an object that the client has checked. What is absent keeps its value.
//!
//! *Why not serde-wasm-bindgen.* It adds 24 KB to the download; this is a tenth of it.

use brooklet::Config;
use js_sys::Reflect;
use wasm_bindgen::JsValue;

/// The configuration with what `options` says.
pub(crate) fn configured(mut config: Config, options: &JsValue) -> Config {
    let set_u64 = |name: &str, value: &mut u64| {
        if let Some(number) = number(options, name) {
            *value = number as u64;
        }
    };
    set_u64("memoryBytesMax", &mut config.memory_bytes_max);
    set_u64("nodeBytesMax", &mut config.node_bytes_max);
    set_u64("nodeEntriesMax", &mut config.node_entries_max);
    set_u64("idempotentSeconds", &mut config.idmp_duration_s);
    set_u64("idempotentEntriesMax", &mut config.idmp_entries_max);
    if let Some(number) = number(options, "replyBytesMax") {
        config.reply_bytes_max = number as usize;
    }
    config
}

fn number(options: &JsValue, name: &str) -> Option<f64> {
    Reflect::get(options, &JsValue::from_str(name)).ok()?.as_f64()
}
