//! Reading back: what recovery hands over becomes the engine again, or is refused.

use brooklet::persist::{ChunkGroup, Loader, Part, RecoveryItem};
use brooklet::{Config, Engine};

use crate::storage::MemoryStorage;
use crate::{fill, open, unhurried};

/// ID, kind and payload of a part.
type Loaded = (u64, u8, Vec<u8>);

/// The parts of a snapshot with a unit of several parts, in the order in which they are loaded.
fn parts() -> (Vec<Loaded>, u64) {
    let mut host = open(MemoryStorage::default(), unhurried());
    host.run(&format!("XADD s 1-1 f {}", "y".repeat(5000)));
    fill(&mut host, 20);
    host.store.compact();
    host.settle();
    let manifest = host.storage.stored.manifest.as_ref().expect("there is one");
    let manifest = brooklet::persist::Manifest::decode(manifest).expect("it is whole");
    let parts = manifest.parts.iter().map(|listed| {
        let part = Part::decode(&host.storage.stored.parts[&listed.id]).expect("it is whole");
        (part.id, part.kind, part.payload.to_vec())
    });
    (parts.collect(), manifest.state_hash)
}

fn load(parts: &[Loaded], state_hash: u64) -> Result<Engine, &'static str> {
    let mut engine = Engine::new(Config { journal: true, ..Config::default() });
    let mut loader = Loader::new();
    for (id, kind, payload) in parts {
        let part = Part { log_id: 1, id: *id, kind: *kind, payload };
        loader.take(&mut engine, RecoveryItem::Part(part)).map_err(|error| error.reason)?;
    }
    loader.take(&mut engine, RecoveryItem::SnapshotEnd { state_hash }).map_err(|error| error.reason)?;
    Ok(engine)
}

#[test]
fn what_was_stored_is_loaded() {
    let (parts, state_hash) = parts();
    let engine = load(&parts, state_hash).expect("nothing was changed");
    assert_eq!(engine.state_hash(), state_hash);
    assert!(load(&parts, state_hash + 1).is_err());
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let (parts, state_hash) = parts();
    let inside = parts.iter().position(|(_, kind, _)| *kind == 1).expect("a unit has several parts");
    let refused = |change: &dyn Fn(&mut Vec<Loaded>)| {
        let mut changed = parts.clone();
        change(&mut changed);
        load(&changed, state_hash).err()
    };
    let other_ids = Some("the parts of a unit are not those that belong together");
    assert_eq!(refused(&|parts| parts[inside + 1].0 += 1), other_ids);
    assert_eq!(refused(&|parts| parts[inside + 1].0 = parts[inside].0), other_ids);
    assert_eq!(refused(&|parts| parts[inside + 1].0 = 0), other_ids);
    assert_eq!(refused(&|parts| parts[inside].1 = 2), Some("a part is of an unknown kind"));
    assert_eq!(refused(&|parts| parts[0].1 = 255), Some("a part is of an unknown kind"));
    let ends_inside = |parts: &mut Vec<Loaded>| {
        parts.truncate(inside + 1);
    };
    assert_eq!(refused(&ends_inside), Some("a snapshot ends inside a unit"));
}

#[test]
fn a_group_holds_as_many_units_as_it_says() {
    let mut host = open(MemoryStorage::default(), unhurried());
    let mut journal = Vec::new();
    for line in ["XADD s 1-1 f v", "XADD s 1-2 f v"] {
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        host.engine.call(1, brooklet::Session::default(), &argv, &mut brooklet::Reply::new());
    }
    host.engine.take_effects(&mut journal);
    for (units, is_right) in [(1, false), (2, true), (3, false)] {
        let mut engine = Engine::new(Config { journal: true, ..Config::default() });
        let group = ChunkGroup {
            first_sequence: 2,
            last_sequence: 2,
            epoch: 1,
            base_ms: 1,
            units,
            is_epoch_mark: false,
            journal: &journal,
        };
        assert_eq!(Loader::new().take(&mut engine, RecoveryItem::Group(group)).is_ok(), is_right, "{units} units");
    }
}
