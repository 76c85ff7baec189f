//! A shop in half a minute: producers add orders, a group of three packs them, a packer crashes and another takes over,
//! a poison order goes to a dead-letter stream, and in the end the whole process "crashes" and comes back from its
//! journal.
//!
//! Run it with `cargo xtask demo`, or `cargo run --release --example demo`; `-- --fast` leaves out the pauses.
//!
//! The clock is turned by hand, as in a test: IDs and idle times are the same in every run. Only the speed of the two
//! long steps is measured with a real clock. The journal is a vector here; a program would write the bytes to a file,
//! a database or a socket before it shows a reply to anybody.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use brooklet::{Config, Engine, Outcome, Reply, Session, Token, Value, WaiterId};

/// How many orders the busy day has.
const BUSY_DAY_ORDERS: u64 = 200_000;
/// How many orders are added between two writes to the journal's storage.
const ORDERS_PER_WRITE: u64 = 1_000;
/// How many of them come in one millisecond.
const ORDERS_PER_MS: u64 = 10;
/// When the story begins, in milliseconds since 1970.
const MORNING_MS: u64 = 1_700_000_000_000;
/// One before each of the six chapters: a second and a bit in all.
const PAUSE: Duration = Duration::from_millis(200);

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    match screen_of_arguments().and_then(|mut screen| tell(&mut screen)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has seen enough (`demo | head`).
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn screen_of_arguments() -> Result<Screen<io::Stdout>> {
    let mut is_fast = false;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--fast" => is_fast = true,
            other => return Err(format!("what is '{other}'? The only argument is --fast").into()),
        }
    }
    let out = io::stdout();
    let is_terminal = out.is_terminal();
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let pause = if is_terminal && !is_fast { PAUSE } else { Duration::ZERO };
    Ok(Screen { out, has_colour: is_terminal && !is_plain, pause, chapters: 0 })
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

// The story.

fn tell<W: Write>(screen: &mut Screen<W>) -> Result {
    screen.title("brooklet: Redis Streams inside this process. No server, no connection.")?;
    let mut shop = Shop::open();
    let doubtful = add_orders(&mut shop, screen)?;
    let untouched = share_the_work(&mut shop, screen)?;
    take_over_from_a_crashed_packer(&mut shop, screen, &untouched)?;
    bury_a_poison_order(&mut shop, screen, &doubtful)?;
    have_a_busy_day(&mut shop, screen)?;
    crash_and_replay(shop, screen)
}

/// Adds the first four orders and returns the ID of the one without an address.
fn add_orders<W: Write>(shop: &mut Shop, screen: &mut Screen<W>) -> Result<String> {
    screen.chapter("Producers add orders to a stream")?;
    for order in ["order 1001 item teapot city Oslo", "order 1002 item kettle city Bergen"] {
        let id = shop.ask(screen, "web", &format!("XADD orders * {order}"))?;
        screen.answer(&id)?;
        shop.pass_time(250);
    }
    let phoned = "XADD orders IDMP phone call-7 * order 1003 item \"gift card\" city ?";
    let doubtful = shop.ask(screen, "phone", phoned)?;
    screen.answer(&doubtful)?;
    shop.pass_time(250);
    screen.note("The answer gets lost, so the phone tries again, with the same ID of its own (call-7):")?;
    let repeated = shop.ask(screen, "phone", phoned)?;
    screen.answer(&repeated)?;
    expect(repeated == doubtful, "a repeated order has the ID of the first")?;
    screen.note("Same entry ID: it was not added twice.")?;
    let id = shop.ask(screen, "web", "XADD orders * order 1004 item cup city Hamar")?;
    screen.answer(&id)?;
    let length = shop.ask(screen, "web", "XLEN orders")?;
    screen.answer(&length)?;
    text(&doubtful)
}

