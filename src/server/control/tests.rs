//! The control socket in front of a real store.

use std::path::Path;

use super::*;
use crate::auth::passwords::Passwords;
use crate::clock::Clock;
use crate::notify::Hub;
use crate::server::commands::{AppCommand, UserCommand};
use crate::store::{Options, Store, Synchronous};

const URL: &str = "http://127.0.0.1:7878";
const LIST_APPS: Command = Command::App(AppCommand::List);

async fn serve(data: &Path) -> (Control, Store) {
    let options = Options {
        data: data.into(),
        synchronous: Synchronous::Normal,
        readers: 1,
        allow_network_file_system: false,
        serving: true,
        audit_days: 90,
    };
    let store = Store::open(options, Clock::system(), Hub::default()).expect("a store");
    let passwords = Passwords::new(1).expect("randomness");
    let context = CommandContext {
        mailer: None,
        sign_up: crate::config::SignUpRule::Closed,
        store: store.clone(),
        auth: None,
        passwords,
        sweeper: None,
        clock: Clock::system(),
        url: String::new(),
    };
    (Control::serve(data, URL, context).expect("a socket"), store)
}

/// Sends bytes as they are and returns the line that comes back.
async fn exchange(data: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(path(data)).await.expect("a server listens");
    stream.write_all(bytes).await.expect("sent");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.expect("an answer");
    line
}

#[tokio::test]
async fn a_command_is_executed_by_the_process_that_has_the_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_control, store) = serve(folder.path()).await;
    let create = Command::App(AppCommand::Create { name: "Notes".into() });
    let made = call(folder.path(), &create).await.expect("an app");
    assert_eq!(made["app_id"], store.list_apps().await.expect("apps")[0].id.to_string());
    assert!(matches!(call(folder.path(), &create).await, Err(CallError::Command(CommandError::Refused(_)))));
    assert_eq!(call(folder.path(), &Command::Url).await.expect("a URL")["url"], URL);
}

#[tokio::test]
async fn only_the_owner_can_open_the_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_control, _store) = serve(folder.path()).await;
    let mode = std::fs::metadata(path(folder.path())).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_socket_left_by_a_killed_server_counts_as_not_running_and_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(std::os::unix::net::UnixListener::bind(path(folder.path())).expect("a socket"));
    assert!(matches!(call(folder.path(), &LIST_APPS).await, Err(CallError::NotRunning)));
    let (_control, _store) = serve(folder.path()).await;
    call(folder.path(), &LIST_APPS).await.expect("a server listens again");
}

#[tokio::test]
async fn a_data_folder_path_may_be_longer_than_a_socket_path() {
    let folder = tempfile::tempdir().expect("a folder");
    let deep = folder.path().join("d".repeat(200));
    let (control, _store) = serve(&deep).await;
    call(&deep, &LIST_APPS).await.expect("a server listens");
    control.stop().await;
    assert!(!path(&deep).exists());
}

#[tokio::test]
async fn an_invalid_command_is_refused_and_never_quoted() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_control, _store) = serve(folder.path()).await;
    for line in [
        &b"{\"user\":{\"create\":{\"email\":\"a@b.c\",\"password\":\"correct horse\"}}}\n"[..],
        b"{\"user\":{\"crate\":{\"password\":\"correct horse\"}}}\n",
        b"\xFF\xFE\n",
        b"\n",
        &[b'x'; MAX_COMMAND_BYTES as usize],
    ] {
        let answer = exchange(folder.path(), line).await;
        assert!(answer.contains("does not know this command"), "{answer}");
        assert!(!answer.contains("horse"), "{answer}");
    }
}

#[tokio::test]
async fn a_command_that_is_too_long_is_refused_before_it_is_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_control, _store) = serve(folder.path()).await;
    let create = Command::App(AppCommand::Create { name: "x".repeat(MAX_COMMAND_BYTES as usize) });
    assert!(matches!(call(folder.path(), &create).await, Err(CallError::Command(CommandError::Refused(_)))));
}

#[tokio::test]
async fn stopping_waits_for_running_commands() {
    let folder = tempfile::tempdir().expect("a folder");
    let (control, store) = serve(folder.path()).await;
    let (email, password) = ("a@example.com".into(), "correct horse".into());
    let create = Command::User(UserCommand::Create { email, password, admin: false });
    // Connections are accepted in order: once the second is answered, the first has been accepted.
    let mut stream = UnixStream::connect(path(folder.path())).await.expect("a server listens");
    let mut line = serde_json::to_vec(&create).expect("a command");
    line.push(b'\n');
    stream.write_all(&line).await.expect("sent");
    call(folder.path(), &LIST_APPS).await.expect("an answer");
    control.stop().await;
    assert_eq!(store.list_users().await.expect("users").len(), 1);
    assert!(matches!(call(folder.path(), &LIST_APPS).await, Err(CallError::NotRunning)));
}
