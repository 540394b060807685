//! Where this server is, as browsers know it: `public_url`, which may have a path.

use url::Url;

use actix_web::HttpRequest;
use actix_web::http::header;

/// The server's own address.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// `public_url` without a slash at its end; `None`: none is set.
    url: Option<String>,
    /// The path of it, without a slash at its end.
    base: String,
    secure: bool,
}

impl Site {
    /// Of this `public_url`.
    pub fn new(public_url: Option<&str>) -> Self {
        let parsed = public_url.and_then(|url| Url::parse(url).ok());
        Self {
            url: public_url.map(|url| url.trim_end_matches('/').to_owned()),
            base: parsed.as_ref().map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default(),
            secure: parsed.is_some_and(|url| url.scheme() == "https"),
        }
    }

    /// Returns `public_url` without a slash at its end, if it is set.
    pub(super) fn public_url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The path of one of our own places, as browsers reach it.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The whole address of one of our own places, for somebody who has it from elsewhere.
    pub(super) fn address(&self, request: &HttpRequest, path: &str) -> String {
        match &self.url {
            Some(url) => format!("{url}{path}"),
            None => {
                let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
                format!("http://{}{path}", host.unwrap_or_default())
            }
        }
    }

    /// Whether browsers come by TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.secure
    }

    /// A cookie's name. The prefix makes browsers refuse it from anybody but this host, by TLS.
    pub(super) fn cookie_name(&self, name: &str) -> String {
        match (self.secure, self.base.is_empty()) {
            (false, _) => name.into(),
            (true, true) => format!("__Host-{name}"),
            (true, false) => format!("__Secure-{name}"),
        }
    }

    /// Under which paths cookies are sent.
    pub(super) fn cookie_path(&self) -> String {
        format!("{}/", self.base)
    }

    /// Whether a form comes from one of our own pages, as far as the browser tells. Its token says so in any case; this turns away
    /// what need not be read.
    pub(super) fn sent(&self, request: &HttpRequest) -> bool {
        let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        if let Some(from) = text("sec-fetch-site") {
            return matches!(from, "same-origin" | "none");
        }
        match text(header::ORIGIN.as_str()) {
            // What browsers send from pages that tell nobody where they are.
            None | Some("null") => true,
            Some(origin) => {
                let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
                let own = self.url.as_deref().and_then(|url| Url::parse(url).ok());
                let is_public = own.is_some_and(|url| url.origin().ascii_serialization() == origin);
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
    fn a_path_in_front_is_in_every_address() {
        let site = Site::new(Some("https://example.org/sync/"));
        assert_eq!(site.path("/account"), "/sync/account");
        assert_eq!((site.cookie_path().as_str(), site.cookie_name("a").as_str()), ("/sync/", "__Secure-a"));
        let request = TestRequest::default().to_http_request();
        assert_eq!(site.address(&request, "/invite/x"), "https://example.org/sync/invite/x");
        let plain = Site::new(None);
        assert_eq!((plain.path("/account").as_str(), plain.cookie_name("a").as_str()), ("/account", "a"));
        assert_eq!(Site::new(Some("https://example.org")).cookie_name("a"), "__Host-a");
    }

    #[test]
    fn a_form_of_another_site_is_told_by_what_browsers_say() {
        let site = Site::new(Some("https://sync.example.org"));
        let sent = |headers: &[(&'static str, &str)]| {
            let mut request = TestRequest::default().insert_header(("host", "127.0.0.1:7878"));
            for header in headers {
                request = request.insert_header(*header);
            }
            site.sent(&request.to_http_request())
        };
        assert!(sent(&[]));
        assert!(sent(&[("origin", "null")]));
        assert!(sent(&[("origin", "https://sync.example.org")]));
        assert!(sent(&[("origin", "http://127.0.0.1:7878")]));
        assert!(sent(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        for foreign in
            ["https://evil.example", "https://sync.example.org.evil.example", "http://127.0.0.1:7879"]
        {
            assert!(!sent(&[("origin", foreign)]), "{foreign}");
        }
        for foreign in ["cross-site", "same-site", ""] {
            assert!(!sent(&[("sec-fetch-site", foreign)]), "{foreign}");
        }
    }
}
