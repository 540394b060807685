//! What a row is: its key, its values, and their encodings in SQL and JSON. Knows nothing of any database.

pub(crate) mod cell;
pub(crate) mod row;
pub(crate) mod row_key;
pub(crate) mod sql;
