//! The password of the last sign-in, remembered as a hash.

use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::Result;
use crate::formats::FormatError;

const SALT_BYTES: usize = 16;

/// A salted hash of the password, which is enough to notice that a passphrase is the same.
#[derive(Default)]
pub(crate) struct SignInPassword(Mutex<Option<([u8; SALT_BYTES], [u8; 32])>>);

impl SignInPassword {
    pub(crate) fn remember(&self, password: &str) -> Result<()> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(FormatError::from)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((salt, hash(&salt, password)));
        Ok(())
    }

    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn is(&self, text: &str) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().is_some_and(|(salt, known)| hash(salt, text).ct_eq(known).into())
    }
}

fn hash(salt: &[u8; SALT_BYTES], text: &str) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(text).finalize().into()
}
