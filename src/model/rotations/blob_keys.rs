//! The wrapped keys of blobs in a rotation.

use std::collections::HashSet;

use tidelog_protocol::{ChangeFault, RotatedBlobKey};

use crate::model::blobs::{BlobHash, HASH_FORMAT, SealedKey, decode_wrapped_key};

/// What replaces the wrapped key of a blob.
#[derive(Clone, PartialEq, Eq)]
pub enum BlobKeyReplacement {
    /// Nothing: it stays as it is.
    Kept,
    /// This wrapped key.
    Sealed(Vec<u8>),
}

/// Wrapped keys of blobs that a device has re-encrypted.
#[derive(Clone)]
pub struct BlobKeyBatch {
    /// The master key that they are encrypted under, if the device named it.
    pub key_version: Option<u32>,
    /// The name of each blob, without duplicates, and what replaces its key.
    pub keys: Vec<(BlobHash, BlobKeyReplacement)>,
}

impl BlobKeyBatch {
    /// Checks what a device sent.
    ///
    /// # Errors
    /// Every fault of every key.
    pub fn new<'a>(
        keys: impl IntoIterator<Item = &'a RotatedBlobKey>,
        key_version: Option<u32>,
    ) -> Result<Self, Vec<ChangeFault>> {
        let mut seen = HashSet::new();
        let (mut checked, mut faults) = (Vec::new(), Vec::new());
        for (index, key) in keys.into_iter().enumerate() {
            if !seen.insert(&key.hash) {
                let reason = "appears twice in this batch".into();
                faults.push(ChangeFault { index, field: "hash".into(), reason });
            }
            match BlobKeyReplacement::parse(key) {
                Ok(rotated) => checked.push(rotated),
                Err((field, reason)) => {
                    faults.push(ChangeFault { index, field: field.into(), reason: reason.into() });
                }
            }
        }
        if faults.is_empty() { Ok(Self { key_version, keys: checked }) } else { Err(faults) }
    }
}

impl BlobKeyReplacement {
    fn parse(key: &RotatedBlobKey) -> Result<(BlobHash, Self), (&'static str, &'static str)> {
        let hash = BlobHash::parse(&key.hash).ok_or(("hash", HASH_FORMAT))?;
        match (&key.wrapped_key, key.keep) {
            (None, true) => Ok((hash, Self::Kept)),
            (Some(text), false) => {
                let bytes = decode_wrapped_key(text).map_err(|reason| ("wrapped_key", reason))?;
                Ok((hash, Self::Sealed(bytes)))
            }
            _ => Err(("blob", "must have either wrapped_key or keep")),
        }
    }
}

/// The outcome of a request for wrapped keys that are left to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobKeysOutcome {
    /// These, in the order of their blobs' names.
    Page {
        /// The page.
        keys: Vec<(BlobHash, SealedKey)>,
        /// Whether there is a next page.
        has_more: bool,
        /// Wrapped keys of the whole log that are left to do.
        remaining: u64,
    },
    /// No rotation is running.
    NoRotation,
}
