//! The whole way, through the server's own pages.

use std::sync::Arc;

use reqwest::Url;
use tidelog_client::{SyncKitClient, SyncKitError};

use super::Waiting;
use super::person::{Person, Shown};
use crate::support::{PASSPHRASE, World, builder, config, tasks};

/// Logs in and comes to the question whether the app may come in.
async fn come_to_consent(world: &World, person: &mut Person, url: &Url) -> Shown {
    let page = person.open(url).await;
    let credentials = [("email", world.server.email()), ("password", world.server.password())];
    person.submit(&page, &credentials).await
}

async fn begin(client: &Arc<SyncKitClient>) -> Waiting {
    Waiting::begin(client.clone()).await
}

#[tokio::test]
async fn a_person_who_allows_it_is_signed_in_and_everything_else_works_as_after_a_password() {
    let world = World::new().await;
    let client = Arc::new(world.stranger());
    let (waiting, mut person) = (begin(&client).await, Person::new());
    let consent = come_to_consent(&world, &mut person, &waiting.url).await;
    let end = person.submit(&consent, &[("decision", "allow")]).await;
    assert!(end.html.contains("You are signed in"), "{}", end.html);
    let (user_id, app_id) = waiting.login.await.unwrap().unwrap();

    let session = client.session_info().unwrap();
    assert_eq!((session.user_id, session.app_id), (user_id, app_id));
    assert!(session.expires_at.unwrap() > chrono::Utc::now() + chrono::TimeDelta::days(6));
    client.setup_encryption_new(PASSPHRASE).await.unwrap();
    let device = client.register_device("laptop", "linux").await.unwrap();
    client.push(device.id, tasks(1)).await.unwrap();

    // Saved, restored, refreshed and ended like any other session.
    let mut saved = session;
    saved.expires_at = Some(chrono::Utc::now());
    let again = world.stranger();
    again.restore_session(serde_json::from_str(&serde_json::to_string(&saved).unwrap()).unwrap());
    assert_eq!(again.status().await.unwrap().total_changes, 1);
    assert!(again.session_info().unwrap().refresh_token != saved.refresh_token);
    again.logout().await.unwrap();
    assert!(matches!(client.status().await, Err(SyncKitError::Unauthenticated)));
}

#[tokio::test]
async fn a_person_who_declines_leaves_nothing_behind() {
    let world = World::new().await;
    let client = Arc::new(world.stranger());
    let (waiting, mut person) = (begin(&client).await, Person::new());
    let consent = come_to_consent(&world, &mut person, &waiting.url).await;
    let end = person.submit(&consent, &[("decision", "deny")]).await;
    assert!(end.html.contains("You have declined"));
    assert!(matches!(waiting.login.await.unwrap(), Err(SyncKitError::AccessDenied)));
    assert_eq!(client.session_info(), None);
}

#[tokio::test]
async fn a_code_is_good_once_and_only_with_its_verifier() {
    let world = World::new().await;
    let client = world.stranger();
    let began = client.build_authorize_url("http://127.0.0.1:9/done").unwrap();
    let code = code_for(&world, &began.url).await;
    let other = client.build_authorize_url("http://127.0.0.1:9/done").unwrap();
    for (code, redirect_uri, verifier) in [
        (code.as_str(), "http://127.0.0.1:9/done", other.code_verifier.as_str()),
        (code.as_str(), "http://127.0.0.1:9/elsewhere", began.code_verifier.as_str()),
        ("made-up", "http://127.0.0.1:9/done", began.code_verifier.as_str()),
    ] {
        let refused = client.authenticate_with_code(code, redirect_uri, verifier).await;
        assert!(matches!(refused, Err(SyncKitError::CodeRefused)), "{refused:?}");
    }
    client.authenticate_with_code(&code, &began.redirect_uri, &began.code_verifier).await.unwrap();
    client.status().await.unwrap();
    let again = world.stranger();
    let refused = again.authenticate_with_code(&code, &began.redirect_uri, &began.code_verifier).await;
    assert!(matches!(refused, Err(SyncKitError::CodeRefused)));
    // Somebody has seen the code: what it gave has ended.
    assert!(matches!(client.status().await, Err(SyncKitError::Unauthenticated)));
}

#[tokio::test]
async fn a_callback_that_names_another_server_is_refused_and_the_right_one_is_still_good() {
    let world = World::new().await;
    let by_name = world.server.url().replace("127.0.0.1", "localhost");
    let client = builder(config(&by_name, world.server.api_key())).build();
    let began = client.build_authorize_url("http://127.0.0.1:9/done").unwrap();
    let mut callback = callback_for(&world, &began.url).await;
    let issuer = |url: &Url| url.query_pairs().find(|(name, _)| name == "iss").unwrap().1.into_owned();
    assert_eq!(issuer(&callback).trim_end_matches('/'), by_name);
    let right = callback.to_string();
    let pairs: Vec<(String, String)> = callback
        .query_pairs()
        .map(|(name, value)| match &*name {
            "iss" => (name.into_owned(), "https://another.example".into()),
            _ => (name.into_owned(), value.into_owned()),
        })
        .collect();
    callback.query_pairs_mut().clear().extend_pairs(pairs);
    let refused = client.authenticate_with_callback(&began, callback.as_str()).await;
    assert!(matches!(refused, Err(SyncKitError::ForeignCallback)), "{refused:?}");
    client.authenticate_with_callback(&began, &right).await.unwrap();
}

#[tokio::test]
async fn an_unknown_app_is_told_to_the_person_and_the_program_is_not_called_back() {
    let world = World::new().await;
    let client = Arc::new(builder(config(world.server.url(), "tla_unknown")).build());
    let waiting = begin(&client).await;
    let page = Person::new().open(&waiting.url).await;
    assert_eq!(page.url.path(), "/oauth/authorize");
    assert!(!waiting.login.is_finished());
    waiting.login.abort();
}

/// The address at which a person ends who allows it; nobody listens there.
async fn callback_for(world: &World, url: &str) -> Url {
    let mut person = Person::new().stopping_at("127.0.0.1:9");
    let consent = come_to_consent(world, &mut person, &url.parse().unwrap()).await;
    person.submit(&consent, &[("decision", "allow")]).await.url
}

async fn code_for(world: &World, url: &str) -> String {
    let callback = callback_for(world, url).await;
    callback.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned()
}
