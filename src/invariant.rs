//! Invariants as sentences, for the `validate` functions that tests call after each operation.

use alloc::string::String;

/// For `validate` functions: an invariant as a sentence.
pub(crate) fn ensure(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(String::from(otherwise)) }
}
