//! Password hashing with Argon2id, and a bound on how much of it happens at once.
//!
//! A hash takes 19 MiB and some 20 ms of one core: without a bound, a burst of sign-ins would starve every push. So
//! hashes run on blocking threads behind a semaphore, separate from the writer and the readers; beyond a bounded
//! queue the server says that it is busy.

mod phc;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tidelog_protocol::limits::MAX_PASSWORD_BYTES;
use tokio::sync::Semaphore;

use self::phc::{LANES, MEMORY_KIB, PASSES};
use crate::error::Fault;

/// Hashes that may wait for a permit.
const MAX_QUEUED: usize = 512;

/// Hashes and verifies passwords. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
    queued: Arc<AtomicUsize>,
    /// A hash of no password, verified for accounts that do not exist: the time taken must not reveal that.
    decoy: Arc<str>,
}

impl Passwords {
    /// With at most `concurrent` hashes at once.
    pub fn new(concurrent: usize) -> Result<Self, Fault> {
        let decoy = decoy()?;
        let permits = Arc::new(Semaphore::new(concurrent.max(1)));
        Ok(Self { permits, queued: Arc::default(), decoy: decoy.into() })
    }

    /// The hash of a new password, in PHC string format.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if too many passwords are being hashed.
    pub async fn hash(&self, password: String) -> Result<String, Fault> {
        self.run(move || phc::hash(password.as_bytes())).await?
    }

    /// Whether a password matches a stored hash. Without a hash, or with a password that is too long, the same work
    /// is done and the answer is `false`.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] if too many passwords are being hashed.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, Fault> {
        let decoy = self.decoy.clone();
        let is_acceptable = stored.is_some() && password.len() <= MAX_PASSWORD_BYTES;
        self.run(move || {
            let truncated = &password.as_bytes()[..password.len().min(MAX_PASSWORD_BYTES)];
            phc::verify(truncated, stored.as_deref().unwrap_or(&decoy))
                .map(|is_right| is_right && is_acceptable)
        })
        .await?
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
        let _place = QueuePlace::take(&self.queued)?;
        let permit = self.permits.clone().acquire_owned().await.map_err(Fault::internal)?;
        let work = move || {
            let _permit = permit;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(Fault::internal)
    }
}

/// A hash of the same cost that no password matches, generated without the work of hashing at every start.
fn decoy() -> Result<String, Fault> {
    let encode = |bytes: &[u8]| data_encoding::BASE64_NOPAD.encode(bytes);
    let (salt, hash) = (super::secrets::random_256()?, super::secrets::random_256()?);
    let cost = format!("m={MEMORY_KIB},t={PASSES},p={LANES}");
    Ok(format!("$argon2id$v=19${cost}${}${}", encode(&salt[..16]), encode(&hash)))
}

/// A place in the queue, given up when dropped, also because the client has disconnected.
struct QueuePlace<'a>(&'a AtomicUsize);

impl<'a> QueuePlace<'a> {
    fn take(queued: &'a AtomicUsize) -> Result<Self, Fault> {
        if queued.fetch_add(1, Ordering::SeqCst) >= MAX_QUEUED {
            queued.fetch_sub(1, Ordering::SeqCst);
            return Err(Fault::Unavailable("too many passwords are being hashed"));
        }
        Ok(Self(queued))
    }
}

impl Drop for QueuePlace<'_> {
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
    fn the_decoy_costs_as_much_as_a_real_hash() {
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
        assert!(verify("correct horse".into(), Some(&hash)).await.expect("memory"));
        assert!(!verify("battery staple".into(), Some(&hash)).await.expect("memory"));
        assert!(!verify("correct horse".into(), None).await.expect("memory"));
        let long = "x".repeat(MAX_PASSWORD_BYTES);
        let long_hash = passwords.hash(long.clone()).await.expect("a hash");
        assert!(verify(long.clone(), Some(&long_hash)).await.expect("memory"));
        assert!(!verify(long + "x", Some(&long_hash)).await.expect("memory"), "a prefix must not match");
    }
}
