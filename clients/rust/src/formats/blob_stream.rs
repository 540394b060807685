//! A blob sealed in chunks: for files of any size, in bounded memory.
//!
//! ```text
//! header  "TIDEBLB1"  log2_chunk u8 (16)  zeros[3]  length u64                                                20 bytes
//! chunk   XChaCha20-Poly1305(key, nonce, up to 65,536 bytes of the file, no associated data)      16 bytes over the piece
//! key   = HKDF(file_key, vault_id, "tidelog/blobfile/1" ‖ header)
//! nonce = zeros[19] ‖ number of the chunk, from 0, u32 big-endian ‖ last u8 (1 for the last chunk, else 0)
//! ```
//!
//! This is STREAM by Hoang, Reyhanitabar, Rogaway and Vizár. The first 19 bytes of the nonces, which are random in
//! other uses, can be zeros because each key seals one file, once. A chunk opens only in its position, the last one
//! only as the last, and the key depends on the header: if anything is left out, added, moved or taken from another
//! file, a tag does not match.
//!
//! `length` is that of the file. All chunks but the last are full. There is exactly one last chunk, which is empty if
//! the file is, and full if the length is a multiple of 65,536, so every file has one sealed form of one length.

use aead_stream::aead::Error as CipherError;
use aead_stream::{Decryptor, Encryptor, Nonce, StreamBE32};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305};

use super::aead::TAG_BYTES;
use super::blob_error::BlobError;
use super::bytes::Reader;
use super::keys::{Secret, VAULT_ID_BYTES, hkdf};
use super::malformed::Malformed;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 20;

/// The magic bytes of a blob in chunks.
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
type StreamMode = StreamBE32<Cipher>;
/// The part of the nonces that is the same for all chunks.
type NoncePrefix = Nonce<Cipher, StreamMode>;

/// The header before the chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobHeader {
    length: u64,
}

impl BlobHeader {
    /// Returns the header of a file of this length.
    ///
    /// # Errors
    /// [`Malformed::BlobLength`] for more than 256 TiB.
    pub fn new(length: u64) -> Result<Self, Malformed> {
        let header = Self { length };
        if header.chunks() > MAX_CHUNKS { Err(Malformed::BlobLength) } else { Ok(header) }
    }

    /// Parses a header.
    ///
    /// # Errors
    /// [`Malformed::UnknownForm`], [`Malformed::ChunkSize`], [`Malformed::PaddingNotZero`],
    /// [`Malformed::BlobLength`], in this order.
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != STREAM_MAGIC {
            return Err(Malformed::UnknownForm);
        }
        if reader.u8()? != LOG2_CHUNK {
            return Err(Malformed::ChunkSize);
        }
        if reader.array()? != [0; RESERVED_BYTES] {
            return Err(Malformed::PaddingNotZero);
        }
        Self::new(reader.u64()?)
    }

    /// Returns the header's bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..STREAM_MAGIC.len()].copy_from_slice(&STREAM_MAGIC);
        bytes[STREAM_MAGIC.len()] = LOG2_CHUNK;
        bytes[HEADER_BYTES - size_of::<u64>()..].copy_from_slice(&self.length.to_le_bytes());
        bytes
    }

    /// Returns the length of the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Returns how many chunks follow.
    pub fn chunks(&self) -> u64 {
        self.length.div_ceil(CHUNK_BYTES as u64).max(1)
    }

    /// Returns the length of the whole blob, header included.
    pub fn sealed_length(&self) -> u64 {
        HEADER_BYTES as u64 + self.length + self.chunks() * TAG_BYTES as u64
    }

    /// Derives the key under which the chunks are sealed.
    pub fn stream_key(&self, file_key: &Secret, vault_id: &[u8; VAULT_ID_BYTES]) -> Secret {
        Secret::new(hkdf(file_key.expose(), vault_id, &[KEY_LABEL, &self.encode()]))
    }
}

/// How much of a file is left, which tells which chunk is the last.
struct Remaining {
    bytes: u64,
    /// No chunk follows.
    is_done: bool,
}

impl Remaining {
    fn new(header: &BlobHeader) -> Self {
        Self { bytes: header.length, is_done: false }
    }

    /// Returns the bytes of the file in the next chunk; `None` after the last one.
    fn next(&self) -> Option<usize> {
        let full = CHUNK_BYTES as u64;
        let next = usize::try_from(self.bytes.min(full)).unwrap_or(CHUNK_BYTES);
        (!self.is_done).then_some(next)
    }

    /// Takes a chunk of this many bytes of the file. Returns whether it is the last.
    fn take(&mut self, bytes: usize) -> Result<bool, BlobError> {
        if self.next() != Some(bytes) {
            return Err(BlobError::LengthMismatch);
        }
        self.bytes -= bytes as u64;
        self.is_done = self.bytes == 0;
        Ok(self.is_done)
    }
}

/// Seals the chunks of one file, in order.
pub struct StreamSealer {
    /// `None` after the last chunk.
    cipher: Option<Encryptor<Cipher, StreamMode>>,
    remaining: Remaining,
}

impl StreamSealer {
    /// Starts sealing under the key of this file.
    pub fn new(header: &BlobHeader, file_key: &Secret, vault_id: &[u8; VAULT_ID_BYTES]) -> Self {
        let cipher = Encryptor::from_aead(cipher(header, file_key, vault_id), &NoncePrefix::default());
        Self { cipher: Some(cipher), remaining: Remaining::new(header) }
    }

    /// Returns the bytes of the file in the next chunk; `None` after the last one.
    pub fn next_bytes(&self) -> Option<usize> {
        self.remaining.next()
    }

    /// Seals the next chunk in place, which makes it 16 bytes longer.
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

/// Opens the chunks of one blob, in order. What it has opened is authentic; that it is the whole file is known only
/// after the last chunk.
pub struct StreamOpener {
    /// `None` after the last chunk.
    cipher: Option<Decryptor<Cipher, StreamMode>>,
    remaining: Remaining,
}

impl StreamOpener {
    /// Starts opening under the key of this file.
    pub fn new(header: &BlobHeader, file_key: &Secret, vault_id: &[u8; VAULT_ID_BYTES]) -> Self {
        let cipher = Decryptor::from_aead(cipher(header, file_key, vault_id), &NoncePrefix::default());
        Self { cipher: Some(cipher), remaining: Remaining::new(header) }
    }

    /// Returns the length of the next sealed chunk; `None` after the last one.
    pub fn next_sealed_bytes(&self) -> Option<usize> {
        self.remaining.next().map(|bytes| bytes + TAG_BYTES)
    }

    /// Opens the next chunk in place, which makes it 16 bytes shorter. After an error nothing more opens.
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
