//! Quoting for SQL, and the prefix of everything that a replica adds to a database.

/// Prefix of the names of all tables, indexes and triggers that a replica adds to a database.
pub(crate) const PREFIX: &str = "tidelog_";

/// Quotes a name.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Whether a table of this name belongs to SQLite or to the replica, and so cannot be synced.
pub(crate) fn is_reserved(name: &str) -> bool {
    let begins_with =
        |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    begins_with(PREFIX) || begins_with("sqlite_")
}
