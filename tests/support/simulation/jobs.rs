//! What the storage does with what it was asked for, and what goes wrong there.

use brooklet::persist::{StorageFault, StoreAnswer};

use super::host::{Delivery, Host};
use super::medium::Kind;
use super::trace::Checked;
use super::world::World;
use crate::storage::{Level, Work};

/// What goes wrong with a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wrong {
    Nothing,
    Fails(StorageFault),
    FailsAfterSuccess(StorageFault),
    NeverAnswers { is_done: bool },
    IsSlow,
    Closes,
    ComesTwice,
    SyncFails,
}

impl World {
    /// The storage does the next thing it was asked for, well or badly.
    pub(super) fn execute(&mut self, is_stale: bool) -> Checked {
        let Some(mut host) = (if is_stale { self.stale.take() } else { self.owner.take() }) else { return Ok(()) };
        let outcome = self.execute_next(&mut host);
        *(if is_stale { &mut self.stale } else { &mut self.owner }) = Some(host);
        outcome
    }

    fn execute_next(&mut self, host: &mut Host) -> Checked {
        let Some(delivery) = host.jobs.front_mut() else { return Ok(()) };
        if self.has_faults && delivery.not_before_ms > self.now_ms {
            return Ok(());
        }
        let wrong = self.what_goes_wrong(delivery);
        if wrong == Wrong::IsSlow {
            delivery.not_before_ms = self.now_ms + 100 + self.random.below(15_000);
            self.fault("an operation is slow");
            return Ok(());
        }
        let Some(delivery) = host.jobs.pop_front() else { return Ok(()) };
        self.execute_delivery(host, delivery, wrong)
    }

    /// Does a job of a host that is at hand.
    fn execute_delivery(&mut self, host: &mut Host, delivery: Delivery, wrong: Wrong) -> Checked {
        let (ticket, is_repeated) = (delivery.job.ticket, delivery.is_repeated);
        let is_reopening = matches!(delivery.job.work, Work::Reopen | Work::NewSegment);
        // The witness lies elsewhere.
        let needs_connection = !is_reopening && !matches!(delivery.job.work, Work::WriteWitness(_));
        let is_dead = needs_connection && (delivery.connection != host.connection || host.is_broken);
        let name = delivery.job.work.name();
        self.trace.note(format_args!("epoch {}: {name}, {wrong:?}, dead {is_dead}", host.epoch));
        if is_dead {
            if !delivery.is_repeated {
                host.answers.push_back((ticket, StoreAnswer::Failed(StorageFault::Closed)));
            }
            return Ok(());
        }
        let is_done = !matches!(
            wrong,
            Wrong::Fails(_) | Wrong::NeverAnswers { is_done: false } | Wrong::Closes | Wrong::SyncFails
        );
        if matches!(delivery.job.work, Work::Flip { .. }) {
            self.note(match wrong {
                Wrong::FailsAfterSuccess(_) | Wrong::NeverAnswers { is_done: true } => "a flip of unknown outcome",
                _ => "a flip",
            });
        }
        let mut answer = StoreAnswer::Failed(StorageFault::Closed);
        if is_done {
            answer = self.medium.perform(&delivery.job, host.epoch, delivery.is_repeated)?;
            if is_reopening {
                host.connection += 1;
                host.is_broken = false;
            }
        }
        if answer == StoreAnswer::Fenced {
            self.fault("a superseded owner's write is refused");
        }
        let answer = match wrong {
            Wrong::Nothing | Wrong::IsSlow => Some(answer),
            Wrong::ComesTwice => {
                self.fault("an operation comes twice");
                host.has_repeats = true;
                let not_before_ms = self.now_ms + self.random.below(3) * 1000;
                host.jobs.push_back(Delivery { is_repeated: true, not_before_ms, ..delivery });
                Some(answer)
            }
            Wrong::Fails(fault) => {
                self.fault(if fault == StorageFault::Quota { "no room" } else { "an operation fails" });
                Some(StoreAnswer::Failed(fault))
            }
            Wrong::FailsAfterSuccess(fault) => {
                self.fault("an operation fails after success");
                Some(StoreAnswer::Failed(fault))
            }
            Wrong::NeverAnswers { is_done } => {
                self.fault(if is_done { "done, and no answer" } else { "not done, and no answer" });
                None
            }
            Wrong::Closes => {
                self.fault("the connection closes");
                host.is_broken |= needs_connection;
                Some(StoreAnswer::Failed(StorageFault::Closed))
            }
            Wrong::SyncFails => {
                if let Work::Append { epoch, chunks, .. } = &delivery.job.work {
                    self.medium.fail_sync(*epoch, chunks)?;
                }
                self.fault("a sync fails");
                Some(StoreAnswer::Failed(StorageFault::Io))
            }
        };
        host.answers.extend(answer.filter(|_| !is_repeated).map(|answer| (ticket, answer)));
        Ok(())
    }

    fn what_goes_wrong(&mut self, delivery: &Delivery) -> Wrong {
        // Few flips are asked for, and much depends on each.
        let is_flip = matches!(delivery.job.work, Work::Flip { .. });
        let percent = if is_flip { 50 } else { self.plan.faults };
        if !self.has_faults || delivery.is_repeated || !self.random.percent(percent) {
            return Wrong::Nothing;
        }
        let fault = [StorageFault::Io, StorageFault::Io, StorageFault::Quota][self.random.below(3) as usize];
        let may_repeat = matches!(delivery.job.work, Work::Append { .. } | Work::PutParts { .. });
        let syncs = matches!(delivery.job.work, Work::Append { level: Level::Durable, .. });
        let is_file = self.medium.kind == Kind::Files;
        match self.random.below(10) {
            0..6 if syncs && is_file => Wrong::SyncFails,
            0..3 => Wrong::Fails(fault),
            3 | 4 => Wrong::FailsAfterSuccess(fault),
            5 | 6 if is_flip => Wrong::FailsAfterSuccess(fault),
            5 | 7 if is_flip || !may_repeat => Wrong::NeverAnswers { is_done: self.random.percent(50) },
            6 => Wrong::Closes,
            5 | 7 if may_repeat && self.random.percent(50) => Wrong::ComesTwice,
            5 | 7 => Wrong::NeverAnswers { is_done: self.random.percent(50) },
            8 | 9 if delivery.not_before_ms == 0 => Wrong::IsSlow,
            _ => Wrong::Fails(fault),
        }
    }
}
