//! Who is tried to be signed in to.

use crate::auth::secrets::hash_secret;

/// The name of an account, whether there is one or not. Its hash: what people type may be long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Account([u8; 16]);

impl Account {
    /// By what was typed; case and blanks around it do not count, as when the account is looked up.
    pub(super) fn named(name: &str) -> Self {
        let hash = hash_secret(&name.trim().to_lowercase());
        let mut key = [0; 16];
        key.copy_from_slice(&hash[..16]);
        Self(key)
    }
}
