//! Apps: the programs that sync through this server.

use tidelog_protocol::CursorFormat;
use uuid::Uuid;

use super::blobs::HashRule;
use super::{origins, redirects};

/// Largest icon, in bytes.
pub const MAX_ICON_BYTES: usize = 32 * 1024;
/// Redirect URIs of one app, at most.
const MAX_REDIRECTS: usize = 50;

/// Longest name of an app, in characters.
pub const MAX_NAME_CHARS: usize = 100;

/// An app, as operators see it. Its API key is stored as a hash only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// The app's id.
    pub id: Uuid,
    /// Chosen by the operator.
    pub name: String,
    /// What operators can configure.
    pub settings: AppSettings,
    /// Microseconds since 1970.
    pub created_at: i64,
}

/// The settings of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppSettings {
    /// How its clients receive cursors.
    pub cursor_format: CursorFormat,
    /// Whether blobs must hash to their names.
    pub blob_hash: HashRule,
    /// Where browsers may be redirected to after a sign-in, besides loopback URIs.
    pub redirects: Vec<String>,
    /// Origins whose web pages may call the API for it.
    pub origins: Vec<String>,
    /// How the sign-in pages look for this app.
    pub branding: Branding,
}

/// How the sign-in pages look for an app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Branding {
    /// `#rrggbb`; `None`: the default color.
    pub color: Option<String>,
    /// The app's icon.
    pub icon: Option<Icon>,
}

/// An image. Its media type is detected from its first bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Icon {
    /// `image/png`, `image/jpeg` or `image/webp`: no type that can contain scripts.
    pub media_type: String,
    /// The content of the file.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Icon {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}, {} bytes", self.media_type, self.bytes.len())
    }
}

impl Icon {
    /// The icon in a file.
    ///
    /// # Errors
    /// Why the file is not accepted.
    pub fn from_file(bytes: Vec<u8>) -> Result<Self, String> {
        if bytes.len() > MAX_ICON_BYTES {
            return Err(format!(
                "an icon can have at most {MAX_ICON_BYTES} bytes; this one has {}",
                bytes.len()
            ));
        }
        let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
        let media_type = match bytes.as_slice() {
            [0x89, b'P', b'N', b'G', ..] => "image/png",
            [0xFF, 0xD8, 0xFF, ..] => "image/jpeg",
            _ if is_webp => "image/webp",
            _ => return Err("an icon must be a PNG, JPEG or WebP image".into()),
        };
        Ok(Self { media_type: media_type.into(), bytes })
    }
}

impl AppSettings {
    /// Applies one `KEY=VALUE` assignment.
    ///
    /// # Errors
    /// Which setting is unknown, or which values it accepts.
    pub fn assign(&mut self, assignment: &str) -> Result<(), String> {
        match assignment.split_once('=') {
            Some(("cursor_format", "string")) => self.cursor_format = CursorFormat::String,
            Some(("cursor_format", "number")) => self.cursor_format = CursorFormat::Number,
            Some(("cursor_format", value)) => {
                return Err(format!("cursor_format must be string or number, not {value:?}"));
            }
            Some(("blob_hash", value)) => {
                self.blob_hash = HashRule::from_name(value)
                    .ok_or_else(|| format!("blob_hash must be any or verified, not {value:?}"))?;
            }
            Some(("redirects", list)) => self.redirects = redirects_of(list)?,
            Some(("cors", list)) => self.origins = origins::parse_list(list)?,
            Some(("color", color)) => self.branding.color = color_of(color)?,
            // The command line sends the content of the file, not its name.
            Some(("icon", "")) => self.branding.icon = None,
            Some(("icon", base64)) => {
                let bytes = data_encoding::BASE64.decode(base64.as_bytes());
                let bytes = bytes.map_err(|_| "an icon must be given as a file".to_owned())?;
                self.branding.icon = Some(Icon::from_file(bytes)?);
            }
            Some((key, _)) => {
                return Err(format!(
                    "unknown setting {key:?}; an app has cursor_format, blob_hash, redirects, cors, color and icon"
                ));
            }
            None => return Err(format!("{assignment:?} is not KEY=VALUE")),
        }
        Ok(())
    }
}

/// The name of a cursor format in the database.
pub fn cursor_format_name(format: CursorFormat) -> &'static str {
    match format {
        CursorFormat::String => "string",
        CursorFormat::Number => "number",
    }
}

/// The cursor format of this name.
pub fn cursor_format_from_name(name: &str) -> CursorFormat {
    match name == cursor_format_name(CursorFormat::Number) {
        true => CursorFormat::Number,
        false => CursorFormat::String,
    }
}

fn redirects_of(list: &str) -> Result<Vec<String>, String> {
    let mut all: Vec<String> =
        list.split(',').map(str::trim).filter(|uri| !uri.is_empty()).map(Into::into).collect();
    all.sort();
    all.dedup();
    if all.len() > MAX_REDIRECTS {
        return Err(format!("an app can have at most {MAX_REDIRECTS} redirects"));
    }
    all.iter().try_for_each(|uri| redirects::check(uri))?;
    Ok(all)
}

fn color_of(color: &str) -> Result<Option<String>, String> {
    let is_hex = |digits: &str| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    match color.strip_prefix('#') {
        _ if color.is_empty() => Ok(None),
        Some(digits) if is_hex(digits) => Ok(Some(color.to_lowercase())),
        _ => Err(format!("color must be #rrggbb, not {color:?}")),
    }
}

/// Checks the name of an app.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), String> {
    let chars = name.chars().count();
    if chars == 0 || chars > MAX_NAME_CHARS {
        return Err(format!(
            "the name of an app must have 1 to {MAX_NAME_CHARS} characters; this one has {chars}"
        ));
    }
    if name.chars().any(char::is_control) {
        return Err("the name of an app must not contain control characters".into());
    }
    Ok(())
}
