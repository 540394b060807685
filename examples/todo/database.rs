//! The app's SQLite file, in plain SQL. Nothing here is aware of sync.

use std::path::Path;

use chrono::NaiveDate;
use tidelog_client::replica::rusqlite::{Connection, Params, Row, params};
use uuid::Uuid;

use crate::Result;
use crate::selection::HasId;

const SCHEMA: &str = include_str!("schema.sql");
/// `PRAGMA user_version` of a file without tables.
const EMPTY: i64 = 0;

const LISTS: &str =
    "SELECT id, name, position, (SELECT count(*) FROM todos WHERE list_id = lists.id AND NOT done)
                     FROM lists ORDER BY position, id";
const TODOS: &str =
    "SELECT id, list_id, title, done, due, position FROM todos WHERE list_id = ?1 ORDER BY position, id";
const INSERT_LIST: &str = "INSERT INTO lists (id, name, position) VALUES (?1, ?2, ?3)";
const INSERT_TODO: &str =
    "INSERT INTO todos (id, list_id, title, done, due, position) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const NEXT_LIST_POSITION: &str = "SELECT coalesce(max(position), 0) + 1 FROM lists";
const NEXT_TODO_POSITION: &str = "SELECT coalesce(max(position), 0) + 1 FROM todos WHERE list_id = ?1";

/// A list of todos.
#[derive(Clone)]
pub(crate) struct List {
    pub(crate) id: String,
    pub(crate) name: String,
    position: i64,
    /// The number of todos that are not done.
    pub(crate) open: usize,
}

/// An item of a list.
#[derive(Clone)]
pub(crate) struct Todo {
    pub(crate) id: String,
    list_id: String,
    pub(crate) title: String,
    pub(crate) done: bool,
    pub(crate) due: Option<NaiveDate>,
    position: i64,
}

impl HasId for List {
    fn id(&self) -> &str {
        &self.id
    }
}

impl HasId for Todo {
    fn id(&self) -> &str {
        &self.id
    }
}

/// What was deleted, so that it can be restored.
pub(crate) enum DeletedItem {
    List(List, Vec<Todo>),
    Todo(Todo),
}

/// The app's connection to its database.
pub(crate) struct Database {
    connection: Connection,
    /// `PRAGMA data_version` at the last check.
    data_version: i64,
}

