//! Who caused something, as the audit log says it.

use std::net::IpAddr;

/// Who caused something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A client with this IP address.
    Client(IpAddr),
    /// Whoever runs the server, through its command line.
    Operator,
    /// The server itself.
    Server,
}

impl Actor {
    /// The IP address of the client, if one caused it.
    pub fn client_ip(self) -> Option<IpAddr> {
        match self {
            Self::Client(ip) => Some(ip),
            Self::Operator | Self::Server => None,
        }
    }
}
