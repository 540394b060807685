//! The two secrets: from the environment or from a prompt, but never from the command line, where process lists and
//! shell histories would show them.

use std::env;
use std::io::{self, IsTerminal};

use zeroize::Zeroizing;

use crate::Result;

type Secret = Zeroizing<String>;

/// The account's password, which the server verifies.
pub(crate) fn password(email: &str) -> Result<Secret> {
    read("TIDELOG_PASSWORD", &format!("Password of {email}: "))
}

/// The passphrase, which opens the user's key. The server never sees it and cannot reset it, so a new one is entered
/// twice.
pub(crate) fn passphrase(exists: bool) -> Result<Secret> {
    const VARIABLE: &str = "TIDELOG_PASSPHRASE";
    if exists {
        return read(VARIABLE, "Passphrase: ");
    }
    let first = read(VARIABLE, "New passphrase, which encrypts your todos: ")?;
    if first == read(VARIABLE, "Repeat the passphrase: ")? {
        Ok(first)
    } else {
        Err("the passphrases do not match".into())
    }
}

fn read(variable: &str, prompt: &str) -> Result<Secret> {
    match env::var(variable) {
        Ok(secret) => Ok(Zeroizing::new(secret)),
        Err(_) if io::stdin().is_terminal() => Ok(Zeroizing::new(rpassword::prompt_password(prompt)?)),
        Err(_) => Err(format!("there is no terminal for a prompt; set {variable}").into()),
    }
}
