//! Storages that are written in JavaScript.
//!
//! *Design.* A request goes out as numbers: what is asked for, and where in memory the bytes lie that belong to it. The
//! client copies them and asks the storage. The answer comes back as bytes that the client writes into memory: at once, if
//! the storage has answered at once, or when the client says that there is one. So what crosses is numbers, and objects
//! are made and taken apart in JavaScript, where that is a line each.
//!
//! *Why not promises and objects from here.* Each method that is called and each field that is read is an import; and what
//! is heard from a promise comes in through a closure, which might be called in an instance that has failed.
//!
//! *Requests*, in words of 32 bits, 64-bit numbers low word first: what is asked for, then
//!
//! ```text
//!  1 lock           wait in ms (all bits: for ever), 1 to steal
//!  2 open           1 for a new segment, 1 for reading only
//!  3 read manifest  4 read witness   5 read epoch   6 list log
//!  7 read log       from, bytes
//!  8 list parts
//!  9 read parts     their number, IDs
//! 10 write          epoch, flags, then what the flags say: 1 claims, 2 durable, 4 manifest: address, bytes;
//!                   8 delete log up to: number; 16 delete log from: number; 32 quarantine from: number;
//!                   the number of parts; for each ID, address, bytes; of chunks, likewise with sequences;
//!                   of parts to delete; IDs
//! 11 write witness  address, bytes
//! ```
//!
//! *Answers*, in bytes: what it is, then numbers of 64 bits and values, each with its length in 32 bits (all bits set if
//! there is none, one less if it cannot be read).
//!
//! ```text
//!  0 done   1 failed: 0 io, 1 quota, 2 closed   2 fenced   3 locked
//!  4 value   5 number   6 no bounds   7 bounds: first, last
//!  8 chunks: sequence, value, until the end   9 IDs, until the end   10 values, until the end
//! ```

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use brooklet_web::storage::{Answer, Batch, Question, Request, Storage, StorageFault, Stored, Traits};
use brooklet_web::{Notify, Urgency};
use wasm_bindgen::prelude::wasm_bindgen;

const MISSING: u32 = u32::MAX;
const UNREADABLE: u32 = u32::MAX - 1;

#[wasm_bindgen]
extern "C" {
    /// What stands on the other side of a door.
    pub type Client;
    /// Has the door driven: at once when whatever runs has returned, or in a task of its own.
    #[wasm_bindgen(method)]
    fn soon(this: &Client, at_once: bool);
    /// Asks its storage. Returns how many bytes the answer has; less than 0 if it comes later.
    #[wasm_bindgen(method)]
    fn ask(this: &Client, number: f64, words: *const u32) -> f64;
    /// Writes the answer that it has.
    #[wasm_bindgen(method)]
    fn answer(this: &Client, number: f64, address: *mut u8);
}

/// The client, as whoever is to be told when there is something to do.
pub(crate) struct Notified(pub(crate) Rc<Client>);

impl Notify for Notified {
    fn soon(&self, urgency: Urgency) {
        self.0.soon(urgency == Urgency::AtOnce);
    }
}

/// The questions that wait for the client.
#[derive(Default)]
pub(crate) struct Unanswered(RefCell<Vec<(u64, Question)>>);

impl Unanswered {
    /// The client has an answer of so many bytes.
    pub(crate) fn answer(&self, client: &Client, number: u64, bytes: usize) {
        let question = {
            let mut questions = self.0.borrow_mut();
            let place = questions.iter().position(|&(asked, _)| asked == number);
            place.map(|place| questions.swap_remove(place).1)
        };
        let answer = fetch(client, number, bytes);
        if let Some(question) = question {
            question.answer(answer);
        }
    }
}

/// A storage of the client's; see the head of this file.
pub(crate) struct ClientStorage {
    client: Rc<Client>,
    traits: Traits,
    unanswered: Rc<Unanswered>,
    words: Vec<u32>,
    last_number: u64,
}

impl ClientStorage {
    pub(crate) fn new(client: Rc<Client>, traits: Traits, unanswered: Rc<Unanswered>) -> ClientStorage {
        ClientStorage { client, traits, unanswered, words: Vec::new(), last_number: 0 }
    }

