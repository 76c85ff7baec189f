//! Snapshots: any bytes whatsoever as the parts of one.
//!
//! The first byte chooses what becomes of the rest: records that are parts as they stand there, units that the target
//! puts into parts itself (0xff ends a unit), or changes to the parts of a real snapshot.
//!
//! *Checked*: nothing panics, and nothing is allocated by an announced size; what is loaded passes `validate()`; a
//! snapshot of it, loaded, is the same and is not written again; one that is told while commands of all kinds run is the
//! state before them, and with the journal since the state after them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use brooklet::persist::Part;
use brooklet::{Engine, PartNames, PartSpan, SnapshotStep};

use super::dump::{call_line, dump};
use super::input::Input;
use super::journals::{KEYS, NOW_MS, TRAFFIC, furnished, new_engine};
use super::values::{LOG_ID, Place, Record, change_record, key, mend_seal, records, told};

/// No snapshot of so little has so many units.
const STEPS_MAX: usize = 10_000;

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let units = match input.byte() {
        b'r' => payloads(changed_parts(input)),
        b'u' => input.rest().split(|&byte| byte == 0xff).map(<[u8]>::to_vec).collect(),
        _ => payloads(records(input.rest())),
    };
    let Some(mut engine) = load_what_fits(&units) else { return };
    let mut stored = Units::default();
    let mut same = reload(&mut engine, &mut stored);
    compare(&mut engine, &mut same, NOW_MS);
    check_told_meanwhile(&mut engine, stored.clone(), &mut TRAFFIC.iter());
    // At the end of the commands whole streams go, here while their units are still to be told.
    check_told_meanwhile(&mut same, stored, &mut TRAFFIC.iter().rev());
}

/// What a corpus begins with: a name and an input each.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let units: Vec<Vec<u8>> = payloads(REAL.clone());
    let small = units.iter().find(|unit| !unit.contains(&0xff)).expect("there is a unit of text and small numbers");
    let mut seeds = vec![
        ("empty".into(), Vec::new()),
        ("real".into(), b"r".to_vec()),
        ("parts".into(), [b"p", &*told(&REAL)].concat()),
        ("unit".into(), [b"u", &**small].concat()),
    ];
    for part in 0..REAL.len() as u8 {
        seeds.push((format!("real-without-part-{part}"), vec![b'r', part, 0xf0]));
        seeds.push((format!("real-with-a-byte-changed-in-part-{part}"), vec![b'r', part, 0, 60, 0, 0, 1]));
    }
    seeds
}

/// The parts of a real snapshot: keys, and blocks and pending entries in units of their own.
static REAL: LazyLock<Vec<Record>> = LazyLock::new(|| {
    let mut engine = furnished();
    let mut stored = Units::default();
    let spans = stored.take_snapshot(&mut engine, &mut |_, _| {}).0;
    let part = |(id, span): (usize, &PartSpan)| {
        let part = Part { log_id: LOG_ID, id: id as u64, kind: 0, payload: &stored.units[&span.first] };
        (key(Place::Part, part.id), part.encode().expect("the numbers are in range").0)
    };
    spans.iter().enumerate().map(part).collect()
});

fn changed_parts(mut input: Input<'_>) -> Vec<Record> {
    let mut records = REAL.clone();
    while !input.is_empty() {
        change_record(&mut records, &mut input);
    }
    records
}

/// What the parts hold that can be decoded.
fn payloads(records: Vec<Record>) -> Vec<Vec<u8>> {
    let payload = |(_, mut bytes): Record| {
        mend_seal(&mut bytes);
        Part::decode(&bytes).ok().map(|part| part.payload.to_vec())
    };
    records.into_iter().filter_map(payload).collect()
}

/// An engine made of the units, up to the first that does not fit; none if they are no whole.
fn load_what_fits(units: &[Vec<u8>]) -> Option<Engine> {
    let mut engine = new_engine();
    let misfit = units.iter().position(|unit| load_unit(&mut engine, unit, 1).is_err());
    if let Some(misfit) = misfit {
        // After an error an engine is to be dropped.
        engine = new_engine();
        for unit in &units[..misfit] {
            load_unit(&mut engine, unit, 1).expect("it was loaded before");
        }
    }
    let state_hash = engine.state_hash();
    engine.finish_load(state_hash).ok()?;
    engine.validate().expect("after loading");
    Some(engine)
}

