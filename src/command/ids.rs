//! Lists of entry IDs, as XDEL, XACK and their relatives take them.

use alloc::vec::Vec;

use super::args::{self, Args, is};
use super::threshold::References;
use crate::engine::effect::Owned;
use crate::error::Error;
use crate::id::EntryId;
use crate::memory::try_push;
use crate::number::parse_i64;
use crate::sort::sort;

/// Up to so many IDs, repeated ones are found by comparing each with those before it.
const COMPARED_MAX: usize = 16;

/// Reads all words as entry IDs; if one is not, nothing is done with the others.
pub(super) fn parse(words: &[&[u8]]) -> Result<Vec<EntryId>, Error> {
    let mut ids = Vec::new();
    ids.try_reserve_exact(words.len()).map_err(|_| Error::OutOfMemory)?;
    for word in words {
        ids.push(args::id(word)?);
    }
    Ok(ids)
}

/// No place.
const NOWHERE: u32 = u32::MAX;

/// Says of each ID, in order, where it stood in the list before.
pub(super) struct Repeats<'i> {
    ids: &'i [EntryId],
    /// For long lists with repetitions: for each place the last one before it with the same ID, or `NOWHERE`.
    before: Vec<u32>,
}

impl<'i> Repeats<'i> {
    pub(super) fn new(ids: &'i [EntryId]) -> Result<Repeats<'i>, Error> {
        let mut before = Vec::new();
        if ids.len() > COMPARED_MAX && !ids.is_sorted_by(|one, other| one < other) {
            let mut places = Vec::new();
            places.try_reserve_exact(ids.len()).map_err(|_| Error::OutOfMemory)?;
            before.try_reserve_exact(ids.len()).map_err(|_| Error::OutOfMemory)?;
            places.extend(0..ids.len() as u32);
            before.resize(ids.len(), NOWHERE);
            let id = |place: u32| ids.get(place as usize);
            sort(&mut places, &mut |one, other| (id(one), one) < (id(other), other));
            for pair in places.windows(2) {
                if let [first, second] = *pair
                    && id(first) == id(second)
                    && let Some(place) = before.get_mut(second as usize)
                {
                    *place = first;
                }
            }
        }
        Ok(Repeats { ids, before })
    }

    /// The last place before this one at which the same ID stood.
    pub(super) fn before(&self, place: usize) -> Option<usize> {
        if self.ids.len() > COMPARED_MAX {
            return self.before.get(place).filter(|&&before| before != NOWHERE).map(|&before| before as usize);
        }
        let (before, rest) = self.ids.split_at_checked(place)?;
        let id = rest.first()?;
        before.iter().rposition(|other| other == id)
    }

    /// Whether the ID at this place stood before.
    pub(super) fn is_repeated(&self, place: usize) -> bool {
        self.before(place).is_some()
    }
}

/// What was decided for some of the IDs of a list, each with its place there.
#[derive(Default)]
pub(super) struct Decided {
    pub(super) items: Vec<Owned>,
    places: Vec<u32>,
}

impl Decided {
    /// Adds what was decided for the ID at this place, which lies behind those before.
    pub(super) fn push(&mut self, place: usize, item: Owned) -> Result<(), Error> {
        try_push(&mut self.places, place as u32)?;
        try_push(&mut self.items, item)?;
        Ok(())
    }

    /// What was decided for the ID at this place.
    pub(super) fn at(&self, place: usize) -> Option<&Owned> {
        let found = self.places.binary_search(&(place as u32)).ok()?;
        self.items.get(found)
    }
}

/// `[KEEPREF | DELREF | ACKED] IDS numids id [id ...]`, as XDELEX and XACKDEL take it. The words come in any order, and
/// a later block of IDs replaces an earlier one.
pub(super) fn parse_with_references<'a>(args: &mut Args<'a>) -> Result<(References, &'a [&'a [u8]]), Error> {
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
                let before = ids[..place].iter().rposition(|id| *id == ids[place]);
                assert_eq!(repeats.before(place), before, "{place} of {len}");
            }
        }
    }
}
