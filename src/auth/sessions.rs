//! Signing in, staying signed in, and knowing at every request who is calling.
//!
//! Whom a live session stands for is kept in memory, so that the common request asks the database nothing. The writer tells
//! of every session that ends before it answers whoever ended it, also when that was a command beside the server; so a
//! revoked caller is refused on the next request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tidelog_protocol::{SignInRequest, Timestamp, TokenPair};
use uuid::Uuid;

use super::passwords::Passwords;
use super::secrets::{first_refresh_token, hash_secret, next_refresh_token, random_256};
use super::tokens::{self, Tokens};
use crate::clock::{Clock, MICROS_PER_SECOND};
use crate::error::Fault;
use crate::model::sessions::Caller;
use crate::model::users::normalize_email;
use crate::notify::{Event, Hub};
use crate::store::{NewSession, Presented, Refreshed, Store};

/// Sessions remembered; beyond that all are forgotten, which costs one look-up each.
const MAX_REMEMBERED: usize = 100_000;

/// How long tokens live, and who issues them.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// `iss` of access tokens.
    pub issuer: String,
    /// Lifetime of an access token, in seconds.
    pub token_seconds: i64,
    /// Lifetime of a session that is not refreshed, in seconds.
    pub session_seconds: i64,
}

/// What came of a sign-in or a refresh.
pub enum SignIn {
    /// The caller is in.
    Done(TokenPair),
    /// Something about the credentials is wrong; nobody is told what.
    Refused,
}

/// Knows who is calling. Cheap to clone.
#[derive(Clone)]
pub struct Auth {
    store: Store,
    clock: Clock,
    passwords: Passwords,
    tokens: Arc<Tokens>,
    settings: AuthSettings,
    remembered: Arc<Remembered>,
}

impl Auth {
    /// Prepares sign-in on a store, making the first signing key if there is none.
    ///
    /// # Errors
    /// A fault of the database, or no randomness.
    pub async fn new(
        store: Store,
        clock: Clock,
        hub: &Hub,
        passwords: Passwords,
        settings: AuthSettings,
    ) -> Result<Self, Fault> {
        let keys = store.signing_keys(tokens::new_signing_key()?).await?;
        let tokens = Tokens::new(&keys, settings.issuer.clone(), settings.token_seconds, clock.clone());
        let remembered = Arc::<Remembered>::default();
        let listener = remembered.clone();
        hub.listen(move |event| listener.forget(event));
        Ok(Self { store, clock, passwords, tokens: Arc::new(tokens), settings, remembered })
    }

    /// The hasher, for commands that set passwords.
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Checks credentials and begins a session. Whatever is wrong, the same work is done first.
    ///
    /// # Errors
    /// A fault of the database, or too many sign-ins at once.
    pub async fn sign_in(&self, request: SignInRequest) -> Result<SignIn, Fault> {
        // An address that is none cannot be that of an account, but must cost as much as one.
        let email = normalize_email(&request.email).unwrap_or_default();
        let api_key_hash = hash_secret(&request.api_key);
        let rows = self.store.sign_in_rows(email, api_key_hash).await?;
        let stored = rows.user.as_ref().map(|user| user.password_hash.clone());
        let right = self.passwords.verify(request.password, stored).await?;
        let (Some(user), Some((app, _)), true) = (rows.user, rows.app, right) else {
            return Ok(SignIn::Refused);
        };
        if user.disabled {
            return Ok(SignIn::Refused);
        }
        let refresh_token = first_refresh_token(&random_256()?);
        let new = NewSession {
            id: Uuid::now_v7(),
            app,
            user: user.row,
            refresh_hash: hash_secret(&refresh_token),
            expires_at: self.session_end(),
        };
        match self.store.begin_session(new, api_key_hash).await? {
            Some(caller) => self.pair(&caller, refresh_token).map(SignIn::Done),
            None => Ok(SignIn::Refused),
        }
    }

