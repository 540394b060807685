//! How an app chooses the outcome of conflicts: rows that were written on two devices, neither of which had seen the
//! other's write.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::values::row::Row;
use super::values::row_key::RowKey;

/// How conflicts in a table are resolved.
#[derive(Clone, Default)]
pub enum Rule {
    /// The row that was written last wins, as a whole. A deletion counts as a write.
    #[default]
    ByRow,
    /// In each column, the value that was written last wins. A deletion wins if no column was written later.
    ByColumn,
    /// The app decides.
    ByApp(ConflictHandler),
}

/// Resolves one conflict. It runs inside a transaction on the app's database, on a thread that may block; it must not
/// write to that database.
pub type ConflictHandler = Arc<dyn Fn(&Conflict<'_>) -> Resolution + Send + Sync>;

impl Rule {
    /// The app decides, with this function.
    pub fn by_app(handler: impl Fn(&Conflict<'_>) -> Resolution + Send + Sync + 'static) -> Self {
        Self::ByApp(Arc::new(handler))
    }

    pub(super) fn is_by_column(&self) -> bool {
        matches!(self, Self::ByColumn)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::ByRow => "ByRow",
            Self::ByColumn => "ByColumn",
            Self::ByApp(_) => "ByApp",
        })
    }
}

/// A row that was written here and on another device.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Conflict<'a> {
    /// The table's name in the app's database.
    pub table: &'a str,
    /// The row's key.
    pub key: &'a RowKey,
    /// The row here; `None` if it was deleted.
    pub local: Option<&'a Row>,
    /// The row as the other device wrote it; `None` if it was deleted.
    pub remote: Option<&'a Row>,
    /// When it was written here.
    pub local_time: DateTime<Utc>,
    /// When the other device wrote it.
    pub remote_time: DateTime<Utc>,
}

/// The outcome of a conflict.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolution {
    /// Keeps the row as it is here, and pushes it.
    KeepLocal,
    /// Takes what the other device wrote.
    TakeRemote,
    /// Writes this row, and pushes it. Columns that it does not name keep their local values.
    Merge(Row),
}
