//! What DUMP gives: a value, its version and its checksum.

/// The value with version and checksum, as docs/format.md says.
pub(crate) fn sealed(mut value: Vec<u8>) -> Vec<u8> {
    value.push(1);
    let checksum = siphash(&value);
    value.extend_from_slice(&checksum.to_le_bytes());
    value
}

/// SipHash-1-3 with key 0, written once more.
fn siphash(bytes: &[u8]) -> u64 {
    let mut state = [0x736f_6d65_7073_6575_u64, 0x646f_7261_6e64_6f6d, 0x6c79_6765_6e65_7261, 0x7465_6462_7974_6573];
    let round = |state: &mut [u64; 4]| {
        let [a, b, c, d] = *state;
        let (a, c) = (a.wrapping_add(b), c.wrapping_add(d));
        let (b, d) = (b.rotate_left(13) ^ a, d.rotate_left(16) ^ c);
        let (a, c) = (a.rotate_left(32).wrapping_add(d), c.wrapping_add(b));
        let (b, d) = (b.rotate_left(17) ^ c, d.rotate_left(21) ^ a);
        *state = [a, b, c.rotate_left(32), d];
    };
    let absorb = |state: &mut [u64; 4], word: u64| {
        state[3] ^= word;
        round(state);
        state[0] ^= word;
    };
    let words = bytes.chunks_exact(8);
    let mut last = words.remainder().to_vec();
    for word in words {
        absorb(&mut state, u64::from_le_bytes(word.try_into().expect("eight bytes")));
    }
    last.resize(7, 0);
    last.push(bytes.len() as u8);
    absorb(&mut state, u64::from_le_bytes(last.try_into().expect("eight bytes")));
    state[2] ^= 0xff;
    for _ in 0..3 {
        round(&mut state);
    }
    state[0] ^ state[1] ^ state[2] ^ state[3]
}
