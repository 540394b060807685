//! The app's own tables: their schema, the triggers that track changes, and access to their rows.

pub(crate) mod app_rows;
pub(crate) mod attachment;
pub(crate) mod database;
pub(crate) mod defaults;
mod dependencies;
pub(crate) mod existing_rows;
pub(crate) mod introspection;
pub(crate) mod rejection;
pub(crate) mod synced_table;
pub(crate) mod table;
pub(crate) mod triggers;
