//! Reads the user's log from its start, page by page.

use std::collections::HashMap;

use tidelog_client::{Cursor, Device, PullFilter, PulledPage, SyncKitClient, VerifyReport};
use uuid::Uuid;

use crate::error::Result;

/// The log, pulled as the inspector's own device.
pub(crate) struct Log<'c> {
    client: &'c SyncKitClient,
    device: Uuid,
    names: HashMap<Uuid, String>,
}

/// What a scan found in addition to changes.
#[derive(Default)]
pub(crate) struct LogIssues {
    quarantined: usize,
    evidence: usize,
}

impl<'c> Log<'c> {
    /// The log as pulled by `device`; `devices` are those that wrote it.
    pub(crate) fn new(client: &'c SyncKitClient, device: Uuid, devices: &[Device]) -> Self {
        let names = devices.iter().map(|device| (device.id, device.device_name.clone())).collect();
        Self { client, device, names }
    }

    /// The name of a device; `None` if it was removed.
    pub(crate) fn name_of(&self, device: Uuid) -> Option<&str> {
        self.names.get(&device).map(String::as_str)
    }

    /// Reads the whole log. The server filters nothing, even if one table would be enough: only complete pages show
    /// whether entries are missing or repeated.
    pub(crate) async fn read(&self, mut each_page: impl FnMut(PulledPage)) -> Result<LogIssues> {
        let (mut issues, mut cursor, mut has_more) = (LogIssues::default(), Cursor::Start, true);
        while has_more {
            let page = self.client.pull_page(self.device, cursor, PullFilter::default()).await?;
            (cursor, has_more) = (page.cursor, page.has_more);
            issues.quarantined += page.quarantined.len();
            issues.evidence += page.evidence.len();
            each_page(page);
        }
        Ok(issues)
    }

    /// Reads the whole log once more, and compares it with what was read before.
    pub(crate) async fn verify(&self) -> Result<VerifyReport> {
        Ok(self.client.verify(self.device).await?)
    }
}

impl LogIssues {
    /// Warnings for the output of other commands.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let quarantined = (self.quarantined > 0)
            .then(|| format!("warning: quarantined entries: {}, see `quarantined`", self.quarantined));
        let evidence = (self.evidence > 0)
            .then(|| "warning: there is evidence against the server, see `verify`".to_owned());
        quarantined.into_iter().chain(evidence).collect()
    }
}
