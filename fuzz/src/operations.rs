//! Operations: sequences of sensible commands with a clock driven by hand, on the engine and on the naive model.
//!
//! The first two bytes choose the setting. Then each command is a byte that picks a template and one byte for each blank
//! in it. The blanks have few values, so that commands collide: the same keys, groups and consumers, and IDs that exist.
//!
//! *Checked*: replies are equal, `validate()` holds after each command, at the end all that can be seen is equal, and
//! the effects replay to the same state.

use brooklet::{Config, Engine, Value};

use super::compare::{mask, show};
use super::dump::{call, check_replay, commands_that_show};
use super::input::Input;
use super::model::{Model, Settings};

/// Long enough for several nodes, short enough for many runs per second.
const COMMANDS_MAX: usize = 200;

const KEYS: &[&str] = &["s", "s", "s", "r", "t", "none"];
const DUMPED_KEYS: &[&[u8]] = &[b"s", b"r", b"t", b"none"];
const GROUPS: &[&str] = &["g", "g", "h"];
const CONSUMERS: &[&str] = &["a", "b", "c"];
const COUNTS: &[&str] = &["1", "2", "3", "5", "0", "-1", "100"];
const LENGTHS: &[&str] = &["0", "1", "2", "3", "5", "8"];
const IDLE_TIMES: &[&str] = &["0", "0", "1", "5", "100", "1000", "-1"];
const LIMITS: &[&str] = &["0", "1", "2", "5", "-1"];
const NUMBERS: &[&str] = &["0", "1", "2", "3", "20", "100", "-1", "9223372036854775807"];
const DURATIONS: &[&str] = &["1", "100", "5000", "0", "-1", "9223372036854775807"];
const VALUES: &[&str] =
    &["1", "2", "", "127", "-4097", "007", "text", "4294967296", "a value of more than thirty bytes"];
const REFERENCES: &[&str] = &["KEEPREF", "DELREF", "ACKED"];
/// What is wrong in most places.
const GARBAGE: &[&str] = &["", "abc", "-1", "$", ">", "+", "9223372036854775808", "1-", "COUNT", "STREAMS", "03"];

/// The commands. A word with `$` is a blank; see [`fill`]. The order is part of the corpora: new ones go to the end.
const TEMPLATES: &[&str] = &[
    "XADD $key $new f $value",
    "XADD $key $new f $value f $value",
    "XADD $key $new g $value f $value other $value",
    "XADD $key $trim $new f $value",
    "XADD $key NOMKSTREAM $new f $value",
    "XADD $key IDMP p $number * f $value",
    "XADD $key IDMPAUTO q * f $value",
    "XADDIF $key $id $new f $value",
    "XTRIM $key $trim",
    "XTRIM $key $trim $reference",
    "XDEL $key $id",
    "XDEL $key $id $id $id",
    "XDELEX $key $reference IDS 1 $id",
    "XDELEX $key $reference IDS 3 $id $id $id",
    "XACKDEL $key $group $reference IDS 1 $id",
    "XACKDEL $key $group $reference IDS 2 $id $id",
    "XRANGE $key $from $to COUNT $count",
    "XREVRANGE $key $to $from COUNT $count",
    "XRANGE $key - +",
    "XREVRANGE $key + -",
    "XLEN $key",
    "XREAD COUNT $count STREAMS $key $id",
    "XREAD BLOCK 0 STREAMS $key s $id $",
    "XREAD MAXCOUNT $count MAXSIZE $number STREAMS $key r $id +",
    "XGROUP CREATE $key $group 0 MKSTREAM",
    "XGROUP CREATE $key $group $ MKSTREAM",
    "XGROUP CREATE $key $group $id ENTRIESREAD $number",
    "XGROUP SETID $key $group $id",
    "XGROUP SETID $key $group $id ENTRIESREAD $number",
    "XGROUP DESTROY $key $group",
    "XGROUP CREATECONSUMER $key $group $consumer",
    "XGROUP DELCONSUMER $key $group $consumer",
    "XREADGROUP GROUP $group $consumer COUNT $count STREAMS $key >",
    "XREADGROUP GROUP $group $consumer STREAMS $key >",
    "XREADGROUP GROUP $group $consumer NOACK COUNT $count STREAMS $key >",
    "XREADGROUP GROUP $group $consumer COUNT $count STREAMS $key $id",
    "XREADGROUP GROUP $group $consumer CLAIM $idle COUNT $count STREAMS $key >",
    "XREADGROUP GROUP $group $consumer CLAIM $idle MAXCOUNT $count MAXSIZE $number STREAMS $key r > >",
    "XREADGROUP GROUP $group $consumer BLOCK $count COUNT $count STREAMS s r > $id",
    "XACK $key $group $id",
    "XACK $key $group $id $id $id",
    "XNACK $key $group SILENT IDS 1 $id",
    "XNACK $key $group FAIL IDS 2 $id $id",
    "XNACK $key $group FATAL IDS 2 $id $id FORCE",
    "XNACK $key $group FAIL IDS 1 $id RETRYCOUNT $number FORCE",
    "XPENDING $key $group",
    "XPENDING $key $group $from $to $count",
    "XPENDING $key $group IDLE $idle $from $to $count $consumer",
    "XCLAIM $key $group $consumer $idle $id",
    "XCLAIM $key $group $consumer $idle $id $id $id JUSTID",
    "XCLAIM $key $group $consumer $idle $id $id FORCE",
    "XCLAIM $key $group $consumer $idle $id IDLE $number RETRYCOUNT $number FORCE",
    "XCLAIM $key $group $consumer $idle $id TIME $number LASTID $id",
    "XAUTOCLAIM $key $group $consumer $idle $from COUNT $count",
    "XAUTOCLAIM $key $group $consumer $idle 0 JUSTID",
    "XSETID $key $id",
    "XSETID $key $id ENTRIESADDED $number MAXDELETEDID $id",
    "XCFGSET $key IDMP-DURATION $number IDMP-MAXSIZE $count",
    "XIDMPRECORD $key p $number $id",
    "XINFO STREAM $key",
    "XINFO STREAM $key FULL COUNT $count",
    "XINFO GROUPS $key",
    "XINFO CONSUMERS $key $group",
    "SET $key $value",
    "SET $key $value KEEPTTL GET",
    "GET $key",
    "DEL $key $key",
    "RENAME $key $key",
    "EXISTS $key $key",
    "TYPE $key",
    "PEXPIRE $key $duration",
    "EXPIRE $key $duration NX",
    "PERSIST $key",
    "PTTL $key",
    "TTL $key",
    "SET $key $value PX $duration",
    "FLUSHDB",
    "FLUSHALL",
];

