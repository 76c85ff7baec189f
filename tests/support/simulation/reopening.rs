//! How owners end and others begin: crashes, loss of power, take-overs, closing; and what has to be there afterwards.

use brooklet::Engine;
use brooklet::persist::{OnDataLoss, OpenError, Recovered, RecoveryConfig, StorageFault, Store, Tail};

use super::checks::{self, View};
use super::host::{Host, refused};
use super::medium::Kind;
use super::opening::{Opened, Trouble, open, peek};
use super::past::Past;
use super::promises::Levels;
use super::trace::{Checked, breach, ensure};
use super::world::World;
use crate::storage::Fault;

/// How often an opening may go wrong in a row.
const ATTEMPTS_MAX: u64 = 6;

/// What an owner leaves behind.
pub(super) struct Legacy {
    pub(super) past: Past,
    pub(super) acknowledged: Levels,
    /// What could be seen at its end.
    pub(super) last_view: Option<LastView>,
    /// What was not durable may be gone.
    pub(super) loses_power: bool,
}

/// What could be seen of an engine after so many units.
pub(super) struct LastView {
    position: u64,
    now_ms: u64,
    view: View,
}

impl World {
    pub(super) fn open_first(&mut self) -> Checked {
        let legacy =
            Legacy { past: Past::default(), acknowledged: Levels::default(), last_view: None, loses_power: false };
        self.open_again(legacy)
    }

    /// The process dies, or the power goes.
    pub(super) fn crash(&mut self, loses_power: bool) -> Checked {
        for is_stale in [false, true] {
            for _ in 0..self.random.below(3) {
                self.execute(is_stale)?;
            }
        }
        let Some(host) = self.owner.take() else { return Ok(()) };
        if let Some(delivery) = host.jobs.front() {
            self.medium.tear(&delivery.job, &mut self.random);
        }
        self.fault(if loses_power { "the power goes" } else { "a process dies" });
        if loses_power {
            if let Some(stale) = self.stale.take() {
                self.bury(stale);
            }
            self.lose_power();
        }
        let legacy = self.end(host, loses_power)?;
        if self.stale.is_some() { self.open_again(legacy) } else { self.damage_and_open(legacy) }
    }

    fn lose_power(&mut self) {
        if self.medium.lose_power(&mut self.random) {
            self.fault("what was not durable is lost");
        }
        // Machines take a while to come back, and then they may not know what time it is.
        if self.random.percent(90) {
            self.now_ms = self.now_ms.max(self.latest_ms) + 1 + self.random.below(20_000);
        } else {
            self.now_ms = self.now_ms.saturating_sub(self.random.below(60_000)).max(1);
        }
    }

    /// Notes what an owner has promised, at the moment of its end.
    fn end(&mut self, mut host: Host, loses_power: bool) -> Checked<Legacy> {
        host.take_past()?;
        let acknowledged = Levels { written: host.written(), durable: host.durable() };
        let past = std::mem::take(&mut host.past);
        let now_ms = host.clock(self.now_ms);
        let last_view = self.random.percent(50).then(|| LastView {
            position: past.position(),
            now_ms,
            view: checks::view(&mut host.engine, now_ms),
        });
        self.bury(host);
        Ok(Legacy { past, acknowledged, last_view, loses_power })
    }

    /// Another owner takes over, while the one before goes on for a while.
    pub(super) fn take_over(&mut self) -> Checked {
        if let Some(stale) = self.stale.take() {
            self.bury(stale);
        }
        let Some(mut old) = self.owner.take() else { return Ok(()) };
        self.fault("another owner takes over");
        // What is under way may land before or after the claim.
        old.take_past()?;
        let legacy = Legacy {
            past: old.past.clone(),
            acknowledged: Levels { written: old.written(), durable: old.durable() },
            last_view: None,
            loses_power: false,
        };
        self.stale = Some(old);
        self.open_again(legacy)?;
        let fork = self.owner.as_ref().map(|owner| owner.past.position());
        if let Some(old) = &mut self.stale {
            old.superseded_at = fork;
        }
        Ok(())
    }

