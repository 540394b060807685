//! REST and streams of events. The only place that knows actix-web and picks a status; one file per noun.
//!
//! A handler converts, calls and converts: an extractor gives it a caller and a typed, sized body (`request`), a store or
//! auth operation gives it an outcome, and the outcome becomes a response or an `ApiError`.
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
use pages::deduplication::SubmitDeduplication;

/// What a server is put together from.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// Who is calling.
    pub auth: Auth,
    /// Bounds sign-in attempts.
    pub attempts: Attempts,
    /// The limits in force.
    pub limits: Limits,
    /// Serves blobs. `None` if this server stores no blobs.
    pub blobs: Option<BlobService>,
    /// Bytes of blobs that a user may store in an app. `None` if there is no quota.
    pub blob_quota_bytes: Option<u64>,
    /// Where this server is, as browsers know it.
    pub site: Site,
    /// Who may make an account.
    pub sign_up: SignUpRule,
    /// Takes normalised addresses of people who say that they forgot their password. `None`: this server sends no mail.
    pub forgotten: Option<mpsc::Sender<String>>,
    /// Who listens to which log.
    pub subscribers: Subscribers,
    /// What time it is.
    pub clock: Clock,
}

/// What every handler works with. Shared by all workers.
pub struct State {
    parts: Parts,
    /// The memory that bodies share.
    bodies: memory::MemoryBudget,
    /// The memory that pages share.
    pages: memory::MemoryBudget,
    /// The memory that blobs on their way share.
    transfers: memory::MemoryBudget,
    /// What people have decided a moment ago.
    answered_consents: AnsweredConsents,
    /// Forms submitted in the last few seconds.
    submissions: SubmitDeduplication,
}

impl State {
    /// Of a server with these parts.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            bodies: memory::MemoryBudget::default(),
            pages: memory::MemoryBudget::default(),
            transfers: memory::MemoryBudget::default(),
            answered_consents: AnsweredConsents::default(),
            submissions: SubmitDeduplication::default(),
        }
    }
}

impl std::ops::Deref for State {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// Mounts every route: the sync routes under both prefixes, the others at the root.
pub fn configure(config: &mut ServiceConfig, state: Arc<State>, front: Front) {
    config.app_data(web::Data::from(state)).app_data(front.into_data());
    for prefix in [SYNC_PREFIX, SYNC_PREFIX_V1] {
        config.service(routes::mount(web::scope(prefix), routes::sync_routes()));
    }
    config.service(routes::mount(web::scope(routes::ADMIN_PREFIX), routes::admin_routes()));
    config.service(routes::mount(web::scope(""), routes::root_routes()));
}
