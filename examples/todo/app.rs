//! What is on the screen, and what becomes of it when somebody changes something, here or elsewhere.

use chrono::Local;

use crate::database::{Database, Deleted, List, Todo};
use crate::selection::{Identified, Selection};
use crate::typing::{Purpose, Typing};
use crate::{Result, due};

/// Where the keys go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pane {
    Lists,
    Todos,
    /// The lists, to choose the one that a todo moves to.
    Targets,
    /// What could not be synced.
    Problems,
}

/// The app.
pub(crate) struct App {
    pub(crate) database: Database,
    pub(crate) lists: Vec<List>,
    /// Those of the selected list that are shown.
    pub(crate) todos: Vec<Todo>,
    /// How many todos of the selected list are done, and how many it has.
    pub(crate) progress: (usize, usize),
    pub(crate) pane: Pane,
    pub(crate) list: Selection,
    pub(crate) todo: Selection,
    /// The list that a todo moves to.
    pub(crate) target: Selection,
    pub(crate) hides_done: bool,
    pub(crate) find: String,
    pub(crate) typing: Option<Typing>,
    /// What the last key has led to, if it needs saying.
    pub(crate) message: String,
    /// What could not be synced, in words.
    pub(crate) problems: Vec<String>,
    deleted: Vec<Deleted>,
}

impl App {
    pub(crate) fn new(database: Database) -> Self {
        Self {
            database,
            lists: Vec::new(),
            todos: Vec::new(),
            progress: (0, 0),
            pane: Pane::Todos,
            list: Selection::default(),
            todo: Selection::default(),
            target: Selection::default(),
            hides_done: false,
            find: String::new(),
            typing: None,
            message: String::new(),
            problems: Vec::new(),
            deleted: Vec::new(),
        }
    }

    /// Shows what other connections have changed, such as the replica's. Gives whether they have.
    pub(crate) fn look(&mut self) -> Result<bool> {
        let has_changed = self.database.changed_elsewhere()?;
        if has_changed {
            self.refresh()?;
        }
        Ok(has_changed)
    }

    /// Reads again what is shown.
    pub(crate) fn refresh(&mut self) -> Result<()> {
        self.lists = self.database.lists()?;
        self.list.follow(&self.lists);
        self.target.follow(&self.lists);
        let current = self.list.of(&self.lists);
        self.todos = current.map_or_else(|| Ok(Vec::new()), |list| self.database.todos(&list.id))?;
        self.progress = (self.todos.iter().filter(|todo| todo.done).count(), self.todos.len());
        let find = self.find.to_lowercase();
        self.todos.retain(|todo| {
            !(self.hides_done && todo.done) && (find.is_empty() || todo.title.to_lowercase().contains(&find))
        });
        self.todo.follow(&self.todos);
        Ok(())
    }

    /// Selects another row of the pane.
    pub(crate) fn go(&mut self, by: isize) -> Result<()> {
        match self.pane {
            Pane::Todos => self.todo.go(by, &self.todos),
            Pane::Targets => self.target.go(by, &self.lists),
            Pane::Lists => {
                self.list.go(by, &self.lists);
                self.todo = Selection::default();
            }
            Pane::Problems => {}
        }
        self.refresh()
    }

    /// Puts the selected row before the one above it, or after the one below it.
    pub(crate) fn reorder(&mut self, by: isize) -> Result<()> {
        match self.pane {
            Pane::Targets | Pane::Problems => {}
            Pane::Lists => {
                if let Some(ids) = reordered(&self.lists, &self.list, &self.lists, by) {
                    self.database.order_lists(&ids)?;
                }
            }
            Pane::Todos => {
                let Some(list) = self.list.of(&self.lists) else { return Ok(()) };
                let all = self.database.todos(&list.id)?;
                if let Some(ids) = reordered(&self.todos, &self.todo, &all, by) {
                    self.database.order_todos(&ids)?;
                }
            }
        }
        self.refresh()
    }

    /// Takes over what was typed.
    pub(crate) fn accept(&mut self, typing: &Typing) -> Result<()> {
        let (id, text) = (&typing.id, typing.text());
        match typing.purpose {
            Purpose::Find => {}
            Purpose::Due => match due::parse(text, Local::now().date_naive()) {
                Some(due) => self.database.set_due(id, due)?,
                None => self.message = format!("{text} is no day"),
            },
            _ if text.is_empty() => {}
            Purpose::NewList => {
                self.list.wish(self.database.add_list(text)?);
                self.todo = Selection::default();
                self.pane = Pane::Todos;
            }
            Purpose::ListName => self.database.rename_list(id, text)?,
            Purpose::NewTodo => self.todo.wish(self.database.add_todo(id, text)?),
            Purpose::TodoTitle => self.database.rename_todo(id, text)?,
        }
        self.refresh()
    }

    /// Moves the selected todo to the chosen list.
    pub(crate) fn move_to_target(&mut self) -> Result<()> {
        self.pane = Pane::Todos;
        if let (Some(todo), Some(target)) = (self.todo.of(&self.todos), self.target.of(&self.lists)) {
            self.database.move_todo(&todo.id, &target.id)?;
            self.message = format!("moved to {}", target.name);
        }
        self.refresh()
    }

    /// Keeps what was deleted until it is asked for.
    pub(crate) fn remember(&mut self, deleted: Deleted) -> Result<()> {
        self.message = "deleted; u brings it back".into();
        self.deleted.push(deleted);
        self.refresh()
    }

    /// Brings back what was deleted last.
    pub(crate) fn undo(&mut self) -> Result<()> {
        match self.deleted.pop() {
            None => self.message = "nothing was deleted".into(),
            Some(deleted) => match self.database.put_back(&deleted) {
                Ok(()) => {
                    self.message = "brought back".into();
                    match deleted {
                        Deleted::List(list, _) => self.list.wish(list.id),
                        Deleted::Todo(todo) => self.todo.wish(todo.id),
                    }
                }
                Err(error) => self.message = format!("it cannot be brought back: {error}"),
            },
        }
        self.refresh()
    }
}

/// The ids of all rows, with the selected one moved past its neighbour on the screen; `None` at either end.
fn reordered<R: Identified>(shown: &[R], selected: &Selection, all: &[R], by: isize) -> Option<Vec<String>> {
    let neighbour = shown.get(selected.state.selected()?.checked_add_signed(by)?)?.id();
    let row = selected.of(shown)?.id();
    let place_of = |id: &str| all.iter().position(|row| row.id() == id);
    let (from, to) = (place_of(row)?, place_of(neighbour)?);
    let mut ids: Vec<_> = all.iter().map(|row| row.id().to_owned()).collect();
    let id = ids.remove(from);
    ids.insert(to, id);
    Some(ids)
}
