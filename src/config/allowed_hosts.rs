//! The names under which this server answers: which ones a `Host` header may carry.

use serde::Deserialize;

/// Resolves to the machine itself everywhere.
const LOCALHOST: &str = "localhost";

/// `allowed_hosts`: names of this server in addition to the host of `public_url`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HostNames(Vec<String>);

impl TryFrom<String> for HostNames {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let parse = |name: &str| match is_name(name) {
            true => Ok(normalize(name)),
            false => Err(format!("{name:?} is not a host name; give it without scheme, port and path")),
        };
        names.map(parse).collect::<Result<_, _>>().map(Self)
    }
}

/// All names of this server.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts(Vec<String>);

impl AllowedHosts {
    /// `localhost`, the host of `public_url`, and the configured names.
    pub fn new(public_url: Option<&str>, names: &HostNames) -> Self {
        let public = public_url.and_then(host_of_url).map(normalize);
        let local = std::iter::once(LOCALHOST.to_owned());
        Self(local.chain(public).chain(names.0.iter().cloned()).collect())
    }

    /// Returns whether a `Host` header, `host` or `host:port`, names this server.
    ///
    /// IP addresses always do: an attacker's web page can only reach this server through a *name* that is pointed at
    /// it (DNS rebinding).
    pub fn contains(&self, header: &str) -> bool {
        let Some(host) = without_port(header) else { return false };
        if let Some(ip) = host.strip_prefix('[') {
            return ip.strip_suffix(']').is_some_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
        }
        let host = normalize(host);
        host.parse::<std::net::Ipv4Addr>().is_ok() || self.0.contains(&host)
    }
}

/// Lower-cases a name and strips the trailing dot of a fully qualified one.
fn normalize(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

/// The host of a `Host` header or of a URL's authority. `None`: it isn't valid.
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

    fn allowed(public_url: Option<&str>, names: &str) -> AllowedHosts {
        AllowedHosts::new(public_url, &names.to_owned().try_into().expect("valid"))
    }

    #[test]
    fn ip_addresses_and_localhost_are_always_allowed() {
        let hosts = allowed(None, "");
        for host in ["127.0.0.1", "127.0.0.1:7878", "192.0.2.1", "[::1]", "[2001:db8::1]:80", "localhost:1"] {
            assert!(hosts.contains(host), "{host}");
        }
    }

    #[test]
    fn configured_names_are_allowed_in_any_case_with_any_port_and_with_a_trailing_dot() {
        let hosts = allowed(Some("https://Sync.example.org:8443/sub/path"), "tidelog, Notes.internal.");
        for host in ["sync.example.org", "SYNC.example.org:443", "sync.example.org.", "sync.example.org.:1"] {
            assert!(hosts.contains(host), "{host}");
        }
        assert!(hosts.contains("tidelog:7878") && hosts.contains("notes.internal"));
    }

    #[test]
    fn every_other_name_is_refused() {
        let hosts = allowed(Some("https://sync.example.org"), "tidelog");
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
            assert!(!hosts.contains(host), "{host}");
        }
    }

    #[test]
    fn the_host_of_any_url_is_found() {
        for url in
            ["https://a.example", "https://a.example:1/x", "http://u:p@a.example/?q#f", "https://a.example?q"]
        {
            assert!(allowed(Some(url), "").contains("a.example"), "{url}");
        }
        assert!(allowed(Some("https://[2001:db8::1]:1/"), "").contains("[2001:db8::1]"));
    }

    #[test]
    fn a_setting_that_is_not_a_host_name_is_invalid() {
        for wrong in ["https://a.example", "a.example:80", "*", "a b", "a/b"] {
            HostNames::try_from(wrong.to_owned()).expect_err(wrong);
        }
    }
}
