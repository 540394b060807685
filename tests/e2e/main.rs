//! Whole programs as people use them, in a real browser, in terminals, behind other proxies, beside programs in Python.
//!
//! `scripts/test` installs what these need.

mod authlib;
mod browser;
mod convergence;
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
