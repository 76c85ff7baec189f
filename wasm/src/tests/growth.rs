//! Memory grows in large steps.

use wasm_bindgen_test::wasm_bindgen_test;

use super::client::{Client, encoded};

const PAGE_BYTES: usize = 64 << 10;

fn memory_bytes() -> usize {
    core::arch::wasm32::memory_size::<0>() * PAGE_BYTES
}

/// Adds entries of 1 KB, so many at most, while `goes_on`.
fn add(client: &mut Client, entries: usize, goes_on: &mut dyn FnMut() -> bool) {
    let request = encoded(&[b"XADD", b"s", b"*", b"f", &[b'x'; 1000]]);
    for _ in 0..entries {
        client.now_ms += 1.0;
        client.write(&request);
        client.door.call(request.len(), client.now_ms);
        if !goes_on() {
            return;
        }
    }
    panic!("{entries} entries have not been enough");
}

#[wasm_bindgen_test]
fn memory_grows_in_steps_of_an_eighth() {
    let mut client = Client::new();
    let begin = memory_bytes();
    let (mut size, mut steps) = (begin, 0);
    // What other tests have freed is used up first.
    add(&mut client, 1_000_000, &mut || {
        let grown = memory_bytes() - size;
        if grown > 0 {
            assert!(grown >= (size / 8).max(1 << 20), "from {size} by {grown}");
            size += grown;
            steps += 1;
        }
        size < 2 * begin + (48 << 20)
    });
    assert!((4..60).contains(&steps), "{steps} steps");
    // What was freed is used again.
    client.run("DEL s");
    let mut added = 0;
    add(&mut client, 32_000, &mut || {
        added += 1;
        added < 32_000
    });
    assert_eq!(memory_bytes(), size);
}
