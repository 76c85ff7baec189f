//! Requests: words with their lengths in front.
//!
//! *Encoding.* A word is its length and its bytes. A length below 255 is one byte; a longer one is the byte 255 and four
//! bytes, lowest first, and a short one may be written so, too. A request ends where its bytes end. A batch is
//! commands one after the other, each with the number of its words in front, written like a length.
//!
//! *Why not lengths of four bytes always.* Most words are short, and writing bytes one by one is what JavaScript spends
//! its time with.
//!
//! *Invariant.* Words lie in the buffer; nothing here copies them.

use alloc::vec::Vec;

/// So many words are looked up without an allocation.
const WORDS_INLINE: usize = 32;
const LONG: u8 = 255;

/// Why a request cannot be run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Misfit {
    /// A length that leads beyond the end.
    Truncated,
    /// No memory for the list of words.
    OutOfMemory,
}

/// Hands the words of one command to `run`.
pub(crate) fn with_words<R>(bytes: &[u8], run: impl FnOnce(&[&[u8]]) -> R) -> Result<R, Misfit> {
    let mut inline: [&[u8]; WORDS_INLINE] = [&[]; WORDS_INLINE];
    let mut rest = bytes;
    let mut count = 0;
    for place in &mut inline {
        if rest.is_empty() {
            break;
        }
        *place = take_word(&mut rest)?;
        count += 1;
    }
    if rest.is_empty() {
        return Ok(run(inline.get(..count).unwrap_or(&[])));
    }
    let mut words = Vec::new();
    push_all(&mut words, &inline)?;
    while !rest.is_empty() {
        push_all(&mut words, &[take_word(&mut rest)?])?;
    }
    Ok(run(&words))
}

/// Hands the commands of a batch to `run`.
pub(crate) fn with_batch<R>(bytes: &[u8], run: impl FnOnce(&[&[&[u8]]]) -> R) -> Result<R, Misfit> {
    let (mut words, mut counts) = (Vec::new(), Vec::new());
    let mut rest = bytes;
    while !rest.is_empty() {
        let count = take_length(&mut rest)?;
        for _ in 0..count {
            push_all(&mut words, &[take_word(&mut rest)?])?;
        }
        push_all(&mut counts, &[count])?;
    }
    let mut batch: Vec<&[&[u8]]> = Vec::new();
    let mut remaining = words.as_slice();
    for count in counts {
        let (command, after) = remaining.split_at_checked(count).ok_or(Misfit::Truncated)?;
        push_all(&mut batch, &[command])?;
        remaining = after;
    }
    Ok(run(&batch))
}

fn take_word<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Misfit> {
    let length = take_length(rest)?;
    take(rest, length)
}

fn take_length(rest: &mut &[u8]) -> Result<usize, Misfit> {
    match take(rest, 1)? {
        [LONG] => {
            let bytes = take(rest, 4)?.try_into().map_err(|_| Misfit::Truncated)?;
            Ok(u32::from_le_bytes(bytes) as usize)
        }
        [length, ..] => Ok(usize::from(*length)),
        [] => Err(Misfit::Truncated),
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Misfit> {
    let (taken, after) = rest.split_at_checked(length).ok_or(Misfit::Truncated)?;
    *rest = after;
    Ok(taken)
}

fn push_all<T: Copy>(list: &mut Vec<T>, values: &[T]) -> Result<(), Misfit> {
    list.try_reserve(values.len()).map_err(|_| Misfit::OutOfMemory)?;
    list.extend_from_slice(values);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was read, copied out.
    fn words(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Misfit> {
        with_words(bytes, |words| words.iter().map(|word| word.to_vec()).collect())
    }

    fn batch(bytes: &[u8]) -> Result<Vec<usize>, Misfit> {
        with_batch(bytes, |batch| batch.iter().map(|words| words.len()).collect())
    }

    fn long(length: u32) -> Vec<u8> {
        let mut bytes = alloc::vec![LONG];
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes
    }

    #[test]
    fn words_are_what_was_written() {
        assert_eq!(words(b""), Ok(Vec::new()));
        assert_eq!(words(b"\x04XLEN\x01k"), Ok(alloc::vec![b"XLEN".to_vec(), b"k".to_vec()]));
        assert_eq!(words(b"\x00\x00"), Ok(alloc::vec![Vec::new(), Vec::new()]));
        let mut bytes = long(300);
        bytes.extend_from_slice(&[7; 300]);
        bytes.extend_from_slice(&long(2));
        bytes.extend_from_slice(b"ab");
        assert_eq!(words(&bytes), Ok(alloc::vec![alloc::vec![7; 300], b"ab".to_vec()]));
    }

    #[test]
    fn any_number_of_words_is_read() {
        for count in [WORDS_INLINE - 1, WORDS_INLINE, WORDS_INLINE + 1, 1000] {
            let bytes: Vec<u8> = (0..count).flat_map(|place| [1, place as u8]).collect();
            let read = words(&bytes).unwrap();
            assert_eq!(read.len(), count);
            assert!(read.iter().enumerate().all(|(place, word)| *word == [place as u8]), "{count}");
        }
    }

    #[test]
    fn a_length_beyond_the_end_is_refused() {
        for bytes in [&b"\x05XLEN"[..], b"\xff", b"\xff\x01\x00\x00", b"\xff\xff\xff\xff\xff", b"\x01a\x02b"] {
            assert_eq!(words(bytes), Err(Misfit::Truncated), "{bytes:?}");
            assert_eq!(batch(bytes), Err(Misfit::Truncated), "{bytes:?}");
        }
    }

    #[test]
    fn batches_keep_their_commands_apart() {
        assert_eq!(batch(b""), Ok(Vec::new()));
        assert_eq!(batch(b"\x02\x04XLEN\x01k\x01\x04PING\x00"), Ok(alloc::vec![2, 1, 0]));
        // An announced number of words reserves nothing.
        assert_eq!(batch(b"\xff\xff\xff\xff\xff"), Err(Misfit::Truncated));
    }
}
