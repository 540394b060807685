//! The programs under test. Cargo builds them together with the tests, unless it builds a single test target: then
//! they are built here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::SystemTime;

static TIDELOG: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = profile_folder();
    let path = folder.join("tidelog");
    // Cargo writes no dependency list next to a program that it builds for tests, but each library has one.
    let lists = fs::read_dir(folder.join("deps")).expect("the libraries are there");
    let lists = lists.filter_map(|entry| list_of_library(&entry.expect("a file").path()));
    build_if_stale(&path, lists.collect(), &["-p", "tidelog", "--bin", "tidelog"]);
    path
});

/// Returns the path of the server's binary.
pub fn tidelog() -> &'static Path {
    &TIDELOG
}

/// Returns the path of an example's binary.
pub fn example(name: &str) -> PathBuf {
    let path = profile_folder().join("examples").join(name);
    build_if_stale(&path, vec![path.with_extension("d")], &["-p", "tidelog-examples", "--example", name]);
    path
}

/// Returns the dependency list of this file if it is one of the server's libraries, with any set of features.
fn list_of_library(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?.strip_prefix("lib")?.strip_suffix(".rlib")?;
    let (library, _hash) = name.split_once('-')?;
    matches!(library, "tidelog" | "tidelog_protocol").then(|| path.with_file_name(format!("{name}.d")))
}

/// `TARGET/PROFILE`, where this test is `TARGET/PROFILE/deps/NAME-HASH`.
fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    test.ancestors().nth(2).expect("a test is in TARGET/PROFILE/deps").to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn build_if_stale(program: &Path, lists: Vec<PathBuf>, arguments: &[&str]) {
    let changed = lists.iter().flat_map(|list| sources(list)).filter_map(|source| modified(&source)).max();
    if modified(program) > changed {
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
        .current_dir(root())
        .status();
    assert!(status.expect("cargo runs").success(), "{} does not build", program.display());
}

/// Returns the sources in a dependency list of Cargo or the compiler: `output: source source …`. Deleted sources need
/// no check: a file that referred to them has changed as well.
fn sources(list: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(list).unwrap_or_default();
    let Some((_, sources)) = text.lines().next().and_then(|line| line.split_once(": ")) else {
        return Vec::new();
    };
    // A space inside a name is written as `\\ `.
    let sources = sources.replace("\\ ", "\0");
    sources.split(' ').map(|source| root().join(source.replace('\0', " "))).collect()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}
