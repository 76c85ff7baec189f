//! Lists of entry IDs, as XDEL, XACK and their relatives take them.

use alloc::vec::Vec;

use super::args::{self, Args, is};
use super::threshold::References;
use crate::error::Error;
use crate::id::EntryId;
use crate::number::parse_i64;

/// Up to so many IDs, repeated ones are found by comparing each with those before it.
const COMPARED_MAX: usize = 16;

/// Reads all words as entry IDs; if one is not, nothing is done with the others.
pub(super) fn parse<'a>(words: &[&'a [u8]]) -> Result<Vec<EntryId>, Error<'a>> {
    let mut ids = Vec::new();
    ids.try_reserve_exact(words.len()).map_err(|_| Error::OutOfMemory)?;
    for word in words {
        ids.push(args::id(word)?);
    }
    Ok(ids)
}

/// Says of each ID, in order, whether it stood in the list before.
pub(super) struct Repeats<'i> {
    ids: &'i [EntryId],
    /// For long lists: the places of repeated IDs, ascending.
    places: Vec<u32>,
}

impl<'i> Repeats<'i> {
    pub(super) fn new<'a>(ids: &'i [EntryId]) -> Result<Repeats<'i>, Error<'a>> {
        let mut places = Vec::new();
        if ids.len() > COMPARED_MAX && !ids.is_sorted_by(|one, other| one < other) {
            places.try_reserve_exact(ids.len()).map_err(|_| Error::OutOfMemory)?;
            places.extend(0..ids.len() as u32);
            let id = |place: u32| ids.get(place as usize);
            places.sort_unstable_by_key(|&place| (id(place), place));
            let mut last = None;
            places.retain(|&place| last.replace(id(place)) == Some(id(place)));
            places.sort_unstable();
        }
        Ok(Repeats { ids, places })
    }

    /// Whether the ID at this place stood before.
    pub(super) fn is_repeated(&self, place: usize) -> bool {
        if self.ids.len() > COMPARED_MAX {
            return u32::try_from(place).is_ok_and(|place| self.places.binary_search(&place).is_ok());
        }
        let (before, rest) = self.ids.split_at_checked(place).unwrap_or((self.ids, &[]));
        rest.first().is_some_and(|id| before.contains(id))
    }
}

/// `[KEEPREF | DELREF | ACKED] IDS numids id [id ...]`, as XDELEX and XACKDEL take it. The words come in any order, and
/// a later block of IDs replaces an earlier one.
pub(super) fn parse_with_references<'a>(args: &mut Args<'a>) -> Result<(References, &'a [&'a [u8]]), Error<'a>> {
    let (mut references, mut ids) = (References::Keep, None);
    while let Some(word) = args.next() {
        if let Some(given) = References::parse(word) {
            references = given;
        } else if is(word, "IDS") && args.len() > 0 {
            let count = parse_i64(args.word()?).and_then(|count| usize::try_from(count).ok());
            let count = count.filter(|&count| count > 0).ok_or(Error::NumIdsNotPositive)?;
            ids = Some(args.take(count).ok_or(Error::NumIdsMismatch)?);
        } else {
            return Err(Error::Syntax);
        }
    }
    Ok((references, ids.ok_or(Error::IdsRequired)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_found_in_short_and_long_lists() {
        for len in [1u64, 5, COMPARED_MAX as u64, 100, 1000] {
            let ids: Vec<EntryId> = (0..len).map(|place| EntryId::new(place * 7 % 31, 0)).collect();
            let repeats = Repeats::new(&ids).unwrap();
            for place in 0..ids.len() {
                assert_eq!(repeats.is_repeated(place), ids[..place].contains(&ids[place]), "{place} of {len}");
            }
        }
    }
}
