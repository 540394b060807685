//! Keys in one file, sealed under a passphrase: for servers, containers and command-line programs without a keychain.
//!
//! ```text
//! "TLF1" m_KiB u32 t u32 p u32 salt[32]   nonce[24] XChaCha20-Poly1305(Argon2id(passphrase, salt), nonce, secrets, ad)
//! secrets  { account_len u16 account  secret_len u16 secret }…          ad = all before the nonce
//! ```
//!
//! Each write makes a new file with a new salt and nonce that atomically replaces the old one, so a crash leaves one
//! or the other. Only one process may write at a time: of two that write at the same moment, one can lose its secret.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::{KeyStore, KeyStoreError};
use crate::formats::kdf::{SALT_BYTES, prk};
use crate::formats::{EnvelopeError, KdfCost, NONCE_BYTES};

const MAGIC: &[u8; 4] = b"TLF1";
const HEADER_BYTES: usize = MAGIC.len() + 3 * size_of::<u32>() + SALT_BYTES;
/// No honest file comes near this; no more is read.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

type Secrets = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// Stores secrets in a file that only the passphrase opens (Argon2id and XChaCha20-Poly1305), and only its owner can
/// read.
pub struct SealedFileStore {
    path: PathBuf,
    passphrase: Zeroizing<String>,
    cost: KdfCost,
    writing: Mutex<()>,
}

impl SealedFileStore {
    /// Returns the store in this file. The first secret creates the file; its folder must exist.
    ///
    /// # Errors
    /// [`KeyStoreError::EmptyPassphrase`]. A wrong passphrase is noticed on first use.
    pub fn new(path: impl Into<PathBuf>, passphrase: &str) -> Result<Self, KeyStoreError> {
        Self::with_cost(path, passphrase, KdfCost::default())
    }

    /// Like [`new`](Self::new), with another cost for files that this store writes.
    ///
    /// # Errors
    /// [`KeyStoreError::EmptyPassphrase`].
    pub fn with_cost(
        path: impl Into<PathBuf>,
        passphrase: &str,
        cost: KdfCost,
    ) -> Result<Self, KeyStoreError> {
        if passphrase.is_empty() {
            return Err(KeyStoreError::EmptyPassphrase);
        }
        let passphrase = Zeroizing::new(passphrase.to_owned());
        Ok(Self { path: path.into(), passphrase, cost, writing: Mutex::new(()) })
    }

    fn load(&self) -> Result<Secrets, KeyStoreError> {
        let Some(sealed) = read_limited(&self.path)? else { return Ok(Secrets::new()) };
        let damaged = || KeyStoreError::Damaged("not a key file");
        let (header, body) = sealed.split_at_checked(HEADER_BYTES).ok_or_else(damaged)?;
        let (nonce, ciphertext) = body.split_first_chunk::<NONCE_BYTES>().ok_or_else(damaged)?;
        let (cost, salt) = parse_header(header)?;
        let opened = cipher(&self.passphrase, &salt, cost)?
            .decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: header })
            .map_err(|_| KeyStoreError::DoesNotOpen)?;
        parse_secrets(&Zeroizing::new(opened)).ok_or(KeyStoreError::Damaged("secrets cannot be parsed"))
    }

    fn save(&self, secrets: &Secrets) -> Result<(), KeyStoreError> {
        let mut salt = [0; SALT_BYTES];
        let mut nonce = [0; NONCE_BYTES];
        let no_randomness = |error: getrandom::Error| KeyStoreError::Io(std::io::Error::other(error));
        getrandom::fill(&mut salt).map_err(no_randomness)?;
        getrandom::fill(&mut nonce).map_err(no_randomness)?;
        let mut file = header(self.cost, &salt);
        let ciphertext = cipher(&self.passphrase, &salt, self.cost)?
            .encrypt(&XNonce::from(nonce), Payload { msg: &encode_secrets(secrets)?, aad: &file })
            .map_err(|_| KeyStoreError::TooLong)?;
        file.extend_from_slice(&nonce);
        file.extend_from_slice(&ciphertext);
        replace(&self.path, &file)
    }

    /// Loads the secrets, lets `change` modify them, and saves them if it returns `true`.
    fn update(&self, change: impl FnOnce(&mut Secrets) -> bool) -> Result<(), KeyStoreError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut secrets = self.load()?;
        if change(&mut secrets) { self.save(&secrets) } else { Ok(()) }
    }
}

