//! Flags of every command, and the settings that they lead to.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::output::Output;
use crate::config::{ConfigError, EffectiveSetting, Settings, Sources, load};

/// Heading of these flags in help texts.
const HEADING: &str = "Global options";

#[derive(Args)]
pub(super) struct GlobalArgs {
    /// Data folder [default: ./data]
    #[arg(long, global = true, help_heading = HEADING, value_name = "DIR")]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(super) data: Option<String>,
    /// Settings file
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long, global = true, help_heading = HEADING)]
    pub(super) json: bool,
}

impl GlobalArgs {
    /// The settings, with these flags on top.
    pub(super) fn settings(
        &self,
        mut flags: Vec<(&'static str, String)>,
    ) -> Result<(Settings, Vec<EffectiveSetting>), ConfigError> {
        flags.extend(self.data.clone().map(|data| ("data", data)));
        load(&Sources::from_process(self.config.clone(), flags)?)
    }

    pub(super) fn output(&self) -> Output {
        Output { json: self.json }
    }
}