    /// Exchanges a refresh token for a new pair.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn refresh(&self, token: &str) -> Result<SignIn, Fault> {
        let rotation = random_256()?;
        let presented = Presented {
            hash: hash_secret(token),
            rotation,
            successor_hash: hash_secret(&next_refresh_token(token, &rotation)?),
            expires_at: self.session_end(),
        };
        match self.store.refresh_session(presented).await? {
            Refreshed::Successor { caller, rotation } => {
                self.pair(&caller, next_refresh_token(token, &rotation)?).map(SignIn::Done)
            }
            Refreshed::Refused => Ok(SignIn::Refused),
        }
    }

    /// Ends the caller's session.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn sign_out(&self, caller: &Caller) -> Result<(), Fault> {
        self.store.end_session(caller.session).await.map(drop)
    }

    /// Who sent this `Authorization` header, if it is that of a live session.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn caller(&self, authorization: &str) -> Result<Option<Arc<Caller>>, Fault> {
        let Some(session) = tokens::bearer(authorization).and_then(|token| self.tokens.verify(token)) else {
            return Ok(None);
        };
        if let Some(caller) = self.remembered.find(session) {
            return Ok(Some(caller));
        }
        let seen = self.remembered.generation();
        let Some(caller) = self.store.find_caller(session).await?.map(Arc::new) else { return Ok(None) };
        self.remembered.keep(caller.clone(), seen);
        Ok(Some(caller))
    }

    fn session_end(&self) -> i64 {
        self.clock.now_us() + self.settings.session_seconds * MICROS_PER_SECOND
    }

    fn pair(&self, caller: &Caller, refresh_token: String) -> Result<TokenPair, Fault> {
        let (token, expires) = self.tokens.sign(caller)?;
        Ok(TokenPair {
            token,
            user_id: caller.user,
            app_id: caller.app,
            expires_at: Timestamp::from_micros(expires * MICROS_PER_SECOND).ok(),
            refresh_token: Some(refresh_token),
        })
    }
}

/// Callers by session. A look-up that began before an ending must not be remembered after it: every ending raises the
/// generation, and what was looked up under an older one is used once and dropped.
#[derive(Default)]
struct Remembered {
    callers: RwLock<HashMap<Uuid, Arc<Caller>>>,
    generation: AtomicU64,
}

impl Remembered {
    fn find(&self, session: Uuid) -> Option<Arc<Caller>> {
        self.callers.read().unwrap_or_else(PoisonError::into_inner).get(&session).cloned()
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    fn keep(&self, caller: Arc<Caller>, seen: u64) {
        let mut callers = self.callers.write().unwrap_or_else(PoisonError::into_inner);
        if self.generation() != seen {
            return;
        }
        if callers.len() >= MAX_REMEMBERED {
            callers.clear();
        }
        callers.insert(caller.session, caller);
    }

    fn forget(&self, event: &Event) {
        let mut callers = self.callers.write().unwrap_or_else(PoisonError::into_inner);
        self.generation.fetch_add(1, Ordering::SeqCst);
        match event {
            Event::SessionEnded(session) => drop(callers.remove(session)),
            Event::SessionsChanged => callers.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ClockHand;
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
        };
        let hub = Hub::default();
        let store = Store::open(options, clock.clone(), hub.clone()).expect("a store");
        let settings =
            AuthSettings { issuer: "tidelog".into(), token_seconds: 1_000, session_seconds: 10_000 };
        let passwords = Passwords::new(1).expect("randomness");
        let auth = Auth::new(store.clone(), clock, &hub, passwords, settings).await.expect("sign-in");
        let hash = auth.passwords().hash(PASSWORD.into()).await.expect("a hash");
        store.create_user(Uuid::now_v7(), "a@example.com".into(), hash, false).await.expect("a user");
        store.create_app(Uuid::now_v7(), "notes".into(), hash_secret("key")).await.expect("an app");
        House { auth, hand, _folder: folder }
    }

    fn pair(outcome: Result<SignIn, Fault>) -> Option<TokenPair> {
        match outcome.expect("no fault") {
            SignIn::Done(pair) => Some(pair),
            SignIn::Refused => None,
        }
    }

    impl House {
        async fn sign_in(&self) -> TokenPair {
            let request = SignInRequest {
                email: " A@Example.com".into(),
                password: PASSWORD.into(),
                api_key: "key".into(),
            };
            pair(self.auth.sign_in(request).await).expect("right credentials")
        }

        async fn refresh(&self, pair_before: &TokenPair) -> Option<TokenPair> {
            let token = pair_before.refresh_token.as_deref().expect("a refresh token");
            pair(self.auth.refresh(token).await)
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
        assert!(house.auth.store.disable_user("a@example.com".into()).await.expect("disabled"));
        assert!(!house.is_in(&signed_in).await);
    }
}
