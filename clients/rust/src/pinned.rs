//! The record of a user's key in a key store: the vault, and how often its key had been wrapped when it was last
//! opened.
//!
//! ```text
//! "TLP1" wrap_no u32 vault (its stored form, which ends in a checksum)
//! ```

use zeroize::Zeroizing;

use crate::formats::{Pin, Vault};
use crate::keystore::KeyStoreError;

const MAGIC: &[u8; 4] = b"TLP1";

pub(crate) fn encode(vault: &Vault, wrap_no: u32) -> Zeroizing<Vec<u8>> {
    let vault = vault.to_secret_bytes();
    // The whole capacity at once: growing would leave copies of the secret behind.
    let mut record = Zeroizing::new(Vec::with_capacity(MAGIC.len() + size_of::<u32>() + vault.len()));
    record.extend_from_slice(MAGIC);
    record.extend_from_slice(&wrap_no.to_le_bytes());
    record.extend_from_slice(&vault);
    record
}

pub(crate) fn decode(record: &[u8]) -> Result<(Vault, Pin), KeyStoreError> {
    let damaged = || KeyStoreError::Damaged("not a key of this version");
    let content = record.strip_prefix(MAGIC).ok_or_else(damaged)?;
    let (wrap_no, vault) = content.split_first_chunk().ok_or_else(damaged)?;
    let vault = Vault::from_secret_bytes(vault).map_err(|_| damaged())?;
    let pin = Pin {
        vault_id: vault.vault_id(),
        key_version: vault.key_version(),
        key_id: vault.key_id(),
        wrap_no: u32::from_le_bytes(*wrap_no),
    };
    Ok((vault, pin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_key_comes_back_with_its_pin() {
        let vault = Vault::generate().unwrap();
        let (again, pin) = decode(&encode(&vault, 7)).unwrap();
        assert_eq!(again, vault);
        assert_eq!((pin.vault_id, pin.key_id, pin.wrap_no), (vault.vault_id(), vault.key_id(), 7));
    }

    #[test]
    fn a_damaged_record_is_refused_at_every_byte() {
        let record = encode(&Vault::generate().unwrap(), 7);
        for at in (0..MAGIC.len()).chain(MAGIC.len() + size_of::<u32>()..record.len()) {
            let mut damaged = record.clone();
            damaged[at] ^= 1;
            assert!(decode(&damaged).is_err(), "byte {at}");
        }
        assert!((0..record.len()).all(|len| decode(&record[..len]).is_err()));
    }
}
