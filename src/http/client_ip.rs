//! Which address a request comes from: that of whoever is connected, unless it is a proxy whose word is trusted.
//!
//! Each proxy appends the address that it sees to `X-Forwarded-For`, so what stands farthest to the right was said by the
//! nearest one. Everything left of the first hop that is not trusted can be made up by whoever that hop is.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::{FromRequest, HttpRequest, web};

use super::Front;
use crate::config::TrustedProxies;
use crate::model::actors::Actor;

/// Addresses that a request has passed, the client's first.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who connects, and whose word counts about who stands behind them.
#[derive(Clone, Debug)]
pub(super) struct Peers {
    /// Whose word counts.
    pub(super) proxies: TrustedProxies,
    /// Whether requests come through a Unix socket.
    pub(super) unix: bool,
}

/// The IP address from which a request came.
///
/// On a Unix socket it is that of this machine, unless a trusted proxy says otherwise.
pub(super) fn client_ip(request: &HttpRequest) -> IpAddr {
    let front = request.app_data::<web::Data<Front>>();
    front.map_or(UNKNOWN, |front| front.peers.client(request.peer_addr(), request.headers()))
}

/// The client that sent a request, for the audit log.
pub(super) fn actor(request: &HttpRequest) -> Actor {
    Actor::Client(client_ip(request))
}

impl FromRequest for Actor {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(actor(request)))
    }
}

/// Stands for a peer that has no address.
const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

impl Peers {
    /// Whether what whoever sent a request says of others counts.
    pub(super) fn trusts_sender_of(&self, request: &HttpRequest) -> bool {
        self.trusts(request.peer_addr())
    }

    fn trusts(&self, peer: Option<SocketAddr>) -> bool {
        match peer {
            Some(peer) => self.proxies.trusts(peer.ip()),
            // A peer without an address that came over TCP has hung up already.
            None => self.unix && self.proxies.trusts_unix(),
        }
    }

    fn client(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> IpAddr {
        let address = peer.map_or(UNKNOWN, |peer| peer.ip().to_canonical());
        if self.trusts(peer) { self.behind(address, headers) } else { address }
    }

    /// The first address from the right that is not that of a proxy; the last that can be read, if there is none.
    fn behind(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines: Vec<_> = headers.get_all(FORWARDED_FOR).collect();
        let mut client = peer;
        for line in lines.into_iter().rev() {
            for hop in line.as_bytes().rsplit(|byte| *byte == b',') {
                let Some(hop) = std::str::from_utf8(hop).ok().and_then(address_of) else { return client };
                client = hop;
                if !self.proxies.trusts(client) {
                    return client;
                }
            }
        }
        client
    }
}

/// Reads a hop: an address with or without a port, one of IPv6 with or without brackets.
fn address_of(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bracketed = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    hop.parse().ok().or_else(with_port).or_else(bracketed).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const TRUSTED: &str = "10.0.0.0/8, 2001:db8:ffff::/48, unix";

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// Who is counted when this peer connects and says this.
    fn client(peer: Option<&str>, lines: &[&str], unix: bool) -> IpAddr {
        let proxies = TRUSTED.to_owned().try_into().expect("valid");
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(line).expect("a value"));
        }
        let peer = peer.map(|peer| SocketAddr::new(address(peer), 4711));
        Peers { proxies, unix }.client(peer, &headers)
    }

    fn behind_proxy(lines: &[&str]) -> IpAddr {
        client(Some("10.0.0.1"), lines, false)
    }

    #[test]
    fn who_is_not_trusted_is_counted_whatever_it_says() {
        for lines in [&[][..], &["203.0.113.9"], &["10.0.0.1"], &["203.0.113.9, 10.0.0.1"]] {
            assert_eq!(client(Some("198.51.100.1"), lines, false), address("198.51.100.1"));
        }
        assert_eq!(client(Some("2001:db8::1"), &["203.0.113.9"], false), address("2001:db8::1"));
    }

    #[test]
    fn the_right_most_hop_that_is_no_proxy_counts() {
        assert_eq!(behind_proxy(&["203.0.113.9"]), address("203.0.113.9"));
        assert_eq!(behind_proxy(&["203.0.113.9, 10.0.0.2"]), address("203.0.113.9"));
        // What the client made up stands to the left of what its proxy saw.
        assert_eq!(behind_proxy(&["192.0.2.1, 203.0.113.9,10.2.0.1 , 10.0.0.2"]), address("203.0.113.9"));
        assert_eq!(behind_proxy(&["10.9.9.9, 203.0.113.9"]), address("203.0.113.9"));
    }

    #[test]
    fn several_headers_are_one_list() {
        assert_eq!(behind_proxy(&["192.0.2.1", "203.0.113.9, 10.0.0.3", "10.0.0.2"]), address("203.0.113.9"));
        assert_eq!(behind_proxy(&["203.0.113.9", "192.0.2.1"]), address("192.0.2.1"));
    }

    #[test]
    fn where_all_are_proxies_the_farthest_counts() {
        assert_eq!(behind_proxy(&[]), address("10.0.0.1"));
        assert_eq!(behind_proxy(&["10.0.0.3, 10.0.0.2"]), address("10.0.0.3"));
    }

    #[test]
    fn at_a_hop_that_cannot_be_read_the_last_good_one_counts() {
        for junk in ["unknown", "", "203.0.113.9, ", "203.0.113.9, _hidden", "1.2.3", "203.0.113.9:x", "[::1"]
        {
            assert_eq!(behind_proxy(&[junk]), address("10.0.0.1"), "{junk:?}");
            assert_eq!(behind_proxy(&[&format!("{junk}, 10.0.0.2")]), address("10.0.0.2"), "{junk:?}");
        }
    }

    #[test]
    fn hops_are_read_with_and_without_ports_and_brackets() {
        assert_eq!(behind_proxy(&["203.0.113.9:4711"]), address("203.0.113.9"));
        for hop in ["2001:db8::9", "[2001:db8::9]", "[2001:db8::9]:4711", "2001:DB8:0::9"] {
            assert_eq!(behind_proxy(&[hop]), address("2001:db8::9"));
        }
        assert_eq!(behind_proxy(&["203.0.113.9, [2001:db8:ffff::1]:80"]), address("203.0.113.9"));
        assert_eq!(behind_proxy(&["::ffff:203.0.113.9"]), address("203.0.113.9"));
    }

    #[test]
    fn a_unix_socket_is_this_machine_unless_its_proxy_says_otherwise() {
        assert_eq!(client(None, &[], true), UNKNOWN);
        assert_eq!(client(None, &["203.0.113.9"], true), address("203.0.113.9"));
        // Without a socket, who has no address has hung up.
        assert_eq!(client(None, &["203.0.113.9"], false), UNKNOWN);
    }
}
