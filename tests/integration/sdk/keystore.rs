//! Key stores.

use std::fs;
use std::path::Path;

use tidelog_client::keystore::FallbackStore;
use tidelog_client::{KdfCost, KeyStore, KeyStoreError, MemoryStore, SealedFileStore};

fn file_store(path: &Path, passphrase: &str) -> SealedFileStore {
    SealedFileStore::with_cost(path, passphrase, KdfCost::MIN).unwrap()
}

/// What every store must do.
pub(crate) fn stores_secrets_by_account(store: &impl KeyStore) {
    assert_eq!(store.get("one").unwrap(), None);
    store.set("one", b"first").unwrap();
    store.set("other", b"\0\xff").unwrap();
    store.set("one", b"second").unwrap();
    assert_eq!(store.get("one").unwrap().unwrap().as_slice(), b"second");
    store.delete("one").unwrap();
    store.delete("one").unwrap();
    assert_eq!(store.get("one").unwrap(), None);
    assert_eq!(store.get("other").unwrap().unwrap().as_slice(), b"\0\xff");
}

#[test]
fn memory_stores_secrets_by_account() {
    stores_secrets_by_account(&MemoryStore::new());
}

#[test]
fn a_sealed_file_keeps_secrets_by_account() {
    let folder = tempfile::tempdir().unwrap();
    stores_secrets_by_account(&file_store(&folder.path().join("keys"), "pass"));
}

#[test]
fn a_sealed_file_opens_in_the_next_run_whatever_cost_is_set_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    file_store(&path, "pass").set("one", b"secret").unwrap();
    let next_run = SealedFileStore::with_cost(&path, "pass", KdfCost { t: 3, ..KdfCost::MIN }).unwrap();
    assert_eq!(next_run.get("one").unwrap().unwrap().as_slice(), b"secret");
}

#[test]
fn a_sealed_file_is_neither_opened_nor_overwritten_with_another_passphrase() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    file_store(&path, "pass").set("one", b"secret").unwrap();
    let before = fs::read(&path).unwrap();
    let stranger = file_store(&path, "guess");
    assert!(matches!(stranger.get("one"), Err(KeyStoreError::DoesNotOpen)));
    assert!(matches!(stranger.set("one", b"other"), Err(KeyStoreError::DoesNotOpen)));
    assert!(matches!(stranger.delete("one"), Err(KeyStoreError::DoesNotOpen)));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_sealed_file_that_was_altered_or_truncated_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let store = file_store(&path, "pass");
    store.set("one", b"secret").unwrap();
    let sealed = fs::read(&path).unwrap();
    // One byte of each part: magic, memory, passes, lanes, salt, nonce, ciphertext, tag.
    for place in [0, 5, 8, 12, 16, 48, 72, sealed.len() - 1] {
        let mut altered = sealed.clone();
        altered[place] ^= 2;
        fs::write(&path, altered).unwrap();
        assert!(store.get("one").is_err(), "byte {place}");
    }
    for len in [0, 4, 47, 60, sealed.len() - 1] {
        fs::write(&path, &sealed[..len]).unwrap();
        assert!(store.get("one").is_err(), "{len} bytes");
    }
}

#[test]
fn a_sealed_file_whose_cost_is_too_high_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let store = file_store(&path, "pass");
    store.set("one", b"secret").unwrap();
    let mut sealed = fs::read(&path).unwrap();
    sealed[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    fs::write(&path, sealed).unwrap();
    assert!(matches!(store.get("one"), Err(KeyStoreError::Damaged(_))));
}

#[test]
fn a_sealed_file_reveals_no_secret_and_leaves_no_other_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let store = file_store(&path, "pass");
    store.set("an account", b"a well-known secret").unwrap();
    store.set("an account", b"a well-known secret").unwrap();
    let sealed = fs::read(&path).unwrap();
    for plain in [&b"an account"[..], b"well-known"] {
        assert!(!sealed.windows(plain.len()).any(|window| window == plain));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(!format!("{store:?}").contains("pass\""));
}

#[cfg(unix)]
#[test]
fn a_sealed_file_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    file_store(&path, "pass").set("one", b"secret").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_sealed_file_requires_a_passphrase() {
    assert!(matches!(SealedFileStore::new("keys", ""), Err(KeyStoreError::EmptyPassphrase)));
}

#[test]
fn memory_replaces_a_store_that_fails() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("missing").join("keys");
    assert!(file_store(&nowhere, "pass").set("one", b"secret").is_err());
    stores_secrets_by_account(&FallbackStore::new(file_store(&nowhere, "pass")));
}

#[test]
fn a_store_that_works_is_used_instead_of_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    stores_secrets_by_account(&FallbackStore::new(file_store(&path, "pass")));
    assert_eq!(file_store(&path, "pass").get("other").unwrap().unwrap().as_slice(), b"\0\xff");
}
