//! Every error line, to the letter. Commands return values of [`Error`]; the sentence is written here and nowhere else.
//!
//! A line is a template in which `{}` stands for a value. Values are shown with carriage returns and line feeds as
//! blanks, so that a name chosen by a stranger cannot forge a second reply.
//!
//! *Design.* An error names its line, and at most one place in the request. What a line shows is looked up when it is
//! written, which happens in one place. So an error takes eight bytes and borrows nothing.
//!
//! *Why not the values themselves.* They took forty bytes, and every `?` on the way out copied them: a fifth of the code
//! of all commands.

use alloc::vec::Vec;

use crate::id::EntryId;
use crate::memory::OutOfMemory;
use crate::number::DecimalText;
use crate::reply::{Overflow, Reply};

/// A word of the request, told by how many words stand from it to the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place(u32);

impl Place {
    /// The word that begins the last `words` words.
    pub(crate) fn from_end(words: usize) -> Place {
        Place(u32::try_from(words).unwrap_or(u32::MAX))
    }
}

/// What error lines show.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    /// Its words.
    pub(crate) argv: &'a [&'a [u8]],
    /// The name of the command, or nothing if there is none of this name.
    pub(crate) command: &'static str,
    /// The largest size of a reply.
    pub(crate) bytes_max: usize,
    /// What the command has found out.
    pub(crate) known: Known<'a>,
}

/// What error lines show that is not the same words in each request of a command.
#[derive(Clone, Copy, Default)]
pub(crate) struct Known<'a> {
    /// The group through which is read.
    pub(crate) group: &'a [u8],
    /// The last ID of the stream.
    pub(crate) last_id: EntryId,
}

/// What `{}` stands for.
#[derive(Clone, Copy)]
enum Value {
    /// The name of the command.
    Command,
    /// The first word of the request in capitals.
    Title,
    /// The first word as it stands there, as far as it is shown.
    Name,
    /// As many of the words behind it as are shown.
    Arguments,
    /// The second word, as far as it is shown.
    Subcommand,
    /// The word at this position.
    Word(usize),
    /// The same as an entry ID.
    Id(usize),
    /// The word at the error's place.
    There,
    /// The same in capitals.
    KeywordThere,
    /// What the command has found out.
    KnownGroup,
    KnownLastId,
    /// The largest size of a reply.
    BytesMax,
}

/// From one list: the enum, the templates, and the values that fill them in order.
macro_rules! error_lines {
    ($( $name:ident $( ( $place:ident ) )? $( [ $($value:expr),+ ] )? = $line:literal; )+) => {
        /// What was wrong with a request.
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum Error {
            $( $name $( ($place) )?, )+
        }

        /// The templates of all error lines.
        pub(crate) const LINES: &[&str] = &[ $( $line, )+ ];

        impl Error {
            fn template(self) -> &'static str {
                match self {
                    $( Error::$name { .. } => $line, )+
                }
            }

            /// What fills the template.
            fn values(self) -> &'static [Value] {
                use Value::*;
                match self {
                    $( $( Error::$name { .. } => &[ $($value),+ ], )? )+
                    _ => &[],
                }
            }

            fn place(self) -> Option<Place> {
                match self {
                    $( $( Error::$name(place) => { let place: $place = place; Some(place) } )? )+
                    _ => None,
                }
            }
        }
    };
}

/// How many different first words the lines have, at most.
pub(crate) const PREFIXES_MAX: usize = 16;

/// How many bytes of an unknown command or subcommand, and of all arguments of the former, are shown.
const SHOWN_BYTES_MAX: usize = 128;

