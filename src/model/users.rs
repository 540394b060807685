//! Users, and rules for their emails and passwords.

use tidelog_protocol::limits::{MAX_EMAIL_BYTES, MAX_PASSWORD_BYTES, MIN_PASSWORD_BYTES};
use uuid::Uuid;

/// A user, as operators see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub id: Uuid,
    /// In the form of [`normalize_email`]; `None`: an issuer signs this user in.
    pub email: Option<String>,
    /// May administer this server.
    pub admin: bool,
    /// Microseconds since 1970; `None`: may sign in.
    pub disabled_at: Option<i64>,
    /// Microseconds since 1970.
    pub created_at: i64,
}

/// The form in which emails are stored and compared: trimmed and lower-cased.
///
/// # Errors
/// Why this is not an email address. Only what every address must have is checked, not whether it exists.
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

/// Checks a new password.
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
