//! The HTTP API and the pages. The only module that knows actix-web and picks a status; one file per noun.
//!
//! A handler converts, calls and converts: an extractor (`request`) authenticates the caller and parses a body of bounded size, an operation
//! of the store or of `auth` returns an outcome, and the outcome becomes a response or an `ApiError`.
//!
//! The doc comments of handlers list their statuses, except those that many share: 400 `malformed_request`, 413 `too_large` and 415
//! `unsupported_media_type` for a body that cannot be read, 500 `internal`, 503 `unavailable`, and 507 `storage_full`.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "this folder owns actix-web")]

mod account;
mod admin;
mod api_error;
mod auth;
mod blobs;
pub mod changes;
mod client_ip;
pub mod cors;
mod devices;
mod export;
mod front;
pub mod headers;
mod health;
pub mod hosts;
mod json;
mod keys;
mod limits;
mod memory;
mod notifications;
mod oauth;
pub mod openapi;
mod pages;
mod request;
mod rotations;
mod routes;
mod sign_in;
mod sign_up;
mod site;

use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};
use tidelog_protocol::{Limits, SYNC_PREFIX, SYNC_PREFIX_V1};
use tokio::sync::mpsc;

pub use blobs::BlobService;
pub use front::Front;
pub use routes::{Access, Endpoint, endpoints};
pub use site::Site;

use crate::auth::Auth;
use crate::auth::attempts::Attempts;
use crate::auth::consents::AnsweredConsents;
use crate::clock::Clock;
use crate::config::SignUpRule;
use crate::notify::Subscribers;
use crate::store::Store;

/// The parts of a server that handlers use.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// Sign-in, tokens and sessions.
    pub auth: Auth,
    /// The limits on sign-in attempts.
    pub attempts: Attempts,
    /// The limits in force.
    pub limits: Limits,
    /// Serves blobs. `None` if this server stores no blobs.
    pub blobs: Option<BlobService>,
    /// Bytes of blobs that a user may store in an app. `None` if there is no quota.
    pub blob_quota_bytes: Option<u64>,
    /// The URLs of this server as browsers see them.
    pub site: Site,
    /// Who may create an account.
    pub sign_up: SignUpRule,
    /// Takes the normalised emails for which a reset link was requested. `None`: this server sends no email.
    pub reset_requests: Option<mpsc::Sender<String>>,
    /// The event streams.
    pub subscribers: Subscribers,
    /// The time.
    pub clock: Clock,
}

/// What every handler works with, shared by all workers.
pub struct State {
    parts: Parts,
    /// The memory budget of request bodies.
    bodies: memory::MemoryBudget,
    /// The memory budget of pull responses.
    pages: memory::MemoryBudget,
    /// The memory budget of blob transfers.
    transfers: memory::MemoryBudget,
    /// The consent pages that were submitted lately.
    answered_consents: AnsweredConsents,
    /// Forms submitted in the last few seconds.
    submissions: pages::deduplication::SubmitDeduplication,
}

impl State {
    /// The state of a server with these parts.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            bodies: memory::MemoryBudget::default(),
            pages: memory::MemoryBudget::default(),
            transfers: memory::MemoryBudget::default(),
            answered_consents: AnsweredConsents::default(),
            submissions: Default::default(),
        }
    }
}

impl std::ops::Deref for State {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// Mounts every route: the sync routes under both prefixes, the others under the root.
pub fn configure(config: &mut ServiceConfig, state: Arc<State>, front: Front) {
    config.app_data(web::Data::from(state)).app_data(front.into_data());
    for prefix in [SYNC_PREFIX, SYNC_PREFIX_V1] {
        config.service(routes::mount(web::scope(prefix), routes::sync_routes()));
    }
    config.service(routes::mount(web::scope(routes::ADMIN_PREFIX), routes::admin_routes()));
    config.service(routes::mount(web::scope(""), routes::root_routes()));
}