/// Lets three packers read, one of them waiting, and returns the IDs that ben was given.
fn share_the_work<W: Write>(shop: &mut Shop, screen: &mut Screen<W>) -> Result<Vec<String>> {
    screen.chapter("A group of three shares the work")?;
    let created = shop.ask(screen, "boss", "XGROUP CREATE orders packers 0")?;
    screen.answer(&created)?;
    let for_anna = shop.ask(screen, "anna", "XREADGROUP GROUP packers anna COUNT 2 STREAMS orders >")?;
    screen.entries(&for_anna)?;
    let for_ben = shop.ask(screen, "ben", "XREADGROUP GROUP packers ben COUNT 2 STREAMS orders >")?;
    screen.entries(&for_ben)?;
    let cleo = shop.ask_and_wait(screen, "cleo", "XREADGROUP GROUP packers cleo BLOCK 5000 STREAMS orders >")?;
    screen.note("Nothing is left, so cleo waits. Two seconds later:")?;
    shop.pass_time(2_000);
    let id = shop.ask(screen, "web", "XADD orders * order 1005 item plate city Moss")?;
    screen.answer(&id)?;
    let for_cleo = shop.woken(cleo)?;
    screen.note("cleo is woken and has:")?;
    screen.entries(&for_cleo)?;
    for (packer, packed) in [("anna", &for_anna), ("cleo", &for_cleo)] {
        let line = format!("XACK orders packers {}", entry_ids(packed)?.join(" "));
        let acknowledged = shop.ask(screen, packer, &line)?;
        screen.answer(&acknowledged)?;
    }
    entry_ids(&for_ben)
}

fn take_over_from_a_crashed_packer<W: Write>(shop: &mut Shop, screen: &mut Screen<W>, untouched: &[String]) -> Result {
    screen.chapter("A packer crashes, another takes over")?;
    screen.note("ben never comes back. What he was given is still pending half a minute later:")?;
    shop.pass_time(30_000);
    show_pending(shop, screen)?;
    screen.note("anna claims whatever has been idle for 30 seconds:")?;
    let claimed = shop.ask(screen, "anna", "XAUTOCLAIM orders packers anna 30000 0-0")?;
    let entries = items(&claimed).get(1).ok_or("XAUTOCLAIM answers three values")?;
    screen.entries(entries)?;
    expect(entry_ids(entries)? == untouched, "anna has what ben had")?;
    let last = untouched.last().ok_or("ben was given orders")?;
    let acknowledged = shop.ask(screen, "anna", &format!("XACK orders packers {last}"))?;
    screen.answer(&acknowledged)
}

fn bury_a_poison_order<W: Write>(shop: &mut Shop, screen: &mut Screen<W>, poison: &str) -> Result {
    screen.chapter("A poison order goes to a dead-letter stream")?;
    screen.note("Order 1003 has no address. Nobody will ever pack it, and anna says so:")?;
    let released = shop.ask(screen, "anna", &format!("XNACK orders packers FATAL IDS 1 {poison}"))?;
    screen.answer(&released)?;
    show_pending(shop, screen)?;
    screen.note("No owner, and the largest count there is. The boss moves it, in one transaction:")?;
    let batch = [
        format!("XADD orders:dead * was {poison} order 1003 reason \"no address\""),
        format!("XACKDEL orders packers IDS 1 {poison}"),
    ];
    let replies = shop.ask_together(screen, "boss", &batch)?;
    for reply in items(&replies) {
        screen.answer(reply)?;
    }
    Ok(())
}

fn have_a_busy_day<W: Write>(shop: &mut Shop, screen: &mut Screen<W>) -> Result {
    screen.chapter("A busy day")?;
    screen.command("web", "XADD orders * order <n> item <item> city <city>")?;
    screen.progress(&format!("adding {} orders ...", grouped(BUSY_DAY_ORDERS)))?;
    let (memory_before, journal_before) = (shop.engine.memory(), shop.journal.len());
    let started = Instant::now();
    shop.add_many(BUSY_DAY_ORDERS)?;
    let seconds = started.elapsed().as_secs_f64();
    screen.measured(&format!(
        "{} orders in {seconds:.2} s: {} a second, one call each",
        grouped(BUSY_DAY_ORDERS),
        grouped((BUSY_DAY_ORDERS as f64 / seconds) as u64),
    ))?;
    let each = |bytes: f64| bytes / BUSY_DAY_ORDERS as f64;
    screen.measured(&format!(
        "{:.0} bytes an order in memory (words that repeat are stored once), {:.0} in the journal",
        each(shop.engine.memory() as f64 - memory_before as f64),
        each((shop.journal.len() - journal_before) as f64),
    ))?;
    for packer in ["anna", "cleo"] {
        let line = format!("XREADGROUP GROUP packers {packer} COUNT 3 STREAMS orders >");
        let entries = shop.ask(screen, packer, &line)?;
        screen.entries(&entries)?;
    }
    let groups = shop.ask(screen, "boss", "XINFO GROUPS orders")?;
    screen.table_of_maps(&groups)?;
    shop.pass_time(40);
    let consumers = shop.ask(screen, "boss", "XINFO CONSUMERS orders packers")?;
    screen.table_of_maps(&consumers)
}