error_lines! {
    // Requests in general.
    UnknownCommand[Name] = "ERR unknown command '{}'";
    UnknownCommandWithArguments[Name, Arguments] = "ERR unknown command '{}', with args beginning with: {}";
    Arity[Command] = "ERR wrong number of arguments for '{}' command";
    UnknownSubcommand[Subcommand, Title] = "ERR unknown subcommand '{}'. Try {} HELP.";
    SubcommandSyntax[Subcommand, Title]
        = "ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP.";
    Syntax = "ERR syntax error";
    NotAnInteger = "ERR value is not an integer or out of range";
    WrongType = "WRONGTYPE Operation against a key holding the wrong kind of value";
    NoSuchKey = "ERR no such key";
    OutOfMemory = "OOM command not allowed when used memory > 'maxmemory'.";
    ReplyTooLarge[BytesMax] = "ERR the reply would be larger than {} bytes: ask for less, for example with COUNT";
    ExecAbort = "EXECABORT Transaction discarded because of previous errors.";
    DatabaseRange = "ERR DB index is out of range";
    InvalidExpire[Command] = "ERR invalid expire time in '{}' command";
    UnsupportedOption(Place)[There] = "ERR Unsupported option {}";
    ExpireConditions = "ERR NX and XX, GT or LT options at the same time are not compatible";
    ExpireLaterAndEarlier = "ERR GT and LT options at the same time are not compatible";
    BusyKey = "BUSYKEY Target key name already exists.";
    NegativeTtl = "ERR Invalid TTL value, must be >= 0";
    NegativeIdleTime = "ERR Invalid IDLETIME value, must be >= 0";
    FrequencyRange = "ERR Invalid FREQ value, must be >= 0 and <= 255";
    DumpVersion = "ERR DUMP payload version or checksum are wrong";
    DumpFormat = "ERR Bad data format";
    ValueTooLarge = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";

    // Entry IDs and ranges.
    InvalidId = "ERR Invalid stream ID specified as stream command argument";
    InvalidStart = "ERR invalid start ID for the interval";
    InvalidEnd = "ERR invalid end ID for the interval";

    // XADD and XTRIM.
    IdTooSmall = "ERR The ID specified in XADD is equal or smaller than the target stream top item";
    IdZero = "ERR The ID specified in XADD must be greater than 0-0";
    IdsExhausted = "ERR The stream has exhausted the last possible ID, unable to add more items";
    EntryTooLarge = "ERR Elements are too large to be stored";
    TwoThresholds = "ERR syntax error, MAXLEN and MINID options at the same time are not compatible";
    NegativeMaxLen = "ERR The MAXLEN argument must be >= 0.";
    NegativeLimit = "ERR The LIMIT argument must be >= 0.";
    LimitWithoutThreshold = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy";
    LimitWithoutTilde = "ERR syntax error, LIMIT cannot be used without the special ~ option";
    NoThreshold = "ERR syntax error, XTRIM must be called with a trimming strategy";
    IdmpTwice = "ERR syntax error, IDMP/IDMPAUTO specified multiple times";
    IdmpNoProducer(Place)[KeywordThere] = "ERR syntax error, {} requires a non-empty producer ID";
    IdmpNoId = "ERR syntax error, IDMP requires a non-empty idempotent ID";
    IdmpExplicitId = "ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs";
    LastIdMismatch[KnownLastId, Id(2)] = "LASTID The last ID of the stream is {}, not the expected {}";

    // Reads.
    Unbalanced[Command]
        = "ERR Unbalanced '{}' list of streams: for each stream key an ID, '+', or '$' must be specified.";
    UnbalancedGroupRead[Command]
        = "ERR Unbalanced '{}' list of streams: for each stream key an ID or '>' must be specified.";
    OnlyGroupRead(Place)[KeywordThere]
        = "ERR The {} option is only supported by XREADGROUP. You called XREAD instead.";
    OnlyGroupNew = "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.";
    MeaninglessId(Place)[There, There]
        = "ERR The {} ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The {} ID would just return an empty result set.";
    MissingGroup = "ERR Missing GROUP option for XREADGROUP";
    TimeoutNotInteger = "ERR timeout is not an integer or out of range";
    TimeoutNegative = "ERR timeout is negative";
    TimeoutOutOfRange = "ERR timeout is out of range";
    MinIdleNotInteger = "ERR min-idle-time is not an integer or out of range";
    MinIdleNegative = "ERR min-idle-time must be a positive integer";
    MaxCountNotPositive = "ERR MAXCOUNT must be a positive integer";
    MaxSizeNotPositive = "ERR MAXSIZE must be a positive integer";
    MaxCountBelowCount = "ERR MAXCOUNT must be greater than or equal to COUNT";

    // Groups.
    NoGroupForRead(Place)[There, KnownGroup]
        = "NOGROUP No such key '{}' or consumer group '{}' in XREADGROUP with GROUP option";
    NoKeyOrGroup[Word(1), Word(2)] = "NOGROUP No such key '{}' or consumer group '{}'";
    NoGroup[Word(3), Word(2)] = "NOGROUP No such consumer group '{}' for key name '{}'";
    GroupExists = "BUSYGROUP Consumer Group name already exists";
    GroupNeedsKey = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.";
    EntriesReadNegative = "ERR value for ENTRIESREAD must be positive or -1";

    // Pending entries.
    InvalidMinIdle[Title] = "ERR Invalid min-idle-time argument for {}";
    InvalidClaimOption(Place)[KeywordThere] = "ERR Invalid {} option argument for XCLAIM";
    UnknownClaimOption(Place)[There] = "ERR Unrecognized XCLAIM option '{}'";
    CountNotPositive = "ERR COUNT must be > 0";
    CountTooLarge = "ERR Insufficient memory, failed allocating transient memory, COUNT too high.";
    NackMode = "ERR mode must be SILENT, FAIL, or FATAL";
    NackNumIds = "ERR numids must be a positive integer";
    NackNumIdsMismatch = "ERR number of IDs doesn't match numids";
    UnknownNackOption(Place)[There] = "ERR Unrecognized XNACK option '{}'";
    NackIdsExpected = "ERR syntax error, expected IDS keyword";
    NackRetryCount = "ERR Invalid RETRYCOUNT value, must be >= 0";

    // XDELEX and XACKDEL.
    NumIdsNotPositive = "ERR Number of IDs must be a positive integer";
    NumIdsMismatch = "ERR The `numids` parameter must match the number of arguments";
    IdsRequired = "ERR IDS option is required";

    // XSETID, XCFGSET and XIDMPRECORD.
    SetIdBelowTop = "ERR The ID specified in XSETID is smaller than the target stream top item";
    SetIdBelowDeleted = "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id";
    SetIdBelowGivenDeleted = "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id";
    EntriesAddedBelowLength = "ERR The entries_added specified in XSETID is smaller than the target stream length";
    EntriesAddedNegative = "ERR entries_added must be positive";
    NothingToConfigure = "ERR At least one parameter must be specified";
    IdmpDurationRange = "ERR IDMP-DURATION must be between 1 and 86400 seconds";
    IdmpMaxSizeRange = "ERR IDMP-MAXSIZE must be between 1 and 10000 entries";
    ConfiguredTwice(Place)[KeywordThere] = "ERR {} specified multiple times";
    NoSuchMessage = "ERR No such message in stream";
    EmptyProducer = "ERR producer ID must be non-empty";
    EmptyIdempotentId = "ERR idempotent ID must be non-empty";
    IdempotentIdTaken = "ERR IID already exists for this producer with a different stream ID";
}