/// The name says nothing that anybody would find.
fn load_unit(engine: &mut Engine, unit: &[u8], first: u64) -> Result<(), brooklet::ReplayError> {
    engine.load_unit(unit, PartSpan { first: u64::MAX - first, count: 1 })
}

/// Units under their names.
#[derive(Clone, Default)]
struct Units {
    units: BTreeMap<u64, Vec<u8>>,
    named: u64,
}

impl PartNames for Units {
    fn is_stored(&self, span: PartSpan) -> bool {
        self.units.contains_key(&span.first)
    }

    fn name(&mut self, _: usize) -> PartSpan {
        self.named += 1;
        PartSpan { first: self.named, count: 1 }
    }
}

impl Units {
    /// Takes a snapshot and does something between its steps: its units in order, its hash, and how many are new.
    fn take_snapshot(
        &mut self,
        engine: &mut Engine,
        meanwhile: &mut dyn FnMut(&mut Engine, usize),
    ) -> (Vec<PartSpan>, u64, usize) {
        let (mut spans, mut new_units, mut unit) = (Vec::new(), BTreeMap::new(), Vec::new());
        engine.begin_snapshot();
        for step in 0..STEPS_MAX {
            meanwhile(engine, step);
            match engine.next_unit(self, &mut unit) {
                SnapshotStep::Changed(span) => {
                    spans.push(span);
                    new_units.insert(span.first, unit.clone());
                }
                SnapshotStep::Unchanged(span) => spans.push(span),
                SnapshotStep::Worked => {}
                SnapshotStep::Done { state_hash } => {
                    let count = new_units.len();
                    self.units.append(&mut new_units);
                    return (spans, state_hash, count);
                }
                SnapshotStep::Abandoned => panic!("there was no reason to give it up"),
            }
        }
        panic!("a snapshot does not end")
    }

    fn load(&self, spans: &[PartSpan], state_hash: u64) -> Engine {
        let mut engine = new_engine();
        for span in spans {
            engine.load_unit(&self.units[&span.first], *span).expect("a unit that was told can be read");
        }
        engine.finish_load(state_hash).expect("all units are there");
        engine.validate().expect("after loading");
        engine
    }
}

/// An engine made of a snapshot of this one. A second snapshot of it has nothing new.
fn reload(engine: &mut Engine, stored: &mut Units) -> Engine {
    let (spans, state_hash, _) = stored.take_snapshot(engine, &mut |_, _| {});
    assert_eq!(state_hash, engine.state_hash());
    engine.validate().expect("after a snapshot");
    let mut loaded = stored.load(&spans, state_hash);
    let (again, ..) = stored.clone().take_snapshot(&mut loaded, &mut |_, _| {});
    assert_eq!(again, spans, "what was loaded is written again");
    loaded
}

fn compare(engine: &mut Engine, other: &mut Engine, now_ms: u64) {
    assert_eq!(other.state_hash(), engine.state_hash());
    assert_eq!(dump(other, now_ms, KEYS), dump(engine, now_ms, KEYS), "loaded, and original");
}

/// Tells a snapshot while commands run, and reads it back with the journal since.
fn check_told_meanwhile(
    engine: &mut Engine,
    mut stored: Units,
    lines: &mut dyn Iterator<Item = &'static &'static str>,
) {
    let mut journal = Vec::new();
    engine.take_effects(&mut journal);
    journal.clear();
    let (spans, state_hash, _) = stored.take_snapshot(engine, &mut |engine, _| {
        for line in (&mut *lines).take(2) {
            call_line(engine, NOW_MS, line);
            if let Err(breach) = engine.validate() {
                panic!("after {line}: {breach}");
            }
        }
    });
    for line in lines {
        call_line(engine, NOW_MS, line);
    }
    engine.advance(NOW_MS + 1000);
    engine.validate().expect("after time has passed");
    engine.take_effects(&mut journal);
    let mut loaded = stored.load(&spans, state_hash);
    loaded.replay(&journal).expect("the journal goes on where the snapshot was taken");
    loaded.validate().expect("after a replay");
    compare(engine, &mut loaded, NOW_MS + 1000);
    let mut same = reload(engine, &mut stored);
    compare(engine, &mut same, NOW_MS + 1000);
}