/// Bytes from here on are no commands: time passes.
const TIME_FIRST: u8 = 224;
/// How far it goes, by the byte after.
const STEPS_MS: &[u64] = &[1, 1, 2, 5, 20, 100, 1000, 5000, 100_000];
/// From here on the next command goes to the second database.
const OTHER_DATABASE_FIRST: u8 = 248;

type Command = Vec<Vec<u8>>;

pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let settings = settings(&mut input);
    let mut pair = Pair::new(&settings);
    let mut database = 0;
    for _ in 0..COMMANDS_MAX {
        if input.is_empty() {
            break;
        }
        match input.byte() {
            OTHER_DATABASE_FIRST.. => database = 1,
            TIME_FIRST.. => pair.pass(input.pick(STEPS_MS)),
            byte => {
                let template = TEMPLATES[usize::from(byte) % TEMPLATES.len()];
                pair.run(database, &command(template, &mut input));
                database = 0;
            }
        }
    }
    pair.finish();
}

/// Small nodes, so that their boundaries matter, and producers that are soon forgotten.
fn settings(input: &mut Input<'_>) -> Settings {
    let byte = input.byte();
    Settings {
        node_entries_max: [100, 1, 3, 0][usize::from(byte & 3)],
        node_bytes_max: [4096, 40, 100, 0][usize::from(byte >> 2 & 3)],
        idmp_duration_s: [100, 1][usize::from(byte >> 4 & 1)],
        idmp_entries_max: [100, 1, 2, 3][usize::from(byte >> 5 & 3)],
    }
}

/// The engine and the model side by side.
struct Pair {
    engine: Engine,
    model: Model,
    now_ms: u64,
    effects: Vec<u8>,
}

impl Pair {
    fn new(settings: &Settings) -> Pair {
        let config = Config {
            journal: true,
            node_bytes_max: settings.node_bytes_max,
            node_entries_max: settings.node_entries_max,
            idmp_duration_s: settings.idmp_duration_s,
            idmp_entries_max: settings.idmp_entries_max,
            ..Config::default()
        };
        Pair { engine: Engine::new(config), model: Model::new(settings.clone()), now_ms: 1, effects: Vec::new() }
    }

