//! `trusted_proxies`: whose word counts about where a request comes from.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

/// Names whoever connects through the Unix socket.
const UNIX: &str = "unix";

/// The proxies before this server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    unix: bool,
}

impl TrustedProxies {
    /// Whether what this address says of others is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether that holds for whoever connects through the Unix socket.
    pub fn trusts_unix(&self) -> bool {
        self.unix
    }
}

impl TryFrom<String> for TrustedProxies {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut proxies = Self::default();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            if item == UNIX {
                proxies.unix = true;
                continue;
            }
            let one = || item.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
            let network = item.parse::<IpNet>().or_else(|_| one()).map_err(|_| {
                format!("{item:?} is neither a network such as 10.0.0.0/8, nor an address, nor \"{UNIX}\"")
            })?;
            proxies.networks.push(network);
        }
        Ok(proxies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(text: &str) -> TrustedProxies {
        text.to_owned().try_into().expect("valid")
    }

    fn trusts(text: &str, address: &str) -> bool {
        proxies(text).trusts(address.parse().expect("an address"))
    }

    #[test]
    fn networks_and_addresses_are_trusted_whole_and_nobody_else_is() {
        assert!(trusts("10.0.0.0/8, 192.0.2.7", "10.255.0.1") && trusts("10.0.0.0/8,192.0.2.7", "192.0.2.7"));
        assert!(!trusts("10.0.0.0/8,192.0.2.7", "11.0.0.1") && !trusts("192.0.2.7", "192.0.2.8"));
        assert!(trusts("2001:db8::/32", "2001:db8:1::1") && !trusts("2001:db8::/32", "2001:db9::1"));
        assert!(!trusts("", "127.0.0.1") && !trusts("unix", "127.0.0.1"));
    }

    #[test]
    fn an_ipv4_address_in_the_dress_of_ipv6_is_the_same_address() {
        assert!(trusts("10.0.0.0/8", "::ffff:10.0.0.1") && trusts("::ffff:10.0.0.1", "10.0.0.1"));
    }

    #[test]
    fn the_unix_socket_is_trusted_by_name_only() {
        assert!(proxies("unix").trusts_unix() && proxies("127.0.0.1, unix").trusts_unix());
        assert!(!proxies("0.0.0.0/0, ::/0").trusts_unix());
    }

    #[test]
    fn what_is_no_network_is_named() {
        for wrong in ["10.0.0.0/33", "example.org", "10.0.0.0/8 10.0.0.1", "Unix", "*"] {
            let refused = TrustedProxies::try_from(wrong.to_owned()).expect_err(wrong);
            assert!(refused.contains(wrong), "{refused}");
        }
    }
}
