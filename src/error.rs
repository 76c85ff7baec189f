//! Every error line, to the letter. Commands return values of [`Error`]; the sentence is written here and nowhere else.
//!
//! A line is a template in which `{}` stands for a value of the request. Values are shown with carriage returns and
//! line feeds as blanks, so that a name chosen by a stranger cannot forge a second reply.

use alloc::vec::Vec;

use crate::id::EntryId;
use crate::memory::OutOfMemory;
use crate::number::DecimalText;
use crate::reply::{Overflow, Reply};

/// A value shown in an error line.
pub(crate) enum Piece<'a> {
    Bytes(&'a [u8]),
    Id(EntryId),
    Number(u64),
}

impl<'a> From<&'a [u8]> for Piece<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Piece::Bytes(bytes)
    }
}

impl<'a> From<&'static str> for Piece<'a> {
    fn from(text: &'static str) -> Self {
        Piece::Bytes(text.as_bytes())
    }
}

impl From<EntryId> for Piece<'_> {
    fn from(id: EntryId) -> Self {
        Piece::Id(id)
    }
}

impl From<u64> for Piece<'_> {
    fn from(number: u64) -> Self {
        Piece::Number(number)
    }
}

/// From one list: the enum, the templates, and the values that fill them in order.
macro_rules! error_lines {
    ($life:lifetime; $( $name:ident $( ( $($value:ident : $type:ty),+ ) )? = $line:literal; )+) => {
        /// What was wrong with a request.
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum Error<$life> {
            $( $name $( { $($value: $type),+ } )?, )+
            /// The one line that shows as many arguments as fit.
            UnknownCommand { argv: &$life [&$life [u8]] },
        }

        /// The templates of all error lines.
        pub(crate) const LINES: &[&str] = &[ $( $line, )+ UNKNOWN_COMMAND, UNKNOWN_COMMAND_ARGUMENTS ];

        impl<$life> Error<$life> {
            /// The template, and its values handed over one by one.
            fn describe(&self, value: &mut dyn FnMut(Piece<'_>)) -> &'static str {
                match *self {
                    $( Error::$name $( { $($value),+ } )? => { $( $( value(Piece::from($value)); )+ )? $line } )+
                    Error::UnknownCommand { .. } => UNKNOWN_COMMAND,
                }
            }
        }
    };
}

const UNKNOWN_COMMAND: &str = "ERR unknown command '{}'";
const UNKNOWN_COMMAND_ARGUMENTS: &str = "ERR unknown command '{}', with args beginning with: ";
/// How many different first words the lines have, at most.
pub(crate) const PREFIXES_MAX: usize = 16;

/// How many bytes of an unknown command or subcommand, and of all arguments of the former, are shown.
pub(crate) const SHOWN_BYTES_MAX: usize = 128;

error_lines! { 'a;
    // Requests in general.
    Arity(command: &'static str) = "ERR wrong number of arguments for '{}' command";
    UnknownSubcommand(subcommand: &'a [u8], command: &'static str) = "ERR unknown subcommand '{}'. Try {} HELP.";
    SubcommandSyntax(subcommand: &'a [u8], command: &'static str)
        = "ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP.";
    Syntax = "ERR syntax error";
    NotAnInteger = "ERR value is not an integer or out of range";
    WrongType = "WRONGTYPE Operation against a key holding the wrong kind of value";
    NoSuchKey = "ERR no such key";
    OutOfMemory = "OOM command not allowed when used memory > 'maxmemory'.";
    ReplyTooLarge(bytes_max: u64) = "ERR the reply would be larger than {} bytes: ask for less, for example with COUNT";
    ExecAbort = "EXECABORT Transaction discarded because of previous errors.";
    DatabaseRange = "ERR DB index is out of range";
    InvalidExpire(command: &'static str) = "ERR invalid expire time in '{}' command";
    UnsupportedOption(option: &'a [u8]) = "ERR Unsupported option {}";
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
    IdmpNoProducer(option: &'static str) = "ERR syntax error, {} requires a non-empty producer ID";
    IdmpNoId = "ERR syntax error, IDMP requires a non-empty idempotent ID";
    IdmpExplicitId = "ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs";
    LastIdMismatch(last: EntryId, expected: EntryId) = "LASTID The last ID of the stream is {}, not the expected {}";

    // Reads.
    Unbalanced(command: &'static str, special: &'static str)
        = "ERR Unbalanced '{}' list of streams: for each stream key an ID{} must be specified.";
    OnlyGroupRead(option: &'static str)
        = "ERR The {} option is only supported by XREADGROUP. You called XREAD instead.";
    OnlyGroupNew = "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.";
    MeaninglessId(id: &'static str, again: &'static str)
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
    NoGroupForRead(key: &'a [u8], group: &'a [u8])
        = "NOGROUP No such key '{}' or consumer group '{}' in XREADGROUP with GROUP option";
    NoKeyOrGroup(key: &'a [u8], group: &'a [u8]) = "NOGROUP No such key '{}' or consumer group '{}'";
    NoGroup(group: &'a [u8], key: &'a [u8]) = "NOGROUP No such consumer group '{}' for key name '{}'";
    GroupExists = "BUSYGROUP Consumer Group name already exists";
    GroupNeedsKey = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.";
    EntriesReadNegative = "ERR value for ENTRIESREAD must be positive or -1";

    // Pending entries.
    InvalidMinIdle(command: &'static str) = "ERR Invalid min-idle-time argument for {}";
    InvalidClaimOption(option: &'static str) = "ERR Invalid {} option argument for XCLAIM";
    UnknownClaimOption(option: &'a [u8]) = "ERR Unrecognized XCLAIM option '{}'";
    CountNotPositive = "ERR COUNT must be > 0";
    CountTooLarge = "ERR Insufficient memory, failed allocating transient memory, COUNT too high.";
    NackMode = "ERR mode must be SILENT, FAIL, or FATAL";
    NackNumIds = "ERR numids must be a positive integer";
    NackNumIdsMismatch = "ERR number of IDs doesn't match numids";
    UnknownNackOption(option: &'a [u8]) = "ERR Unrecognized XNACK option '{}'";
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
    ConfiguredTwice(option: &'static str) = "ERR {} specified multiple times";
    NoSuchMessage = "ERR No such message in stream";
    EmptyProducer = "ERR producer ID must be non-empty";
    EmptyIdempotentId = "ERR idempotent ID must be non-empty";
    IdempotentIdTaken = "ERR IID already exists for this producer with a different stream ID";
}

/// The templates of all error lines, `{}` standing for a value of the request.
pub fn error_lines() -> &'static [&'static str] {
    LINES
}

impl From<OutOfMemory> for Error<'_> {
    fn from(_: OutOfMemory) -> Self {
        Error::OutOfMemory
    }
}

impl Error<'_> {
    /// What a reply that could not be built turns into.
    pub(crate) fn from_overflow(overflow: Overflow, bytes_max: usize) -> Self {
        match overflow {
            Overflow::TooLarge => Error::ReplyTooLarge { bytes_max: bytes_max as u64 },
            Overflow::OutOfMemory => Error::OutOfMemory,
        }
    }

    /// The first word of the line, by which errors are counted.
    pub(crate) fn prefix(&self) -> &'static str {
        let line = self.describe(&mut |_| {});
        line.split_once(' ').map_or(line, |(prefix, _)| prefix)
    }

    /// Writes the line as a reply.
    pub(crate) fn reply(&self, reply: &mut Reply) {
        let mut line = Vec::new();
        if line.try_reserve(512).is_err() {
            reply.error(Error::OutOfMemory.describe(&mut |_| {}).as_bytes());
            return;
        }
        self.write(&mut line);
        reply.error(&line);
    }

    /// Writes the line.
    fn write(&self, line: &mut Vec<u8>) {
        match self {
            Error::UnknownCommand { argv } => write_unknown_command(argv, line),
            _ => self.write_template(line),
        }
        // As Redis does: line ends behind the line are cut off, and those within it are blanks.
        while let Some(b'\r' | b'\n') = line.last() {
            line.pop();
        }
        for byte in line.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')) {
            *byte = b' ';
        }
    }

    fn write_template(&self, line: &mut Vec<u8>) {
        let mut holes = self.describe(&mut |_| {}).split("{}");
        line.extend_from_slice(holes.next().unwrap_or("").as_bytes());
        self.describe(&mut |piece| {
            match piece {
                Piece::Bytes(bytes) => write_shown(bytes, line),
                Piece::Id(id) => line.extend_from_slice(id.to_text().as_bytes()),
                Piece::Number(number) => {
                    line.extend_from_slice(DecimalText::new(i64::try_from(number).unwrap_or(i64::MAX)).as_bytes());
                }
            }
            line.extend_from_slice(holes.next().unwrap_or("").as_bytes());
        });
    }
}

/// Shows a value of the request, with room for the rest of the line; leaves out what there is no memory for.
fn write_shown(bytes: &[u8], line: &mut Vec<u8>) {
    if line.try_reserve(bytes.len() + 256).is_ok() {
        line.extend_from_slice(bytes);
    }
}

/// The unknown command and as many of its arguments as fit, each in quotes.
fn write_unknown_command(argv: &[&[u8]], line: &mut Vec<u8>) {
    let Some((command, arguments)) = argv.split_first() else { return };
    let template = if arguments.is_empty() { UNKNOWN_COMMAND } else { UNKNOWN_COMMAND_ARGUMENTS };
    let (before, after) = template.split_once("{}").unwrap_or((template, ""));
    line.extend_from_slice(before.as_bytes());
    write_shown(cut(command, SHOWN_BYTES_MAX), line);
    line.extend_from_slice(after.as_bytes());
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
pub(crate) fn cut(bytes: &[u8], bytes_max: usize) -> &[u8] {
    bytes.get(..bytes_max).unwrap_or(bytes)
}
