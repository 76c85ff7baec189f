//! The entries between two IDs, newest first.
//!
//! Syntax: `XREVRANGE key end start [COUNT count]`. See <https://redis.io/docs/latest/commands/xrevrange/>.

use super::Call;
use super::xrange::Range;
use crate::error::Error;

pub(super) fn run(call: &mut Call<'_, '_>) -> Result<(), Error> {
    Range::parse(call.argv, true)?.run(call)
}
