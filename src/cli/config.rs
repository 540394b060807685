//! `tidelog config`.

use super::{Common, Failure};

/// Shows every setting with where it came from.
pub(super) fn run(common: &Common) -> Result<(), Failure> {
    let (_, shown) = common.settings(Vec::new())?;
    common.output().answer(&serde_json::to_value(shown)?)
}
