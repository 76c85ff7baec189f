//! An engine as a benchmark calls it: one command after the other, the reply's memory used again, errors fatal.

use brooklet::{Config, Engine, EntryId, Outcome, Reply, Session, Token};

/// The clock of all benchmarks begins here: a millisecond in 2025.
pub(crate) const START_MS: u64 = 1_760_000_000_000;

/// The words of a request as the engine takes them.
pub(crate) fn argv(request: &[Vec<u8>]) -> Vec<&[u8]> {
    request.iter().map(Vec::as_slice).collect()
}

/// An engine, its reply and its clock.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) reply: Reply,
    pub(crate) now_ms: u64,
}

impl Bench {
    /// An empty engine with the default configuration; `journal` says whether it writes effects down.
    pub(crate) fn new(journal: bool) -> Bench {
        let config = Config { journal, ..Config::default() };
        Bench { engine: Engine::new(config), reply: Reply::new(), now_ms: START_MS }
    }

    /// Runs a command that neither waits nor fails.
    #[inline]
    pub(crate) fn call(&mut self, argv: &[&[u8]]) {
        let outcome = self.engine.call(self.now_ms, Session::default(), argv, &mut self.reply);
        let failed =
            !matches!(outcome, Outcome::Done(_)) || matches!(self.reply.tokens().next(), Some(Token::Error(_)));
        if failed {
            self.fail(argv);
        }
    }

    /// The same for words that are text.
    pub(crate) fn run(&mut self, words: &[&str]) {
        let argv: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        self.call(&argv);
    }

    /// The last reply, which is a number.
    pub(crate) fn integer(&self) -> i64 {
        match self.reply.tokens().next() {
            Some(Token::Integer(value)) => value,
            other => panic!("not a number: {other:?}"),
        }
    }

    /// Reads every string of the last reply and collects the entry IDs in it.
    /// Returns how many bytes the strings have, so that no reading can be left out.
    pub(crate) fn read_entries(&self, ids: &mut Vec<EntryId>) -> usize {
        ids.clear();
        let mut bytes = 0;
        for token in self.reply.tokens() {
            match token {
                Token::Id(id) => ids.push(id),
                Token::Bulk(text) => bytes += text.iter().map(|&byte| usize::from(byte)).sum::<usize>(),
                _ => {}
            }
        }
        bytes
    }

    #[cold]
    fn fail(&self, argv: &[&[u8]]) -> ! {
        let words: Vec<_> = argv.iter().map(|word| String::from_utf8_lossy(word)).collect();
        panic!("{words:?}: {:?}", self.reply.to_value());
    }
}
