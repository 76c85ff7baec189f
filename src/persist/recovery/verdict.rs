//! What everything that was read amounts to: a log to go on with, a loss to consent to, or a refusal.

use alloc::vec::Vec;

use super::super::chunk::Tail;
use super::super::manifest::Manifest;
use super::super::witness::Witness;
use super::error::{Erased, Loss, OpenError, TailLoss};
use super::log::ChunkCount;
use super::request::{OnCorruption, OnDataLoss};
use super::{Recovery, Stage};
use crate::memory::try_push;
use crate::planted::{Bug, planted};

/// What an opened storage holds, and how to go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovered {
    /// Where the writer goes on.
    pub tail: Tail,
    /// The epoch that was claimed; none if nothing was.
    pub epoch: Option<u64>,
    /// Units in the groups that were handed over.
    pub units: u64,
    /// The latest time that the log, the manifest or the witness knows. If it was not closed, something may have been
    /// seen of what is lost: then the first ID that a clock gives has to be above this.
    pub clock_ms: u64,
    /// Whether the last owner closed it, so that nothing can be lost; a new one is clean.
    pub was_clean: bool,
    /// Whether there was nothing.
    pub is_new: bool,
    /// What was lost, with consent.
    pub losses: Vec<Loss>,
    /// Whether anything was ever lost of this log.
    pub is_lossy: bool,
    /// What was dropped at the end as the trace of a torn append.
    pub tail_dropped: ChunkCount,
    /// What a next snapshot would make superfluous.
    pub log: ChunkCount,
    /// The manifest, if there is one.
    pub manifest: Option<Manifest>,
    /// The ID for the next new part: above that of any part in the storage, listed or not.
    pub next_part_id: u64,
    /// What may be deleted at leisure.
    pub leftovers: Leftovers,
}

/// What a snapshot that was given up, or not tidied up after, has left behind. There is nothing of the kind after a
/// loss: it might help whoever tries to save something.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Leftovers {
    /// Parts that no manifest lists.
    pub part_ids: Vec<u64>,
    /// The last of the chunks that the manifest covers, if any of them is still there.
    pub log_upto: Option<u64>,
}

impl Recovery {
    /// Decides about everything that was read.
    pub(super) fn conclude(&mut self) -> Result<Stage, OpenError> {
        if self.claimed.is_some_and(|claimed| self.tail().epoch >= claimed) {
            return Err(self.fenced());
        }
        self.judge_break()?;
        self.judge_witness()?;
        if self.config.is_read_only {
            return Ok(self.succeed());
        }
        let has_rest = self.log.behind().chunks > 0;
        let is_marked = self.manifest.as_ref().is_some_and(|manifest| manifest.is_lossy);
        match self.is_lossy_now() {
            true if has_rest || !is_marked => self.prepare_mark(),
            _ if has_rest => Ok(Stage::Cut),
            _ => Ok(self.succeed()),
        }
    }

    fn judge_break(&mut self) -> Result<(), OpenError> {
        let Some(broken) = self.log.broken() else { return Ok(()) };
        if (self.config.can_tear && self.log.may_be_torn()) || planted(Bug::AcceptTornMiddle) {
            return Ok(());
        }
        if self.config.on_corruption == OnCorruption::Refuse || broken.last_good == 0 {
            return Err(OpenError::CorruptLog(broken));
        }
        Ok(try_push(&mut self.losses, Loss::Rest(broken))?)
    }

    fn judge_witness(&mut self) -> Result<(), OpenError> {
        let is_empty = self.manifest.is_none() && self.log_bounds.is_none();
        let log_id = if is_empty { None } else { self.log.tail().map(|tail| tail.log_id) };
        if let Some(erased) = self.erased(log_id) {
            self.require_consent_to_loss(OpenError::Erased(erased))?;
            try_push(&mut self.losses, Loss::Erased(erased))?;
        } else if let Some(loss) = self.tail_loss() {
            self.require_consent_to_loss(OpenError::DataLoss(loss))?;
            try_push(&mut self.losses, Loss::Tail(loss))?;
        }
        Ok(())
    }

