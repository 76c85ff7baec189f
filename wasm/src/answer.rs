//! What JavaScript reads after a call, as numbers in one place.
//!
//! *Design.* Sixteen words of 32 bits whose address does not change while the door lives. 64-bit numbers are two words,
//! low and high. JavaScript reads them through one view of the memory.
//!
//! *Why not return values.* A call returns one number; an object made here costs more than the command.
//!
//! *Layout*, by place: 0 heads and numbers of the reply: address, 1 their count; 2 text of the reply: address, 3 its bytes;
//! 4 1 if all text is ASCII; 5, 6 the journal position that the reply depends on; 7, 8 the waiter; 9, 10 the next deadline in
//! milliseconds, all bits set if there is none; 11 how the database is stored: 0 while it is opened, 1 if it is there, 2 if
//! it has ended; plus 4 if whoever adds should wait, 8 if the storage fails.

use brooklet::{Outcome, Position, Reply, WaiterId};
use brooklet_web::{Condition, Host};

const WORDS: usize = 16;

/// The block of numbers; see the head of this file.
#[derive(Default)]
pub(crate) struct Answer {
    words: [u32; WORDS],
}

impl Answer {
    /// Where the block lies.
    pub(crate) fn address(&self) -> *const u32 {
        self.words.as_ptr()
    }

    /// Tells how a call ended. Returns whether there is a reply.
    pub(crate) fn tell(&mut self, outcome: Outcome, reply: &Reply, host: &Host) -> bool {
        let (position, waiter) = match outcome {
            Outcome::Done(position) => (position, WaiterId(0)),
            Outcome::Blocked(waiter) => (Position(0), waiter),
        };
        self.tell_all(position, waiter, reply, host);
        matches!(outcome, Outcome::Done(_))
    }

    /// Tells of the reply to a reader that waited, or of none.
    pub(crate) fn tell_all(&mut self, position: Position, waiter: WaiterId, reply: &Reply, host: &Host) {
        let (words, text) = (reply.words(), reply.text());
        let [position_low, position_high] = halves(position.0);
        let [waiter_low, waiter_high] = halves(waiter.0);
        let [deadline_low, deadline_high] = halves(host.next_deadline().unwrap_or(u64::MAX));
        self.words = [
            words.as_ptr().addr() as u32,
            words.len() as u32,
            text.as_ptr().addr() as u32,
            text.len() as u32,
            u32::from(text.is_ascii()),
            position_low,
            position_high,
            waiter_low,
            waiter_high,
            deadline_low,
            deadline_high,
            condition(host),
            0,
            0,
            0,
            0,
        ];
    }
}

impl Answer {
    /// Tells when time has to pass, and how the database is stored; of the reply nothing changes.
    pub(crate) fn tell_state(&mut self, host: &Host) {
        let [_, _, _, _, _, _, _, _, _, low, high, state, ..] = &mut self.words;
        [*low, *high] = halves(host.next_deadline().unwrap_or(u64::MAX));
        *state = condition(host);
    }
}

fn condition(host: &Host) -> u32 {
    let condition = match host.condition() {
        Condition::Opening => 0,
        Condition::Open => 1,
        Condition::Ended(_) => 2,
    };
    let (is_busy, is_failing) = (host.is_busy(), host.is_failing());
    condition | if is_busy { 4 } else { 0 } | if is_failing { 8 } else { 0 }
}

fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}
