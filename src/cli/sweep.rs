//! `tidelog sweep`.

use clap::Args;

use super::{Common, Failure, ask};
use crate::server::commands::Command;

#[derive(Args)]
pub(super) struct Flags {
    /// Only tell what would be deleted
    #[arg(long)]
    dry_run: bool,
}

/// Sweeps, or only looks.
pub(super) async fn run(common: &Common, flags: Flags) -> Result<(), Failure> {
    let answer = ask::ask(common, Command::Sweep { dry_run: flags.dry_run }).await?;
    common.output().answer(&answer)?;
    if answer["missing_objects"] == 0 { Ok(()) } else { Err("blobs have lost their bytes".into()) }
}
