//! An application in Rust that keeps its events in brooklet, inside the page.
//!
//! A form adds jobs to a stream. Three workers share them, as consumers of a group; what they did goes to a second stream,
//! and a live reader shows it. Both are stored in IndexedDB: when the page is loaded again, what was done is there, and what
//! was not done goes on. There is no server but the one that serves the files:
//!
//! ```sh
//! wasm-pack build --target web examples/rust-app
//! python3 -m http.server --directory examples/rust-app
//! ```

use brooklet_web::{Brooklet, Error, Group, Nack, Result, Stream, to_js};
use js_sys::{Function, JSON, Promise};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::{Closure, JsError, wasm_bindgen};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Document, Element, Event, HtmlInputElement};

const WORKERS: [&str; 3] = ["anna", "ben", "cleo"];
const TASKS: [&str; 6] =
    ["sweep the yard", "fix the gate", "feed the hens", "mend the roof", "dig <b>deep</b>", "rest"];

/// A job, as it stands in the stream.
#[derive(Serialize, Deserialize)]
struct Job {
    task: String,
    /// How often it fails before it succeeds.
    fails: u64,
}

/// What became of a job.
#[derive(Serialize, Deserialize)]
struct Done {
    task: String,
    worker: String,
    tries: u64,
}

/// Begins when the page has loaded this module.
#[wasm_bindgen(start)]
async fn start() -> Result<(), JsError> {
    // Another tab may have it open: then this one waits until that is closed.
    let db = Brooklet::open_indexed_db("jobs").wait_ms(u64::MAX).await?;
    let (jobs, done) = (db.stream("jobs"), db.stream("done"));
    let is_new = jobs.len().await? == 0;
    let group = jobs.group("workers").await?;
    for worker in WORKERS {
        spawn(work(group.clone(), done.clone(), worker));
    }
    spawn(show(done.clone()));
    for (fails, task) in (0..2).cycle().zip(TASKS).filter(|_| is_new) {
        jobs.add_value(&Job { task: task.into(), fails }).await?;
    }
    listen(jobs)?;
    Ok(())
}

/// Takes jobs and does them, for ever.
async fn work(group: Group, done: Stream, worker: &str) -> Result<()> {
    // What others gave back comes before what is new.
    let mut messages = group.read(worker).ahead(1).claim_idle_ms(60_000);
    while let Some(message) = messages.next().await? {
        let job: Job = message.entry.to()?;
        if message.deliveries <= job.fails {
            message.nack(Nack::Fail).await?;
            continue;
        }
        // The others go on meanwhile.
        pause(20).await?;
        done.add_value(&Done { task: job.task, worker: worker.into(), tries: message.deliveries })
            .max_len(1000)
            .await?;
        message.ack().await?;
    }
    Ok(())
}

/// Lets time pass.
async fn pause(ms: i32) -> Result<()> {
    let mut begin = |done: Function, _: Function| {
        if let Some(window) = web_sys::window() {
            // A page that cannot set a timer is about to go.
            let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(&done, ms);
        }
    };
    JsFuture::from(Promise::new(&mut begin)).await.map(drop).map_err(page)
}

/// Shows what was done, as it comes.
async fn show(done: Stream) -> Result<()> {
    let mut entries = done.read_after("0");
    while let Some(entry) = entries.next().await? {
        let Done { task, worker, tries } = entry.to()?;
        let item = document()?.create_element("li").map_err(page)?;
        item.set_text_content(Some(&format!("{task}: {worker}, try {tries}")));
        element("done")?.append_child(&item).map_err(page)?;
        let inspection = to_js(&done.database().inspect()?)?;
        let text = JSON::stringify_with_replacer_and_space(&inspection, &JsValue::NULL, &2.into()).map_err(page)?;
        element("inspection")?.set_text_content(Some(&String::from(text)));
    }
    Ok(())
}

/// Adds a job when the form is sent.
fn listen(jobs: Stream) -> Result<()> {
    let on_submit = move |event: Event| {
        event.prevent_default();
        let jobs = jobs.clone();
        spawn(async move {
            let input: HtmlInputElement = element("task")?.unchecked_into();
            jobs.add(&[("task", input.value())]).field("fails", 0).await?;
            input.set_value("");
            Ok(())
        });
    };
    let on_submit = Closure::<dyn FnMut(Event)>::new(on_submit).into_js_value();
    element("form")?.add_event_listener_with_callback("submit", on_submit.unchecked_ref()).map_err(page)
}

/// Runs a task beside the others. What goes wrong in it is shown.
fn spawn(task: impl Future<Output = Result<()>> + 'static) {
    spawn_local(async move {
        if let Err(error) = task.await
            && let Ok(place) = element("inspection")
        {
            place.set_text_content(Some(&error.to_string()));
        }
    });
}

fn document() -> Result<Document> {
    web_sys::window().and_then(|window| window.document()).ok_or(Error::Value("there is no page".into()))
}

fn element(id: &str) -> Result<Element> {
    document()?.get_element_by_id(id).ok_or_else(|| Error::Value(format!("the page has no element '{id}'")))
}

/// What the page threw.
fn page(error: JsValue) -> Error {
    Error::Value(format!("{error:?}"))
}
