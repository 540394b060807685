//! Expiry, grace time and reuse of tokens, on a clock that the test advances.

use super::*;
use crate::auth::TokenSettings;
use crate::auth::passwords::Passwords;
use crate::clock::{Clock, ClockHand};
use crate::notify::Hub;
use crate::store::{NewUser, Options, Store, Synchronous};

const PASSWORD: &str = "correct horse";

struct Fixture {
    auth: Auth,
    hand: ClockHand,
    _folder: tempfile::TempDir,
}

async fn fixture() -> Fixture {
    let folder = tempfile::tempdir().expect("a folder");
    let (clock, hand) = Clock::manual(Timestamp::from_micros(1_800_000_000_000_000).expect("a time"));
    let options = Options {
        data: folder.path().into(),
        synchronous: Synchronous::Normal,
        readers: 1,
        allow_network_file_system: false,
        serving: true,
        audit_days: 90,
    };
    let hub = Hub::default();
    let store = Store::open(options, clock.clone(), hub.clone()).expect("a store");
    let settings = TokenSettings { issuer: "tidelog".into(), token_seconds: 1_000, session_seconds: 10_000 };
    let passwords = Passwords::new(1).expect("randomness");
    let auth = Auth::new(store.clone(), clock, &hub, passwords, settings).await.expect("sign-in");
    let hash = auth.passwords().hash(PASSWORD.into()).await.expect("a hash");
    let new = NewUser { id: Uuid::now_v7(), email: "a@example.com".into(), password_hash: hash };
    store.create_user(Actor::Operator, new, false).await.expect("a user");
    store
        .create_app(Actor::Operator, Uuid::now_v7(), "notes".into(), hash_secret("key"))
        .await
        .expect("an app");
    Fixture { auth, hand, _folder: folder }
}

impl Fixture {
    async fn sign_in(&self) -> TokenPair {
        let request = SignInRequest {
            email: " A@Example.com".into(),
            password: PASSWORD.into(),
            api_key: "key".into(),
        };
        match self.auth.sign_in(Actor::Server, request).await.expect("no fault") {
            SignInOutcome::SignedIn(pair) => pair,
            SignInOutcome::Refused | SignInOutcome::TwoFactorRequired => panic!("right credentials"),
        }
    }

    async fn refresh(&self, pair_before: &TokenPair) -> Option<TokenPair> {
        let token = pair_before.refresh_token.as_deref().expect("a refresh token");
        self.auth.refresh(Actor::Server, token).await.expect("no fault")
    }

    async fn is_in(&self, pair: &TokenPair) -> bool {
        self.auth.caller(&format!("Bearer {}", pair.token)).await.expect("no fault").is_some()
    }
}

#[tokio::test]
async fn an_access_token_expires_and_refreshing_keeps_the_session_alive() {
    let fixture = fixture().await;
    let first = fixture.sign_in().await;
    fixture.hand.advance(999);
    assert!(fixture.is_in(&first).await);
    fixture.hand.advance(1);
    assert!(!fixture.is_in(&first).await);
    fixture.hand.advance(8_999);
    let second = fixture.refresh(&first).await.expect("the session is live");
    fixture.hand.advance(9_999);
    let third = fixture.refresh(&second).await.expect("refreshing extended the session");
    assert!(fixture.is_in(&third).await);
    fixture.hand.advance(10_000);
    assert!(fixture.refresh(&third).await.is_none());
}

#[tokio::test]
async fn a_refresh_can_be_repeated_until_a_minute_after_its_successor_was_used() {
    let fixture = fixture().await;
    let first = fixture.sign_in().await;
    let second = fixture.refresh(&first).await.expect("a successor");
    fixture.hand.advance(5_000);
    let again = fixture.refresh(&first).await.expect("the answer may have been lost");
    assert_eq!(second.refresh_token, again.refresh_token);
    fixture.refresh(&second).await.expect("the successor's first use");
    fixture.hand.advance(60);
    assert!(fixture.refresh(&first).await.is_some(), "within the grace time");
    fixture.hand.advance(1);
    assert!(fixture.refresh(&first).await.is_none(), "somebody has a copy");
    assert!(fixture.refresh(&second).await.is_none(), "so the session ends");
    assert!(!fixture.is_in(&second).await);
}

#[tokio::test]
async fn a_revoked_session_is_refused_at_its_next_request_although_it_was_cached() {
    let fixture = fixture().await;
    let signed_in = fixture.sign_in().await;
    assert!(fixture.is_in(&signed_in).await);
    assert!(
        fixture.auth.store.disable_user(Actor::Operator, "a@example.com".into()).await.expect("disabled")
    );
    assert!(!fixture.is_in(&signed_in).await);
}
