//! Personal access tokens: generated, and recognised in requests.

use std::sync::Arc;

use super::Auth;
use super::secrets::{bearer_token, hash_secret, new_secret};
use crate::error::Fault;
use crate::model::personal_access_tokens::PersonalAccessToken;

const PREFIX: &str = "tlp_";

/// Generates a token.
pub fn new_personal_access_token() -> Result<String, Fault> {
    new_secret(PREFIX)
}

impl Auth {
    /// The personal access token in an `Authorization` header, if it has not expired.
    pub async fn personal_access_token(
        &self,
        authorization: &str,
    ) -> Result<Option<Arc<PersonalAccessToken>>, Fault> {
        let token = bearer_token(authorization).filter(|token| token.starts_with(PREFIX));
        let Some(token) = token else { return Ok(None) };
        Ok(self.store.use_personal_access_token(hash_secret(token)).await?.map(Arc::new))
    }
}
