//! Names in SQL: the app's, quoted, and the replica's own, which all begin alike.

/// What the names of all that a replica adds to a database begin with.
pub(crate) const PREFIX: &str = "tidelog_";

/// The name as SQL.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The text as SQL.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Whether the name is one that the app may not use for a table that syncs.
pub(crate) fn is_reserved(name: &str) -> bool {
    let begins_with =
        |prefix: &str| name.get(..prefix.len()).is_some_and(|it| it.eq_ignore_ascii_case(prefix));
    begins_with(PREFIX) || begins_with("sqlite_")
}
