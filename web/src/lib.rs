//! brooklet in WebAssembly: Redis Streams inside a browser tab, a Worker or Node, for applications written in Rust.
//!
//! ```no_run
//! # #[cfg(feature = "serde")]
//! # async fn example() -> brooklet_web::Result<()> {
//! use brooklet_web::{Brooklet, Options};
//!
//! let db = Brooklet::open(Options::default())?;
//! let clicks = db.stream("clicks");
//! let id = clicks.add(&[("page", "/")]).field("ms", 12).await?;
//! clicks.add(&[("page", "/about")]).max_len(100_000).approx().await?;
//!
//! // All there is, in pages, and then what is still to come.
//! let mut entries = clicks.range(..);
//! while let Some(entry) = entries.next().await? {
//!     assert!(entry.get("page").is_some());
//! }
//! let mut entries = clicks.read_after(id);
//! while let Some(entry) = entries.next().await? {
//!     // Entries are ordered pairs of bytes; values of your own types are a step away.
//!     #[derive(serde::Serialize, serde::Deserialize)]
//!     struct Click {
//!         page: String,
//!         ms: Option<u32>,
//!     }
//!     let click: Click = entry.to()?;
//!     clicks.add_value(&click).await?;
//! #   break;
//! }
//!
//! // Work shared out, with acknowledgement.
//! let workers = clicks.group("workers").await?;
//! let mut messages = workers.read("worker-1").claim_idle_ms(30_000);
//! while let Some(message) = messages.next().await? {
//!     message.ack().await?;
//! #   break;
//! }
//!
//! // Every command there is, with the replies that Redis gives.
//! let pending = db.call(&["XPENDING", "clicks", "workers"]).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What runs when
//!
//! Nothing here runs in the background. What is one command ([`Brooklet::call`], [`Message::ack`]) runs at once, and the
//! future tells its reply; to drop the future undoes nothing. What is still being described ([`Append`], [`OpenGroup`],
//! [`Multi`]) runs when it is awaited. Reading runs as it is polled: to drop [`Entries::next`] ends its wait, and no
//! entry is lost, since the next call goes on where that one was.
//!
//! Readers that wait are woken by the engine, in the order in which they came. There is one timer for all of them, and no
//! polling. The futures need no particular executor: `wasm_bindgen_futures::spawn_local` and `async` functions under
//! `#[wasm_bindgen]` are the usual ones. They also work with the combinators of the crate `futures`;
//! `try_unfold(entries, |mut it| async { Ok(it.next().await?.map(|entry| (entry, it))) })` is a `Stream`.
//!
//! # Features
//!
//! Without its default features, this crate is [`Host`] alone: the engine with what the platform adds to it, random
//! numbers and memory that grows in large steps. The npm package stands on that. `async` adds all the above, `serde` what
//! goes from and to Rust values (`Entry::to`, `Stream::add_value`) and JavaScript values (`to_js`, `from_js`). `indexed-db` adds
//! [`IndexedDb`], where a database is stored in a browser.
//!
//! # Memory
//!
//! The engine refuses with `-OOM` what would bring it beyond [`Options::memory_bytes_max`]. What surrounds it here
//! allocates as any Rust program does.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(feature = "async")]
mod client;
mod growth;
mod host;
#[cfg(feature = "indexed-db")]
mod indexed_db;
mod pump;
pub mod storage;

#[cfg(feature = "async")]
pub use brooklet::{EntryId, Value};
#[cfg(feature = "async")]
pub use client::{
    Append, Brooklet, Call, ConsumerInspection, Entries, Entry, Error, Fields, Group, GroupInspection, Inspection,
    Message, Messages, Mode, Multi, Nack, OpenGroup, OpenStored, Opening, Options, PendingEntry, PendingSummary, Range,
    RedisError, References, Result, Running, Stream, StreamInspection, Word,
};
#[cfg(feature = "serde")]
pub use client::{from_js, to_js};
pub use host::{Host, OpenError};
#[cfg(feature = "indexed-db")]
pub use indexed_db::IndexedDb;
#[cfg(feature = "raw-storage")]
pub use indexed_db::RawIndexedDb;
pub use pump::{Condition, Durability, End, Notify, StorageOptions, Urgency};
