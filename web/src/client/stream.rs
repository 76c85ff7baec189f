//! A stream, by its name.

use alloc::rc::Rc;
use core::ops::RangeBounds;

use brooklet::EntryId;

use super::answer::Call;
use super::append::Append;
use super::database::Brooklet;
use super::entries::Entries;
use super::entry::Fields;
use super::group::OpenGroup;
use super::range::Range;
use super::reading;
use super::words::{Word, Words};

/// A stream of a database, by its name. It need not exist: adding makes it.
#[derive(Clone)]
pub struct Stream {
    database: Brooklet,
    name: Rc<[u8]>,
}

impl Stream {
    pub(super) fn new(database: Brooklet, name: &impl Word) -> Stream {
        Stream { database, name: Words::default().word(name).get(0).unwrap_or(&[]).into() }
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The database that it is in.
    pub fn database(&self) -> &Brooklet {
        &self.database
    }

    /// Adds an entry with these fields, when it is awaited: `stream.add(&[("page", "/")]).await`.
    pub fn add<N: Word, V: Word>(&self, fields: &[(N, V)]) -> Append {
        self.add_fields(&fields.iter().map(|(name, value)| (name, value)).collect())
    }

    /// Adds an entry with these fields, when it is awaited.
    pub fn add_fields(&self, fields: &Fields) -> Append {
        Append::new(self.clone(), Ok(fields.clone()))
    }

    /// Adds a value with named fields, when it is awaited: a struct or a map of text, numbers, booleans and bytes.
    #[cfg(feature = "serde")]
    pub fn add_value(&self, value: &(impl serde::Serialize + ?Sized)) -> Append {
        Append::new(self.clone(), Fields::from_value(value))
    }

    /// The entries whose IDs lie in a range; `..` for all.
    pub fn range(&self, ids: impl RangeBounds<EntryId>) -> Range {
        Range::new(self.clone(), ids.start_bound().cloned(), ids.end_bound().cloned())
    }

    /// The entries after an ID: those that are there, then those that come, without a gap. `"0"` begins with the first
    /// one, `"$"` with the next one that is added after this call.
    pub fn read_after(&self, id: impl Word) -> Entries {
        Entries::new(self.clone(), &id)
    }

    /// The group of this name, which is made if it is not there, when this is awaited.
    pub fn group(&self, name: impl Word) -> OpenGroup {
        OpenGroup::new(self.clone(), &name)
    }

    /// How many entries it has.
    pub fn len(&self) -> Call<u64> {
        Call::new(self.database.run(&self.command("XLEN")), reading::count)
    }

    /// Deletes entries, and tells how many there were.
    pub fn delete(&self, ids: &[EntryId]) -> Call<u64> {
        let mut words = self.command("XDEL");
        for id in ids {
            words.push(id);
        }
        Call::new(self.database.run(&words), reading::count)
    }

    /// Trims to so many entries, and tells how many went.
    pub fn trim(&self, max_len: u64) -> Call<u64> {
        Call::new(self.database.run(&self.command("XTRIM").word("MAXLEN").word(max_len)), reading::count)
    }

    /// A command (of one word or two) with the name of this stream behind it.
    pub(super) fn command(&self, command: &str) -> Words {
        Words::of(command).word(&*self.name)
    }
}
