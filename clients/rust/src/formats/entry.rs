//! Entries: the `data` of a change, sealed and bound to the slot that it was written for.
//!
//! ```text
//! data  base64(nonce[24] ‖ XChaCha20-Poly1305(K_entry, nonce, frame, ad))
//! ad    "TLE1" vault_id[16] key_version u32 op u8 (1 insert 2 update 3 delete) timestamp_µs i64
//!       table_len u8 table   row_len u16 row_id
//! link  SHA-256("tidelog/link/1" ‖ ad without key_version ‖ frame without padding)[..16]
//! ```
//!
//! Names in `ad` are those on the wire, in UTF-8, not normalised. The base64 has the standard alphabet, is padded and
//! canonical: each byte string has exactly one encoding. Less than 40 bytes are refused before any key is looked up.
//! The link leaves out the key version, so that rotation, which seals the frame again as it is, keeps author, counter
//! and link of an entry.

use std::fmt;

use data_encoding::BASE64;
use sha2::{Digest, Sha256};
use tidelog_protocol::{Op, limits};
use zeroize::Zeroizing;

use super::aead::{self, NONCE_BYTES, Nonce, TAG_BYTES};
use super::error::FormatError;
use super::frame::{EntryKind, Frame};
use super::head::Head;
use super::keys::VAULT_ID_BYTES;
use super::link::{LINK_BYTES, Link, StreamId};
use super::malformed::Malformed;
use super::names::Names;
use super::padding::Padding;
use super::vault::Vault;

/// Bytes that sealing adds to a frame.
pub const OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

const MAGIC: [u8; 4] = *b"TLE1";
const LINK_LABEL: &[u8] = b"tidelog/link/1";
const KEY_VERSION_AT: usize = MAGIC.len() + VAULT_ID_BYTES;
const KEY_VERSION_END: usize = KEY_VERSION_AT + 4;

/// What an entry is bound to: its row, operation, time and key version.
///
/// Sealing takes the names that the app uses; opening takes those that came over the wire. The two differ only in a
/// vault that hides names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot<'a> {
    /// At most 255 bytes.
    pub table: &'a str,
    /// At most 65,535 bytes.
    pub row_id: &'a str,
    /// What the change does.
    pub op: Op,
    /// The change's timestamp, in microseconds since 1970.
    pub timestamp_us: i64,
    /// The version of the master key that the entry is under.
    pub key_version: u32,
}

impl<'a> Slot<'a> {
    fn names(&self) -> Names<'a> {
        Names::new(self.table, self.row_id)
    }
}

/// A sealed entry, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedEntry<'a> {
    /// The names to send: the slot's own, or their stand-ins in a vault that hides names.
    pub wire: Names<'a>,
    /// The `data` to send.
    pub data: String,
    /// The entry's link.
    pub link: Link,
}

/// An opened entry.
#[derive(Clone)]
pub struct OpenedEntry {
    /// What kind of entry it is.
    pub kind: EntryKind,
    /// The plaintext; empty for a tombstone.
    pub payload: Zeroizing<Vec<u8>>,
    /// The stream that its writer claims. Any holder of the key can claim any stream.
    pub stream: StreamId,
    /// Its number in the stream.
    pub counter: u64,
    /// The link of the entry before it in the stream.
    pub prev: Link,
    /// Its own link. The same stream, counter and link twice is a duplicate; another link is a fork.
    pub link: Link,
    /// What its writer had seen.
    pub head: Option<Head>,
    /// The row's names as the app uses them; `None` if they are those on the wire.
    pub names: Option<Names<'static>>,
}

/// Returns the associated data of a slot; `wire` are its names as they are on the wire.
///
/// # Errors
/// [`FormatError::NameTooLong`].
pub fn associated_data(vault: &Vault, slot: &Slot<'_>, wire: &Names<'_>) -> Result<Vec<u8>, FormatError> {
    let mut ad = Vec::with_capacity(KEY_VERSION_END + 1 + 8 + wire.encoded_len());
    ad.extend_from_slice(&MAGIC);
    ad.extend_from_slice(&vault.vault_id());
    ad.extend_from_slice(&slot.key_version.to_le_bytes());
    ad.push(match slot.op {
        Op::Insert => 1,
        Op::Update => 2,
        Op::Delete => 3,
    });
    ad.extend_from_slice(&slot.timestamp_us.to_le_bytes());
    wire.write(&mut ad)?;
    Ok(ad)
}

/// Computes the link of an entry from its associated data and its frame without padding.
pub fn link(ad: &[u8], frame: &[u8]) -> Link {
    let hash = Sha256::new()
        .chain_update(LINK_LABEL)
        .chain_update(&ad[..KEY_VERSION_AT])
        .chain_update(&ad[KEY_VERSION_END..])
        .chain_update(frame)
        .finalize();
    let mut link = Link::default();
    link.copy_from_slice(&hash[..LINK_BYTES]);
    link
}

