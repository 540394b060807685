//! A blob sealed in chunks: for files of any size, in little memory.
//!
//! ```text
//! header  "TIDEBLB1"  log2_chunk u8 (16)  zeros[3]  length u64                                                20 bytes
//! chunk   XChaCha20-Poly1305(key, nonce, up to 65,536 bytes of the file, no associated data)      16 bytes over the piece
//! key   = HKDF(file_key, vault_id, "tidelog/blobfile/1" ‖ header)
//! nonce = zeros[19] ‖ number of the chunk, from 0, u32 big-endian ‖ last u8 (1 for the last chunk, else 0)
//! ```
//!
//! This is STREAM as Hoang, Reyhanitabar, Rogaway and Vizár describe it. The first 19 bytes of the nonces, which other uses draw
//! at random, can be zeros because each key seals one file, once. A chunk opens in its place only, the last one only as the last,
//! and the header decides about the key: nothing can be left out, added, moved or taken from another file without a tag that
//! does not fit.
//!
//! `length` is that of the file. All chunks but the last are full. There is exactly one last chunk, empty if the file is and full
//! if the length is a multiple of 65,536, so every file has one sealed form of one length.

use aead_stream::aead::Error as CipherError;
use aead_stream::{Decryptor, Encryptor, Nonce, StreamBE32};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305};

use super::aead::TAG_BYTES;
use super::bytes::Reader;
use super::error::{BlobError, Fault};
use super::keys::{Secret, VAULT_ID_BYTES, hkdf};

/// Bytes of the header.
pub const HEADER_BYTES: usize = 20;

/// How a blob in chunks begins.
pub const STREAM_MAGIC: [u8; 8] = *b"TIDEBLB1";

/// Bytes of the file in each chunk but the last.
pub const CHUNK_BYTES: usize = 1 << LOG2_CHUNK;

/// Bytes of a full chunk once it is sealed.
pub const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;

const LOG2_CHUNK: u8 = 16;
const RESERVED_BYTES: usize = 3;
const KEY_LABEL: &[u8] = b"tidelog/blobfile/1";

/// Chunks that can be numbered.
const MAX_CHUNKS: u64 = u32::MAX as u64;

type Cipher = XChaCha20Poly1305;
type Flavour = StreamBE32<Cipher>;
/// The part of the nonces that is the same for all chunks.
type NoncePrefix = Nonce<Cipher, Flavour>;

/// What stands before the chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobHeader {
    length: u64,
}

impl BlobHeader {
    /// The header of a file of so many bytes.
    ///
    /// # Errors
    /// [`Fault::BlobLength`] beyond 256 TiB.
    pub fn new(length: u64) -> Result<Self, Fault> {
        let header = Self { length };
        if header.chunks() > MAX_CHUNKS { Err(Fault::BlobLength) } else { Ok(header) }
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`Fault::UnknownForm`], [`Fault::ChunkSize`], [`Fault::PaddingNotZero`], [`Fault::BlobLength`], in this order.
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != STREAM_MAGIC {
            return Err(Fault::UnknownForm);
        }
        if reader.u8()? != LOG2_CHUNK {
            return Err(Fault::ChunkSize);
        }
        if reader.array()? != [0; RESERVED_BYTES] {
            return Err(Fault::PaddingNotZero);
        }
        Self::new(reader.u64()?)
    }

    /// The header's bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..STREAM_MAGIC.len()].copy_from_slice(&STREAM_MAGIC);
        bytes[STREAM_MAGIC.len()] = LOG2_CHUNK;
        bytes[HEADER_BYTES - size_of::<u64>()..].copy_from_slice(&self.length.to_le_bytes());
        bytes
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How many chunks follow.
    pub fn chunks(&self) -> u64 {
        self.length.div_ceil(CHUNK_BYTES as u64).max(1)
    }

    /// Bytes of the whole blob, header included.
    pub fn sealed_length(&self) -> u64 {
        HEADER_BYTES as u64 + self.length + self.chunks() * TAG_BYTES as u64
    }

    /// The key under which the chunks are sealed.
    pub fn stream_key(&self, file_key: &Secret, vault_id: &[u8; VAULT_ID_BYTES]) -> Secret {
        Secret::new(hkdf(file_key.expose(), vault_id, &[KEY_LABEL, &self.encode()]))
    }
}

/// How much of a file is still to come, and so which chunk is the last.
struct Remaining {
    bytes: u64,
    /// No chunk follows.
    is_done: bool,
}

