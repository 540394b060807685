//! The app's state: what the screen shows, and how it changes.

use chrono::Local;

use crate::database::{Database, DeletedItem, List, Todo};
use crate::input_line::{InputLine, InputPurpose};
use crate::selection::{HasId, Selection};
use crate::{Result, due};

/// The pane that has the focus.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pane {
    Lists,
    Todos,
    /// The lists, to choose the target of a move.
    Targets,
    /// Problems of the sync.
    Problems,
}

pub(crate) struct App {
    pub(crate) database: Database,
    pub(crate) lists: Vec<List>,
    /// The todos of the selected list that are shown.
    pub(crate) todos: Vec<Todo>,
    /// How many todos of the selected list are done, and how many there are.
    pub(crate) progress: (usize, usize),
    pub(crate) pane: Pane,
    pub(crate) list: Selection,
    pub(crate) todo: Selection,
    /// The list that a todo moves to.
    pub(crate) target: Selection,
    pub(crate) hides_done: bool,
    pub(crate) search: String,
    pub(crate) input: Option<InputLine>,
    /// A message about the last key, if there is something to say.
    pub(crate) message: String,
    /// Descriptions of the sync's problems.
    pub(crate) problems: Vec<String>,
    deleted: Vec<DeletedItem>,
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
            search: String::new(),
            input: None,
            message: String::new(),
            problems: Vec::new(),
            deleted: Vec::new(),
        }
    }

    /// Refreshes if another connection, such as the replica's, has changed something; returns whether it has.
    pub(crate) fn refresh_if_changed(&mut self) -> Result<bool> {
        let has_changed = self.database.changed_elsewhere()?;
        if has_changed {
            self.refresh()?;
        }
        Ok(has_changed)
    }

    /// Reads everything that is shown again.
    pub(crate) fn refresh(&mut self) -> Result<()> {
        self.lists = self.database.lists()?;
        self.list.update(&self.lists);
        self.target.update(&self.lists);
        let current = self.list.selected(&self.lists);
        self.todos = current.map_or_else(|| Ok(Vec::new()), |list| self.database.todos(&list.id))?;
        self.progress = (self.todos.iter().filter(|todo| todo.done).count(), self.todos.len());
        let search = self.search.to_lowercase();
        self.todos.retain(|todo| {
            !(self.hides_done && todo.done)
                && (search.is_empty() || todo.title.to_lowercase().contains(&search))
        });
        self.todo.update(&self.todos);
        Ok(())
    }

    /// Moves the selection in the focused pane.
    pub(crate) fn move_selection(&mut self, by: isize) -> Result<()> {
        match self.pane {
            Pane::Todos => self.todo.move_by(by, &self.todos),
            Pane::Targets => self.target.move_by(by, &self.lists),
            Pane::Lists => {
                self.list.move_by(by, &self.lists);
                self.todo = Selection::default();
            }
            Pane::Problems => {}
        }
        self.refresh()
    }

    /// Moves the selected row past the one above or below it.
    pub(crate) fn reorder(&mut self, by: isize) -> Result<()> {
        match self.pane {
            Pane::Targets | Pane::Problems => {}
            Pane::Lists => {
                if let Some(ids) = reordered(&self.lists, &self.list, &self.lists, by) {
                    self.database.order_lists(&ids)?;
                }
            }
            Pane::Todos => {
                let Some(list) = self.list.selected(&self.lists) else { return Ok(()) };
                let all = self.database.todos(&list.id)?;
                if let Some(ids) = reordered(&self.todos, &self.todo, &all, by) {
                    self.database.order_todos(&ids)?;
                }
            }
        }
        self.refresh()
    }

    /// Applies the text that was entered.
    pub(crate) fn accept(&mut self, input: &InputLine) -> Result<()> {
        let (id, text) = (&input.id, input.text());
        match input.purpose {
            InputPurpose::Find => {}
            InputPurpose::Due => match due::parse(text, Local::now().date_naive()) {
                Some(due) => self.database.set_due(id, due)?,
                None => self.message = format!("{text} is not a date"),
            },
            _ if text.is_empty() => {}
            InputPurpose::NewList => {
                self.list.select_when_present(self.database.add_list(text)?);
                self.todo = Selection::default();
                self.pane = Pane::Todos;
            }
            InputPurpose::ListName => self.database.rename_list(id, text)?,
            InputPurpose::NewTodo => self.todo.select_when_present(self.database.add_todo(id, text)?),
            InputPurpose::TodoTitle => self.database.rename_todo(id, text)?,
        }
        self.refresh()
    }

    /// Moves the selected todo to the chosen list.
    pub(crate) fn move_to_target(&mut self) -> Result<()> {
        self.pane = Pane::Todos;
        if let (Some(todo), Some(target)) =
            (self.todo.selected(&self.todos), self.target.selected(&self.lists))
        {
            self.database.move_todo(&todo.id, &target.id)?;
            self.message = format!("moved to {}", target.name);
        }
        self.refresh()
    }

    /// Remembers what was deleted, for undo.
    pub(crate) fn remember_deleted(&mut self, deleted: DeletedItem) -> Result<()> {
        self.message = "deleted; press u to undo".into();
        self.deleted.push(deleted);
        self.refresh()
    }

    /// Restores what was deleted last.
    pub(crate) fn undo(&mut self) -> Result<()> {
        match self.deleted.pop() {
            None => self.message = "nothing to undo".into(),
            Some(deleted) => match self.database.restore(&deleted) {
                Ok(()) => {
                    self.message = "restored".into();
                    match deleted {
                        DeletedItem::List(list, _) => self.list.select_when_present(list.id),
                        DeletedItem::Todo(todo) => self.todo.select_when_present(todo.id),
                    }
                }
                Err(error) => self.message = format!("cannot be restored: {error}"),
            },
        }
        self.refresh()
    }
}

/// The ids of all rows, after the selected one was moved past its neighbour on the screen; `None` at either end.
fn reordered<R: HasId>(shown: &[R], selected: &Selection, all: &[R], by: isize) -> Option<Vec<String>> {
    let neighbour = shown.get(selected.state.selected()?.checked_add_signed(by)?)?.id();
    let row = selected.selected(shown)?.id();
    let position_of = |id: &str| all.iter().position(|row| row.id() == id);
    let (from, to) = (position_of(row)?, position_of(neighbour)?);
    let mut ids: Vec<_> = all.iter().map(|row| row.id().to_owned()).collect();
    let id = ids.remove(from);
    ids.insert(to, id);
    Some(ids)
}
