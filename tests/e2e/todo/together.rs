//! The app on two devices.

use std::fs;
use std::path::Path;

use crate::todo::fixture::Fixture;

/// Maximum number of lines of `sync.rs` that are neither empty nor a comment.
const SYNC_LINES: usize = 14;

#[test]
fn text_typed_on_one_device_appears_on_the_other() {
    let fixture = Fixture::new();
    let (laptop, phone) = (fixture.start("laptop"), fixture.start("phone"));
    laptop.press(&["a"]).type_text("Buy 牛奶 and 🥛 milk").press(&["Enter"]);
    phone.wait_for("[ ] Buy 牛奶 and 🥛 milk");
    phone.press(&["Space"]);
    laptop.wait_for("[x] Buy 牛奶 and 🥛 milk");
    laptop.press(&["e"]).type_text(", two of it").press(&["Enter"]);
    phone.wait_for("milk, two of it");
    laptop.press(&["t"]).type_text("tomorrow").press(&["Enter"]);
    phone.wait_for("tomorrow");
}

#[test]
fn a_deleted_list_disappears_everywhere_and_is_restored_with_its_todos() {
    let fixture = Fixture::new();
    let (laptop, phone) = (fixture.start("laptop"), fixture.start("phone"));
    laptop.press(&["Tab", "a"]).type_text("Groceries").press(&["Enter"]);
    laptop.press(&["a"]).type_text("Bread").press(&["Enter"]);
    laptop.press(&["a"]).type_text("Eggs").press(&["Enter"]);
    phone.wait_for("Groceries");
    phone.press(&["Tab", "Down"]).wait_for("[ ] Eggs");
    laptop.press(&["Tab", "d"]);
    phone.wait_until_gone("Groceries");
    laptop.press(&["u"]);
    phone.wait_for("Groceries");
    phone.press(&["Down"]).wait_for("[ ] Bread");
    phone.wait_for("[ ] Eggs");
}

#[test]
fn both_devices_work_offline_and_both_edits_arrive() {
    let mut fixture = Fixture::new();
    let (laptop, phone) = (fixture.start("laptop"), fixture.start("phone"));
    laptop.press(&["a"]).type_text("Milk").press(&["Enter"]);
    phone.wait_for("[ ] Milk");
    fixture.server.stop();
    laptop.wait_for("○ offline");
    phone.wait_for("○ offline");
    laptop.press(&["Space"]).wait_for("[x] Milk");
    laptop.press(&["a"]).type_text("By the laptop").press(&["Enter"]).wait_for("2 to send");
    phone.press(&["e"]).type_text(" of oats").press(&["Enter"]).wait_for("Milk of oats");
    phone.press(&["a"]).type_text("By the phone").press(&["Enter"]).wait_for("2 to send");
    fixture.start_again();
    for device in [laptop, phone] {
        device.press(&["s"]).wait_for("[x] Milk of oats");
        device.wait_for("By the laptop");
        device.wait_for("By the phone");
        device.wait_for("● live");
    }
}

#[test]
fn remote_changes_keep_the_selection() {
    let fixture = Fixture::new();
    let (laptop, phone) = (fixture.start("laptop"), fixture.start("phone"));
    for title in ["First", "Second", "Third"] {
        laptop.press(&["a"]).type_text(title).press(&["Enter"]).wait_for(title);
    }
    laptop.press(&["Up"]).wait_for("▸ [ ] Second");
    phone.wait_for("Third");
    phone.press(&["End", "K", "K"]);
    laptop.until("another order", |screen| screen.find("Third") < screen.find("First"));
    laptop.wait_for("▸ [ ] Second");
    phone.press(&["d"]);
    laptop.wait_until_gone("Third");
    laptop.wait_for("▸ [ ] Second");
}

#[test]
fn the_sync_part_takes_less_than_fifteen_lines() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/todo");
    let sync = fs::read_to_string(folder.join("sync.rs")).expect("it is there");
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
    let lines = sync.lines().filter(is_code).count();
    assert!(lines <= SYNC_LINES, "{lines} lines");
    assert!(sync.contains("Replica::attach") && sync.contains(".run("));
    let database = fs::read_to_string(folder.join("database.rs")).expect("it is there");
    assert!(!database.contains("Replica"), "the app's own SQL mentions sync");
}
