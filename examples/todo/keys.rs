//! What each key does.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::Result;
use crate::app::{App, Pane};
use crate::selection::Selection;
use crate::typing::{Purpose, Typed, Typing};

/// What Page Up and Page Down skip.
const PAGE: isize = 10;

const IN_LISTS: &[(&str, &str)] = &[
    ("a", "add"),
    ("e", "rename"),
    ("d", "delete"),
    ("u", "undo"),
    ("J K", "reorder"),
    ("tab", "todos"),
    ("q", "quit"),
];
const IN_TODOS: &[(&str, &str)] = &[
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
const IN_TARGETS: &[(&str, &str)] = &[("enter", "move it here"), ("esc", "leave it")];
const IN_PROBLEMS: &[(&str, &str)] = &[("enter", "forget them"), ("esc", "keep them")];

/// What follows a key, beyond what the app does by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    GoOn,
    Sync,
    Forget,
    Quit,
}

/// The keys of a pane, to be shown.
pub(crate) fn help(pane: Pane) -> &'static [(&'static str, &'static str)] {
    match pane {
        Pane::Lists => IN_LISTS,
        Pane::Todos => IN_TODOS,
        Pane::Targets => IN_TARGETS,
        Pane::Problems => IN_PROBLEMS,
    }
}

/// Does what a key stands for.
pub(crate) fn press(app: &mut App, key: KeyEvent) -> Result<After> {
    app.message.clear();
    if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
        return Ok(After::Quit);
    }
    if let Some(typing) = app.typing.take() {
        return type_on(app, typing, key).map(|()| After::GoOn);
    }
    let shift = key.modifiers.contains(KeyModifiers::SHIFT);
    match key.code {
        KeyCode::Char('q') => return Ok(After::Quit),
        KeyCode::Char('s') => return Ok(After::Sync),
        KeyCode::Char('K') => app.reorder(-1)?,
        KeyCode::Char('J') => app.reorder(1)?,
        KeyCode::Up if shift => app.reorder(-1)?,
        KeyCode::Down if shift => app.reorder(1)?,
        KeyCode::Up | KeyCode::Char('k') => app.go(-1)?,
        KeyCode::Down | KeyCode::Char('j') => app.go(1)?,
        KeyCode::PageUp => app.go(-PAGE)?,
        KeyCode::PageDown => app.go(PAGE)?,
        KeyCode::Home => app.go(isize::MIN)?,
        KeyCode::End => app.go(isize::MAX)?,
        KeyCode::Esc => leave(app)?,
        KeyCode::Enter if app.pane == Pane::Problems => {
            leave(app)?;
            return Ok(After::Forget);
        }
        code => press_in_pane(app, code)?,
    }
    Ok(After::GoOn)
}

fn press_in_pane(app: &mut App, code: KeyCode) -> Result<()> {
    match (app.pane, code) {
        (Pane::Targets, KeyCode::Enter) => return app.move_to_target(),
        (Pane::Targets | Pane::Problems, _) => {}
        (_, KeyCode::Char('p')) if !app.problems.is_empty() => app.pane = Pane::Problems,
        (_, KeyCode::Char('u')) => return app.undo(),
        (_, KeyCode::Char('/')) => app.typing = Some(Typing::new(Purpose::Find, "", &app.find)),
        (_, KeyCode::Char('h')) => {
            app.hides_done = !app.hides_done;
            return app.refresh();
        }
        (_, KeyCode::Left) | (Pane::Todos, KeyCode::Tab | KeyCode::BackTab) => app.pane = Pane::Lists,
        (_, KeyCode::Right) | (Pane::Lists, KeyCode::Tab | KeyCode::BackTab) => app.pane = Pane::Todos,
        (Pane::Lists, KeyCode::Char('a')) => app.typing = Some(Typing::new(Purpose::NewList, "", "")),
        (Pane::Todos, KeyCode::Char('a')) => {
            let list = app.list.of(&app.lists);
            app.typing = Some(match list {
                Some(list) => Typing::new(Purpose::NewTodo, &list.id, ""),
                None => Typing::new(Purpose::NewList, "", ""),
            });
        }
        (Pane::Lists, code) => return press_on_list(app, code),
        (Pane::Todos, code) => return press_on_todo(app, code),
    }
    Ok(())
}

fn press_on_list(app: &mut App, code: KeyCode) -> Result<()> {
    let Some(list) = app.list.of(&app.lists) else { return Ok(()) };
    match code {
        KeyCode::Enter => app.pane = Pane::Todos,
        KeyCode::Char('e') => app.typing = Some(Typing::new(Purpose::ListName, &list.id, &list.name)),
        KeyCode::Char('d') | KeyCode::Delete => {
            let deleted = app.database.delete_list(list)?;
            app.remember(deleted)?;
        }
        _ => {}
    }
    Ok(())
}

fn press_on_todo(app: &mut App, code: KeyCode) -> Result<()> {
    let Some(todo) = app.todo.of(&app.todos) else { return Ok(()) };
    match code {
        KeyCode::Char(' ' | 'x') => {
            app.database.set_done(&todo.id, !todo.done)?;
            app.refresh()?;
        }
        KeyCode::Enter | KeyCode::Char('e') => {
            app.typing = Some(Typing::new(Purpose::TodoTitle, &todo.id, &todo.title));
        }
        KeyCode::Char('t') => {
            let due = todo.due.map(|day| day.to_string()).unwrap_or_default();
            app.typing = Some(Typing::new(Purpose::Due, &todo.id, &due));
        }
        KeyCode::Char('d') | KeyCode::Delete => {
            let deleted = app.database.delete_todo(todo)?;
            app.remember(deleted)?;
        }
        KeyCode::Char('m') => {
            app.target = Selection::default();
            app.target.follow(&app.lists);
            app.pane = Pane::Targets;
        }
        _ => {}
    }
    Ok(())
}

fn type_on(app: &mut App, mut typing: Typing, key: KeyEvent) -> Result<()> {
    match typing.press(key) {
        Typed::Done => app.accept(&typing),
        Typed::Cancelled if typing.purpose == Purpose::Find => leave(app),
        Typed::Cancelled => Ok(()),
        Typed::On => {
            if typing.purpose == Purpose::Find {
                typing.text().clone_into(&mut app.find);
                app.refresh()?;
            }
            app.typing = Some(typing);
            Ok(())
        }
    }
}

/// Leaves what is half done, or the search.
fn leave(app: &mut App) -> Result<()> {
    match app.pane {
        Pane::Targets | Pane::Problems => app.pane = Pane::Todos,
        Pane::Lists | Pane::Todos => app.find.clear(),
    }
    app.refresh()
}
