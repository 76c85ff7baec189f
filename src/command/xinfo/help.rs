//! What XINFO can do.
//!
//! Syntax: `XINFO HELP`. See <https://redis.io/docs/latest/commands/xinfo-help/>.

use super::Call;
use crate::command::reply_help;
use crate::error::Error;

const LINES: [&str; 9] = [
    "XINFO <subcommand> [<argument> ...]. The subcommands are:",
    "CONSUMERS <key> <group>",
    "    Shows the consumers of a group.",
    "GROUPS <key>",
    "    Shows the groups of a stream.",
    "STREAM <key> [FULL [COUNT <count>]]",
    "    Shows a stream; FULL also its entries, groups and consumers.",
    "HELP",
    "    Shows these lines.",
];

pub(in crate::command) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    reply_help(call, &LINES);
    Ok(())
}
