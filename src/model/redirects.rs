//! Where a browser may be sent back to after a sign-in: what is registered on the app, to the letter, and the person's own machine.
//!
//! Nothing is normalised before it is compared: two spellings that one program takes for the same address may be two to another,
//! and in between lies somebody else's server. So what is registered must already be in its normal form.

use url::{Host, Url};

/// Longest address, in bytes.
pub const MAX_REDIRECT_BYTES: usize = 2_000;

/// Hosts by which a program on the person's own machine is reached (RFC 8252). Any port, as the program takes one that is free.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Schemes that lead to no program that could receive a code, or to one that would run it.
const NEVER: [&str; 12] = [
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

/// Whether this is `http://127.0.0.1:{port}/…`, or the same with `localhost` or `[::1]`; the port may be left out.
///
/// It is read letter by letter, not by a parser: whatever a parser would forgive is refused.
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

/// What stands in an address as it is written on the wire: no blanks, no control characters, no backslash (which some read as a
/// slash), no quotes, no fragment.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'\\' | b'#' | b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'|' | b'^')
}

/// Whether an operator may register this address.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn check(uri: &str) -> Result<(), String> {
    let refuse = |reason: &str| Err(format!("{uri:?} cannot be a redirect: {reason}"));
    if uri.len() > MAX_REDIRECT_BYTES {
        return Err(format!("a redirect has at most {MAX_REDIRECT_BYTES} bytes"));
    }
    if !uri.bytes().all(is_plain) {
        return refuse("it holds a blank, a fragment or a letter that is written otherwise in addresses");
    }
    let Ok(url) = Url::parse(uri) else { return refuse("it is no address") };
    if url.as_str() != uri {
        return refuse(&format!("write it as {:?}", url.as_str()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("it names a user");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(uri) => refuse("addresses of this kind need not be registered"),
        "http" => refuse("codes must not travel unencrypted; use https"),
        scheme if NEVER.contains(&scheme) => refuse("no program receives addresses of this scheme"),
        // RFC 8252, 7.1: a domain that its maker owns, turned around, so that no two apps have the same by accident.
        scheme if !scheme.contains('.') => {
            refuse("a scheme of one's own is a domain turned around, such as org.example.notes")
        }
        _ => Ok(()),
    }
}

/// The address with these parameters after it.
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

/// What an address leads to, in words for a person.
pub fn place(uri: &str) -> String {
    match Url::parse(uri) {
        _ if is_loopback(uri) => "a program on this device".into(),
        Ok(url) if url.scheme() == "https" => url.host_str().unwrap_or_default().to_owned(),
        Ok(url) => format!("the app that opens {}: links", url.scheme()),
        Err(_) => String::new(),
    }
}

/// What a page names to let a browser follow this address (CSP `form-action`): an origin, or a scheme. An origin by IPv6 cannot be
/// named (CSP 3, 2.3.1: browsers leave such a source out, and follow nothing), so there it is the scheme.
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
    fn any_port_and_path_of_this_machine_will_do() {
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
    fn what_only_looks_like_this_machine_will_not() {
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
    fn what_is_registered_is_encrypted_or_a_scheme_of_ones_own_and_in_its_normal_form() {
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
    fn parameters_follow_what_is_there() {
        assert_eq!(with_parameters("https://a.example/", &[("a", "b c")]), "https://a.example/?a=b+c");
        assert_eq!(with_parameters("https://a.example/?x=1", &[("a", "&")]), "https://a.example/?x=1&a=%26");
        assert_eq!(with_parameters("https://a.example/?", &[("a", "b")]), "https://a.example/?a=b");
        assert_eq!(csp_source("org.example.notes:/callback"), "org.example.notes:");
        assert_eq!(csp_source("http://127.0.0.1:4711/x"), "http://127.0.0.1:4711");
        assert_eq!(csp_source("http://[::1]:4711/x"), "http:");
        assert_eq!(place("http://[::1]:4711/x"), "a program on this device");
        assert_eq!(place("https://notes.example/x"), "notes.example");
        assert_eq!(place("org.example.notes:/x"), "the app that opens org.example.notes: links");
    }
}
