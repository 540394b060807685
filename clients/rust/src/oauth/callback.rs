//! What the browser brings back, as it stands in the query of the redirect address. Anybody can make a browser bring
//! something here, so nothing of it is believed before the state is compared.

use reqwest::Url;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{Result, SyncKitError};

/// Characters of an error code that are kept; those of the standard have at most 26.
const MAX_ERROR_CHARS: usize = 64;

/// A query, taken apart.
pub(super) struct Callback {
    state: String,
    /// The server that says it has answered.
    pub(super) issuer: Option<String>,
    /// The code, or why there is none.
    pub(super) outcome: Result<Zeroizing<String>>,
}

impl Callback {
    /// Reads the part after the question mark. What stands there twice counts for nothing: whoever put the second one there
    /// hopes for a reader that takes it.
    pub(super) fn read(query: &str) -> Self {
        let pairs = Pairs::new(query);
        let outcome = match (pairs.only("error"), pairs.only("code")) {
            (Some(error), _) if error == "access_denied" => Err(SyncKitError::AccessDenied),
            (Some(error), _) => Err(SyncKitError::SignInFailed { error: plain(&error) }),
            (None, Some(code)) if !code.is_empty() => Ok(Zeroizing::new(code)),
            (None, _) => Err(SyncKitError::SignInFailed { error: String::from("no code") }),
        };
        Self { state: pairs.only("state").unwrap_or_default(), issuer: pairs.only("iss"), outcome }
    }

    /// Whether it belongs to the sign-in that began with this state.
    pub(super) fn answers(&self, state: &str) -> bool {
        !state.is_empty() && bool::from(self.state.as_bytes().ct_eq(state.as_bytes()))
    }
}

/// The pairs of a query, percent signs and pluses undone.
struct Pairs(Option<Url>);

impl Pairs {
    fn new(query: &str) -> Self {
        let mut url = Url::parse("http://127.0.0.1/").ok();
        if let Some(url) = &mut url {
            url.set_query(Some(query));
        }
        Self(url)
    }

    /// The value of a name that stands there once.
    fn only(&self, name: &str) -> Option<String> {
        let mut values = self.0.as_ref()?.query_pairs().filter(|(found, _)| found == name);
        let value = values.next()?.1.into_owned();
        values.next().is_none().then_some(value)
    }
}

/// An error code that may go into a log or onto a screen: of the standard's characters, and short.
fn plain(error: &str) -> String {
    let allowed = |letter: &char| letter.is_ascii_alphanumeric() || "_-. ".contains(*letter);
    error.chars().filter(allowed).take(MAX_ERROR_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(query: &str) -> Option<String> {
        Callback::read(query).outcome.ok().map(|code| code.to_string())
    }

    #[test]
    fn a_code_is_read_with_its_escapes_undone() {
        assert_eq!(code("code=a%2Fb+c&state=s"), Some("a/b c".into()));
        assert!(Callback::read("code=a&state=%73").answers("s"));
    }

    #[test]
    fn what_stands_there_twice_counts_for_nothing() {
        assert_eq!(code("code=a&code=b"), None);
        assert!(!Callback::read("state=s&state=s").answers("s"));
        assert_eq!(Callback::read("iss=a&iss=b").issuer, None);
    }

    #[test]
    fn an_empty_state_answers_nothing() {
        assert!(!Callback::read("code=a&state=").answers(""));
        assert!(!Callback::read("code=a").answers(""));
    }

    #[test]
    fn an_error_outweighs_a_code_and_is_cleaned_before_anybody_reads_it() {
        let callback = Callback::read(&format!("code=a&error=bad%0A%1B[31m<b>{}", "x".repeat(999)));
        let Err(SyncKitError::SignInFailed { error }) = callback.outcome else { panic!("it is an error") };
        assert!(error.starts_with("bad31mbxxx") && error.len() == MAX_ERROR_CHARS, "{error}");
    }

    #[test]
    fn garbage_brings_nothing() {
        for query in ["", "&&&", "=", "%", "%zz=%", "code", "code=", "\u{0}"] {
            assert_eq!(code(query), None, "{query}");
        }
    }
}
