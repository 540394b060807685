//! A temporary server with a sample app and user: what `tidelog dev` runs, and what the SDK's documentation and tests
//! run against.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;
use std::thread::JoinHandle;

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::auth::secrets::random_256;
use crate::clock::Clock;
use crate::config::{Sources, load};
use crate::server::commands::{Command, CommandContext, CommandError, UserCommand, create_app, create_user};
use crate::server::{self, StartError};

/// Why a temporary server did not start.
pub type StartFailure = Box<dyn std::error::Error + Send + Sync>;

/// Creates a data folder that only its owner can enter, and that is removed when dropped.
///
/// # Errors
/// The folder could not be created.
pub fn temporary_data_folder() -> std::io::Result<TempDir> {
    let owner_only = Permissions::from_mode(0o700);
    tempfile::Builder::new().prefix("tidelog-dev-").permissions(owner_only).tempdir()
}

/// The sample app and user. No `Debug`: it holds a password.
#[derive(Serialize)]
pub struct Sample {
    /// The app's ID.
    pub app_id: String,
    /// The app's API key.
    pub api_key: String,
    /// The user's email address.
    pub email: String,
    /// The user's password.
    pub password: String,
    /// The user's ID.
    pub user_id: String,
}

/// Creates an app and a user with unused names and a random password.
///
/// # Errors
/// See [`CommandError`].
pub async fn create_sample(context: &CommandContext) -> Result<Sample, CommandError> {
    let password = BASE64URL_NOPAD.encode(&random_256()?[..12]);
    let name = if context.store.list_users().await?.is_empty() {
        "dev".to_owned()
    } else {
        format!("dev-{}", &Uuid::new_v4().simple().to_string()[..6])
    };
    let email = format!("{name}@example.com");
    let app = create_app(context, name).await?;
    let user = create_user(context, &email, password.clone(), false).await?;
    Ok(Sample {
        app_id: app.app_id.to_string(),
        api_key: app.api_key,
        user_id: user.user_id.to_string(),
        email,
        password,
    })
}

/// A server in this process, on a free port and a temporary data folder, with a sample app and user. It stops when
/// dropped.
pub struct Server {
    url: String,
    sample: Sample,
    commands: tokio::sync::mpsc::Sender<CommandRequest>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

type CommandRequest = (Command, oneshot::Sender<Result<Value, CommandError>>);

impl Server {
    /// Starts one on its own thread and runtime, so that it works inside any other.
    ///
    /// # Errors
    /// It could not listen or create its folder.
    pub async fn start() -> Result<Self, StartFailure> {
        let (ready, is_ready) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let (commands, requests) = tokio::sync::mpsc::channel(1);
        let thread = std::thread::Builder::new().name("tidelog-dev".into()).spawn(move || {
            let failure = serve(&ready, stopped, requests);
            if let Err(failure) = failure {
                let _ = ready.send(Err(failure));
            }
        })?;
        let (url, sample) = tokio::task::spawn_blocking(move || is_ready.recv()).await???;
        Ok(Self { url, sample, commands, stop: Some(stop), thread: Some(thread) })
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The app's ID.
    pub fn app_id(&self) -> &str {
        &self.sample.app_id
    }

    /// The app's API key.
    pub fn api_key(&self) -> &str {
        &self.sample.api_key
    }

    /// The user's email address.
    pub fn email(&self) -> &str {
        &self.sample.email
    }

    /// The user's password.
    pub fn password(&self) -> &str {
        &self.sample.password
    }

    /// Creates another user and returns its ID.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn create_user(&self, email: &str, password: &str) -> Result<String, CommandError> {
        let create = UserCommand::Create { email: email.into(), password: password.into(), admin: false };
        let user = self.command(Command::User(create)).await?;
        Ok(user["user_id"].as_str().unwrap_or_default().to_owned())
    }

    /// Executes an operator's command; the answer is what `--json` prints.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn command(&self, command: Command) -> Result<Value, CommandError> {
        let stopped = || CommandError::Failed("the server has stopped".into());
        let (reply, answer) = oneshot::channel();
        self.commands.send((command, reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Stops it and removes its folder, as dropping it does, but without blocking the caller's other tasks.
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

type Ready = mpsc::Sender<Result<(String, Sample), StartFailure>>;

fn serve(
    ready: &Ready,
    stopped: oneshot::Receiver<()>,
    mut requests: tokio::sync::mpsc::Receiver<CommandRequest>,
) -> Result<(), StartFailure> {
    let folder = temporary_data_folder()?;
    let flags = vec![
        ("data", folder.path().to_string_lossy().into_owned()),
        ("listen", "127.0.0.1:0".into()),
        ("auth.rate_limit.ip_burst", "100000".into()),
        ("auth.rate_limit.backoff_after_failures", "100000".into()),
        ("shutdown_timeout_seconds", "1".into()),
    ];
    let (settings, _) = load(&Sources { flags, ..Sources::default() })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let running =
            server::start(settings, Clock::system()).await.map_err(|error: StartError| Box::new(error))?;
        let context = running.command_context().clone();
        let sample = create_sample(&context).await?;
        let _ = ready.send(Ok((running.url().to_owned(), sample)));
        let execute_commands = async {
            while let Some((command, reply)) = requests.recv().await {
                let _ = reply.send(command.execute(&context).await);
            }
            std::future::pending::<()>().await
        };
        tokio::select! {
            _ = stopped => {}
            () = execute_commands => {}
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
        let users = server.command(Command::User(UserCommand::List)).await.expect("users");
        assert_eq!(users[1]["user_id"], user);
        let address = server.url().trim_start_matches("http://").to_owned();
        server.stop().await;
        std::net::TcpStream::connect(address).expect_err("nothing listens");
    }
}
