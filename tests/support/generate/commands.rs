//! One function for each command that is generated.

use super::*;

impl Generator {
    /// The commands of Redis 7.0, by how often they are wanted.
    pub(super) fn any_command(&mut self) -> Command {
        match self.random.below(100) {
            0..30 => self.xadd(),
            30..34 => self.xrange(),
            34..36 if self.removes => self.xtrim(),
            36..40 if self.deletes => self.xdel(),
            40..42 => self.xread(),
            42..60 => self.xreadgroup(),
            60..66 => self.xack(),
            66..71 => self.xpending(),
            71..77 => self.xclaim(),
            77..83 => self.xautoclaim(),
            83..90 => self.xgroup(),
            90..95 => self.xinfo(),
            95 if self.mode == Mode::All || !self.removes => self.xsetid(),
            96 => self.xlen(),
            _ => self.generic(),
        }
    }

    /// The commands that came after 7.0, and ours.
    pub(super) fn later_command(&mut self) -> Command {
        match self.random.below(20) {
            0..5 => self.xnack(),
            5..9 => self.xackdel(),
            9..13 => self.xdelex(),
            13..15 => self.xcfgset(),
            15..17 => self.xidmprecord(),
            _ => self.xaddif(),
        }
    }

    pub(super) fn xadd(&mut self) -> Command {
        let key = self.key();
        let mut command = words(&["XADD", &key]);
        let mut options: Vec<Vec<String>> = Vec::new();
        if self.random.percent(5) {
            options.push(vec!["NOMKSTREAM".into()]);
        }
        if self.removes && self.random.percent(15) {
            options.extend(self.trim_options());
        }
        let with_producer = self.mode == Mode::All && self.random.percent(12);
        if with_producer {
            let producer = self.pick(PRODUCERS);
            options.push(if self.random.percent(50) {
                vec!["IDMPAUTO".into(), producer]
            } else {
                vec!["IDMP".into(), producer, format!("m{}", self.random.below(6))]
            });
        }
        self.append_shuffled(&mut command, options);
        let id = if with_producer && self.random.percent(95) { "*".into() } else { self.new_id(&key) };
        command.push(id.into_bytes());
        self.append_fields(&mut command, with_producer);
        command
    }

    pub(super) fn xaddif(&mut self) -> Command {
        let key = self.key();
        let known = self.last_ids.get(key.as_bytes()).copied();
        let expected = match known {
            Some((ms, seq)) if self.random.percent(80) => format!("{ms}-{seq}"),
            None if self.random.percent(80) => "0-0".into(),
            _ => self.id(),
        };
        let id = self.new_id(&key);
        let mut command = words(&["XADDIF", &key, &expected, &id]);
        self.append_fields(&mut command, false);
        command
    }

    pub(super) fn xtrim(&mut self) -> Command {
        let mut command = words(&["XTRIM", &self.key()]);
        let options = self.trim_options();
        self.append_shuffled(&mut command, options);
        command
    }

    /// A strategy with its companions, now and then an impossible combination.
    pub(super) fn trim_options(&mut self) -> Vec<Vec<String>> {
        let mut options = Vec::new();
        let by_length = self.random.percent(60);
        let never_exact = self.mode == Mode::Redis70 && self.deletes && !by_length;
        let approximate = self.random.percent(50) || never_exact;
        if self.random.percent(97) {
            let mut strategy = Vec::new();
            strategy.push(if by_length { "MAXLEN".into() } else { "MINID".into() });
            if approximate {
                strategy.push("~".into());
            } else if self.random.percent(40) {
                strategy.push("=".into());
            }
            strategy.push(if by_length { self.random.below(12).to_string() } else { self.id() });
            options.push(strategy);
        }
        if self.random.percent(if approximate { 40 } else { 3 }) {
            options.push(vec!["LIMIT".into(), self.random.below(8).to_string()]);
        }
        if self.mode == Mode::All && self.random.percent(40) {
            options.push(vec![self.reference_mode()]);
        }
        if self.random.percent(2) {
            options.push(vec!["MAXLEN".into(), "3".into()]);
        }
        options
    }

