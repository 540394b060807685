//! The tables: those of Chinook, and some with features that Chinook does not use. The actions of foreign keys are
//! random, so that all of them are covered.

use std::sync::Arc;

use serde_json::Value;
use tidelog_client::replica::rusqlite::types::Value as Cell;
use tidelog_client::replica::rusqlite::{Connection, params_from_iter};
use tidelog_client::replica::{Rule, SyncedTable};

use crate::convergence::chinook::Rows;
use tidelog_test_kit::SeededRng;

/// `!` stands for `NOT NULL`, `@` for the action of the foreign key.
const TABLES: [(&str, &str); 15] = [
    ("genre", "id INTEGER PRIMARY KEY, name TEXT"),
    ("mediatype", "id INTEGER PRIMARY KEY, name TEXT"),
    ("artist", "id INTEGER PRIMARY KEY, name TEXT"),
    ("album", "id INTEGER PRIMARY KEY, title TEXT !, artist INTEGER ! REFERENCES artist @"),
    (
        "track",
        "id INTEGER PRIMARY KEY, name TEXT !, album INTEGER REFERENCES album @, mediatype INTEGER ! REFERENCES mediatype @, \
         genre INTEGER REFERENCES genre @, composer TEXT, milliseconds INTEGER !, bytes INTEGER, unit_price NUMERIC !",
    ),
    ("playlist", "id INTEGER PRIMARY KEY, name TEXT"),
    (
        "playlisttrack",
        "playlist INTEGER ! REFERENCES playlist @, track INTEGER ! REFERENCES track @, PRIMARY KEY (playlist, track)",
    ),
    (
        "employee",
        "id INTEGER PRIMARY KEY, lastname TEXT !, firstname TEXT !, title TEXT, reports_to INTEGER REFERENCES employee @, \
         birthdate TEXT, hiredate TEXT, address TEXT, city TEXT, state TEXT, country TEXT, postalcode TEXT, phone TEXT, \
         fax TEXT, email TEXT",
    ),
    (
        "customer",
        "id INTEGER PRIMARY KEY, firstname TEXT !, lastname TEXT !, company TEXT, address TEXT, city TEXT, state TEXT, \
         country TEXT, postalcode TEXT, phone TEXT, fax TEXT, email TEXT !, support_rep INTEGER REFERENCES employee @",
    ),
    (
        "invoice",
        "id INTEGER PRIMARY KEY, customer INTEGER ! REFERENCES customer @, invoicedate TEXT !, billingaddress TEXT, \
         billingcity TEXT, billingstate TEXT, billingcountry TEXT, billingpostalcode TEXT, total NUMERIC !",
    ),
    (
        "invoiceline",
        "id INTEGER PRIMARY KEY, invoice INTEGER ! REFERENCES invoice @, track INTEGER ! REFERENCES track @, \
         unit_price NUMERIC !, quantity INTEGER !",
    ),
    // In addition to Chinook.
    ("jotting", "id TEXT PRIMARY KEY, line TEXT, weight REAL, picture BLOB"),
    ("badge", "id INTEGER PRIMARY KEY, code TEXT COLLATE NOCASE UNIQUE, name TEXT"),
    (
        "rating",
        "customer INTEGER !, track INTEGER !, stars INTEGER, said TEXT, PRIMARY KEY (track, customer)",
    ),
    ("sheet", "id INTEGER PRIMARY KEY, a TEXT, b TEXT, c INTEGER, d BLOB"),
];

/// The table without a rowid, whose key has several columns.
const WITHOUT_ROWID: &str = "rating";

/// The table whose conflicts are resolved column by column.
pub(crate) const BY_COLUMN: &str = "sheet";

/// The actions of foreign keys. The first one is Chinook's own.
const ACTIONS: [&str; 4] =
    ["", "ON DELETE CASCADE ON UPDATE CASCADE", "ON DELETE RESTRICT", "ON DELETE SET NULL ON UPDATE CASCADE"];

/// A table of the app.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    /// The columns of the primary key, in the key's order.
    pub(crate) key: Vec<String>,
    /// Whether it has a foreign key, is referred to by one, or has a unique constraint.
    pub(crate) has_constraints: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) may_be_null: bool,
    pub(crate) refers_to: Option<String>,
}

impl Table {
    /// An SQL expression for a row's key, as replicas store it.
    pub(crate) fn key_sql(&self) -> String {
        let parts: Vec<_> = self.key.iter().map(|name| format!("quote({name})")).collect();
        parts.join("||','||")
    }

