//! REST and streams of events. The only place that knows actix-web and picks a status; one file per noun.
//!
//! A handler converts, calls and converts: an extractor gives it a caller and a typed, sized body (`request`), a store or
//! auth operation gives it an outcome, and the outcome becomes an answer or a `Refusal`.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "this folder owns actix-web")]

mod address;
mod admin;
mod auth;
mod blobs;
pub mod changes;
mod devices;
mod health;
mod json;
mod keys;
mod limits;
mod memory;
mod notifications;
pub mod openapi;
mod refusal;
mod request;
mod rotations;
mod routes;

use std::sync::Arc;

use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, ServiceConfig};
use tidelog_protocol::{Limits, SYNC_PREFIX, SYNC_PREFIX_V1};

pub use address::Front;
pub use blobs::BlobState;
pub use routes::{Access, Endpoint, endpoints};

use crate::auth::Auth;
use crate::auth::attempts::Attempts;
use crate::clock::Clock;
use crate::notify::Subscribers;
use crate::store::Store;

/// What every handler works with. Shared by all workers.
pub struct State {
    /// The database.
    store: Store,
    /// Who is calling.
    auth: Auth,
    /// Bounds sign-in attempts.
    attempts: Attempts,
    /// The limits in force.
    limits: Limits,
    /// The memory that bodies share.
    bodies: memory::Memory,
    /// The memory that pages share.
    pages: memory::Memory,
    /// The memory that blobs on their way share.
    transfers: memory::Memory,
    blobs: BlobState,
    /// Who listens to which log.
    subscribers: Subscribers,
    clock: Clock,
}

impl State {
    /// Of a server with these parts.
    pub fn new(
        store: Store,
        auth: Auth,
        attempts: Attempts,
        limits: Limits,
        subscribers: Subscribers,
        blobs: BlobState,
        clock: Clock,
    ) -> Self {
        Self {
            store,
            auth,
            attempts,
            limits,
            bodies: memory::Memory::default(),
            pages: memory::Memory::default(),
            transfers: memory::Memory::default(),
            blobs,
            subscribers,
            clock,
        }
    }
}

/// Headers of every answer: nothing here is to be cached or sniffed.
pub fn default_headers() -> DefaultHeaders {
    DefaultHeaders::new().add(("Cache-Control", "no-store")).add(("X-Content-Type-Options", "nosniff"))
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
