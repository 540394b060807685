//! The installations of an app among which a user's changes travel.

use tidelog_protocol::{Device, Platform, RegisterDeviceRequest};
use uuid::Uuid;

use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError};

impl SyncKitClient {
    /// Registers this installation, or finds it again by its name.
    ///
    /// `device_name` has 1 to 255 characters; `platform` is macos, windows, linux, ios, android or web.
    ///
    /// # Errors
    /// [`SyncKitError::InvalidField`] for a bad name or platform, and those of every request.
    pub async fn register_device(&self, device_name: &str, platform: &str) -> Result<Device> {
        self.register(device_name, platform, None).await
    }

    /// Like [`register_device`](Self::register_device), for apps that keep an id of their installation: two installations
    /// of one name are then two devices.
    ///
    /// # Errors
    /// As there.
    pub async fn register_device_with_install_id(
        &self,
        device_name: &str,
        platform: &str,
        install_id: Uuid,
    ) -> Result<Device> {
        self.register(device_name, platform, Some(install_id)).await
    }

    /// The user's devices in this app.
    ///
    /// # Errors
    /// Those of every request.
    pub async fn devices(&self) -> Result<Vec<Device>> {
        self.fetch(&Request::get("/devices")).await
    }

    /// The same as [`devices`](Self::devices).
    ///
    /// # Errors
    /// Those of every request.
    pub async fn list_devices(&self) -> Result<Vec<Device>> {
        self.devices().await
    }

    /// Removes a device: it can push and pull no more, and its sessions end. What it pushed stays.
    ///
    /// # Errors
    /// [`SyncKitError::NotFound`] if the user has no such device.
    pub async fn remove_device(&self, device_id: Uuid) -> Result<()> {
        self.send(&Request::delete(format!("/devices/{device_id}"))).await.map(drop)
    }

    async fn register(&self, device_name: &str, platform: &str, install_id: Option<Uuid>) -> Result<Device> {
        platform.parse::<Platform>().map_err(|reason| SyncKitError::InvalidField {
            field: "platform".to_owned(),
            reason: reason.to_string(),
        })?;
        let body = RegisterDeviceRequest {
            device_name: device_name.to_owned(),
            platform: platform.to_owned(),
            install_id,
        };
        self.fetch(&Request::post("/devices", &body)?).await
    }
}
