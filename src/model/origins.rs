//! Origins: which web pages may call the API for an app (CORS).

/// The name that stands for all of [`WEBVIEW`].
const WEBVIEW_PRESET: &str = "webview";
/// Origins of pages bundled with desktop and mobile apps: Tauri, Capacitor, Ionic.
const WEBVIEW: [&str; 6] = [
    "tauri://localhost",
    "http://tauri.localhost",
    "https://tauri.localhost",
    "capacitor://localhost",
    "ionic://localhost",
    "https://localhost",
];
/// The origin from which their tools serve pages during development, with or without a port.
const WEBVIEW_DEVELOPMENT: &str = "http://localhost";

/// Origins of one app, at most.
const MAX_ORIGINS: usize = 50;
/// Longest origin, in bytes.
const MAX_BYTES: usize = 300;

/// The origins in a comma-separated list: normalised, sorted, each once.
///
/// # Errors
/// Which one is wrong.
pub fn parse_list(list: &str) -> Result<Vec<String>, String> {
    let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
    let mut all: Vec<String> = items.map(normalized).collect::<Result<_, _>>()?;
    all.sort();
    all.dedup();
    if all.len() > MAX_ORIGINS {
        return Err(format!("an app can have at most {MAX_ORIGINS} origins"));
    }
    Ok(all)
}

/// Whether these origins of an app include one that a browser sent.
pub fn allow(origins: &[String], origin: &str) -> bool {
    let matches = |item: &String| if item == WEBVIEW_PRESET { is_webview(origin) } else { item == origin };
    origins.iter().any(matches)
}

fn is_webview(origin: &str) -> bool {
    WEBVIEW.contains(&origin)
        || origin.strip_prefix(WEBVIEW_DEVELOPMENT).is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
        })
}

/// As browsers write it: lower case, without the default port of the scheme.
fn normalized(item: &str) -> Result<String, String> {
    let origin = item.to_ascii_lowercase();
    if origin == WEBVIEW_PRESET {
        return Ok(origin);
    }
    let wrong =
        || format!("{item:?} is not an origin; use SCHEME://HOST, SCHEME://HOST:PORT or {WEBVIEW_PRESET:?}");
    let (scheme, authority) = origin.split_once("://").ok_or_else(wrong)?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let end_of_host = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let (host, port) = match authority[end_of_host..].split_once(':') {
        Some((rest, port)) => (&authority[..end_of_host + rest.len()], Some(port)),
        None => (authority, None),
    };
    let port = port.map(|port| port.parse::<u16>().map_err(|_| wrong())).transpose()?;
    if !is_scheme || !is_host(host) || origin.len() > MAX_BYTES {
        return Err(wrong());
    }
    let port = port.filter(|port| !matches!((scheme, *port), ("http", 80) | ("https", 443)));
    Ok(port.map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}")))
}

fn is_host(host: &str) -> bool {
    if let Some(ip) = host.strip_prefix('[') {
        return ip.strip_suffix(']').is_some_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
    }
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_normalised_as_browsers_write_them() {
        let list =
            parse_list("https://B.example:443, http://a.example:8080,https://b.example,, tauri://localhost");
        let expected = ["http://a.example:8080", "https://b.example", "tauri://localhost"];
        assert_eq!(list, Ok(expected.map(String::from).to_vec()));
        assert_eq!(parse_list("http://[::1]:80"), Ok(vec!["http://[::1]".to_owned()]));
        assert_eq!(parse_list(" "), Ok(Vec::new()));
    }

    #[test]
    fn what_no_browser_would_send_is_refused() {
        for wrong in [
            "*",
            "null",
            "a.example",
            "https://",
            "https://a.example/",
            "https://a.example/path",
            "https://*.example",
            "https://u@a.example",
            "https://a.example:x",
            "https://a.example:70000",
            "1http://a",
            "://a",
            "http://[::1",
            "webviews",
            "https://a.example?q",
            "https://a b",
        ] {
            assert!(parse_list(wrong).is_err_and(|reason| reason.contains(wrong)), "{wrong}");
        }
        let many: Vec<_> = (0..51).map(|number| format!("https://a{number}.example")).collect();
        assert!(parse_list(&many.join(",")).is_err());
    }

    #[test]
    fn only_listed_origins_are_allowed() {
        let listed = parse_list("https://a.example").expect("valid");
        assert!(allow(&listed, "https://a.example"));
        for other in [
            "http://a.example",
            "https://a.example:8443",
            "https://a.example.evil.example",
            "https://xa.example",
            "null",
            "",
        ] {
            assert!(!allow(&listed, other), "{other}");
        }
        assert!(!allow(&[], "https://a.example") && !allow(&listed, "tauri://localhost"));
    }

    #[test]
    fn the_webview_preset_allows_a_fixed_list() {
        let preset = parse_list("webview").expect("valid");
        for origin in [
            "tauri://localhost",
            "https://tauri.localhost",
            "capacitor://localhost",
            "http://localhost:5173",
            "http://localhost",
        ] {
            assert!(allow(&preset, origin), "{origin}");
        }
        for other in [
            "http://localhost.evil.example",
            "http://localhost:",
            "http://localhost:x",
            "https://evil.example",
            "webview",
            "https://localhost:1",
            "tauri://evil",
            "http://localhosts",
        ] {
            assert!(!allow(&preset, other), "{other}");
        }
    }
}
