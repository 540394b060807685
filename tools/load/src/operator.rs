//! Apps and users made by the command line of a server's binary, whatever schema its database has.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Result;
use crate::library::{API_KEY, PASSWORD};

/// In a data folder that was filled this way: the key of the app, which the server made.
const KEY_FILE: &str = "load-api-key";
/// Commands that run at once; each hashes a password.
const AT_ONCE: usize = 4;

/// The key of the app that is measured, in this data folder.
pub(crate) fn api_key(data: &Path) -> String {
    fs::read_to_string(data.join(KEY_FILE)).unwrap_or_else(|_| API_KEY.to_owned())
}

/// Creates the app and those of the users who do not exist.
pub(crate) fn create(binary: &Path, data: &Path, emails: &[String]) -> Result<()> {
    if !data.join(KEY_FILE).exists() {
        let app = run(binary, data, &["app", "create", "Load"], "")?;
        fs::write(data.join(KEY_FILE), app["api_key"].as_str().ok_or("the app has no key")?)?;
    }
    let users = run(binary, data, &["user", "list"], "")?;
    let users = users.as_array().ok_or("no list of users")?;
    let known: HashSet<&str> = users.iter().filter_map(|user| user["email"].as_str()).collect();
    let missing: Vec<_> = emails.iter().filter(|email| !known.contains(email.as_str())).collect();
    std::thread::scope(|scope| {
        let threads: Vec<_> = missing
            .chunks(missing.len().div_ceil(AT_ONCE).max(1))
            .map(|emails| scope.spawn(move || emails.iter().try_for_each(|email| user(binary, data, email))))
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
    })
}

fn user(binary: &Path, data: &Path, email: &str) -> Result<()> {
    run(binary, data, &["user", "create", email, "--password-stdin"], PASSWORD).map(drop)
}

fn run(binary: &Path, data: &Path, arguments: &[&str], input: &str) -> Result<Value> {
    let mut child = Command::new(binary)
        .args(arguments)
        .arg("--json")
        .arg("--data")
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child.stdin.take().ok_or("no input")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("tidelog {} failed", arguments.join(" ")).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
