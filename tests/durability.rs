//! docs/durability.md: the errors that it quotes are those of the code, and every error there is stands in it.
//!
//! The text between the markers is made here. After a change of an error, `BROOKLET_BLESS=1 cargo test --test durability`
//! writes it anew.

#![allow(clippy::expect_used, clippy::panic, reason = "a panic here is a failed test")]

#[path = "support/page.rs"]
mod page;

use std::fmt::Display;
use std::fs;

use brooklet::persist::{
    ChunkFault, Damage, DecodeFault, Erased, LogBreak, Loss, OpenError, PartFault, StorageFault, StoredValue, TailLoss,
};
use brooklet::{Config, Engine};

use page::{Page, root};

const PAGE: Page = Page { name: "durability", part: "errors" };

const LOG_ID: u64 = 0x0123_4567_89ab_cdef;
const OTHER_LOG_ID: u64 = 0xfedc_ba98_7654_3210;
const ERASED: Erased = Erased { log_id: LOG_ID, durable_sequence: 480, found: None };
const TAIL_LOSS: TailLoss = TailLoss { from: 471, to: 480, may_be_accepted: false };
const BROKEN: LogBreak =
    LogBreak { last_good: 470, first_bad: 471, next_good: Some(472), damage: Damage::Chunk(BAD_CHUNK) };
const BAD_CHECKSUM: DecodeFault =
    DecodeFault::BadChecksum { stored: 0x1122_3344_5566_7788, computed: 0x8877_6655_4433_2211 };
const BAD_CHUNK: ChunkFault = ChunkFault::Undecodable(BAD_CHECKSUM);

#[test]
fn the_errors_are_those_of_the_code() {
    PAGE.check(&errors());
}

/// The rules of an opening, here and in the head of the code, are the same number.
#[test]
fn the_rules_are_those_of_the_code() {
    let page = PAGE.parts().before;
    let source = fs::read_to_string(root().join("src/persist/recovery/mod.rs")).expect("a source file is text");
    let (_, rules) = source.split_once("//! *Rules*\n").expect("the head has the rules");
    let (rules, _) = rules.split_once("//!\n").expect("the rules end");
    let in_code = rules.lines().filter(|line| line.starts_with("//! ") && !line.starts_with("//!    ")).count();
    let (_, rules) = page.split_once("## What opening finds").expect("the page has this section");
    let on_page = (1..).take_while(|number| rules.contains(&format!("\n{number}. **"))).count();
    assert_eq!((in_code, on_page), (8, 8));
}

/// What an owner is set up with, as the page says it.
#[test]
fn the_limits_are_those_of_the_code() {
    let page = PAGE.parts().before;
    let config = brooklet::persist::WriterConfig::default();
    let said = [
        format!("waits {} ms", config.retry_ms_min),
        format!("up to {} s", config.retry_ms_max / 1000),
        format!("after {} s (`answer_ms_max`)", config.answer_ms_max / 1000),
        format!("Above {} MiB unwritten", config.busy_bytes >> 20),
        format!("above {} MiB overloaded", config.busy_bytes >> 19),
    ];
    for text in said {
        assert!(page.contains(&text), "docs/durability.md does not say '{text}'");
    }
}

fn errors() -> String {
    let mut text = String::from("\n| rule | error |\n|---|---|\n");
    let examples = open_errors();
    for variant in 0..=variant_of_open_error(&OpenError::OutOfRange) {
        assert!(examples.iter().any(|(_, error)| variant_of_open_error(error) == variant), "no example of {variant}");
    }
    for (rule, error) in examples {
        text.push_str(&format!("| {rule} | {} |\n", sentence(&error)));
    }
    text.push_str("\nWhat is wrong with a value, behind the colon of `is damaged:`:\n\n");
    text.push_str("| value | what is wrong |\n|---|---|\n");
    let damages = damages();
    for variant in 0..=variant_of_damage(&Damage::GroupOpen) {
        assert!(damages.iter().any(|(_, damage)| variant_of_damage(damage) == variant), "no example of {variant}");
    }
    for (value, damage) in damages {
        text.push_str(&format!("| {value} | {} |\n", sentence(&damage)));
    }
    text.push_str("\nHow a storage fails, behind the colon of `the storage failed while ...:`:\n\n");
    for fault in [StorageFault::Io, StorageFault::Quota, StorageFault::Closed, StorageFault::NoAnswer] {
        text.push_str(&format!("- {}\n", sentence(&fault)));
    }
    text.push_str("\nWhat was lost with consent:\n\n");
    for loss in [Loss::Erased(ERASED), Loss::Tail(TAIL_LOSS), Loss::Rest(BROKEN)] {
        text.push_str(&format!("- {}\n", sentence(&loss)));
    }
    text.push('\n');
    text
}

fn sentence(value: &dyn Display) -> String {
    format!("`{value}`")
}

