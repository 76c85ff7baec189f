//! What is read: requests in a transaction that only reads, and what they amount to when it has ended.
//!
//! *Pages.* What one transaction reads lies in the browser's memory first, so its size has to be known before: so many
//! chunks as fill a page if they are as long as those of the page before, but at most 16 times as many as fill it if
//! they are all as long as can be. Of these as many are handed over as were asked for; those behind are read again.
//!
//! *What cannot be read.* Reading many values at once fails as a whole if one of them cannot be read, and that is the answer.
//! Where each has a request of its own, a failure is prevented from aborting the transaction, and is what is known about
//! that value. A value that is no `Uint8Array` was not stored by this storage: it is there, and cannot be read.

use alloc::vec::Vec;

use super::connection::{Access, Connection, Content, HEAD, LOG, META, PARTS};
use super::fence::{Row, epoch_of};
use super::js::{Arg, Js, Placing};
use super::{State, VALUE_BYTES_MAX};
use crate::storage::{Answer, Question, Request, StorageFault, Stored};

/// The key of the manifest in `meta`.
pub(super) const MANIFEST: &str = "manifest";

/// How many times more chunks a page may read than would fill it if they were as long as can be.
const PAGE_FACTOR_MAX: usize = 16;

/// What was asked for, as requests.
pub(super) enum Reading {
    Manifest(Js),
    Parts(Vec<Js>),
    PartIds(Js),
    /// The last row of an epoch.
    Epoch(Js),
    /// The same, to say what became of a batch that has failed.
    Verdict {
        newest: Js,
        epoch: u64,
        claims: bool,
        fault: StorageFault,
    },
    /// The first and the last key of the log.
    Bounds(Js, Js),
    Page {
        keys: Js,
        values: Js,
        limit: usize,
        bytes_max: usize,
    },
    /// The first key from some sequence on, and when it is known, its value.
    First {
        key: Js,
        value: Js,
    },
}

impl State {
    pub(super) fn read(&mut self, request: &Request<'_>, question: Question) {
        if matches!(self.connection, Connection::Absent) {
            return self.answer(question, nothing_to(request));
        }
        let store = match request {
            Request::ReadManifest => META,
            Request::ReadEpoch => HEAD,
            Request::ListParts | Request::ReadParts(_) => PARTS,
            _ => LOG,
        };
        self.transact(&[store], Access::Read, question, |state, placing| {
            let reading = match *request {
                Request::ReadManifest => Reading::Manifest(placing.place(store, "get", &[Arg::Text(MANIFEST)])),
                Request::ReadEpoch => Reading::Epoch(newest_epoch(placing)),
                Request::ListParts => Reading::PartIds(placing.place(store, "getAllKeys", &[])),
                Request::ReadParts(ids) => {
                    let mut values = Vec::new();
                    for &id in ids {
                        values.push(placing.place(store, "get", &[Arg::Number(id)]));
                    }
                    Reading::Parts(values)
                }
                Request::ReadLog { from_sequence, bytes_max: 0 } => {
                    let key = placing.place(store, "openKeyCursor", &[Arg::From(from_sequence)]);
                    state.hear_of(&key, &["onsuccess"]);
                    Reading::First { key, value: Js::MISSING }
                }
                Request::ReadLog { from_sequence, bytes_max } => {
                    let limit = page_limit(bytes_max, state.chunk_bytes);
                    let arguments = [Arg::From(from_sequence), Arg::Number(limit as u64)];
                    let keys = placing.place(store, "getAllKeys", &arguments);
                    let values = placing.place(store, "getAll", &arguments);
                    Reading::Page { keys, values, limit, bytes_max }
                }
                _ => Reading::Bounds(
                    placing.place(store, "openKeyCursor", &[]),
                    placing.place(store, "openKeyCursor", &[Arg::Missing, Arg::Text("prev")]),
                ),
            };
            Content::Reading(reading)
        });
    }

    pub(super) fn end_reading(&mut self, reading: &Reading, failure: Option<StorageFault>, question: Question) {
        let answer = match (failure, reading) {
            (None, _) => self.answer_to(reading),
            // Its key was read, so the storage works. Some browsers abort all the same.
            (_, Reading::First { value, .. }) if has_failed_alone(value) => self.answer_to(reading),
            (_, Reading::Verdict { fault, .. }) => Answer::Failed(*fault),
            (Some(fault), _) => Answer::Failed(fault),
        };
        self.answer(question, answer);
    }

