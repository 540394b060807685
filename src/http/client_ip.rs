//! The client IP of a request, which limits sign-in attempts and appears in the audit log.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};

use super::Front;
use super::peers::UNKNOWN;
use crate::model::actors::Actor;

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