impl KeyStore for SealedFileStore {
    fn get(&self, account: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyStoreError> {
        Ok(self.load()?.remove(account))
    }

    fn set(&self, account: &str, secret: &[u8]) -> Result<(), KeyStoreError> {
        self.update(|secrets| {
            secrets.insert(account.to_owned(), Zeroizing::new(secret.to_vec()));
            true
        })
    }

    fn delete(&self, account: &str) -> Result<(), KeyStoreError> {
        self.update(|secrets| secrets.remove(account).is_some())
    }
}

impl fmt::Debug for SealedFileStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SealedFileStore").field("path", &self.path).finish_non_exhaustive()
    }
}

fn header(cost: KdfCost, salt: &[u8; SALT_BYTES]) -> Vec<u8> {
    let costs = [cost.m_kib, cost.t, cost.p].map(u32::to_le_bytes);
    [MAGIC.as_slice(), costs.as_flattened(), salt].concat()
}

fn parse_header(header: &[u8]) -> Result<(KdfCost, [u8; SALT_BYTES]), KeyStoreError> {
    let damaged = KeyStoreError::Damaged("not a key file of this version");
    let Some((costs, salt)) = header.strip_prefix(MAGIC).and_then(<[u8]>::split_last_chunk) else {
        return Err(damaged);
    };
    match costs.as_chunks().0 {
        [m_kib, t, p] => {
            let [m_kib, t, p] = [m_kib, t, p].map(|bytes| u32::from_le_bytes(*bytes));
            Ok((KdfCost { m_kib, t, p }, *salt))
        }
        _ => Err(damaged),
    }
}

/// The accepted range of costs also bounds what a file from somebody else can make this machine compute.
fn cipher(
    passphrase: &str,
    salt: &[u8; SALT_BYTES],
    cost: KdfCost,
) -> Result<XChaCha20Poly1305, KeyStoreError> {
    let key = prk(passphrase, salt, cost).map_err(|error| match error {
        EnvelopeError::OutOfMemory => KeyStoreError::OutOfMemory,
        _ => KeyStoreError::Damaged("cost out of range"),
    })?;
    Ok(XChaCha20Poly1305::new(&Key::from(*key.expose())))
}

fn encode_secrets(secrets: &Secrets) -> Result<Zeroizing<Vec<u8>>, KeyStoreError> {
    let len = secrets.iter().map(|(account, secret)| 4 + account.len() + secret.len()).sum();
    // The whole capacity at once: growing would leave copies of the secrets behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(len));
    for part in secrets.iter().flat_map(|(account, secret)| [account.as_bytes(), secret.as_slice()]) {
        let len = u16::try_from(part.len()).map_err(|_| KeyStoreError::TooLong)?;
        plain.extend_from_slice(&len.to_le_bytes());
        plain.extend_from_slice(part);
    }
    Ok(plain)
}

fn parse_secrets(mut plain: &[u8]) -> Option<Secrets> {
    let mut secrets = Secrets::new();
    while !plain.is_empty() {
        let account = take_part(&mut plain)?;
        let secret = take_part(&mut plain)?;
        secrets.insert(std::str::from_utf8(account).ok()?.to_owned(), Zeroizing::new(secret.to_vec()));
    }
    Some(secrets)
}

fn take_part<'a>(plain: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = plain.split_first_chunk()?;
    let (part, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    *plain = rest;
    Some(part)
}

fn read_limited(path: &Path) -> Result<Option<Vec<u8>>, KeyStoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut sealed = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut sealed)?;
    Ok(Some(sealed))
}

/// Atomically replaces the file with a new one that is on disk. Only its owner can read the temporary file.
fn replace(path: &Path, content: &[u8]) -> Result<(), KeyStoreError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Makes the rename durable, too. Windows has no such call; there, renames are journalled.
fn sync_folder(folder: &Path) -> Result<(), KeyStoreError> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
