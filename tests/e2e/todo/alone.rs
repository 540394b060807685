//! The app without a server.

use std::process::Command;

use tempfile::TempDir;
use tidelog_test_kit::example;

use crate::todo::terminal::Terminal;

fn app_in(folder: &TempDir) -> Terminal {
    let mut app = Command::new(example("todo"));
    app.arg("--database").arg(folder.path().join("mine.db"));
    let terminal = Terminal::run(&app);
    terminal.shows("on this device only");
    terminal
}

#[test]
fn without_a_server_lists_are_kept_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = app_in(&folder);
    app.press(&["a"]).type_text("Milk").press(&["Enter"]).shows("[ ] Milk");
    app.press(&["a"]).type_text("Bread").press(&["Enter"]).shows("0 of 2 done");
    app.press(&["Space"]).shows("[x] Bread");
    app.press(&["h"]).hides("Bread");
    app.press(&["q"]);
    assert_eq!(app.end().0, 0);
    let again = app_in(&folder);
    again.shows("[ ] Milk");
    again.shows("[x] Bread");
}

#[test]
fn todos_are_found_moved_deleted_and_restored() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = app_in(&folder);
    app.press(&["a"]).type_text("Milk").press(&["Enter"]).shows("[ ] Milk");
    app.press(&["a"]).type_text("Bread").press(&["Enter"]).shows("[ ] Bread");
    app.press(&["/"]).type_text("MIL").hides("Bread");
    app.press(&["Enter", "d"]).shows("No matching todos");
    app.press(&["u"]).shows("[ ] Milk");
    app.press(&["Escape"]).shows("[ ] Bread");
    app.press(&["Tab", "a"]).type_text("Work").press(&["Enter"]).shows("No todos");
    app.press(&["Tab", "Up", "Tab", "m"]).shows("Move to");
    app.press(&["Down", "Enter"]).shows("moved to Work");
    app.press(&["Tab", "Down"]).shows("0 of 1 done");
}

#[test]
fn an_invalid_date_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = app_in(&folder);
    app.press(&["a"]).type_text("Milk").press(&["Enter"]).shows("[ ] Milk");
    app.press(&["t"]).type_text("someday").press(&["Enter"]).shows("someday is not a date");
    app.press(&["t"]).type_text("2019-02-28").press(&["Enter"]).shows("28 Feb 2019");
    app.press(&["t", "C-u", "Enter"]).hides("2019");
}

#[test]
fn it_fits_any_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = app_in(&folder);
    app.press(&["a"]).type_text("Milk").press(&["Enter"]).shows("[ ] Milk");
    app.resize("40", "10");
    app.until("40 columns", |screen| screen.contains("[ ] Milk") && widest(screen) == 40);
    app.resize("3", "2");
    app.until("almost nothing", |screen| screen.contains("ad") && widest(screen) <= 3);
    app.resize("200", "50");
    app.until("200 columns", |screen| screen.contains("[ ] Milk") && widest(screen) == 200);
    app.press(&["q"]);
    assert_eq!(app.end().0, 0);
}

fn widest(screen: &str) -> usize {
    screen.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}
