//! `tidelog check`.

use serde::{Deserialize, Serialize};

use super::answer::{Answer, answer};
use super::context::CommandContext;

/// What a check of the database found.
#[derive(Serialize, Deserialize)]
pub struct CheckReport {
    /// Whether it is undamaged.
    pub ok: bool,
    /// The damage.
    pub faults: Vec<String>,
}

pub(super) async fn check(context: &CommandContext) -> Answer {
    let faults = context.store.check().await?;
    answer(CheckReport { ok: faults.is_empty(), faults })
}
