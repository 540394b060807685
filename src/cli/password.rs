//! Reads the password that a command sets.

use std::io::{self, BufRead, IsTerminal};

use super::output::BoxError;
use crate::server::commands::{Command, Password, UserCommand};

/// Reads the password if the command needs one.
pub(super) fn read_for(command: &mut Command) -> Result<(), BoxError> {
    if let Command::User(
        UserCommand::Create { password, .. }
        | UserCommand::ResetPassword { password, link: false, mail: false, .. },
    ) = command
    {
        password.text = read(password)?;
    }
    Ok(())
}

fn read(Password { password_stdin, .. }: &Password) -> Result<String, BoxError> {
    if *password_stdin {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    if !io::stdin().is_terminal() {
        return Err("cannot prompt for a password without a terminal; use --password-stdin".into());
    }
    let password = rpassword::prompt_password("Password: ")?;
    if rpassword::prompt_password("Confirm password: ")? != password {
        return Err("passwords don't match".into());
    }
    Ok(password)
}
