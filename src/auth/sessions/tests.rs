//! What only a clock that can be moved shows: ends, graces and reuse.

use super::*;
use crate::clock::ClockHand;
use crate::model::actors::Actor;
use crate::store::{Options, Synchronous};

const PASSWORD: &str = "correct horse";

struct House {
    auth: Auth,
    hand: ClockHand,
    _folder: tempfile::TempDir,
}

async fn house() -> House {
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
    let settings = AuthSettings { issuer: "tidelog".into(), token_seconds: 1_000, session_seconds: 10_000 };
    let passwords = Passwords::new(1).expect("randomness");
    let auth = Auth::new(store.clone(), clock, &hub, passwords, settings).await.expect("sign-in");
    let hash = auth.passwords().hash(PASSWORD.into()).await.expect("a hash");
    store
        .create_user(Actor::Operator, Uuid::now_v7(), "a@example.com".into(), hash, false)
        .await
        .expect("a user");
    store
        .create_app(Actor::Operator, Uuid::now_v7(), "notes".into(), hash_secret("key"))
        .await
        .expect("an app");
    House { auth, hand, _folder: folder }
}

fn pair(outcome: Result<SignIn, Fault>) -> Option<TokenPair> {
    match outcome.expect("no fault") {
        SignIn::Done(pair) => Some(pair),
        SignIn::Refused | SignIn::TwoFactorRequired => None,
    }
}

impl House {
    async fn sign_in(&self) -> TokenPair {
        let request = SignInRequest {
            email: " A@Example.com".into(),
            password: PASSWORD.into(),
            api_key: "key".into(),
        };
        pair(self.auth.sign_in(Actor::Server, request).await).expect("right credentials")
    }

    async fn refresh(&self, pair_before: &TokenPair) -> Option<TokenPair> {
        let token = pair_before.refresh_token.as_deref().expect("a refresh token");
        pair(self.auth.refresh(Actor::Server, token).await)
    }

    async fn is_in(&self, pair: &TokenPair) -> bool {
        self.auth.caller(&format!("Bearer {}", pair.token)).await.expect("no fault").is_some()
    }
}

#[tokio::test]
async fn an_access_token_ends_on_time_and_a_session_lives_on_by_refreshing() {
    let house = house().await;
    let first = house.sign_in().await;
    house.hand.advance(999);
    assert!(house.is_in(&first).await);
    house.hand.advance(1);
    assert!(!house.is_in(&first).await);
    house.hand.advance(8_999);
    let second = house.refresh(&first).await.expect("the session lives");
    house.hand.advance(9_999);
    let third = house.refresh(&second).await.expect("refreshing pushed its end on");
    assert!(house.is_in(&third).await);
    house.hand.advance(10_000);
    assert!(house.refresh(&third).await.is_none());
}

#[tokio::test]
async fn a_lost_answer_can_be_had_again_until_its_successor_has_been_used_for_a_minute() {
    let house = house().await;
    let first = house.sign_in().await;
    let second = house.refresh(&first).await.expect("a successor");
    house.hand.advance(5_000);
    let again = house.refresh(&first).await.expect("the answer may have been lost");
    assert_eq!(second.refresh_token, again.refresh_token);
    house.refresh(&second).await.expect("the successor's first use");
    house.hand.advance(60);
    assert!(house.refresh(&first).await.is_some(), "within the grace time");
    house.hand.advance(1);
    assert!(house.refresh(&first).await.is_none(), "somebody has a copy");
    assert!(house.refresh(&second).await.is_none(), "so the whole family ends");
    assert!(!house.is_in(&second).await);
}

#[tokio::test]
async fn a_revoked_session_is_refused_on_its_next_request_though_it_was_remembered() {
    let house = house().await;
    let signed_in = house.sign_in().await;
    assert!(house.is_in(&signed_in).await);
    assert!(house.auth.store.disable_user(Actor::Operator, "a@example.com".into()).await.expect("disabled"));
    assert!(!house.is_in(&signed_in).await);
}
