//! Opening a storage: recovery with an engine at its end, and the storage failing or the process dying in between.

use brooklet::persist::{
    Loader, OpenError, Recovered, Recovery, RecoveryAnswer, RecoveryConfig, RecoveryRequest, StorageFault,
};
use brooklet::{Config, Engine};

use super::trace::{Checked, ensure};
use crate::storage::{Fault, MemoryStorage};

/// What goes wrong while a storage is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// The request with this number fails so.
    Fails(u64, Fault),
    /// The process dies before the request with this number.
    Dies(u64),
}

/// How an opening ended.
pub(crate) enum Opened {
    Open(Box<Engine>, Box<Recovered>),
    Refused(OpenError),
    Died,
}

/// Opens a storage. Between two requests something else may happen to it. A refusal may have changed the epoch and
/// nothing else (I8).
pub(crate) fn open(
    storage: &mut MemoryStorage,
    config: RecoveryConfig,
    engine: &Config,
    trouble: Trouble,
    meanwhile: &mut dyn FnMut(&mut MemoryStorage) -> Checked,
) -> Checked<Opened> {
    let mut engine = Engine::new(Config { journal: true, ..engine.clone() });
    let (mut recovery, mut loader) = (Recovery::new(config), Loader::new());
    let (mut requests, mut has_written) = (0, false);
    storage.faults.at.clear();
    while let Some((ticket, request)) = recovery.next_request() {
        match trouble {
            Trouble::Dies(at) if at == requests => return Ok(Opened::Died),
            Trouble::Fails(at, fault) if at == requests => {
                storage.faults.at.insert(storage.operations, fault);
            }
            _ => {}
        }
        requests += 1;
        let is_last_write = matches!(request, RecoveryRequest::CutLog { .. } | RecoveryRequest::MarkLossy { .. });
        let before = storage.stored.without_epochs();
        let answer = storage.execute(&request).unwrap_or(RecoveryAnswer::Failed(StorageFault::NoAnswer));
        recovery.answered(ticket, answer, &mut |item| loader.take(&mut engine, item));
        has_written |= !is_last_write && storage.stored.without_epochs() != before;
        meanwhile(storage)?;
    }
    storage.faults.at.clear();
    let Some(outcome) = recovery.take_outcome() else { return Ok(Opened::Died) };
    i8_only_the_epoch_changes(has_written)?;
    Ok(match outcome {
        Ok(recovered) => Opened::Open(Box::new(engine), Box::new(recovered)),
        Err(error) => Opened::Refused(error),
    })
}

/// I8: but for its last write, after which nothing more can fail, an opening changes the epoch and nothing else.
fn i8_only_the_epoch_changes(has_written: bool) -> Checked {
    ensure("I8", !has_written, || "an opening has written something else than the epoch".into())
}

/// Only looks at a storage.
pub(crate) fn peek(storage: &mut MemoryStorage, config: RecoveryConfig, engine: &Config) -> Checked<Opened> {
    let before = storage.stored.clone();
    let config = RecoveryConfig { is_read_only: true, ..config };
    let opened = open(storage, config, engine, Trouble::None, &mut |_| Ok(()));
    ensure("I8", storage.stored == before, || "somebody who only looks has written".into())?;
    opened
}
