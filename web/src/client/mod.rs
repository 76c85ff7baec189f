//! What Rust applications use: the engine on the event loop, with futures for replies and plain values for entries.
//!
//! It knows the engine through `Host` alone, and says everything in commands: there is nothing here that
//! [`Brooklet::call`] could not do. From below: words and replies (`words`, `reading`), entries (`entry`), the engine with
//! its readers and its timer (`database`, `waiting`, `timer`, `answer`), and what an application holds in its hands.

mod answer;
mod append;
mod database;
#[cfg(feature = "serde")]
mod deserialize;
mod entries;
mod entry;
mod error;
mod group;
mod inspection;
#[cfg(feature = "serde")]
mod js;
mod messages;
mod multi;
mod opening;
mod options;
mod range;
mod reading;
#[cfg(feature = "serde")]
mod serialize;
mod stream;
mod tasks;
mod timer;
mod waiting;
mod words;

pub use answer::{Call, Running};
pub use append::{Append, References};
pub use database::Brooklet;
pub use entries::Entries;
pub use entry::{Entry, Fields};
pub use error::{Error, RedisError, Result};
pub use group::{Group, Nack, OpenGroup, PendingEntry, PendingSummary};
pub use inspection::{ConsumerInspection, GroupInspection, Inspection, StreamInspection};
#[cfg(feature = "serde")]
pub use js::{from_js, to_js};
pub use messages::{Message, Messages};
pub use multi::Multi;
pub use opening::{Mode, OpenStored, Opening};
pub use options::Options;
pub use range::Range;
pub use stream::Stream;
pub use words::Word;