impl Remaining {
    fn of(header: &BlobHeader) -> Self {
        Self { bytes: header.length, is_done: false }
    }

    /// Bytes of the file in the next chunk; `None` after the last one.
    fn next(&self) -> Option<usize> {
        let full = CHUNK_BYTES as u64;
        let next = usize::try_from(self.bytes.min(full)).unwrap_or(CHUNK_BYTES);
        (!self.is_done).then_some(next)
    }

    /// Takes a chunk of so many bytes of the file; whether it is the last.
    fn take(&mut self, bytes: usize) -> Result<bool, BlobError> {
        if self.next() != Some(bytes) {
            return Err(BlobError::LengthMismatch);
        }
        self.bytes -= bytes as u64;
        self.is_done = self.bytes == 0;
        Ok(self.is_done)
    }
}

/// Seals the chunks of one file, in their order.
pub struct StreamSealer {
    /// `None` after the last chunk.
    cipher: Option<Encryptor<Cipher, Flavour>>,
    remaining: Remaining,
}

impl StreamSealer {
    /// Seals under the key of this file.
    pub fn new(header: &BlobHeader, file_key: &Secret, vault_id: &[u8; VAULT_ID_BYTES]) -> Self {
        let cipher = Encryptor::from_aead(cipher(header, file_key, vault_id), &NoncePrefix::default());
        Self { cipher: Some(cipher), remaining: Remaining::of(header) }
    }

    /// Bytes of the file that the next chunk takes; `None` after the last one.
    pub fn next_bytes(&self) -> Option<usize> {
        self.remaining.next()
    }

    /// Seals the next chunk where it stands: 16 bytes longer.
    ///
    /// # Errors
    /// [`BlobError::LengthMismatch`] for another length than [`next_bytes`](Self::next_bytes).
    pub fn seal(&mut self, chunk: &mut Vec<u8>) -> Result<(), BlobError> {
        let is_last = self.remaining.take(chunk.len())?;
        let sealed = match (&mut self.cipher, is_last) {
            (Some(cipher), false) => cipher.encrypt_next_in_place(&[], chunk),
            (cipher, _) => {
                cipher.take().map_or(Err(CipherError), |cipher| cipher.encrypt_last_in_place(&[], chunk))
            }
        };
        sealed.map_err(|_| BlobError::LengthMismatch)
    }
}

/// Opens the chunks of one blob, in their order. What it has opened is a true part of the file; that it is the whole file is
/// known after the last chunk only.
pub struct StreamOpener {
    /// `None` after the last chunk.
    cipher: Option<Decryptor<Cipher, Flavour>>,
    remaining: Remaining,
}

impl StreamOpener {
    /// Opens under the key of this file.
    pub fn new(header: &BlobHeader, file_key: &Secret, vault_id: &[u8; VAULT_ID_BYTES]) -> Self {
        let cipher = Decryptor::from_aead(cipher(header, file_key, vault_id), &NoncePrefix::default());
        Self { cipher: Some(cipher), remaining: Remaining::of(header) }
    }

    /// Bytes of the next sealed chunk; `None` after the last one.
    pub fn next_sealed_bytes(&self) -> Option<usize> {
        self.remaining.next().map(|bytes| bytes + TAG_BYTES)
    }

    /// Opens the next chunk where it stands: 16 bytes shorter. After an error nothing more opens.
    ///
    /// # Errors
    /// [`BlobError::LengthMismatch`] for another length than [`next_sealed_bytes`](Self::next_sealed_bytes);
    /// [`BlobError::DoesNotOpen`].
    pub fn open(&mut self, chunk: &mut Vec<u8>) -> Result<(), BlobError> {
        let bytes = chunk.len().checked_sub(TAG_BYTES).ok_or(BlobError::LengthMismatch)?;
        let is_last = self.remaining.take(bytes)?;
        let opened = match (&mut self.cipher, is_last) {
            (Some(cipher), false) => cipher.decrypt_next_in_place(&[], chunk),
            (cipher, _) => {
                cipher.take().map_or(Err(CipherError), |cipher| cipher.decrypt_last_in_place(&[], chunk))
            }
        };
        opened.map_err(|_| {
            self.cipher = None;
            self.remaining.is_done = true;
            BlobError::DoesNotOpen
        })
    }
}

fn cipher(header: &BlobHeader, file_key: &Secret, vault_id: &[u8; VAULT_ID_BYTES]) -> Cipher {
    let key = header.stream_key(file_key, vault_id);
    Cipher::new(&Key::from(*key.expose()))
}
