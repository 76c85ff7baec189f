//! Opening another connection under a running store, and finding out where the log ends.
//!
//! *Design.* It ends with the last chunk of a whole group, or with what the manifest covers if that is later. Where a
//! medium can tear, what an append that was cut short has left behind it is cut off, chunk by chunk; elsewhere it is left
//! as it is, and the writer finds that it is not what it wrote.

use brooklet::persist::{Chunk, Manifest, StorageFault, StoreAnswer, Stored, Tail, Ticket};

use super::line::{Line, Purpose};
use crate::storage::{Answer, Batch, Request};

/// A connection that is being opened; see the head of this file.
pub(super) struct Reopening {
    ticket: Ticket,
    step: Step,
    epoch: u64,
    /// What the manifest covers.
    covered: Tail,
}

#[derive(Clone, Copy)]
enum Step {
    Connect,
    Epoch,
    Manifest,
    Bounds,
    Last(u64),
    Cut,
}

impl Reopening {
    /// Begins.
    pub(super) fn begin(line: &mut Line, ticket: Ticket) -> Reopening {
        line.ask(Purpose::Reopen, &Request::Open { new_segment: false, read_only: false });
        Reopening { ticket, step: Step::Connect, epoch: 0, covered: Tail::default() }
    }

    /// The name under which the store asked for it.
    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Takes an answer and asks for the next thing. At the end there is an answer for the store. `own_epoch` is the
    /// store's.
    pub(super) fn take(
        &mut self,
        line: &mut Line,
        answer: Answer,
        own_epoch: u64,
        can_tear: bool,
    ) -> Option<StoreAnswer> {
        let next = match (self.step, answer) {
            (_, Answer::Failed(fault)) => return Some(StoreAnswer::Failed(fault)),
            (_, Answer::Fenced) => return Some(StoreAnswer::Fenced),
            (Step::Connect, Answer::Done) => Step::Epoch,
            (Step::Epoch, Answer::Number(epoch)) => {
                self.epoch = epoch;
                Step::Manifest
            }
            (Step::Manifest, Answer::Value(Stored::Bytes(bytes))) => {
                // One that is damaged covers nothing here, and so the log ends where it should not.
                self.covered = Manifest::decode(&bytes).map_or(Tail::default(), |manifest| manifest.tail());
                Step::Bounds
            }
            (Step::Manifest, Answer::Value(Stored::Missing)) => Step::Bounds,
            (Step::Bounds | Step::Cut, Answer::Bounds(bounds)) => match bounds {
                Some((_, last)) if last > self.covered.sequence => Step::Last(last),
                _ => return Some(self.reopened(self.covered)),
            },
            (Step::Last(last), Answer::Chunks { chunks, .. }) => {
                let tail = chunks.first().and_then(|(sequence, stored)| tail_of(*sequence, stored));
                match tail {
                    Some(tail) => return Some(self.reopened(tail)),
                    None if can_tear => {
                        let epoch = own_epoch;
                        let batch = Batch { epoch, is_durable: true, delete_log_from: Some(last), ..Batch::default() };
                        self.step = Step::Cut;
                        line.ask(Purpose::Reopen, &Request::Write(batch));
                        return None;
                    }
                    None => return Some(self.reopened(Tail { sequence: last, epoch: self.epoch, ..Tail::default() })),
                }
            }
            (Step::Cut, Answer::Done) => {
                line.ask(Purpose::Reopen, &Request::ListLog);
                return None;
            }
            _ => return Some(StoreAnswer::Failed(StorageFault::Io)),
        };
        self.step = next;
        let request = match next {
            Step::Epoch => Request::ReadEpoch,
            Step::Manifest => Request::ReadManifest,
            Step::Last(last) => Request::ReadLog { from_sequence: last, bytes_max: 0 },
            Step::Connect | Step::Bounds | Step::Cut => Request::ListLog,
        };
        line.ask(Purpose::Reopen, &request);
        None
    }

    fn reopened(&self, tail: Tail) -> StoreAnswer {
        StoreAnswer::Reopened { tail, epoch: self.epoch }
    }
}

/// The end of a log with this as its last chunk, if a group ends with it.
fn tail_of(sequence: u64, stored: &Stored) -> Option<Tail> {
    let Stored::Bytes(bytes) = stored else { return None };
    let Chunk { log_id, epoch, checksum, is_last, .. } = Chunk::decode(bytes).ok()?;
    is_last.then_some(Tail { log_id, epoch, sequence, checksum })
}
