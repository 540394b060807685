//! Users: the accounts that sign in.

use tidelog_protocol::limits::{MAX_EMAIL_BYTES, MAX_PASSWORD_BYTES, MIN_PASSWORD_BYTES};
use uuid::Uuid;

/// An account, as an operator sees it. Its password is kept only as a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Names the user for ever.
    pub id: Uuid,
    /// In the form of [`normalize_email`]; `None`: another system signs this user in.
    pub email: Option<String>,
    /// May administer this server.
    pub admin: bool,
    /// Microseconds since 1970; `None` while the account may sign in.
    pub disabled_at: Option<i64>,
    /// Microseconds since 1970.
    pub created_at: i64,
}

/// The form in which addresses are stored and compared: trimmed and lower-cased.
///
/// # Errors
/// A sentence that says why this is no address. Only what every address must have is checked; whether it receives mail
/// cannot be known here.
pub fn normalize_email(email: &str) -> Result<String, String> {
    let email = email.trim().to_lowercase();
    if email.len() > MAX_EMAIL_BYTES {
        return Err(format!("an email address has at most {MAX_EMAIL_BYTES} bytes"));
    }
    let (local, domain) = email.rsplit_once('@').ok_or("an email address contains an @")?;
    if local.is_empty() || domain.is_empty() {
        return Err("an email address has something before and after the @".into());
    }
    if email.chars().any(|char| char.is_control() || char.is_whitespace()) {
        return Err("an email address contains no spaces or control characters".into());
    }
    Ok(email)
}

/// Whether an account may be given this password.
///
/// # Errors
/// What it must be, to follow "the password", without the password itself.
pub fn check_new_password(password: &str) -> Result<(), String> {
    match password.len() {
        MIN_PASSWORD_BYTES..=MAX_PASSWORD_BYTES => Ok(()),
        ..MIN_PASSWORD_BYTES => Err(format!("must have at least {MIN_PASSWORD_BYTES} characters")),
        _ => Err(format!("must have at most {MAX_PASSWORD_BYTES} bytes")),
    }
}
