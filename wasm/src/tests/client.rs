//! What the client in JavaScript does, written once more: requests as lengths and bytes, replies from words and text.

use js_sys::{Uint8Array, Uint32Array, WebAssembly};
use wasm_bindgen::{JsCast, JsValue};

use crate::door::Door;
use crate::options::LIMITS;

/// A door with the time of its calls.
pub(super) struct Client {
    pub(super) door: Door,
    pub(super) now_ms: f64,
}

/// The places of the options.
pub(super) const MEMORY_BYTES_MAX: usize = 0;
pub(super) const REPLY_BYTES_MAX: usize = 1;
pub(super) const NODE_ENTRIES_MAX: usize = 3;
pub(super) const IDEMPOTENT_SECONDS: usize = 4;

/// What stands in the block of numbers after a call.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Answer {
    /// The reply as text: see [`show`].
    pub(super) reply: String,
    pub(super) is_ascii: bool,
    pub(super) position: u64,
    pub(super) waiter: u64,
    pub(super) deadline_ms: Option<u64>,
}

impl Client {
    pub(super) fn new() -> Client {
        Client { door: Door::new(), now_ms: 1000.0 }
    }

    /// Sets these options, by their places, and keeps the others.
    pub(super) fn configure(&mut self, options: &[(usize, f64)]) {
        let mut limits = [-1.0; LIMITS];
        for (place, limit) in options {
            limits[*place] = *limit;
        }
        let [memory, reply, node_bytes, node_entries, seconds, entries] = limits;
        self.door.configure(memory, reply, node_bytes, node_entries, seconds, entries);
    }

    /// Runs a command with blanks between its words; `None` if it waits.
    pub(super) fn try_run(&mut self, line: &str) -> Option<String> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.call(&encoded(&words)).then(|| self.answer().reply)
    }

    /// Runs a command that does not wait.
    #[track_caller]
    pub(super) fn run(&mut self, line: &str) -> String {
        self.try_run(line).unwrap_or_else(|| panic!("{line} waits"))
    }

    /// Runs a command that waits, and returns its number.
    #[track_caller]
    pub(super) fn wait(&mut self, line: &str) -> u64 {
        assert_eq!(self.try_run(line), None, "{line}");
        self.answer().waiter
    }

    /// Runs commands as one.
    pub(super) fn exec(&mut self, lines: &[&str]) -> String {
        let mut batch = Vec::new();
        for line in lines {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            write_length(&mut batch, words.len());
            batch.extend(encoded(&words));
        }
        self.write(&batch);
        assert!(self.door.exec(batch.len(), self.now_ms), "a batch never waits");
        self.answer().reply
    }

    /// Calls with these bytes as the request.
    pub(super) fn call(&mut self, request: &[u8]) -> bool {
        self.write(request);
        self.door.call(request.len(), self.now_ms)
    }

    pub(super) fn write(&mut self, request: &[u8]) {
        let address = self.door.room(request.len());
        assert!(!address.is_null());
        view_at(address.addr(), request.len()).copy_from(request);
    }

    /// The next reader that has its reply: its number and the reply.
    pub(super) fn take(&mut self) -> Option<(u64, String)> {
        self.door.take().then(|| {
            let answer = self.answer();
            (answer.waiter, answer.reply)
        })
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, ms: f64) {
        self.now_ms += ms;
        self.door.advance(self.now_ms);
    }

    pub(super) fn answer(&self) -> Answer {
        let block = words_at(self.door.answer().addr(), 16);
        let wide = |low: usize| u64::from(block[low]) | u64::from(block[low + 1]) << 32;
        let words = words_at(block[0] as usize, block[1] as usize);
        let text = bytes_at(block[2] as usize, block[3] as usize);
        let deadline_ms = Some(wide(9)).filter(|deadline| *deadline != u64::MAX);
        Answer { reply: show(&words, &text), is_ascii: block[4] == 1, position: wide(5), waiter: wide(7), deadline_ms }
    }
}

/// Words with their lengths in front.
pub(super) fn encoded(words: &[&[u8]]) -> Vec<u8> {
    let mut request = Vec::new();
    for word in words {
        write_length(&mut request, word.len());
        request.extend_from_slice(word);
    }
    request
}

fn write_length(request: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(length) if length < 255 => request.push(length),
        _ => {
            request.push(255);
            request.extend_from_slice(&(length as u32).to_le_bytes());
        }
    }
}

/// A view of the memory, made anew each time, as the door demands.
fn view_at(address: usize, length: usize) -> Uint8Array {
    Uint8Array::new_with_byte_offset_and_length(&buffer(), address as u32, length as u32)
}

/// Room comes before the view: to allocate it may make the memory grow.
fn bytes_at(address: usize, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    view_at(address, length).copy_to(&mut bytes);
    bytes
}

fn words_at(address: usize, length: usize) -> Vec<u32> {
    let mut words = vec![0; length];
    let view = Uint32Array::new_with_byte_offset_and_length(&buffer(), address as u32, length as u32);
    view.copy_to(&mut words);
    words
}

fn buffer() -> JsValue {
    wasm_bindgen::memory().unchecked_into::<WebAssembly::Memory>().buffer()
}

/// A reply as text: `+OK`, `-ERR ...`, `:1`, a string as it is, `nil`, `[1-1 [f v]]`, `{s [...]}` for pairs.
fn show(words: &[u32], text: &[u8]) -> String {
    if words.is_empty() {
        return String::new();
    }
    let mut reader = Reader { words, text };
    let shown = reader.value();
    assert!(reader.words.is_empty() && reader.text.is_empty(), "the reply goes on after {shown}");
    shown
}

struct Reader<'a> {
    words: &'a [u32],
    text: &'a [u8],
}

impl Reader<'_> {
    fn word(&mut self) -> u32 {
        let (word, rest) = self.words.split_first().unwrap();
        self.words = rest;
        *word
    }

    fn wide(&mut self) -> u64 {
        u64::from(self.word()) | u64::from(self.word()) << 32
    }

    fn string(&mut self, length: usize) -> String {
        let (string, rest) = self.text.split_at(length);
        self.text = rest;
        String::from_utf8_lossy(string).into_owned()
    }

    fn values(&mut self, count: usize) -> String {
        (0..count).map(|_| self.value()).collect::<Vec<_>>().join(" ")
    }

    fn value(&mut self) -> String {
        let head = self.word();
        let length = (head >> 4) as usize;
        match head & 15 {
            0 => format!("+{}", self.string(length)),
            1 => format!("-{}", self.string(length)),
            2 => format!(":{}", self.wide().cast_signed()),
            3 => self.string(length),
            4 => format!("{}-{}", self.wide(), self.wide()),
            5 => "nil".into(),
            6 => "nil-array".into(),
            7 => format!("[{}]", self.values(length)),
            8 => format!("%{{{}}}", self.values(2 * length)),
            9 => format!("{{{}}}", self.values(2 * length)),
            kind => panic!("there is no kind {kind}"),
        }
    }
}
