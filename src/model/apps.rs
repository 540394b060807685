//! Apps: the programs that sync through this server.

use tidelog_protocol::CursorFormat;
use uuid::Uuid;

use super::blobs::HashRule;
use super::{origins, redirects};

/// Bytes of an app's picture, at most.
pub const MAX_ICON_BYTES: usize = 32 * 1024;
/// Redirects of one app, at most.
const MAX_REDIRECTS: usize = 50;

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
    /// Where browsers may be sent back to after a sign-in, besides the person's own machine.
    pub redirects: Vec<String>,
    /// Web pages that may call the API for it.
    pub origins: Vec<String>,
    /// How the app looks where people sign in to it.
    pub look: Look,
}

/// How an app looks on the pages where people sign in to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// `#rrggbb`; `None`: Tidelog's.
    pub color: Option<String>,
    /// A picture.
    pub icon: Option<Icon>,
}

/// A picture. Its media type is what its first bytes say, whatever anybody called it.
#[derive(Clone, PartialEq, Eq)]
pub struct Icon {
    /// `image/png`, `image/jpeg` or `image/webp`. None that could hold a program.
    pub media_type: String,
    /// The file.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Icon {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}, {} bytes", self.media_type, self.bytes.len())
    }
}

impl Icon {
    /// The picture in a file.
    ///
    /// # Errors
    /// A sentence that says why it is none that can be shown.
    pub fn of_file(bytes: Vec<u8>) -> Result<Self, String> {
        if bytes.len() > MAX_ICON_BYTES {
            return Err(format!("an icon has at most {MAX_ICON_BYTES} bytes, this one has {}", bytes.len()));
        }
        let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
        let media_type = match bytes.as_slice() {
            [0x89, b'P', b'N', b'G', ..] => "image/png",
            [0xFF, 0xD8, 0xFF, ..] => "image/jpeg",
            _ if is_webp => "image/webp",
            _ => return Err("an icon is a PNG, JPEG or WebP picture".into()),
        };
        Ok(Self { media_type: media_type.into(), bytes })
    }
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
            Some(("redirects", list)) => self.redirects = redirects_of(list)?,
            Some(("cors", list)) => self.origins = origins::of_list(list)?,
            Some(("color", color)) => self.look.color = color_of(color)?,
            // The command line sends what the file holds, not its name.
            Some(("icon", "")) => self.look.icon = None,
            Some(("icon", base64)) => {
                let bytes = data_encoding::BASE64.decode(base64.as_bytes());
                let bytes = bytes.map_err(|_| "an icon is given as a file".to_owned())?;
                self.look.icon = Some(Icon::of_file(bytes)?);
            }
            Some((key, _)) => {
                return Err(format!(
                    "an app has no setting {key:?}; it has cursor_format, blob_hash, redirects, cors, color and icon"
                ));
            }
            None => return Err(format!("{assignment:?} is not KEY=VALUE")),
        }
        Ok(())
    }
}

fn redirects_of(list: &str) -> Result<Vec<String>, String> {
    let mut all: Vec<String> =
        list.split(',').map(str::trim).filter(|uri| !uri.is_empty()).map(Into::into).collect();
    all.sort();
    all.dedup();
    if all.len() > MAX_REDIRECTS {
        return Err(format!("an app has at most {MAX_REDIRECTS} redirects"));
    }
    all.iter().try_for_each(|uri| redirects::check(uri))?;
    Ok(all)
}

fn color_of(color: &str) -> Result<Option<String>, String> {
    let is_hex = |digits: &str| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    match color.strip_prefix('#') {
        _ if color.is_empty() => Ok(None),
        Some(digits) if is_hex(digits) => Ok(Some(color.to_lowercase())),
        _ => Err(format!("color is #rrggbb, not {color:?}")),
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
