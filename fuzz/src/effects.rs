//! Effects: any bytes whatsoever as a journal.
//!
//! The first byte chooses what becomes of the rest: the journal as it is, the effects of units that the target frames
//! itself (so that a changed length is not the end of everything), or changes to a real journal.
//!
//! *Checked*: nothing panics and nothing is allocated by an announced size (libFuzzer's limit on allocations sees to
//! that); what was read, whole or in part, passes `validate()`; what was read whole bears commands of all kinds, and its
//! own effects replay on top of it to the same state.

use brooklet::ReplayError;

use super::input::Input;
use super::journals::{LATER_MS, NOW_MS, REAL, bear_traffic, changed, framed, new_engine};

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let journal = match input.byte() {
        b'r' => changed(REAL.clone(), input),
        b'u' => framed(input.rest()),
        _ => input.rest().to_vec(),
    };
    let mut engine = new_engine();
    let result = engine.replay(&journal);
    engine.validate().expect("after a replay");
    match result {
        Ok(()) => {
            bear_traffic(&mut engine, journal, NOW_MS);
        }
        Err(ReplayError { offset, .. }) => {
            // What stands before the unit that is wrong is good by itself.
            assert!(offset < journal.len());
            let (good, _) = journal.split_at(offset);
            let mut engine = new_engine();
            assert_eq!(engine.replay(good), Ok(()));
            bear_traffic(&mut engine, good.to_vec(), LATER_MS);
        }
    }
}
