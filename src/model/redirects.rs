//! Redirect URIs: where a browser may be sent after a sign-in. Either a URI that the app has registered, or a
//! loopback URI.
//!
//! URIs are compared byte for byte and never normalised: two spellings that are equivalent to one program may not be
//! to another, and the difference can lead to somebody else's server. So URIs must be registered in their normal
//! form.

use url::{Host, Url};

/// Longest redirect URI, in bytes.
pub const MAX_REDIRECT_BYTES: usize = 2_000;

/// Loopback hosts (RFC 8252), by which a program on the user's own machine is reached. Any port is allowed: programs
/// use a free one.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Schemes that no app can receive a code by, or that would execute it.
const FORBIDDEN_SCHEMES: [&str; 12] = [
    "about",
    "blob",
    "chrome",
    "data",
    "file",
    "filesystem",
    "ftp",
    "javascript",
    "mailto",
    "vbscript",
    "view-source",
    "ws",
];

/// Whether this is `http://127.0.0.1:{port}/…`, or the same with `localhost` or `[::1]`; the port is optional.
///
/// It is matched strictly rather than parsed: whatever a lenient parser would accept is refused.
pub fn is_loopback(uri: &str) -> bool {
    let Some(rest) = uri.strip_prefix("http://") else { return false };
    let Some(rest) = LOOPBACK.iter().find_map(|host| rest.strip_prefix(host)) else { return false };
    let path = match rest.strip_prefix(':') {
        Some(rest) => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let is_port = rest[..digits].parse::<u16>().is_ok_and(|port| port > 0);
            if !is_port || rest.starts_with('0') {
                return false;
            }
            &rest[digits..]
        }
        None => rest,
    };
    path.starts_with('/') && uri.len() <= MAX_REDIRECT_BYTES && path.bytes().all(is_plain)
}

/// Characters of a URI as it is sent: no spaces, no control characters, no backslash (which some programs read as a
/// slash), no quotes, no fragment.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'\\' | b'#' | b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'|' | b'^')
}

