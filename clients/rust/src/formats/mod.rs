//! The encryption formats: what the SDK makes of a change before the server sees it, and what it keeps of the keys.
//!
//! No I/O, no clock; the only thing from outside is randomness, and each format has a deterministic core that takes it as an
//! argument, which is what the golden vectors in `protocol/vectors` check, here and in another language. Every function that
//! opens takes any bytes whatever: it refuses, it never panics, and it allocates no more than a small multiple of its input
//! (and Argon2's memory, once the cost was accepted).
//!
//! | module | what it holds |
//! |---|---|
//! | [`vault`] | all keys of one user in one app, and their stored form |
//! | [`keys`] | secrets, masters, sub-keys |
//! | [`entry`], [`frame`], [`padding`] | a change's `data` |
//! | [`stream`], [`head`] | what makes a dishonest server noticeable |
//! | [`names`] | stand-ins for tables and rows |
//! | [`envelope`], [`header`], [`slot`], [`kdf`], [`ring`], [`recovery`] | the key envelope and what opens it |
//! | [`blob`], [`blob_once`], [`blob_stream`], [`blob_reader`] | the key of a file, a file sealed whole or in chunks, and opening either |
//! | [`pin`] | what a device remembers of an envelope, so that it cannot be given an older one |

mod aead;
pub mod blob;
pub mod blob_once;
pub mod blob_reader;
pub mod blob_stream;
mod bytes;
pub mod entry;
pub mod envelope;
mod error;
pub mod frame;
pub mod head;
pub mod header;
pub mod kdf;
pub mod keys;
pub mod names;
pub mod padding;
pub mod pin;
pub mod recovery;
pub mod ring;
pub mod slot;
pub mod stream;
pub mod vault;

pub use aead::{NONCE_BYTES, Nonce, TAG_BYTES};
pub use blob::{BlobHash, unwrap_file_key, wrap_file_key};
pub use blob_once::{open_once, seal_once};
pub use blob_reader::{BlobReader, open_blob, seal_stream};
pub use blob_stream::{BlobHeader, StreamOpener, StreamSealer};
pub use entry::{Link, Opened, Sealed, Slot, open_entry, reseal_entry};
pub use envelope::{
    OpenedEnvelope, SlotPlan, open_envelope, open_envelope_with_previous, open_envelope_with_recovery,
    seal_envelope, seal_envelope_with,
};
pub use error::{BlobError, EnvelopeError, Fault, FormatError};
pub use frame::Kind;
pub use head::{Head, HeadDigest};
pub use kdf::KdfCost;
pub use names::Names;
pub use padding::Padding;
pub use pin::{Pin, PinError};
pub use recovery::{RecoveryCode, RecoveryCodeError};
pub use slot::{SlotKind, Unlock};
pub use stream::{Body, SealOptions, Stream};
pub use vault::{Rotation, Vault};