    /// The owner closes the storage, and another one opens it.
    pub(super) fn close(&mut self) -> Checked {
        let Some(host) = self.owner.as_mut() else { return Ok(()) };
        host.store.close();
        let mut is_closed = false;
        for _ in 0..400 {
            self.pump(false)?;
            self.execute(false)?;
            self.deliver(false)?;
            self.now_ms += self.random.below(100);
            is_closed = self.owner.as_ref().is_none_or(|host| host.store.is_closed() && host.jobs.is_empty());
            if is_closed {
                break;
            }
        }
        self.note(if is_closed { "closed" } else { "not closed in time" });
        let Some(mut host) = self.owner.take() else { return Ok(()) };
        let is_clean = is_closed && host.store.refusal().is_none();
        if is_clean {
            host.take_past()?;
            let (durable, issued) = (host.durable(), host.past.position());
            ensure("I1", durable == issued, || format!("closed with {durable} of {issued} units durable"))?;
        }
        let legacy = self.end(host, false)?;
        self.open_again(legacy)
    }

    /// Somebody only looks at the storage: what is there is a beginning of what the owner did.
    pub(super) fn look_from_outside(&mut self) -> Checked {
        let config = self.recovery_config();
        let Some(host) = self.owner.as_mut() else { return Ok(()) };
        host.take_past()?;
        match peek(&mut self.medium.storage, config, &self.plan.engine)? {
            Opened::Open(mut engine, recovered) => {
                let position = self.book.units(recovered.tail)?;
                let Some(host) = self.owner.as_ref() else { return Ok(()) };
                let mut expected = host.past.state_at(position, &self.plan.engine)?;
                let issued = host.past.position();
                self.note("somebody looks");
                checks::i2_state_is_a_prefix(&mut engine, &mut expected, position, issued, self.now_ms)
            }
            Opened::Refused(error) => breach("I2", format!("whoever looks is refused: {error}")),
            Opened::Died => breach("simulator", "looking cannot die"),
        }
    }

    pub(super) fn recovery_config(&mut self) -> RecoveryConfig {
        let can_tear = self.medium.kind == Kind::Files;
        let page_bytes = [200, 5_000, 1 << 20][self.random.below(3) as usize];
        let witnessed = self.medium.storage.witness.map_or(0, |witness| witness.epoch);
        let on_data_loss = if witnessed < self.consented { OnDataLoss::Accept } else { OnDataLoss::Refuse };
        RecoveryConfig { can_tear, page_bytes, on_data_loss, ..RecoveryConfig::new(self.random.next()) }
    }

    /// A new owner opens the storage, which may fail a few times; then everything has to be right.
    pub(super) fn open_again(&mut self, mut legacy: Legacy) -> Checked {
        let (engine, recovered) = self.open_until_it_works(&mut legacy)?;
        self.begin(legacy, engine, recovered)
    }

    fn open_until_it_works(&mut self, legacy: &mut Legacy) -> Checked<(Engine, Recovered)> {
        for attempt in 0.. {
            let trouble = if attempt < ATTEMPTS_MAX { self.choose_trouble() } else { Trouble::None };
            match self.open_once(trouble)? {
                Opened::Open(engine, recovered) => return Ok((*engine, *recovered)),
                Opened::Died => {
                    self.fault("a process dies while it opens");
                    if self.stale.is_none() && self.random.percent(30) {
                        self.fault("the power goes");
                        legacy.loses_power = true;
                        self.lose_power();
                    }
                }
                Opened::Refused(OpenError::Storage { .. }) if trouble != Trouble::None => {
                    self.fault("an opening fails");
                }
                Opened::Refused(error) => return breach("I2", format!("refused without a reason: {error}")),
            }
        }
        breach("simulator", "there is always another attempt")
    }

    fn choose_trouble(&mut self) -> Trouble {
        let fault = [
            Fault::Fails(StorageFault::Io),
            Fault::FailsAfterSuccess(StorageFault::Io),
            Fault::NeverAnswers,
            Fault::Fails(StorageFault::Closed),
        ][self.random.below(4) as usize];
        match self.random.below(20) {
            _ if !self.has_faults => Trouble::None,
            0..3 => Trouble::Fails(self.random.below(14), fault),
            3 => Trouble::Dies(self.random.below(14)),
            _ => Trouble::None,
        }
    }