/// Throws the engine away and makes a new one from the journal.
fn crash_and_replay<W: Write>(mut shop: Shop, screen: &mut Screen<W>) -> Result {
    screen.chapter("The process crashes; its journal does not")?;
    let before = shop.everything()?;
    let (journal, now_ms) = shop.crash();
    screen.note("The engine is gone with all it held. Left are the bytes it handed out after each write.")?;
    screen.progress("replaying them into a new engine ...")?;
    let started = Instant::now();
    let mut shop = Shop::reopen(journal, now_ms + 1_000)?;
    let seconds = started.elapsed().as_secs_f64();
    screen.measured(&format!(
        "{} bytes, {} units replayed in {seconds:.2} s",
        grouped(shop.journal.len() as u64),
        grouped(shop.engine.position().0),
    ))?;
    let after = shop.everything()?;
    screen.table(&["", "before", "after"], &compare(&before, &after))?;
    expect(before == after, "the new engine holds what the old one held")?;
    screen.note("All values are equal. Not compared is what a journal does not keep: when a consumer")?;
    screen.note("last called (seen-time), and how often a call was repeated (iids-duplicates).")?;
    screen.note("anna goes on with what is pending for her:")?;
    let entries = shop.ask(screen, "anna", "XREADGROUP GROUP packers anna STREAMS orders 0")?;
    screen.entries(&entries)?;
    screen.end()
}

fn show_pending<W: Write>(shop: &mut Shop, screen: &mut Screen<W>) -> Result {
    let pending = shop.ask(screen, "boss", "XPENDING orders packers - + 10")?;
    let rows: Vec<Vec<String>> = items(&pending).iter().map(|entry| items(entry).iter().map(cell).collect()).collect();
    screen.table(&["entry", "consumer", "idle ms", "deliveries"], &rows)
}

fn expect(holds: bool, what: &str) -> Result {
    if holds { Ok(()) } else { Err(format!("it is not true that {what}").into()) }
}

// The shop: an engine, its clock, and where its journal is kept.

struct Shop {
    engine: Engine,
    now_ms: u64,
    journal: Vec<u8>,
}

/// A stream as XINFO shows it in full, without what a journal does not keep.
#[derive(PartialEq)]
struct Snapshot {
    key: &'static str,
    info: Value,
}

impl Shop {
    fn open() -> Shop {
        let config = Config { journal: true, ..Config::default() };
        Shop { engine: Engine::new(config), now_ms: MORNING_MS, journal: Vec::new() }
    }

    fn reopen(journal: Vec<u8>, now_ms: u64) -> Result<Shop> {
        let mut shop = Shop { journal, now_ms, ..Shop::open() };
        shop.engine.replay(&shop.journal)?;
        Ok(shop)
    }

    /// What outlives the engine: its journal, and the time of day.
    fn crash(self) -> (Vec<u8>, u64) {
        drop(self.engine);
        (self.journal, self.now_ms)
    }

    fn pass_time(&mut self, duration_ms: u64) {
        self.now_ms += duration_ms;
        self.engine.advance(self.now_ms);
        self.store();
    }

    /// Keeps the effects of what happened since the last time.
    fn store(&mut self) {
        self.engine.take_effects(&mut self.journal);
    }

    /// Runs a command that answers at once, and shows it.
    fn ask<W: Write>(&mut self, screen: &mut Screen<W>, who: &str, line: &str) -> Result<Value> {
        screen.command(who, line)?;
        self.run(line)
    }

