//! The two secrets: from the environment or from a person, never from the command line, where process lists and shell histories
//! show them.

use std::env;
use std::io::{self, IsTerminal};

use zeroize::Zeroizing;

use crate::Result;

type Secret = Zeroizing<String>;

/// The account's password, which the server checks.
pub(crate) fn password(email: &str) -> Result<Secret> {
    one("TIDELOG_PASSWORD", &format!("Password of {email}: "))
}

/// What opens the user's key. The server never learns it, so it cannot be asked for another one: a new one is typed twice.
pub(crate) fn passphrase(exists: bool) -> Result<Secret> {
    const VARIABLE: &str = "TIDELOG_PASSPHRASE";
    if exists {
        return one(VARIABLE, "Passphrase: ");
    }
    let first = one(VARIABLE, "A new passphrase, which encrypts your todos: ")?;
    if first == one(VARIABLE, "The same once more: ")? {
        Ok(first)
    } else {
        Err("these were two passphrases".into())
    }
}

fn one(variable: &str, question: &str) -> Result<Secret> {
    match env::var(variable) {
        Ok(secret) => Ok(Zeroizing::new(secret)),
        Err(_) if io::stdin().is_terminal() => Ok(Zeroizing::new(rpassword::prompt_password(question)?)),
        Err(_) => Err(format!("there is no terminal to ask on; set {variable}").into()),
    }
}
