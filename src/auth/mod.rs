//! Who may come in: passwords, tokens, sessions. The only place that knows argon2 and jsonwebtoken.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this folder owns argon2 and jsonwebtoken"
)]

pub mod access_tokens;
pub mod attempts;
pub mod issuers;
pub mod passwords;
pub mod second_factor;
pub mod secrets;
mod sessions;
pub mod tokens;
pub mod urls;

pub use sessions::{Auth, AuthSettings, Exchanged, PasswordChange, SignIn};