    /// Lets time pass. What was written until then is taken, so that a journal consists of several pieces.
    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.engine.advance(self.now_ms);
        self.model.advance(self.now_ms);
        self.engine.validate().expect("after time has passed");
        self.engine.take_effects(&mut self.effects);
    }

    fn run(&mut self, database: u8, command: &Command) {
        let argv: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        let mut reply = call(&mut self.engine, self.now_ms, database, &argv);
        let mut expected = self.model.call(self.now_ms, usize::from(database), command);
        // How many inner nodes a radix tree would have is nothing that we have.
        mask(&mut reply, &["radix-tree-nodes"]);
        mask(&mut expected, &["radix-tree-nodes"]);
        if reply != expected {
            report(command, self.now_ms, &reply, &expected);
        }
        if let Err(breach) = self.engine.validate() {
            panic!("{}: {breach}", line(command));
        }
    }

    fn finish(mut self) {
        for database in [0, 1] {
            for &key in DUMPED_KEYS {
                let kind = call(&mut self.engine, self.now_ms, database, &[b"TYPE", key]);
                for command in commands_that_show(&kind) {
                    let word = |&word: &&[u8]| if word == b"KEY" { key.to_vec() } else { word.to_vec() };
                    self.run(database, &command.iter().map(word).collect());
                }
                self.run(database, &vec![b"TYPE".to_vec(), key.to_vec()]);
            }
        }
        self.engine.take_effects(&mut self.effects);
        check_replay(&mut self.engine, &self.effects, self.now_ms, DUMPED_KEYS);
    }
}

fn report(command: &Command, now_ms: u64, reply: &Value, expected: &Value) -> ! {
    panic!("at {now_ms} ms: {}\nengine:\n{}model:\n{}", line(command), show(reply), show(expected));
}

fn line(command: &Command) -> String {
    command.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ")
}

/// Fills the blanks of a template.
fn command(template: &str, input: &mut Input<'_>) -> Command {
    let mut command = Vec::new();
    for word in template.split(' ') {
        match word.strip_prefix('$').filter(|blank| !blank.is_empty()) {
            None => command.push(word.as_bytes().to_vec()),
            Some("trim") => fill_trim(input, &mut command),
            Some(blank) => command.push(fill(blank, input)),
        }
    }
    command
}

fn fill(blank: &str, input: &mut Input<'_>) -> Vec<u8> {
    let choices = match blank {
        "key" => KEYS,
        "group" => GROUPS,
        "consumer" => CONSUMERS,
        "count" => COUNTS,
        "idle" => IDLE_TIMES,
        "number" => NUMBERS,
        "duration" => DURATIONS,
        "value" => VALUES,
        "reference" => REFERENCES,
        "new" => return new_id(input.byte()).into_bytes(),
        "from" | "to" => return range_end(input.byte()).into_bytes(),
        "id" => return id(input.byte()).into_bytes(),
        _ => panic!("a template has the blank {blank}"),
    };
    input.pick(choices).as_bytes().to_vec()
}

/// A strategy, its operator, its threshold and perhaps a limit.
fn fill_trim(input: &mut Input<'_>, command: &mut Command) {
    let byte = input.byte();
    let by_length = byte & 1 == 0;
    command.push(if by_length { b"MAXLEN".to_vec() } else { b"MINID".to_vec() });
    match byte >> 1 & 3 {
        0 => {}
        1 => command.push(b"=".to_vec()),
        _ => command.push(b"~".to_vec()),
    }
    command.push(if by_length { input.pick(LENGTHS).into() } else { id(input.byte()).into_bytes() });
    if byte >> 3 & 3 == 3 {
        command.extend([b"LIMIT".to_vec(), input.pick(LIMITS).into()]);
    }
}

/// One of 128 IDs that are close together, one of a few at the limits, or garbage.
fn id(byte: u8) -> String {
    match byte {
        0..128 => format!("{}-{}", byte >> 2, byte & 3),
        128..192 => (byte - 128).to_string(),
        192..200 => format!("{}-18446744073709551615", byte - 192),
        200..208 => format!("18446744073709551615-{}", byte - 200),
        208 => "18446744073709551615-18446744073709551615".into(),
        209 => "18446744073709551615-18446744073709551614".into(),
        210 => "9223372036854775808-0".into(),
        211 => "00000000001-01".into(),
        _ => GARBAGE[usize::from(byte) % GARBAGE.len()].into(),
    }
}

/// An ID for a new entry: mostly one that the engine chooses, for explicit ones soon are too small.
fn new_id(byte: u8) -> String {
    match byte {
        0..80 => "*".into(),
        80..128 => format!("{}-*", byte - 80),
        _ => id((byte - 128) << 1),
    }
}

fn range_end(byte: u8) -> String {
    match byte {
        0..40 => "-".into(),
        40..80 => "+".into(),
        80..120 => format!("({}", id(byte - 80)),
        120 => "(18446744073709551615-18446744073709551615".into(),
        121 => "(0-0".into(),
        _ => id(byte - 122),
    }
}