    pub(super) fn xdel(&mut self) -> Command {
        let mut command = words(&["XDEL", &self.key()]);
        self.append_ids(&mut command, Generator::id);
        command
    }

    pub(super) fn xdelex(&mut self) -> Command {
        let mut command = words(&["XDELEX", &self.key()]);
        self.append_ids_block(&mut command);
        command
    }

    pub(super) fn xackdel(&mut self) -> Command {
        let mut command = words(&["XACKDEL", &self.key(), &self.group()]);
        self.append_ids_block(&mut command);
        command
    }

    pub(super) fn append_ids_block(&mut self, command: &mut Command) {
        let count = self.ids_count();
        let mut block = vec!["IDS".to_string(), self.announced(count)];
        block.extend((0..count).map(|_| self.pending_id()));
        let mut options = vec![block];
        if self.random.percent(60) {
            options.push(vec![self.reference_mode()]);
        }
        self.append_shuffled(command, options);
    }

    pub(super) fn xnack(&mut self) -> Command {
        let mode = self.pick(&["SILENT", "FAIL", "FATAL"]);
        let mut command = words(&["XNACK", &self.key(), &self.group(), &mode]);
        let count = self.ids_count();
        let mut block = vec!["IDS".to_string(), self.announced(count)];
        block.extend((0..count).map(|_| self.pending_id()));
        let mut options = vec![block];
        if self.random.percent(20) {
            options.push(vec!["RETRYCOUNT".into(), self.random.below(5).to_string()]);
        }
        if self.random.percent(25) {
            options.push(vec!["FORCE".into()]);
        }
        self.append_shuffled(&mut command, options);
        command
    }

    pub(super) fn xcfgset(&mut self) -> Command {
        let mut command = words(&["XCFGSET", &self.key()]);
        let mut options = Vec::new();
        if self.random.percent(65) {
            options
                .push(vec!["IDMP-DURATION".into(), self.pick(&["1", "1", "100", "100", "100", "86400", "86400", "0"])]);
        }
        if self.random.percent(60) {
            options
                .push(vec!["IDMP-MAXSIZE".into(), self.pick(&["1", "3", "3", "100", "100", "100", "10000", "10001"])]);
        }
        self.append_shuffled(&mut command, options);
        command
    }

    pub(super) fn xidmprecord(&mut self) -> Command {
        let message = format!("m{}", self.random.below(6));
        words(&["XIDMPRECORD", &self.key(), &self.pick(PRODUCERS), &message, &self.id()])
    }

    pub(super) fn xrange(&mut self) -> Command {
        let reverse = self.random.percent(50);
        let (start, end) = (self.range_word(), self.range_word());
        let mut command = if reverse { words(&["XREVRANGE", &self.key()]) } else { words(&["XRANGE", &self.key()]) };
        let usual = self.random.percent(30);
        let (low, high) = if usual { ("-".to_string(), "+".to_string()) } else { (start, end) };
        command.extend(if reverse { words(&[&high, &low]) } else { words(&[&low, &high]) });
        if self.random.percent(40) {
            command.extend(words(&["COUNT", &self.count()]));
        }
        command
    }

    pub(super) fn xread(&mut self) -> Command {
        let mut command = words(&["XREAD"]);
        let options = self.read_options();
        self.append_shuffled(&mut command, options);
        let plus = if self.mode == Mode::All { "+" } else { "0-1" };
        self.append_streams(&mut command, |generator| match generator.random.below(20) {
            0..8 => generator.id(),
            8..15 => "0".into(),
            15..17 => "$".into(),
            17..19 => plus.into(),
            _ => ">".into(),
        });
        command
    }