    fn write(&mut self, batch: &Batch<'_>) {
        let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
        self.number(batch.epoch);
        self.words.push(
            flag(batch.claims, 1)
                | flag(batch.is_durable, 2)
                | flag(batch.manifest.is_some(), 4)
                | flag(batch.delete_log_upto.is_some(), 8)
                | flag(batch.delete_log_from.is_some(), 16)
                | flag(batch.quarantine_from.is_some(), 32),
        );
        if let Some(manifest) = batch.manifest {
            self.bytes(manifest);
        }
        let bounds = [batch.delete_log_upto, batch.delete_log_from, batch.quarantine_from];
        bounds.into_iter().flatten().for_each(|bound| self.number(bound));
        for values in [batch.parts, batch.chunks] {
            self.words.push(values.len() as u32);
            for &(key, bytes) in values {
                self.number(key);
                self.bytes(bytes);
            }
        }
        self.numbers(batch.delete_parts);
    }

    fn number(&mut self, number: u64) {
        self.words.extend([number as u32, (number >> 32) as u32]);
    }

    fn numbers(&mut self, numbers: &[u64]) {
        self.words.push(numbers.len() as u32);
        numbers.iter().for_each(|&number| self.number(number));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.words.extend([bytes.as_ptr().addr() as u32, bytes.len() as u32]);
    }
}

impl Storage for ClientStorage {
    fn traits(&self) -> Traits {
        self.traits
    }

    fn ask(&mut self, request: &Request<'_>, question: Question) {
        self.words.clear();
        self.words.push(kind(request));
        match *request {
            Request::Lock { wait_ms, steals } => {
                self.number(wait_ms);
                self.words.push(u32::from(steals));
            }
            Request::Open { new_segment, read_only } => {
                self.words.extend([u32::from(new_segment), u32::from(read_only)])
            }
            Request::ReadLog { from_sequence, bytes_max } => {
                self.number(from_sequence);
                self.words.push(bytes_max as u32);
            }
            Request::ReadParts(ids) => self.numbers(ids),
            Request::Write(batch) => self.write(&batch),
            Request::WriteWitness(bytes) => self.bytes(bytes),
            Request::ReadManifest
            | Request::ReadWitness
            | Request::ReadEpoch
            | Request::ListLog
            | Request::ListParts => {}
        }
        self.last_number += 1;
        let number = self.last_number;
        let bytes = self.client.ask(number as f64, self.words.as_ptr());
        if bytes < 0.0 {
            self.unanswered.0.borrow_mut().push((number, question));
        } else {
            question.answer(fetch(&self.client, number, bytes as usize));
        }
    }

    fn close(&mut self) {
        self.unanswered.0.borrow_mut().clear();
        // The client closes its storage when it sees that the database has ended.
    }
}

fn kind(request: &Request<'_>) -> u32 {
    match request {
        Request::Lock { .. } => 1,
        Request::Open { .. } => 2,
        Request::ReadManifest => 3,
        Request::ReadWitness => 4,
        Request::ReadEpoch => 5,
        Request::ListLog => 6,
        Request::ReadLog { .. } => 7,
        Request::ListParts => 8,
        Request::ReadParts(_) => 9,
        Request::Write(_) => 10,
        Request::WriteWitness(_) => 11,
    }
}

/// Has the client write an answer, and reads it.
fn fetch(client: &Client, number: u64, bytes: usize) -> Answer {
    let mut answer = Vec::new();
    // Without memory it is as if the storage had failed: it is asked again.
    if answer.try_reserve_exact(bytes).is_err() {
        return Answer::Failed(StorageFault::Io);
    }
    answer.resize(bytes, 0);
    client.answer(number as f64, answer.as_mut_ptr());
    Bytes(&answer).answer().unwrap_or(Answer::Failed(StorageFault::Io))
}

