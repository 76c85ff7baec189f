//! The one timer, watched: `setTimeout` is replaced by one that writes down what it was asked.

use std::task::Poll;

use brooklet_web::Value;
use js_sys::{Array, Function, Reflect};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue, throw_val};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{Polled, open, sleep};

/// Stands in for the platform's timers. Nothing fires but by hand.
struct Timers {
    /// `set`: the timers that are set, in order, as `[name, run, delay]`; `names`: how many were ever set.
    state: JsValue,
}

impl Timers {
    /// Runs a test with these. JavaScript calls it, and puts the platform's timers back however it ends: a test that
    /// panics drops nothing, and those after it need them.
    fn watch(test: fn(&Timers)) {
        let watch = js_sys::eval(
            "((test) => {
                const { setTimeout, clearTimeout } = globalThis
                const timers = { set: [], names: 0 }
                globalThis.setTimeout = (run, delay) => (timers.set.push([++timers.names, run, delay]), timers.names)
                globalThis.clearTimeout = (name) => { timers.set = timers.set.filter((it) => it[0] !== name) }
                try {
                    test(timers)
                } finally {
                    Object.assign(globalThis, { setTimeout, clearTimeout })
                }
            })",
        );
        let watch: Function = watch.unwrap().unchecked_into();
        let test = Closure::once_into_js(move |state| test(&Timers { state }));
        if let Err(thrown) = watch.call1(&JsValue::NULL, &test) {
            throw_val(thrown);
        }
    }

    fn set(&self) -> Array {
        Reflect::get(&self.state, &"set".into()).unwrap().unchecked_into()
    }

    /// The delays of the timers that are set.
    fn delays(&self) -> Vec<f64> {
        self.set().iter().map(|timer| Reflect::get(&timer, &2.into()).unwrap().as_f64().unwrap()).collect()
    }

    /// How many were ever set.
    fn ever(&self) -> f64 {
        Reflect::get(&self.state, &"names".into()).unwrap().as_f64().unwrap()
    }

    fn fire(&self) {
        let timer: Array = self.set().shift().unchecked_into();
        timer.get(1).unchecked_into::<Function>().call0(&JsValue::NULL).unwrap();
    }
}

fn blocking(ms: u64) -> [String; 6] {
    ["XREAD", "BLOCK", &ms.to_string(), "STREAMS", "s", "$"].map(String::from)
}

#[wasm_bindgen_test]
async fn a_read_times_out() {
    let db = open();
    assert_eq!(db.call(&blocking(20)).await, Ok(Value::NullArray));
    assert_eq!(db.inspect().unwrap().waiting_readers, 0);
}

#[wasm_bindgen_test]
async fn reads_time_out_in_the_order_of_their_deadlines() {
    let db = open();
    let mut reads: Vec<_> = [60, 20, 40].iter().map(|ms| Polled::new(db.call(&blocking(*ms)))).collect();
    let mut order = Vec::new();
    while order.len() < 3 {
        for (place, read) in reads.iter_mut().enumerate() {
            if !order.contains(&place) && read.poll().is_ready() {
                order.push(place);
            }
        }
        sleep(1).await;
    }
    assert_eq!(order, [1, 2, 0]);
}

#[wasm_bindgen_test]
async fn keys_expire_though_nobody_looks() {
    let db = open();
    db.stream("s").add(&[("a", "b")]).await.unwrap();
    db.call(&["PEXPIRE", "s", "20"]).await.unwrap();
    while !db.inspect().unwrap().streams.is_empty() {
        sleep(5).await;
    }
}

#[wasm_bindgen_test]
fn there_is_one_timer_for_all() {
    Timers::watch(|timers| {
        let db = open();
        assert_eq!(timers.delays(), [0.0; 0]);
        let mut reads: Vec<_> = (0..1000).map(|n| Polled::new(db.call(&blocking(100_000 + n * 7919 % 1000)))).collect();
        assert!(reads.iter_mut().all(|read| read.poll().is_pending()));
        let [delay] = timers.delays()[..] else { panic!("{:?}", timers.delays()) };
        assert!((99_000.0..=100_000.0).contains(&delay), "{delay}");
        // It is set anew when the next deadline changes, and then only.
        assert!(timers.ever() < 50.0, "{}", timers.ever());
        let ever = timers.ever();
        drop(db.call(&["SET", "text", "x"]));
        assert_eq!(timers.ever(), ever);
        reads.clear();
        assert_eq!(timers.delays(), [0.0; 0]);
    });
}

#[wasm_bindgen_test]
fn what_fires_too_early_is_set_again() {
    Timers::watch(|timers| {
        let db = open();
        let mut read = Polled::new(db.call(&blocking(100_000)));
        assert!(read.poll().is_pending());
        timers.fire();
        assert!(read.poll().is_pending());
        assert_eq!((read.woken(), timers.delays().len()), (0, 1));
    });
}

#[wasm_bindgen_test]
fn a_deadline_beyond_all_timers_is_cut_into_pieces() {
    Timers::watch(|timers| {
        let db = open();
        let mut read = Polled::new(db.call(&blocking(1 << 40)));
        assert!(read.poll().is_pending());
        for _ in 0..3 {
            assert_eq!(timers.delays(), [f64::from(i32::MAX)]);
            timers.fire();
        }
        assert!(matches!(read.poll(), Poll::Pending));
    });
}

#[wasm_bindgen_test]
fn nothing_is_left_behind() {
    Timers::watch(|timers| {
        for how in 0..3 {
            let db = open();
            let read = db.call(&blocking(100_000));
            assert_eq!(timers.delays().len(), 1);
            match how {
                0 => drop(db.close()),
                1 => drop(read),
                // The future keeps the database: it is dropped first.
                _ => {
                    drop(db);
                    assert_eq!(timers.delays().len(), 1);
                    drop(read);
                }
            }
            assert_eq!(timers.delays(), [0.0; 0], "{how}");
        }
        // Nobody waits, and something would expire later.
        let db = open();
        drop(db.call(&["SET", "text", "x", "PX", "100000"]));
        assert_eq!(timers.delays().len(), 1);
        drop(db);
        assert_eq!(timers.delays(), [0.0; 0]);
    });
}
