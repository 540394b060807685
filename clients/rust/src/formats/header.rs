//! The header of a key envelope: which vault, which key, which wrapping. The layout is in [`super::envelope`].

use super::bytes::Reader;
use super::envelope_error::EnvelopeError;
use super::keys::{KEY_ID_BYTES, VAULT_ID_BYTES};
use super::malformed::Malformed;
use super::vault::Vault;

/// The version of this format that is written, and the highest that is read.
pub const FORMAT: u8 = 1;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 4 + 1 + 1 + 4 + 4 + VAULT_ID_BYTES + KEY_ID_BYTES;

pub(super) const MAGIC: [u8; 4] = *b"TLK1";

const FLAG_HIDDEN_NAMES: u8 = 1;

/// The header of an envelope, in the clear. Trusted only once the envelope has opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether the vault hides names.
    pub hidden_names: bool,
    /// The version of the master key inside.
    pub key_version: u32,
    /// How often the same master key was wrapped before.
    pub wrap_no: u32,
    /// Names the vault.
    pub vault_id: [u8; VAULT_ID_BYTES],
    /// Names the master key inside.
    pub key_id: [u8; KEY_ID_BYTES],
}

impl Header {
    /// Returns the header of an envelope around the vault's current master key.
    pub fn of(vault: &Vault, wrap_no: u32) -> Self {
        Self {
            hidden_names: vault.hides_names(),
            key_version: vault.key_version(),
            wrap_no,
            vault_id: vault.vault_id(),
            key_id: vault.key_id(),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[if self.hidden_names { FLAG_HIDDEN_NAMES } else { 0 }, FORMAT]);
        out.extend_from_slice(&self.key_version.to_le_bytes());
        out.extend_from_slice(&self.wrap_no.to_le_bytes());
        out.extend_from_slice(&self.vault_id);
        out.extend_from_slice(&self.key_id);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, EnvelopeError> {
        if reader.array()? != MAGIC {
            return Err(Malformed::UnknownForm.into());
        }
        let [flags, min_format] = reader.array()?;
        match min_format {
            0 => return Err(Malformed::BadMinFormat.into()),
            FORMAT => {}
            newer => return Err(EnvelopeError::TooNew { min_format: newer }),
        }
        if flags & !FLAG_HIDDEN_NAMES != 0 {
            return Err(Malformed::UnknownFlags.into());
        }
        Ok(Self {
            hidden_names: flags == FLAG_HIDDEN_NAMES,
            key_version: reader.u32()?,
            wrap_no: reader.u32()?,
            vault_id: reader.array()?,
            key_id: reader.array()?,
        })
    }
}
