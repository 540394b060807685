//! Sending a batch, and what the server's answer says about it.

use tidelog_protocol::{Cursor, PushResponse};

use crate::outbox::{Outbox, SealedBatch};
use crate::transport::Request;
use crate::watch::ViewId;
use crate::{SyncKitClient, SyncKitError};

/// What became of a batch that was sent.
pub(crate) enum PushOutcome {
    /// It is on the server's disk.
    Stored {
        /// Where to pull from.
        cursor: Cursor,
        /// The seq of its last entry; `None` from servers that do not tell it.
        last_seq: Option<i64>,
    },
    /// The server has checked and refused it: it is not in the log.
    Refused(Refusal, SyncKitError),
    /// It may or may not be in the log: the answer was lost, is temporary, or came from a proxy. Only the same bytes
    /// may be sent again.
    Unknown(SyncKitError),
}

/// Why the server has refused a batch, by what has to happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Other devices have written beyond the expected cursor: pull, merge and seal another batch.
    LogMoved,
    /// The server has lost a part of its history: pull from here first.
    LogRewound { resume_from: Cursor },
    /// The batch is under a key that was replaced: follow the new one and seal again.
    KeyReplaced { key_version: u32 },
    /// The server, or a proxy, accepts no request of this size: send smaller ones.
    TooLarge,
    /// The quota is reached or a membership is missing: the same bytes may be accepted later.
    NotNow,
    /// The server will never accept this batch, but may accept others.
    InvalidBatch,
    /// The server will accept no batch of this device.
    Rejected,
}

impl Refusal {
    /// `None` if the error leaves open whether the batch is in the log.
    fn of(error: &SyncKitError) -> Option<Self> {
        Some(match error {
            SyncKitError::LogMoved => Self::LogMoved,
            SyncKitError::LogRewound { resume_from } => Self::LogRewound { resume_from: *resume_from },
            SyncKitError::KeyVersionConflict { key_version, .. } => {
                Self::KeyReplaced { key_version: *key_version }
            }
            SyncKitError::QuotaExceeded | SyncKitError::MembershipRequired => Self::NotNow,
            SyncKitError::InvalidChanges { .. } | SyncKitError::BatchIdReused { .. } => Self::InvalidBatch,
            SyncKitError::Server { status: 413, .. } => Self::TooLarge,
            SyncKitError::InvalidField { .. }
            | SyncKitError::DeviceRevoked
            | SyncKitError::Server { status: 400 | 415 | 422, .. } => Self::Rejected,
            _ => return None,
        })
    }
}

impl SyncKitClient {
    /// Sends a batch, and updates the watch and the known limits by the answer. `is_last`: no other batch follows
    /// immediately.
    ///
    /// The locked outbox proves that no other batch of this client is in flight.
    pub(crate) async fn send_batch(
        &self,
        _one_at_a_time: &Outbox,
        view: ViewId,
        batch: SealedBatch,
        is_last: bool,
    ) -> PushOutcome {
        self.watch.push_started(view);
        let error = match self.fetch::<PushResponse>(&Request::post_bytes("/push", batch.body)).await {
            Ok(PushResponse { cursor, last_seq }) => {
                // Unknown entries cannot be accounted for.
                let accounted = last_seq.filter(|_| batch.own.is_some());
                let own = batch.own.unwrap_or_default();
                let cursor = self.watch.batch_stored(view, own, cursor, accounted, is_last);
                return PushOutcome::Stored { cursor, last_seq };
            }
            Err(error) => error,
        };
        let Some(refusal) = Refusal::of(&error) else { return PushOutcome::Unknown(error) };
        self.watch.batch_refused(view);
        match refusal {
            Refusal::LogRewound { .. } => self.watch.forget_view(),
            Refusal::TooLarge => self.limits.forget(),
            _ => {}
        }
        PushOutcome::Refused(refusal, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_says_nothing_about_the_batch_leaves_its_outcome_unknown() {
        let server = |status| SyncKitError::Server { status, code: None, message: String::new() };
        let network = SyncKitError::Network("the connection broke".into());
        let open = [
            network,
            SyncKitError::Unauthenticated,
            SyncKitError::NotFound,
            server(500),
            server(409),
            server(403),
        ];
        for error in open {
            assert_eq!(Refusal::of(&error), None, "{error:?}");
        }
        assert_eq!(Refusal::of(&server(413)), Some(Refusal::TooLarge));
        assert_eq!(Refusal::of(&server(422)), Some(Refusal::Rejected));
        assert_eq!(Refusal::of(&SyncKitError::QuotaExceeded), Some(Refusal::NotNow));
    }
}
