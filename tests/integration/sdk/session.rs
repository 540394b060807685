//! Signing in, staying signed in, signing out.

use std::sync::{Arc, Mutex};

use chrono::{TimeDelta, Utc};
use tidelog::server::commands::{Command, UserCommand};
use tidelog_client::{SessionInfo, SyncKitError};

use tidelog_test_kit::proxy::Proxy;
use tidelog_test_kit::sdk::{Fixture, PASSPHRASE, builder, config, tasks};

/// The client's session, changed to expire this many seconds from now.
fn expiring_in(session: &SessionInfo, seconds: i64) -> SessionInfo {
    let mut session = session.clone();
    session.expires_at = Some(Utc::now() + TimeDelta::seconds(seconds));
    session
}

#[tokio::test]
async fn signing_in_returns_user_and_app() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_out_client();
    let (user_id, app_id) =
        client.authenticate(fixture.server.email(), fixture.server.password()).await.unwrap();
    let session = client.session_info().unwrap();
    assert_eq!((session.user_id, session.app_id), (user_id, app_id));
    assert_eq!(app_id.to_string(), fixture.server.app_id());
    assert!(session.expires_at.unwrap() > Utc::now() + TimeDelta::days(6));
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_app_are_the_same_error() {
    let fixture = Fixture::new().await;
    let wrong_password = fixture.signed_out_client().authenticate(fixture.server.email(), "wrong").await;
    assert!(matches!(wrong_password, Err(SyncKitError::InvalidCredentials)));
    let elsewhere = builder(config(fixture.server.url(), "unknown")).build();
    let unknown_app = elsewhere.authenticate(fixture.server.email(), fixture.server.password()).await;
    assert!(matches!(unknown_app, Err(SyncKitError::InvalidCredentials)));
    assert_eq!(elsewhere.session_info(), None);
}

#[tokio::test]
async fn a_saved_session_continues_in_another_run() {
    let fixture = Fixture::new().await;
    let saved = serde_json::to_string(&fixture.signed_in().await.session_info()).unwrap();
    let client = fixture.signed_out_client();
    client.restore_session(serde_json::from_str(&saved).unwrap());
    assert_eq!(client.status().await.unwrap().total_changes, 0);
}

#[tokio::test]
async fn the_callback_is_called_with_every_session_to_save() {
    let fixture = Fixture::new().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let save = told.clone();
    let builder = builder(fixture.config())
        .on_session_change(move |session| save.lock().unwrap().push(session.cloned()));
    let client = fixture.signed_in_with(builder).await;
    let first = client.session_info().unwrap();
    client.restore_session(expiring_in(&first, 0));
    client.status().await.unwrap();
    let second = client.session_info().unwrap();
    client.logout().await.unwrap();
    assert!(*told.lock().unwrap() == [Some(first), Some(second), None]);
}

#[tokio::test]
async fn a_token_in_its_last_half_minute_is_replaced_before_it_is_used() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    let before = client.session_info().unwrap();
    client.restore_session(expiring_in(&before, 29));
    client.status().await.unwrap();
    let after = client.session_info().unwrap();
    assert!(after.refresh_token != before.refresh_token);
    assert!(after.expires_at >= before.expires_at);
}

#[tokio::test]
async fn a_token_with_a_minute_left_is_not_replaced() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    let before = client.session_info().unwrap();
    client.restore_session(expiring_in(&before, 60));
    client.status().await.unwrap();
    assert!(client.session_info().unwrap().refresh_token == before.refresh_token);
}

#[tokio::test]
async fn an_expired_session_without_a_refresh_token_is_an_error_without_a_request() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    let mut session = expiring_in(&client.session_info().unwrap(), -1);
    session.refresh_token = None;
    client.restore_session(session);
    assert!(matches!(client.status().await, Err(SyncKitError::TokenExpired)));
}

