//! A server to try things out on: `tidelog dev` prints one, and the SDK's documentation and tests run against one.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;
use std::thread::JoinHandle;

use data_encoding::BASE64URL_NOPAD;
use tempfile::TempDir;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::auth::secrets::random_256;
use crate::clock::Clock;
use crate::config::{Layers, load};
use crate::server::commands::{Command, CommandError, Operator, execute};
use crate::server::{self, StartError};

/// What goes wrong while starting one.
pub type StartFailure = Box<dyn std::error::Error + Send + Sync>;

/// A data folder that is removed when dropped. It is its owner's alone, like any other.
///
/// # Errors
/// It could not be made.
pub fn throw_away_folder() -> std::io::Result<TempDir> {
    let owner_only = Permissions::from_mode(0o700);
    tempfile::Builder::new().prefix("tidelog-dev-").permissions(owner_only).tempdir()
}

/// An app and a user, made for trying things out. No `Debug`: it holds a password.
pub struct Made {
    /// The app.
    pub app_id: String,
    /// Its API key.
    pub api_key: String,
    /// The user.
    pub user_id: String,
    /// The user's address.
    pub email: String,
    /// The user's password.
    pub password: String,
}

/// Makes an app and a user whose names are free, with a random password.
///
/// # Errors
/// A fault of the database, or no randomness.
pub async fn make(operator: &Operator) -> Result<Made, CommandError> {
    let random = BASE64URL_NOPAD.encode(&random_256()?[..12]);
    let tag = &Uuid::new_v4().simple().to_string()[..6];
    let taken = !operator.store.list_users().await?.is_empty();
    let (name, email) = if taken {
        (format!("dev-{tag}"), format!("dev-{tag}@example.com"))
    } else {
        ("dev".into(), "dev@example.com".into())
    };
    let app = execute(operator, Command::AppCreate { name }).await?;
    let create = Command::UserCreate { email: email.clone(), password: random.clone(), admin: false };
    let user = execute(operator, create).await?;
    Ok(Made {
        app_id: text(&app["app_id"]),
        api_key: text(&app["api_key"]),
        user_id: text(&user["user_id"]),
        email,
        password: random,
    })
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A server in this process, on a free port and a temporary folder, with an app and a user. It stops when dropped.
pub struct Server {
    url: String,
    made: Made,
    commands: tokio::sync::mpsc::Sender<Ask>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

type Ask = (Command, oneshot::Sender<Result<serde_json::Value, CommandError>>);

impl Server {
    /// Starts one, on a thread and a runtime of its own, so that it works inside any other.
    ///
    /// # Errors
    /// It could not listen or make its folder.
    pub async fn start() -> Result<Self, StartFailure> {
        let (ready, is_ready) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let (commands, asked) = tokio::sync::mpsc::channel(1);
        let thread = std::thread::Builder::new().name("tidelog-dev".into()).spawn(move || {
            let failure = serve(&ready, stopped, asked);
            if let Err(failure) = failure {
                let _ = ready.send(Err(failure));
            }
        })?;
        let (url, made) = tokio::task::spawn_blocking(move || is_ready.recv()).await???;
        Ok(Self { url, made, commands, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The app's id.
    pub fn app_id(&self) -> &str {
        &self.made.app_id
    }

    /// The app's API key.
    pub fn api_key(&self) -> &str {
        &self.made.api_key
    }

    /// The user's address.
    pub fn email(&self) -> &str {
        &self.made.email
    }

    /// The user's password.
    pub fn password(&self) -> &str {
        &self.made.password
    }

    /// Makes another user, and gives its id.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn create_user(&self, email: &str, password: &str) -> Result<String, CommandError> {
        let create = Command::UserCreate { email: email.into(), password: password.into(), admin: false };
        Ok(text(&self.command(create).await?["user_id"]))
    }

    /// Carries out an operator's command.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn command(&self, command: Command) -> Result<serde_json::Value, CommandError> {
        let gone = || CommandError::Failed("the server has stopped".into());
        let (reply, answer) = oneshot::channel();
        self.commands.send((command, reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Stops it and removes its folder, as dropping it does, but without holding up the caller's other tasks.
    pub async fn stop(self) {
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Ready = mpsc::Sender<Result<(String, Made), StartFailure>>;

fn serve(
    ready: &Ready,
    stopped: oneshot::Receiver<()>,
    mut asked: tokio::sync::mpsc::Receiver<Ask>,
) -> Result<(), StartFailure> {
    let folder = throw_away_folder()?;
    let mut layers = Layers::default();
    layers.flags.push(("data", folder.path().to_string_lossy().into_owned()));
    layers.flags.push(("listen", "127.0.0.1:0".into()));
    layers.flags.push(("auth.burst", "100000".into()));
    layers.flags.push(("auth.free_failures", "100000".into()));
    layers.flags.push(("shutdown_seconds", "1".into()));
    let (settings, _) = load(&layers)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let running =
            server::start(settings, Clock::system()).await.map_err(|error: StartError| Box::new(error))?;
        let operator = running.operator().clone();
        let made = make(&operator).await?;
        let _ = ready.send(Ok((running.url().to_owned(), made)));
        let answer = async {
            while let Some((command, reply)) = asked.recv().await {
                let _ = reply.send(execute(&operator, command).await);
            }
            std::future::pending::<()>().await
        };
        tokio::select! {
            _ = stopped => {}
            () = answer => {}
        }
        running.stop().await;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stopped_server_no_longer_listens() {
        let server = Server::start().await.expect("a server");
        let user = server.create_user("b@example.com", "correct horse").await.expect("a user");
        let users = server.command(Command::UserList).await.expect("users");
        assert_eq!(users[1]["user_id"], user);
        let address = server.url().trim_start_matches("http://").to_owned();
        server.stop().await;
        std::net::TcpStream::connect(address).expect_err("nobody listens");
    }
}
