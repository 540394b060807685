//! `tidelog sweep`.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, CommandError, answer};
use super::context::CommandContext;

/// Sweeps the blob store.
#[derive(Args, Serialize, Deserialize)]
pub struct SweepCommand {
    /// Print what would be deleted, without deleting it
    #[arg(long)]
    pub dry_run: bool,
}

impl SweepCommand {
    pub(super) async fn execute(self, context: &CommandContext) -> Answer {
        let missing = || CommandError::Refused("this server stores no blobs".into());
        let sweeper = context.sweeper.as_ref().ok_or_else(missing)?;
        answer(if self.dry_run { sweeper.dry_run().await? } else { sweeper.sweep_all().await? })
    }
}
