//! The query of the redirect, with which the browser comes back. Anybody can send a browser here, so none of it is
//! trusted before the state is compared.

use reqwest::Url;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{Result, SyncKitError};

/// Characters of an error code that are kept; those of RFC 6749 have at most 26.
const MAX_ERROR_CHARS: usize = 64;

/// A parsed query.
pub(super) struct Callback {
    state: String,
    /// The server that claims to have answered (RFC 9207).
    pub(super) issuer: Option<String>,
    /// The code, or why there is none.
    pub(super) outcome: Result<Zeroizing<String>>,
}

impl Callback {
    /// Parses the part after the question mark. A parameter that is there twice is ignored: the second one may have
    /// been added by an attacker who hopes for a parser that takes the last.
    pub(super) fn parse(query: &str) -> Self {
        let params = QueryParams::new(query);
        let outcome = match (params.unique("error"), params.unique("code")) {
            (Some(error), _) if error == "access_denied" => Err(SyncKitError::AccessDenied),
            (Some(error), _) => Err(SyncKitError::SignInFailed { error: sanitized(&error) }),
            (None, Some(code)) if !code.is_empty() => Ok(Zeroizing::new(code)),
            (None, _) => Err(SyncKitError::SignInFailed { error: String::from("no code") }),
        };
        Self { state: params.unique("state").unwrap_or_default(), issuer: params.unique("iss"), outcome }
    }

    /// Whether it belongs to the sign-in that was started with this state.
    pub(super) fn has_state(&self, state: &str) -> bool {
        !state.is_empty() && bool::from(self.state.as_bytes().ct_eq(state.as_bytes()))
    }
}

/// The parameters of a query, decoded.
struct QueryParams(Option<Url>);

impl QueryParams {
    fn new(query: &str) -> Self {
        let mut url = Url::parse("http://127.0.0.1/").ok();
        if let Some(url) = &mut url {
            url.set_query(Some(query));
        }
        Self(url)
    }

    /// Returns the value of a parameter that is there exactly once.
    fn unique(&self, name: &str) -> Option<String> {
        let mut values = self.0.as_ref()?.query_pairs().filter(|(found, _)| found == name);
        let value = values.next()?.1.into_owned();
        values.next().is_none().then_some(value)
    }
}

/// Reduces an error code to characters that are safe in logs and on screens, and to a bounded length.
fn sanitized(error: &str) -> String {
    let allowed = |letter: &char| letter.is_ascii_alphanumeric() || "_-. ".contains(*letter);
    error.chars().filter(allowed).take(MAX_ERROR_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(query: &str) -> Option<String> {
        Callback::parse(query).outcome.ok().map(|code| code.to_string())
    }

    #[test]
    fn a_code_is_decoded() {
        assert_eq!(code("code=a%2Fb+c&state=s"), Some("a/b c".into()));
        assert!(Callback::parse("code=a&state=%73").has_state("s"));
    }

    #[test]
    fn a_parameter_that_is_there_twice_is_ignored() {
        assert_eq!(code("code=a&code=b"), None);
        assert!(!Callback::parse("state=s&state=s").has_state("s"));
        assert_eq!(Callback::parse("iss=a&iss=b").issuer, None);
    }

    #[test]
    fn an_empty_state_matches_nothing() {
        assert!(!Callback::parse("code=a&state=").has_state(""));
        assert!(!Callback::parse("code=a").has_state(""));
    }

    #[test]
    fn an_error_takes_precedence_over_a_code_and_is_sanitized() {
        let callback = Callback::parse(&format!("code=a&error=bad%0A%1B[31m<b>{}", "x".repeat(999)));
        let Err(SyncKitError::SignInFailed { error }) = callback.outcome else { panic!("it is an error") };
        assert!(error.starts_with("bad31mbxxx") && error.len() == MAX_ERROR_CHARS, "{error}");
    }

    #[test]
    fn garbage_has_no_code() {
        for query in ["", "&&&", "=", "%", "%zz=%", "code", "code=", "\u{0}"] {
            assert_eq!(code(query), None, "{query}");
        }
    }
}
