//! The user's devices: the installations of an app that sync with each other.

use tidelog_protocol::{Device, Platform, RegisterDeviceRequest};
use uuid::Uuid;

use crate::transport::Request;
use crate::{Result, SyncKitClient, SyncKitError};

impl SyncKitClient {
    /// Registers this installation as a device, or returns the device that already has this name.
    ///
    /// `device_name` has 1 to 255 characters; `platform` is macos, windows, linux, ios, android or web.
    ///
    /// # Errors
    /// [`SyncKitError::InvalidField`] for a bad name or platform, and those of every request.
    pub async fn register_device(&self, device_name: &str, platform: &str) -> Result<Device> {
        self.register(device_name, platform, None).await
    }

    /// Like [`register_device`](Self::register_device), for apps that store an id of their installation: two
    /// installations with the same name are then two devices.
    ///
    /// # Errors
    /// Those of [`register_device`](Self::register_device).
    pub async fn register_device_with_install_id(
        &self,
        device_name: &str,
        platform: &str,
        install_id: Uuid,
    ) -> Result<Device> {
        self.register(device_name, platform, Some(install_id)).await
    }

    /// Lists the user's devices in this app.
    ///
    /// # Errors
    /// Those of every request.
    pub async fn devices(&self) -> Result<Vec<Device>> {
        self.fetch(&Request::get("/devices")).await
    }

    /// Revokes a device: it can no longer push or pull, and its sessions end. What it pushed stays.
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
