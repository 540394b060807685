//! Under which keys attempts are counted.

use std::net::IpAddr;

use crate::auth::secrets::hash_secret;

/// An account, whether it exists or not: a hash of its name, since what people type may be long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct AccountKey([u8; 16]);

impl AccountKey {
    /// From what was typed. Case and surrounding spaces do not matter, as when the account is looked up.
    pub(super) fn new(name: &str) -> Self {
        let hash = hash_secret(&name.trim().to_lowercase());
        Self(std::array::from_fn(|index| hash[index]))
    }
}

/// An IPv4 address, or the /64 in which an IPv6 host can choose any address it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct NetworkKey([u8; 8]);

impl From<IpAddr> for NetworkKey {
    fn from(ip: IpAddr) -> Self {
        let mut key = [0; 8];
        match ip.to_canonical() {
            IpAddr::V4(ip) => key[4..].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => key.copy_from_slice(&ip.octets()[..8]),
        }
        Self(key)
    }
}
