//! The commands of the inspector.

use tidelog_client::{Device, StatusResponse};

use crate::columns::Style;
use crate::log::Log;
use crate::output::Output;
use crate::{Result, devices, history, overview, quarantined, rows, status, tables, verify};

/// A query about the user's log.
#[derive(Clone, clap::Subcommand)]
pub(crate) enum Command {
    /// A summary of everything except rows and their history (the default)
    Overview,
    /// The size of the log; needs no passphrase
    Status,
    /// The user's devices; needs no passphrase
    Devices,
    /// The tables: rows, deleted rows, entries, newest change
    Tables,
    /// The rows of a table, each as in its newest log entry
    Rows {
        /// The table
        table: String,
        /// Show the deleted rows too
        #[arg(long)]
        deleted: bool,
    },
    /// Every entry of a row, with what changed in each field: + added, ~ changed, - removed
    #[command(visible_alias = "row")]
    History {
        /// The row's table
        table: String,
        /// The row
        row: String,
    },
    /// Entries that cannot be decrypted or verified, which devices therefore do not apply
    Quarantined,
    /// Check the whole log for evidence against the server
    Verify,
}

/// What is known without reading the log.
pub(crate) struct AccountInfo {
    /// The devices, without the inspector's own.
    pub(crate) devices: Vec<Device>,
    pub(crate) status: StatusResponse,
}

impl Command {
    /// Whether the command reads the log, for which it needs the passphrase and a device.
    pub(crate) fn needs_log(&self) -> bool {
        !matches!(self, Self::Status | Self::Devices)
    }

    /// Runs a command that does not need the log; `None` for the others.
    pub(crate) fn run_without_log(&self, account: &AccountInfo, style: Style) -> Result<Option<Output>> {
        match self {
            Self::Status => status::run(&account.status, style).map(Some),
            Self::Devices => devices::run(&account.devices, style).map(Some),
            _ => Ok(None),
        }
    }

    /// Runs a command with the log.
    pub(crate) async fn run(&self, log: &Log<'_>, account: &AccountInfo, style: Style) -> Result<Output> {
        match self {
            Self::Overview => overview::run(log, account, style).await,
            Self::Status => status::run(&account.status, style),
            Self::Devices => devices::run(&account.devices, style),
            Self::Tables => tables::run(log, style).await,
            Self::Rows { table, deleted } => rows::run(log, table, *deleted, style).await,
            Self::History { table, row } => history::run(log, table, row, style).await,
            Self::Quarantined => quarantined::run(log, style).await,
            Self::Verify => verify::run(log, style).await,
        }
    }
}
