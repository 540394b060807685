//! What each key does.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::Result;
use crate::app::{App, Pane};
use crate::input_line::{InputLine, InputOutcome, InputPurpose};
use crate::selection::Selection;

/// The rows that Page Up and Page Down skip.
const PAGE: isize = 10;

const LISTS_HELP: &[(&str, &str)] = &[
    ("a", "add"),
    ("e", "rename"),
    ("d", "delete"),
    ("u", "undo"),
    ("J K", "reorder"),
    ("tab", "todos"),
    ("q", "quit"),
];
const TODOS_HELP: &[(&str, &str)] = &[
    ("a", "add"),
    ("e", "edit"),
    ("space", "done"),
    ("t", "due"),
    ("m", "move"),
    ("d", "delete"),
    ("u", "undo"),
    ("J K", "reorder"),
    ("h", "hide done"),
    ("/", "find"),
    ("s", "sync"),
    ("tab", "lists"),
    ("q", "quit"),
];
const TARGETS_HELP: &[(&str, &str)] = &[("enter", "move here"), ("esc", "cancel")];
const PROBLEMS_HELP: &[(&str, &str)] = &[("enter", "dismiss"), ("esc", "keep")];

/// What the main loop has to do after a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyAction {
    Continue,
    Sync,
    DismissProblems,
    Quit,
}

/// The keys of a pane and what they do.
pub(crate) fn help(pane: Pane) -> &'static [(&'static str, &'static str)] {
    match pane {
        Pane::Lists => LISTS_HELP,
        Pane::Todos => TODOS_HELP,
        Pane::Targets => TARGETS_HELP,
        Pane::Problems => PROBLEMS_HELP,
    }
}

/// Handles a key.
pub(crate) fn press(app: &mut App, key: KeyEvent) -> Result<KeyAction> {
    app.message.clear();
    if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
        return Ok(KeyAction::Quit);
    }
    if let Some(input) = app.input.take() {
        return edit(app, input, key).map(|()| KeyAction::Continue);
    }
    let shift = key.modifiers.contains(KeyModifiers::SHIFT);
    match key.code {
        KeyCode::Char('q') => return Ok(KeyAction::Quit),
        KeyCode::Char('s') => return Ok(KeyAction::Sync),
        KeyCode::Char('K') => app.reorder(-1)?,
        KeyCode::Char('J') => app.reorder(1)?,
        KeyCode::Up if shift => app.reorder(-1)?,
        KeyCode::Down if shift => app.reorder(1)?,
        KeyCode::Up | KeyCode::Char('k') => app.move_selection(-1)?,
        KeyCode::Down | KeyCode::Char('j') => app.move_selection(1)?,
        KeyCode::PageUp => app.move_selection(-PAGE)?,
        KeyCode::PageDown => app.move_selection(PAGE)?,
        KeyCode::Home => app.move_selection(isize::MIN)?,
        KeyCode::End => app.move_selection(isize::MAX)?,
        KeyCode::Esc => cancel(app)?,
        KeyCode::Enter if app.pane == Pane::Problems => {
            cancel(app)?;
            return Ok(KeyAction::DismissProblems);
        }
        code => press_in_pane(app, code)?,
    }
    Ok(KeyAction::Continue)
}

fn press_in_pane(app: &mut App, code: KeyCode) -> Result<()> {
    match (app.pane, code) {
        (Pane::Targets, KeyCode::Enter) => return app.move_to_target(),
        (Pane::Targets | Pane::Problems, _) => {}
        (_, KeyCode::Char('p')) if !app.problems.is_empty() => app.pane = Pane::Problems,
        (_, KeyCode::Char('u')) => return app.undo(),
        (_, KeyCode::Char('/')) => app.input = Some(InputLine::new(InputPurpose::Find, "", &app.search)),
        (_, KeyCode::Char('h')) => {
            app.hides_done = !app.hides_done;
            return app.refresh();
        }
        (_, KeyCode::Left) | (Pane::Todos, KeyCode::Tab | KeyCode::BackTab) => app.pane = Pane::Lists,
        (_, KeyCode::Right) | (Pane::Lists, KeyCode::Tab | KeyCode::BackTab) => app.pane = Pane::Todos,
        (Pane::Lists, KeyCode::Char('a')) => app.input = Some(InputLine::new(InputPurpose::NewList, "", "")),
        (Pane::Todos, KeyCode::Char('a')) => {
            let list = app.list.selected(&app.lists);
            app.input = Some(match list {
                Some(list) => InputLine::new(InputPurpose::NewTodo, &list.id, ""),
                None => InputLine::new(InputPurpose::NewList, "", ""),
            });
        }
        (Pane::Lists, code) => return press_on_list(app, code),
        (Pane::Todos, code) => return press_on_todo(app, code),
    }
    Ok(())
}

fn press_on_list(app: &mut App, code: KeyCode) -> Result<()> {
    let Some(list) = app.list.selected(&app.lists) else { return Ok(()) };
    match code {
        KeyCode::Enter => app.pane = Pane::Todos,
        KeyCode::Char('e') => app.input = Some(InputLine::new(InputPurpose::ListName, &list.id, &list.name)),
        KeyCode::Char('d') | KeyCode::Delete => {
            let deleted = app.database.delete_list(list)?;
            app.remember_deleted(deleted)?;
        }
        _ => {}
    }
    Ok(())
}

fn press_on_todo(app: &mut App, code: KeyCode) -> Result<()> {
    let Some(todo) = app.todo.selected(&app.todos) else { return Ok(()) };
    match code {
        KeyCode::Char(' ' | 'x') => {
            app.database.set_done(&todo.id, !todo.done)?;
            app.refresh()?;
        }
        KeyCode::Enter | KeyCode::Char('e') => {
            app.input = Some(InputLine::new(InputPurpose::TodoTitle, &todo.id, &todo.title));
        }
        KeyCode::Char('t') => {
            let due = todo.due.map(|day| day.to_string()).unwrap_or_default();
            app.input = Some(InputLine::new(InputPurpose::Due, &todo.id, &due));
        }
        KeyCode::Char('d') | KeyCode::Delete => {
            let deleted = app.database.delete_todo(todo)?;
            app.remember_deleted(deleted)?;
        }
        KeyCode::Char('m') => {
            app.target = Selection::default();
            app.target.update(&app.lists);
            app.pane = Pane::Targets;
        }
        _ => {}
    }
    Ok(())
}

fn edit(app: &mut App, mut input: InputLine, key: KeyEvent) -> Result<()> {
    match input.press(key) {
        InputOutcome::Accepted => app.accept(&input),
        InputOutcome::Cancelled if input.purpose == InputPurpose::Find => cancel(app),
        InputOutcome::Cancelled => Ok(()),
        InputOutcome::Editing => {
            if input.purpose == InputPurpose::Find {
                input.text().clone_into(&mut app.search);
                app.refresh()?;
            }
            app.input = Some(input);
            Ok(())
        }
    }
}

/// Closes the pane in front, or ends the search.
fn cancel(app: &mut App) -> Result<()> {
    match app.pane {
        Pane::Targets | Pane::Problems => app.pane = Pane::Todos,
        Pane::Lists | Pane::Todos => app.search.clear(),
    }
    app.refresh()
}
