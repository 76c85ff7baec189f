//! What is stored, and how: chunks of journal bytes, snapshots in parts, the manifest that names them.
//!
//! It knows no medium, no clock and nothing of streams: the engine's journal bytes come in, stored values go out, and
//! the other way round. docs/format.md has the byte tables.

mod bytes;
mod chunk;
mod gate;
mod manifest;
mod part;
mod recovery;
mod storage;
mod store;
mod witness;
mod writer;

pub use bytes::{DecodeFault, EncodeFault, NUMBER_END};
pub use chunk::{
    CHUNK_BYTES_MAX, CHUNK_HEADER_BYTES, Chunk, ChunkAssembler, ChunkFault, ChunkGroup, EncodedChunk, LogFault, Tail,
};
pub use gate::{HeldReply, Need, ReplyGate};
pub use manifest::{MANIFEST_HEADER_BYTES, Manifest};
pub use part::{PART_FRAME_BYTES, PART_HEADER_BYTES, Part, PartFault, PartRef};
pub use recovery::{
    ChunkCount, Damage, Erased, Leftovers, LogBreak, Loss, OnCorruption, OnDataLoss, OpenError, Recovered, Recovery,
    RecoveryAnswer, RecoveryConfig, RecoveryItem, RecoveryRequest, Stored, StoredValue, TailLoss,
};
pub use storage::{StorageFault, Ticket};
pub use store::{Loader, SnapshotFault, SnapshotProgress, Store, StoreAnswer, StoreConfig, StoreRequest, StoreStatus};
pub use witness::{WITNESS_HEADER_BYTES, Witness};
pub use writer::{Answer, Append, Level, Mode, Refusal, Writer, WriterConfig, WriterRequest};
