//! Effects: any bytes whatsoever as a journal.
//!
//! The first byte chooses what becomes of the rest: the journal as it is, the effects of units that the target frames
//! itself (so that a changed length is not the end of everything), or changes to a real journal.
//!
//! *Checked*: nothing panics and nothing is allocated by an announced size (libFuzzer's limit on allocations sees to
//! that); what was read, whole or in part, passes `validate()`; what was read whole bears commands of all kinds, and its
//! own effects replay on top of it to the same state.

use brooklet::{ReplayError, Value};

use super::dump::call;
use super::input::Input;
use super::journals::{LATER_MS, NOW_MS, REAL, bear_traffic, changed, framed, furnished, new_engine};

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

/// What a corpus begins with beyond what was found: the effects of RESTORE, whose values no line of words can tell.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let (mut source, mut engine) = (furnished(), new_engine());
    for key in [b"e", b"p", b"n"] {
        let Value::Bulk(dumped) = call(&mut source, NOW_MS, 0, &[b"DUMP", key]) else { continue };
        for ttl in [&b"0"[..], b"100000"] {
            call(&mut engine, NOW_MS, 0, &[b"RESTORE", key, ttl, &dumped, b"REPLACE"]);
        }
    }
    let mut journal = b"j".to_vec();
    engine.take_effects(&mut journal);
    vec![("restored".into(), journal)]
}