/// Each error there is, with the rule that it comes from.
fn open_errors() -> Vec<(&'static str, OpenError)> {
    let too_new = |value| OpenError::TooNew { value, major: 2, flags: 0 };
    let whole_but_misfit = Engine::new(Config::default()).replay(b"\x01\xff").expect_err("there is no such effect");
    vec![
        ("1", OpenError::Erased(ERASED)),
        ("1", OpenError::Erased(Erased { found: Some(OTHER_LOG_ID), ..ERASED })),
        ("2", OpenError::CorruptSnapshot { part: None, damage: Damage::Manifest(BAD_CHECKSUM) }),
        ("2", OpenError::CorruptSnapshot { part: Some(12), damage: Damage::Missing }),
        ("5", OpenError::CorruptLog(BROKEN)),
        ("5", OpenError::CorruptLog(LogBreak { last_good: 0, first_bad: 1, next_good: None, ..BROKEN })),
        ("6", OpenError::DataLoss(TAIL_LOSS)),
        ("6", OpenError::DataLoss(TailLoss { may_be_accepted: true, ..TAIL_LOSS })),
        ("7", too_new(StoredValue::Manifest)),
        ("7", too_new(StoredValue::Chunk(471))),
        ("", OpenError::Locked),
        ("", OpenError::Fenced { epoch: 5 }),
        ("", OpenError::Storage { doing: "reading the log", fault: StorageFault::Io }),
        ("", OpenError::Unreplayable { value: StoredValue::Chunk(471), error: whole_but_misfit }),
        ("", OpenError::OutOfMemory),
        ("", OpenError::OutOfRange),
    ]
}

/// Numbers the variants, so that a new one cannot be left out.
fn variant_of_open_error(error: &OpenError) -> usize {
    match error {
        OpenError::Erased(_) => 0,
        OpenError::CorruptSnapshot { .. } => 1,
        OpenError::CorruptLog(_) => 2,
        OpenError::DataLoss(_) => 3,
        OpenError::TooNew { .. } => 4,
        OpenError::Locked => 5,
        OpenError::Fenced { .. } => 6,
        OpenError::Storage { .. } => 7,
        OpenError::Unreplayable { .. } => 8,
        OpenError::OutOfMemory => 9,
        OpenError::OutOfRange => 10,
    }
}

/// Each kind of damage, and the values that it may befall.
fn damages() -> Vec<(&'static str, Damage)> {
    let chunk = Damage::Chunk;
    vec![
        ("any", Damage::Missing),
        ("any", Damage::Unreadable),
        ("any", Damage::Manifest(BAD_CHECKSUM)),
        ("any", Damage::Part(PartFault::Undecodable(DecodeFault::Torn { has: 4096, needs: 60_000 }))),
        ("any", chunk(ChunkFault::Undecodable(DecodeFault::Excess { has: 60_000, needs: 4096 }))),
        ("any", Damage::Manifest(DecodeFault::BadMagic)),
        ("any", Damage::Manifest(DecodeFault::Malformed("a manifest's number is out of range"))),
        ("part or chunk", Damage::Part(PartFault::WrongLog { expected: LOG_ID, found: OTHER_LOG_ID })),
        ("part", Damage::Part(PartFault::WrongPart { expected: 12, found: 13 })),
        ("part", Damage::Part(PartFault::NotAsListed { expected: 1, found: 2 })),
        ("chunk", chunk(ChunkFault::Gap { expected: 471, found: 470 })),
        ("chunk", chunk(ChunkFault::BrokenChain { expected: 1, found: 2 })),
        ("chunk", chunk(ChunkFault::EpochWentBack { expected: 5, found: 4 })),
        ("chunk", chunk(ChunkFault::BadFlags("it begins a group inside another"))),
        ("chunk", chunk(ChunkFault::BadFlags("it goes on with a group that was not begun"))),
        ("chunk", chunk(ChunkFault::BadFlags("the epoch changes inside a group"))),
        ("chunk", Damage::GroupOpen),
    ]
}

/// Numbers the variants that an opening can report as damage, so that a new one cannot be left out.
fn variant_of_damage(damage: &Damage) -> usize {
    match damage {
        Damage::Missing => 0,
        Damage::Unreadable => 1,
        Damage::Manifest(fault) => 2 + variant_of_decode_fault(fault),
        Damage::Part(PartFault::Undecodable(fault)) => 2 + variant_of_decode_fault(fault),
        Damage::Chunk(ChunkFault::Undecodable(fault)) => 2 + variant_of_decode_fault(fault),
        Damage::Part(PartFault::WrongLog { .. }) | Damage::Chunk(ChunkFault::WrongLog { .. }) => 7,
        Damage::Part(PartFault::WrongPart { .. }) => 8,
        Damage::Part(PartFault::NotAsListed { .. }) => 9,
        Damage::Chunk(ChunkFault::Gap { .. }) => 10,
        Damage::Chunk(ChunkFault::BrokenChain { .. }) => 11,
        Damage::Chunk(ChunkFault::EpochWentBack { .. }) => 12,
        // Memory that is refused is an error of its own.
        Damage::Chunk(ChunkFault::BadFlags(_) | ChunkFault::OutOfMemory) => 13,
        Damage::GroupOpen => 14,
    }
}

fn variant_of_decode_fault(fault: &DecodeFault) -> usize {
    match fault {
        DecodeFault::Torn { .. } => 0,
        DecodeFault::Excess { .. } => 1,
        DecodeFault::BadMagic => 2,
        DecodeFault::BadChecksum { .. } => 3,
        // What is too new, and memory that is refused, are errors of their own.
        DecodeFault::Malformed(_) | DecodeFault::TooNew { .. } | DecodeFault::OutOfMemory => 4,
    }
}
