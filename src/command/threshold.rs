//! Trimming options, as XADD and XTRIM share them: a threshold, how exactly to keep it, and what happens to references.

use alloc::vec::Vec;

use super::Call;
use super::args::{Args, is};
use crate::engine::KeyRef;
use crate::engine::effect::Effect;
use crate::entries::{Threshold, Trim};
use crate::error::Error;
use crate::id::EntryId;
use crate::memory::try_push;

/// The largest LIMIT that is set without being asked for.
const DEFAULT_LIMIT_MAX: u64 = 1_000_000;
/// The default LIMIT where nodes have no largest number of entries.
const DEFAULT_LIMIT: u64 = 10_000;

/// What removing an entry does to groups that still refer to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum References {
    /// KEEPREF: their pending entries stay, without an entry.
    #[default]
    Keep,
    /// DELREF: their pending entries go along.
    Delete,
    /// ACKED: only an entry that every group was given and has acknowledged is removed.
    Acked,
}

impl References {
    /// The word for it.
    pub(super) fn parse(word: &[u8]) -> Option<References> {
        if is(word, "KEEPREF") {
            Some(References::Keep)
        } else if is(word, "DELREF") {
            Some(References::Delete)
        } else if is(word, "ACKED") {
            Some(References::Acked)
        } else {
            None
        }
    }
}

/// The trimming options of a request.
#[derive(Default)]
pub(super) struct TrimOptions {
    threshold: Option<Threshold>,
    approximate: bool,
    limit: Option<u64>,
    references: Option<References>,
}

impl TrimOptions {
    /// Takes one option if the next word is one. An option that lacks its operand is not.
    pub(super) fn accept(&mut self, args: &mut Args<'_>) -> Result<bool, Error> {
        let Some(word) = args.peek() else { return Ok(false) };
        if args.len() > 1 && (is(word, "MAXLEN") || is(word, "MINID")) {
            args.word()?;
            self.accept_threshold(args, is(word, "MINID"))?;
        } else if args.len() > 1 && args.keyword("LIMIT") {
            self.limit = Some(u64::try_from(args.integer()?).map_err(|_| Error::NegativeLimit)?);
        } else if let (Some(references), None) = (References::parse(word), self.references) {
            args.word()?;
            self.references = Some(references);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn accept_threshold(&mut self, args: &mut Args<'_>, is_min_id: bool) -> Result<(), Error> {
        if self.threshold.is_some() {
            return Err(Error::TwoThresholds);
        }
        self.approximate = false;
        if args.len() > 1 && !args.keyword("=") {
            self.approximate = args.keyword("~");
        }
        self.threshold = Some(if is_min_id {
            Threshold::MinId(args.id()?)
        } else {
            Threshold::MaxLen(u64::try_from(args.integer()?).map_err(|_| Error::NegativeMaxLen)?)
        });
        Ok(())
    }

    /// Checks what only shows when all options are read.
    pub(super) fn check(&self, is_threshold_required: bool) -> Result<(), Error> {
        if self.threshold.is_none() {
            if self.limit.is_some_and(|limit| limit != 0) {
                return Err(Error::LimitWithoutThreshold);
            }
            if is_threshold_required {
                return Err(Error::NoThreshold);
            }
        }
        if self.limit.is_some() && !self.approximate {
            return Err(Error::LimitWithoutTilde);
        }
        Ok(())
    }

    /// Trims a stream, if that was asked for, and returns how many entries that removed.
    pub(super) fn run(&self, call: &mut Call<'_, '_>, at: KeyRef) -> Result<u64, Error> {
        let Some(trim) = self.resolve(call.engine.config().node_entries_max) else { return Ok(0) };
        match self.references.unwrap_or_default() {
            References::Keep => trim_any(call, at, &trim),
            References::Delete => trim_each(call, at, &trim, true),
            References::Acked => trim_each(call, at, &trim, false),
        }
    }

    fn resolve(&self, node_entries_max: u64) -> Option<Trim> {
        let threshold = self.threshold?;
        let limit = match self.limit {
            _ if !self.approximate => None,
            Some(0) => None,
            Some(limit) => Some(limit),
            None if node_entries_max == 0 => Some(DEFAULT_LIMIT),
            None => Some(node_entries_max.saturating_mul(100).min(DEFAULT_LIMIT_MAX)),
        };
        Some(Trim { threshold, approximate: self.approximate, limit })
    }
}

fn trim_any(call: &mut Call<'_, '_>, at: KeyRef, trim: &Trim) -> Result<u64, Error> {
    let Some(stream) = call.engine.stream(at) else { return Ok(0) };
    let removal = stream.entries().plan_trim(trim);
    if let Some(through) = removal.through {
        call.commit(at, &Effect::Trim { ranges: &[(EntryId::MIN, through)], purge: false })?;
    }
    Ok(removal.count)
}

fn trim_each(call: &mut Call<'_, '_>, at: KeyRef, trim: &Trim, purge: bool) -> Result<u64, Error> {
    let Some(stream) = call.engine.stream(at) else { return Ok(0) };
    let mut ranges = Vec::new();
    let removed =
        stream.entries().plan_trim_each(trim, &mut |id| purge || !stream.is_referenced(id), &mut |from, to| {
            try_push(&mut ranges, (from, to))
        })?;
    if removed > 0 {
        call.commit(at, &Effect::Trim { ranges: &ranges, purge })?;
    }
    Ok(removed)
}
