//! Statistics: how often each command ran, which errors it gave, how much changed.

use crate::error::PREFIXES_MAX;

/// How often one command ran.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CommandStatistics {
    /// Calls that ran, successfully or not.
    pub calls: u64,
    /// Calls that were refused before they ran: wrong number of arguments, no memory.
    pub rejected_calls: u64,
    /// Calls that ran and answered an error.
    pub failed_calls: u64,
}

/// The most commands that are counted.
const COMMANDS_MAX: usize = 128;

/// The counters behind [`Statistics`].
pub(crate) struct Counters {
    commands: [CommandStatistics; COMMANDS_MAX],
    errors: [(&'static str, u64); PREFIXES_MAX],
    /// Changes by the measure of Redis' `rdb_changes_since_last_save`.
    pub(crate) changes: u64,
    pub(crate) expired_keys: u64,
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            commands: [CommandStatistics::default(); COMMANDS_MAX],
            errors: [("", 0); PREFIXES_MAX],
            changes: 0,
            expired_keys: 0,
        }
    }
}

impl Counters {
    /// The counters of the command with this place in the table.
    pub(crate) fn command(&mut self, place: usize) -> &mut CommandStatistics {
        let last = COMMANDS_MAX - 1;
        #[allow(clippy::indexing_slicing, reason = "the place is limited to the length of the array")]
        &mut self.commands[place.min(last)]
    }

    /// Counts an error by the first word of its line.
    pub(crate) fn count_error(&mut self, prefix: &'static str) {
        let found = self.errors.iter_mut().find(|(known, _)| *known == prefix || known.is_empty());
        if let Some(entry) = found {
            entry.0 = prefix;
            entry.1 += 1;
        }
    }
}

/// What an engine counted.
#[derive(Clone, Copy)]
pub struct Statistics<'a> {
    counters: &'a Counters,
    waiters: usize,
}

impl<'a> Statistics<'a> {
    pub(crate) fn new(counters: &'a Counters, waiters: usize) -> Statistics<'a> {
        Statistics { counters, waiters }
    }

    /// The command's statistics, by its place in [`commands`](crate::commands).
    pub fn command(&self, place: usize) -> CommandStatistics {
        self.counters.commands.get(place).copied().unwrap_or_default()
    }

    /// How many errors were answered, by the first word of their lines.
    pub fn errors(&self) -> impl Iterator<Item = (&'static str, u64)> + 'a {
        self.counters.errors.iter().copied().filter(|(prefix, _)| !prefix.is_empty())
    }

    /// How many readers wait.
    pub fn waiting_readers(&self) -> usize {
        self.waiters
    }

    /// How many changes were made, by the measure of Redis' `rdb_changes_since_last_save`.
    pub fn changes(&self) -> u64 {
        self.counters.changes
    }

    /// How many keys expired.
    pub fn expired_keys(&self) -> u64 {
        self.counters.expired_keys
    }
}
