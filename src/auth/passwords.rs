//! Password hashing with Argon2id, and a bound on how much of it happens at once.
//!
//! A hash takes 19 MiB and some 20 ms of one core: unbounded, a burst of sign-ins would starve every push. So hashes run on
//! blocking threads behind a semaphore, off the writer and off the readers; beyond a bounded queue the server says that it
//! is busy.

mod phc;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tidelog_protocol::limits::MAX_PASSWORD_BYTES;
use tokio::sync::Semaphore;

use self::phc::{LANES, MEMORY_KIB, PASSES};
use crate::error::Fault;

/// Hashes that may wait for their turn.
const MAX_WAITING: usize = 512;

/// Hashes and checks passwords. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    turns: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    /// A hash of no password, checked for accounts that do not exist: the time taken must not tell.
    decoy: Arc<str>,
}

impl Passwords {
    /// With at most `concurrent` hashes at once.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    pub fn new(concurrent: usize) -> Result<Self, Fault> {
        let decoy = decoy()?;
        let turns = Arc::new(Semaphore::new(concurrent.max(1)));
        Ok(Self { turns, waiting: Arc::default(), decoy: decoy.into() })
    }

    /// The hash of a new password, in PHC form.
    ///
    /// # Errors
    /// The server is overloaded, or has no randomness.
    pub async fn hash(&self, password: String) -> Result<String, Fault> {
        self.in_turn(move || phc::hash(password.as_bytes())).await?
    }

    /// Whether a password is that of a stored hash. Without a hash, and with a password that is too long, the same work is
    /// done and the answer is no.
    ///
    /// # Errors
    /// The server is overloaded.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, Fault> {
        let decoy = self.decoy.clone();
        let acceptable = stored.is_some() && password.len() <= MAX_PASSWORD_BYTES;
        self.in_turn(move || {
            let cut = &password.as_bytes()[..password.len().min(MAX_PASSWORD_BYTES)];
            phc::verify(cut, stored.as_deref().unwrap_or(&decoy)).map(|right| right && acceptable)
        })
        .await?
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let _place = Place::take(&self.waiting)?;
        let turn = self.turns.clone().acquire_owned().await.map_err(Fault::internal)?;
        let work = move || {
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(Fault::internal)
    }
}

/// A PHC string of the same cost that no password fulfils, made without doing the work at every start.
fn decoy() -> Result<String, Fault> {
    let encode = |bytes: &[u8]| data_encoding::BASE64_NOPAD.encode(bytes);
    let (salt, hash) = (super::secrets::random_256()?, super::secrets::random_256()?);
    let cost = format!("m={MEMORY_KIB},t={PASSES},p={LANES}");
    Ok(format!("$argon2id$v=19${cost}${}${}", encode(&salt[..16]), encode(&hash)))
}

/// A place in the queue, given back when dropped: also when the client has gone away.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self, Fault> {
        if waiting.fetch_add(1, Ordering::SeqCst) >= MAX_WAITING {
            waiting.fetch_sub(1, Ordering::SeqCst);
            return Err(Fault::Unavailable("too many sign-ins at once"));
        }
        Ok(Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use argon2::Params;
    use argon2::password_hash::phc::PasswordHash;

    use super::*;

    #[test]
    fn the_decoy_parses_at_the_cost_of_a_real_hash() {
        let decoy = decoy().expect("randomness");
        let hash = PasswordHash::new(&decoy).expect("a PHC string");
        assert_eq!(hash.algorithm.as_str(), "argon2id");
        let params = Params::try_from(&hash).expect("parameters");
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (MEMORY_KIB, PASSES, LANES));
        assert!(hash.salt.is_some() && hash.hash.is_some());
    }

    #[tokio::test]
    async fn only_the_right_password_of_an_acceptable_length_verifies() {
        let passwords = Passwords::new(1).expect("randomness");
        let hash = passwords.hash("correct horse".into()).await.expect("a hash");
        let verify = |password: String, hash: Option<&String>| passwords.verify(password, hash.cloned());
        assert!(verify("correct horse".into(), Some(&hash)).await.expect("a verdict"));
        assert!(!verify("battery staple".into(), Some(&hash)).await.expect("a verdict"));
        assert!(!verify("correct horse".into(), None).await.expect("a verdict"));
        let long = "x".repeat(MAX_PASSWORD_BYTES);
        let long_hash = passwords.hash(long.clone()).await.expect("a hash");
        assert!(verify(long.clone(), Some(&long_hash)).await.expect("a verdict"));
        assert!(!verify(long + "x", Some(&long_hash)).await.expect("a verdict"), "a prefix must not do");
    }
}
