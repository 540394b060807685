//! A summary of everything. Reads the log twice: once for its contents, and once to verify it, also against the first
//! time.

use serde::Serialize;
use tidelog_client::StatusResponse;

use crate::columns::Style;
use crate::command::AccountInfo;
use crate::devices::{self, DeviceInfo};
use crate::error::Result;
use crate::log::Log;
use crate::output::Output;
use crate::quarantined::{self, Quarantined};
use crate::status;
use crate::tables::{self, Table, TableCounts};
use crate::verify::{self, Report};

#[derive(Serialize)]
struct Overview<'s> {
    status: &'s StatusResponse,
    devices: Vec<DeviceInfo>,
    tables: Vec<Table>,
    quarantined: Vec<Quarantined>,
    verify: Report,
}

/// `overview`
pub(crate) async fn run(log: &Log<'_>, account: &AccountInfo, style: Style) -> Result<Output> {
    let (mut counts, mut quarantined) = (TableCounts::default(), Vec::new());
    log.read(|page| {
        counts.count(&page.changes);
        quarantined.extend(page.quarantined.into_iter().map(|entry| Quarantined::new(entry, log)));
    })
    .await?;
    let found = Overview {
        status: &account.status,
        devices: devices::device_infos(&account.devices),
        tables: counts.tables(),
        quarantined,
        verify: log.verify().await?.into(),
    };
    Ok(Output::new(&found, found.show(style))?.with_evidence(!found.verify.is_clean()))
}

impl Overview<'_> {
    fn show(&self, style: Style) -> String {
        let parts = [
            ("Log", status::show(self.status, style)),
            ("Devices", devices::show(&self.devices, style)),
            ("Tables", tables::show(&self.tables, style)),
            ("Quarantined", quarantined::show(&self.quarantined, style)),
            ("Verification", verify::show(&self.verify, style)),
        ];
        let titled = parts.map(|(title, content)| style.heading(&format!("== {title}")) + &content);
        titled.join("\n")
    }
}
