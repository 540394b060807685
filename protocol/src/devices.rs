//! The installations of an app among which a user's changes travel.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;

/// What a device runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// macOS.
    Macos,
    /// Windows.
    Windows,
    /// Linux and other Unixes.
    Linux,
    /// iOS and iPadOS.
    Ios,
    /// Android.
    Android,
    /// A browser.
    Web,
}

impl Platform {
    /// Every platform.
    pub const ALL: [Self; 6] = [Self::Macos, Self::Windows, Self::Linux, Self::Ios, Self::Android, Self::Web];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Macos => "macos",
            Self::Windows => "windows",
            Self::Linux => "linux",
            Self::Ios => "ios",
            Self::Android => "android",
            Self::Web => "web",
        }
    }
}

impl FromStr for Platform {
    type Err = UnknownPlatform;

    fn from_str(text: &str) -> Result<Self, UnknownPlatform> {
        Self::ALL.into_iter().find(|platform| platform.as_str() == text).ok_or(UnknownPlatform)
    }
}

/// Text that names no platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownPlatform;

impl fmt::Display for UnknownPlatform {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("must be one of macos, windows, linux, ios, android, web")
    }
}

impl std::error::Error for UnknownPlatform {}

/// `POST /devices`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RegisterDeviceRequest {
    /// What the user calls this device.
    pub device_name: String,
    /// What it runs on; see [`Platform`].
    pub platform: String,
    /// Tells two installations of one name apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install_id: Option<Uuid>,
}

/// A registered device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Names the device in pushes and pulls.
    pub id: Uuid,
    /// The app it belongs to.
    pub app_id: Uuid,
    /// The user it belongs to.
    pub user_id: Uuid,
    /// What the user calls it.
    pub device_name: String,
    /// What it runs on.
    pub platform: Platform,
    /// When it was first registered.
    pub created_at: Timestamp,
    /// When it was last registered, pushed or pulled; written lazily, so it may lag by a minute.
    pub last_seen_at: Timestamp,
}
