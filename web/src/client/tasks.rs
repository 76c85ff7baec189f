//! Being called back by the event loop: in a microtask, in a task, when the page goes.
//!
//! *Design.* One function of JavaScript, which goes when nobody can call it any more. A task is a message that we send to
//! ourselves: a timer would be held back, for 4 ms, or for a minute in a hidden tab.
//!
//! *Why not futures.* There is nothing to wait for, and an executor would come along.
//!
//! *Invariants*
//! 1. Whatever is called back knows whether what it was for is still there.

use alloc::boxed::Box;
use core::cell::OnceCell;

use js_sys::{Array, Function, Reflect};
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast, JsValue};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = queueMicrotask)]
    fn queue_microtask(run: &Function);
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(run: &Function, delay_ms: i32) -> JsValue;

    type MessageChannel;
    #[wasm_bindgen(constructor, catch)]
    fn new() -> Result<MessageChannel, JsValue>;
    #[wasm_bindgen(method, getter)]
    fn port1(this: &MessageChannel) -> Port;
    #[wasm_bindgen(method, getter)]
    fn port2(this: &MessageChannel) -> Port;

    type Port;
    #[wasm_bindgen(method, setter)]
    fn set_onmessage(this: &Port, run: &JsValue);
    #[wasm_bindgen(method, js_name = postMessage)]
    fn post_message(this: &Port, message: &JsValue);
    #[wasm_bindgen(method)]
    fn close(this: &Port);
}

/// What happens to a page that may be the last it gets to see.
const GOING: [&str; 2] = ["pagehide", "visibilitychange"];

/// A function that is called back; see the head of this file.
pub(super) struct Tasks {
    run: Function,
    /// Where messages are sent; none where there are no channels.
    port: OnceCell<Option<MessageChannel>>,
    going: Function,
}

impl Tasks {
    /// Calls `run` when that was asked for, and `going` when the page goes.
    pub(super) fn new(run: impl Fn() + 'static, going: impl Fn() + 'static) -> Tasks {
        let tasks = Tasks { run: function(run), port: OnceCell::new(), going: function(going) };
        tasks.listen("addEventListener");
        tasks
    }

    /// When whatever runs now has returned.
    pub(super) fn at_once(&self) {
        queue_microtask(&self.run);
    }

    /// In a task of its own.
    pub(super) fn next_task(&self) {
        let channel = self.port.get_or_init(|| {
            let channel = MessageChannel::new().ok()?;
            channel.port1().set_onmessage(&self.run);
            Some(channel)
        });
        match channel {
            Some(channel) => channel.port2().post_message(&JsValue::NULL),
            None => drop(set_timeout(&self.run, 0)),
        }
    }

    /// Begins to listen, or stops, where there is something to listen to.
    fn listen(&self, method: &str) {
        let global = js_sys::global();
        let Ok(method) = Reflect::get(&global, &method.into()) else { return };
        let Some(method) = method.dyn_ref::<Function>() else { return };
        for event in GOING {
            let _ = Reflect::apply(method, &global, &Array::of2(&event.into(), &self.going));
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.listen("removeEventListener");
        if let Some(Some(channel)) = self.port.get() {
            channel.port1().set_onmessage(&JsValue::NULL);
            channel.port1().close();
        }
    }
}

fn function(run: impl Fn() + 'static) -> Function {
    let run: Box<dyn Fn()> = Box::new(run);
    Closure::wrap(run).into_js_value().unchecked_into()
}
