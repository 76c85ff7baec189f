//! The table of commands: dispatch, COMMAND, docs/compatibility.md and the typed client are all made from it.

use super::Call;
use crate::error::Error;

/// How a command is run. The arguments are in the call.
pub(crate) type Run = for<'e, 'a> fn(&mut Call<'e, 'a>) -> Result<(), Error>;

/// What a command is like, beside its arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CommandFlags {
    /// It changes data.
    pub write: bool,
    /// It may add data, so it is refused when the memory is used up.
    pub deny_oom: bool,
    /// It may wait.
    pub blocking: bool,
    /// It has subcommands, which follow it in the table.
    pub container: bool,
}

/// Where the keys stand among the arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyPositions {
    /// There are none.
    None,
    /// From the first to the last (negative: counted from the end).
    Range {
        /// The place of the first key.
        first: i8,
        /// The place of the last key; -1 is the last argument.
        last: i8,
    },
    /// The first half of what follows this word.
    AfterKeyword(&'static str),
}

/// One line of the table.
#[derive(Clone, Copy)]
pub struct CommandInfo {
    /// The name in lower case; a subcommand's is joined to its container's by `|`.
    pub name: &'static str,
    /// The exact number of words, or, negative, the least number. Subcommands count their container's name.
    pub arity: i8,
    /// What it is like.
    pub flags: CommandFlags,
    /// Where its keys are.
    pub keys: KeyPositions,
    pub(crate) run: Run,
}

/// What documentation says of a command. It lies apart, so that a program that never asks does not carry it.
#[derive(Clone, Copy, Debug)]
pub struct CommandDocumentation {
    /// The Redis version that has it in full as far as this table's options go; `None` for commands of our own.
    pub since: Option<&'static str>,
    /// The words that may appear among its arguments, with the version that brought each, where later than `since`.
    pub options: &'static [(&'static str, &'static str)],
    /// The arguments, as documentation writes them.
    pub syntax: &'static str,
}

impl CommandInfo {
    /// What documentation says of it.
    pub fn documentation(&self) -> &'static CommandDocumentation {
        let place = TABLE.iter().position(|command| command.name == self.name);
        place.and_then(|place| DOCUMENTATION.get(place)).unwrap_or(&UNDOCUMENTED)
    }
}

const UNDOCUMENTED: CommandDocumentation = CommandDocumentation { since: None, options: &[], syntax: "" };

impl core::fmt::Debug for CommandInfo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name)
    }
}

/// All commands, sorted by name.
pub fn commands() -> &'static [CommandInfo] {
    TABLE
}

/// The command that these words call, subcommands resolved, if there is one.
pub fn command(argv: &[&[u8]]) -> Option<&'static CommandInfo> {
    find(argv).ok().map(|(_, command)| command)
}

/// The longest name in the table.
const NAME_BYTES_MAX: usize = 24;

/// The place of the command that these words call, subcommands resolved. The error is for the caller to show.
pub(crate) fn find<'a>(argv: &'a [&'a [u8]]) -> Result<(usize, &'static CommandInfo), Error> {
    let Some((name, arguments)) = argv.split_first() else { return Err(Error::UnknownCommand) };
    let unknown = if arguments.is_empty() { Error::UnknownCommand } else { Error::UnknownCommandWithArguments };
    let found = find_name(name).ok_or(unknown)?;
    if !found.1.flags.container {
        return Ok(found);
    }
    let Some(subcommand) = arguments.first() else { return Err(Error::Arity) };
    find_subcommand(found.0, subcommand).ok_or(Error::UnknownSubcommand)
}

/// The name of the command that these words call, as far as there is one.
pub(crate) fn name(argv: &[&[u8]]) -> &'static str {
    let found = find(argv).ok().or_else(|| find_name(argv.first()?));
    found.map_or("", |(_, command)| command.name)
}

fn find_name(name: &[u8]) -> Option<(usize, &'static CommandInfo)> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let mut bucket = bucket_of(name);
    loop {
        let place = usize::from(BUCKETS.get(bucket)?.checked_sub(1)?);
        let command = TABLE.get(place)?;
        if name.eq_ignore_ascii_case(command.name.as_bytes()) {
            return Some((place, command));
        }
        bucket = (bucket + 1) % BUCKETS_LEN;
    }
}

/// A hash table of the places in the table, plus one; 0 is a free bucket. Commands are looked up at each call: a binary
/// search compares seven names for it, and took a sixth of an XADD. Subcommands are not in it: they are not to be had by
/// their joined names.
const BUCKETS: [u8; BUCKETS_LEN] = buckets();
const BUCKETS_LEN: usize = 128;

