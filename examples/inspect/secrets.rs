//! The two secrets: from the environment or from a prompt, but never from the command line, where process lists and
//! shell histories would show them.

use std::env::{self, VarError};
use std::io::{self, IsTerminal};

use zeroize::Zeroizing;

use crate::error::{InspectError, Result};

/// The variable with the account's password, for scripts.
const PASSWORD_VARIABLE: &str = "TIDELOG_PASSWORD";
/// The variable with the passphrase, for scripts.
const PASSPHRASE_VARIABLE: &str = "TIDELOG_PASSPHRASE";

/// The secrets of a session. Deliberately without `Debug`.
pub(crate) struct Secrets {
    /// The account's password, which the server verifies.
    pub(crate) password: Zeroizing<String>,
    /// Opens the key; never leaves this machine.
    pub(crate) passphrase: Option<Zeroizing<String>>,
}

impl Secrets {
    /// Reads or asks for the secrets. To be called first: a Ctrl-C at the prompt ends the process without cleaning up.
    pub(crate) fn get(with_passphrase: bool) -> Result<Self> {
        let password = read("Password", PASSWORD_VARIABLE)?;
        let passphrase = with_passphrase.then(|| read("Passphrase", PASSPHRASE_VARIABLE)).transpose()?;
        Ok(Self { password, passphrase })
    }
}

fn read(name: &'static str, variable: &'static str) -> Result<Zeroizing<String>> {
    match env::var(variable) {
        Ok(secret) => Ok(Zeroizing::new(secret)),
        Err(VarError::NotUnicode(_)) => Err(InspectError::NotUtf8(variable)),
        Err(VarError::NotPresent) if io::stdin().is_terminal() => {
            rpassword::prompt_password(format!("{name}: ")).map(Zeroizing::new).map_err(InspectError::Prompt)
        }
        Err(VarError::NotPresent) => Err(InspectError::NoTerminal(variable)),
    }
}
