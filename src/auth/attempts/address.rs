//! Where attempts come from.

use std::net::IpAddr;

/// Who is counted together: an IPv4 address, or the /64 in which an IPv6 host can pick any address it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address([u8; 8]);

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        let mut key = [0; 8];
        match address.to_canonical() {
            IpAddr::V4(address) => key[4..].copy_from_slice(&address.octets()),
            IpAddr::V6(address) => key.copy_from_slice(&address.octets()[..8]),
        }
        Self(key)
    }
}
