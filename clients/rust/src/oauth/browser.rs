//! The whole sign-in of a desktop program: open the browser, wait until it comes back, exchange the code that it
//! brings.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use uuid::Uuid;

use super::loopback::{Loopback, Redirected};
use super::page::CallbackPage;
use crate::{Result, SyncKitClient, SyncKitError};

/// Time for a user who has to look for a password, a phone and an authenticator app.
#[cfg(feature = "browser")]
const LOGIN_TIMEOUT: Duration = Duration::from_secs(10 * 60);

impl SyncKitClient {
    /// Signs in with the user's browser. Waits ten minutes for the user, and returns the user id and the app id.
    ///
    /// To cancel, drop the future, for example when the user presses "Cancel".
    ///
    /// # Errors
    /// Those of [`login_with_browser_opened_by`](Self::login_with_browser_opened_by).
    #[cfg(feature = "browser")]
    pub async fn login_with_browser(&self) -> Result<(Uuid, Uuid)> {
        self.login_with_browser_opened_by(LOGIN_TIMEOUT, webbrowser::open).await
    }

    /// Like [`login_with_browser`](Self::login_with_browser), for programs that open the browser in their own way,
    /// show the URL for people to copy, or need another timeout. `open` is called with the URL, on a thread that may
    /// block; if it fails, the sign-in does.
    ///
    /// The browser must run on this machine: it is redirected to a port of 127.0.0.1, which is open as long as this
    /// waits.
    ///
    /// # Errors
    /// [`SyncKitError::NoBrowser`], [`SyncKitError::LoginTimedOut`], [`SyncKitError::AccessDenied`], and those of
    /// [`authenticate_with_callback`](Self::authenticate_with_callback).
    pub async fn login_with_browser_opened_by<F>(
        &self,
        login_timeout: Duration,
        open: F,
    ) -> Result<(Uuid, Uuid)>
    where
        F: FnOnce(&str) -> io::Result<()> + Send + 'static,
    {
        let loopback = Loopback::bind().await?;
        let started = self.build_authorize_url(&loopback.redirect_uri())?;
        let (sender, mut receiver) = mpsc::channel::<io::Result<Redirected>>(1);
        let _listening = loopback.listen(started.state.clone(), sender.clone());
        let url = started.url.clone();
        tokio::task::spawn_blocking(move || {
            // Some browsers return only when their window is closed; the redirect has arrived by then.
            if let Err(error) = open(&url) {
                let _ = sender.try_send(Err(error));
            }
        });
        let received = timeout(login_timeout, receiver.recv()).await;
        let received =
            received.map_err(|_| SyncKitError::LoginTimedOut)?.ok_or(SyncKitError::ShuttingDown)?;
        let Redirected { callback, connection } = received.map_err(SyncKitError::NoBrowser)?;
        let outcome = self.finish_sign_in(&started, callback).await;
        connection.respond(&CallbackPage::for_outcome(&outcome)).await;
        outcome
    }
}
