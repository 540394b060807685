//! The HTTP API and the pages. The only module that knows actix-web and picks a status; one file per noun.
//!
//! A handler converts, calls and converts: an extractor (`request`) authenticates the caller and parses a body of
//! bounded size, an operation of the store or of `auth` returns an outcome, and the outcome becomes a response or an
//! `ApiError`.
//!
//! The doc comments of handlers list their statuses, except those that many share: 400 `malformed_request`, 413
//! `too_large` and 415 `unsupported_media_type` for a body that cannot be read, 500 `internal`, 503 `unavailable`,
//! and 507 `storage_full`.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "this folder owns actix-web")]

mod accounts;
mod admin;
mod api_error;
mod auth;
mod blobs;
pub mod changes;
mod client_ip;
pub mod cors;
mod deduplication;
mod devices;
mod export;
mod front;
pub mod head_requests;
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
mod origins;
mod pages;
mod peers;
mod request;
mod rotations;
mod routes;
mod sign_in;
mod sign_up;
mod site;
mod state;

use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};
use tidelog_protocol::{SYNC_PREFIX, SYNC_PREFIX_V1};

pub use front::Front;
pub use routes::{Access, Endpoint, endpoints};
pub use site::Site;
pub use state::{BlobService, Parts, State};

/// Mounts every route: the sync routes under both prefixes, the others under the root.
pub fn configure(config: &mut ServiceConfig, state: Arc<State>, front: Front) {
    config.app_data(web::Data::from(state)).app_data(front.into_data());
    for prefix in [SYNC_PREFIX, SYNC_PREFIX_V1] {
        config.service(routes::mount(web::scope(prefix), routes::sync_routes()));
    }
    config.service(routes::mount(web::scope(routes::ADMIN_PREFIX), routes::admin_routes()));
    config.service(routes::mount(web::scope(""), routes::root_routes()));
}
