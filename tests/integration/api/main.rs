//! Black-box tests of the server: the real binary, through its command line and HTTP API.
//!
//! One file per noun. Every response is also checked against the OpenAPI document that the server serves (`tidelog_test_kit::Contract`).

mod account;
mod address;
mod admin;
mod audit;
mod auth;
mod blobs;
mod bodies;
mod callers;
mod cli;
mod contention;
mod cors;
mod crash;
mod deletion;
mod dev;
mod devices;
mod export;
mod fuzz;
mod garbage;
mod headers;
mod hosts;
mod keys;
mod late;
mod limits;
mod links;
mod memory;
mod notifications;
mod oauth;
mod password;
mod pulls;
mod push;
mod rate_limit;
mod revocation;
mod rewind;
mod rotation;
mod signing_keys;
mod tenants;
mod tokens;
mod wire;
mod wire_model;
