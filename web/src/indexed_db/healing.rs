//! Healing: Chromium's LevelDB store made safe after an end that was not clean.
//!
//! *Why.* A kill between the header and the payload of a record leaves a tear in LevelDB's log. The next opening takes the
//! tear for the end and appends behind it; the opening after that meets a bad record before the end, and deletes the whole
//! database. When the log is full, at 4 MB, it is written into a table and begun anew, and the tear is gone: 6 MB of values
//! did it in every try, 4 MB did not. (Measured with Chromium 156.)
//!
//! *Design.* A megabyte of random bytes, which cannot be compressed, is put in one transaction, and put again under the
//! same keys, six times; then it is deleted. The store is one that nothing else uses, so nobody waits for it. It may be given
//! up at any point: what is left is put again or deleted the next time.

use super::State;
use super::connection::{Access, Content, HEAL};
use super::js::{Arg, Js};
use crate::storage::{Answer, Question, StorageFault};

/// Below 64 KiB, beyond which a value would not go through the log.
const VALUE_BYTES: u64 = 60_000;
const SLICE_VALUES: u64 = 17;
const SLICES: u32 = 6;

impl State {
    pub(super) fn heal(&mut self, question: Question) {
        // Chromium says so, under whatever name it is sold. On iOS it is WebKit, and says something else.
        let agent = Js::global("navigator").get("userAgent").as_text().unwrap_or_default();
        if agent.split('/').any(|words| words.ends_with("Chrome")) {
            self.heal_slice(SLICES, question);
        } else {
            self.answer(question, Answer::Done);
        }
    }

    pub(super) fn end_healing(&mut self, slices: u32, failure: Option<StorageFault>, question: Question) {
        match (failure, slices) {
            (Some(fault), _) => self.answer(question, Answer::Failed(fault)),
            (None, 0) => self.answer(question, Answer::Done),
            (None, slices) => self.heal_slice(slices - 1, question),
        }
    }

    /// A slice after which so many follow; the last one deletes.
    fn heal_slice(&mut self, follow: u32, question: Question) {
        self.transact(&[HEAL], Access::Write { is_durable: false }, question, |_, placing| {
            if follow == 0 {
                placing.place(HEAL, "clear", &[]);
            } else {
                let value = random_bytes().unwrap_or(Js::MISSING);
                for key in 0..SLICE_VALUES {
                    placing.place(HEAL, "put", &[Arg::Value(&value), Arg::Number(key)]);
                }
            }
            placing.commit();
            Content::Healing(follow)
        });
    }
}

/// A value to put.
fn random_bytes() -> Result<Js, StorageFault> {
    let value = Js::global("Uint8Array").construct(&[Arg::Number(VALUE_BYTES)])?;
    Js::global("crypto").call("getRandomValues", &[Arg::Value(&value)])
}
