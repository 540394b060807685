//! Starting the app: the first time, again, and with errors.

use rustix::process::{Pid, Signal, kill_process};

use crate::todo::terminal::Terminal;
use crate::todo::world::{PASSPHRASE, World};
use tidelog_test_kit::PASSWORD;

#[test]
fn the_first_start_prompts_without_echo_and_later_ones_start_offline_without_prompts() {
    let mut world = World::new();
    let first = Terminal::run(&world.app_on("laptop"));
    first.shows("Password of mia@example.com:");
    first.type_secret(PASSWORD).press(&["Enter"]).shows("New passphrase");
    first.type_secret(PASSPHRASE).press(&["Enter"]).shows("Repeat the passphrase");
    let asked = first.screen();
    assert!(!asked.contains(PASSWORD) && !asked.contains(PASSPHRASE), "{asked}");
    first.type_secret(PASSPHRASE).press(&["Enter"]).shows("● live");
    first.press(&["a"]).type_text("Milk").press(&["Enter"]).shows("[ ] Milk");
    first.press(&["q"]);
    assert_eq!(first.end().0, 0);
    world.server.stop();
    let second = Terminal::run(&world.app_on("laptop"));
    second.shows("○ offline");
    second.shows("[ ] Milk");
}

#[test]
fn two_different_new_passphrases_are_refused() {
    let world = World::new();
    let app = Terminal::run(&world.app_on("laptop"));
    app.shows("Password of");
    app.type_secret(PASSWORD).press(&["Enter"]).shows("New passphrase");
    app.type_secret(PASSPHRASE).press(&["Enter"]).shows("Repeat the passphrase");
    app.type_secret("seven wet ducks").press(&["Enter"]).shows("the passphrases do not match");
    assert_eq!(app.end().0, 1);
}

#[test]
fn a_wrong_passphrase_is_reported_and_the_next_start_asks_again() {
    let world = World::new();
    let _laptop = world.start("laptop");
    let mut app = world.app_on("phone");
    app.env("TIDELOG_PASSWORD", PASSWORD).env("TIDELOG_PASSPHRASE", "seven wet ducks");
    let refused = Terminal::run(&app);
    refused.shows("wrong passphrase");
    assert_eq!(refused.end().0, 1);
    let _phone = world.start("phone");
}

#[test]
fn a_removed_device_signs_in_again_and_keeps_its_edits() {
    let world = World::new();
    let (laptop, phone) = (world.start("laptop"), world.start("phone"));
    let devices = world.server.cli().run(&["device", "list"]).json();
    let is_phone = |device: &&serde_json::Value| device["device_name"] == "phone";
    let device = devices.as_array().expect("a list").iter().find(is_phone).expect("the phone");
    world.server.cli().run(&["device", "revoke", device["device_id"].as_str().expect("an id")]).json();
    phone.shows("press s");
    phone.press(&["a"]).type_text("Written by a stranger").press(&["Enter"]).shows("[ ] Written");
    // The environment contains the secrets.
    phone.press(&["s"]).shows("● live");
    laptop.shows("[ ] Written by a stranger");
}

#[test]
fn a_database_is_synced_by_one_process_only() {
    let world = World::new();
    let _first = world.start("laptop");
    let second = Terminal::run(&world.app_on("laptop"));
    second.shows("is already open");
    assert_eq!(second.end().0, 1);
}

#[test]
fn a_signal_restores_the_terminal() {
    let world = World::new();
    let laptop = world.start("laptop");
    kill_process(Pid::from_raw(laptop.pid()).expect("a process"), Signal::TERM).expect("it runs");
    let (code, screen) = laptop.end();
    assert_eq!(code, 143);
    assert!(screen.contains(" icanon") && screen.contains(" echo "), "{screen}");
    assert!(!screen.contains("Inbox"), "{screen}");
}
