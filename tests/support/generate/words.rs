//! The words that generated commands are made of, right and wrong ones.

use super::*;

impl Generator {
    pub(super) fn key(&mut self) -> String {
        match self.random.below(50) {
            0 => TEXT_KEY.into(),
            1 => NO_KEY.into(),
            2..36 => STREAM_KEYS[0].into(),
            _ => self.pick(STREAM_KEYS),
        }
    }

    pub(super) fn group(&mut self) -> String {
        match self.random.below(50) {
            0 => "nogroup".into(),
            1..18 => self.pick(self.groups),
            _ => GROUPS[0].into(),
        }
    }

    pub(super) fn consumer(&mut self) -> String {
        self.pick(CONSUMERS)
    }

    pub(super) fn reference_mode(&mut self) -> String {
        self.pick(&["KEEPREF", "DELREF", "ACKED"])
    }

    pub(super) fn count(&mut self) -> String {
        self.pick(&["1", "1", "2", "2", "3", "5", "10", "0", "-1"])
    }

    /// A time that pending entries are to lie idle. A server's clock moves, though never as far as the larger one.
    pub(super) fn idle_min(&mut self) -> String {
        let later: &[&str] = &["0", "0", "0", "1", "5", "100", "1000", "-1"];
        self.pick(if self.mode == Mode::All { later } else { &["0", "0", "100000000", "-1"] })
    }

    pub(super) fn idle_set(&mut self) -> String {
        let later: &[&str] = &["0", "1", "5", "100", "1000", "-5", "9223372036854775807"];
        self.pick(if self.mode == Mode::All { later } else { &["0", "1000000000", "-1000000000"] })
    }

    pub(super) fn ids_count(&mut self) -> u64 {
        1 + self.random.below(4)
    }

    /// How many IDs a block claims to have.
    pub(super) fn announced(&mut self, count: u64) -> String {
        let wrong = self.random.percent(4);
        if wrong { self.pick(&["0", "-1", "9", "abc", "2147483648"]) } else { count.to_string() }
    }

    pub(super) fn append_ids(&mut self, command: &mut Command, id: fn(&mut Generator) -> String) {
        for _ in 0..1 + self.random.below(3) {
            let id = id(self);
            command.push(id.into_bytes());
        }
    }

    /// An ID that a group delivered, if there is one.
    pub(super) fn pending_id(&mut self) -> String {
        let delivered = self.pending_ids.len() as u64;
        if delivered == 0 || self.random.percent(20) {
            return self.id();
        }
        self.pending_ids[self.random.below(delivered) as usize].clone()
    }

    /// An ID near those that exist.
    pub(super) fn id(&mut self) -> String {
        let position = self.random.below(self.recent_ids.len() as u64) as usize;
        let (ms, seq) = self.recent_ids[position];
        match self.random.below(100) {
            0..72 => format!("{ms}-{seq}"),
            72..80 => format!("{ms}-{}", seq.saturating_add(1)),
            80..86 => format!("{ms}-{}", seq.saturating_sub(1)),
            86..90 => format!("{}-0", ms.saturating_add(1)),
            90..94 => format!("{ms}"),
            94 => format!("0{ms}-0{seq}"),
            95 => "0-0".into(),
            96 => "0-1".into(),
            97 => "18446744073709551615-18446744073709551615".into(),
            98 => format!("{}-18446744073709551615", ms.saturating_sub(1)),
            _ => "0".into(),
        }
    }

    pub(super) fn range_word(&mut self) -> String {
        match self.random.below(10) {
            0 => "-".into(),
            1 => "+".into(),
            2..5 => format!("({}", self.id()),
            _ => self.id(),
        }
    }

    /// An ID for a new entry, mostly a possible one.
    pub(super) fn new_id(&mut self, key: &str) -> String {
        if self.mode == Mode::All && self.random.percent(45) {
            return "*".into();
        }
        let (ms, seq) = self.last_ids.get(key.as_bytes()).copied().unwrap_or((0, 0));
        match self.random.below(20) {
            0..8 => format!("{ms}-*"),
            8..11 => format!("{}-*", ms.saturating_add(1)),
            11..15 => format!("{ms}-{}", seq.saturating_add(1 + self.random.below(3))),
            15..18 => format!("{}", ms.saturating_add(1)),
            18 if self.random.percent(3) => format!("{ms}-18446744073709551615"),
            _ => self.id(),
        }
    }

