//! Random edits of the app's tables, in SQL, one transaction at a time.

use tidelog_client::replica::rusqlite::{Connection, ErrorCode, OptionalExtension};

use crate::convergence::model::{Model, snapshot};
use crate::convergence::schema::{Column, Schema, Table};
use tidelog_test_kit::SeededRng;

/// Rows that all devices often edit.
const HOT: [(&str, &str); 8] = [
    ("jotting", "'hot'"),
    ("jotting", "'warm'"),
    ("sheet", "1"),
    ("sheet", "2"),
    ("badge", "1"),
    ("rating", "1,1"),
    ("employee", "1"),
    ("employee", "2"),
];
/// Tables that are edited more often than others.
const BUSY: [&str; 6] = ["badge", "jotting", "artist", "album", "playlisttrack", "employee"];
/// New keys come from a small range, so that devices often choose the same.
const FIRST_NEW_KEY: u64 = 9000;
const NEW_KEYS: u64 = 5;
const CODES: [&str; 6] = ["'a'", "'A'", "'b'", "'c'", "'d'", "NULL"];
/// The maximum number of rows that are deleted together with a row that they refer to.
const MAX_DELETED_ROWS: usize = 40;

/// The initial rows, in addition to Chinook's.
pub(crate) const EXTRA_ROWS: &str = "
    INSERT INTO jotting VALUES ('hot', 'from the beginning', 1.5, x'00ff'), ('warm', NULL, -0.0, NULL);
    INSERT INTO badge VALUES (1, 'first', 'one'), (2, 'second', 'two');
    INSERT INTO rating VALUES (1, 1, 5, 'good'), (2, 1, 1, NULL);
    INSERT INTO sheet VALUES (1, 'a', 'b', 1, x'01'), (2, NULL, NULL, NULL, NULL);";

/// Makes random edits in the app's database.
pub(crate) struct Editor<'a> {
    pub(crate) rng: &'a mut SeededRng,
    pub(crate) schema: &'a Schema,
    pub(crate) app: &'a Connection,
    /// The last value that was written: all values are different, on all devices.
    pub(crate) last_value: &'a mut u64,
}

