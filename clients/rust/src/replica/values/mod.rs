//! Rows, keys and values, in SQL and in JSON.

pub(crate) mod cell;
pub(crate) mod row;
pub(crate) mod row_key;
pub(crate) mod sql;
