//! What is written: a batch in one transaction, which ends with the fence's row.
//!
//! *Design.* Everything is placed in the order of the batch's fields, last the row of whoever writes, and then the transaction
//! is told to commit, all in the same task. Nothing is asked for before; if the epoch was overtaken, the last row breaks
//! uniqueness, and the transaction aborts.
//!
//! *Why an error is not believed.* What breaks uniqueness is a `ConstraintError` in Chromium, an `AbortError` in Firefox and
//! nothing in WebKit. So a batch that has failed asks for the newest epoch, and that says whether it was fenced.
//!
//! *What waits for a request.* Claiming, and writing with an epoch that was not claimed here, reads the newest epoch first and
//! aborts if it is too high. Moving into quarantine reads one value after the other: a log may be longer than the memory
//! there is. Both let the transaction end by itself.

use alloc::vec::Vec;

use super::State;
use super::connection::{Access, Content, HEAD, LOG, META, PARTS, QUARANTINE};
use super::fence::{Claim, EPOCH_MS_MIN, EPOCHS_KEPT, EPOCHS_PRUNED_MAX, Row};
use super::js::{Arg, Js, Placing, now_ms};
use super::reading::{MANIFEST, Reading, epoch_in, newest_epoch};
use crate::storage::{Answer, Batch, Question, StorageFault};

/// A batch that was placed.
pub(super) struct Writing {
    epoch: u64,
    claims: bool,
    is_fenced: bool,
    check: Option<Check>,
    moving: Option<Moving>,
}

/// What is read before the fence's row is placed.
struct Check {
    newest: Js,
    /// The oldest rows of epochs, as many as may go and as have to stay.
    oldest: Js,
}

/// What is on its way from the log into quarantine.
struct Moving {
    from: u64,
    /// The request that is waited for: first the one for the keys, then one for each value.
    request: Js,
    keys: Option<Js>,
    next: u32,
}

impl State {
    pub(super) fn write(&mut self, batch: &Batch<'_>, question: Question) {
        let is_checked = batch.claims || batch.epoch != self.claimed;
        let access = Access::Write { is_durable: batch.is_durable || batch.claims };
        self.transact(&stores_of(batch), access, question, |state, placing| {
            let placed = place(batch, placing);
            let check = if is_checked {
                let check = Check { newest: newest_epoch(placing), oldest: oldest_epochs(placing) };
                state.hear_of(&check.oldest, &["onsuccess"]);
                Some(check)
            } else {
                put_row(placing, Row::Writer, batch.epoch);
                None
            };
            let moving = placed.moving;
            match &moving {
                Some(moving) => state.hear_of(&moving.request, &["onsuccess"]),
                None if is_checked => {}
                None if state.commits_whole || placed.count <= 1 => placing.commit(),
                None => {}
            }
            Content::Writing(Writing { epoch: batch.epoch, claims: batch.claims, is_fenced: false, check, moving })
        });
    }

    pub(super) fn end_writing(&mut self, writing: &Writing, failure: Option<StorageFault>, question: Question) {
        let Writing { epoch, claims, is_fenced, .. } = *writing;
        match failure {
            _ if is_fenced => self.answer(question, Answer::Fenced),
            None => {
                if claims {
                    self.claimed = epoch;
                }
                self.answer(question, Answer::Done);
            }
            Some(fault) => self.transact(&[HEAD], Access::Read, question, |_, placing| {
                let newest = newest_epoch(placing);
                Content::Reading(Reading::Verdict { newest, epoch, claims, fault })
            }),
        }
    }
}

impl Writing {
    /// A request has succeeded or failed. Whether that does no harm.
    pub(super) fn go_on(&mut self, placing: &mut Placing<'_>, target: &Js, has_failed: bool, hears_event: &Js) -> bool {
        if let Some(check) = &self.check
            && check.oldest == *target
        {
            if !has_failed {
                self.is_fenced = !check.pass(placing, self.epoch, self.claims);
            }
            if self.is_fenced {
                placing.abort();
            }
            return false;
        }
        match &mut self.moving {
            Some(moving) if moving.request == *target => moving.go_on(placing, has_failed, hears_event),
            _ => false,
        }
    }
}

