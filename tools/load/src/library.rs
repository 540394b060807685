//! The server's own library, in this process, before there is a server: accounts and long logs without HTTP.
//!
//! All that this program knows of the store's types is here.

use std::path::Path;
use std::sync::Arc;

use tidelog::auth::passwords::Passwords;
use tidelog::auth::secrets::hash_secret;
use tidelog::clock::Clock;
use tidelog::model::actors::Actor;
use tidelog::model::changes::{Batch, PushOutcome};
use tidelog::model::devices::NewDevice;
use tidelog::model::sessions::Caller;
use tidelog::notify::Hub;
use tidelog::store::{NewSession, NewUser, Options, Registration, Store, Synchronous};
use tidelog_protocol::limits::MAX_DEVICES;
use tidelog_protocol::{Change, Platform, Timestamp};
use uuid::Uuid;

use crate::{Result, content};

/// The database's file inside a data folder.
pub use tidelog::store::DATABASE_FILE;

/// Key of the app that is measured. It guards nothing: its database lives on this machine, for this measurement.
pub const API_KEY: &str = "tla_load";
/// The password of every user; as above.
pub const PASSWORD: &str = "load on 127.0.0.1";

/// Waits for something that is done with a library, on threads that end with it.
pub fn wait_for<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Runtime::new()?.block_on(work)
}

/// An open data folder. Cheap to clone.
#[derive(Clone)]
pub struct Library {
    /// What it does.
    pub store: Store,
    clock: Clock,
    password_hash: String,
}

/// A user who is signed in, and the device that writes the user's log.
#[derive(Clone)]
pub struct Member {
    /// The session.
    pub caller: Arc<Caller>,
    /// The device.
    pub device: Uuid,
}

impl Member {
    /// The row of the member's log.
    pub fn log(&self) -> i64 {
        self.caller.log
    }
}

impl Library {
    /// Opens a folder, and makes the app of this program if it is not there.
    pub async fn open(data: &Path) -> Result<Self> {
        let options = Options {
            data: data.to_owned(),
            // Should the power fail now, one starts over.
            synchronous: Synchronous::Normal,
            readers: 2,
            allow_network_file_system: false,
            // Only a serving store takes pushes.
            serving: true,
            audit_days: 90,
        };
        let clock = Clock::system();
        let store = Store::open(options, clock.clone(), Hub::default())?;
        store.create_app(Actor::Operator, Uuid::now_v7(), "Load".into(), hash_secret(API_KEY)).await?;
        let password_hash = Passwords::new(1)?.hash(PASSWORD.into()).await?;
        Ok(Self { store, clock, password_hash })
    }

    /// Makes an account if it is not there. All have one password.
    pub async fn create_user(&self, email: &str) -> Result<()> {
        let hash = self.password_hash.clone();
        let new = NewUser { id: Uuid::now_v7(), email: email.into(), password_hash: hash };
        self.store.create_user(Actor::Operator, new, false).await?;
        Ok(())
    }

    /// A session of a user, whose account is made if it is not there, and a device.
    pub async fn member(&self, email: &str) -> Result<Member> {
        self.create_user(email).await?;
        let stored = self.store.find_credentials(email.into(), hash_secret(API_KEY)).await?;
        let app = stored.app_row.ok_or("there is no app")?;
        let user = stored.user.ok_or("there is no user")?;
        let new = NewSession {
            id: Uuid::now_v7(),
            app,
            api_key_hash: hash_secret(API_KEY),
            user: user.row,
            password_hash: Some(user.password_hash),
            refresh_hash: hash_secret(&Uuid::new_v4().to_string()),
            expires_at: i64::MAX,
        };
        let caller = self.store.begin_session(Actor::Server, new).await?.ok_or("no session")?;
        let device = NewDevice { name: "Writer".into(), platform: Platform::Linux, install_id: None };
        match self.store.register_device(&caller, device, Uuid::now_v7(), MAX_DEVICES as u64).await? {
            Registration::Created(device) | Registration::Existed(device) => {
                Ok(Member { caller: Arc::new(caller), device: device.id })
            }
            Registration::TooMany => Err("too many devices".into()),
        }
    }

    /// A batch of this many fresh changes.
    pub fn batch(&self, member: &Member, changes: usize) -> Result<Batch> {
        let change = |_| {
            Ok(Change {
                table: content::TABLE.into(),
                op: content::OP.into(),
                row_id: Uuid::new_v4().to_string().into(),
                timestamp: Timestamp::from_micros(self.clock.now_us())?,
                data: Some(content::data(content::DATA_BYTES)?.into()),
                key_version: None,
            })
        };
        let changes = (0..changes).map(change).collect::<Result<Vec<_>>>()?;
        Batch::new(Uuid::now_v7(), member.device, changes.iter(), None)
            .map_err(|faults| format!("invalid changes: {faults:?}").into())
    }

    /// Pushes a batch of this many fresh changes.
    pub async fn push(&self, member: &Member, changes: usize) -> Result<()> {
        match self.store.push(member.caller.clone(), self.batch(member, changes)?).await? {
            PushOutcome::Stored { .. } => Ok(()),
            other => Err(format!("a push came to {other:?}").into()),
        }
    }

    /// Changes in a member's log.
    pub async fn count_changes(&self, member: &Member) -> Result<usize> {
        Ok(self.store.log_status(&member.caller).await?.total_changes as usize)
    }

    /// Writes everything into the one file and closes it.
    pub async fn close(self) -> Result<()> {
        self.store.close().await;
        Ok(())
    }
}
