//! `tidelog key`.

use clap::Subcommand;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, answer};
use super::context::CommandContext;
use crate::auth::new_signing_key;
use crate::auth::signing_keys::RotatedKeys;
use crate::model::actors::Actor;

/// Manages the keys that sign access tokens.
#[derive(Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyCommand {
    /// Sign tokens with a new key from now on; existing tokens stay valid until they expire
    Rotate,
}

#[derive(Serialize)]
struct RotatedSigningKey {
    kid: String,
    older_keys: usize,
}

impl KeyCommand {
    pub(super) async fn execute(self, context: &CommandContext) -> Answer {
        let Self::Rotate = self;
        let rotated = match &context.auth {
            Some(auth) => auth.rotate_keys(Actor::Operator).await?,
            None => RotatedKeys::new(
                &context.store.rotate_signing_keys(Actor::Operator, new_signing_key()?).await?,
            ),
        };
        answer(RotatedSigningKey { kid: rotated.kid, older_keys: rotated.older })
    }
}
