//! What XREAD and XREADGROUP have in common: their options, and how much they may return.

use super::Call;
use super::args::{Args, integer};
use crate::error::Error;
use crate::number::parse_i64;
use crate::reply::{Mark, OpenArray, Protocol, Reply};

/// The options of both commands, those of groups included.
pub(super) struct ReadOptions<'a> {
    pub(super) group: Option<(&'a [u8], &'a [u8])>,
    pub(super) limits: ReadLimits,
    /// How long to wait, if at all; 0 is for ever.
    pub(super) block_ms: Option<u64>,
    /// CLAIM's least idle time.
    pub(super) claim_ms: Option<u64>,
    pub(super) no_ack: bool,
    /// Where the keys begin among the words.
    pub(super) first_key: usize,
    pub(super) keys: &'a [&'a [u8]],
    pub(super) ids: &'a [&'a [u8]],
}

/// How much a read may return.
#[derive(Clone, Copy, Default)]
pub(super) struct ReadLimits {
    /// COUNT: entries of each stream.
    count: Option<u64>,
    /// MAXCOUNT: entries of all streams.
    max_count: Option<u64>,
    /// MAXSIZE: reply bytes after which no further entry is begun.
    max_size: Option<u64>,
}

impl<'a> ReadOptions<'a> {
    /// Reads the words of XREAD, or of XREADGROUP.
    pub(super) fn parse(argv: &'a [&'a [u8]], is_group_read: bool) -> Result<ReadOptions<'a>, Error> {
        let mut args = Args::new(argv, 1);
        let mut options = ReadOptions {
            group: None,
            limits: ReadLimits::default(),
            block_ms: None,
            claim_ms: None,
            no_ack: false,
            first_key: 0,
            keys: &[],
            ids: &[],
        };
        while args.len() > 0 {
            if args.len() > 1 && args.keyword("STREAMS") {
                options.accept_streams(&mut args, argv.len(), is_group_read)?;
            } else if !options.accept(&mut args, is_group_read)? {
                return Err(Error::Syntax);
            }
        }
        if options.keys.is_empty() {
            return Err(Error::Syntax);
        }
        if is_group_read && options.group.is_none() {
            return Err(Error::MissingGroup);
        }
        options.limits.check()?;
        Ok(options)
    }

    /// Takes one option with its operand.
    fn accept(&mut self, args: &mut Args<'a>, is_group_read: bool) -> Result<bool, Error> {
        let has_operand = args.len() > 1;
        if has_operand && args.keyword("BLOCK") {
            self.block_ms = Some(timeout(args.word()?)?);
        } else if has_operand && args.keyword("COUNT") {
            self.limits.count = u64::try_from(args.integer()?).ok().filter(|&count| count > 0);
        } else if has_operand && args.keyword("MAXCOUNT") {
            self.limits.max_count = Some(positive(args.word()?).ok_or(Error::MaxCountNotPositive)?);
        } else if has_operand && args.keyword("MAXSIZE") {
            self.limits.max_size = Some(positive(args.word()?).ok_or(Error::MaxSizeNotPositive)?);
        } else if args.len() > 2 && args.keyword("GROUP") {
            only_group_read(args, is_group_read)?;
            self.group = Some((args.word()?, args.word()?));
        } else if args.keyword("NOACK") {
            only_group_read(args, is_group_read)?;
            self.no_ack = true;
        } else if has_operand && args.keyword("CLAIM") {
            only_group_read(args, is_group_read)?;
            let min_idle = parse_i64(args.word()?).ok_or(Error::MinIdleNotInteger)?;
            self.claim_ms = Some(u64::try_from(min_idle).map_err(|_| Error::MinIdleNegative)?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn accept_streams(&mut self, args: &mut Args<'a>, words: usize, is_group_read: bool) -> Result<(), Error> {
        self.first_key = words - args.len();
        let half = args.len() / 2;
        if args.len() % 2 == 1 {
            return Err(if is_group_read { Error::UnbalancedGroupRead } else { Error::Unbalanced });
        }
        self.keys = args.take(half).unwrap_or(&[]);
        self.ids = args.take(half).unwrap_or(&[]);
        Ok(())
    }

    /// Keys and their IDs.
    pub(super) fn streams(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + 'a {
        self.keys.iter().copied().zip(self.ids.iter().copied())
    }

    /// When a wait that begins now ends.
    pub(super) fn deadline_ms(&self, now_ms: u64) -> Option<u64> {
        self.block_ms.filter(|&block_ms| block_ms > 0).map(|block_ms| now_ms.saturating_add(block_ms))
    }
}

impl ReadLimits {
    fn check(&self) -> Result<(), Error> {
        match (self.max_count, self.count) {
            (Some(max_count), Some(count)) if max_count < count => Err(Error::MaxCountBelowCount),
            _ => Ok(()),
        }
    }
}

fn only_group_read(args: &Args<'_>, is_group_read: bool) -> Result<(), Error> {
    if is_group_read { Ok(()) } else { Err(Error::OnlyGroupRead(args.taken())) }
}

fn positive(word: &[u8]) -> Option<u64> {
    integer(word).ok().and_then(|value| u64::try_from(value).ok()).filter(|&value| value > 0)
}

/// The timeout of a blocking command, in milliseconds. One that the clock could not be added to is out of range.
fn timeout(word: &[u8]) -> Result<u64, Error> {
    let timeout = parse_i64(word).ok_or(Error::TimeoutNotInteger)?;
    let timeout = u64::try_from(timeout).map_err(|_| Error::TimeoutNegative)?;
    if timeout > i64::MAX.unsigned_abs() - (1 << 48) { Err(Error::TimeoutOutOfRange) } else { Ok(timeout) }
}

/// The reply of a read as it grows: an array of streams, each with its entries, within the limits.
pub(super) struct Reading {
    limits: ReadLimits,
    protocol: Protocol,
    streams: OpenArray,
    streams_len: usize,
    /// Entries written in all.
    written: u64,
    /// Reply bytes up to `measured`.
    bytes: u64,
    measured: Mark,
}

/// The part of one stream.
pub(super) struct StreamPart {
    mark: Mark,
    entries: OpenArray,
    written_before: u64,
    bytes_before: u64,
    measured_before: Mark,
}

impl Reading {
    /// Begins the reply.
    pub(super) fn begin(call: &mut Call<'_, '_>, limits: ReadLimits) -> Reading {
        let measured = call.start;
        let streams = call.reply.open_pairs();
        let protocol = call.session.protocol;
        Reading { limits, protocol, streams, streams_len: 0, written: 0, bytes: 0, measured }
    }

    /// Begins the part of a stream.
    pub(super) fn open_stream(&mut self, reply: &mut Reply, key: &[u8]) -> StreamPart {
        let mark = reply.mark();
        let (written_before, bytes_before, measured_before) = (self.written, self.bytes, self.measured);
        if self.protocol == Protocol::Resp2 {
            // The key and its entries are an array of two, which the reply does not show yet.
            self.bytes += 4;
        }
        reply.bulk(key);
        let entries = reply.open_array();
        StreamPart { mark, entries, written_before, bytes_before, measured_before }
    }

    /// Ends the part of a stream.
    pub(super) fn close_stream(&mut self, reply: &mut Reply, part: StreamPart) {
        let len = self.written - part.written_before;
        if self.limits.max_size.is_some() {
            // So far the length counted as one digit.
            self.measure(reply);
            self.bytes += u64::from(len.checked_ilog10().unwrap_or(0));
        }
        reply.close_array(part.entries, len as usize);
        self.streams_len += 1;
    }

    /// Takes the part of a stream back.
    pub(super) fn drop_stream(&mut self, reply: &mut Reply, part: StreamPart) {
        reply.truncate(part.mark);
        self.written = part.written_before;
        self.bytes = part.bytes_before;
        self.measured = part.measured_before;
    }

    /// Whether one more entry of this stream may be written.
    pub(super) fn allows(&mut self, reply: &Reply, part: &StreamPart) -> bool {
        let of_stream = self.written - part.written_before;
        self.limits.count.is_none_or(|count| of_stream < count) && !self.is_full(reply) && reply.check().is_ok()
    }

    /// Whether a limit for all streams together is reached: then later streams do not appear at all. The first entry
    /// is always written, whatever MAXSIZE says.
    pub(super) fn is_full(&mut self, reply: &Reply) -> bool {
        self.limits.max_count.is_some_and(|max_count| self.written >= max_count)
            || self.limits.max_size.is_some_and(|max_size| self.written > 0 && self.measure(reply) >= max_size)
    }

    /// Counts an entry that was written.
    pub(super) fn count_entry(&mut self) {
        self.written += 1;
    }

    /// How many entries were written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// How many streams were written.
    pub(super) fn streams_len(&self) -> usize {
        self.streams_len
    }

    /// Ends the reply.
    pub(super) fn finish(self, reply: &mut Reply) {
        reply.close_array(self.streams, self.streams_len);
    }

    /// The reply bytes so far, as if every array that is still open were empty. Only what came since the last time is
    /// looked at.
    fn measure(&mut self, reply: &Reply) -> u64 {
        self.bytes += reply.wire_bytes_since(self.measured, self.protocol);
        self.measured = reply.mark();
        self.bytes
    }
}
