//! What the replica keeps in the app's database, beside the app's own tables: one file for each noun.

pub(crate) mod clock;
pub(crate) mod dirty_rows;
pub(crate) mod problems;
pub(crate) mod row_versions;
pub(crate) mod schema;
pub(crate) mod state;
pub(crate) mod synced_tables;
pub(crate) mod tombstones;
