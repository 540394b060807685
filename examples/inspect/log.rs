//! The user's log, read from its beginning, page by page.

use std::collections::HashMap;

use tidelog_client::{Cursor, Device, PullFilter, PulledPage, SyncKitClient, VerifyReport};
use uuid::Uuid;

use crate::failure::Result;

/// The log, through the inspector's own device.
pub(crate) struct Log<'c> {
    client: &'c SyncKitClient,
    device: Uuid,
    names: HashMap<Uuid, String>,
}

/// What a reading came across besides changes.
#[derive(Default)]
pub(crate) struct Oddities {
    quarantined: usize,
    evidence: usize,
}

impl<'c> Log<'c> {
    /// The log that `device` may pull; `devices` have the names of those that wrote it.
    pub(crate) fn new(client: &'c SyncKitClient, device: Uuid, devices: &[Device]) -> Self {
        let names = devices.iter().map(|device| (device.id, device.device_name.clone())).collect();
        Self { client, device, names }
    }

    /// The name of a device; `None` if it was removed.
    pub(crate) fn name_of(&self, device: Uuid) -> Option<&str> {
        self.names.get(&device).map(String::as_str)
    }

    /// Reads all of it. Nothing is filtered out on the server, even if one table would do: only whole pages show what was
    /// left out of them or repeated.
    pub(crate) async fn read(&self, mut each_page: impl FnMut(PulledPage)) -> Result<Oddities> {
        let (mut oddities, mut cursor, mut has_more) = (Oddities::default(), Cursor::Start, true);
        while has_more {
            let page = self.client.pull_page(self.device, cursor, PullFilter::default()).await?;
            (cursor, has_more) = (page.cursor, page.has_more);
            oddities.quarantined += page.quarantined.len();
            oddities.evidence += page.evidence.len();
            each_page(page);
        }
        Ok(oddities)
    }

    /// Goes through all of it once more, and compares with what was read.
    pub(crate) async fn verify(&self) -> Result<VerifyReport> {
        Ok(self.client.verify(self.device).await?)
    }
}

impl Oddities {
    /// What a person should know who did not ask about them.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let quarantined = (self.quarantined > 0)
            .then(|| format!("warning: entries kept apart: {}, see `quarantined`", self.quarantined));
        let evidence = (self.evidence > 0)
            .then(|| "warning: something speaks against the server, see `verify`".to_owned());
        quarantined.into_iter().chain(evidence).collect()
    }
}
