//! Opening: the lock, a connection, recovery.
//!
//! *Design.* One question is under way at a time. A connection that dies meanwhile is normal in browsers, and asking it
//! again is useless: then all begins anew on another one, with an empty engine, a few times. Whatever else goes wrong is an
//! error that says what to do, and who opens decides.
//!
//! Whoever only looks at what an owner works on may find the log shortened between two questions, which looks like damage or
//! loss. So he looks again, and believes it when it has looked so a few times in a row.

use alloc::boxed::Box;
use alloc::vec::Vec;

use brooklet::Engine;
use brooklet::persist::{
    Loader, OpenError, Recovered, Recovery, RecoveryAnswer, RecoveryConfig, RecoveryRequest, StorageFault, Stored,
    Ticket, Witness,
};

use super::StorageOptions;
use super::line::{Line, Purpose};
use crate::storage::{Answer, Batch, Request};

/// So many connections may die on the way.
const CONNECTIONS_MAX: u32 = 3;

/// So often what only looks damaged is looked at.
const LOOKS_MAX: u32 = 8;

/// How long the storage may take for an answer.
const ANSWER_MS_MAX: u64 = 10_000;

/// An opening; see the head of this file.
pub(super) struct Opening {
    recovery: RecoveryConfig,
    lock_wait_ms: u64,
    steals_lock: bool,
    connections: u32,
    looks: u32,
    stage: Stage,
    asked_ms: Option<u64>,
}

enum Stage {
    Lock,
    Connect,
    Recover(Box<Recovering>),
}

struct Recovering {
    recovery: Recovery,
    loader: Loader,
    asked: Option<Asked>,
}

/// What recovery waits for.
#[derive(Clone, Copy)]
struct Asked {
    ticket: Ticket,
    is_witness: bool,
}

impl Opening {
    pub(super) fn new(options: &StorageOptions, new_log_id: u64, can_tear: bool) -> Opening {
        let recovery = RecoveryConfig {
            can_tear,
            is_read_only: options.is_read_only,
            on_corruption: options.on_corruption,
            on_data_loss: options.on_data_loss,
            ..RecoveryConfig::new(new_log_id)
        };
        Opening {
            recovery,
            lock_wait_ms: options.lock_wait_ms,
            steals_lock: options.steals_lock,
            connections: 0,
            looks: 0,
            // Who only looks disturbs nobody.
            stage: if options.is_read_only { Stage::Connect } else { Stage::Lock },
            asked_ms: None,
        }
    }

    /// Asks for what comes next, unless something is unanswered. Whether anything was asked.
    pub(super) fn ask(&mut self, line: &mut Line, now_ms: u64) -> bool {
        if self.asked_ms.is_some() {
            return false;
        }
        match &mut self.stage {
            Stage::Lock => {
                let request = Request::Lock { wait_ms: self.lock_wait_ms, steals: self.steals_lock };
                line.ask(Purpose::Prepare, &request);
            }
            Stage::Connect => {
                self.connections += 1;
                let request = Request::Open { new_segment: false, read_only: self.recovery.is_read_only };
                line.ask(Purpose::Prepare, &request);
            }
            Stage::Recover(recovering) => {
                let Some((ticket, request)) = recovering.recovery.next_request() else { return false };
                recovering.asked = Some(Asked { ticket, is_witness: request == RecoveryRequest::ReadWitness });
                ask_for_recovery(line, &request);
            }
        }
        self.asked_ms = Some(now_ms);
        true
    }

    /// Takes an answer. Says how it ended, once it has.
    pub(super) fn take(&mut self, answer: Answer, engine: &mut Engine) -> Option<Result<Recovered, OpenError>> {
        self.asked_ms = None;
        let doing = match &self.stage {
            Stage::Lock => "taking the lock",
            Stage::Connect | Stage::Recover(_) => "opening",
        };
        match (&mut self.stage, answer) {
            (Stage::Recover(recovering), answer) => {
                let Recovering { recovery, loader, asked } = &mut **recovering;
                let Asked { ticket, is_witness } = asked.take()?;
                let answer = answer_for_recovery(answer, is_witness);
                recovery.answered(ticket, answer, &mut |item| loader.take(engine, item));
                let outcome = recovery.take_outcome()?;
                if self.may_begin_anew(&outcome) {
                    *engine = Engine::new(engine.config().clone());
                    self.stage = Stage::Connect;
                    return None;
                }
                return Some(outcome);
            }
            (Stage::Lock, Answer::Done) => self.stage = Stage::Connect,
            (Stage::Connect, Answer::Done) => {
                let recovery = Recovery::new(self.recovery);
                let recovering = Recovering { recovery, loader: Loader::new(), asked: None };
                self.stage = Stage::Recover(Box::new(recovering));
            }
            (_, Answer::Locked) => return Some(Err(OpenError::Locked)),
            (Stage::Connect, Answer::Failed(StorageFault::Closed)) if self.connections < CONNECTIONS_MAX => {}
            (_, Answer::Failed(fault)) => return Some(Err(OpenError::Storage { doing, fault })),
            _ => return Some(Err(OpenError::Storage { doing, fault: StorageFault::Io })),
        }
        None
    }

