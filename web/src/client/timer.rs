//! The one timer of a database.
//!
//! *Design.* `setTimeout` of whatever scope this runs in, a window, a Worker or Node, set to the engine's next deadline and
//! set anew only when that changes. The platform takes delays below 2^31 ms and fires at once if they are longer, so a
//! delay is at most that; what fires too early finds nothing to do and sets the timer again.
//!
//! *Why not a timer for each reader.* A thousand readers would be a thousand timers, and the engine keeps their deadlines
//! sorted anyway.
//!
//! *Why not web-sys.* Its `setTimeout` is a method of `Window`, or of `WorkerGlobalScope`; the global function is both, and
//! Node's.
//!
//! *Invariants*
//! 1. At most one `setTimeout` is under way, for the deadline in `deadline_ms`.
//! 2. None is, after the timer was dropped.

use alloc::boxed::Box;
use core::cell::{Cell, RefCell};

use js_sys::Function;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast, JsValue};

const DELAY_MS_MAX: u64 = (1 << 31) - 1;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(run: &Function, delay_ms: i32) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: &JsValue);
}

/// The time in milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    js_sys::Date::now() as u64
}

/// The timer; see the head of this file.
pub(super) struct Timer {
    run: Closure<dyn FnMut()>,
    deadline_ms: Cell<Option<u64>>,
    /// What `setTimeout` returned.
    name: RefCell<JsValue>,
}

impl Timer {
    /// A timer that runs `run`, and is not set.
    pub(super) fn new(run: impl FnMut() + 'static) -> Timer {
        let run: Box<dyn FnMut()> = Box::new(run);
        Timer { run: Closure::wrap(run), deadline_ms: Cell::new(None), name: RefCell::new(JsValue::UNDEFINED) }
    }

    /// Sets the timer to a deadline, or to none.
    pub(super) fn set(&self, deadline_ms: Option<u64>) {
        let before_ms = self.deadline_ms.replace(deadline_ms);
        if before_ms == deadline_ms {
            return;
        }
        if before_ms.is_some() {
            clear_timeout(&self.name.borrow());
        }
        if let Some(deadline_ms) = deadline_ms {
            let delay_ms = deadline_ms.saturating_sub(now_ms()).min(DELAY_MS_MAX);
            let name = set_timeout(self.run.as_ref().unchecked_ref(), delay_ms as i32);
            self.name.replace(name);
        }
    }

    /// To be called by what the timer runs: it is not set any more.
    pub(super) fn has_fired(&self) {
        self.deadline_ms.set(None);
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.set(None);
    }
}