    fn run(&mut self, line: &str) -> Result<Value> {
        let words = words(line);
        let mut reply = Reply::new();
        match self.engine.call(self.now_ms, Session::default(), &as_argv(&words), &mut reply) {
            Outcome::Done(_) => self.store(),
            Outcome::Blocked(_) => return Err(format!("{line} waits").into()),
        }
        value(&reply)
    }

    /// Runs a command that has to wait, and shows it.
    fn ask_and_wait<W: Write>(&mut self, screen: &mut Screen<W>, who: &str, line: &str) -> Result<WaiterId> {
        screen.command(who, line)?;
        let words = words(line);
        match self.engine.call(self.now_ms, Session::default(), &as_argv(&words), &mut Reply::new()) {
            Outcome::Done(_) => Err(format!("{line} does not wait").into()),
            Outcome::Blocked(waiter) => {
                self.store();
                Ok(waiter)
            }
        }
    }

    /// What a reader got that waited.
    fn woken(&mut self, waiter: WaiterId) -> Result<Value> {
        let mut reply = Reply::new();
        let ready = self.engine.take_ready(&mut reply).ok_or("nobody was woken")?;
        expect(ready.waiter == waiter, "the one who waited was woken")?;
        self.store();
        value(&reply)
    }

    /// Runs commands as one transaction, and shows them.
    fn ask_together<W: Write>(&mut self, screen: &mut Screen<W>, who: &str, lines: &[String]) -> Result<Value> {
        screen.command(who, "MULTI")?;
        lines.iter().try_for_each(|line| screen.command(who, line))?;
        screen.command(who, "EXEC")?;
        let batch: Vec<Vec<Vec<u8>>> = lines.iter().map(|line| words(line)).collect();
        let batch: Vec<Vec<&[u8]>> = batch.iter().map(|words| as_argv(words)).collect();
        let batch: Vec<&[&[u8]]> = batch.iter().map(Vec::as_slice).collect();
        let mut reply = Reply::new();
        self.engine.exec(self.now_ms, Session::default(), &batch, &mut reply);
        self.store();
        value(&reply)
    }

    /// Adds orders one by one.
    fn add_many(&mut self, count: u64) -> Result {
        let offers: [&[u8]; 4] = [b"teapot", b"kettle", b"cup", b"plate"];
        let cities: [&[u8]; 3] = [b"Oslo", b"Bergen", b"Hamar"];
        let (mut reply, mut number) = (Reply::new(), Vec::new());
        for (order, (item, city)) in (1..=count).zip(offers.iter().cycle().zip(cities.iter().cycle())) {
            number.clear();
            write!(number, "{}", 2_000 + order)?;
            let argv: [&[u8]; 9] = [b"XADD", b"orders", b"*", b"order", &number, b"item", item, b"city", city];
            self.engine.call(self.now_ms, Session::default(), &argv, &mut reply);
            expect(matches!(reply.tokens().next(), Some(Token::Id(_))), "an order gets an ID")?;
            self.now_ms += u64::from(order.is_multiple_of(ORDERS_PER_MS));
            if order.is_multiple_of(ORDERS_PER_WRITE) {
                self.store();
            }
        }
        self.store();
        Ok(())
    }

    /// All there is, in full.
    fn everything(&mut self) -> Result<Vec<Snapshot>> {
        let mut snapshots = Vec::new();
        for key in ["orders", "orders:dead"] {
            let mut info = self.run(&format!("XINFO STREAM {key} FULL COUNT 0"))?;
            forget_unkept(&mut info);
            snapshots.push(Snapshot { key, info });
        }
        Ok(snapshots)
    }
}

/// Drops the values that a journal does not keep, at every depth.
fn forget_unkept(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(forget_unkept),
        Value::Map(pairs) => {
            pairs.retain(|(name, _)| !["seen-time", "iids-duplicates"].contains(&cell(name).as_str()));
            pairs.iter_mut().for_each(|(_, value)| forget_unkept(value));
        }
        _ => {}
    }
}