    pub(super) fn xreadgroup(&mut self) -> Command {
        let mut command = words(&["XREADGROUP"]);
        let mut options = self.read_options();
        options.push(vec!["GROUP".into(), self.group(), self.consumer()]);
        if self.random.percent(10) {
            options.push(vec!["NOACK".into()]);
        }
        if self.mode == Mode::All && self.random.percent(25) {
            options.push(vec!["CLAIM".into(), self.pick(&["0", "0", "1", "5", "100", "1000"])]);
        }
        self.append_shuffled(&mut command, options);
        self.append_streams(&mut command, |generator| match generator.random.below(40) {
            0..26 => ">".into(),
            26..33 => "0".into(),
            33..38 => generator.id(),
            38 => "18446744073709551615-18446744073709551615".into(),
            _ => "$".into(),
        });
        command
    }

    pub(super) fn read_options(&mut self) -> Vec<Vec<String>> {
        let mut options = Vec::new();
        if self.random.percent(60) {
            options.push(vec!["COUNT".into(), self.count()]);
        }
        if self.mode == Mode::Redis70 {
            // Only times that are refused: any other would stop the whole pipeline.
            if self.random.percent(2) {
                options.push(vec!["BLOCK".into(), self.pick(&["-1", "abc", ""])]);
            }
            return options;
        }
        if self.random.percent(20) {
            options.push(vec!["BLOCK".into(), self.pick(&["0", "1", "1", "100", "100", "1000", "1000"])]);
        }
        if self.random.percent(2) {
            options.push(vec!["BLOCK".into(), self.pick(&["-1", "abc", "9223372036854775807"])]);
        }
        if self.random.percent(15) {
            options.push(vec!["MAXCOUNT".into(), self.pick(&["1", "2", "3", "3", "4", "10", "10", "10", "20", "0"])]);
        }
        if self.random.percent(15) {
            options.push(vec![
                "MAXSIZE".into(),
                self.pick(&["1", "60", "60", "100", "150", "150", "400", "400", "1000000", "0"]),
            ]);
        }
        options
    }

    pub(super) fn append_streams(&mut self, command: &mut Command, id: impl Fn(&mut Generator) -> String) {
        let count = if self.random.percent(70) { 1 } else { 1 + self.random.below(3) };
        command.push(b"STREAMS".to_vec());
        for _ in 0..count {
            command.push(self.key().into_bytes());
        }
        for _ in 0..count {
            command.push(id(self).into_bytes());
        }
    }

    pub(super) fn xack(&mut self) -> Command {
        let mut command = words(&["XACK", &self.key(), &self.group()]);
        self.append_ids(&mut command, Generator::pending_id);
        if self.random.percent(30) {
            // Everything that was delivered lately, but perhaps for one.
            let spared = self.random.below(2 * PENDING_IDS_MAX as u64) as usize;
            let ids = self.pending_ids.iter().enumerate().filter(|(position, _)| *position != spared);
            command.extend(ids.map(|(_, id)| id.clone().into_bytes()));
        }
        command
    }

    pub(super) fn xpending(&mut self) -> Command {
        let mut command = words(&["XPENDING", &self.key(), &self.group()]);
        if self.random.percent(40) {
            return command;
        }
        if self.random.percent(30) {
            command.extend(words(&["IDLE", &self.idle_min()]));
        }
        let usual = self.random.percent(50);
        let (start, end) = if usual { ("-".into(), "+".into()) } else { (self.range_word(), self.range_word()) };
        command.extend(words(&[&start, &end, &self.count()]));
        if self.random.percent(40) {
            command.push(self.consumer().into_bytes());
        }
        command
    }

