//! The whole sign-in of a desktop program: open the browser, wait until it comes back, exchange what it brought.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use uuid::Uuid;

use super::callback::Callback;
use super::loopback::{Loopback, Visitor};
use super::page::Page;
use crate::{Result, SyncKitClient, SyncKitError};

/// How long a person may take who has to look for a password, a telephone and a second factor.
#[cfg(feature = "browser")]
const LOGIN_PATIENCE: Duration = Duration::from_secs(10 * 60);

/// What ends the wait: somebody with the right state, or no browser.
pub(super) type Arrival = io::Result<(Callback, Visitor)>;

impl SyncKitClient {
    /// Signs in with the user's browser; gives back (user id, app id). It waits ten minutes for the user.
    ///
    /// Give it up by dropping the future, as when the user presses "Cancel".
    ///
    /// # Errors
    /// Those of [`login_with_browser_opened_by`](Self::login_with_browser_opened_by).
    #[cfg(feature = "browser")]
    pub async fn login_with_browser(&self) -> Result<(Uuid, Uuid)> {
        self.login_with_browser_opened_by(LOGIN_PATIENCE, webbrowser::open).await
    }

    /// The same, for programs that open the browser in their own way, show the address for people to copy, or wait longer or
    /// shorter. `open` is given the address, on a thread that may block; an error of it ends the sign-in.
    ///
    /// The browser must run on this machine: it comes back to a port of 127.0.0.1, which is open as long as this waits.
    ///
    /// # Errors
    /// [`SyncKitError::NoBrowser`], [`SyncKitError::LoginTimedOut`], [`SyncKitError::AccessDenied`], and those of
    /// [`authenticate_with_callback`](Self::authenticate_with_callback).
    pub async fn login_with_browser_opened_by<F>(&self, patience: Duration, open: F) -> Result<(Uuid, Uuid)>
    where
        F: FnOnce(&str) -> io::Result<()> + Send + 'static,
    {
        let loopback = Loopback::bind().await?;
        let began = self.build_authorize_url(&loopback.redirect_uri())?;
        let (sender, mut arrivals) = mpsc::channel::<Arrival>(1);
        let _open_door = loopback.open(began.state.clone(), sender.clone());
        let url = began.url.clone();
        tokio::task::spawn_blocking(move || {
            // Some browsers end only when their window does; whoever came back through it is there by then.
            if let Err(error) = open(&url) {
                let _ = sender.try_send(Err(error));
            }
        });
        let arrival = timeout(patience, arrivals.recv()).await.map_err(|_| SyncKitError::LoginTimedOut)?;
        let (callback, visitor) =
            arrival.ok_or(SyncKitError::ShuttingDown)?.map_err(SyncKitError::NoBrowser)?;
        let outcome = self.finish(&began, callback).await;
        visitor.show(&Page::after(&outcome)).await;
        outcome
    }
}