impl Database {
    /// Opens the file, and creates it if necessary.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        let transaction = connection.transaction()?;
        if transaction.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? == EMPTY {
            transaction.execute_batch(SCHEMA)?;
        }
        transaction.commit()?;
        Ok(Self { connection, data_version: 0 })
    }

    /// Whether another connection, such as the replica's, has changed the file since the last call.
    pub(crate) fn changed_elsewhere(&mut self) -> Result<bool> {
        let version = self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        Ok(std::mem::replace(&mut self.data_version, version) != version)
    }

    /// The lists, in order.
    pub(crate) fn lists(&self) -> Result<Vec<List>> {
        let list = |row: &Row<'_>| {
            Ok(List { id: row.get(0)?, name: row.get(1)?, position: row.get(2)?, open: row.get(3)? })
        };
        Ok(self.connection.prepare_cached(LISTS)?.query_map([], list)?.collect::<Result<_, _>>()?)
    }

    /// The todos of a list, in order.
    pub(crate) fn todos(&self, list: &str) -> Result<Vec<Todo>> {
        let todo = |row: &Row<'_>| {
            Ok(Todo {
                id: row.get(0)?,
                list_id: row.get(1)?,
                title: row.get(2)?,
                done: row.get(3)?,
                due: row.get::<_, Option<String>>(4)?.and_then(|day| day.parse().ok()),
                position: row.get(5)?,
            })
        };
        Ok(self.connection.prepare_cached(TODOS)?.query_map([list], todo)?.collect::<Result<_, _>>()?)
    }

    /// Adds a list at the end, and returns its id.
    pub(crate) fn add_list(&self, name: &str) -> Result<String> {
        let (id, name) = (new_id(), name.to_owned());
        let position = self.connection.query_row(NEXT_LIST_POSITION, [], |row| row.get(0))?;
        self.insert_list(&List { id: id.clone(), name, position, open: 0 })?;
        Ok(id)
    }

    /// Adds a todo at the end of a list, and returns its id.
    pub(crate) fn add_todo(&self, list: &str, title: &str) -> Result<String> {
        let (id, list_id, title) = (new_id(), list.to_owned(), title.to_owned());
        let position = self.connection.query_row(NEXT_TODO_POSITION, [list], |row| row.get(0))?;
        self.insert_todo(&Todo { id: id.clone(), list_id, title, done: false, due: None, position })?;
        Ok(id)
    }

    pub(crate) fn rename_list(&self, id: &str, name: &str) -> Result<()> {
        self.run("UPDATE lists SET name = ?2 WHERE id = ?1", [id, name])
    }

    pub(crate) fn rename_todo(&self, id: &str, title: &str) -> Result<()> {
        self.run("UPDATE todos SET title = ?2 WHERE id = ?1", [id, title])
    }

    pub(crate) fn set_done(&self, id: &str, done: bool) -> Result<()> {
        self.run("UPDATE todos SET done = ?2 WHERE id = ?1", params![id, done])
    }

    pub(crate) fn set_due(&self, id: &str, due: Option<NaiveDate>) -> Result<()> {
        self.run("UPDATE todos SET due = ?2 WHERE id = ?1", params![id, due.map(|day| day.to_string())])
    }

    /// Moves a todo to the end of another list.
    pub(crate) fn move_todo(&self, id: &str, list: &str) -> Result<()> {
        let position: i64 = self.connection.query_row(NEXT_TODO_POSITION, [list], |row| row.get(0))?;
        self.run("UPDATE todos SET list_id = ?2, position = ?3 WHERE id = ?1", params![id, list, position])
    }

    /// Puts the lists in this order. Writes only those whose position changes.
    pub(crate) fn order_lists(&mut self, ids: &[String]) -> Result<()> {
        self.order("UPDATE lists SET position = ?2 WHERE id = ?1 AND position <> ?2", ids)
    }

    /// Puts the todos of a list in this order.
    pub(crate) fn order_todos(&mut self, ids: &[String]) -> Result<()> {
        self.order("UPDATE todos SET position = ?2 WHERE id = ?1 AND position <> ?2", ids)
    }

    /// Deletes a list with all of its todos.
    pub(crate) fn delete_list(&self, list: &List) -> Result<DeletedItem> {
        let todos = self.todos(&list.id)?;
        self.run("DELETE FROM lists WHERE id = ?1", [&list.id])?;
        Ok(DeletedItem::List(list.clone(), todos))
    }

    /// Deletes a todo.
    pub(crate) fn delete_todo(&self, todo: &Todo) -> Result<DeletedItem> {
        self.run("DELETE FROM todos WHERE id = ?1", [&todo.id])?;
        Ok(DeletedItem::Todo(todo.clone()))
    }

    /// Restores what was deleted. Fails if another device has already done so, or has deleted the list in the meantime.
    pub(crate) fn restore(&self, deleted: &DeletedItem) -> Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        match deleted {
            DeletedItem::Todo(todo) => self.insert_todo(todo)?,
            DeletedItem::List(list, todos) => {
                self.insert_list(list)?;
                todos.iter().try_for_each(|todo| self.insert_todo(todo))?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn insert_list(&self, list: &List) -> Result<()> {
        self.run(INSERT_LIST, params![list.id, list.name, list.position])
    }

    fn insert_todo(&self, todo: &Todo) -> Result<()> {
        let Todo { id, list_id, title, done, due, position } = todo;
        self.run(INSERT_TODO, params![id, list_id, title, done, due.map(|day| day.to_string()), position])
    }

    fn order(&mut self, sql: &str, ids: &[String]) -> Result<()> {
        let transaction = self.connection.transaction()?;
        for (position, id) in (0_i64..).zip(ids) {
            transaction.prepare_cached(sql)?.execute(params![id, position])?;
        }
        Ok(transaction.commit()?)
    }

    fn run(&self, sql: &str, params: impl Params) -> Result<()> {
        self.connection.prepare_cached(sql)?.execute(params)?;
        Ok(())
    }
}

fn new_id() -> String {
    Uuid::now_v7().to_string()
}
