//! An entry about to be added.

use core::future::IntoFuture;

use brooklet::EntryId;

use super::answer::{Answer, Call};
use super::entry::Fields;
use super::error::{Error, Result};
use super::reading;
use super::stream::Stream;
use super::words::{Word, Words};

/// What becomes of the references that groups hold to entries which are trimmed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum References {
    /// They stay, and what is pending may be gone.
    Keep,
    /// They go, too.
    Delete,
    /// Only what all groups have acknowledged is trimmed.
    Acked,
}

/// An entry about to be added to a stream, which happens when this is awaited: the future tells its ID.
#[must_use = "nothing is added before it is awaited"]
pub struct Append {
    stream: Stream,
    /// An error is told when this is awaited.
    fields: Result<Fields>,
    /// Options that stand before the ID.
    options: Words,
    id: Words,
    trim: Option<Trim>,
    approximate: bool,
    if_last_id: Option<EntryId>,
}

/// What is trimmed after the entry was added.
struct Trim {
    by: &'static str,
    threshold: Words,
}

impl Append {
    pub(super) fn new(stream: Stream, fields: Result<Fields>) -> Append {
        let (options, id) = (Words::default(), Words::of("*"));
        Append { stream, fields, options, id, trim: None, approximate: false, if_last_id: None }
    }

    /// Adds a field at the end.
    pub fn field(mut self, name: impl Word, value: impl Word) -> Append {
        if let Ok(fields) = &mut self.fields {
            fields.push(name, value);
        }
        self
    }

    /// The ID, or `ms-*` for the next one of a millisecond. Without this, the ID is made from the time.
    pub fn id(mut self, id: impl Word) -> Append {
        self.id = Words::default().word(id);
        self
    }

    /// Trims the stream to so many entries.
    pub fn max_len(mut self, entries: u64) -> Append {
        self.trim = Some(Trim { by: "MAXLEN", threshold: Words::default().word(entries) });
        self
    }

    /// Trims entries with lower IDs.
    pub fn min_id(mut self, id: impl Word) -> Append {
        self.trim = Some(Trim { by: "MINID", threshold: Words::default().word(id) });
        self
    }

    /// Trims whole nodes only, which costs less; some entries more stay.
    pub fn approx(mut self) -> Append {
        self.approximate = true;
        self
    }

    /// What becomes of references to entries that are trimmed.
    pub fn references(mut self, references: References) -> Append {
        self.options.push(match references {
            References::Keep => "KEEPREF",
            References::Delete => "DELREF",
            References::Acked => "ACKED",
        });
        self
    }

    /// Makes no stream: without one, the outcome is [`Error::NoStream`].
    pub fn no_mk_stream(mut self) -> Append {
        self.options.push("NOMKSTREAM");
        self
    }

    /// Adds nothing if this producer has added an entry under this ID of its own before; the future then tells the ID
    /// of that entry.
    pub fn idempotent(mut self, producer: impl Word, id: impl Word) -> Append {
        self.options.push("IDMP");
        self.options.push(&producer);
        self.options.push(&id);
        self
    }

    /// The same, with an ID made from the fields.
    pub fn idempotent_by_fields(mut self, producer: impl Word) -> Append {
        self.options.push("IDMPAUTO");
        self.options.push(&producer);
        self
    }

    /// Adds the entry only if this is the last ID of the stream; else the outcome is an error with the code `LASTID`.
    /// `EntryId::MIN` is the last ID of a stream that never had an entry. Goes with [`Append::id`] and no other option.
    pub fn if_last_id(mut self, id: EntryId) -> Append {
        self.if_last_id = Some(id);
        self
    }

    fn run(self) -> Answer {
        let words = match self.words() {
            Ok(words) => words,
            Err(error) => return Answer::failed(error),
        };
        self.stream.database().run(&words)
    }

    fn words(&self) -> Result<Words> {
        let fields = self.fields.as_ref().map_err(Error::clone)?;
        let mut words = match self.if_last_id {
            Some(last) if self.trim.is_none() && self.options.len() == 0 => self.stream.command("XADDIF").word(last),
            Some(_) => return Err(Error::Options("if_last_id goes with no other option than id")),
            None => self.stream.command("XADD"),
        };
        words.extend(&self.options);
        if let Some(trim) = &self.trim {
            words.push(trim.by);
            words.push(if self.approximate { "~" } else { "=" });
            words.extend(&trim.threshold);
        }
        words.extend(&self.id);
        words.extend(fields.words());
        Ok(words)
    }
}

impl IntoFuture for Append {
    type Output = Result<EntryId>;
    type IntoFuture = Call<EntryId>;

    fn into_future(self) -> Call<EntryId> {
        Call::new(self.run(), reading::added)
    }
}
