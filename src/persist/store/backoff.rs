//! Pauses after failures, each twice as long as the one before.
//!
//! A clock that goes back takes the pause along, so that it does not last longer than it was meant to.

use super::super::writer::WriterConfig;

/// Pauses after failures; see the head of this file.
#[derive(Default)]
pub(super) struct Backoff {
    failures: u32,
    pause: Option<Pause>,
}

struct Pause {
    failed_ms: u64,
    until_ms: u64,
}

impl Backoff {
    /// Begins a pause.
    pub(super) fn fail(&mut self, now_ms: u64, config: &WriterConfig) {
        let pause_ms = config.retry_ms_min.saturating_mul(1 << self.failures.min(30)).min(config.retry_ms_max);
        self.failures = self.failures.saturating_add(1);
        self.pause = Some(Pause { failed_ms: now_ms, until_ms: now_ms.saturating_add(pause_ms) });
    }

    /// Forgets all failures.
    pub(super) fn succeed(&mut self) {
        *self = Backoff::default();
    }

    /// Notes the time.
    pub(super) fn watch(&mut self, now_ms: u64) {
        if let Some(pause) = &mut self.pause {
            let ahead_ms = pause.failed_ms.saturating_sub(now_ms);
            pause.failed_ms -= ahead_ms;
            pause.until_ms -= ahead_ms;
        }
        self.pause.take_if(|pause| pause.until_ms <= now_ms);
    }

    /// Until when there is a pause, if there is one.
    pub(super) fn until_ms(&self) -> Option<u64> {
        self.pause.as_ref().map(|pause| pause.until_ms)
    }

    /// Whether there is a pause.
    pub(super) fn is_paused(&self) -> bool {
        self.pause.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: fn() -> WriterConfig =
        || WriterConfig { retry_ms_min: 50, retry_ms_max: 300, ..WriterConfig::default() };

    #[test]
    fn pauses_double_up_to_the_longest_until_something_succeeds() {
        let mut backoff = Backoff::default();
        let mut now_ms = 1000;
        for pause_ms in [50, 100, 200, 300, 300] {
            backoff.fail(now_ms, &CONFIG());
            assert_eq!(backoff.until_ms(), Some(now_ms + pause_ms));
            backoff.watch(now_ms + pause_ms - 1);
            assert!(backoff.is_paused());
            now_ms += pause_ms;
            backoff.watch(now_ms);
            assert!(!backoff.is_paused());
        }
        backoff.succeed();
        backoff.fail(now_ms, &CONFIG());
        assert_eq!(backoff.until_ms(), Some(now_ms + 50));
    }

    #[test]
    fn a_clock_that_goes_back_makes_no_pause_longer() {
        let mut backoff = Backoff::default();
        backoff.fail(1_000_000, &CONFIG());
        backoff.watch(10);
        assert_eq!(backoff.until_ms(), Some(60));
        backoff.watch(60);
        assert!(!backoff.is_paused());
    }
}