#[allow(clippy::indexing_slicing, reason = "it runs when the library is compiled, where a wrong index is an error")]
const fn buckets() -> [u8; BUCKETS_LEN] {
    // A probe ends at a free bucket, of which there must be one, and should be many.
    assert!(TABLE.len() < BUCKETS_LEN / 2);
    let mut buckets = [0; BUCKETS_LEN];
    let mut place = 0;
    while place < TABLE.len() {
        let name = TABLE[place].name.as_bytes();
        if !has_bar(name) {
            let mut bucket = bucket_of(name);
            while buckets[bucket] != 0 {
                bucket = (bucket + 1) % BUCKETS_LEN;
            }
            buckets[bucket] = place as u8 + 1;
        }
        place += 1;
    }
    buckets
}

/// Whether the name is a subcommand's.
const fn has_bar(mut name: &[u8]) -> bool {
    while let Some((&first, rest)) = name.split_first() {
        if first == b'|' {
            return true;
        }
        name = rest;
    }
    false
}

/// Where the search for a name begins; the same for both cases of its letters. The length, the second and the last
/// letter tell names apart well enough; with these factors nearly every name has a bucket of its own.
const fn bucket_of(name: &[u8]) -> usize {
    let [_, second, .., last] = name else { return 0 };
    // The bit 0x20 is all that tells the two cases of a letter apart.
    let (second, last) = ((*second | 0x20) as usize, (*last | 0x20) as usize);
    (name.len() + second * 29 + last * 11) % BUCKETS_LEN
}

fn find_subcommand(container: usize, subcommand: &[u8]) -> Option<(usize, &'static CommandInfo)> {
    let prefix = TABLE.get(container)?.name.as_bytes();
    let mut place = container;
    loop {
        place += 1;
        let command = TABLE.get(place)?;
        let [b'|', tail @ ..] = command.name.as_bytes().strip_prefix(prefix)? else { return None };
        if subcommand.eq_ignore_ascii_case(tail) {
            return Some((place, command));
        }
    }
}

/// Whether this many words suit the command.
pub(crate) fn is_arity_right(command: &CommandInfo, words: usize) -> bool {
    let wanted = usize::from(command.arity.unsigned_abs());
    if command.arity < 0 { words >= wanted } else { words == wanted }
}

const READ: CommandFlags = CommandFlags { write: false, deny_oom: false, blocking: false, container: false };
const WRITE: CommandFlags = CommandFlags { write: true, ..READ };
const ADD: CommandFlags = CommandFlags { deny_oom: true, ..WRITE };
const CONTAINER: CommandFlags = CommandFlags { container: true, ..READ };

const KEY: KeyPositions = KeyPositions::Range { first: 1, last: 1 };
const SUBKEY: KeyPositions = KeyPositions::Range { first: 2, last: 2 };
const ALL_KEYS: KeyPositions = KeyPositions::Range { first: 1, last: -1 };
const NO_KEY: KeyPositions = KeyPositions::None;
const STREAMS: KeyPositions = KeyPositions::AfterKeyword("STREAMS");

macro_rules! table {
    ($( $name:literal $arity:literal $flags:expr, $keys:expr, $since:expr, [$( $option:literal $version:literal ),*],
        $syntax:literal, $run:path; )+) => {
        const TABLE: &[CommandInfo] = &[ $( CommandInfo {
            name: $name, arity: $arity, flags: $flags, keys: $keys, run: $run,
        }, )+ ];

        const DOCUMENTATION: &[CommandDocumentation] = &[ $( CommandDocumentation {
            since: $since, options: &[ $( ($option, $version) ),* ], syntax: $syntax,
        }, )+ ];
    };
}

