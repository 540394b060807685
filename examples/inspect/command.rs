//! What the inspector can be asked.

use tidelog_client::{Device, StatusResponse};

use crate::answer::Answer;
use crate::columns::Style;
use crate::log::Log;
use crate::{Result, devices, history, overview, quarantined, rows, status, tables, verify};

/// A question about the user's log.
#[derive(Clone, clap::Subcommand)]
pub(crate) enum Command {
    /// Everything below but rows and their history, in short (the default)
    Overview,
    /// How much the log holds; needs no passphrase
    Status,
    /// The devices among which changes travel; needs no passphrase
    Devices,
    /// The tables: rows, deleted rows, entries, newest change
    Tables,
    /// The rows of a table, each as its newest entry in the log has it
    Rows {
        /// The table
        table: String,
        /// Show the deleted rows too
        #[arg(long)]
        deleted: bool,
    },
    /// Every entry of a row, field by field, with what changed: + added, ~ changed, - gone
    #[command(visible_alias = "row")]
    History {
        /// The row's table
        table: String,
        /// The row
        row: String,
    },
    /// The entries that do not open or are not to be trusted: devices keep them apart and do not apply them
    Quarantined,
    /// Go through the whole log and look for what speaks against the server
    Verify,
}

/// What there is to know without reading the log.
pub(crate) struct Surroundings {
    /// The devices; not the inspector's own.
    pub(crate) devices: Vec<Device>,
    pub(crate) status: StatusResponse,
}

impl Command {
    /// Whether it takes the passphrase, and a device of its own.
    pub(crate) fn reads_the_log(&self) -> bool {
        !matches!(self, Self::Status | Self::Devices)
    }

    /// Answers without the log; `None` for what needs it.
    pub(crate) fn answer_at_the_door(&self, around: &Surroundings, style: Style) -> Result<Option<Answer>> {
        match self {
            Self::Status => status::answer(&around.status, style).map(Some),
            Self::Devices => devices::answer(&around.devices, style).map(Some),
            _ => Ok(None),
        }
    }

    /// Answers from the log.
    pub(crate) async fn answer(&self, log: &Log<'_>, around: &Surroundings, style: Style) -> Result<Answer> {
        match self {
            Self::Overview => overview::answer(log, around, style).await,
            Self::Status => status::answer(&around.status, style),
            Self::Devices => devices::answer(&around.devices, style),
            Self::Tables => tables::answer(log, style).await,
            Self::Rows { table, deleted } => rows::answer(log, table, *deleted, style).await,
            Self::History { table, row } => history::answer(log, table, row, style).await,
            Self::Quarantined => quarantined::answer(log, style).await,
            Self::Verify => verify::answer(log, style).await,
        }
    }
}
