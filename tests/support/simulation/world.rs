//! The world: one seed decides everything that happens, in which order, and what goes wrong.
//!
//! A step is one event: a client sends a request, the owner asks its storage for what it wants, the storage does one
//! thing, one answer arrives, the clock moves, a slice of a snapshot is worked on, somebody crashes. So between any two
//! of them anything else may happen.

use std::collections::BTreeMap;

use brooklet::Value;
use brooklet::persist::Refusal;

use super::checks::{self, ChunkBook, entry_id};
use super::clients::{Clients, Request, shown};
use super::host::{Asked, Host, Told};
use super::medium::Medium;
use super::plan::Plan;
use super::promises::{Name, Promises};
use super::runs::Report;
use super::trace::{Checked, Trace, breach, ensure};
use crate::compare;
use crate::generate::show;
use crate::random::Random;

/// How often something has to go wrong in a run.
const FAULTS_MIN: u64 = 10;

/// A seed and all that comes of it; see the head of this file.
pub(crate) struct World {
    pub(super) random: Random,
    pub(super) plan: Plan,
    pub(super) trace: Trace,
    pub(super) medium: Medium,
    pub(super) owner: Option<Host>,
    /// An owner that was superseded and does not know it yet.
    pub(super) stale: Option<Host>,
    pub(super) clients: Clients,
    pub(super) promises: Promises,
    pub(super) book: ChunkBook,
    pub(super) now_ms: u64,
    /// The latest time that a command has seen.
    pub(super) latest_ms: u64,
    /// For how many ticks the clock stands still.
    frozen: u64,
    /// Where an entry with a tag was added.
    tags: BTreeMap<u64, (Name, u64)>,
    /// The log that the owner writes.
    pub(super) log_id: u64,
    /// Whether something of it was lost with consent.
    pub(super) is_lossy: bool,
    /// The epoch of the owner that consented to a loss. Until it has noted a witness of its own, that of before tells of
    /// what is lost, and whoever opens has to consent once more.
    pub(super) consented: u64,
    /// The bytes of parts that this owner spares, since somebody who has lost something may want them.
    pub(super) spared_bytes: u64,
    pub(super) has_faults: bool,
    pub(super) faults: u64,
    happened: BTreeMap<&'static str, u64>,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        let mut random = Random::new(seed);
        let plan = Plan::new(&mut random, seed);
        World {
            trace: Trace::default(),
            medium: Medium::new(plan.kind),
            owner: None,
            stale: None,
            clients: Clients::new(&mut random, seed),
            promises: Promises::default(),
            book: ChunkBook::default(),
            now_ms: plan.start_ms,
            latest_ms: 0,
            frozen: 0,
            tags: BTreeMap::new(),
            log_id: 0,
            is_lossy: false,
            consented: 0,
            spared_bytes: 0,
            has_faults: true,
            faults: 0,
            happened: BTreeMap::new(),
            random,
            plan,
        }
    }

    pub(super) fn report(self) -> Report {
        Report { hash: self.trace.hash(), faults: self.faults, happened: self.happened }
    }

    pub(super) fn run(&mut self, steps: u64) -> Checked {
        self.open_first()?;
        // A run in which too little went wrong goes on for a while.
        while self.trace.step < steps || (self.faults < FAULTS_MIN && self.trace.step < 2 * steps) {
            self.trace.step += 1;
            self.event()?;
            self.check()?;
        }
        self.come_to_rest()?;
        // A snapshot covers what a log may have lost.
        if self.random.percent(50) {
            self.compare_before_and_after_compaction()?;
        }
        self.crash(true)?;
        self.come_to_rest()
    }

    fn event(&mut self) -> Checked {
        match self.random.below(1000) {
            0..330 => self.client(),
            330..500 => self.pump(false).map(drop),
            500..690 => self.execute(false),
            690..840 => self.deliver(false),
            840..890 => self.tick(),
            890..935 => self.work(),
            935..943 => self.advance(),
            943..963 => self.stale_event(),
            963..973 => self.hurry(),
            973..977 => self.with_owner(|host| host.cancel_one().map(drop)),
            977..979 => self.look_from_outside(),
            979..985 => self.check_an_error(),
            985..989 => self.crash(false),
            989..992 => self.crash(true),
            992..995 => self.take_over(),
            995..997 => self.close(),
            997 => self.compare_before_and_after_compaction(),
            _ => self.come_to_rest(),
        }
    }

    pub(super) fn note(&mut self, what: &'static str) {
        *self.happened.entry(what).or_default() += 1;
        self.trace.note(format_args!("{what}"));
    }

    /// Something goes wrong.
    pub(super) fn fault(&mut self, what: &'static str) {
        self.faults += 1;
        self.note(what);
    }

    pub(super) fn host(&mut self, is_stale: bool) -> Option<&mut Host> {
        if is_stale { self.stale.as_mut() } else { self.owner.as_mut() }
    }

    fn with_owner<T: Default>(&mut self, action: impl FnOnce(&mut Host) -> Checked<T>) -> Checked<T> {
        self.owner.as_mut().map_or(Ok(T::default()), action)
    }

    // Clients.

    /// A client sends a request, to the owner or to the one that was.
    fn client(&mut self) -> Checked {
        let place = self.random.below(self.clients.all.len() as u64) as usize;
        let is_stale = self.stale.is_some() && place % 2 == 1;
        let now_ms = self.now_ms;
        let Some(host) = self.host(is_stale) else { return Ok(()) };
        let must_wait = host.is_waiting(place) || host.held_replies(place) >= 3 || host.store.is_overloaded();
        if must_wait {
            return Ok(());
        }
        let now_ms = host.clock(now_ms);
        let request = self.clients.request(place, &mut self.random, now_ms);
        self.send(place, request, is_stale)
    }

    fn send(&mut self, place: usize, request: Request, is_stale: bool) -> Checked {
        let text: Vec<String> = request.commands.iter().map(show).collect();
        self.trace.note(format_args!("client {place}, database {}: {}", request.database, text.join("; ")));
        let Some(host) = self.host(is_stale) else { return Ok(()) };
        if host.store.refusal().is_some() && request.commands.iter().any(|command| is_write(command)) {
            self.clients.left_in_the_dark(place, request);
            self.note("a write is refused");
            return Ok(());
        }
        request.commands.iter().for_each(|command| self.promises.renew(request.database, command));
        let added_to = request.tag.map(|_| {
            let name = (request.database, request.commands[0][1].clone());
            let generation = self.promises.generation(&name);
            (name, generation)
        });
        if let (Some(tag), Some(added_to)) = (request.tag, &added_to) {
            self.tags.entry(tag).or_insert_with(|| added_to.clone());
        }
        let asked = Asked { client: place, level: self.clients.all[place].level, request, added_to };
        let now_ms = self.now_ms;
        let Some(host) = self.host(is_stale) else { return Ok(()) };
        let clock_ms = host.clock(now_ms);
        let (before, given) = (host.shadow.position(), host.run(asked, now_ms)?);
        let has_effects = host.shadow.position() > before;
        let left = given.left;
        if let Some((name, id)) = given.added.filter(|_| !is_stale && has_effects) {
            checks::i3_ids_are_new(self.promises.seen_id(&name), id)?;
        }
        self.latest_ms = self.latest_ms.max(clock_ms);
        self.see_all(left, is_stale)
    }

    /// Replies leave the gate.
    pub(super) fn see_all(&mut self, left: Vec<Told>, is_stale: bool) -> Checked {
        left.into_iter().try_for_each(|told| self.see(&told, is_stale))
    }

    fn see(&mut self, told: &Told, is_stale: bool) -> Checked {
        let Told { asked, reply, position } = told;
        let text = compare::show(reply).replace('\n', "");
        self.trace.note(format_args!("client {} is told, from unit {position}: {text}", asked.client));
        self.clients.told(asked.client, &asked.request, reply, &mut self.random);
        let Some(level) = asked.level else { return Ok(()) };
        let mut entries = Vec::new();
        shown(reply, &mut entries);
        let Some(host) = self.host(is_stale) else { return Ok(()) };
        let written_by = entries.iter().filter_map(|entry| host.past.position_of(entry.tag));
        let newest = written_by.max().unwrap_or(0).max(*position);
        if let Some(fork) = host.superseded_at {
            let what = || format!("a superseded owner told of unit {newest}, though only {fork} are stored");
            return ensure("I3", newest <= fork, what);
        }
        self.promises.seen.raise(level, newest);
        for entry in &entries {
            if let (Some((name, generation)), Some(id)) = (self.tags.get(&entry.tag), entry_id(&entry.id)) {
                self.promises.see_id(name, *generation, id);
            }
        }
        if let (Some((name, generation)), Some(id)) = (&asked.added_to, added_id(reply)) {
            self.promises.see_id(name, *generation, id);
        }
        Ok(())
    }

    /// An owner is gone, and with it what it would have replied.
    pub(super) fn bury(&mut self, mut host: Host) {
        for asked in host.abandon() {
            self.clients.left_in_the_dark(asked.client, asked.request);
        }
    }

    // The owner and its storage.

    /// An owner asks for what it wants. Says how much that was.
    pub(super) fn pump(&mut self, is_stale: bool) -> Checked<usize> {
        let World { owner, stale, book, now_ms, trace, .. } = self;
        let host = if is_stale { stale.as_mut() } else { owner.as_mut() };
        let Some(host) = host else { return Ok(0) };
        let names = host.pump(*now_ms, book)?;
        for name in &names {
            trace.note(format_args!("epoch {} asks: {name}", host.epoch));
        }
        let left = host.release();
        self.see_all(left, is_stale)?;
        Ok(names.len())
    }

    /// An answer arrives, mostly in order, sometimes twice.
    pub(super) fn deliver(&mut self, is_stale: bool) -> Checked {
        let now_ms = self.now_ms;
        let (is_overtaken, is_doubled) = (self.has_faults && self.random.percent(8), self.random.percent(5));
        let Some(host) = self.host(is_stale) else { return Ok(()) };
        let Some((ticket, answer)) = host.answers.pop_front() else { return Ok(()) };
        if is_overtaken && !host.answers.is_empty() {
            host.answers.push_back((ticket, answer));
            self.note("an answer is overtaken");
            return Ok(());
        }
        host.store.answered(now_ms, ticket, answer.clone());
        if is_doubled {
            host.store.answered(now_ms, ticket, answer.clone());
        }
        let (left, epoch, written, fork) = (host.release(), host.epoch, host.written(), host.superseded_at);
        self.trace.note(format_args!("epoch {epoch} is answered {answer:?}, {written} are written"));
        ensure("I1", fork.is_none_or(|fork| written <= fork), || {
            format!("a superseded owner acknowledges {written} units, and only {fork:?} are stored")
        })?;
        self.see_all(left, is_stale)
    }

    fn work(&mut self) -> Checked {
        let now_ms = self.now_ms;
        self.with_owner(|host| {
            if host.store.wants_time() {
                host.store.work(&mut host.engine, now_ms);
            }
            Ok(())
        })
    }

    fn advance(&mut self) -> Checked {
        let now_ms = self.now_ms;
        let Some(host) = self.owner.as_mut() else { return Ok(()) };
        let (left, clock_ms) = (host.advance(now_ms)?, host.clock(now_ms));
        self.latest_ms = self.latest_ms.max(clock_ms);
        self.see_all(left, false)
    }

    fn stale_event(&mut self) -> Checked {
        match self.random.below(4) {
            0 => self.pump(true).map(drop),
            1 => self.execute(true),
            2 => self.deliver(true),
            _ => match self.stale.take_if(|_| self.random.percent(10)) {
                Some(host) => {
                    self.bury(host);
                    Ok(())
                }
                None => self.pump(true).map(drop),
            },
        }
    }

    fn hurry(&mut self) -> Checked {
        let what = self.random.below(4);
        self.with_owner(|host| {
            match what {
                0 => host.store.flush_now(),
                1 => drop(host.store.sync()),
                _ => host.store.compact(),
            }
            Ok(())
        })
    }

    fn tick(&mut self) -> Checked {
        if self.frozen > 0 {
            self.frozen -= 1;
            return Ok(());
        }
        match self.random.below(100) {
            0..60 => self.now_ms += self.random.below(20),
            60..80 => self.now_ms += self.random.below(500),
            80..92 => self.now_ms += self.random.below(12_000),
            92..94 => {
                self.now_ms += self.random.below(4 * 3_600_000);
                self.fault("the clock jumps");
            }
            94..97 => {
                self.frozen = 1 + self.random.below(30);
                self.fault("the clock stands still");
            }
            _ => {
                self.now_ms = self.now_ms.saturating_sub(self.random.below(30_000)).max(1);
                self.fault("the clock goes back");
            }
        }
        Ok(())
    }

    /// What holds after each step.
    fn check(&mut self) -> Checked {
        for is_stale in [false, true] {
            let damages = self.plan.damages;
            if self.random.percent(10)
                && let Some(host) = self.host(is_stale)
            {
                host.validate()?;
            }
            let Some(host) = self.host(is_stale) else { continue };
            match host.store.refusal() {
                Some(Refusal::Fenced) if host.superseded_at.is_some() => {
                    self.note("a superseded owner finds out");
                    if let Some(host) = self.stale.take() {
                        self.bury(host);
                    }
                }
                Some(Refusal::Corrupt) if damages => {}
                Some(refusal @ (Refusal::Fenced | Refusal::Corrupt)) => {
                    return breach("I6", format!("{refusal:?} without a reason"));
                }
                Some(Refusal::Failing(_)) | None => {}
            }
        }
        Ok(())
    }

    // Moments at which everything is compared.

    /// The storage works again: everything becomes durable, tidying up comes to its end, and the bytes are few.
    pub(super) fn come_to_rest(&mut self) -> Checked {
        let had_faults = std::mem::replace(&mut self.has_faults, false);
        if let Some(stale) = self.stale.take() {
            self.bury(stale);
        }
        self.pump(false)?;
        self.with_owner(|host| {
            host.store.sync();
            Ok(())
        })?;
        let mut quiet = 0;
        for _ in 0..20_000 {
            let asked = self.pump(false)?;
            self.execute(false)?;
            self.deliver(false)?;
            self.work()?;
            let Some(host) = self.owner.as_mut() else { return Ok(()) };
            let is_idle = asked == 0 && host.jobs.is_empty() && host.answers.is_empty() && !host.store.wants_time();
            self.now_ms += if is_idle { 500 } else { 1 };
            quiet = if is_idle { quiet + 1 } else { 0 };
            // Longer than any pause between two attempts.
            if quiet > 30 {
                break;
            }
        }
        self.has_faults = had_faults;
        self.note("at rest");
        let log_bytes_min = self.plan.store.log_bytes_min;
        let Some(host) = self.owner.as_mut() else { return Ok(()) };
        let (pushed, durable, refusal) = (host.store.pushed(), host.store.durable(), host.store.refusal());
        let is_at_rest = quiet > 30 && durable == pushed && refusal.is_none() && host.store.unwritten_bytes() == 0;
        ensure("rest", is_at_rest, || {
            format!("{durable:?} of {pushed:?} are durable, {refusal:?}, quiet {quiet}: {:?}", host.store.status())
        })?;
        host.validate()?;
        let live = host.engine.memory();
        let bytes_more = 2 * log_bytes_min + self.spared_bytes;
        checks::i7_bytes_are_bounded(&self.medium.storage.stored, live, bytes_more)?;
        // After a loss, what might help somebody is spared. What comes twice is noticed by the next owner.
        if !self.is_lossy && self.consented == 0 && !host.has_repeats {
            checks::i7_nothing_is_superfluous(&self.medium.storage.stored)?;
        }
        let Some(host) = self.owner.as_mut() else { return Ok(()) };
        let now_ms = host.clock(self.now_ms);
        checks::i4_pending_lists_agree(&mut host.engine, now_ms)?;
        checks::i4_pending_lists_agree(&mut host.shadow, now_ms)
    }

    /// I5: a compaction changes nothing that can be seen: the engine stays like its shadow, of which no snapshot is taken.
    fn compare_before_and_after_compaction(&mut self) -> Checked {
        self.come_to_rest()?;
        let now_ms = self.now_ms;
        self.with_owner(|host| {
            let now_ms = host.clock(now_ms);
            checks::i5_same_state(&mut host.engine, &mut host.shadow, now_ms)?;
            host.store.compact();
            Ok(())
        })?;
        self.come_to_rest()?;
        self.note("compacted");
        let Some(host) = self.owner.as_mut() else { return Ok(()) };
        let now_ms = host.clock(self.now_ms);
        checks::i5_same_state(&mut host.engine, &mut host.shadow, now_ms)?;
        self.look_from_outside()
    }

    /// I9: a command that fails leaves the state as it was.
    fn check_an_error(&mut self) -> Checked {
        let place = self.clients.all.len() - 1;
        let Some(host) = self.owner.as_mut() else { return Ok(()) };
        if host.is_waiting(place) || host.store.refusal().is_some() {
            return Ok(());
        }
        let now_ms = host.clock(self.now_ms);
        let request = self.clients.request(place, &mut self.random, now_ms);
        let [command] = request.commands.as_slice() else { return Ok(()) };
        let command = command.clone();
        // Both are looked at, since looking may let a key expire.
        let before = (checks::view(&mut host.engine, now_ms), checks::view(&mut host.shadow, now_ms)).0;
        let errors = host.errors;
        self.send(place, request, false)?;
        let Some(host) = self.owner.as_mut() else { return Ok(()) };
        if host.errors > errors {
            let after = (checks::view(&mut host.engine, now_ms), checks::view(&mut host.shadow, now_ms)).0;
            checks::i9_an_error_changes_nothing(&before, &after, &command)?;
            self.note("an error");
        }
        Ok(())
    }
}

fn is_write(command: &[Vec<u8>]) -> bool {
    let name = command.first().map(|word| String::from_utf8_lossy(word).to_ascii_lowercase()).unwrap_or_default();
    let prefix = format!("{name}|");
    brooklet::commands().iter().any(|info| info.flags.write && (info.name == name || info.name.starts_with(&prefix)))
}

/// The ID that XADD replied, alone or as the first of a transaction.
pub(super) fn added_id(reply: &Value) -> Option<brooklet::EntryId> {
    match reply {
        Value::Bulk(text) => entry_id(&String::from_utf8_lossy(text)),
        Value::Array(replies) => replies.first().and_then(added_id),
        _ => None,
    }
}
