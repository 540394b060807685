//! The pages as people use them: a real browser, the real server, clicks and keys.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests look at the server from outside"
)]

#[path = "../support/mod.rs"]
mod support;

mod account;
mod callback;
mod first_run;
mod other_sites;
mod reach;
mod sign_in;
mod window;