/// Checks a URI that is to be registered.
///
/// # Errors
/// What is wrong with it.
pub fn check(uri: &str) -> Result<(), String> {
    let refuse = |reason: &str| Err(format!("{uri:?} cannot be a redirect URI: {reason}"));
    if uri.len() > MAX_REDIRECT_BYTES {
        return Err(format!("a redirect URI can have at most {MAX_REDIRECT_BYTES} bytes"));
    }
    if !uri.bytes().all(is_plain) {
        return refuse("it contains a space, a fragment or a character that must be percent-encoded");
    }
    let Ok(url) = Url::parse(uri) else { return refuse("it is not an absolute URI") };
    if url.as_str() != uri {
        return refuse(&format!("write it as {:?}", url.as_str()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("it contains user information");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(uri) => refuse("loopback URIs need not be registered"),
        "http" => refuse("codes must not be sent unencrypted; use https"),
        scheme if FORBIDDEN_SCHEMES.contains(&scheme) => refuse("no app can receive a code by this scheme"),
        // RFC 8252, 7.1: a reversed domain name of the app's maker, so that no two apps use the same scheme by
        // accident.
        scheme if !scheme.contains('.') => {
            refuse("a private scheme must be a reversed domain name, such as org.example.notes")
        }
        _ => Ok(()),
    }
}

/// The URI with these query parameters added.
pub fn with_parameters(uri: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    let separator = match uri.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    format!("{uri}{separator}{}", query.finish())
}

/// Where a URI leads, for display to the user.
pub fn destination(uri: &str) -> String {
    match Url::parse(uri) {
        _ if is_loopback(uri) => "a program on this device".into(),
        Ok(url) if url.scheme() == "https" => url.host_str().unwrap_or_default().to_owned(),
        Ok(url) => format!("the app that opens {}: links", url.scheme()),
        Err(_) => String::new(),
    }
}

/// The source that lets a page redirect to this URI (CSP `form-action`): an origin, or a scheme. An origin with an
/// IPv6 address is not a valid source (CSP 3, 2.3.1: browsers ignore it, and then block the redirect), so there it is
/// the scheme.
pub fn csp_source(uri: &str) -> String {
    match Url::parse(uri) {
        Ok(url) if matches!(url.host(), Some(Host::Ipv6(_))) => format!("{}:", url.scheme()),
        Ok(url) if matches!(url.scheme(), "http" | "https") => url.origin().ascii_serialization(),
        Ok(url) => format!("{}:", url.scheme()),
        Err(_) => "'none'".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_uris_may_have_any_port_and_path() {
        for uri in [
            "http://127.0.0.1:1/",
            "http://127.0.0.1:65535/callback?x=1",
            "http://localhost:8080/a/b",
            "http://[::1]:4711/",
            "http://localhost/callback",
        ] {
            assert!(is_loopback(uri), "{uri}");
        }
    }

    #[test]
    fn what_only_looks_like_a_loopback_uri_is_not() {
        for uri in [
            "https://127.0.0.1:1/",
            "HTTP://127.0.0.1:1/",
            "http://127.0.0.1",
            "http://127.0.0.1:/",
            "http://127.0.0.1:0/",
            "http://127.0.0.1:080/",
            "http://127.0.0.1:65536/",
            "http://127.0.0.1:1@evil.example/",
            "http://127.0.0.1.evil.example/",
            "http://127.0.0.1:1.evil.example/",
            "http://127.0.0.1\\@evil.example/",
            "http://127.0.0.1:1\\.evil.example/",
            "http://127.0.0.1:1/\\evil",
            "http://127.0.0.1#@evil.example/",
            "http://127.0.0.1:1/#fragment",
            "http://127.0.0.1?@evil.example/",
            "http://user@127.0.0.1:1/",
            "http://127.1:1/",
            "http://0x7f.0.0.1:1/",
            "http://2130706433:1/",
            "http://127.0.0.2:1/",
            "http://LOCALHOST:1/",
            "http://localhost.:1/",
            "http://localhost.evil.example:1/",
            "http://[::ffff:127.0.0.1]:1/",
            "http://[::1%25lo]:1/",
            "http://%6cocalhost:1/",
            "http://localhost:1%2f@evil.example/",
            "http:localhost:1/",
            "http:///localhost:1/",
            "http://localhost:1/ a",
            "http://localhost:1/\r\nSet-Cookie: a=b",
            "http://localhost:1/é",
            " http://localhost:1/",
        ] {
            assert!(!is_loopback(uri), "{uri}");
        }
    }

    #[test]
    fn registered_uris_use_https_or_a_private_scheme_and_are_in_normal_form() {
        for uri in [
            "https://app.example/callback",
            "https://app.example/",
            "org.example.notes:/callback",
            "https://a.example/?x=%20",
        ] {
            assert_eq!(check(uri), Ok(()), "{uri}");
        }
        for uri in [
            "https://app.example",
            "https://APP.example/",
            "https://app.example:443/",
            "https://app.example/a/../b",
            "https://user@app.example/",
            "https://app.example/#f",
            "http://app.example/",
            "http://localhost:1/",
            "javascript:alert(1)",
            "data:text/html,x",
            "notes:/callback",
            "/callback",
            "",
            "https://app.example/a b",
            "https://äpp.example/",
        ] {
            check(uri).expect_err(uri);
        }
    }

    #[test]
    fn parameters_are_added_to_an_existing_query() {
        assert_eq!(with_parameters("https://a.example/", &[("a", "b c")]), "https://a.example/?a=b+c");
        assert_eq!(with_parameters("https://a.example/?x=1", &[("a", "&")]), "https://a.example/?x=1&a=%26");
        assert_eq!(with_parameters("https://a.example/?", &[("a", "b")]), "https://a.example/?a=b");
        assert_eq!(csp_source("org.example.notes:/callback"), "org.example.notes:");
        assert_eq!(csp_source("http://127.0.0.1:4711/x"), "http://127.0.0.1:4711");
        assert_eq!(csp_source("http://[::1]:4711/x"), "http:");
        assert_eq!(destination("http://[::1]:4711/x"), "a program on this device");
        assert_eq!(destination("https://notes.example/x"), "notes.example");
        assert_eq!(destination("org.example.notes:/x"), "the app that opens org.example.notes: links");
    }
}
