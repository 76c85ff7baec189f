//! The fence: rows by which a transaction of an owner who was overtaken fails as a whole.
//!
//! *Design.* The store `head` has rows `{id, claim}` and a unique index on `claim`. Epoch N is claimed by a row `e<N>` with
//! claim N, which stays. Whoever owns epoch P ends each transaction with the row `w<P>` and claim P + 1: he says that
//! nobody is behind him. Claiming deletes the `w` rows. So the owner of P needs claim P + 1, and whoever has overtaken
//! him has it: the transaction aborts, without having read anything, and so also when it was placed as a page went.
//!
//! *Why it always collides.* Take an owner of P, and the first epoch N that was claimed after P. Claims happen one after
//! another, each sees those before it, and each is above them; so when N was claimed, P was the newest. If N is P + 1,
//! its own row has claim P + 1. If not, [`Claim`] also puts the row of P + 1, as if that had been claimed in passing. These
//! rows are not deleted, and no other row ever takes their place: a `w` row has another ID. This holds for those who did
//! claim P. Whoever writes with an epoch that he has not claimed himself has to look at the rows first.
//!
//! *Why not read the newest epoch in each transaction.* What needs an answer before it goes on never lands when a page
//! goes, and each append would be two round trips.
//!
//! *Why rows may be deleted at all.* A page that is loaded again each second makes 86,400 of them a day. One that is older
//! than 30 days, and not among the newest 1,000, keeps out an owner who has slept as long and has not noticed it.
//!
//! *Invariants*
//! 1. The newest epoch is the greatest ID of an `e` row: numbers have 16 digits, so they sort as they count.
//! 2. The claim of a `w` row is above those of all `e` rows.

use alloc::string::String;

/// How many epochs stay however old they are.
pub(super) const EPOCHS_KEPT: u32 = 1000;
/// How many old rows one claim deletes at most; it adds two.
pub(super) const EPOCHS_PRUNED_MAX: u32 = 100;
/// How old an epoch is before its row may go.
pub(super) const EPOCH_MS_MIN: u64 = 30 * 24 * 60 * 60 * 1000;

/// 2^53 has 16.
const DIGITS: usize = 16;

/// What a row is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Row {
    /// An epoch was claimed.
    Epoch,
    /// Its owner writes.
    Writer,
}

impl Row {
    /// The letter at the beginning of the ID, and the one behind it.
    pub(super) fn letters(self) -> (&'static str, &'static str) {
        match self {
            Row::Epoch => ("e", "f"),
            Row::Writer => ("w", "x"),
        }
    }

    /// The row of an epoch, as JSON.
    pub(super) fn json(self, epoch: u64, now_ms: u64) -> String {
        let claim = match self {
            Row::Epoch => epoch,
            Row::Writer => epoch.saturating_add(1),
        };
        let mut text = String::from("{\"id\":\"");
        text.push_str(self.letters().0);
        push_number(&mut text, epoch, DIGITS);
        text.push_str("\",\"claim\":");
        push_number(&mut text, claim, 1);
        text.push_str(",\"at\":");
        push_number(&mut text, now_ms, 1);
        text.push('}');
        text
    }
}

/// What claiming an epoch does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Claim {
    /// The epoch that is claimed in passing.
    pub(super) skipped: Option<u64>,
}

impl Claim {
    /// Claims an epoch after the newest one, 0 if there is none. Nothing if it is not above that.
    pub(super) fn decide(newest: u64, epoch: u64) -> Option<Claim> {
        let next = newest + 1;
        (epoch > newest).then_some(Claim { skipped: Some(next).filter(|next| *next < epoch) })
    }
}

/// The epoch in the ID of a row.
pub(super) fn epoch_of(id: &str) -> u64 {
    let digits = id.bytes().filter(u8::is_ascii_digit).take(DIGITS);
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

/// Writes a number with so many digits at least.
fn push_number(text: &mut String, number: u64, digits_min: usize) {
    if number >= 10 || digits_min > 1 {
        push_number(text, number / 10, digits_min.saturating_sub(1));
    }
    text.push(char::from(b'0' + (number % 10) as u8));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_who_needs_which_claim() {
        assert_eq!(Row::Epoch.json(7, 1_700_000_000_000), r#"{"id":"e0000000000000007","claim":7,"at":1700000000000}"#);
        assert_eq!(Row::Writer.json(9, 0), r#"{"id":"w0000000000000009","claim":10,"at":0}"#);
        let last = (1 << 53) - 1;
        let row = Row::Writer.json(last, 1);
        assert_eq!(row, r#"{"id":"w9007199254740991","claim":9007199254740992,"at":1}"#);
    }

    #[test]
    fn ids_sort_as_their_epochs_count() {
        let epochs = [0, 1, 9, 10, 11, 99, 100, 12_345, 999_999_999, 1 << 52, (1 << 53) - 1];
        let id = |epoch| Row::Epoch.json(epoch, 0).split('"').nth(3).unwrap().to_string();
        let ids = epochs.map(id);
        assert!(ids.is_sorted());
        assert_eq!(ids.each_ref().map(|id| epoch_of(id)), epochs);
        for id in &ids {
            let (from, upto) = Row::Epoch.letters();
            assert!(from < id.as_str() && id.as_str() < upto, "{id}");
        }
    }

    #[test]
    fn an_id_of_somebody_else_is_some_number() {
        assert_eq!(epoch_of("e"), 0);
        assert_eq!(epoch_of("epoch 12"), 12);
        epoch_of(&"9".repeat(100));
    }

    #[test]
    fn an_epoch_is_claimed_above_the_newest() {
        assert_eq!(Claim::decide(0, 0), None);
        assert_eq!(Claim::decide(0, 1), Some(Claim { skipped: None }));
        assert_eq!(Claim::decide(0, 7), Some(Claim { skipped: Some(1) }));
        assert_eq!(Claim::decide(7, 6), None);
        assert_eq!(Claim::decide(7, 7), None);
        assert_eq!(Claim::decide(7, 8), Some(Claim { skipped: None }));
        assert_eq!(Claim::decide(7, 9), Some(Claim { skipped: Some(8) }));
        assert_eq!(Claim::decide(7, 100), Some(Claim { skipped: Some(8) }));
    }

    /// The proof in the head of this file, by trying: rows as the claims leave them, and every owner that there was.
    #[test]
    fn every_owner_who_was_overtaken_collides() {
        let mut state = 1_u64;
        for _ in 0..1000 {
            let (mut claims, mut newest) = (Vec::new(), 0);
            let mut owners = Vec::new();
            for _ in 0..20 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let epoch = newest + (state >> 33) % 4;
                let Some(claim) = Claim::decide(newest, epoch) else { continue };
                claims.extend(claim.skipped);
                claims.push(epoch);
                owners.push(epoch);
                newest = epoch;
            }
            assert!(claims.is_sorted_by(|a, b| a < b), "{claims:?}");
            let (last, overtaken) = owners.split_last().unwrap();
            assert!(overtaken.iter().all(|owner| claims.contains(&(owner + 1))), "{owners:?} {claims:?}");
            assert!(!claims.contains(&(last + 1)));
        }
    }
}