    pub(super) fn xclaim(&mut self) -> Command {
        let mut command = words(&["XCLAIM", &self.key(), &self.group(), &self.consumer(), &self.idle_min()]);
        self.append_ids(&mut command, Generator::pending_id);
        let mut options = Vec::new();
        if self.random.percent(20) {
            options.push(vec!["IDLE".into(), self.idle_set()]);
        }
        if self.random.percent(10) {
            let near = self.now_ms.saturating_sub(self.random.below(20)).to_string();
            let far = (self.now_ms + 1_000_000_000_000).to_string();
            let usual = if self.mode == Mode::All { near } else { "1".into() };
            options.push(vec!["TIME".into(), self.pick(&[&usual, &usual, "0", &far])]);
        }
        if self.random.percent(20) {
            let later: &[&str] = &["0", "1", "5", "-1", "9223372036854775807"];
            options
                .push(vec!["RETRYCOUNT".into(), self.pick(if self.mode == Mode::All { later } else { &later[..4] })]);
        }
        if self.random.percent(30) {
            options.push(vec!["FORCE".into()]);
        }
        if self.random.percent(25) {
            options.push(vec!["JUSTID".into()]);
        }
        if self.random.percent(6) {
            options.push(vec!["LASTID".into(), self.id()]);
        }
        self.append_shuffled(&mut command, options);
        command
    }

    pub(super) fn xautoclaim(&mut self) -> Command {
        let start = if self.random.percent(50) { "0".into() } else { self.range_word() };
        let mut command =
            words(&["XAUTOCLAIM", &self.key(), &self.group(), &self.consumer(), &self.idle_min(), &start]);
        let mut options = Vec::new();
        if self.random.percent(50) {
            options.push(vec!["COUNT".into(), self.pick(&["1", "1", "1", "2", "2", "3", "3", "10", "10", "0"])]);
        }
        if self.random.percent(30) {
            options.push(vec!["JUSTID".into()]);
        }
        self.append_shuffled(&mut command, options);
        command
    }

    pub(super) fn xgroup(&mut self) -> Command {
        let (key, group, consumer) = (self.key(), self.group(), self.consumer());
        let id = match self.random.below(10) {
            0..5 => "0".into(),
            5..8 => "$".into(),
            _ => self.id(),
        };
        let entries_read = self.random.percent(15).then(|| {
            let later: &[&str] = &["0", "1", "3", "100", "-1", "-2"];
            vec!["ENTRIESREAD".into(), self.pick(if self.mode == Mode::All { later } else { &["0", "-1", "-2"] })]
        });
        match self.random.below(20) {
            0..7 => {
                let mut command = words(&["XGROUP", "CREATE", &key, &group, &id]);
                let mut options: Vec<_> = entries_read.into_iter().collect();
                if self.random.percent(70) {
                    options.push(vec!["MKSTREAM".into()]);
                }
                self.append_shuffled(&mut command, options);
                self.queue_consumers(&key, &group);
                command
            }
            7..14 => {
                let id = if self.random.percent(10) { self.pick(&["-", "+"]) } else { id };
                let mut command = words(&["XGROUP", "SETID", &key, &group, &id]);
                self.append_shuffled(&mut command, entries_read.into_iter().collect());
                command
            }
            14 => words(&["XGROUP", "DESTROY", &key, &group]),
            15..18 => {
                if self.mode == Mode::Redis70 {
                    self.queue.push_back(words(&["XGROUP", "CREATECONSUMER", &key, &group, &consumer]));
                }
                words(&["XGROUP", "DELCONSUMER", &key, &group, &consumer])
            }
            18 => words(&["XGROUP", "CREATECONSUMER", &key, &group, &consumer]),
            _ => words(&["XGROUP", "FOO", &key]),
        }
    }

    pub(super) fn xinfo(&mut self) -> Command {
        let key = self.key();
        match self.random.below(10) {
            0..3 => words(&["XINFO", "STREAM", &key]),
            3..5 => words(&["XINFO", "STREAM", &key, "FULL"]),
            5 => words(&["XINFO", "STREAM", &key, "FULL", "COUNT", &self.count()]),
            6..8 => words(&["XINFO", "GROUPS", &key]),
            8 => words(&["XINFO", "CONSUMERS", &key, &self.group()]),
            _ => words(&["XINFO", "FOO", &key]),
        }
    }

