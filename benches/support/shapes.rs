//! The kinds of data that are measured, made from a fixed seed, so that each run and each engine gets the same bytes.
//!
//! Entry IDs are explicit for the same reason: ten entries a millisecond.

use super::engine::START_MS;
use super::random::Random;

/// The key everything is added to.
pub(crate) const KEY: &str = "stream";

/// The words of a command.
pub(crate) type Request = Vec<Vec<u8>>;

/// The names and values of an entry, in turn.
type Fields = Vec<Vec<u8>>;

/// A kind of data.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// How many entries are measured.
    pub(crate) entries: usize,
    /// The bytes an entry may take, as a share of what it takes in Redis.
    pub(crate) target: f64,
    make: fn(&mut Random) -> Fields,
}

pub(crate) const SHAPES: [Shape; 6] = [
    Shape { name: "4 equal names, 2-byte values", entries: 100_000, target: 0.6, make: two_bytes },
    Shape { name: "equal names, short mixed values", entries: 100_000, target: 0.65, make: short_mixed },
    Shape { name: "metrics (ms, float, int, host)", entries: 100_000, target: 0.65, make: metrics },
    Shape { name: "5 event types with own names", entries: 100_000, target: 0.45, make: five_types },
    Shape { name: "50 sets of names", entries: 100_000, target: 0.7, make: fifty_sets },
    Shape { name: "1 KB random values", entries: 20_000, target: 1.01, make: one_kilobyte },
];

impl Shape {
    /// The entries as requests: `XADD stream id name value ...`.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let mut random = Random::new(1);
        (0..self.entries).map(|number| request(number, (self.make)(&mut random))).collect()
    }
}

/// Requests for entries with four small fields, which is what rates are measured with.
pub(crate) fn small_requests(count: usize) -> Vec<Request> {
    let mut random = Random::new(2);
    (0..count).map(|number| request(number, short_mixed(&mut random))).collect()
}

/// Requests for entries whose content does not matter.
pub(crate) fn tiny_requests(count: usize) -> Vec<Request> {
    (0..count).map(|number| request(number, pairs([("f", "v".into())]))).collect()
}

fn request(number: usize, fields: Fields) -> Request {
    let id = format!("{}-{}", START_MS + number as u64 / 10, number % 10);
    let head = ["XADD", KEY, &id].map(|word| word.as_bytes().to_vec());
    head.into_iter().chain(fields).collect()
}

fn pairs<const N: usize>(fields: [(&str, String); N]) -> Fields {
    fields.into_iter().flat_map(|(name, value)| [name.as_bytes().to_vec(), value.into_bytes()]).collect()
}

/// As redis-benchmark writes them: names of a few letters, values of two.
fn two_bytes(random: &mut Random) -> Fields {
    let mut value = || (0..2).map(|_| char::from(b'a' + random.below(26) as u8)).collect();
    pairs([("field1", value()), ("field2", value()), ("field3", value()), ("field4", value())])
}

/// A user, what was done, to what, and how often.
fn short_mixed(random: &mut Random) -> Fields {
    pairs([
        ("user", format!("u{}", 1000 + random.below(9000))),
        ("action", random.pick(&["view", "click", "buy", "search", "login", "logout", "share", "like"]).into()),
        ("item", format!("{:05x}", random.below(1 << 20))),
        ("count", random.below(1000).to_string()),
    ])
}

/// A measurement: when, how much, how many, where.
fn metrics(random: &mut Random) -> Fields {
    pairs([
        ("ts", (START_MS + random.below(10_000_000)).to_string()),
        ("load", format!("{}.{:02}", random.below(100), random.below(100))),
        ("requests", random.below(5000).to_string()),
        ("host", format!("web-{:02}", random.below(20))),
    ])
}

/// Five kinds of event in one stream, each with names of its own.
fn five_types(random: &mut Random) -> Fields {
    let user = format!("u{}", 1000 + random.below(9000));
    match random.below(5) {
        0 => pairs([
            ("type", "page_view".into()),
            ("user", user),
            ("path", random.pick(&["/home", "/cart", "/item", "/search", "/account"]).into()),
            ("ms", random.below(3000).to_string()),
        ]),
        1 => pairs([
            ("type", "click".into()),
            ("user_id", user),
            ("element", random.pick(&["buy", "next", "menu", "close", "share"]).into()),
            ("x", random.below(1920).to_string()),
            ("y", random.below(1080).to_string()),
        ]),
        2 => pairs([
            ("type", "purchase".into()),
            ("customer", user),
            ("sku", format!("A{:04}", random.below(500))),
            ("quantity", (1 + random.below(5)).to_string()),
            ("currency", random.pick(&["EUR", "USD", "GBP"]).into()),
        ]),
        3 => pairs([
            ("type", "error".into()),
            ("code", random.pick(&["404", "500", "502", "503"]).into()),
            ("message", random.pick(&["not found", "bad gateway", "timed out", "internal error"]).into()),
            ("session", user),
        ]),
        _ => pairs([
            ("type", "session_end".into()),
            ("account", user),
            ("duration_s", random.below(3600).to_string()),
            ("reason", random.pick(&["logout", "idle", "closed"]).into()),
        ]),
    }
}

/// Entries of which each has one of fifty sets of names, as when many programs write into one stream.
fn fifty_sets(random: &mut Random) -> Fields {
    let set = random.below(50);
    let mut fields = Fields::new();
    for name in ["source", "value", "status", "elapsed"] {
        fields.push(format!("{name}_{set:02}").into_bytes());
        fields.push(match name {
            "source" => format!("node-{:02}", random.below(30)).into_bytes(),
            "value" => random.below(100_000).to_string().into_bytes(),
            "status" => random.pick(&["ok", "warn", "fail"]).as_bytes().to_vec(),
            _ => random.below(500).to_string().into_bytes(),
        });
    }
    fields
}

fn one_kilobyte(random: &mut Random) -> Fields {
    vec![b"payload".to_vec(), (0..1024).map(|_| random.next() as u8).collect()]
}
