//! End-to-end tests: whole programs in a real browser, in terminals, behind reverse proxies, and next to programs in
//! Python.
//!
//! `scripts/test` installs what they need.

mod authlib;
mod browser;
mod convergence;
mod dev;
mod issuer;
mod issuers;
mod mail;
mod mail_server;
#[cfg(target_os = "linux")]
mod proxies;
mod second_opinion;
mod sidecar;
mod todo;
mod two_devices;
