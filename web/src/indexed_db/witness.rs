//! The witness: a few bytes outside of IndexedDB, which say what was there.
//!
//! *Where.* A file in the origin private file system, or, where such files cannot be written from everywhere, an entry in
//! the Cache. Not `localStorage`: what was written there two seconds before a kill was gone (measured), and Workers have
//! none.
//!
//! *Why not synchronous file handles.* Safari before 26 has them in Workers, and nothing that writes in windows. A database
//! that is opened now here and now there would have two witnesses that contradict each other. It has a Cache everywhere.
//!
//! *Design.* One thing at a time, in the order in which they were asked for: a note never overtakes a newer one. Each step is
//! a promise, and what to do with its value is the stage.
//!
//! *It is advisory.* What is not there makes no claim. So where nothing can be noted, nothing is there.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::js::{Arg, Js, encoded};
use super::{About, State};
use crate::storage::{Answer, Question, StorageFault, Stored};

/// The name of the Cache.
const CACHE: &str = "brooklet";

/// What is being done about the witness, and what after that.
#[derive(Default)]
pub(super) struct Notes {
    tasks: Vec<(Task, Question)>,
    stage: Stage,
}

enum Task {
    Read,
    Write(Vec<u8>),
    Remove,
}

/// What the promise that is waited for will give.
#[derive(Clone, Default)]
enum Stage {
    #[default]
    Idle,
    /// The directory.
    Directory,
    /// A handle of the file.
    File,
    /// The Cache.
    Cache,
    /// Something with bytes in it: a file, or a response.
    Content,
    /// The bytes.
    Bytes,
    /// A stream into a copy of the file, which takes its place when it is closed.
    Stream,
    /// Nothing; the bytes are in this stream.
    Streamed(Js),
    /// Nothing; it is done.
    Finished,
}

impl State {
    pub(super) fn read_witness(&mut self, question: Question) {
        self.begin_task(Task::Read, question);
    }

    pub(super) fn write_witness(&mut self, bytes: &[u8], question: Question) {
        self.begin_task(Task::Write(bytes.to_vec()), question);
    }

    pub(super) fn remove_witness(&mut self, question: Question) {
        self.begin_task(Task::Remove, question);
    }

    fn begin_task(&mut self, task: Task, question: Question) {
        self.notes.tasks.push((task, question));
        if self.notes.tasks.len() == 1 {
            self.begin_first();
        }
    }

    /// Begins what is first in the queue.
    fn begin_first(&mut self) {
        if self.notes.tasks.is_empty() {
            return;
        }
        let storage = Js::global("navigator").get("storage");
        let prototype = Js::global("FileSystemFileHandle").get("prototype");
        let begun = if prototype.get("createWritable").is_missing() {
            Js::global("caches").call("open", &[Arg::Text(CACHE)]).map(|promise| (promise, Stage::Cache))
        } else {
            storage.call("getDirectory", &[]).map(|promise| (promise, Stage::Directory))
        };
        self.wait_for_step(begun);
    }

    /// A promise of the task was kept or broken.
    pub(super) fn hear_note(&mut self, outcome: Result<&Js, &Js>) {
        match outcome {
            Ok(value) => match self.notes.step(&self.name, value) {
                Some(next) => self.wait_for_step(next),
                None => self.end_task(value),
            },
            Err(error) => self.fail_task(error.get("name").is("NotFoundError"), error.fault()),
        }
    }

    fn wait_for_step(&mut self, begun: Result<(Js, Stage), StorageFault>) {
        let heard = begun.and_then(|(promise, stage)| {
            let noted = self.callback.about(About::Noted as u32);
            let not_noted = self.callback.about(About::NotNoted as u32);
            self.notes.stage = stage;
            promise.call("then", &[Arg::Value(&noted), Arg::Value(&not_noted)])
        });
        if let Err(fault) = heard {
            self.fail_task(false, fault);
        }
    }

