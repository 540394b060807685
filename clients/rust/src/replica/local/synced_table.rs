//! How an app names a table to sync.

use crate::replica::rule::Rule;

/// A table to sync, and how its conflicts are resolved. A plain name stands for a table with [`Rule::ByRow`].
#[derive(Clone, Debug)]
pub struct SyncedTable {
    pub(super) name: String,
    pub(super) wire_name: Option<String>,
    pub(super) rule: Rule,
}

impl SyncedTable {
    /// The table with this name in the app's database.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), wire_name: None, rule: Rule::default() }
    }

    /// Resolves conflicts by this rule.
    #[must_use]
    pub fn settled_by(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    /// Uses this name on the wire: 1 to 100 characters of `[A-Za-z0-9_]`, the same on all devices. Needed if the
    /// table's own name has other characters.
    #[must_use]
    pub fn known_as(mut self, wire_name: impl Into<String>) -> Self {
        self.wire_name = Some(wire_name.into());
        self
    }
}

impl<T: Into<String>> From<T> for SyncedTable {
    fn from(name: T) -> Self {
        Self::new(name)
    }
}
