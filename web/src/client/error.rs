//! What can go wrong: an error line of Redis with its code, or one of ours.

use alloc::string::String;
use core::fmt;

use brooklet::persist;

use crate::host::OpenError;
use crate::pump::End;

/// What this crate's functions return.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why something did not happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// The engine answered an error, with the line that Redis would send.
    Redis(RedisError),
    /// The database was closed.
    Closed,
    /// What is stored could not be opened. Nothing in it has changed.
    Unopened(persist::OpenError),
    /// The database had to stop: another owner has taken over, or what was stored is damaged or gone.
    Stopped(persist::Refusal),
    /// The platform has no random numbers, and without them anybody could choose key names that collide.
    NoRandomness,
    /// Nothing was added: there is no such stream, and none was to be made.
    NoStream,
    /// Options that do not go together; the text says which.
    Options(&'static str),
    /// A value that cannot be an entry, an entry that is not such a value, or a JavaScript value that is neither. The
    /// text says why.
    Value(String),
    /// A reply in a shape that this method does not know: a bug.
    Reply,
}

/// An error line of Redis.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RedisError {
    line: String,
}

impl RedisError {
    pub(super) fn new(line: &[u8]) -> RedisError {
        RedisError { line: String::from_utf8_lossy(line).into_owned() }
    }

    /// The first word, which says what kind of error it is: `ERR`, `WRONGTYPE`, `NOGROUP`, `OOM`, ...
    pub fn code(&self) -> &str {
        self.line.split(' ').next().unwrap_or("")
    }

    /// The whole line, its code included.
    pub fn line(&self) -> &str {
        &self.line
    }
}

impl Error {
    /// The code of an error of Redis.
    pub fn code(&self) -> Option<&str> {
        match self {
            Error::Redis(error) => Some(error.code()),
            _ => None,
        }
    }

    #[cfg(feature = "serde")]
    pub(super) fn value(text: &str) -> Error {
        Error::Value(String::from(text))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Redis(error) => error.line(),
            Error::Unopened(error) => return error.fmt(f),
            Error::Stopped(persist::Refusal::Fenced) => {
                "another owner has taken over; what was not written here never will be. Open again"
            }
            Error::Stopped(persist::Refusal::Corrupt) => {
                "what was stored is damaged or gone, and nothing more was written to it. Open again"
            }
            Error::Stopped(persist::Refusal::Failing(_)) => "the storage failed. Open again",
            Error::Closed => "the database was closed",
            Error::NoRandomness => "the platform has no random numbers (crypto.getRandomValues)",
            Error::NoStream => "there is no such stream, and none was to be made",
            Error::Options(text) => text,
            Error::Value(text) => text,
            Error::Reply => "the engine answered in an unknown shape, which is a bug in brooklet",
        })
    }
}

impl fmt::Display for RedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl core::error::Error for Error {}

impl core::error::Error for RedisError {}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Error {
        match error {
            OpenError::NoRandomness => Error::NoRandomness,
        }
    }
}

impl From<End> for Error {
    fn from(end: End) -> Error {
        match end {
            End::Unopened(error) => Error::Unopened(error),
            End::Stopped(refusal) => Error::Stopped(refusal),
            End::Closed => Error::Closed,
        }
    }
}
