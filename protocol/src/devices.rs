//! Devices: the installations of an app that push to a log and pull from it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;
#[cfg(feature = "schema")]
use crate::limits::MAX_DEVICE_NAME_CHARS;

/// The operating system of a device, or `web`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(transform = crate::schema_parts::plain_enum))]
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
    /// All platforms.
    pub const ALL: [Self; 6] = [Self::Macos, Self::Windows, Self::Linux, Self::Ios, Self::Android, Self::Web];

    /// Returns the platform's name on the wire.
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

/// The error for text that is not the name of a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownPlatform;

impl fmt::Display for UnknownPlatform {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("must be one of macos, windows, linux, ios, android, web")
    }
}

impl std::error::Error for UnknownPlatform {}

/// The body of `POST /devices`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegisterDeviceRequest {
    /// The name that the user gives the device; no control characters.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_DEVICE_NAME_CHARS)))]
    pub device_name: String,
    /// The device's operating system, a [`Platform`].
    #[cfg_attr(feature = "schema", schemars(with = "Platform", description = ""))]
    pub platform: String,
    /// Made once per installation. With it, two installations of one name are two devices, and the second gets a
    /// suffix such as ` (2)`. Without it, the name alone identifies the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install_id: Option<Uuid>,
}

/// A registered device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Device {
    /// The device's id, for pushes and pulls.
    pub id: Uuid,
    /// The app that it belongs to.
    pub app_id: Uuid,
    /// The user that it belongs to.
    pub user_id: Uuid,
    /// The name that the user gave it, with a suffix where the name was taken.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = MAX_DEVICE_NAME_CHARS)))]
    pub device_name: String,
    /// The device's operating system.
    pub platform: Platform,
    /// When it was first registered.
    pub created_at: Timestamp,
    /// When it was last registered, pushed or pulled. May lag behind by a minute.
    pub last_seen_at: Timestamp,
}