    /// What the witness saw and is gone, if this is the log that is there.
    pub(super) fn erased(&self, found: Option<u64>) -> Option<Erased> {
        let Witness { log_id, durable_sequence, .. } = self.witness?;
        let is_gone = durable_sequence > 0 && found != Some(log_id);
        is_gone.then_some(Erased { log_id, durable_sequence, found })
    }

    /// What the witness saw behind the end. What stands behind a break that was accepted is not lost once more.
    ///
    /// A loss that was marked looks the same until the owner who marked it notes a witness, which may never have come to
    /// that. The mark does not say how much was lost then, so it is no consent; but it is told.
    fn tail_loss(&self) -> Option<TailLoss> {
        let Witness { durable_sequence: to, epoch, .. } = self.witness?;
        let last = if self.losses.is_empty() { self.tail().sequence } else { self.log.last_seen() };
        let is_marked = self.manifest.as_ref().is_some_and(|manifest| manifest.is_lossy);
        // Whoever only looks does not read the epochs that were claimed.
        let may_be_accepted = is_marked && (self.epoch > epoch || self.config.is_read_only);
        (to > last).then(|| TailLoss { from: last.saturating_add(1), to, may_be_accepted })
    }

    pub(super) fn require_consent_to_loss(&self, error: OpenError) -> Result<(), OpenError> {
        if self.config.on_data_loss == OnDataLoss::Accept { Ok(()) } else { Err(error) }
    }

    /// Whether something of this log was lost that was not lost before.
    fn is_lossy_now(&self) -> bool {
        self.losses.iter().any(|loss| !matches!(loss, Loss::Erased(_)))
    }

    fn prepare_mark(&mut self) -> Result<Stage, OpenError> {
        let fresh = Manifest {
            log_id: self.tail().log_id,
            created_ms: self.log.clock_ms(),
            next_part_id: self.next_part_id,
            ..Manifest::default()
        };
        // Its epoch stays: the chunks behind the snapshot have none below it, and may have one below ours.
        let manifest = Manifest { is_lossy: true, ..self.manifest.take().unwrap_or(fresh) };
        self.lossy_manifest = manifest.encode()?;
        self.manifest = Some(manifest);
        Ok(Stage::Mark)
    }

    /// Says what there is. Nothing can fail any more.
    pub(super) fn succeed(&mut self) -> Stage {
        let tail = self.tail();
        let manifest_ms = self.manifest.as_ref().map_or(0, |manifest| manifest.created_ms);
        let witness_ms = self.witness.map_or(0, |witness| witness.clock_ms);
        let is_salvaged = self.losses.iter().any(|loss| matches!(loss, Loss::Rest(_)));
        let tail_dropped = if is_salvaged { ChunkCount::default() } else { self.log.behind() };
        let is_new = self.manifest.is_none() && self.log_bounds.is_none();
        let was_closed = self.witness.is_some_and(|witness| {
            witness.is_clean && (witness.log_id, witness.durable_sequence) == (tail.log_id, tail.sequence)
        });
        let is_lossy_now = self.is_lossy_now();
        let leftovers =
            if self.losses.is_empty() { core::mem::take(&mut self.leftovers) } else { Leftovers::default() };
        let losses = core::mem::take(&mut self.losses);
        let manifest = self.manifest.take();
        self.end(Ok(Recovered {
            tail,
            epoch: self.claimed,
            units: self.log.units(),
            clock_ms: self.log.clock_ms().max(manifest_ms).max(witness_ms),
            was_clean: losses.is_empty() && tail_dropped.chunks == 0 && (is_new || was_closed),
            is_new,
            is_lossy: is_lossy_now || manifest.as_ref().is_some_and(|manifest| manifest.is_lossy),
            losses,
            tail_dropped,
            log: self.log.whole(),
            manifest,
            next_part_id: self.next_part_id,
            leftovers,
        }));
        Stage::Ended
    }

    fn tail(&self) -> Tail {
        self.log.tail().unwrap_or(Tail::new(self.config.new_log_id))
    }
}