    /// One attempt. An owner that is being superseded goes on meanwhile.
    fn open_once(&mut self, trouble: Trouble) -> Checked<Opened> {
        let config = self.recovery_config();
        let mut storage = std::mem::take(&mut self.medium.storage);
        let engine = self.plan.engine.clone();
        let opened = open(&mut storage, config, &engine, trouble, &mut |storage| {
            if self.stale.is_none() {
                return Ok(());
            }
            std::mem::swap(storage, &mut self.medium.storage);
            let outcome = (0..self.random.below(3)).try_for_each(|_| self.execute(true));
            std::mem::swap(storage, &mut self.medium.storage);
            outcome
        });
        self.medium.storage = storage;
        opened
    }

    /// Checks what was recovered, and begins as its owner.
    pub(super) fn begin(&mut self, legacy: Legacy, mut engine: Engine, recovered: Recovered) -> Checked {
        let Legacy { mut past, acknowledged, last_view, loses_power } = legacy;
        let position = self.book.units(recovered.tail)?;
        let issued = past.position();
        self.trace.note(format_args!("opened at unit {position} of {issued}, {acknowledged:?}, power {loses_power}"));
        checks::i1_acknowledgements_survive(position, acknowledged, loses_power)?;
        ensure("lossy", recovered.is_lossy == self.is_lossy, || "a loss was invented or forgotten".into())?;
        checks::i6_one_owner_at_a_time(&self.medium.storage.stored)?;
        ensure("I2", position <= issued, || format!("{position} units are there, {issued} were issued"))?;
        past.truncate(position);
        let mut model = past.state_at(position, &self.plan.engine)?;
        let mut shadow = self.load_shadow(recovered.tail)?;
        if self.now_ms <= self.latest_ms {
            // After a clean end the clock is believed, even if it has gone back behind what was lost before.
            let noted_ms = if recovered.was_clean { 0 } else { recovered.clock_ms };
            self.promises.forget_ids_above(noted_ms);
        } else if loses_power {
            // An ID that somebody has set may be ahead of every clock.
            self.promises.forget_ids_above(self.latest_ms);
        }
        let (epoch, tail) = (recovered.epoch.unwrap_or(0), recovered.tail);
        let has_lost = !recovered.losses.is_empty();
        self.spared_bytes = if has_lost { checks::unlisted_bytes(&self.medium.storage.stored) } else { 0 };
        let offset = position - engine.position().0;
        let store = Store::new(self.plan.store.clone(), &engine, recovered, self.now_ms).map_err(refused)?;
        if let Some(last) = last_view.filter(|last| last.position == position) {
            self.note("nothing is lost");
            for engine in [&mut engine, &mut shadow, &mut model] {
                checks::i2_state_is_what_it_was(&last.view, &checks::view(engine, last.now_ms))?;
            }
        }
        let now_ms = self.now_ms;
        checks::i2_state_is_a_prefix(&mut engine, &mut model, position, issued, now_ms)?;
        checks::i5_same_state(&mut shadow, &mut model, now_ms)?;
        checks::i3_what_was_seen_is_there(position, &mut shadow, &self.promises, loses_power, now_ms)?;
        checks::i4_pending_lists_agree(&mut engine, now_ms)?;
        checks::i4_pending_lists_agree(&mut shadow, now_ms)?;
        self.promises.reopened(position, loses_power);
        self.medium.opened(tail.sequence);
        self.log_id = tail.log_id;
        self.owner = Some(Host::new(engine, shadow, store, past, epoch, offset));
        Ok(())
    }

    /// I5: whoever opens once more finds the same.
    fn load_shadow(&mut self, tail: Tail) -> Checked<Engine> {
        let config = RecoveryConfig { on_data_loss: OnDataLoss::Accept, ..self.recovery_config() };
        match peek(&mut self.medium.storage, config, &self.plan.engine)? {
            Opened::Open(engine, recovered) if recovered.tail == tail || tail.sequence == 0 => Ok(*engine),
            Opened::Open(_, recovered) => breach("I5", format!("opened up to {tail:?}, then {:?}", recovered.tail)),
            Opened::Refused(error) => breach("I5", format!("opened once, and then refused: {error}")),
            Opened::Died => breach("simulator", "looking cannot die"),
        }
    }
}
