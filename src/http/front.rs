//! What lies between this server and its clients: proxies, names, and the web pages that may call it.

use actix_web::web;

use super::client_ip::Peers;
use super::cors::Origins;
use crate::config::{AllowedHosts, Listen, Settings};
use crate::notify::Hub;
use crate::store::Store;

/// What middlewares work with, and whoever asks where a request comes from.
#[derive(Clone)]
pub struct Front {
    pub(super) peers: Peers,
    /// The names of this server.
    pub(super) hosts: AllowedHosts,
    /// Whether browsers are to come by TLS only.
    pub(super) is_https: bool,
    pub(super) origins: Origins,
}

impl Front {
    /// As the settings say.
    pub fn new(settings: &Settings, store: Store, hub: &Hub) -> Self {
        let unix = matches!(settings.listen, Listen::Unix(_));
        if settings.trusted_proxies.trusts_unix() && !unix {
            tracing::warn!("trusted_proxies names the Unix socket, but the server does not listen on one");
        }
        let origins = Origins::new(store);
        let listener = origins.clone();
        hub.listen(move |event| listener.invalidate(event));
        Self {
            peers: Peers { proxies: settings.trusted_proxies.clone(), unix },
            hosts: AllowedHosts::new(settings.public_url.as_deref(), &settings.allowed_hosts),
            is_https: settings.public_url.as_deref().is_some_and(|url| url.starts_with("https://")),
            origins,
        }
    }

    /// As every handler finds it.
    pub(super) fn into_data(self) -> web::Data<Self> {
        web::Data::new(self)
    }
}
