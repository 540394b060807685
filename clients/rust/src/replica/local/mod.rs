//! The app's own tables: their schema, their triggers, their rows.

pub(crate) mod app_rows;
pub(crate) mod database;
pub(crate) mod existing;
pub(crate) mod table;
pub(crate) mod triggers;
