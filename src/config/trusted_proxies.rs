//! `trusted_proxies`: which proxies may say where a request comes from.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

/// Stands for every connection through the Unix socket.
const UNIX: &str = "unix";

/// The proxies in front of this server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    unix: bool,
}

impl TrustedProxies {
    /// Returns whether the forwarding headers of a connection from this IP address are believed.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.networks.iter().any(|network| network.contains(&ip))
    }

    /// Returns whether those of connections through the Unix socket are.
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
            let single = || item.parse::<IpAddr>().map(|ip| IpNet::from(ip.to_canonical()));
            let network = item.parse::<IpNet>().or_else(|_| single()).map_err(|_| {
                format!("{item:?} is not a network such as 10.0.0.0/8, an IP address or \"{UNIX}\"")
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

    fn trusts(text: &str, ip: &str) -> bool {
        proxies(text).trusts(ip.parse().expect("an IP address"))
    }

    #[test]
    fn only_the_given_networks_and_ip_addresses_are_trusted() {
        assert!(trusts("10.0.0.0/8, 192.0.2.7", "10.255.0.1") && trusts("10.0.0.0/8,192.0.2.7", "192.0.2.7"));
        assert!(!trusts("10.0.0.0/8,192.0.2.7", "11.0.0.1") && !trusts("192.0.2.7", "192.0.2.8"));
        assert!(trusts("2001:db8::/32", "2001:db8:1::1") && !trusts("2001:db8::/32", "2001:db9::1"));
        assert!(!trusts("", "127.0.0.1") && !trusts("unix", "127.0.0.1"));
    }

    #[test]
    fn an_ipv4_mapped_ipv6_address_is_the_same_address() {
        assert!(trusts("10.0.0.0/8", "::ffff:10.0.0.1") && trusts("::ffff:10.0.0.1", "10.0.0.1"));
    }

    #[test]
    fn the_unix_socket_is_trusted_only_by_name() {
        assert!(proxies("unix").trusts_unix() && proxies("127.0.0.1, unix").trusts_unix());
        assert!(!proxies("0.0.0.0/0, ::/0").trusts_unix());
    }

    #[test]
    fn an_invalid_network_is_named_in_the_error() {
        for wrong in ["10.0.0.0/33", "example.org", "10.0.0.0/8 10.0.0.1", "Unix", "*"] {
            let refused = TrustedProxies::try_from(wrong.to_owned()).expect_err(wrong);
            assert!(refused.contains(wrong), "{refused}");
        }
    }
}
