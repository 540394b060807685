//! What the middlewares need to know about this server's surroundings: proxies, host names, and the origins of web
//! pages.

use actix_web::web;

use super::origins::Origins;
use super::peers::Peers;
use crate::config::{AllowedHosts, Listen, Settings};
use crate::notify::Hub;
use crate::store::Store;

/// The configuration of the middlewares, and of everything that needs a client's IP.
#[derive(Clone)]
pub struct Front {
    pub(super) peers: Peers,
    /// The host names that this server answers to.
    pub(super) hosts: AllowedHosts,
    /// Whether browsers must use TLS.
    pub(super) is_https: bool,
    pub(super) origins: Origins,
}

impl Front {
    /// Builds it from the settings. CORS origins are read from the store again when the hub reports that they changed.
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

    /// The form in which actix hands it to requests.
    pub(super) fn into_data(self) -> web::Data<Self> {
        web::Data::new(self)
    }
}
