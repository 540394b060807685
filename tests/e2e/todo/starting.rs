//! Starting the app: the first time, again, and with errors.

use rustix::process::{Pid, Signal, kill_process};

use crate::todo::fixture::{Fixture, PASSPHRASE};
use crate::todo::terminal::Terminal;
use tidelog_test_kit::PASSWORD;

#[test]
fn the_first_start_prompts_without_echo_and_later_ones_start_offline_without_prompts() {
    let mut fixture = Fixture::new();
    let first = Terminal::run(&fixture.app_on("laptop"));
    first.wait_for("Password of mia@example.com:");
    first.type_secret(PASSWORD).press(&["Enter"]).wait_for("New passphrase");
    first.type_secret(PASSPHRASE).press(&["Enter"]).wait_for("Repeat the passphrase");
    let asked = first.screen();
    assert!(!asked.contains(PASSWORD) && !asked.contains(PASSPHRASE), "{asked}");
    first.type_secret(PASSPHRASE).press(&["Enter"]).wait_for("● live");
    first.press(&["a"]).type_text("Milk").press(&["Enter"]).wait_for("[ ] Milk");
    first.press(&["q"]);
    assert_eq!(first.end().0, 0);
    fixture.server.stop();
    let second = Terminal::run(&fixture.app_on("laptop"));
    second.wait_for("○ offline");
    second.wait_for("[ ] Milk");
}

#[test]
fn two_different_new_passphrases_are_refused() {
    let fixture = Fixture::new();
    let app = Terminal::run(&fixture.app_on("laptop"));
    app.wait_for("Password of");
    app.type_secret(PASSWORD).press(&["Enter"]).wait_for("New passphrase");
    app.type_secret(PASSPHRASE).press(&["Enter"]).wait_for("Repeat the passphrase");
    app.type_secret("seven wet ducks").press(&["Enter"]).wait_for("the passphrases do not match");
    assert_eq!(app.end().0, 1);
}

#[test]
fn a_wrong_passphrase_is_reported_and_the_next_start_asks_again() {
    let fixture = Fixture::new();
    let _laptop = fixture.start("laptop");
    let mut app = fixture.app_on("phone");
    app.env("TIDELOG_PASSWORD", PASSWORD).env("TIDELOG_PASSPHRASE", "seven wet ducks");
    let refused = Terminal::run(&app);
    refused.wait_for("wrong passphrase");
    assert_eq!(refused.end().0, 1);
    let _phone = fixture.start("phone");
}

#[test]
fn a_removed_device_signs_in_again_and_keeps_its_edits() {
    let fixture = Fixture::new();
    let (laptop, phone) = (fixture.start("laptop"), fixture.start("phone"));
    let devices = fixture.server.cli().run(&["device", "list"]).json();
    let is_phone = |device: &&serde_json::Value| device["device_name"] == "phone";
    let device = devices.as_array().expect("a list").iter().find(is_phone).expect("the phone");
    fixture.server.cli().run(&["device", "revoke", device["device_id"].as_str().expect("an id")]).json();
    phone.wait_for("press s");
    phone.press(&["a"]).type_text("Written by a stranger").press(&["Enter"]).wait_for("[ ] Written");
    // The environment contains the secrets.
    phone.press(&["s"]).wait_for("● live");
    laptop.wait_for("[ ] Written by a stranger");
}

#[test]
fn a_database_is_synced_by_one_process_only() {
    let fixture = Fixture::new();
    let _first = fixture.start("laptop");
    let second = Terminal::run(&fixture.app_on("laptop"));
    second.wait_for("is already open");
    assert_eq!(second.end().0, 1);
}

#[test]
fn a_signal_restores_the_terminal() {
    let fixture = Fixture::new();
    let laptop = fixture.start("laptop");
    kill_process(Pid::from_raw(laptop.pid()).expect("a process"), Signal::TERM).expect("it runs");
    let (code, screen) = laptop.end();
    assert_eq!(code, 143);
    assert!(screen.contains(" icanon") && screen.contains(" echo "), "{screen}");
    assert!(!screen.contains("Inbox"), "{screen}");
}
