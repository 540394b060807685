//! `tidelog audit`.

use clap::Args;

use crate::server::commands::Command;

#[derive(Args)]
pub(super) struct Flags {
    /// Only what concerns this account, by its e-mail address or id
    #[arg(long, value_name = "EMAIL")]
    user: Option<String>,
    /// Rows, at most
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

impl Flags {
    pub(super) fn command(self) -> Command {
        Command::Audit { user: self.user, limit: self.limit }
    }
}