impl Editor<'_> {
    /// Runs a transaction of a few statements, some of which the schema rejects; now and then it is rolled back.
    /// Records the changes in the model, if there is one.
    pub(crate) fn transact(&mut self, device: usize, model: Option<&mut Model>) {
        self.app.execute_batch("BEGIN IMMEDIATE").unwrap();
        let before = model.is_some().then(|| snapshot(self.app, self.schema));
        for _ in 0..1 + self.rng.below(3) {
            for sql in self.statements() {
                if !self.execute(&sql) {
                    break;
                }
            }
        }
        if self.rng.below(12) == 0 {
            self.app.execute_batch("ROLLBACK").unwrap();
            return;
        }
        if let (Some(before), Some(model)) = (before, model) {
            model.record(device, self.app, self.schema, &before);
        }
        self.app.execute_batch("COMMIT").unwrap();
    }

    fn execute(&self, sql: &str) -> bool {
        match self.app.execute_batch(sql) {
            Ok(()) => true,
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => false,
            Err(error) => panic!("{sql}: {error}"),
        }
    }

    /// Some statements that belong together.
    fn statements(&mut self) -> Vec<String> {
        let table = match self.rng.below(3) {
            0 => self.schema.table(self.rng.pick::<&str>(&BUSY)).clone(),
            _ => self.rng.pick(&self.schema.tables).clone(),
        };
        let name = &table.name;
        match self.rng.below(18) {
            0..=2 => {
                let (name, key) = *self.rng.pick(&HOT);
                let table = self.schema.table(name).clone();
                if self.find(&table, key) { vec![self.update(&table, key, "UPDATE")] } else { vec![] }
            }
            3 | 4 => {
                let key = self.new_key(&table);
                vec![self.insert(&table, &key, "INSERT")]
            }
            5..=7 => {
                self.random_row(&table).map(|key| self.update(&table, &key, "UPDATE")).into_iter().collect()
            }
            8 => {
                let column =
                    table.columns.iter().find(|it| !table.key.contains(&it.name) && it.refers_to.is_none());
                let Some(column) = column.cloned() else { return vec![] };
                let value = self.value(&table, &column);
                let some = 2 + self.rng.below(3);
                vec![format!(
                    "UPDATE {name} SET {}={value} WHERE ({}) % {some} = 1",
                    column.name, table.key[0]
                )]
            }
            9 => self
                .random_row(&table)
                .map(|key| format!("DELETE FROM {name} WHERE {}", table.key_is(&key)))
                .into_iter()
                .collect(),
            10 => {
                self.random_row(&table).map(|key| self.delete_with_children(&table, &key)).unwrap_or_default()
            }
            11 => {
                let key = if self.rng.below(2) == 0 { self.random_row(&table) } else { None };
                let key = key.unwrap_or_else(|| self.new_key(&table));
                vec![self.insert(&table, &key, "INSERT OR REPLACE")]
            }
            12 => {
                let Some(key) = self.random_row(&table) else { return vec![] };
                vec![self.update(&table, &key, "UPDATE OR REPLACE")]
            }
            13 => {
                let Some(key) = self.random_row(&table) else { return vec![] };
                let other = self.new_key(&table);
                let verb = *self.rng.pick(&["UPDATE", "UPDATE", "UPDATE OR REPLACE"]);
                let names = table.key.join(",");
                vec![
                    format!("{verb} {name} SET ({names})=({other}) WHERE {}", table.key_is(&key))
                        .replace("SET (id)=", "SET id="),
                ]
            }
            14 | 15 => {
                let badge = self.schema.table("badge").clone();
                let key = self.new_key(&badge);
                let verb = *self.rng.pick(&["INSERT", "INSERT", "INSERT OR REPLACE"]);
                vec![self.insert(&badge, &key, verb)]
            }
            16 => {
                let badge = self.schema.table("badge").clone();
                let Some(key) = self.random_row(&badge) else { return vec![] };
                let verb = *self.rng.pick(&["UPDATE", "UPDATE OR REPLACE"]);
                vec![format!("{verb} badge SET code={} WHERE id={key}", self.rng.pick(&CODES))]
            }
            _ => {
                let Some(key) = self.random_row(&table) else { return vec![] };
                let again = self.insert(&table, &key, "INSERT");
                vec![format!("DELETE FROM {name} WHERE {}", table.key_is(&key)), again]
            }
        }
    }

    fn insert(&mut self, table: &Table, key: &str, verb: &str) -> String {
        let others: Vec<_> =
            table.columns.iter().filter(|column| !table.key.contains(&column.name)).collect();
        let values: Vec<_> = others.iter().map(|column| self.value(table, column)).collect();
        let names =
            table.key.iter().chain(others.iter().map(|column| &column.name)).cloned().collect::<Vec<_>>();
        let values = [vec![key.to_owned()], values].concat();
        format!("{verb} INTO {} ({}) VALUES ({})", table.name, names.join(","), values.join(","))
    }

    fn update(&mut self, table: &Table, key: &str, verb: &str) -> String {
        let others: Vec<_> =
            table.columns.iter().filter(|column| !table.key.contains(&column.name)).collect();
        if others.is_empty() {
            return format!("UPDATE {0} SET {1}={1} WHERE {2}", table.name, table.key[0], table.key_is(key));
        }
        let mut sets = Vec::new();
        for _ in 0..1 + self.rng.below(2) {
            let column = *self.rng.pick(&others);
            sets.push(format!("{}={}", column.name, self.value(table, column)));
        }
        format!("{verb} {} SET {} WHERE {}", table.name, sets.join(","), table.key_is(key))
    }

    /// Deletes a row after all rows that refer to it, directly or indirectly.
    fn delete_with_children(&self, table: &Table, key: &str) -> Vec<String> {
        let mut deletions = vec![(table.name.clone(), key.to_owned())];
        let mut index = 0;
        while index < deletions.len() && deletions.len() < MAX_DELETED_ROWS {
            let (parent, key) = deletions[index].clone();
            for child in &self.schema.tables {
                for column in child.columns.iter().filter(|it| it.refers_to.as_ref() == Some(&parent)) {
                    let sql =
                        format!("SELECT {} FROM {} WHERE {}={key}", child.key_sql(), child.name, column.name);
                    let mut statement = self.app.prepare(&sql).unwrap();
                    let found = statement.query_map([], |row| row.get(0)).unwrap();
                    for found in found.map(|key| (child.name.clone(), key.unwrap())) {
                        if !deletions.contains(&found) {
                            deletions.push(found);
                        }
                    }
                }
            }
            index += 1;
        }
        let delete = |(name, key): &(String, String)| {
            format!("DELETE FROM {name} WHERE {}", self.schema.table(name).key_is(key))
        };
        deletions.iter().rev().map(delete).collect()
    }

    fn value(&mut self, table: &Table, column: &Column) -> String {
        if let Some(parent) = &column.refers_to {
            if column.may_be_null && self.rng.below(6) == 0 {
                return "NULL".into();
            }
            let parent = self.schema.table(parent).clone();
            return self.random_row(&parent).unwrap_or_else(|| "1".into());
        }
        if (table.name.as_str(), column.name.as_str()) == ("badge", "code") {
            return (*self.rng.pick(&CODES)).into();
        }
        *self.last_value += 1;
        let number = *self.last_value;
        match column.kind.as_str() {
            "INTEGER" => format!("{number}"),
            "REAL" | "NUMERIC" => format!("{number}.25"),
            "BLOB" => format!("x'{number:08x}'"),
            _ => format!("'it''s {number}'"),
        }
    }

    fn new_key(&mut self, table: &Table) -> String {
        let parts = table.columns.iter().filter(|column| table.key.contains(&column.name));
        let parts: Vec<_> = parts.cloned().collect();
        let part = |column: Column| match (&column.refers_to, column.kind.as_str()) {
            (Some(_), _) => self.value(table, &column),
            (None, "TEXT") => format!("'new {}'", self.rng.below(NEW_KEYS)),
            (None, _) if table.key.len() > 1 => format!("{}", 1 + self.rng.below(3)),
            (None, _) => format!("{}", FIRST_NEW_KEY + self.rng.below(NEW_KEYS)),
        };
        let values: Vec<_> = parts.into_iter().map(part).collect();
        let place = |name: &String| {
            table.columns.iter().filter(|it| table.key.contains(&it.name)).position(|it| it.name == *name)
        };
        let in_order: Vec<_> = table.key.iter().filter_map(place).map(|at| values[at].clone()).collect();
        in_order.join(",")
    }

    /// The key of a random row.
    fn random_row(&mut self, table: &Table) -> Option<String> {
        let count: u64 = self
            .app
            .query_row(&format!("SELECT count(*) FROM {}", table.name), [], |row| row.get(0))
            .unwrap();
        if count == 0 {
            return None;
        }
        let sql = format!(
            "SELECT {} FROM {} LIMIT 1 OFFSET {}",
            table.key_sql(),
            table.name,
            self.rng.below(count)
        );
        Some(self.app.query_row(&sql, [], |row| row.get(0)).unwrap())
    }

    fn find(&self, table: &Table, key: &str) -> bool {
        let sql = format!("SELECT 1 FROM {} WHERE {}", table.name, table.key_is(key));
        self.app.query_row(&sql, [], |_| Ok(())).optional().unwrap().is_some()
    }
}