/// A few numbers of each stream, side by side.
fn compare(before: &[Snapshot], after: &[Snapshot]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (before, after) in before.iter().zip(after) {
        let both = |name: &str, number: fn(&Value) -> Option<u64>| {
            let shown = |snapshot: &Snapshot| number(&snapshot.info).map_or("?".into(), grouped);
            vec![format!("{}: {name}", before.key), shown(before), shown(after)]
        };
        rows.push(both("entries", |info| number_at(info, "length")));
        rows.push(both("pending entries", |info| sum_of_groups(info, "pel-count")));
        rows.push(both("remembered producers' IDs", |info| number_at(info, "iids-tracked")));
        rows.push(both("values in XINFO STREAM FULL", |info| Some(count_values(info))));
    }
    rows
}

fn number_at(map: &Value, name: &str) -> Option<u64> {
    let Value::Map(pairs) = map else { return None };
    pairs.iter().find_map(|(key, value)| match value {
        Value::Integer(number) if cell(key) == name => u64::try_from(*number).ok(),
        _ => None,
    })
}

fn sum_of_groups(info: &Value, name: &str) -> Option<u64> {
    let Value::Map(pairs) = info else { return None };
    let (_, groups) = pairs.iter().find(|(key, _)| cell(key) == "groups")?;
    items(groups).iter().map(|group| number_at(group, name)).sum()
}

fn count_values(value: &Value) -> u64 {
    match value {
        Value::Array(items) => items.iter().map(count_values).sum(),
        Value::Map(pairs) => pairs.iter().map(|(_, value)| count_values(value)).sum(),
        _ => 1,
    }
}

// Words and replies.

/// The words of a command line; a word may stand in double quotes.
fn words(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    for (place, part) in line.split('"').enumerate() {
        if place % 2 == 1 {
            words.push(part.into());
        } else {
            words.extend(part.split_whitespace().map(Vec::from));
        }
    }
    words
}

fn as_argv(words: &[Vec<u8>]) -> Vec<&[u8]> {
    words.iter().map(Vec::as_slice).collect()
}

/// The reply as a tree. No command of this story may fail.
fn value(reply: &Reply) -> Result<Value> {
    match reply.to_value().ok_or("an empty reply")? {
        Value::Error(line) => Err(String::from_utf8_lossy(&line).into()),
        value => Ok(value),
    }
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        _ => &[],
    }
}

fn text(value: &Value) -> Result<String> {
    match value {
        Value::Bulk(bytes) => Ok(String::from_utf8(bytes.clone())?),
        _ => Err("not a string".into()),
    }
}

/// The entries in a reply: itself a list of them, or pairs of a stream and its list.
fn entries(value: &Value) -> Vec<&Value> {
    match value {
        Value::Pairs(streams) => streams.iter().flat_map(|(_, entries)| items(entries)).collect(),
        _ => items(value).iter().collect(),
    }
}

fn entry_ids(value: &Value) -> Result<Vec<String>> {
    entries(value).into_iter().map(|entry| text(items(entry).first().ok_or("an entry has an ID")?)).collect()
}