    fn answer_to(&mut self, reading: &Reading) -> Answer {
        match reading {
            Reading::Manifest(request) => Answer::Value(stored(request)),
            Reading::Parts(requests) => Answer::Values(requests.iter().map(stored).collect()),
            Reading::PartIds(request) => {
                let keys = request.get("result");
                Answer::Ids((0..keys.length()).filter_map(|index| keys.item(index).as_number()).collect())
            }
            Reading::Epoch(request) => Answer::Number(epoch_in(request)),
            Reading::Verdict { newest, epoch, claims, fault } => {
                let newest = epoch_in(newest);
                let is_fenced = newest > *epoch || (*claims && newest == *epoch);
                if is_fenced { Answer::Fenced } else { Answer::Failed(*fault) }
            }
            Reading::Bounds(first, last) => Answer::Bounds(key_in(first).zip(key_in(last))),
            Reading::Page { keys, values, limit, bytes_max } => {
                self.page(&keys.get("result"), &values.get("result"), *limit, *bytes_max)
            }
            Reading::First { key, value, .. } => {
                let chunks: Vec<_> = key_in(key).map(|sequence| (sequence, stored(value))).into_iter().collect();
                Answer::Chunks { has_more: !chunks.is_empty(), chunks }
            }
        }
    }

    fn page(&mut self, keys: &Js, values: &Js, limit: usize, bytes_max: usize) -> Answer {
        let count = keys.length();
        let (mut chunks, mut bytes) = (Vec::new(), 0);
        for index in 0..count {
            if bytes >= bytes_max {
                break;
            }
            let value = values.item(index).as_bytes().map_or(Stored::Unreadable, Stored::Bytes);
            bytes += if let Stored::Bytes(value) = &value { value.len() } else { 0 };
            chunks.push((keys.item(index).as_number().unwrap_or(0), value));
        }
        if !chunks.is_empty() {
            self.chunk_bytes = bytes / chunks.len();
        }
        let has_more = count as usize >= limit || chunks.len() < count as usize;
        Answer::Chunks { chunks, has_more }
    }
}

impl Reading {
    /// A request has succeeded or failed. Whether that does no harm.
    pub(super) fn go_on(&mut self, placing: &mut Placing<'_>, target: &Js, has_failed: bool) -> bool {
        match self {
            Reading::Manifest(_) | Reading::Parts(_) => has_failed,
            Reading::First { key, value } if target == key && !has_failed => {
                if let Some(sequence) = key_in(key) {
                    *value = placing.place(LOG, "get", &[Arg::Number(sequence)]);
                }
                false
            }
            Reading::First { value, .. } => has_failed && target == value,
            _ => false,
        }
    }
}

/// Asks for the last row of an epoch.
pub(super) fn newest_epoch(placing: &mut Placing<'_>) -> Js {
    placing.place(HEAD, "openKeyCursor", &[Arg::Rows(Row::Epoch), Arg::Text("prev")])
}

/// The epoch in the row that was found, or 0.
pub(super) fn epoch_in(request: &Js) -> u64 {
    request.get("result").get("key").as_text().map_or(0, |id| epoch_of(&id))
}

/// What an empty storage answers.
fn nothing_to(request: &Request<'_>) -> Answer {
    match request {
        Request::ReadManifest => Answer::Value(Stored::Missing),
        Request::ReadEpoch => Answer::Number(0),
        Request::ListParts => Answer::Ids(Vec::new()),
        Request::ReadParts(ids) => Answer::Values(ids.iter().map(|_| Stored::Missing).collect()),
        Request::ReadLog { .. } => Answer::Chunks { chunks: Vec::new(), has_more: false },
        _ => Answer::Bounds(None),
    }
}

/// How many chunks to read for a page of so many bytes.
fn page_limit(bytes_max: usize, chunk_bytes: usize) -> usize {
    let least = (bytes_max / VALUE_BYTES_MAX).max(1);
    (bytes_max / chunk_bytes.max(1)).clamp(least, least.saturating_mul(PAGE_FACTOR_MAX))
}

/// What a request for one value has found.
fn stored(request: &Js) -> Stored {
    let value = request.get("result");
    if !request.get("error").is_missing() {
        Stored::Unreadable
    } else if value == Js::MISSING {
        // What is null is there.
        Stored::Missing
    } else {
        value.as_bytes().map_or(Stored::Unreadable, Stored::Bytes)
    }
}

/// Whether a request has failed, and not because its transaction was aborted.
fn has_failed_alone(request: &Js) -> bool {
    let error = request.get("error");
    !error.is_missing() && !error.get("name").is("AbortError")
}

/// The key that a cursor has found.
fn key_in(request: &Js) -> Option<u64> {
    request.get("result").get("key").as_number()
}
