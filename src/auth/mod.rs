//! Who may come in: passwords, tokens, sessions. The only place that knows argon2 and jsonwebtoken.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this folder owns argon2 and jsonwebtoken"
)]

pub mod access_tokens;
mod account;
pub mod attempts;
pub mod consents;
mod derived;
pub mod flow;
pub mod issuers;
mod keyring;
pub mod links;
pub mod passwords;
pub mod second_factor;
pub mod secrets;
mod sessions;
mod sign_in;
mod signatures;
pub mod tokens;
pub mod urls;

pub use account::{AccountPassword, Enrolment};
pub use sessions::{Auth, AuthSettings, Exchanged, PasswordChange, RotatedKeys, SignIn};
pub use sign_in::{ClientCode, CodeExchange, PasswordCheck};
