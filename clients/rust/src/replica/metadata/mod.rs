//! What the replica keeps in the app's database, next to the app's own tables: one file per table of `schema.sql`.
//! Nothing here reads or writes the app's tables.

pub(crate) mod clock;
pub(crate) mod dirty_columns;
pub(crate) mod dirty_rows;
pub(crate) mod outbox;
pub(crate) mod problems;
pub(crate) mod row_versions;
pub(crate) mod schema;
pub(crate) mod state;
pub(crate) mod synced_tables;
pub(crate) mod tombstones;
