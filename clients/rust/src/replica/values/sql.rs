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

/// A word of an SQL statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word<'s> {
    pub(crate) text: &'s str,
    /// Where it ends.
    pub(crate) end: usize,
    /// In how many parentheses it is.
    pub(crate) depth: usize,
}

/// The keywords and plain names of a statement: what is not quoted, not a comment, and not punctuation.
pub(crate) fn words(sql: &str) -> impl Iterator<Item = Word<'_>> {
    let (mut at, mut depth) = (0, 0_usize);
    std::iter::from_fn(move || {
        loop {
            let rest = &sql[at..];
            let first = rest.chars().next()?;
            let is_part = |character: char| character.is_alphanumeric() || matches!(character, '_' | '$');
            // Of a quoted name with a doubled quote, each half is skipped by itself.
            let until = |end: &str, from: usize| {
                rest[from..].find(end).map_or(rest.len(), |found| from + found + end.len())
            };
            let length = match first {
                '\'' | '"' | '`' => until(&first.to_string(), 1),
                '[' => until("]", 1),
                '-' if rest.starts_with("--") => until("\n", 2),
                '/' if rest.starts_with("/*") => until("*/", 2),
                character if is_part(character) => {
                    let length = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
                    at += length;
                    return Some(Word { text: &rest[..length], end: at, depth });
                }
                character => {
                    match character {
                        '(' => depth += 1,
                        ')' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    character.len_utf8()
                }
            };
            at += length;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sql: &str) -> Vec<(&str, usize)> {
        words(sql).map(|word| (word.text, word.depth)).collect()
    }

    #[test]
    fn words_are_found_outside_of_quotes_comments_and_with_their_depth() {
        let sql = "CREATE \"where\" x ON [where] (a, 'wh''ere' /* where */) -- where\n WHERE é > 1";
        assert_eq!(
            found(sql),
            [("CREATE", 0), ("x", 0), ("ON", 0), ("a", 1), ("WHERE", 0), ("é", 0), ("1", 0)]
        );
        for unfinished in ["'", "a \"b", "[", "/* ", "--", "((", ")", "`a", ""] {
            let _ = found(unfinished);
        }
    }
}
