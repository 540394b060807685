//! Opening a blob of either form incrementally, in pieces of any size.
//!
//! Chunks are returned as they open, but must not be trusted before [`BlobReader::finish`]: only then is it known
//! that the file is complete, that the bytes are those of the name, and that the key was derived from the content. A
//! blob that was sealed as a whole has a single tag, so it is held in memory, up to a bound that the caller sets.
//!
//! Refused are, in this order: a malformed header; a chunk that does not open; bytes after the last chunk; an end
//! before it; bytes that do not have the name; content that does not have the key.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::blob::{BlobHash, check_content, file_key};
use super::blob_error::BlobError;
use super::blob_once::open_once;
use super::blob_stream::{
    BlobHeader, HEADER_BYTES, SEALED_CHUNK_BYTES, STREAM_MAGIC, StreamOpener, StreamSealer,
};
use super::keys::Secret;
use super::malformed::Malformed;
use super::vault::Vault;

/// Opens one blob.
pub struct BlobReader {
    vault: Arc<Vault>,
    key: Secret,
    name: BlobHash,
    max_whole_bytes: usize,
    sealed_hash: Sha256,
    content_hash: Sha256,
    /// Incomplete input: a part of the header or of a chunk, or a blob that was sealed as a whole.
    held: Zeroizing<Vec<u8>>,
    form: BlobForm,
}

enum BlobForm {
    Unknown,
    Whole,
    Stream { header: BlobHeader, opener: Box<StreamOpener> },
}

impl BlobReader {
    /// Starts opening the blob of this name with its unwrapped key. A blob that was sealed as a whole may have at most
    /// `max_whole_bytes`.
    pub fn new(vault: Arc<Vault>, key: Secret, name: BlobHash, max_whole_bytes: usize) -> Self {
        Self {
            vault,
            key,
            name,
            max_whole_bytes,
            sealed_hash: Sha256::new(),
            content_hash: Sha256::new(),
            held: Zeroizing::new(Vec::with_capacity(SEALED_CHUNK_BYTES)),
            form: BlobForm::Unknown,
        }
    }

    /// Returns the size of the file once it is known: from the header on, or not before the end of a blob that was
    /// sealed as a whole.
    pub fn length(&self) -> Option<u64> {
        match &self.form {
            BlobForm::Stream { header, .. } => Some(header.length()),
            _ => None,
        }
    }

    /// Takes the next bytes of the blob, and appends to `opened` what they open.
    ///
    /// # Errors
    /// [`BlobError::Malformed`], [`BlobError::DoesNotOpen`], [`BlobError::TooLarge`]. Nothing more is opened after an
    /// error.
    pub fn push(&mut self, mut bytes: &[u8], opened: &mut Vec<u8>) -> Result<(), BlobError> {
        self.sealed_hash.update(bytes);
        while !bytes.is_empty() {
            bytes = match &mut self.form {
                BlobForm::Unknown => self.detect_form(bytes)?,
                BlobForm::Whole => {
                    if self.held.len() + bytes.len() > self.max_whole_bytes {
                        return Err(BlobError::TooLarge);
                    }
                    self.held.extend_from_slice(bytes);
                    &[]
                }
                BlobForm::Stream { opener, .. } => {
                    let wanted = opener.next_sealed_bytes().ok_or(Malformed::TrailingBytes)?;
                    let rest = fill(&mut self.held, wanted, bytes);
                    if self.held.len() == wanted {
                        opener.open(&mut self.held)?;
                        self.content_hash.update(self.held.as_slice());
                        opened.extend_from_slice(&self.held);
                        self.held.clear();
                    }
                    rest
                }
            };
        }
        Ok(())
    }

    /// Checks the blob after its last byte, and appends to `opened` what was held back. Returns the size of the file.
    ///
    /// # Errors
    /// [`BlobError::Malformed`], [`BlobError::DoesNotOpen`], [`BlobError::OtherBytes`], [`BlobError::OtherContent`].
    pub fn finish(self, opened: &mut Vec<u8>) -> Result<u64, BlobError> {
        let is_name = self.name == BlobHash(self.sealed_hash.finalize().into());
        match self.form {
            BlobForm::Stream { header, opener } => {
                if opener.next_sealed_bytes().is_some() {
                    return Err(Malformed::Truncated.into());
                }
                is_name.then_some(()).ok_or(BlobError::OtherBytes)?;
                check_content(&self.vault, &self.key, &self.content_hash.finalize().into())?;
                Ok(header.length())
            }
            BlobForm::Unknown | BlobForm::Whole => {
                if self.held.starts_with(&STREAM_MAGIC) {
                    return Err(Malformed::Truncated.into());
                }
                let file = open_once(&self.vault, &self.key, &self.held);
                let file = file.and_then(|file| is_name.then_some(file).ok_or(BlobError::OtherBytes))?;
                opened.extend_from_slice(&file);
                Ok(file.len() as u64)
            }
        }
    }

    /// Collects the first bytes, which tell the form. Returns what it did not need.
    fn detect_form<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], BlobError> {
        let rest = fill(&mut self.held, HEADER_BYTES, bytes);
        let compared = self.held.len().min(STREAM_MAGIC.len());
        if self.held[..compared] != STREAM_MAGIC[..compared] {
            self.form = BlobForm::Whole;
        } else if let Some(header) = self.held.first_chunk::<HEADER_BYTES>() {
            let header = BlobHeader::parse(header)?;
            let opener = Box::new(StreamOpener::new(&header, &self.key, &self.vault.vault_id()));
            self.form = BlobForm::Stream { header, opener };
            self.held.clear();
        }
        Ok(rest)
    }
}

/// Opens a blob of either form that is in memory.
///
/// # Errors
/// As [`BlobReader::push`] and [`BlobReader::finish`].
pub fn open_blob(
    vault: Arc<Vault>,
    key: Secret,
    name: BlobHash,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, BlobError> {
    let mut reader = BlobReader::new(vault, key, name, sealed.len());
    let mut opened = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader.push(sealed, &mut opened)?;
    reader.finish(&mut opened)?;
    Ok(opened)
}

/// Seals a file that is in memory in chunks. Returns its key and the blob.
///
/// # Errors
/// [`BlobError::Malformed`] for more than 256 TiB.
pub fn seal_stream(vault: &Vault, plaintext: &[u8]) -> Result<(Secret, Vec<u8>), BlobError> {
    let key = file_key(vault.blob_root(), &Sha256::digest(plaintext).into());
    let header = BlobHeader::new(plaintext.len() as u64)?;
    let mut sealer = StreamSealer::new(&header, &key, &vault.vault_id());
    let mut sealed = header.encode().to_vec();
    let mut rest = plaintext;
    while let Some(next) = sealer.next_bytes() {
        let (piece, after) = rest.split_at_checked(next).ok_or(BlobError::LengthMismatch)?;
        let mut chunk = Vec::with_capacity(SEALED_CHUNK_BYTES);
        chunk.extend_from_slice(piece);
        sealer.seal(&mut chunk)?;
        sealed.extend_from_slice(&chunk);
        rest = after;
    }
    Ok((key, sealed))
}

/// Fills `held` up to `wanted` bytes, and returns what is left.
fn fill<'b>(held: &mut Vec<u8>, wanted: usize, bytes: &'b [u8]) -> &'b [u8] {
    let (taken, rest) = bytes.split_at(bytes.len().min(wanted.saturating_sub(held.len())));
    held.extend_from_slice(taken);
    rest
}
