//! A table that syncs, as the app's schema describes it.

use crate::replica::rule::Rule;
use crate::replica::values::sql::identifier;

/// A table in the app's database.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Identifies the table in the replica's own tables.
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) wire_name: String,
    /// The columns that store data, in the table's order; generated columns are left out.
    pub(crate) columns: Vec<String>,
    /// The columns of the primary key, in the key's order.
    pub(crate) key: Vec<String>,
    /// Whether the key is an `INTEGER PRIMARY KEY`, an alias of SQLite's rowid.
    pub(crate) key_is_rowid: bool,
    /// Unique constraints and indexes; the primary key only if one of its columns has a collation by which different
    /// keys are the same.
    pub(crate) unique_constraints: Vec<UniqueConstraint>,
    /// Foreign keys to other tables that sync.
    pub(crate) foreign_keys: Vec<ForeignKey>,
    /// The table's place in an order in which referenced tables come before referencing ones.
    pub(crate) rank: usize,
    /// Whether a deleted row may have to be restored, because a foreign key to it forbids the deletion.
    pub(crate) may_be_restored: bool,
    /// Whether the app has triggers on the table.
    pub(crate) has_triggers: bool,
    /// Whether constraints of the table have conflict clauses, such as `UNIQUE … ON CONFLICT REPLACE`.
    pub(crate) has_conflict_clauses: bool,
    pub(crate) rule: Rule,
}

/// Columns that must be unique together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UniqueConstraint {
    /// The columns, each with its collation.
    pub(crate) columns: Vec<(String, String)>,
    /// Which rows of the table it is about, as the index says it; `None`: all of them.
    pub(crate) predicate: Option<String>,
}

impl UniqueConstraint {
    /// A condition for rows of `table` that have the same values as `value` gives for each column.
    pub(crate) fn condition(&self, table: &str, value: impl Fn(&str) -> String) -> String {
        let table = identifier(table);
        let equals = |(column, collation): &(String, String)| {
            let name = identifier(column);
            format!("{table}.{name} = {} COLLATE {}", value(&name), identifier(collation))
        };
        let mut conditions: Vec<_> = self.columns.iter().map(equals).collect();
        // Without it, the index could not be used, and the whole table would be read.
        conditions.extend(self.predicate.as_ref().map(|predicate| format!("({predicate})")));
        conditions.join(" AND ")
    }
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForeignKey {
    /// The index of the referenced table in the list of tables.
    pub(crate) parent: usize,
    /// Pairs of a referencing column and the column that it references.
    pub(crate) columns: Vec<(String, String)>,
    pub(crate) on_delete: OnDelete,
}

/// What a foreign key does to a row whose referenced row is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnDelete {
    /// Deletes it.
    Cascade,
    /// Sets the reference to `NULL`.
    SetNull,
    /// Sets the reference to its default.
    SetDefault,
    /// `RESTRICT` or `NO ACTION`: the referenced row must not be deleted.
    Restrict,
}

impl OnDelete {
    /// Parses the spelling of `PRAGMA foreign_key_list`.
    pub(super) fn parse(action: &str) -> Self {
        match action {
            "CASCADE" => Self::Cascade,
            "SET NULL" => Self::SetNull,
            "SET DEFAULT" => Self::SetDefault,
            _ => Self::Restrict,
        }
    }
}

impl Table {
    /// The table's own name for a column: SQLite does not tell `userId` from `userid`.
    pub(crate) fn column(&self, name: &str) -> Option<&str> {
        let exact = self.columns.iter().find(|column| *column == name);
        exact
            .or_else(|| self.columns.iter().find(|column| column.eq_ignore_ascii_case(name)))
            .map(String::as_str)
    }

    /// An SQL expression for a row's key, with a prefix before each column: `quote(NEW."a") || ',' || quote(NEW."b")`.
    pub(crate) fn key_sql(&self, prefix: &str) -> String {
        let part = |column: &String| format!("quote({prefix}{})", identifier(column));
        self.key.iter().map(part).collect::<Vec<_>>().join(" || ',' || ")
    }

    /// The same for storing the key in a column of type `TEXT`, which turns an integer into its literal without a
    /// function call.
    pub(crate) fn key_sql_to_store(&self, prefix: &str) -> String {
        match self.key.as_slice() {
            [column] if self.key_is_rowid => format!("{prefix}{}", identifier(column)),
            _ => self.key_sql(prefix),
        }
    }
}