#[tokio::test]
async fn a_token_that_the_server_refuses_is_replaced_once() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    let mut session = client.session_info().unwrap();
    session.token = "garbage".into();
    client.restore_session(session.clone());
    assert_eq!(client.status().await.unwrap().total_changes, 0);

    session.refresh_token = None;
    client.restore_session(session);
    assert!(matches!(client.status().await, Err(SyncKitError::Unauthenticated)));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_with_an_expiring_token_share_one_refresh() {
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let client = Arc::new(builder(config(proxy.url(), fixture.server.api_key())).build());
    client.restore_session(expiring_in(&fixture.signed_in().await.session_info().unwrap(), 0));
    let ask = |_| {
        let client = client.clone();
        tokio::spawn(async move { client.status().await })
    };
    for task in (0..16).map(ask).collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    assert_eq!(proxy.requests("POST /api/sync/auth/refresh"), 1);
    assert_eq!(proxy.requests("GET /api/sync/status"), 16);
}

#[tokio::test]
async fn a_refresh_completes_although_its_caller_is_no_longer_polled() {
    const REFRESH: &str = "POST /api/sync/auth/refresh";
    let fixture = Fixture::new().await;
    let proxy = Proxy::in_front_of(fixture.server.url()).await;
    let client = builder(config(proxy.url(), fixture.server.api_key())).build();
    client.restore_session(expiring_in(&fixture.signed_in().await.session_info().unwrap(), 0));
    let mut first = Box::pin(client.status());
    tokio::select! {
        biased;
        () = async { while proxy.requests(REFRESH) == 0 { tokio::task::yield_now().await } } => {}
        _ = &mut first => unreachable!("the proxy has seen no refresh"),
    }
    // Kept, but not polled, like an event stream while its program pulls.
    client.status().await.unwrap();
    first.await.unwrap();
    assert_eq!(proxy.requests(REFRESH), 1);
}

#[tokio::test]
async fn a_session_that_was_ended_elsewhere_is_refused_although_it_has_a_refresh_token() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    let copy = fixture.signed_out_client();
    copy.restore_session(client.session_info().unwrap());
    client.logout().await.unwrap();
    assert!(matches!(copy.status().await, Err(SyncKitError::Unauthenticated)));
}

#[tokio::test]
async fn a_disabled_user_is_signed_out_at_once() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    let email = fixture.server.email().to_owned();
    fixture.server.command(Command::User(UserCommand::Disable { email })).await.unwrap();
    assert!(matches!(client.status().await, Err(SyncKitError::Unauthenticated)));
}

#[tokio::test]
async fn nothing_works_before_signing_in_and_after_signing_out() {
    let fixture = Fixture::new().await;
    assert!(matches!(fixture.signed_out_client().status().await, Err(SyncKitError::NotAuthenticated)));

    let (client, device) = fixture.device("laptop").await;
    client.logout().await.unwrap();
    assert_eq!(client.session_info(), None);
    assert!(matches!(client.push(device.id, tasks(1)).await, Err(SyncKitError::NotAuthenticated)));
    client.logout().await.unwrap();
}

#[tokio::test]
async fn signing_out_deletes_the_key() {
    let fixture = Fixture::new().await;
    let (client, device) = fixture.device("laptop").await;
    client.logout().await.unwrap();
    client.authenticate(fixture.server.email(), fixture.server.password()).await.unwrap();
    assert!(matches!(client.push(device.id, tasks(1)).await, Err(SyncKitError::NoMasterKey)));
    assert!(!client.try_load_key_from_keychain().await.unwrap());
    client.setup_encryption_existing(PASSPHRASE).await.unwrap();
}

#[tokio::test]
async fn debug_output_of_a_client_shows_neither_token_nor_api_key() {
    let fixture = Fixture::new().await;
    let client = fixture.signed_in().await;
    let shown = format!("{client:?} {:?} {:?}", client.session_info(), fixture.config());
    let session = client.session_info().unwrap();
    for secret in
        [session.token.as_str(), session.refresh_token.as_deref().unwrap(), fixture.server.api_key()]
    {
        assert!(!shown.contains(secret));
    }
}
