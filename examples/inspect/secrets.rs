//! The two secrets: from the environment or from a person, never from the command line, where process lists and shell histories
//! show them.

use std::env::{self, VarError};
use std::io::{self, IsTerminal};

use zeroize::Zeroizing;

use crate::failure::{Failure, Result};

/// Where scripts put the account's password.
const PASSWORD: &str = "TIDELOG_PASSWORD";
/// Where scripts put the passphrase.
const PASSPHRASE: &str = "TIDELOG_PASSPHRASE";

/// What a visit takes. No `Debug`.
pub(crate) struct Secrets {
    /// The account's password, which the server checks.
    pub(crate) password: Zeroizing<String>,
    /// What opens the key; it stays on this machine.
    pub(crate) passphrase: Option<Zeroizing<String>>,
}

impl Secrets {
    /// Finds or asks for them, before anything is begun that a Ctrl-C at the prompt would leave behind.
    pub(crate) fn get(with_passphrase: bool) -> Result<Self> {
        let password = one("Password", PASSWORD)?;
        let passphrase = with_passphrase.then(|| one("Passphrase", PASSPHRASE)).transpose()?;
        Ok(Self { password, passphrase })
    }
}

fn one(name: &'static str, variable: &'static str) -> Result<Zeroizing<String>> {
    match env::var(variable) {
        Ok(secret) => Ok(Zeroizing::new(secret)),
        Err(VarError::NotUnicode(_)) => Err(Failure::NotText(variable)),
        Err(VarError::NotPresent) if io::stdin().is_terminal() => {
            rpassword::prompt_password(format!("{name}: ")).map(Zeroizing::new).map_err(Failure::Prompt)
        }
        Err(VarError::NotPresent) => Err(Failure::NobodyToAsk(variable)),
    }
}
