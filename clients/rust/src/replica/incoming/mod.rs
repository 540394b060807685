//! From pages of the log to the app's tables.
//!
//! `merge` carries out what the rules decide: `conflicts` for rows that were written on both sides,
//! `unique_constraints` for rows that the database rejects, `reference_repair` for foreign keys.

mod app_triggers;
mod conflicts;
pub(crate) mod entries;
mod merge;
pub(crate) mod pages;
mod reference_repair;
mod references;
mod row_writes;
mod table_writer;
mod unique_constraints;
pub(crate) mod unknown_tables;
