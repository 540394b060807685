//! From pages of the log to the app's tables.

pub(crate) mod conflicts;
pub(crate) mod entries;
pub(crate) mod merge;
pub(crate) mod pages;
pub(crate) mod references;
pub(crate) mod resolve;
pub(crate) mod unique_constraints;
pub(crate) mod unknown_tables;
