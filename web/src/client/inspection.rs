//! What there is in a database, as plain data, for people to look at.
//!
//! It is made of the replies of XINFO, at one moment: nothing is called in between.

use alloc::vec::Vec;

use brooklet::{EntryId, Reply};

use super::database::Brooklet;
use super::error::{Error, Result};
use super::reading::Walk;
use super::words::Words;

/// What there is in a database. Streams, groups and consumers are in the order of their names.
///
/// In JavaScript, names are text where they can be, else a `Uint8Array`; IDs are text; and counts beyond 2^53, which
/// only XSETID makes, are rounded. What there is not is `undefined`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct Inspection {
    /// The memory that the engine holds by its own account, in bytes.
    pub memory_bytes: u64,
    /// How many readers wait.
    pub waiting_readers: u64,
    /// All streams.
    pub streams: Vec<StreamInspection>,
}

/// A stream.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct StreamInspection {
    /// Its name.
    #[cfg_attr(feature = "serde", serde(serialize_with = "plain::name"))]
    pub name: Vec<u8>,
    /// How many entries it has.
    pub length: u64,
    /// The ID of its first entry, `0-0` if it has none.
    #[cfg_attr(feature = "serde", serde(serialize_with = "plain::id"))]
    pub first_id: EntryId,
    /// The last ID that it ever had.
    #[cfg_attr(feature = "serde", serde(serialize_with = "plain::id"))]
    pub last_id: EntryId,
    /// How many entries were ever added.
    #[cfg_attr(feature = "serde", serde(serialize_with = "plain::count"))]
    pub entries_added: u64,
    /// Its groups.
    pub groups: Vec<GroupInspection>,
}

/// A group of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct GroupInspection {
    /// Its name.
    #[cfg_attr(feature = "serde", serde(serialize_with = "plain::name"))]
    pub name: Vec<u8>,
    /// How many entries are pending.
    pub pending: u64,
    /// The last ID that was delivered.
    #[cfg_attr(feature = "serde", serde(serialize_with = "plain::id"))]
    pub last_delivered_id: EntryId,
    /// How many entries are still to be delivered, if that is known.
    #[cfg_attr(feature = "serde", serde(serialize_with = "plain::lag"))]
    pub lag: Option<i64>,
    /// Its consumers.
    pub consumers: Vec<ConsumerInspection>,
}

/// A consumer of a group.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "camelCase"))]
pub struct ConsumerInspection {
    /// Its name.
    #[cfg_attr(feature = "serde", serde(serialize_with = "plain::name"))]
    pub name: Vec<u8>,
    /// How many entries are pending for it.
    pub pending: u64,
    /// The time since it was last heard of.
    pub idle_ms: u64,
    /// The time since something was last delivered to it; `None` if nothing ever was.
    pub inactive_ms: Option<u64>,
}

impl Inspection {
    pub(super) fn of(database: &Brooklet) -> Result<Inspection> {
        let (memory_bytes, waiting_readers, mut names) = database.with_host(|host| {
            let names: Vec<Vec<u8>> = host.streams().map(Vec::from).collect();
            (host.memory(), host.statistics().waiting_readers() as u64, names)
        })?;
        names.sort_unstable();
        let mut streams = Vec::new();
        for name in names {
            match StreamInspection::of(database, name) {
                Ok(stream) => streams.push(stream),
                // It expired in this moment.
                Err(Error::Redis(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Inspection { memory_bytes, waiting_readers, streams })
    }
}

impl StreamInspection {
    fn of(database: &Brooklet, name: Vec<u8>) -> Result<StreamInspection> {
        let mut stream = StreamInspection {
            length: 0,
            first_id: EntryId::MIN,
            last_id: EntryId::MIN,
            entries_added: 0,
            groups: Vec::new(),
            name,
        };
        let reply = ask(database, Words::of("XINFO STREAM").word(&stream.name))?;
        read_map(&mut Walk::new(&reply), &mut |title, walk| {
            match title {
                b"length" => stream.length = walk.count()?,
                b"recorded-first-entry-id" => stream.first_id = walk.id()?,
                b"last-generated-id" => stream.last_id = walk.id()?,
                b"entries-added" => stream.entries_added = walk.count()?,
                _ => walk.skip()?,
            }
            Ok(())
        })?;
        let reply = ask(database, Words::of("XINFO GROUPS").word(&stream.name))?;
        let mut walk = Walk::new(&reply);
        for _ in 0..walk.array()? {
            let mut group = GroupInspection::read(&mut walk)?;
            let words = Words::of("XINFO CONSUMERS").word(&stream.name).word(&group.name);
            group.consumers = ConsumerInspection::read_all(&ask(database, words)?)?;
            stream.groups.push(group);
        }
        Ok(stream)
    }
}

impl GroupInspection {
    fn read(walk: &mut Walk<'_>) -> Result<GroupInspection> {
        let mut group = GroupInspection {
            name: Vec::new(),
            pending: 0,
            last_delivered_id: EntryId::MIN,
            lag: None,
            consumers: Vec::new(),
        };
        read_map(walk, &mut |title, walk| {
            match title {
                b"name" => group.name = walk.bytes()?.into(),
                b"pending" => group.pending = walk.count()?,
                b"last-delivered-id" => group.last_delivered_id = walk.id()?,
                b"lag" => group.lag = walk.integer_or_null()?,
                _ => walk.skip()?,
            }
            Ok(())
        })?;
        Ok(group)
    }
}

impl ConsumerInspection {
    fn read_all(reply: &Reply) -> Result<Vec<ConsumerInspection>> {
        let mut walk = Walk::new(reply);
        (0..walk.array()?).map(|_| ConsumerInspection::read(&mut walk)).collect()
    }

    fn read(walk: &mut Walk<'_>) -> Result<ConsumerInspection> {
        let mut consumer = ConsumerInspection { name: Vec::new(), pending: 0, idle_ms: 0, inactive_ms: None };
        read_map(walk, &mut |title, walk| {
            match title {
                b"name" => consumer.name = walk.bytes()?.into(),
                b"pending" => consumer.pending = walk.count()?,
                b"idle" => consumer.idle_ms = walk.count()?,
                b"inactive" => consumer.inactive_ms = u64::try_from(walk.integer()?).ok(),
                _ => walk.skip()?,
            }
            Ok(())
        })?;
        Ok(consumer)
    }
}

fn ask(database: &Brooklet, words: Words) -> Result<Reply> {
    // These commands never wait.
    database.run(&words).now().unwrap_or(Err(Error::Reply))
}

/// Reads a map; `read` is given each title, and reads or skips what stands beside it.
fn read_map(walk: &mut Walk<'_>, read: &mut dyn FnMut(&[u8], &mut Walk<'_>) -> Result<()>) -> Result<()> {
    for _ in 0..walk.map()? {
        let title = walk.bytes()?;
        read(title, walk)?;
    }
    Ok(())
}

/// How the parts look in JavaScript.
#[cfg(feature = "serde")]
mod plain {
    use brooklet::EntryId;
    use serde::{Serialize, Serializer};

    use crate::client::js::Plain;

    pub(super) fn name<S: Serializer>(name: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        Plain(name).serialize(serializer)
    }

    pub(super) fn id<S: Serializer>(id: &EntryId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(id.to_text().as_str())
    }

    /// Numbers of JavaScript are exact up to 2^53.
    pub(super) fn count<S: Serializer>(count: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(*count as f64)
    }

    pub(super) fn lag<S: Serializer>(lag: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        lag.map(|lag| lag as f64).serialize(serializer)
    }
}