    /// An SQL expression for a whole row, with its types.
    pub(crate) fn row_sql(&self) -> String {
        let parts: Vec<_> = self.columns.iter().map(|column| format!("quote({})", column.name)).collect();
        parts.join("||','||")
    }

    /// An SQL condition for the row with this key.
    pub(crate) fn key_is(&self, key: &str) -> String {
        let names = self.key.join(",");
        if self.key.len() == 1 { format!("{names}={key}") } else { format!("({names})=({key})") }
    }
}

pub(crate) struct Schema {
    pub(crate) sql: String,
    pub(crate) tables: Vec<Table>,
}

impl Schema {
    /// Half of the time Chinook's own schema, otherwise with random actions.
    pub(crate) fn random(rng: &mut SeededRng) -> Arc<Self> {
        let is_plain = rng.below(2) == 0;
        let mut sql = String::new();
        for (name, columns) in TABLES {
            let mut parts = columns.split('@');
            let mut written = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                let must_be = written.rsplit(',').next().is_some_and(|column| column.contains('!'));
                let choices = if must_be { 3 } else { 4 };
                let action = if is_plain { ACTIONS[0] } else { ACTIONS[rng.below(choices) as usize] };
                written += action;
                written += part;
            }
            let kind = if name == WITHOUT_ROWID { "WITHOUT ROWID" } else { "" };
            sql += &format!("CREATE TABLE {name} ({}) {kind};\n", written.replace('!', "NOT NULL"));
        }
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&sql).unwrap();
        let tables: Vec<_> = TABLES.iter().map(|(name, _)| describe(&connection, name)).collect();
        Arc::new(Self { sql, tables })
    }

    pub(crate) fn table(&self, name: &str) -> &Table {
        self.tables.iter().find(|table| table.name == name).expect("a table of the schema")
    }

    pub(crate) fn synced(&self) -> Vec<SyncedTable> {
        let rule = |name: &str| if name == BY_COLUMN { Rule::ByColumn } else { Rule::ByRow };
        self.tables.iter().map(|table| SyncedTable::new(&table.name).settled_by(rule(&table.name))).collect()
    }
}

fn describe(connection: &Connection, name: &str) -> Table {
    let mut statement = connection
        .prepare(
            "SELECT c.name, c.type, c.\"notnull\", c.pk, f.\"table\" FROM pragma_table_info(?1) AS c
             LEFT JOIN pragma_foreign_key_list(?1) AS f ON f.\"from\" = c.name ORDER BY c.cid",
        )
        .unwrap();
    let mut keys = Vec::new();
    let mut columns = Vec::new();
    let mut rows = statement.query([name]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let column = Column {
            name: row.get(0).unwrap(),
            kind: row.get(1).unwrap(),
            may_be_null: !row.get::<_, bool>(2).unwrap(),
            refers_to: row.get(4).unwrap(),
        };
        let position: i64 = row.get(3).unwrap();
        if position > 0 {
            keys.push((position, column.name.clone()));
        }
        columns.push(column);
    }
    keys.sort();
    let has_constraints = !["jotting", "rating", BY_COLUMN].contains(&name);
    Table {
        name: name.into(),
        columns,
        key: keys.into_iter().map(|(_, name)| name).collect(),
        has_constraints,
    }
}

/// Fills a new database.
pub(crate) fn fill(connection: &mut Connection, schema: &Schema, rows: &Rows) {
    let transaction = connection.transaction().unwrap();
    transaction.execute_batch("PRAGMA defer_foreign_keys = on").unwrap();
    for table in &schema.tables {
        for row in rows.get(&table.name).into_iter().flatten() {
            let names: Vec<_> = row.keys().map(String::as_str).collect();
            let placeholders = vec!["?"; names.len()].join(",");
            let sql = format!("INSERT INTO {} ({}) VALUES ({placeholders})", table.name, names.join(","));
            transaction
                .prepare_cached(&sql)
                .unwrap()
                .execute(params_from_iter(row.values().map(cell)))
                .unwrap();
        }
    }
    transaction.commit().unwrap();
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Number(number) => {
            number.as_i64().map_or_else(|| Cell::Real(number.as_f64().unwrap_or_default()), Cell::Integer)
        }
        Value::String(text) => Cell::Text(text.clone()),
        other => Cell::Text(other.to_string()),
    }
}
