//! Appends an entry.
//!
//! Syntax: `XADD key [NOMKSTREAM] [KEEPREF | DELREF | ACKED] [IDMPAUTO pid | IDMP pid iid]
//! [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | ms-* | id> field value [field value ...]`.
//! See <https://redis.io/docs/latest/commands/xadd/>.
//!
//! Differs from Redis in the hash of IDMPAUTO, which nobody sees, and in the age of producers' IDs, which is counted
//! from when they came and not from the entry's ID.

use xxhash_rust::xxh64::Xxh64;

use super::args::Args;
use super::threshold::TrimOptions;
use super::{Call, found_stream};
use crate::engine::KeyRef;
use crate::engine::effect::Effect;
use crate::error::Error;
use crate::id::EntryId;

/// The most bytes the names and values of one entry may have together.
const ENTRY_BYTES_MAX: usize = 1 << 30;

/// The ID asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NewId {
    /// `*`
    Auto,
    /// `ms-*`
    AutoSeq(u64),
    /// `ms-seq`
    Exact(EntryId),
}

/// Who appends idempotently.
#[derive(Clone, Copy)]
enum Idempotent<'a> {
    /// IDMP, with the producer's own ID.
    Given { producer: &'a [u8], iid: &'a [u8] },
    /// IDMPAUTO, with an ID made from the fields.
    Hashed { producer: &'a [u8] },
}

struct Xadd<'a> {
    key: &'a [u8],
    creates: bool,
    idempotent: Option<Idempotent<'a>>,
    trim: TrimOptions,
    id: NewId,
    fields: &'a [&'a [u8]],
}

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    Xadd::parse(call.argv)?.run(call)
}

impl<'a> Xadd<'a> {
    fn parse(argv: &'a [&'a [u8]]) -> Result<Xadd<'a>, Error> {
        let mut args = Args::new(argv, 1);
        let key = args.word()?;
        let (mut creates, mut idempotent, mut trim) = (true, None, TrimOptions::default());
        // All options begin with a letter, and no ID does: most requests need not be compared with any option.
        while args.peek().is_some_and(|word| word.first().is_some_and(u8::is_ascii_alphabetic))
            && (trim.accept(&mut args)?
                || accept_create(&mut args, &mut creates)
                || accept_idmp(&mut args, &mut idempotent)?)
        {}
        let id = NewId::parse(args.next().ok_or(Error::Arity)?)?;
        if idempotent.is_some() && id != NewId::Auto {
            return Err(Error::IdmpExplicitId);
        }
        trim.check(false)?;
        let fields = fields(&args)?;
        id.check()?;
        Ok(Xadd { key, creates, idempotent, trim, id, fields })
    }

    fn run(self, call: &mut Call<'_, 'a>) -> Result<(), Error> {
        let found = call.lookup_stream(self.key)?;
        if found.is_none() && !self.creates {
            call.reply.null();
            return Ok(());
        }
        let mut hashed = [0; 16];
        let produced = self.idempotent.map(|idempotent| idempotent.resolve(self.fields, &mut hashed));
        if let (Some(at), Some((producer, iid))) = (found, produced)
            && answer_duplicate(call, at, producer, iid)
        {
            return Ok(());
        }
        let (at, id) = append(call, found, self.key, self.id, self.fields, produced)?;
        // The entry is there. Should there be no memory to trim, the stream stays longer until the next XADD.
        let _ = self.trim.run(call, at);
        call.reply.id(id);
        call.count_changes(1);
        Ok(())
    }
}

fn accept_create(args: &mut Args<'_>, creates: &mut bool) -> bool {
    let found = args.keyword("NOMKSTREAM");
    *creates &= !found;
    found
}

fn accept_idmp<'a>(args: &mut Args<'a>, idempotent: &mut Option<Idempotent<'a>>) -> Result<bool, Error> {
    let hashed = args.len() > 1 && args.keyword("IDMPAUTO");
    let given = args.len() > 2 && args.keyword("IDMP");
    if !hashed && !given {
        return Ok(false);
    }
    if idempotent.is_some() {
        return Err(Error::IdmpTwice);
    }
    let keyword = args.taken();
    let producer = args.word()?;
    if producer.is_empty() {
        return Err(Error::IdmpNoProducer(keyword));
    }
    *idempotent = Some(if hashed {
        Idempotent::Hashed { producer }
    } else {
        let iid = args.word()?;
        if iid.is_empty() {
            return Err(Error::IdmpNoId);
        }
        Idempotent::Given { producer, iid }
    });
    Ok(true)
}

