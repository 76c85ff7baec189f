//! What XGROUP can do.
//!
//! Syntax: `XGROUP HELP`. See <https://redis.io/docs/latest/commands/xgroup-help/>.

use super::Call;
use crate::command::reply_help;
use crate::error::Error;

const LINES: [&str; 17] = [
    "XGROUP <subcommand> [<argument> ...]. The subcommands are:",
    "CREATE <key> <group> <id|$> [option ...]",
    "    Creates a group that has read up to this ID, or ($) all there is. The options are:",
    "    * MKSTREAM",
    "      Creates the stream, too, if there is none.",
    "    * ENTRIESREAD <entries-read>",
    "      How many entries of the stream the group has read; -1 if that is not known.",
    "CREATECONSUMER <key> <group> <consumer>",
    "    Creates a consumer.",
    "DELCONSUMER <key> <group> <consumer>",
    "    Removes a consumer and forgets what is pending for it.",
    "DESTROY <key> <group>",
    "    Removes a group with everything in it.",
    "SETID <key> <group> <id|$> [ENTRIESREAD <entries-read>]",
    "    Moves a group to another place in the stream.",
    "HELP",
    "    Shows these lines.",
];

pub(in crate::command) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    reply_help(call, &LINES);
    Ok(())
}
