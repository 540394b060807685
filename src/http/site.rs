//! The URLs of this server as browsers see them, from `public_url`, which may have a path.

use url::Url;

use actix_web::HttpRequest;
use actix_web::http::header;

/// Where browsers reach this server.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// `public_url` without a trailing slash, if it is set.
    url: Option<String>,
    /// Its path, without a trailing slash.
    base_path: String,
    is_https: bool,
}

impl Site {
    /// The site at this `public_url`.
    pub fn new(public_url: Option<&str>) -> Self {
        let parsed = public_url.and_then(|url| Url::parse(url).ok());
        Self {
            url: public_url.map(|url| url.trim_end_matches('/').to_owned()),
            base_path: parsed
                .as_ref()
                .map(|url| url.path().trim_end_matches('/').to_owned())
                .unwrap_or_default(),
            is_https: parsed.is_some_and(|url| url.scheme() == "https"),
        }
    }

    /// Returns `public_url` without a slash at its end, if it is set.
    pub(super) fn public_url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The path of one of our routes, as browsers request it.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base_path)
    }

    /// The absolute URL of one of our routes.
    pub(super) fn url(&self, request: &HttpRequest, path: &str) -> String {
        match &self.url {
            Some(url) => format!("{url}{path}"),
            None => {
                let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
                format!("http://{}{path}", host.unwrap_or_default())
            }
        }
    }

    /// Whether browsers use TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.is_https
    }

    /// The full name of a cookie. With the prefix, browsers accept the cookie only from this host, over TLS.
    pub(super) fn cookie_name(&self, name: &str) -> String {
        match (self.is_https, self.base_path.is_empty()) {
            (false, _) => name.into(),
            (true, true) => format!("__Host-{name}"),
            (true, false) => format!("__Secure-{name}"),
        }
    }

    /// The path for which browsers send cookies.
    pub(super) fn cookie_path(&self) -> String {
        format!("{}/", self.base_path)
    }

    /// Whether a form was submitted by one of our own pages, going by what the browser sends. The flow token proves
    /// it in any case; this check rejects other forms before they are read.
    pub(super) fn is_same_origin(&self, request: &HttpRequest) -> bool {
        let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        if let Some(site) = text("sec-fetch-site") {
            return matches!(site, "same-origin" | "none");
        }
        match text(header::ORIGIN.as_str()) {
            // Browsers send "null" from pages without referrer.
            None | Some("null") => true,
            Some(origin) => {
                let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
                let public_url = self.url.as_deref().and_then(|url| Url::parse(url).ok());
                let is_public = public_url.is_some_and(|url| url.origin().ascii_serialization() == origin);
                is_public || text(header::HOST.as_str()).is_some_and(|host| host == authority)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_path_of_the_public_url_is_in_every_url() {
        let site = Site::new(Some("https://example.org/sync/"));
        assert_eq!(site.path("/account"), "/sync/account");
        assert_eq!((site.cookie_path().as_str(), site.cookie_name("a").as_str()), ("/sync/", "__Secure-a"));
        let request = TestRequest::default().to_http_request();
        assert_eq!(site.url(&request, "/invite/x"), "https://example.org/sync/invite/x");
        let plain = Site::new(None);
        assert_eq!((plain.path("/account").as_str(), plain.cookie_name("a").as_str()), ("/account", "a"));
        assert_eq!(Site::new(Some("https://example.org")).cookie_name("a"), "__Host-a");
    }

    #[test]
    fn a_form_of_another_site_is_recognised_by_its_headers() {
        let site = Site::new(Some("https://sync.example.org"));
        let is_same_origin = |headers: &[(&'static str, &str)]| {
            let mut request = TestRequest::default().insert_header(("host", "127.0.0.1:7878"));
            for header in headers {
                request = request.insert_header(*header);
            }
            site.is_same_origin(&request.to_http_request())
        };
        assert!(is_same_origin(&[]));
        assert!(is_same_origin(&[("origin", "null")]));
        assert!(is_same_origin(&[("origin", "https://sync.example.org")]));
        assert!(is_same_origin(&[("origin", "http://127.0.0.1:7878")]));
        assert!(is_same_origin(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        for foreign in
            ["https://evil.example", "https://sync.example.org.evil.example", "http://127.0.0.1:7879"]
        {
            assert!(!is_same_origin(&[("origin", foreign)]), "{foreign}");
        }
        for foreign in ["cross-site", "same-site", ""] {
            assert!(!is_same_origin(&[("sec-fetch-site", foreign)]), "{foreign}");
        }
    }
}
