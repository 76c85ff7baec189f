//! The hash of key names: SipHash-1-3, keyed with the seed of the engine's configuration.
//!
//! Key names come from strangers. With an unkeyed or a weakly keyed hash somebody could choose names that all collide
//! and make each lookup a walk; SipHash was made to withstand exactly that. It costs 10 ns for a short name.

/// The hash of `bytes` under `seed`.
pub(crate) fn hash(seed: [u64; 2], bytes: &[u8]) -> u64 {
    let [k0, k1] = seed;
    let mut state = State {
        v0: k0 ^ 0x736f_6d65_7073_6575,
        v1: k1 ^ 0x646f_7261_6e64_6f6d,
        v2: k0 ^ 0x6c79_6765_6e65_7261,
        v3: k1 ^ 0x7465_6462_7974_6573,
    };
    let (words, _) = bytes.as_chunks::<8>();
    for word in words {
        state.absorb(u64::from_le_bytes(*word));
    }
    state.absorb((bytes.len() as u64) << 56 | tail(bytes));
    state.v2 ^= 0xff;
    for _ in 0..3 {
        state.round();
    }
    state.v0 ^ state.v1 ^ state.v2 ^ state.v3
}

/// The up to seven bytes behind the last whole word, the first of them lowest. They are read in pieces that overlap
/// what is known already: most names are short, and byte by byte this would be a fifth of their hash.
#[inline]
fn tail(bytes: &[u8]) -> u64 {
    let length = bytes.len() as u32;
    match (bytes.last_chunk::<8>(), bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(last), ..) => u64::from_le_bytes(*last).checked_shr(64 - length % 8 * 8).unwrap_or(0),
        (None, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << (8 * (length - 4))
        }
        _ => bytes.iter().rev().fold(0, |tail, &byte| tail << 8 | u64::from(byte)),
    }
}

struct State {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl State {
    #[inline]
    fn absorb(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.v0 ^= word;
    }

    #[inline]
    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::hash::Hasher;
    use std::hash::DefaultHasher;
    use std::vec::Vec;

    /// The standard library's default hasher is the same function with a seed of zeros.
    #[test]
    fn agrees_with_the_standard_library() {
        let bytes: Vec<u8> = (0..=255).collect();
        for len in 0..=bytes.len() {
            let mut reference = DefaultHasher::new();
            reference.write(&bytes[..len]);
            assert_eq!(hash([0, 0], &bytes[..len]), reference.finish(), "{len} bytes");
        }
    }

    #[test]
    fn the_seed_matters() {
        assert_ne!(hash([0, 0], b"key"), hash([1, 0], b"key"));
        assert_ne!(hash([0, 0], b"key"), hash([0, 1], b"key"));
    }
}
