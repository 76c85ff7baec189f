//! Steps of a random sequence with a clock driven by hand: what the tests of the engine have in common.

use crate::generate::{Command, Generator, show};
use crate::model::Settings;

/// Commands at one time. More than one go through `exec`.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) now_ms: u64,
    pub(crate) database: u8,
    /// Whether time passes by itself (`advance`) before the commands.
    pub(crate) advance: bool,
    pub(crate) commands: Vec<Command>,
}

/// The next step: mostly one command, sometimes a batch of up to four.
pub(crate) fn next_step(generator: &mut Generator) -> Step {
    generator.tick();
    let count = if generator.random().percent(8) { 2 + generator.random().below(3) } else { 1 };
    Step {
        now_ms: generator.now_ms(),
        database: generator.database(),
        advance: generator.advances(),
        commands: (0..count).map(|_| generator.command()).collect(),
    }
}

/// Limits that are reached often: small nodes, few messages remembered.
pub(crate) fn random_settings(generator: &mut Generator) -> Settings {
    let random = generator.random();
    Settings {
        node_entries_max: [100, 3, 5, 0][random.below(4) as usize],
        node_bytes_max: [4096, 4096, 200, 0][random.below(4) as usize],
        idmp_duration_s: [100, 100, 1, 86_400][random.below(4) as usize],
        idmp_entries_max: [100, 2][random.below(2) as usize],
    }
}

/// Everything that can be seen of one database: for each key and group, as commands.
pub(crate) fn dump() -> Vec<Command> {
    let mut texts = Vec::new();
    for key in ["s1", "s2", "s3", "text", "none"] {
        for command in ["TYPE", "PTTL", "GET"] {
            texts.push(format!("{command} {key}"));
        }
        texts.push(format!("XINFO STREAM {key} FULL COUNT 0"));
        texts.push(format!("XINFO STREAM {key}"));
        texts.push(format!("XINFO GROUPS {key}"));
        texts.push(format!("XRANGE {key} - +"));
        texts.push(format!("XREVRANGE {key} + -"));
        for group in ["g1", "g2"] {
            texts.push(format!("XINFO CONSUMERS {key} {group}"));
            texts.push(format!("XPENDING {key} {group}"));
            texts.push(format!("XPENDING {key} {group} - + 1000"));
        }
    }
    texts.iter().map(|text| text.split(' ').map(|word| word.as_bytes().to_vec()).collect()).collect()
}

/// The steps as one would type them, with the time and the database where they change.
pub(crate) fn show_steps(steps: &[Step]) -> String {
    let mut text = String::new();
    let mut before = (0, 0);
    for step in steps {
        if (step.now_ms, step.database) != before {
            text.push_str(&format!("  # now {} ms, database {}\n", step.now_ms, step.database));
            before = (step.now_ms, step.database);
        }
        if step.advance {
            text.push_str("  # advance\n");
        }
        let batch = if step.commands.len() > 1 { "  MULTI" } else { "" };
        for command in &step.commands {
            text.push_str(&format!("{batch}  {}\n", show(command)));
        }
    }
    text
}

pub(crate) fn number_from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}
