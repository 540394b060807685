//! Black-box tests of the server: the real binary, through its command line and HTTP API.
//!
//! One file per noun. Every response is also checked against the OpenAPI document that the server serves
//! (`tidelog_test_kit::Contract`).

mod accounts;
mod admin;
mod audit;
mod auth;
mod blobs;
mod bodies;
mod callers;
mod changes;
mod cli;
mod client_ip;
mod contention;
mod cors;
mod crash;
mod dev;
mod devices;
mod export;
mod fuzz;
mod garbage;
mod hasher_memory;
mod headers;
mod hosts;
mod keys;
mod late;
mod limits;
mod links;
mod notifications;
mod oauth;
mod passwords;
mod rate_limit;
mod revocation;
mod rewind;
mod rotations;
mod settings;
mod signing_keys;
mod tenants;
mod tokens;
mod user_deletion;
mod wire;
mod wire_model;
