//! Passwords from a person or a pipe. Never from an argument: those show in process lists and shell histories.

use std::io::{self, BufRead, IsTerminal};

use super::Failure;

/// A password from standard input, or from a prompt without echo.
pub(super) fn read(from_stdin: bool) -> Result<String, Failure> {
    if from_stdin {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    if !io::stdin().is_terminal() {
        return Err("there is no terminal to ask for the password on; use --password-stdin".into());
    }
    let password = rpassword::prompt_password("Password: ")?;
    if rpassword::prompt_password("Once more: ")? != password {
        return Err("the two are not the same".into());
    }
    Ok(password)
}
