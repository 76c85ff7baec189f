//! An engine driven by hand: commands as lines, replies in the notation of the transcripts, a clock that only the test
//! moves, and every invariant checked after each step.

use brooklet::{Config, Engine, Outcome, Position, ReplayError, Reply, Session, WaiterId};

use super::pattern::describe;

/// Time on the clock when a test starts.
pub(crate) const START_MS: u64 = 1_000_000;

/// What a waiting reader got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Woken {
    pub(crate) waiter: WaiterId,
    pub(crate) reply: String,
    pub(crate) position: Position,
}

/// An engine with its clock.
pub(crate) struct Driver {
    pub(crate) engine: Engine,
    pub(crate) now_ms: u64,
    pub(crate) session: Session,
    /// Whether every invariant is checked after each step, which takes time with what there is.
    pub(crate) validates: bool,
}

impl Driver {
    /// An engine that writes a journal and has no limits.
    pub(crate) fn new() -> Driver {
        Driver::with(Config { journal: true, ..Config::default() })
    }

    pub(crate) fn with(config: Config) -> Driver {
        Driver { engine: Engine::new(config), now_ms: START_MS, session: Session::default(), validates: true }
    }

    /// Runs a command that answers, written as a line of words with blanks between them.
    #[track_caller]
    pub(crate) fn run(&mut self, line: &str) -> String {
        self.run_at(line).0
    }

    /// The same, with the position on which the reply depends.
    #[track_caller]
    pub(crate) fn run_at(&mut self, line: &str) -> (String, Position) {
        self.run_words(&words(line))
    }

    /// The same for words of any bytes.
    #[track_caller]
    pub(crate) fn run_words(&mut self, argv: &[&[u8]]) -> (String, Position) {
        let mut reply = Reply::new();
        let position = match self.engine.call(self.now_ms, self.session, argv, &mut reply) {
            Outcome::Done(position) => position,
            Outcome::Blocked(_) => panic!("{:?} waits", argv.first().map(|word| word.escape_ascii().to_string())),
        };
        self.check();
        (show(&reply), position)
    }

    /// Runs many commands, a line each, whose replies do not matter; none may be an error.
    #[track_caller]
    pub(crate) fn run_all(&mut self, lines: &[&str]) {
        for line in lines {
            let reply = self.run(line);
            assert!(!reply.starts_with('-'), "{line}: {reply}");
        }
    }

    /// Runs a command that has to wait.
    #[track_caller]
    pub(crate) fn block(&mut self, line: &str) -> WaiterId {
        self.block_words(&words(line))
    }

    #[track_caller]
    pub(crate) fn block_words(&mut self, argv: &[&[u8]]) -> WaiterId {
        let mut reply = Reply::new();
        match self.engine.call(self.now_ms, self.session, argv, &mut reply) {
            Outcome::Blocked(waiter) => {
                self.check();
                waiter
            }
            Outcome::Done(_) => panic!("{:?} does not wait: {}", argv.first(), show(&reply)),
        }
    }

    /// Runs lines as one MULTI/EXEC.
    #[track_caller]
    pub(crate) fn exec(&mut self, lines: &[&str]) -> (String, Position) {
        let commands: Vec<Vec<&[u8]>> = lines.iter().map(|line| words(line)).collect();
        let batch: Vec<&[&[u8]]> = commands.iter().map(Vec::as_slice).collect();
        let mut reply = Reply::new();
        let outcome = self.engine.exec(self.now_ms, self.session, &batch, &mut reply);
        self.check();
        match outcome {
            Outcome::Done(position) => (show(&reply), position),
            Outcome::Blocked(_) => panic!("an EXEC waits"),
        }
    }

    /// Moves the clock and tells the engine.
    #[track_caller]
    pub(crate) fn advance_to(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.engine.advance(now_ms);
        self.check();
    }

    /// Lets time pass.
    #[track_caller]
    pub(crate) fn pass(&mut self, duration_ms: u64) {
        self.advance_to(self.now_ms + duration_ms);
    }

    /// The next reader that has its reply.
    pub(crate) fn woken(&mut self) -> Option<Woken> {
        let mut reply = Reply::new();
        let ready = self.engine.take_ready(&mut reply)?;
        Some(Woken { waiter: ready.waiter, reply: show(&reply), position: ready.position })
    }

    /// All readers that have their replies, in the order in which they were served.
    pub(crate) fn all_woken(&mut self) -> Vec<(WaiterId, String)> {
        std::iter::from_fn(|| self.woken()).map(|woken| (woken.waiter, woken.reply)).collect()
    }

    /// Takes the effects away, as a storage does, and says how many bytes they are.
    pub(crate) fn take_effects(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.engine.take_effects(&mut bytes);
        bytes
    }

    /// Another engine, made from these effects, at the same time.
    pub(crate) fn replayed(&self, effects: &[u8]) -> Result<Driver, ReplayError> {
        let mut other = Driver::with(Config { journal: true, ..self.engine.config().clone() });
        other.engine.replay(effects)?;
        other.now_ms = self.now_ms;
        other.session = self.session;
        other.check();
        Ok(other)
    }

    #[track_caller]
    fn check(&self) {
        if self.validates {
            self.engine.validate().unwrap_or_else(|breach| panic!("an invariant is broken: {breach}"));
        }
    }
}

/// The words of a line.
pub(crate) fn words(line: &str) -> Vec<&[u8]> {
    line.split(' ').map(str::as_bytes).collect()
}

fn show(reply: &Reply) -> String {
    reply.to_value().map_or_else(|| "(no reply at all)".into(), |value| describe(&value))
}
