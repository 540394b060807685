//! The order of the house: which folder of the server may use which.
//!
//! Imports point one way: `main → cli → server → http → auth, blobs, mail → store → model → protocol`; `dev`, a server to try things
//! out on, stands between `cli` and `server`. `clock`, `config`, `error`
//! and `notify` are leaves: everybody may use them, they use nobody but each other. The scan is of text, so it also sees
//! paths in code that this build leaves out.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms from the top of the house to its ground. A room uses those on lower floors; `auth`, `blobs` and `mail` share a floor.
const FLOORS: [&[&str]; 7] =
    [&["cli"], &["dev"], &["server"], &["http"], &["auth", "blobs", "mail"], &["store"], &["model"]];

/// Used by all, using none of the rooms.
const LEAVES: [&str; 5] = ["clock", "config", "error", "notify", "tls"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The room that a file belongs to: its first folder, or its name directly under `src`.
fn room_of(file: &Path) -> String {
    let inside = file.strip_prefix(source()).expect("a file of src");
    let first = inside.components().next().expect("a path has a start").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// Every `x` of `crate::x` and of `crate::{x, y::z}` in code; comments may speak of anybody.
fn rooms_used_by(text: &str) -> BTreeSet<String> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut used = BTreeSet::new();
    for (place, _) in code.match_indices("crate::") {
        let follows = &code[place + "crate::".len()..];
        match follows.strip_prefix('{') {
            Some(group) => used.extend(heads_of(group)),
            None => used.extend(leading_name(follows)),
        }
    }
    used
}

/// The first names of the items of `{…}`, whose opening brace is already gone.
fn heads_of(group: &str) -> Vec<String> {
    let (mut depth, mut item, mut heads) = (1, String::new(), Vec::new());
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && character == ',') {
            heads.extend(leading_name(item.trim()));
            item.clear();
        } else {
            item.push(character);
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

fn leading_name(text: &str) -> Option<String> {
    let name: String = text.chars().take_while(|char| char.is_ascii_alphanumeric() || *char == '_').collect();
    (!name.is_empty()).then_some(name)
}

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&room))
}

fn may_use(user: &str, used: &str) -> bool {
    if user == used || user == "main" || user == "lib" || LEAVES.contains(&used) {
        return true;
    }
    match (floor_of(user), floor_of(used)) {
        (Some(user), Some(used)) => user < used,
        _ => false,
    }
}

#[test]
fn imports_point_one_way() {
    let mut files = Vec::new();
    rust_files(&source(), &mut files);
    let mut seen = 0;
    let mut wrong = Vec::new();
    for file in &files {
        let room = room_of(file);
        for used in rooms_used_by(&fs::read_to_string(file).expect("a source file is text")) {
            seen += 1;
            if !may_use(&room, &used) {
                wrong.push(format!("{} uses {used}", file.strip_prefix(source()).expect("inside").display()));
            }
        }
    }
    assert!(seen > files.len() / 2, "the scan saw only {seen} imports in {} files", files.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_room_has_its_place_in_the_house() {
    let rooms: BTreeSet<_> = fs::read_dir(source())
        .expect("src is there")
        .map(|entry| room_of(&entry.expect("an entry").path()))
        .filter(|room| room != "main" && room != "lib")
        .collect();
    let homeless: Vec<_> =
        rooms.iter().filter(|room| floor_of(room).is_none() && !LEAVES.contains(&room.as_str())).collect();
    assert!(homeless.is_empty(), "rooms that the order of the house does not know: {homeless:?}");
}

#[test]
fn the_scan_sees_every_way_to_write_an_import() {
    let text =
        "use crate::{store::{Store, changes}, error::Fault};\n// crate::comment\nlet x = crate::http::run();";
    let expected = ["error", "http", "store"].map(str::to_owned);
    assert_eq!(rooms_used_by(text), BTreeSet::from(expected));
    assert!(may_use("http", "store") && !may_use("store", "http") && !may_use("auth", "blobs"));
    assert!(!may_use("clock", "store") && may_use("clock", "error"));
}
