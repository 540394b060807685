//! The tables of the story: Chinook's, and some for what Chinook has not. What becomes of rows whose referenced row is deleted
//! is up to the dice, so that every kind of reference gets its stories.

use std::sync::Arc;

use serde_json::Value;
use tidelog_client::replica::rusqlite::types::Value as Cell;
use tidelog_client::replica::rusqlite::{Connection, params_from_iter};
use tidelog_client::replica::{Rule, SyncedTable};

use crate::convergence::chinook::Rows;
use tidelog_test_kit::Dice;

/// `!` stands for `NOT NULL`, `@` for what becomes of the row when the one that it refers to is gone.
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
    // Beside Chinook.
    ("jotting", "id TEXT PRIMARY KEY, line TEXT, weight REAL, picture BLOB"),
    ("badge", "id INTEGER PRIMARY KEY, code TEXT COLLATE NOCASE UNIQUE, name TEXT"),
    (
        "rating",
        "customer INTEGER !, track INTEGER !, stars INTEGER, said TEXT, PRIMARY KEY (track, customer)",
    ),
    ("sheet", "id INTEGER PRIMARY KEY, a TEXT, b TEXT, c INTEGER, d BLOB"),
];

/// The table that is stored by its key, of several columns.
const WITHOUT_ROWID: &str = "rating";

/// The table whose conflicts are settled column by column.
pub(crate) const BY_COLUMN: &str = "sheet";

/// What happens to rows that refer to a deleted one. The first is Chinook's own.
const ACTIONS: [&str; 4] =
    ["", "ON DELETE CASCADE ON UPDATE CASCADE", "ON DELETE RESTRICT", "ON DELETE SET NULL ON UPDATE CASCADE"];

/// A table as the app knows it.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    /// Names of the primary key's columns, in its order.
    pub(crate) key: Vec<String>,
    /// Whether it refers to others, is referred to, or has something that must be unique.
    pub(crate) is_entangled: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) may_be_null: bool,
    pub(crate) refers_to: Option<String>,
}

impl Table {
    /// The key of a row as SQL, as replicas write it.
    pub(crate) fn key_sql(&self) -> String {
        let parts: Vec<_> = self.key.iter().map(|name| format!("quote({name})")).collect();
        parts.join("||','||")
    }

    /// All of a row as SQL, with its types.
    pub(crate) fn row_sql(&self) -> String {
        let parts: Vec<_> = self.columns.iter().map(|column| format!("quote({})", column.name)).collect();
        parts.join("||','||")
    }

    /// A condition for the row of this key.
    pub(crate) fn is(&self, key: &str) -> String {
        let names = self.key.join(",");
        if self.key.len() == 1 { format!("{names}={key}") } else { format!("({names})=({key})") }
    }
}

pub(crate) struct Schema {
    pub(crate) sql: String,
    pub(crate) tables: Vec<Table>,
}

impl Schema {
    /// As Chinook has it every other time, and with other actions otherwise.
    pub(crate) fn throw(dice: &mut Dice) -> Arc<Self> {
        let is_plain = dice.below(2) == 0;
        let mut sql = String::new();
        for (name, columns) in TABLES {
            let mut parts = columns.split('@');
            let mut written = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                let must_be = written.rsplit(',').next().is_some_and(|column| column.contains('!'));
                let choices = if must_be { 3 } else { 4 };
                let action = if is_plain { ACTIONS[0] } else { ACTIONS[dice.below(choices) as usize] };
                written += action;
                written += part;
            }
            let kind = if name == WITHOUT_ROWID { "WITHOUT ROWID" } else { "" };
            sql += &format!("CREATE TABLE {name} ({}) {kind};\n", written.replace('!', "NOT NULL"));
        }
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&sql).unwrap();
        let tables: Vec<_> = TABLES.iter().map(|(name, _)| described(&connection, name)).collect();
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

fn described(connection: &Connection, name: &str) -> Table {
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
        let place: i64 = row.get(3).unwrap();
        if place > 0 {
            keys.push((place, column.name.clone()));
        }
        columns.push(column);
    }
    keys.sort();
    let is_entangled = !["jotting", "rating", BY_COLUMN].contains(&name);
    Table { name: name.into(), columns, key: keys.into_iter().map(|(_, name)| name).collect(), is_entangled }
}

/// Fills a fresh database.
pub(crate) fn fill(connection: &mut Connection, schema: &Schema, rows: &Rows) {
    let transaction = connection.transaction().unwrap();
    transaction.execute_batch("PRAGMA defer_foreign_keys = on").unwrap();
    for table in &schema.tables {
        for row in rows.get(&table.name).into_iter().flatten() {
            let names: Vec<_> = row.keys().map(String::as_str).collect();
            let places = vec!["?"; names.len()].join(",");
            let sql = format!("INSERT INTO {} ({}) VALUES ({places})", table.name, names.join(","));
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
