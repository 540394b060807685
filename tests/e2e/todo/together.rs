//! The app on two devices.

use std::fs;
use std::path::Path;

use crate::todo::world::World;

/// Maximum number of lines of `sync.rs` that are neither empty nor a comment.
const SYNC_LINES: usize = 14;

#[test]
fn text_typed_on_one_device_appears_on_the_other() {
    let world = World::new();
    let (laptop, phone) = (world.start("laptop"), world.start("phone"));
    laptop.press(&["a"]).type_text("Buy 牛奶 and 🥛 milk").press(&["Enter"]);
    phone.shows("[ ] Buy 牛奶 and 🥛 milk");
    phone.press(&["Space"]);
    laptop.shows("[x] Buy 牛奶 and 🥛 milk");
    laptop.press(&["e"]).type_text(", two of it").press(&["Enter"]);
    phone.shows("milk, two of it");
    laptop.press(&["t"]).type_text("tomorrow").press(&["Enter"]);
    phone.shows("tomorrow");
}

#[test]
fn a_deleted_list_disappears_everywhere_and_is_restored_with_its_todos() {
    let world = World::new();
    let (laptop, phone) = (world.start("laptop"), world.start("phone"));
    laptop.press(&["Tab", "a"]).type_text("Groceries").press(&["Enter"]);
    laptop.press(&["a"]).type_text("Bread").press(&["Enter"]);
    laptop.press(&["a"]).type_text("Eggs").press(&["Enter"]);
    phone.shows("Groceries");
    phone.press(&["Tab", "Down"]).shows("[ ] Eggs");
    laptop.press(&["Tab", "d"]);
    phone.hides("Groceries");
    laptop.press(&["u"]);
    phone.shows("Groceries");
    phone.press(&["Down"]).shows("[ ] Bread");
    phone.shows("[ ] Eggs");
}

#[test]
fn both_devices_work_offline_and_both_edits_arrive() {
    let mut world = World::new();
    let (laptop, phone) = (world.start("laptop"), world.start("phone"));
    laptop.press(&["a"]).type_text("Milk").press(&["Enter"]);
    phone.shows("[ ] Milk");
    world.server.stop();
    laptop.shows("○ offline");
    phone.shows("○ offline");
    laptop.press(&["Space"]).shows("[x] Milk");
    laptop.press(&["a"]).type_text("By the laptop").press(&["Enter"]).shows("2 to send");
    phone.press(&["e"]).type_text(" of oats").press(&["Enter"]).shows("Milk of oats");
    phone.press(&["a"]).type_text("By the phone").press(&["Enter"]).shows("2 to send");
    world.start_again();
    for device in [laptop, phone] {
        device.press(&["s"]).shows("[x] Milk of oats");
        device.shows("By the laptop");
        device.shows("By the phone");
        device.shows("● live");
    }
}

#[test]
fn remote_changes_keep_the_selection() {
    let world = World::new();
    let (laptop, phone) = (world.start("laptop"), world.start("phone"));
    for title in ["First", "Second", "Third"] {
        laptop.press(&["a"]).type_text(title).press(&["Enter"]).shows(title);
    }
    laptop.press(&["Up"]).shows("▸ [ ] Second");
    phone.shows("Third");
    phone.press(&["End", "K", "K"]);
    laptop.until("another order", |screen| screen.find("Third") < screen.find("First"));
    laptop.shows("▸ [ ] Second");
    phone.press(&["d"]);
    laptop.hides("Third");
    laptop.shows("▸ [ ] Second");
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
    assert!(!database.contains("Replica"), "the app's own SQL knows of sync");
}
