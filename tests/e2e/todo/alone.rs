//! The app without a server.

use std::process::Command;

use tempfile::TempDir;
use tidelog_test_kit::example;

use crate::todo::terminal::Terminal;

fn app_in(folder: &TempDir) -> Terminal {
    let mut app = Command::new(example("todo"));
    app.arg("--database").arg(folder.path().join("mine.db"));
    let terminal = Terminal::run(&app);
    terminal.wait_for("on this device only");
    terminal
}

#[test]
fn without_a_server_lists_are_kept_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = app_in(&folder);
    app.press(&["a"]).type_text("Milk").press(&["Enter"]).wait_for("[ ] Milk");
    app.press(&["a"]).type_text("Bread").press(&["Enter"]).wait_for("0 of 2 done");
    app.press(&["Space"]).wait_for("[x] Bread");
    app.press(&["h"]).wait_until_gone("Bread");
    app.press(&["q"]);
    assert_eq!(app.end().0, 0);
    let again = app_in(&folder);
    again.wait_for("[ ] Milk");
    again.wait_for("[x] Bread");
}

#[test]
fn todos_are_found_moved_deleted_and_restored() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = app_in(&folder);
    app.press(&["a"]).type_text("Milk").press(&["Enter"]).wait_for("[ ] Milk");
    app.press(&["a"]).type_text("Bread").press(&["Enter"]).wait_for("[ ] Bread");
    app.press(&["/"]).type_text("MIL").wait_until_gone("Bread");
    app.press(&["Enter", "d"]).wait_for("No matching todos");
    app.press(&["u"]).wait_for("[ ] Milk");
    app.press(&["Escape"]).wait_for("[ ] Bread");
    app.press(&["Tab", "a"]).type_text("Work").press(&["Enter"]).wait_for("No todos");
    app.press(&["Tab", "Up", "Tab", "m"]).wait_for("Move to");
    app.press(&["Down", "Enter"]).wait_for("moved to Work");
    app.press(&["Tab", "Down"]).wait_for("0 of 1 done");
}

#[test]
fn an_invalid_date_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = app_in(&folder);
    app.press(&["a"]).type_text("Milk").press(&["Enter"]).wait_for("[ ] Milk");
    app.press(&["t"]).type_text("someday").press(&["Enter"]).wait_for("someday is not a date");
    app.press(&["t"]).type_text("2019-02-28").press(&["Enter"]).wait_for("28 Feb 2019");
    app.press(&["t", "C-u", "Enter"]).wait_until_gone("2019");
}

#[test]
fn it_fits_any_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = app_in(&folder);
    app.press(&["a"]).type_text("Milk").press(&["Enter"]).wait_for("[ ] Milk");
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