impl Check {
    /// Places the fence's rows, unless the newest epoch is too high.
    fn pass(&self, placing: &mut Placing<'_>, epoch: u64, claims: bool) -> bool {
        let newest = epoch_in(&self.newest);
        if !claims {
            if newest <= epoch {
                put_row(placing, Row::Writer, epoch);
            }
            return newest <= epoch;
        }
        let Some(claim) = Claim::decide(newest, epoch) else { return false };
        placing.place(HEAD, "delete", &[Arg::Rows(Row::Writer)]);
        prune(placing, &self.oldest.get("result"));
        if let Some(skipped) = claim.skipped {
            put_row(placing, Row::Epoch, skipped);
        }
        put_row(placing, Row::Epoch, epoch);
        true
    }
}

impl Moving {
    fn go_on(&mut self, placing: &mut Placing<'_>, has_failed: bool, hears_event: &Js) -> bool {
        let result = self.request.get("result");
        let keys = match &self.keys {
            None if has_failed => return false,
            None => self.keys.insert(result),
            Some(keys) => {
                if !has_failed {
                    let arguments = [Arg::Value(&result), Arg::Value(&keys.item(self.next))];
                    placing.place(QUARANTINE, "put", &arguments);
                }
                self.next += 1;
                keys
            }
        };
        if self.next < keys.length() {
            self.request = placing.place(LOG, "get", &[Arg::Value(&keys.item(self.next))]);
            self.request.set("onsuccess", hears_event);
        } else {
            placing.place(LOG, "delete", &[Arg::From(self.from)]);
        }
        has_failed
    }
}

/// What has been placed besides the fence's row.
struct Placed {
    /// How many requests that is.
    count: usize,
    moving: Option<Moving>,
}

/// Places everything but the fence's row.
fn place(batch: &Batch<'_>, placing: &mut Placing<'_>) -> Placed {
    let mut placed = Placed { count: 0, moving: None };
    let mut place = |store: &str, method: &str, arguments: &[Arg<'_>]| {
        placed.count += 1;
        placing.place(store, method, arguments)
    };
    for &(store, values) in &[(PARTS, batch.parts), (LOG, batch.chunks)] {
        for (key, bytes) in values {
            place(store, "put", &[Arg::Bytes(bytes), Arg::Number(*key)]);
        }
    }
    if let Some(manifest) = batch.manifest {
        place(META, "put", &[Arg::Bytes(manifest), Arg::Text(MANIFEST)]);
    }
    if let Some(upto) = batch.delete_log_upto {
        place(LOG, "delete", &[Arg::Upto(upto)]);
    }
    if let Some(first) = batch.delete_log_from {
        place(LOG, "delete", &[Arg::From(first)]);
    }
    let mut moving = None;
    if let Some(first) = batch.quarantine_from {
        let request = place(LOG, "getAllKeys", &[Arg::From(first)]);
        moving = Some(Moving { from: first, request, keys: None, next: 0 });
    }
    for id in batch.delete_parts {
        place(PARTS, "delete", &[Arg::Number(*id)]);
    }
    placed.moving = moving;
    placed
}

/// The stores that a batch touches. Whoever comes later with other stores waits for it all the same: all have `head`.
fn stores_of(batch: &Batch<'_>) -> Vec<&'static str> {
    let changes_log = batch.delete_log_upto.is_some() || batch.delete_log_from.is_some();
    let stores = [
        (HEAD, true),
        (LOG, !batch.chunks.is_empty() || changes_log || batch.quarantine_from.is_some()),
        (META, batch.manifest.is_some()),
        (PARTS, !batch.parts.is_empty() || !batch.delete_parts.is_empty()),
        (QUARANTINE, batch.quarantine_from.is_some()),
    ];
    stores.into_iter().filter(|(_, is_touched)| *is_touched).map(|(store, _)| store).collect()
}

fn put_row(placing: &mut Placing<'_>, row: Row, epoch: u64) -> Js {
    placing.place(HEAD, "put", &[Arg::Json(&row.json(epoch, now_ms()))])
}

fn oldest_epochs(placing: &mut Placing<'_>) -> Js {
    let count = EPOCHS_KEPT + EPOCHS_PRUNED_MAX;
    placing.place(HEAD, "getAll", &[Arg::Rows(Row::Epoch), Arg::Number(count.into())])
}

/// Deletes the oldest rows, as far as they may go.
fn prune(placing: &mut Placing<'_>, oldest: &Js) {
    let superfluous = oldest.length().saturating_sub(EPOCHS_KEPT);
    for index in 0..superfluous {
        let row = oldest.item(index);
        let is_old = row.get("at").as_number().is_some_and(|at| at.saturating_add(EPOCH_MS_MIN) < now_ms());
        if !is_old {
            break;
        }
        placing.place(HEAD, "delete", &[Arg::Value(&row.get("id"))]);
    }
}
