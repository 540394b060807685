//! Names of this server: which of them a `Host` header may bear.

use serde::Deserialize;

/// Name of this machine for itself, which everybody's resolver knows.
const LOCALHOST: &str = "localhost";

/// `hosts`: names under which clients reach this server, beside that of `public_url`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Hosts(Vec<String>);

impl TryFrom<String> for Hosts {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let name = |name: &str| match is_name(name) {
            true => Ok(normal(name)),
            false => Err(format!("{name:?} is no name; names are given without scheme, port and path")),
        };
        names.map(name).collect::<Result<_, _>>().map(Self)
    }
}

/// Every name that this server answers to.
#[derive(Clone, Debug, Default)]
pub struct KnownHosts(Vec<String>);

impl KnownHosts {
    /// `localhost`, the host of `public_url`, and the others of the settings.
    pub fn new(public_url: Option<&str>, hosts: &Hosts) -> Self {
        let public = public_url.and_then(host_of_url).map(normal);
        let local = std::iter::once(LOCALHOST.to_owned());
        Self(local.chain(public).chain(hosts.0.iter().cloned()).collect())
    }

    /// Whether this server is meant by a `Host` header, `host` or `host:port`.
    ///
    /// An IP address always is: what makes a browser send requests of a foreign page here is a *name* that its owner points here.
    pub fn knows(&self, header: &str) -> bool {
        let Some(host) = without_port(header) else { return false };
        if let Some(address) = host.strip_prefix('[') {
            return address.strip_suffix(']').is_some_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
        }
        let host = normal(host);
        host.parse::<std::net::Ipv4Addr>().is_ok() || self.0.contains(&host)
    }
}

/// Lower-cased, and without the dot that ends a name which is complete.
fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

/// The host of a `Host` header or of an authority. `None`: it is none.
fn without_port(authority: &str) -> Option<&str> {
    let end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = match authority[end..].split_once(':') {
        Some((rest, port)) => (&authority[..end + rest.len()], port),
        None => (authority, ""),
    };
    port.bytes().all(|byte| byte.is_ascii_digit()).then_some(host)
}

fn host_of_url(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    without_port(authority.rsplit('@').next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(public_url: Option<&str>, hosts: &str) -> KnownHosts {
        KnownHosts::new(public_url, &hosts.to_owned().try_into().expect("valid"))
    }

    #[test]
    fn addresses_and_localhost_are_always_known() {
        let hosts = known(None, "");
        for host in ["127.0.0.1", "127.0.0.1:7878", "192.0.2.1", "[::1]", "[2001:db8::1]:80", "localhost:1"] {
            assert!(hosts.knows(host), "{host}");
        }
    }

    #[test]
    fn names_are_those_of_the_settings_in_any_case_with_any_port_and_with_a_last_dot() {
        let hosts = known(Some("https://Sync.example.org:8443/sub/path"), "tidelog, Notes.internal.");
        for host in ["sync.example.org", "SYNC.example.org:443", "sync.example.org.", "sync.example.org.:1"] {
            assert!(hosts.knows(host), "{host}");
        }
        assert!(hosts.knows("tidelog:7878") && hosts.knows("notes.internal"));
    }

    #[test]
    fn every_other_name_is_a_strangers() {
        let hosts = known(Some("https://sync.example.org"), "tidelog");
        for host in [
            "evil.example",
            "sync.example.org.evil.example",
            "xsync.example.org",
            "example.org",
            "a.localhost",
            "sync.example.org..",
            "sync.example.org@evil.example",
            "evil.example@sync.example.org",
            "127.0.0.1.evil.example",
            "127.1",
            "0x7f000001",
            "2130706433",
            "::1",
            "[::1",
            "[::1].evil.example",
            "[evil.example]",
            "localhost:80:80",
            "localhost:x",
            "local host",
            ".",
        ] {
            assert!(!hosts.knows(host), "{host}");
        }
    }

    #[test]
    fn the_host_of_a_url_is_found_wherever_it_stands() {
        for url in
            ["https://a.example", "https://a.example:1/x", "http://u:p@a.example/?q#f", "https://a.example?q"]
        {
            assert!(known(Some(url), "").knows("a.example"), "{url}");
        }
        assert!(known(Some("https://[2001:db8::1]:1/"), "").knows("[2001:db8::1]"));
    }

    #[test]
    fn what_is_no_name_is_no_setting() {
        for wrong in ["https://a.example", "a.example:80", "*", "a b", "a/b"] {
            Hosts::try_from(wrong.to_owned()).expect_err(wrong);
        }
    }
}