/// The templates of all error lines, `{}` standing for a value of the request.
pub fn error_lines() -> &'static [&'static str] {
    LINES
}

impl From<OutOfMemory> for Error {
    fn from(_: OutOfMemory) -> Self {
        Error::OutOfMemory
    }
}

impl From<Overflow> for Error {
    fn from(overflow: Overflow) -> Self {
        match overflow {
            Overflow::TooLarge => Error::ReplyTooLarge,
            Overflow::OutOfMemory => Error::OutOfMemory,
        }
    }
}

impl Error {
    /// The first word of the line, by which errors are counted.
    pub(crate) fn prefix(self) -> &'static str {
        let line = self.template();
        let end = line.bytes().position(|byte| byte == b' ');
        end.and_then(|end| line.get(..end)).unwrap_or(line)
    }

    /// Writes the line as a reply.
    pub(crate) fn reply(self, request: &Request<'_>, reply: &mut Reply) {
        let mut line = Vec::new();
        if line.try_reserve(512).is_err() {
            reply.error(Error::OutOfMemory.template().as_bytes());
            return;
        }
        self.write(request, &mut line);
        reply.error(&line);
    }

    /// Writes the line.
    fn write(self, request: &Request<'_>, line: &mut Vec<u8>) {
        let mut values = self.values().iter();
        // A hole is the only thing that has braces.
        for &byte in self.template().as_bytes() {
            match byte {
                b'{' => {}
                b'}' => values.next().into_iter().for_each(|&value| self.write_value(value, request, line)),
                _ => write_shown(&[byte], line),
            }
        }
        // As Redis does: line ends behind the line are cut off, and those within it are blanks.
        while let Some(b'\r' | b'\n') = line.last() {
            line.pop();
        }
        for byte in line.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')) {
            *byte = b' ';
        }
    }

    fn write_value(self, value: Value, request: &Request<'_>, line: &mut Vec<u8>) {
        let word = |at: usize| request.argv.get(at).copied().unwrap_or_default();
        let from_end = self.place().map_or(0, |place| place.0 as usize);
        let there = word(request.argv.len().wrapping_sub(from_end));
        match value {
            Value::Command => write_shown(request.command.as_bytes(), line),
            Value::Title => write_capitals(word(0), line),
            Value::Name => write_shown(cut(word(0), SHOWN_BYTES_MAX), line),
            Value::Arguments => write_arguments(request.argv.get(1..).unwrap_or_default(), line),
            Value::Subcommand => write_shown(cut(word(1), SHOWN_BYTES_MAX), line),
            Value::Word(at) => write_shown(word(at), line),
            Value::Id(at) => write_id(EntryId::parse(word(at), 0).unwrap_or_default(), line),
            Value::There => write_shown(there, line),
            Value::KeywordThere => write_capitals(there, line),
            Value::KnownGroup => write_shown(request.known.group, line),
            Value::KnownLastId => write_id(request.known.last_id, line),
            Value::BytesMax => {
                write_shown(DecimalText::new(i64::try_from(request.bytes_max).unwrap_or(i64::MAX)).as_bytes(), line);
            }
        }
    }
}

