//! Shortens a sequence that fails, so that a person can read it.

/// Leaves out pieces, large ones first, as long as what remains still fails. The last step is the one that fails.
pub(crate) fn shrink<T: Clone>(mut steps: Vec<T>, mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut piece = steps.len() / 2;
    while piece > 0 {
        let mut start = 0;
        while start + 1 < steps.len() {
            let end = (start + piece).min(steps.len() - 1);
            let mut shorter = steps.clone();
            shorter.drain(start..end);
            if fails(&shorter) {
                steps = shorter;
            } else {
                start = end;
            }
        }
        piece /= 2;
    }
    steps
}

/// Runs `attempt` without the messages of panics in it, which would bury the one that counts.
pub(crate) fn quietly<T>(attempt: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = attempt();
    std::panic::set_hook(hook);
    result
}

/// What a panic said, or the result.
pub(crate) fn catch<T>(attempt: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt)).map_err(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string));
        format!("panic: {}", text.unwrap_or_default())
    })
}