/// Seals a frame under the vault's current key, with a nonce that must not be used for anything else.
///
/// This is the deterministic part of [`super::Stream::seal`]. The frame's names are set here: to the slot's in a
/// vault that hides names, to none in any other.
///
/// # Errors
/// [`FormatError::WrongKey`], [`FormatError::NameTooLong`], [`FormatError::TooLarge`], and [`FormatError::Malformed`]
/// for a frame that does not match the slot.
pub fn seal_frame<'a>(
    vault: &Vault,
    slot: &Slot<'a>,
    frame: Frame<'_>,
    padding: Padding,
    nonce: Nonce,
) -> Result<SealedEntry<'a>, FormatError> {
    if slot.key_version != vault.key_version() {
        return Err(FormatError::WrongKey { have: vault.key_version(), want: slot.key_version });
    }
    frame.check(slot.op)?;
    let names = slot.names();
    let wire = if vault.hides_names() { names.hidden(vault.name_key())? } else { names.clone() };
    let frame = Frame { names: vault.hides_names().then_some(names), ..frame };
    let ad = associated_data(vault, slot, &wire)?;
    let encoded = frame.encode()?;
    let link = link(&ad, &encoded);
    Ok(SealedEntry { data: seal_bytes(vault, &ad, &encoded, padding, nonce)?, wire, link })
}

/// Opens the `data` of a pulled entry with the key that the slot names.
///
/// # Errors
/// [`FormatError::WrongKey`] if the vault does not hold that key; after any other error the entry is not one of this
/// vault in this slot, and must be quarantined.
pub fn open_entry(vault: &Vault, slot: &Slot<'_>, data: &str) -> Result<OpenedEntry, FormatError> {
    let (frame, ad) = open_bytes(vault, slot, data)?;
    let (frame, unpadded) = checked_frame(vault, slot, &frame)?;
    Ok(OpenedEntry {
        kind: frame.kind,
        payload: Zeroizing::new(frame.payload.to_vec()),
        stream: frame.stream,
        counter: frame.counter,
        prev: frame.prev,
        link: link(&ad, unpadded),
        head: frame.head,
        names: frame.names.map(Names::into_owned),
    })
}

/// Seals an entry of `from` again under the current key of `to`, with frame and padding as they are: for rotation.
///
/// # Errors
/// As [`open_entry`].
pub fn reseal_entry(from: &Vault, to: &Vault, slot: &Slot<'_>, data: &str) -> Result<String, FormatError> {
    let (frame, _) = open_bytes(from, slot, data)?;
    checked_frame(from, slot, &frame)?;
    let slot = Slot { key_version: to.key_version(), ..*slot };
    let ad = associated_data(to, &slot, &slot.names())?;
    seal_bytes(to, &ad, &frame, Padding::Off, aead::random_nonce()?)
}

fn seal_bytes(
    vault: &Vault,
    ad: &[u8],
    frame: &[u8],
    padding: Padding,
    nonce: Nonce,
) -> Result<String, FormatError> {
    let padded_len = padding.length_of(frame.len());
    let sealed_len = padded_len.saturating_add(OVERHEAD_BYTES);
    if sealed_len.div_ceil(3).saturating_mul(4) > limits::MAX_DATA_BYTES {
        return Err(FormatError::TooLarge);
    }
    let mut sealed = Zeroizing::new(Vec::with_capacity(sealed_len));
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(frame);
    sealed.resize(NONCE_BYTES + padded_len, 0);
    let tag = aead::encrypt(&vault.current().keys.entry, &nonce, ad, &mut sealed[NONCE_BYTES..]);
    sealed.extend_from_slice(&tag);
    Ok(BASE64.encode(&sealed))
}

/// Returns the padded frame and the associated data that it was sealed with.
fn open_bytes(
    vault: &Vault,
    slot: &Slot<'_>,
    data: &str,
) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), FormatError> {
    let sealed = BASE64.decode(data.as_bytes()).map_err(|_| FormatError::NotBase64)?;
    let (nonce, ciphertext) = sealed.split_first_chunk().ok_or(FormatError::TooShort)?;
    if ciphertext.len() < TAG_BYTES {
        return Err(FormatError::TooShort);
    }
    let have = vault.key_version();
    let master =
        vault.master(slot.key_version).ok_or(FormatError::WrongKey { have, want: slot.key_version })?;
    let ad = associated_data(vault, slot, &slot.names())?;
    let frame = aead::open(&master.keys.entry, nonce, &ad, ciphertext).ok_or(FormatError::DoesNotOpen)?;
    Ok((frame, ad))
}

/// Returns the frame, and its bytes without padding.
fn checked_frame<'f>(
    vault: &Vault,
    slot: &Slot<'_>,
    bytes: &'f [u8],
) -> Result<(Frame<'f>, &'f [u8]), FormatError> {
    let (frame, unpadded) = Frame::parse(bytes)?;
    frame.check(slot.op)?;
    match (&frame.names, vault.hides_names()) {
        (None, false) => {}
        (None, true) => return Err(Malformed::NamesMissing.into()),
        (Some(_), false) => return Err(Malformed::NamesUnexpected.into()),
        (Some(names), true) if names.hidden(vault.name_key())? == slot.names() => {}
        (Some(_), true) => return Err(Malformed::NamesMismatch.into()),
    }
    Ok((frame, unpadded))
}

/// Shows kind and counter, never the plaintext.
impl fmt::Debug for OpenedEntry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("OpenedEntry")
            .field("kind", &self.kind)
            .field("counter", &self.counter)
            .finish_non_exhaustive()
    }
}
