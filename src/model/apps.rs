//! Apps: the programs that sync through this server.

use tidelog_protocol::CursorFormat;
use uuid::Uuid;

use super::blobs::HashRule;

/// Longest name of an app, in characters.
pub const MAX_NAME_CHARS: usize = 100;

/// An app, as an operator sees it. Its API key is kept only as a hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Names the app for ever.
    pub id: Uuid,
    /// What the operator calls it.
    pub name: String,
    /// Its settings.
    pub settings: AppSettings,
    /// Microseconds since 1970.
    pub created_at: i64,
}

/// What an operator may set on an app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppSettings {
    /// How its clients receive cursors.
    pub cursor_format: CursorFormat,
    /// What a blob's name must be.
    pub blob_hash: HashRule,
}

impl AppSettings {
    /// Applies one `KEY=VALUE` assignment.
    ///
    /// # Errors
    /// A sentence that names the unknown setting, or the values that it takes.
    pub fn assign(&mut self, assignment: &str) -> Result<(), String> {
        match assignment.split_once('=') {
            Some(("cursor_format", "string")) => self.cursor_format = CursorFormat::String,
            Some(("cursor_format", "number")) => self.cursor_format = CursorFormat::Number,
            Some(("cursor_format", value)) => {
                return Err(format!("cursor_format is string or number, not {value:?}"));
            }
            Some(("blob_hash", value)) => {
                self.blob_hash = HashRule::from_name(value)
                    .ok_or_else(|| format!("blob_hash is any or verified, not {value:?}"))?;
            }
            Some((key, _)) => {
                return Err(format!("an app has no setting {key:?}; it has cursor_format and blob_hash"));
            }
            None => return Err(format!("{assignment:?} is not KEY=VALUE")),
        }
        Ok(())
    }
}

/// Whether an app may be called this.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn check_name(name: &str) -> Result<(), String> {
    let chars = name.chars().count();
    if chars == 0 || chars > MAX_NAME_CHARS {
        return Err(format!("an app's name has 1 to {MAX_NAME_CHARS} characters, this one has {chars}"));
    }
    if name.chars().any(char::is_control) {
        return Err("an app's name has no control characters".into());
    }
    Ok(())
}
