//! The encryption formats: how the SDK seals changes and files before the server sees them, and how keys are kept.
//!
//! There is no I/O and no clock here; the only input from outside is randomness. Each format has a deterministic core
//! that takes it as an argument, so that the golden vectors in `protocol/vectors` can check it, here and in another
//! language. Every function that opens or parses accepts any bytes: it refuses, never panics, and allocates no more
//! than a small multiple of its input (and Argon2's memory, once the cost was accepted).
//!
//! | module | what it holds |
//! |---|---|
//! | [`vault`] | all keys of one user in one app, and their stored form |
//! | [`keys`] | secrets, master keys, sub-keys |
//! | [`entry`], [`frame`], [`padding`] | the `data` of a change |
//! | [`stream`], [`link`], [`head`] | what makes a dishonest server noticeable |
//! | [`names`] | stand-ins for tables and rows |
//! | [`envelope`], [`header`], [`slot`], [`slot_kind`], [`kdf`], [`kdf_cost`], [`ring`], [`recovery_key`] | the key envelope and what opens it |
//! | [`blob`], [`blob_once`], [`blob_stream`], [`blob_reader`] | the key of a file, a file sealed as a whole or in chunks, and opening either |
//! | [`pin`] | what a device remembers of an envelope, so that it cannot be given an older one |
//!
//! How to add a format or change one: `docs/how-to/format.md`.

mod aead;
pub mod blob;
mod blob_error;
pub mod blob_once;
pub mod blob_reader;
pub mod blob_stream;
mod bytes;
pub mod entry;
pub mod envelope;
mod envelope_error;
mod error;
pub mod frame;
pub mod head;
pub mod header;
pub mod kdf;
pub mod kdf_cost;
pub mod keys;
pub mod link;
mod malformed;
pub mod names;
pub mod padding;
pub mod pin;
pub mod recovery_key;
pub mod ring;
pub mod slot;
pub mod slot_kind;
pub mod stream;
pub mod vault;

pub use aead::{NONCE_BYTES, Nonce, TAG_BYTES};
pub use blob::{BlobHash, unwrap_file_key, wrap_file_key};
pub use blob_error::BlobError;
pub use blob_once::{open_once, seal_once};
pub use blob_reader::{BlobReader, open_blob, seal_stream};
pub use blob_stream::{BlobHeader, StreamOpener, StreamSealer};
pub use entry::{OpenedEntry, SealedEntry, Slot, open_entry, reseal_entry};
pub use envelope::{
    OpenedEnvelope, SlotPlan, open_envelope, open_envelope_with_previous, open_envelope_with_recovery,
    seal_envelope, seal_envelope_with,
};
pub use envelope_error::EnvelopeError;
pub use error::FormatError;
pub use frame::EntryKind;
pub use head::{Head, HeadDigest};
pub use kdf_cost::KdfCost;
pub use link::{Link, StreamId};
pub use malformed::Malformed;
pub use names::Names;
pub use padding::Padding;
pub use pin::{Pin, PinError};
pub use recovery_key::{RecoveryKey, RecoveryKeyError};
pub use slot::Unlock;
pub use slot_kind::SlotKind;
pub use stream::{EntryBody, SealOptions, Stream};
pub use vault::{Rotation, Vault};
