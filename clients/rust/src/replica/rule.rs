//! What happens where a row was written here and on another device, and neither knew of the other.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::values::row::Row;
use super::values::row_key::RowKey;

/// How the conflicts of a table are settled.
#[derive(Clone, Default)]
pub enum Rule {
    /// The row that was written last counts, as a whole. A deletion counts as a write.
    #[default]
    ByRow,
    /// Of each column, what was written last counts. A deletion counts if no column was written later.
    ByColumn,
    /// The app decides.
    ByApp(Decide),
}

/// Settles one conflict. It runs inside a transaction on the app's database, on a thread that may block; it must not write to
/// that database itself.
pub type Decide = Arc<dyn Fn(&Conflict<'_>) -> Resolution + Send + Sync>;

impl Rule {
    /// The app decides.
    pub fn by_app(decide: impl Fn(&Conflict<'_>) -> Resolution + Send + Sync + 'static) -> Self {
        Self::ByApp(Arc::new(decide))
    }

    pub(crate) fn is_by_column(&self) -> bool {
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

/// A row that was written on both sides.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Conflict<'a> {
    /// The table, by its name in the app's database.
    pub table: &'a str,
    /// The row's key.
    pub key: &'a RowKey,
    /// The row here; `None` if it was deleted.
    pub local: Option<&'a Row>,
    /// The row as another device wrote it; `None` if it was deleted.
    pub remote: Option<&'a Row>,
    /// When it was written here.
    pub local_time: DateTime<Utc>,
    /// When it was written there.
    pub remote_time: DateTime<Utc>,
}

/// How a conflict ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolution {
    /// The row stays as it is here, and is sent.
    KeepLocal,
    /// The row becomes what the other device wrote.
    TakeRemote,
    /// The row becomes this one, which is sent. Columns that it does not name stay as they are here.
    Merge(Row),
}
