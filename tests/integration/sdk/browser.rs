//! The browser is redirected to a port of this machine, to which others can connect as well.

mod flow;
mod http_browser;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tidelog_client::{Result, SyncKitClient, SyncKitError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use tidelog_test_kit::sdk::{builder, config};

/// Longer than any test takes.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(600);

/// A sign-in that waits, and the URL that the browser was given.
struct PendingSignIn {
    login: JoinHandle<Result<(Uuid, Uuid)>>,
    url: Url,
}

impl PendingSignIn {
    async fn begin(client: Arc<SyncKitClient>) -> Self {
        let (opened, url) = oneshot::channel();
        let open = |url: &str| opened.send(url.to_owned()).map_err(|_| io::Error::other("nobody waits"));
        let login =
            tokio::spawn(async move { client.login_with_browser_opened_by(LOGIN_TIMEOUT, open).await });
        Self { login, url: url.await.unwrap().parse().unwrap() }
    }

    fn parameter(&self, name: &str) -> String {
        self.url.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned()
    }

    /// The redirect URI with this query.
    fn callback(&self, query: &str) -> String {
        format!("{}?{query}", self.parameter("redirect_uri"))
    }

    fn right_state(&self, rest: &str) -> String {
        self.callback(&format!("state={}&{rest}", self.parameter("state")))
    }

    fn address(&self) -> String {
        self.parameter("redirect_uri")["http://".len()..].trim_end_matches("/callback").to_owned()
    }

    /// Comes back as if the user had declined. Returns the outcome and the page.
    async fn decline(self) -> (Result<(Uuid, Uuid)>, String) {
        let page = visit(&self.right_state("error=access_denied")).await.1;
        (self.login.await.unwrap(), page)
    }
}

/// A client of a server that does not exist.
fn client_without_server() -> Arc<SyncKitClient> {
    Arc::new(builder(config("http://127.0.0.1:9", "tla_key")).retries(0).build())
}

/// Status and page.
async fn visit(url: &str) -> (u16, String) {
    let answer = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn declining_is_a_typed_error_and_shows_a_page() {
    let (outcome, page) = PendingSignIn::begin(client_without_server()).await.decline().await;
    assert!(matches!(outcome, Err(SyncKitError::AccessDenied)));
    assert!(page.contains("Sign-in cancelled"));
}

#[tokio::test]
async fn the_page_loads_nothing_and_must_not_be_framed_or_cached() {
    let waiting = PendingSignIn::begin(client_without_server()).await;
    let answer = reqwest::get(waiting.right_state("error=server_error")).await.unwrap();
    let header = |name| answer.headers()[name].to_str().unwrap().to_owned();
    assert!(header("content-security-policy").starts_with("default-src 'none'"));
    assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!(
        (header("referrer-policy"), header("cache-control")),
        ("no-referrer".into(), "no-store".into())
    );
    assert!(!answer.text().await.unwrap().contains("http"));
    let outcome = waiting.login.await.unwrap();
    assert!(matches!(outcome, Err(SyncKitError::SignInFailed { error }) if error == "server_error"));
}

#[tokio::test]
async fn requests_without_the_state_change_nothing() {
    let waiting = PendingSignIn::begin(client_without_server()).await;
    let favicon = format!("http://{}/favicon.ico", waiting.address());
    assert_eq!(visit(&favicon).await.0, 404);
    let state = waiting.parameter("state");
    for query in [
        "code=a&state=guessed".to_owned(),
        "error=access_denied".to_owned(),
        "state=&code=a".to_owned(),
        format!("state={state}&state={state}&code=a"),
        format!("state={}&code=a", &state[..42]),
    ] {
        assert_eq!(visit(&waiting.callback(&query)).await.0, 400, "{query}");
    }
    let elsewhere = format!("http://{}/other?code=a&state={state}", waiting.address());
    assert_eq!(visit(&elsewhere).await.0, 404);
    let posted = reqwest::Client::new().post(waiting.right_state("code=a")).send().await;
    assert!(posted.is_err());
    assert!(!waiting.login.is_finished());
    assert!(matches!(waiting.decline().await.0, Err(SyncKitError::AccessDenied)));
}

#[tokio::test]
async fn silent_and_endless_connections_block_nobody() {
    let waiting = PendingSignIn::begin(client_without_server()).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(waiting.address()).await.unwrap();
        let _ = stream.write_all(b"GET /callback?code=").await;
        silent.push(stream);
    }
    for garbage in [vec![b'x'; 1 << 20], vec![0; 64], b"GET / HTTP/1.1\r\nno-colon\r\n\r\n".to_vec()] {
        let mut stream = TcpStream::connect(waiting.address()).await.unwrap();
        let _ = stream.write_all(&garbage).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.is_empty());
    }
    assert!(matches!(waiting.decline().await.0, Err(SyncKitError::AccessDenied)));
    drop(silent);
}

#[tokio::test]
async fn a_request_that_arrives_byte_by_byte_is_read() {
    let waiting = PendingSignIn::begin(client_without_server()).await;
    let mut stream = TcpStream::connect(waiting.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let target =
        waiting.right_state("error=access_denied").split_off("http://".len() + waiting.address().len());
    for byte in format!("GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").bytes() {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    drop(stream);
    assert!(page.contains("Sign-in cancelled"));
    assert!(matches!(waiting.login.await.unwrap(), Err(SyncKitError::AccessDenied)));
}

#[tokio::test]
async fn a_code_that_cannot_be_exchanged_is_an_error_and_shows_a_page() {
    let waiting = PendingSignIn::begin(client_without_server()).await;
    let page = visit(&waiting.right_state("code=a")).await.1;
    assert!(page.contains("Sign-in failed"));
    assert!(matches!(waiting.login.await.unwrap(), Err(SyncKitError::Network(_))));
}

#[tokio::test]
async fn a_user_who_never_comes_back_is_a_typed_error() {
    let outcome = client_without_server().login_with_browser_opened_by(Duration::ZERO, |_| Ok(())).await;
    assert!(matches!(outcome, Err(SyncKitError::LoginTimedOut)));
}

#[tokio::test]
async fn a_browser_that_does_not_open_is_an_error_at_once() {
    let open = |_: &str| Err(io::Error::other("no display"));
    let outcome = client_without_server().login_with_browser_opened_by(LOGIN_TIMEOUT, open).await;
    assert!(matches!(outcome, Err(SyncKitError::NoBrowser(error)) if error.to_string() == "no display"));
}

#[tokio::test]
async fn a_cancelled_sign_in_closes_its_port() {
    let waiting = PendingSignIn::begin(client_without_server()).await;
    let address = waiting.address();
    waiting.login.abort();
    assert!(waiting.login.await.unwrap_err().is_cancelled());
    while TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