impl NewId {
    /// `*`, `ms-*`, or an ID; a missing sequence is 0.
    pub(super) fn parse(word: &[u8]) -> Result<NewId, Error> {
        if word == b"*" {
            return Ok(NewId::Auto);
        }
        if let Some(ms) = EntryId::parse_auto_seq(word) {
            return Ok(NewId::AutoSeq(ms));
        }
        EntryId::parse(word, 0).map(NewId::Exact).ok_or(Error::InvalidId)
    }

    /// Refuses the one ID that no entry can have.
    pub(super) fn check(self) -> Result<(), Error> {
        if self == NewId::Exact(EntryId::MIN) { Err(Error::IdZero) } else { Ok(()) }
    }

    /// The ID that follows `last`.
    fn resolve(self, last: EntryId, now_ms: u64) -> Result<EntryId, Error> {
        if last == EntryId::MAX {
            return Err(Error::IdsExhausted);
        }
        match self {
            NewId::Auto => last.next_auto(now_ms).ok_or(Error::IdsExhausted),
            NewId::AutoSeq(ms) => last.next_within(ms).ok_or(Error::IdTooSmall),
            NewId::Exact(id) if id > last => Ok(id),
            NewId::Exact(_) => Err(Error::IdTooSmall),
        }
    }
}

/// The names and values at the end of a request.
pub(super) fn fields<'a>(args: &Args<'a>) -> Result<&'a [&'a [u8]], Error> {
    let fields = args.rest();
    if fields.is_empty() || fields.len() % 2 == 1 {
        return Err(Error::Arity);
    }
    Ok(fields)
}

/// Appends an entry to a stream, which is created if it was not found. All memory is there before anything changes.
pub(super) fn append<'a>(
    call: &mut Call<'_, 'a>,
    found: Option<KeyRef>,
    key: &'a [u8],
    id: NewId,
    fields: &'a [&'a [u8]],
    produced: Option<(&[u8], &[u8])>,
) -> Result<(KeyRef, EntryId), Error> {
    let last = found.and_then(|at| call.engine.stream(at)).map_or(EntryId::MIN, |stream| stream.last_id());
    let id = id.resolve(last, call.now_ms)?;
    if fields.iter().fold(0usize, |bytes, field| bytes.saturating_add(field.len())) > ENTRY_BYTES_MAX {
        return Err(Error::EntryTooLarge);
    }
    let at = match found {
        Some(at) => at,
        None => call.create_stream(key)?,
    };
    let added = add(call, at, id, fields, produced);
    if added.is_err() && found.is_none() {
        call.commit(at, &Effect::Remove)?;
    }
    added.map(|()| (at, id))
}

fn add(
    call: &mut Call<'_, '_>,
    at: KeyRef,
    id: EntryId,
    fields: &[&[u8]],
    produced: Option<(&[u8], &[u8])>,
) -> Result<(), Error> {
    let limits = call.engine.node_limits();
    let opens_node = found_stream(call.engine, at)?.opens_node(fields, limits);
    let add = Effect::Add { id, opens_node, fields };
    let Some((producer, iid)) = produced else { return call.commit(at, &add) };
    call.engine.reserve_add(at, fields, opens_node)?;
    call.promise(at, &add)?;
    call.commit(at, &Effect::Produced { producer, iid, id, at_ms: call.now_ms })?;
    call.commit_promised(at, &add)
}

/// Answers an append that was made before with the ID it got then.
fn answer_duplicate(call: &mut Call<'_, '_>, at: KeyRef, producer: &[u8], iid: &[u8]) -> bool {
    let Some(stream) = call.engine.stream_mut(at) else { return false };
    let Some(id) = stream.producers().and_then(|producers| producers.find(producer, iid)) else { return false };
    stream.count_duplicate();
    call.reply.id(id);
    call.count_changes(1);
    true
}

impl<'a> Idempotent<'a> {
    /// The producer and its ID, which for IDMPAUTO is written into `hashed`.
    fn resolve<'h>(self, fields: &[&[u8]], hashed: &'h mut [u8; 16]) -> (&'h [u8], &'h [u8])
    where
        'a: 'h,
    {
        match self {
            Idempotent::Given { producer, iid } => (producer, iid),
            Idempotent::Hashed { producer } => {
                *hashed = hash_fields(fields);
                (producer, &*hashed)
            }
        }
    }
}

/// A hash of all pairs of name and value that does not depend on their order: two sums of 64-bit hashes.
fn hash_fields(fields: &[&[u8]]) -> [u8; 16] {
    let mut sums = [0u64; 2];
    let (pairs, _) = fields.as_chunks::<2>();
    for [name, value] in pairs {
        for (seed, sum) in sums.iter_mut().enumerate() {
            let mut hasher = Xxh64::new(seed as u64);
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name);
            hasher.update(value);
            *sum = sum.wrapping_add(hasher.digest());
        }
    }
    let [low, high] = sums;
    (u128::from(low) | u128::from(high) << 64).to_le_bytes()
}
