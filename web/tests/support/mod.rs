//! What the tests share: databases, futures polled by hand, time that passes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use brooklet_web::{Brooklet, EntryId, Options};
use js_sys::{Function, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

pub(crate) fn open() -> Brooklet {
    Brooklet::open(Options::default()).unwrap()
}

pub(crate) fn id(text: &str) -> EntryId {
    EntryId::parse(text.as_bytes(), 0).unwrap()
}

/// Lets the event loop run for so many milliseconds.
pub(crate) async fn sleep(ms: i32) {
    let set_timeout = Function::new_with_args("done, ms", "setTimeout(done, ms)");
    let mut begin = |done: Function, _: Function| {
        set_timeout.call2(&JsValue::NULL, &done, &ms.into()).unwrap();
    };
    JsFuture::from(Promise::new(&mut begin)).await.unwrap();
}

/// A future that is polled by hand, and how often it was woken.
pub(crate) struct Polled<F> {
    future: Pin<Box<F>>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl<F: Future> Polled<F> {
    pub(crate) fn new(future: impl IntoFuture<IntoFuture = F>) -> Self {
        Polled { future: Box::pin(future.into_future()), woken: Arc::default() }
    }

    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(&self.woken));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    pub(crate) fn woken(&self) -> usize {
        self.woken.0.load(Ordering::Relaxed)
    }
}
