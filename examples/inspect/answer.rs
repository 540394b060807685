//! An answer in its two forms: for people and for programs.

use serde::Serialize;
use serde_json::Value;

use crate::failure::Result;
use crate::text;

/// What a command has found.
pub(crate) struct Answer {
    /// For people.
    pub(crate) text: String,
    /// For programs: an object.
    json: Value,
    /// What people and programs are told on standard error.
    pub(crate) warnings: Vec<String>,
    /// Whether something speaks against the server, and the question was whether anything does.
    pub(crate) evidence: bool,
}

impl Answer {
    /// The answer that `content` is to programs and `text` to people.
    pub(crate) fn new(content: &impl Serialize, text: String) -> Result<Self> {
        Ok(Self { text, json: serde_json::to_value(content)?, warnings: Vec::new(), evidence: false })
    }

    pub(crate) fn with_warnings(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }

    pub(crate) fn with_evidence(self, evidence: bool) -> Self {
        Self { evidence, ..self }
    }

    /// The JSON, a field a line. Characters that could play tricks on a terminal are escaped.
    pub(crate) fn json_text(&self) -> String {
        let lines = format!("{:#}\n", self.json);
        lines.split_inclusive('\n').map(text::escaped_in_json).collect()
    }
}
