//! Bugs that are planted on purpose, to see that the tests notice them: one for each rule that is easily broken.
//!
//! Only a build with `--cfg planted` has them, and in it all rules hold until `plant` says which one does not. In every
//! other build [`planted`] is a constant, and nothing is left of it. tests/planted.rs plants them, one after the other.

/// A bug, by what it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(not(planted), expect(unreachable_pub, reason = "there is nothing to plant"))]
#[cfg_attr(planted, expect(missing_docs, reason = "the names say it, and the place where each is planted"))]
pub enum Bug {
    // The writer.
    AckBeforeComplete,
    CallWrittenDurable,
    CarryOnlyNew,
    ClaimWhatIsGathered,
    DropUnitTail,
    ForgetWhatFailed,
    ReleaseBeforeDurable,
    SkipEpoch,
    TrustFailedSync,
    // Recovery.
    AcceptTornMiddle,
    ForgetOwnerOnReplay,
    // The store.
    CoverTooMuch,
    DeleteListedParts,
    IgnoreFlipUnknown,
    LeaveSuperfluousParts,
    ReuseIdAfterCrash,
    TruncateBeforeFlip,
    WitnessTooEarly,
    // Snapshots.
    ForgetPendingChange,
    ForgetTrimInSnapshot,
    ListChangedPart,
    SkipPageCopy,
    SkipShadowCopy,
    // Replies.
    ReadsDependOnNothing,
    WakeReadersAtApplied,
}

#[cfg(planted)]
static PLANTED: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(u32::MAX);

/// Plants a bug instead of the one before, or none, in all engines and stores of the process.
#[cfg(planted)]
pub fn plant(bug: Option<Bug>) {
    PLANTED.store(bug.map_or(u32::MAX, |bug| bug as u32), core::sync::atomic::Ordering::Relaxed);
}

/// Whether a rule is to be broken here.
#[cfg(planted)]
pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.load(core::sync::atomic::Ordering::Relaxed) == bug as u32
}

/// Whether a rule is to be broken here: never.
#[cfg(not(planted))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}
