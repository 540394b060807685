//! What commands work with.

use crate::auth::Auth;
use crate::auth::passwords::Passwords;
use crate::blobs::Sweeper;
use crate::clock::Clock;
use crate::config::SignUpRule;
use crate::mail::Mailer;
use crate::store::Store;

/// The parts of a server that commands need, in the serving process or without one.
#[derive(Clone)]
pub struct CommandContext {
    /// The database.
    pub store: Store,
    /// The running server's sign-in. `None`: no server is running.
    pub auth: Option<Auth>,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Sweeps the blob store. `None`: this server stores no blobs.
    pub sweeper: Option<Sweeper>,
    /// Sends mail. `None`: this server sends none.
    pub mailer: Option<Mailer>,
    /// Who may create an account.
    pub sign_up: SignUpRule,
    /// The current time.
    pub clock: Clock,
    /// The server's public URL, without a slash at the end.
    pub url: String,
}