    /// The last promise was kept.
    fn end_task(&mut self, value: &Js) {
        let answer = match self.notes.stage {
            // There is no response.
            Stage::Content => Answer::Value(Stored::Missing),
            Stage::Bytes => {
                // A file that was never written to is empty.
                let bytes = Js::global("Uint8Array").construct(&[Arg::Value(value)]);
                let bytes = bytes.ok().and_then(|bytes| bytes.as_bytes()).filter(|bytes| !bytes.is_empty());
                Answer::Value(bytes.map_or(Stored::Missing, Stored::Bytes))
            }
            _ => Answer::Done,
        };
        self.answer_task(answer);
    }

    fn fail_task(&mut self, is_not_there: bool, fault: StorageFault) {
        let answer = match (self.notes.tasks.first(), &self.notes.stage) {
            (Some((Task::Write(_), _)), _) if fault == StorageFault::Quota => Answer::Failed(StorageFault::Quota),
            (Some((Task::Write(_), _)), _) => Answer::Failed(StorageFault::Io),
            (Some((Task::Read, _)), Stage::Content | Stage::Bytes) => Answer::Value(Stored::Unreadable),
            (Some((Task::Read, _)), _) => Answer::Value(Stored::Missing),
            // There was none, or nowhere where it could be.
            (_, Stage::Finished) if !is_not_there => Answer::Failed(StorageFault::Io),
            _ => Answer::Done,
        };
        self.answer_task(answer);
    }

    fn answer_task(&mut self, answer: Answer) {
        self.notes.stage = Stage::Idle;
        if !self.notes.tasks.is_empty() {
            let (task, question) = self.notes.tasks.remove(0);
            self.answer(question, answer);
            if matches!(task, Task::Remove) {
                // It is the last thing that is done.
                self.let_go();
            }
        }
        self.begin_first();
    }
}

impl Notes {
    /// What follows when a promise has given a value; nothing if that was the last one.
    fn step(&self, name: &str, value: &Js) -> Option<Result<(Js, Stage), StorageFault>> {
        let (task, _) = self.tasks.first()?;
        let (file, address) = (file(name), address(name));
        let (file, address) = (Arg::Text(&file), Arg::Text(&address));
        let (promise, stage) = match (&self.stage, task) {
            (Stage::Directory, Task::Read) => (value.call("getFileHandle", &[file]), Stage::File),
            (Stage::Directory, Task::Write(_)) => {
                (value.call("getFileHandle", &[file, Arg::Json("{\"create\":true}")]), Stage::File)
            }
            (Stage::Directory, Task::Remove) => (value.call("removeEntry", &[file]), Stage::Finished),
            (Stage::File, Task::Read) => (value.call("getFile", &[]), Stage::Content),
            (Stage::File, _) => (value.call("createWritable", &[]), Stage::Stream),
            (Stage::Stream, Task::Write(bytes)) => {
                (value.call("write", &[Arg::Bytes(bytes)]), Stage::Streamed(value.clone()))
            }
            (Stage::Streamed(stream), _) => (stream.call("close", &[]), Stage::Finished),
            (Stage::Cache, Task::Read) => (value.call("match", &[address]), Stage::Content),
            (Stage::Cache, Task::Write(bytes)) => {
                let response = Js::global("Response").construct(&[Arg::Bytes(bytes)]);
                (response.and_then(|response| value.call("put", &[address, Arg::Value(&response)])), Stage::Finished)
            }
            (Stage::Cache, Task::Remove) => (value.call("delete", &[address]), Stage::Finished),
            (Stage::Content, _) if !value.is_missing() => (value.call("arrayBuffer", &[]), Stage::Bytes),
            _ => return None,
        };
        Some(promise.map(|promise| (promise, stage)))
    }

    pub(super) fn forget(&mut self) {
        *self = Notes::default();
    }
}

/// The name of the file.
fn file(name: &str) -> String {
    named("brooklet-", name, ".witness")
}

/// The address of the entry. Nobody ever asks for it: there is no such domain, by RFC 2606.
fn address(name: &str) -> String {
    named("https://brooklet.invalid/", name, ".witness")
}

fn named(before: &str, name: &str, behind: &str) -> String {
    let mut text = before.to_string();
    text.push_str(&encoded(name));
    text.push_str(behind);
    text
}
