//! The programs under test. Cargo builds them together with the tests, unless it is told to build one test alone: then they are
//! built here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::SystemTime;

static TIDELOG: LazyLock<PathBuf> = LazyLock::new(|| {
    let path = profile_folder().join("tidelog");
    build_if_stale(&path, &["-p", "tidelog", "--bin", "tidelog"]);
    path
});

/// The server's binary.
pub fn tidelog() -> &'static Path {
    &TIDELOG
}

/// The binary of an example.
pub fn example(name: &str) -> PathBuf {
    let path = profile_folder().join("examples").join(name);
    build_if_stale(&path, &["-p", "tidelog-examples", "--example", name]);
    path
}

/// `TARGET/PROFILE`, where this test is `TARGET/PROFILE/deps/NAME-HASH`.
fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    test.ancestors().nth(2).expect("a test is in TARGET/PROFILE/deps").to_owned()
}

fn build_if_stale(program: &Path, arguments: &[&str]) {
    if is_fresh(program).unwrap_or(false) {
        return;
    }
    let folder = profile_folder();
    let target = folder.parent().expect("a profile's folder is in the target folder");
    let profile = folder.file_name().and_then(|name| name.to_str()).expect("a profile has a name");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--profile", if profile == "debug" { "dev" } else { profile }])
        .args(arguments)
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(status.expect("cargo runs").success(), "{} does not build", program.display());
}

/// Whether a program is newer than each of its sources, by the list that Cargo writes beside it.
fn is_fresh(program: &Path) -> Option<bool> {
    let built = modified(program)?;
    let list = fs::read_to_string(program.with_extension("d")).ok()?;
    let (_, sources) = list.trim_end().split_once(": ")?;
    // A blank that is part of a name is written as `\\ `.
    let sources = sources.replace("\\ ", "\0");
    Some(sources.split(' ').all(|source| {
        modified(Path::new(&source.replace('\0', " "))).is_some_and(|changed| changed <= built)
    }))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}