    fn may_begin_anew(&mut self, outcome: &Result<Recovered, OpenError>) -> bool {
        match outcome {
            Err(OpenError::Storage { fault: StorageFault::Closed, .. }) => self.connections < CONNECTIONS_MAX,
            Err(
                OpenError::CorruptSnapshot { .. }
                | OpenError::CorruptLog(_)
                | OpenError::DataLoss(_)
                | OpenError::Erased(_),
            ) if self.recovery.is_read_only => {
                self.looks += 1;
                // It is not the connection that is at fault.
                self.connections = 0;
                self.looks < LOOKS_MAX
            }
            _ => false,
        }
    }

    /// When whoever waits for an answer waits no longer. The lock has a time of its own.
    pub(super) fn deadline(&self) -> Option<u64> {
        if matches!(self.stage, Stage::Lock) {
            return None;
        }
        self.asked_ms.map(|asked_ms| asked_ms.saturating_add(ANSWER_MS_MAX))
    }
}

fn ask_for_recovery(line: &mut Line, request: &RecoveryRequest<'_>) {
    let purpose = Purpose::Recover;
    match *request {
        RecoveryRequest::ReadManifest => line.ask(purpose, &Request::ReadManifest),
        RecoveryRequest::ReadWitness => line.ask(purpose, &Request::ReadWitness),
        RecoveryRequest::ReadEpoch => line.ask(purpose, &Request::ReadEpoch),
        RecoveryRequest::ListLog => line.ask(purpose, &Request::ListLog),
        RecoveryRequest::ListParts => line.ask(purpose, &Request::ListParts),
        RecoveryRequest::ReadParts(parts) => {
            let ids: Vec<u64> = parts.iter().map(|part| part.id).collect();
            line.ask(purpose, &Request::ReadParts(&ids));
        }
        RecoveryRequest::ReadLog { from_sequence, bytes_max } => {
            line.ask(purpose, &Request::ReadLog { from_sequence, bytes_max });
        }
        RecoveryRequest::ReadLogOne { from_sequence } => {
            line.ask(purpose, &Request::ReadLog { from_sequence, bytes_max: 0 });
        }
        RecoveryRequest::Claim { epoch } => {
            let batch = Batch { epoch, claims: true, is_durable: true, ..Batch::default() };
            line.ask(purpose, &Request::Write(batch));
        }
        RecoveryRequest::CutLog { epoch, from_sequence } => {
            let batch = Batch { epoch, is_durable: true, delete_log_from: Some(from_sequence), ..Batch::default() };
            line.ask(purpose, &Request::Write(batch));
        }
        RecoveryRequest::MarkLossy { epoch, manifest, quarantine_from } => {
            let manifest = Some(manifest);
            let batch = Batch { epoch, is_durable: true, manifest, quarantine_from, ..Batch::default() };
            line.ask(purpose, &Request::Write(batch));
        }
    }
}

fn answer_for_recovery(answer: Answer, is_witness: bool) -> RecoveryAnswer {
    match answer {
        // It is advisory: one that cannot be read is none.
        Answer::Value(Stored::Bytes(bytes)) if is_witness => RecoveryAnswer::Witness(Witness::decode(&bytes).ok()),
        Answer::Value(_) | Answer::Failed(_) if is_witness => RecoveryAnswer::Witness(None),
        Answer::Value(stored) => RecoveryAnswer::Manifest(stored),
        Answer::Done => RecoveryAnswer::Done,
        Answer::Failed(fault) => RecoveryAnswer::Failed(fault),
        Answer::Fenced => RecoveryAnswer::Fenced,
        Answer::Locked => RecoveryAnswer::Locked,
        Answer::Number(epoch) => RecoveryAnswer::Epoch(epoch),
        Answer::Bounds(bounds) => RecoveryAnswer::LogBounds(bounds),
        Answer::Chunks { chunks, has_more } => RecoveryAnswer::LogPage { chunks, has_more },
        Answer::Ids(ids) => RecoveryAnswer::PartIds(ids),
        Answer::Values(values) => RecoveryAnswer::Parts(values),
    }
}
