//! Names that everybody who asks a storage has in common.

/// The name of a request, by which it is answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Ticket(pub u64);

/// Why a storage failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StorageFault {
    /// Reading or writing failed.
    Io,
    /// There is no room.
    Quota,
    /// The connection is gone.
    Closed,
    /// There was no answer in time.
    NoAnswer,
}
