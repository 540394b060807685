//! `tidelog config`.

use super::args::GlobalArgs;
use super::output::BoxError;

/// Shows every setting and where it comes from.
pub(super) fn run(global: &GlobalArgs) -> Result<(), BoxError> {
    let (_, effective) = global.settings(Vec::new())?;
    global.output().answer(&effective)
}
