//! Lifetimes and issuer of access tokens, from the settings.

/// Lifetimes of tokens and sessions, and who issues them.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// The claim `iss` of access tokens.
    pub issuer: String,
    /// Lifetime of an access token, in seconds.
    pub token_seconds: i64,
    /// Lifetime of a session that is not refreshed, in seconds.
    pub session_seconds: i64,
}

impl TokenSettings {
    /// The name that authenticator apps show beside the account: the host of the issuer, if it has one.
    pub(super) fn issuer_name(&self) -> String {
        let host = url::Url::parse(&self.issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
        host.unwrap_or_else(|| "Tidelog".into())
    }
}