    pub(super) fn xsetid(&mut self) -> Command {
        let key = self.key();
        let id = match self.last_ids.get(key.as_bytes()).copied() {
            Some((ms, seq)) if self.random.percent(70) => {
                format!("{}-{}", ms.saturating_add(self.random.below(2)), seq)
            }
            _ => self.id(),
        };
        let mut command = words(&["XSETID", &key, &id]);
        let mut options = Vec::new();
        if self.random.percent(30) {
            // Redis 7.0 reports a lag for an empty stream that had entries added in this way.
            let later: &[&str] = &["0", "-1", "3", "20", "100"];
            options
                .push(vec!["ENTRIESADDED".into(), self.pick(if self.mode == Mode::All { later } else { &later[..2] })]);
        }
        if self.random.percent(30) {
            let id = if self.mode == Mode::All { self.id() } else { self.pick(&["0-0", "abc"]) };
            options.push(vec!["MAXDELETEDID".into(), id]);
        }
        self.append_shuffled(&mut command, options);
        command
    }

    pub(super) fn xlen(&mut self) -> Command {
        words(&["XLEN", &self.key()])
    }

    pub(super) fn generic(&mut self) -> Command {
        let key = self.key();
        match self.random.below(24) {
            0..3 => words(&["SET", TEXT_KEY, "v"]),
            3 => {
                let mut command = words(&["SET", &key, &self.value()]);
                let condition = self.pick(&["NX", "XX", "GET", "KEEPTTL", "GET"]);
                let mut options = vec![vec![condition]];
                if self.random.percent(40) {
                    options.push(self.set_life());
                }
                self.append_shuffled(&mut command, options);
                command
            }
            4 => words(&["GET", &key]),
            5..7 => words(&["TYPE", &key]),
            7..9 => words(&["EXISTS", &key, &self.key()]),
            9..11 => words(&["DEL", &key]),
            11 => words(&["DEL", &key, &self.key(), TEXT_KEY]),
            12..14 => words(&["RENAME", &key, &self.key()]),
            14 => words(&["PING"]),
            15 => words(&["ECHO", "hello"]),
            16 => words(&["NOSUCHCOMMAND", &key]),
            17 if self.random.percent(40) => words(&[&self.pick(&["FLUSHDB", "FLUSHALL"])]),
            _ => self.expiry(),
        }
    }

    /// A life for a value: far longer than a test, unless the clock is driven by hand.
    pub(super) fn set_life(&mut self) -> Vec<String> {
        if self.mode == Mode::Redis70 || self.clock_runs_back {
            return vec!["EX".into(), self.pick(&["1000000", "0", "-1", "abc"])];
        }
        match self.random.below(3) {
            0 => vec!["PX".into(), self.pick(&["1", "5", "1000", "0", "9223372036854775807"])],
            1 => vec!["EX".into(), self.pick(&["1", "60", "9223372036854775807"])],
            _ => vec!["PXAT".into(), (self.now_ms + self.random.below(50)).to_string()],
        }
    }

    /// Commands about expiry. Where the clock cannot be driven, only times that are far away or past.
    pub(super) fn expiry(&mut self) -> Command {
        let key = if self.random.percent(30) { TEXT_KEY.into() } else { self.key() };
        if self.mode == Mode::Redis70 {
            return match self.random.below(3) {
                0 => words(&["PERSIST", &key]),
                1 => words(&["EXPIRE", &key, "1000000"]),
                _ => words(&["PEXPIRE", &key, &self.pick(&["1000000000", "-1", "abc"])]),
            };
        }
        if self.clock_runs_back {
            return words(&["TTL", &key]);
        }
        match self.random.below(8) {
            0 => words(&["PERSIST", &key]),
            1 => words(&["TTL", &key]),
            2 => words(&["PTTL", &key]),
            3 => words(&["EXPIRE", &key, &self.pick(&["1", "100", "0", "9223372036854775807"])]),
            4 => {
                let life = self.set_life();
                let mut command = words(&["SET", &key, "v"]);
                self.append_shuffled(&mut command, vec![life]);
                command
            }
            5 => words(&["EXPIRE", &key, "50", &self.pick(&["NX", "XX", "GT", "LT"])]),
            _ => words(&["PEXPIRE", &key, &self.pick(&["1", "5", "100", "5000", "-1"])]),
        }
    }
}
