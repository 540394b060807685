//! The peers that send requests: the client itself, or a proxy that says for whom.
//!
//! Each proxy appends the IP that it sees to `X-Forwarded-For`, so the rightmost entry is that of the nearest proxy.
//! Whatever is to the left of the first hop that is not trusted may be forged by that hop.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName};

use crate::config::TrustedProxies;

/// The IPs through which a request has come, the client's first.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The IP of a peer without one.
pub(super) const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Which peers are proxies whose headers are trusted.
#[derive(Clone, Debug)]
pub(super) struct Peers {
    /// The trusted proxies.
    pub(super) proxies: TrustedProxies,
    /// Whether the server listens on a Unix socket.
    pub(super) unix: bool,
}

impl Peers {
    /// Whether the peer that sent a request is a trusted proxy.
    pub(super) fn trusts_sender_of(&self, request: &HttpRequest) -> bool {
        self.trusts(request.peer_addr())
    }

    fn trusts(&self, peer: Option<SocketAddr>) -> bool {
        match peer {
            Some(peer) => self.proxies.trusts(peer.ip()),
            // A TCP peer without an address has disconnected already.
            None => self.unix && self.proxies.trusts_unix(),
        }
    }

    pub(super) fn client(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> IpAddr {
        let ip = peer.map_or(UNKNOWN, |peer| peer.ip().to_canonical());
        if self.trusts(peer) { self.forwarded_for(ip, headers) } else { ip }
    }

    /// The first IP from the right that is not a trusted proxy's; if all are, or one cannot be parsed, the last one
    /// read.
    fn forwarded_for(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines: Vec<_> = headers.get_all(FORWARDED_FOR).collect();
        let mut client = peer;
        for line in lines.into_iter().rev() {
            for hop in line.as_bytes().rsplit(|byte| *byte == b',') {
                let Some(hop) = std::str::from_utf8(hop).ok().and_then(parse_hop) else { return client };
                client = hop;
                if !self.proxies.trusts(client) {
                    return client;
                }
            }
        }
        client
    }
}

/// Parses a hop: an IP with or without a port, an IPv6 one with or without brackets.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || hop.parse::<SocketAddr>().ok().map(|hop| hop.ip());
    hop.parse().ok().or_else(with_port).or_else(bracketed).map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const TRUSTED: &str = "10.0.0.0/8, 2001:db8:ffff::/48, unix";

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an IP")
    }

    /// The client IP if this peer sends these headers.
    fn client(peer: Option<&str>, lines: &[&str], unix: bool) -> IpAddr {
        let proxies = TRUSTED.to_owned().try_into().expect("valid");
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).expect("a value"));
        }
        let peer = peer.map(|peer| SocketAddr::new(ip(peer), 4711));
        Peers { proxies, unix }.client(peer, &headers)
    }

    fn behind_proxy(lines: &[&str]) -> IpAddr {
        client(Some("10.0.0.1"), lines, false)
    }

    #[test]
    fn the_headers_of_an_untrusted_peer_are_ignored() {
        for lines in [&[][..], &["203.0.113.9"], &["10.0.0.1"], &["203.0.113.9, 10.0.0.1"]] {
            assert_eq!(client(Some("198.51.100.1"), lines, false), ip("198.51.100.1"));
        }
        assert_eq!(client(Some("2001:db8::1"), &["203.0.113.9"], false), ip("2001:db8::1"));
    }

    #[test]
    fn the_rightmost_hop_that_is_not_a_proxy_is_the_client() {
        assert_eq!(behind_proxy(&["203.0.113.9"]), ip("203.0.113.9"));
        assert_eq!(behind_proxy(&["203.0.113.9, 10.0.0.2"]), ip("203.0.113.9"));
        // What the client forges is to the left of what its proxy saw.
        assert_eq!(behind_proxy(&["192.0.2.1, 203.0.113.9,10.2.0.1 , 10.0.0.2"]), ip("203.0.113.9"));
        assert_eq!(behind_proxy(&["10.9.9.9, 203.0.113.9"]), ip("203.0.113.9"));
    }

    #[test]
    fn several_headers_form_one_list() {
        assert_eq!(behind_proxy(&["192.0.2.1", "203.0.113.9, 10.0.0.3", "10.0.0.2"]), ip("203.0.113.9"));
        assert_eq!(behind_proxy(&["203.0.113.9", "192.0.2.1"]), ip("192.0.2.1"));
    }

    #[test]
    fn if_all_hops_are_proxies_the_farthest_is_the_client() {
        assert_eq!(behind_proxy(&[]), ip("10.0.0.1"));
        assert_eq!(behind_proxy(&["10.0.0.3, 10.0.0.2"]), ip("10.0.0.3"));
    }

    #[test]
    fn before_a_hop_that_cannot_be_parsed_the_last_valid_one_is_the_client() {
        for junk in ["unknown", "", "203.0.113.9, ", "203.0.113.9, _hidden", "1.2.3", "203.0.113.9:x", "[::1"]
        {
            assert_eq!(behind_proxy(&[junk]), ip("10.0.0.1"), "{junk:?}");
            assert_eq!(behind_proxy(&[&format!("{junk}, 10.0.0.2")]), ip("10.0.0.2"), "{junk:?}");
        }
    }

    #[test]
    fn hops_may_have_ports_and_brackets() {
        assert_eq!(behind_proxy(&["203.0.113.9:4711"]), ip("203.0.113.9"));
        for hop in ["2001:db8::9", "[2001:db8::9]", "[2001:db8::9]:4711", "2001:DB8:0::9"] {
            assert_eq!(behind_proxy(&[hop]), ip("2001:db8::9"));
        }
        assert_eq!(behind_proxy(&["203.0.113.9, [2001:db8:ffff::1]:80"]), ip("203.0.113.9"));
        assert_eq!(behind_proxy(&["::ffff:203.0.113.9"]), ip("203.0.113.9"));
    }

    #[test]
    fn the_client_of_a_unix_socket_is_this_machine_unless_its_proxy_says_otherwise() {
        assert_eq!(client(None, &[], true), UNKNOWN);
        assert_eq!(client(None, &["203.0.113.9"], true), ip("203.0.113.9"));
        // Over TCP, a peer without an address has disconnected.
        assert_eq!(client(None, &["203.0.113.9"], false), UNKNOWN);
    }
}
