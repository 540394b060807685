//! What every handler works with.

use tidelog_protocol::Limits;
use tokio::sync::mpsc;

use super::deduplication::SubmitDeduplication;
use super::memory::MemoryBudget;
use super::site::Site;
use crate::auth::Auth;
use crate::auth::attempts::Attempts;
use crate::auth::consents::AnsweredConsents;
use crate::blobs::BlobStore;
use crate::clock::Clock;
use crate::config::SignUpRule;
use crate::notify::Subscribers;
use crate::store::Store;

/// What handlers need to serve blobs.
pub struct BlobService {
    /// The objects.
    pub store: BlobStore,
    /// How long an upload may wait to be confirmed, in microseconds.
    pub upload_lifetime_us: i64,
}

/// The parts of a server that handlers use.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// Sign-in, tokens and sessions.
    pub auth: Auth,
    /// The limits on sign-in attempts.
    pub attempts: Attempts,
    /// The limits in force.
    pub limits: Limits,
    /// Serves blobs. `None` if this server stores no blobs.
    pub blobs: Option<BlobService>,
    /// Bytes of blobs that a user may store in an app. `None` if there is no quota.
    pub blob_quota_bytes: Option<u64>,
    /// The URLs of this server as browsers see them.
    pub site: Site,
    /// Who may create an account.
    pub sign_up: SignUpRule,
    /// Takes the normalised emails for which a reset link was requested. `None`: this server sends no email.
    pub reset_requests: Option<mpsc::Sender<String>>,
    /// The event streams.
    pub subscribers: Subscribers,
    /// The time.
    pub clock: Clock,
}

/// What every handler works with, shared by all workers.
pub struct State {
    parts: Parts,
    /// The memory budget of request bodies.
    pub(super) bodies: MemoryBudget,
    /// The memory budget of pull responses.
    pub(super) pages: MemoryBudget,
    /// The memory budget of blob transfers.
    pub(super) transfers: MemoryBudget,
    /// The consent pages that were submitted lately.
    pub(super) answered_consents: AnsweredConsents,
    /// Forms submitted in the last few seconds.
    pub(super) submissions: SubmitDeduplication,
}

impl State {
    /// The state of a server with these parts.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            bodies: MemoryBudget::default(),
            pages: MemoryBudget::default(),
            transfers: MemoryBudget::default(),
            answered_consents: AnsweredConsents::default(),
            submissions: SubmitDeduplication::default(),
        }
    }
}

impl std::ops::Deref for State {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}