/// Shows bytes, with room for the rest of the line; leaves out what there is no memory for.
fn write_shown(bytes: &[u8], line: &mut Vec<u8>) {
    if line.try_reserve(bytes.len() + 256).is_ok() {
        line.extend_from_slice(bytes);
    }
}

fn write_capitals(bytes: &[u8], line: &mut Vec<u8>) {
    let start = line.len();
    write_shown(bytes, line);
    line.get_mut(start..).unwrap_or_default().make_ascii_uppercase();
}

fn write_id(id: EntryId, line: &mut Vec<u8>) {
    write_shown(id.to_text().as_bytes(), line);
}

/// As many arguments as fit, each in quotes.
fn write_arguments(arguments: &[&[u8]], line: &mut Vec<u8>) {
    let mut shown = 0;
    for argument in arguments {
        if shown >= SHOWN_BYTES_MAX {
            break;
        }
        let argument = cut(argument, SHOWN_BYTES_MAX - shown);
        line.push(b'\'');
        write_shown(argument, line);
        line.extend_from_slice(b"' ");
        shown += argument.len() + 3;
    }
}

/// The first bytes of a word, as far as it is shown.
fn cut(bytes: &[u8], bytes_max: usize) -> &[u8] {
    bytes.get(..bytes_max).unwrap_or(bytes)
}