table! {
    "del" -2 WRITE, ALL_KEYS, Some("1.0"), [], "key [key ...]", super::del::run;
    "dump" 2 READ, KEY, Some("2.6"), [], "key", super::dump::run;
    "echo" 2 READ, NO_KEY, Some("1.0"), [], "message", super::echo::run;
    "exists" -2 READ, ALL_KEYS, Some("1.0"), [], "key [key ...]", super::exists::run;
    "expire" -3 WRITE, KEY, Some("1.0"), ["NX" "7.0", "XX" "7.0", "GT" "7.0", "LT" "7.0"],
        "key seconds [NX | XX | GT | LT]", super::expire::run_seconds;
    "flushall" -1 WRITE, NO_KEY, Some("1.0"), ["ASYNC" "4.0", "SYNC" "6.2"], "[ASYNC | SYNC]", super::flush::run_all;
    "flushdb" -1 WRITE, NO_KEY, Some("1.0"), ["ASYNC" "4.0", "SYNC" "6.2"], "[ASYNC | SYNC]",
        super::flush::run_database;
    "get" 2 READ, KEY, Some("1.0"), [], "key", super::get::run;
    "persist" 2 WRITE, KEY, Some("2.2"), [], "key", super::persist::run;
    "pexpire" -3 WRITE, KEY, Some("2.6"), ["NX" "7.0", "XX" "7.0", "GT" "7.0", "LT" "7.0"],
        "key milliseconds [NX | XX | GT | LT]", super::expire::run_milliseconds;
    "ping" -1 READ, NO_KEY, Some("1.0"), [], "[message]", super::ping::run;
    "pttl" 2 READ, KEY, Some("2.6"), [], "key", super::ttl::run_milliseconds;
    "rename" 3 WRITE, KeyPositions::Range { first: 1, last: 2 }, Some("1.0"), [], "key newkey", super::rename::run;
    "restore" -4 ADD, KEY, Some("2.6"), ["REPLACE" "3.0", "ABSTTL" "5.0", "IDLETIME" "5.0", "FREQ" "5.0"],
        "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]", super::restore::run;
    "set" -3 ADD, KEY, Some("1.0"), ["NX" "2.6.12", "XX" "2.6.12", "GET" "6.2", "EX" "2.6.12", "PX" "2.6.12",
        "EXAT" "6.2", "PXAT" "6.2", "KEEPTTL" "6.0"],
        "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
        super::set::run;
    "time" 1 READ, NO_KEY, Some("2.6"), [], "", super::time::run;
    "ttl" 2 READ, KEY, Some("1.0"), [], "key", super::ttl::run_seconds;
    "type" 2 READ, KEY, Some("1.0"), [], "key", super::type_of::run;
    "xack" -4 WRITE, KEY, Some("5.0"), [], "key group id [id ...]", super::xack::run;
    "xackdel" -6 WRITE, KEY, Some("8.2"), ["KEEPREF" "", "DELREF" "", "ACKED" "", "IDS" ""],
        "key group [KEEPREF | DELREF | ACKED] IDS numids id [id ...]", super::xackdel::run;
    "xadd" -5 ADD, KEY, Some("5.0"), ["NOMKSTREAM" "6.2", "KEEPREF" "8.2", "DELREF" "8.2", "ACKED" "8.2",
        "IDMPAUTO" "8.6", "IDMP" "8.6", "MAXLEN" "", "MINID" "6.2", "=" "", "~" "", "LIMIT" "6.2"],
        "key [NOMKSTREAM] [KEEPREF | DELREF | ACKED] [IDMPAUTO pid | IDMP pid iid] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | ms-* | id> field value [field value ...]",
        super::xadd::run;
    "xaddif" -6 ADD, KEY, None, [], "key expected-last-id <* | ms-* | id> field value [field value ...]",
        super::xaddif::run;
    "xautoclaim" -6 WRITE, KEY, Some("6.2"), ["COUNT" "", "JUSTID" ""],
        "key group consumer min-idle-time start [COUNT count] [JUSTID]", super::xautoclaim::run;
    "xcfgset" -2 WRITE, KEY, Some("8.6"), ["IDMP-DURATION" "", "IDMP-MAXSIZE" ""],
        "key [IDMP-DURATION seconds] [IDMP-MAXSIZE entries]", super::xcfgset::run;
    "xclaim" -6 WRITE, KEY, Some("5.0"), ["IDLE" "", "TIME" "", "RETRYCOUNT" "", "FORCE" "", "JUSTID" "", "LASTID" ""],
        "key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-ms] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID id]",
        super::xclaim::run;
    "xdel" -3 WRITE, KEY, Some("5.0"), [], "key id [id ...]", super::xdel::run;
    "xdelex" -5 WRITE, KEY, Some("8.2"), ["KEEPREF" "", "DELREF" "", "ACKED" "", "IDS" ""],
        "key [KEEPREF | DELREF | ACKED] IDS numids id [id ...]", super::xdelex::run;
    "xgroup" -2 CONTAINER, NO_KEY, Some("5.0"), [], "subcommand [argument ...]", super::no_container;
    "xgroup|create" -5 ADD, SUBKEY, Some("5.0"), ["MKSTREAM" "", "ENTRIESREAD" "7.0", "$" ""],
        "key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]", super::xgroup::create::run;
    "xgroup|createconsumer" 5 ADD, SUBKEY, Some("6.2"), [], "key group consumer", super::xgroup::createconsumer::run;
    "xgroup|delconsumer" 5 WRITE, SUBKEY, Some("5.0"), [], "key group consumer", super::xgroup::delconsumer::run;
    "xgroup|destroy" 4 WRITE, SUBKEY, Some("5.0"), [], "key group", super::xgroup::destroy::run;
    "xgroup|help" 2 READ, NO_KEY, Some("5.0"), [], "", super::xgroup::help::run;
    "xgroup|setid" -5 WRITE, SUBKEY, Some("5.0"), ["ENTRIESREAD" "7.0", "$" ""],
        "key group <id | $> [ENTRIESREAD entries-read]", super::xgroup::setid::run;
    "xidmprecord" 5 WRITE, KEY, Some("8.6.2"), [], "key pid iid id", super::xidmprecord::run;
    "xinfo" -2 CONTAINER, NO_KEY, Some("5.0"), [], "subcommand [argument ...]", super::no_container;
    "xinfo|consumers" 4 READ, SUBKEY, Some("5.0"), [], "key group", super::xinfo::consumers::run;
    "xinfo|groups" 3 READ, SUBKEY, Some("5.0"), [], "key", super::xinfo::groups::run;
    "xinfo|help" 2 READ, NO_KEY, Some("5.0"), [], "", super::xinfo::help::run;
    "xinfo|stream" -3 READ, SUBKEY, Some("5.0"), ["FULL" "6.0", "COUNT" "6.0"], "key [FULL [COUNT count]]",
        super::xinfo::stream::run;
    "xlen" 2 READ, KEY, Some("5.0"), [], "key", super::xlen::run;
    "xnack" -7 WRITE, KEY, Some("8.8"), ["SILENT" "", "FAIL" "", "FATAL" "", "IDS" "", "RETRYCOUNT" "", "FORCE" ""],
        "key group <SILENT | FAIL | FATAL> IDS numids id [id ...] [RETRYCOUNT count] [FORCE]", super::xnack::run;
    "xpending" -3 READ, KEY, Some("5.0"), ["IDLE" "6.2"], "key group [[IDLE min-idle-time] start end count [consumer]]",
        super::xpending::run;
    "xrange" -4 READ, KEY, Some("5.0"), ["COUNT" "", "-" "", "+" "", "(" "6.2"], "key start end [COUNT count]",
        super::xrange::run;
    "xread" -4 CommandFlags { blocking: true, ..READ }, STREAMS, Some("5.0"), ["COUNT" "", "MAXCOUNT" "8.10",
        "MAXSIZE" "8.10", "BLOCK" "", "STREAMS" "", "$" "", "+" "7.4"],
        "[COUNT count] [MAXCOUNT count] [MAXSIZE bytes] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
        super::xread::run;
    "xreadgroup" -7 CommandFlags { blocking: true, ..WRITE }, STREAMS, Some("5.0"), ["GROUP" "", "COUNT" "",
        "MAXCOUNT" "8.10", "MAXSIZE" "8.10", "BLOCK" "", "CLAIM" "8.4", "NOACK" "", "STREAMS" "", ">" ""],
        "GROUP group consumer [COUNT count] [MAXCOUNT count] [MAXSIZE bytes] [BLOCK milliseconds] [CLAIM min-idle-time] [NOACK] STREAMS key [key ...] id [id ...]",
        super::xreadgroup::run;
    "xrevrange" -4 READ, KEY, Some("5.0"), ["COUNT" "", "-" "", "+" "", "(" "6.2"], "key end start [COUNT count]",
        super::xrevrange::run;
    "xsetid" -3 ADD, KEY, Some("5.0"), ["ENTRIESADDED" "7.0", "MAXDELETEDID" "7.0"],
        "key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]", super::xsetid::run;
    "xtrim" -4 WRITE, KEY, Some("5.0"), ["MAXLEN" "", "MINID" "6.2", "=" "", "~" "", "LIMIT" "6.2", "KEEPREF" "8.2",
        "DELREF" "8.2", "ACKED" "8.2"],
        "key <MAXLEN | MINID> [= | ~] threshold [LIMIT count] [KEEPREF | DELREF | ACKED]", super::xtrim::run;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_its_names_fit() {
        assert!(TABLE.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(TABLE.iter().all(|command| command.name.len() <= NAME_BYTES_MAX));
    }

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(find(&[b"xAdD"]).unwrap().1.name, "xadd");
        assert_eq!(find(&[b"XGROUP", b"Create"]).unwrap().1.name, "xgroup|create");
        assert!(find(&[b"xgroup|create"]).is_err());
        for (place, command) in TABLE.iter().enumerate().filter(|(_, command)| !command.name.contains('|')) {
            for name in [command.name.to_lowercase(), command.name.to_uppercase()] {
                assert_eq!(find_name(name.as_bytes()).unwrap().0, place, "{name}");
            }
            assert!(find_name(&command.name.as_bytes()[1..]).is_none_or(|found| found.0 != place));
        }
        assert!(find(&[b"a-name-that-is-much-too-long-for-any-command"]).is_err());
        assert!(find(&[]).is_err());
    }
}