/// The bytes of an answer that are not read yet.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn answer(&mut self) -> Option<Answer> {
        Some(match self.take(1)? {
            [0] => Answer::Done,
            [1] => Answer::Failed(match self.take(1)? {
                [1] => StorageFault::Quota,
                [2] => StorageFault::Closed,
                _ => StorageFault::Io,
            }),
            [2] => Answer::Fenced,
            [3] => Answer::Locked,
            [4] => Answer::Value(self.value()?),
            [5] => Answer::Number(self.number()?),
            [6] => Answer::Bounds(None),
            [7] => Answer::Bounds(Some((self.number()?, self.number()?))),
            [8] => {
                let chunks = self.all(|bytes| Some((bytes.number()?, bytes.value()?)))?;
                Answer::Chunks { chunks, has_more: true }
            }
            [9] => Answer::Ids(self.all(Bytes::number)?),
            [10] => Answer::Values(self.all(Bytes::value)?),
            _ => return None,
        })
    }

    fn all<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut all = Vec::new();
        while !self.0.is_empty() {
            all.try_reserve(1).ok()?;
            all.push(one(self)?);
        }
        Some(all)
    }

    fn value(&mut self) -> Option<Stored> {
        let length = u32::from_le_bytes(self.take(4)?.try_into().ok()?);
        Some(match length {
            MISSING => Stored::Missing,
            UNREADABLE => Stored::Unreadable,
            length => {
                let bytes = self.take(length as usize)?;
                let mut value = Vec::new();
                value.try_reserve_exact(bytes.len()).ok()?;
                value.extend_from_slice(bytes);
                Stored::Bytes(value)
            }
        })
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: &[u8]) -> Option<Answer> {
        Bytes(bytes).answer()
    }

    fn with(kind: u8, pieces: &[&[u8]]) -> Vec<u8> {
        [&[kind], &*pieces.concat()].concat()
    }

    #[test]
    fn every_kind_of_answer_is_read() {
        let number = |value: u64| value.to_le_bytes();
        let value = [&3_u32.to_le_bytes()[..], b"abc"].concat();
        let stored = || Stored::Bytes(b"abc".to_vec());
        assert_eq!(answer(&[0]), Some(Answer::Done));
        for (code, fault) in [(0, StorageFault::Io), (1, StorageFault::Quota), (2, StorageFault::Closed)] {
            assert_eq!(answer(&[1, code]), Some(Answer::Failed(fault)));
        }
        assert_eq!((answer(&[2]), answer(&[3])), (Some(Answer::Fenced), Some(Answer::Locked)));
        assert_eq!(answer(&with(4, &[&value])), Some(Answer::Value(stored())));
        assert_eq!(answer(&with(4, &[&MISSING.to_le_bytes()])), Some(Answer::Value(Stored::Missing)));
        assert_eq!(answer(&with(4, &[&UNREADABLE.to_le_bytes()])), Some(Answer::Value(Stored::Unreadable)));
        assert_eq!(answer(&with(5, &[&number(1 << 53)])), Some(Answer::Number(1 << 53)));
        assert_eq!(answer(&[6]), Some(Answer::Bounds(None)));
        assert_eq!(answer(&with(7, &[&number(3), &number(9)])), Some(Answer::Bounds(Some((3, 9)))));
        let chunks = alloc::vec![(4, stored()), (5, stored())];
        let bytes = with(8, &[&number(4), &value, &number(5), &value]);
        assert_eq!(answer(&bytes), Some(Answer::Chunks { chunks, has_more: true }));
        assert_eq!(answer(&with(9, &[&number(7)])), Some(Answer::Ids(alloc::vec![7])));
        assert_eq!(answer(&with(10, &[&value, &value])), Some(Answer::Values(alloc::vec![stored(), stored()])));
    }

    #[test]
    fn what_is_cut_or_unknown_is_no_answer() {
        let value = [&3_u32.to_le_bytes()[..], b"abc"].concat();
        let whole = with(8, &[&[0; 8], &value]);
        for length in 0..whole.len() {
            let is_empty_page = length == 1;
            assert_eq!(answer(&whole[..length]).is_some(), is_empty_page, "{length} bytes");
        }
        for bytes in [&[][..], &[1], &[4, 1], &[5, 0, 0], &[7], &[9, 1], &[10, 4, 0, 0, 0, 1], &[11], &[255]] {
            assert_eq!(answer(bytes), None, "{bytes:?}");
        }
        // An announced length reserves nothing.
        assert_eq!(answer(&with(4, &[&(u32::MAX - 2).to_le_bytes()])), None);
    }
}