    /// Mostly one to three pairs. Producers repeat themselves, so theirs have few values.
    pub(super) fn append_fields(&mut self, command: &mut Command, of_producer: bool) {
        if self.random.below(300) == 0 {
            // As many as make the numbers that count them one byte longer.
            let name = self.pick(&["f", "g"]);
            for _ in 0..self.pick_number(&[61, 62, 124, 125, 127, 128]) {
                command.extend(words(&[&name, "1"]));
            }
            return;
        }
        let count = if self.random.percent(70) { 1 } else { 1 + self.random.below(3) };
        for _ in 0..count {
            let name = if self.random.percent(60) { "f".into() } else { self.pick(NAMES) };
            let value = if of_producer { self.pick(&["1", "2"]) } else { self.value() };
            command.extend(words(&[&name, &value]));
        }
    }

    /// A value: often a small number, sometimes at a boundary of the encodings, rarely large.
    pub(super) fn value(&mut self) -> String {
        match self.random.below(100) {
            0..50 => self.random.below(200).to_string(),
            50..65 => self.pick(&[
                "127",
                "128",
                "4095",
                "4096",
                "-1",
                "-4096",
                "-4097",
                "32767",
                "32768",
                "8388608",
                "2147483648",
                "9223372036854775807",
                "-9223372036854775808",
                "007",
                "-0",
            ]),
            65..98 => "x".repeat(self.pick_number(&[0, 1, 3, 10, 20, 62, 63, 64, 124, 125, 126, 130])),
            98 => "y".repeat(self.pick_number(&[600, 1500])),
            _ => "z".repeat(self.pick_number(&[4095, 4096, 5000])),
        }
    }

    pub(super) fn pick(&mut self, choices: &[&str]) -> String {
        self.random.pick(choices).to_string()
    }

    pub(super) fn pick_number(&mut self, choices: &[usize]) -> usize {
        choices[self.random.below(choices.len() as u64) as usize]
    }

    pub(super) fn append_shuffled(&mut self, command: &mut Command, mut options: Vec<Vec<String>>) {
        while !options.is_empty() {
            let position = self.random.below(options.len() as u64) as usize;
            command.extend(options.swap_remove(position).into_iter().map(String::into_bytes));
        }
    }

    /// Makes a mistake now and then: a wrong word, a missing one, a surplus one.
    pub(super) fn spoil(&mut self, command: &mut Command) {
        // With a valid time, BLOCK would stop a real server's pipeline; other values of these are other there.
        let later: [&[u8]; 4] = [b"RETRYCOUNT", b"MAXDELETEDID", b"ENTRIESADDED", b"ENTRIESREAD"];
        let delicate =
            |word: &Vec<u8>| word == b"BLOCK" || (self.mode == Mode::Redis70 && later.contains(&word.as_slice()));
        if command.iter().any(delicate) || self.random.percent(94) {
            return;
        }
        let garbage = if self.mode == Mode::All && self.random.percent(30) { LATER_GARBAGE } else { GARBAGE };
        let garbage = self.pick(garbage).into_bytes();
        match self.random.below(4) {
            0 if command.len() > 1 => {
                command.pop();
            }
            1 => command.push(garbage),
            _ => {
                let position = 1 + self.random.below(command.len() as u64) as usize;
                let is_name = |word: &Vec<u8>| GROUPS.iter().chain(CONSUMERS).any(|name| name.as_bytes() == word);
                if let Some(word) = command.get_mut(position).filter(|word| !is_name(word)) {
                    *word = garbage;
                }
            }
        }
    }

    /// Keywords in small letters, or in both.
    pub(super) fn vary_case(&mut self, command: &mut Command) {
        let percent = self.pick_number(&[0, 0, 0, 0, 50, 100]) as u64;
        for word in command.iter_mut().filter(|word| word.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'-'))
        {
            for byte in word.iter_mut() {
                if self.random.percent(percent) {
                    byte.make_ascii_lowercase();
                }
            }
        }
    }
}
