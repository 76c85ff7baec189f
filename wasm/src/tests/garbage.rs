//! Requests that no client writes: each is answered, and the door goes on.

use wasm_bindgen_test::wasm_bindgen_test;

use super::client::{Client, encoded};

const TRUNCATED: &str = "-ERR Protocol error: a word of the request ends beyond its end";
const REQUESTS: usize = 20_000;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 33
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end
    }
}

fn state(client: &mut Client) -> (String, String) {
    (client.run("XINFO STREAM s FULL"), client.run("GET k"))
}

fn furnished() -> Client {
    let mut client = Client::new();
    for line in ["XADD s 1-1 f v", "XGROUP CREATE s g 0", "XREADGROUP GROUP g c STREAMS s >", "SET k v"] {
        client.run(line);
    }
    client
}

#[wasm_bindgen_test]
fn words_that_end_beyond_the_request_are_refused() {
    let mut client = furnished();
    let before = state(&mut client);
    for request in [&b"\x05XLEN"[..], b"\xff", b"\xff\x01\x00\x00", b"\xff\xff\xff\xff\xff", b"\x03DEL\x02s"] {
        assert!(client.call(request));
        assert_eq!(client.answer().reply, TRUNCATED, "{request:?}");
        client.write(request);
        assert!(client.door.exec(request.len(), 0.0));
        assert_eq!(client.answer().reply, TRUNCATED, "{request:?}");
    }
    // A batch that announces more words than there are.
    for request in [&b"\x02\x04PING"[..], b"\x01\x04PING\xff\xff\xff\xff\xff"] {
        client.write(request);
        assert!(client.door.exec(request.len(), 0.0));
        assert_eq!(client.answer().reply, TRUNCATED, "{request:?}");
    }
    assert_eq!(state(&mut client), before);
}

#[wasm_bindgen_test]
fn a_request_that_is_longer_than_what_was_written_is_empty() {
    let mut client = furnished();
    for bytes in [1 << 20, usize::MAX] {
        assert!(client.door.call(bytes, 0.0));
        assert_eq!(client.answer().reply, "-ERR unknown command ''");
        assert!(client.door.exec(bytes, 0.0));
        assert_eq!(client.answer().reply, "[]");
    }
}

#[wasm_bindgen_test]
fn any_bytes_are_answered() {
    let mut client = furnished();
    let before = state(&mut client);
    let mut random = Random(1);
    for _ in 0..REQUESTS {
        let length = random.below(40);
        // Mostly lengths that may fit.
        let mut byte = || {
            let end = if random.below(4) == 0 { 256 } else { 6 };
            random.below(end) as u8
        };
        let request: Vec<u8> = (0..length).map(|_| byte()).collect();
        assert!(client.call(&request), "{request:?} waits");
        assert!(client.answer().reply.starts_with('-'), "{request:?}");
        client.write(&request);
        assert!(client.door.exec(request.len(), 0.0));
    }
    assert_eq!(state(&mut client), before);
}

#[wasm_bindgen_test]
fn damaged_requests_are_answered() {
    let lines = [
        "XADD s * f v",
        "XADD s MAXLEN ~ 10 * f v g w",
        "XREADGROUP GROUP g c COUNT 2 STREAMS s >",
        "XREAD BLOCK 5 STREAMS s t $ 0",
        "XCLAIM s g d 0 1-1 JUSTID",
        "XTRIM s MAXLEN 3",
        "XINFO STREAM s FULL",
        "XPENDING s g - + 10",
        "SET k v PX 100",
        "DEL t",
    ];
    let mut client = furnished();
    let mut random = Random(2);
    let (mut answered, mut waited) = (0, 0);
    for _ in 0..REQUESTS {
        let words: Vec<&[u8]> = lines[random.below(lines.len())].split(' ').map(str::as_bytes).collect();
        let mut request = encoded(&words);
        for _ in 0..random.below(3) {
            let at = random.below(request.len());
            match random.below(3) {
                0 => request[at] = random.below(256) as u8,
                1 => request.truncate(at + 1),
                _ => request.insert(at, random.below(256) as u8),
            }
        }
        if client.call(&request) {
            // Reading it checks that words and text fit together.
            assert!(!client.answer().reply.is_empty());
            answered += 1;
        } else {
            waited += 1;
        }
        client.pass(1.0);
        while client.take().is_some() {}
    }
    assert!(answered > REQUESTS / 2 && waited > REQUESTS / 100, "{answered} answered, {waited} waited");
    client.pass(1000.0);
    while client.take().is_some() {}
    assert_eq!(client.answer().deadline_ms, None);
}
