//! Several commands as one.

use alloc::vec::Vec;
use core::future::IntoFuture;

use brooklet::Value;

use super::answer::Call;
use super::database::Brooklet;
use super::error::Result;
use super::reading;
use super::words::Words;

/// Commands that run as one when this is awaited, with MULTI's semantics: nothing comes between them, blocking ones
/// answer at once, and there is no rolling back. The future tells the outcome of each; if one of them does not exist or has
/// a wrong number of arguments, none is run and the error is `EXECABORT`.
#[must_use = "nothing is run before it is awaited"]
pub struct Multi {
    database: Brooklet,
    batch: Vec<Words>,
}

impl Multi {
    pub(super) fn new(database: Brooklet) -> Multi {
        Multi { database, batch: Vec::new() }
    }

    /// Adds a command.
    pub fn call<W: AsRef<[u8]>>(mut self, words: &[W]) -> Multi {
        let words = words.iter().fold(Words::default(), |words, word| words.word(word.as_ref()));
        self.batch.push(words);
        self
    }
}

impl IntoFuture for Multi {
    type Output = Result<Vec<Result<Value>>>;
    type IntoFuture = Call<Vec<Result<Value>>>;

    fn into_future(self) -> Self::IntoFuture {
        Call::new(self.database.run_all(&self.batch), reading::values)
    }
}
