//! The output of a command, for people and for programs.

use serde::Serialize;
use serde_json::Value;

use crate::error::Result;
use crate::text;

/// The output of a command.
pub(crate) struct Output {
    /// The output for people.
    pub(crate) text: String,
    /// The output for programs: an object.
    json: Value,
    /// Warnings for standard error.
    pub(crate) warnings: Vec<String>,
    /// Whether a command that looks for evidence against the server has found some.
    pub(crate) evidence: bool,
}

impl Output {
    /// `content` is the output for programs, `text` the one for people.
    pub(crate) fn new(content: &impl Serialize, text: String) -> Result<Self> {
        Ok(Self { text, json: serde_json::to_value(content)?, warnings: Vec::new(), evidence: false })
    }

    pub(crate) fn with_warnings(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }

    pub(crate) fn with_evidence(self, evidence: bool) -> Self {
        Self { evidence, ..self }
    }

    /// The JSON, one field per line. Characters that could control a terminal are escaped.
    pub(crate) fn json_text(&self) -> String {
        let lines = format!("{:#}\n", self.json);
        lines.split_inclusive('\n').map(text::escape_json_line).collect()
    }
}
