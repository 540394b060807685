//! Who a client is: a user who signs in over HTTP, as any app does, and a device.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::Result;
use crate::content::{DATA_BYTES, PushBody};
use crate::library::PASSWORD;
use crate::server::Server;
use crate::wire::{self, Wire};

/// A user who is signed in.
#[derive(Clone)]
pub(crate) struct Account {
    /// `host:port` of the server.
    pub(crate) address: String,
    /// The device.
    pub(crate) device: Uuid,
    app: String,
    token: String,
}

impl Account {
    /// Signs in and registers a device.
    pub(crate) fn open(server: &Server, email: &str) -> Result<Self> {
        Self::open_on(server, email, "Load")
    }

    /// The same, on the device of this name.
    pub(crate) fn open_on(server: &Server, email: &str, device: &str) -> Result<Self> {
        let (address, api_key) = (server.address(), server.api_key());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let mut wire = Wire::new(wire::connect(address)?)?;
            let sign_in = json!({ "email": email, "password": PASSWORD, "api_key": api_key });
            let pair = ask(&mut wire, address, "/api/sync/auth", None, &sign_in).await?;
            let token = pair["token"].as_str().ok_or("no token")?;
            let app = pair["app_id"].as_str().ok_or("no app")?.to_owned();
            let register = json!({ "device_name": device, "platform": "linux" });
            let device = ask(&mut wire, address, "/api/sync/devices", Some(token), &register).await?;
            let device = device["id"].as_str().ok_or("no device")?.parse()?;
            Ok(Self { address: address.to_owned(), device, app, token: token.to_owned() })
        })
    }

    /// Sends one request on a connection of its own, outside of any runtime.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let mut wire = Wire::new(wire::connect(&self.address)?)?;
            ask(&mut wire, &self.address, path, Some(&self.token), body).await
        })
    }

    /// Fetches something.
    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let mut wire = Wire::new(wire::connect(&self.address)?)?;
            let request = wire::get(&self.address, path, Some(&self.token));
            Ok(serde_json::from_slice(wire.ask(&request).await?)?)
        })
    }

    /// Pushes this many batches of this many fresh changes, one after the other.
    pub(crate) fn push(&self, batches: usize, changes: usize) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let mut wire = Wire::new(wire::connect(&self.address)?)?;
            let body = PushBody::new(self.device, changes, DATA_BYTES)?;
            let head = self.head("/api/sync/push", body.text().len());
            let mut body = body.behind(&head);
            for _ in 0..batches {
                wire.ask(body.next_batch()).await?;
            }
            Ok(())
        })
    }

    /// A request for notifications, of everything beyond a cursor if there is one.
    pub(crate) fn subscribe(&self, cursor: Option<&str>) -> Vec<u8> {
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let path = format!("/api/sync/subscribe?app_id={}{cursor}", self.app);
        wire::get(&self.address, &path, Some(&self.token))
    }

    /// The head of one of this user's requests.
    pub(crate) fn head(&self, path: &str, body_length: usize) -> Vec<u8> {
        wire::head(&self.address, path, Some(&self.token), body_length)
    }
}

async fn ask(wire: &mut Wire, address: &str, path: &str, token: Option<&str>, body: &Value) -> Result<Value> {
    let body = serde_json::to_vec(body)?;
    let request = [wire::head(address, path, token, body.len()), body].concat();
    Ok(serde_json::from_slice(wire.ask(&request).await?)?)
}