/// A value in one short piece of text.
fn cell(value: &Value) -> String {
    match value {
        Value::Simple(bytes) | Value::Error(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Bulk(bytes) if bytes.is_empty() => "(nobody)".into(),
        Value::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Integer(i64::MAX) => "2^63-1".into(),
        Value::Integer(number) => number.to_string(),
        Value::Null | Value::NullArray => "(nothing)".into(),
        Value::Array(items) => format!("[{}]", items.iter().map(cell).collect::<Vec<_>>().join(" ")),
        Value::Map(pairs) | Value::Pairs(pairs) => format!("{} pairs", pairs.len()),
    }
}

/// A number with a comma between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

// The screen.

/// Where the story is told.
struct Screen<W> {
    out: W,
    has_colour: bool,
    pause: Duration,
    chapters: u32,
}

/// How a piece of text looks, as the number of a terminal's attribute.
#[derive(Clone, Copy)]
enum Style {
    Strong = 1,
    Faint = 2,
    Command = 36,
    Measured = 32,
}

impl<W: Write> Screen<W> {
    fn title(&mut self, title: &str) -> Result {
        let title = self.styled(Style::Strong, title);
        Ok(writeln!(self.out, "{title}")?)
    }

    fn chapter(&mut self, title: &str) -> Result {
        std::thread::sleep(self.pause);
        self.chapters += 1;
        let title = self.styled(Style::Strong, &format!("{}  {title}", self.chapters));
        Ok(writeln!(self.out, "\n{title}")?)
    }

    /// What somebody types.
    fn command(&mut self, who: &str, line: &str) -> Result {
        let line = self.styled(Style::Command, line);
        Ok(writeln!(self.out, "{who:>7}> {line}")?)
    }

    /// What comes back, in one line.
    fn answer(&mut self, value: &Value) -> Result {
        self.indented(&cell(value))
    }

    /// What comes back: an ID and fields in each line.
    fn entries(&mut self, value: &Value) -> Result {
        for entry in entries(value) {
            let [id, fields] = items(entry) else { return Err("an entry has an ID and fields".into()) };
            let (pairs, _) = items(fields).as_chunks::<2>();
            let fields: Vec<String> =
                pairs.iter().map(|[name, value]| format!("{}={}", cell(name), cell(value))).collect();
            self.indented(&format!("{}  {}", cell(id), fields.join("  ")))?;
        }
        Ok(())
    }

    /// A list of maps that have the same names.
    fn table_of_maps(&mut self, value: &Value) -> Result {
        let (mut titles, mut rows) = (Vec::new(), Vec::new());
        for map in items(value) {
            let Value::Map(pairs) = map else { return Err("not a map".into()) };
            titles = pairs.iter().map(|(name, _)| cell(name)).collect();
            rows.push(pairs.iter().map(|(_, value)| cell(value)).collect());
        }
        let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
        self.table(&titles, &rows)
    }

    /// Columns as wide as they have to be; the first to the left, the others to the right.
    fn table(&mut self, titles: &[&str], rows: &[Vec<String>]) -> Result {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(String::len);
            cells.chain(titles.get(column).map(|title| title.len())).max().unwrap_or(0)
        };
        let aligned = |cells: &mut dyn Iterator<Item = &str>| {
            let padded = cells.enumerate().map(|(column, cell)| {
                let width = width(column);
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            padded.collect::<Vec<_>>().join("  ")
        };
        let heading = self.styled(Style::Faint, &aligned(&mut titles.iter().copied()));
        self.indented(&heading)?;
        rows.iter().try_for_each(|row| self.indented(&aligned(&mut row.iter().map(String::as_str))))
    }

    /// What the story says itself.
    fn note(&mut self, sentence: &str) -> Result {
        let sentence = self.styled(Style::Faint, sentence);
        Ok(writeln!(self.out, "         {sentence}")?)
    }

    /// Announces something that takes a moment.
    fn progress(&mut self, what: &str) -> Result {
        self.note(what)?;
        Ok(self.out.flush()?)
    }

    /// What was measured with a real clock.
    fn measured(&mut self, what: &str) -> Result {
        let what = self.styled(Style::Measured, what);
        self.indented(&what)
    }

    fn end(&mut self) -> Result {
        Ok(self.out.flush()?)
    }

    fn indented(&mut self, line: &str) -> Result {
        Ok(writeln!(self.out, "         {}", line.trim_end())?)
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.has_colour { format!("\x1b[{}m{text}\x1b[0m", style as u8) } else { text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The story checks itself as it goes: it ends with an error where a reply is not what it tells.
    #[test]
    fn the_story_is_told_to_its_end() {
        let mut screen = Screen { out: Vec::new(), has_colour: false, pause: Duration::ZERO, chapters: 0 };
        tell(&mut screen).unwrap();
        let told = String::from_utf8(screen.out).unwrap();
        assert_eq!(screen.chapters, 6);
        assert!(told.is_ascii() && !told.contains('\x1b'));
        assert!(told.lines().all(|line| line.len() <= 100), "a line is too long for a terminal");
    }

    #[test]
    fn a_quoted_word_is_one_word() {
        assert_eq!(words("XADD s * a \"b c\" d"), ["XADD", "s", "*", "a", "b c", "d"].map(Vec::from));
    }

    #[test]
    fn digits_are_grouped_in_threes() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
