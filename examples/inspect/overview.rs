//! Everything at a glance. The log is read twice: once for its content, once to verify it, also against the first time.

use serde::Serialize;
use tidelog_client::StatusResponse;

use crate::answer::Answer;
use crate::columns::Style;
use crate::command::Surroundings;
use crate::devices::{self, Listed};
use crate::failure::Result;
use crate::log::Log;
use crate::quarantined::{self, Quarantined};
use crate::status;
use crate::tables::{self, Table, Tally};
use crate::verify::{self, Report};

#[derive(Serialize)]
struct Overview<'s> {
    status: &'s StatusResponse,
    devices: Vec<Listed>,
    tables: Vec<Table>,
    quarantined: Vec<Quarantined>,
    verify: Report,
}

/// `overview`
pub(crate) async fn answer(log: &Log<'_>, around: &Surroundings, style: Style) -> Result<Answer> {
    let (mut tally, mut quarantined) = (Tally::default(), Vec::new());
    log.read(|page| {
        tally.count(&page.changes);
        quarantined.extend(page.quarantined.into_iter().map(|entry| Quarantined::new(entry, log)));
    })
    .await?;
    let found = Overview {
        status: &around.status,
        devices: devices::listed(&around.devices),
        tables: tally.tables(),
        quarantined,
        verify: log.verify().await?.into(),
    };
    Ok(Answer::new(&found, found.show(style))?.with_evidence(!found.verify.is_clean()))
}

impl Overview<'_> {
    fn show(&self, style: Style) -> String {
        let parts = [
            ("Log", status::show(self.status, style)),
            ("Devices", devices::show(&self.devices, style)),
            ("Tables", tables::show(&self.tables, style)),
            ("Kept apart", quarantined::show(&self.quarantined, style)),
            ("Verification", verify::show(&self.verify, style)),
        ];
        let titled = parts.map(|(title, content)| style.heading(&format!("== {title}")) + &content);
        titled.join("\n")
    }
}
