//! A user at a browser: keeps cookies, fills in forms, presses buttons, follows redirects.

use std::collections::BTreeMap;

use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Url};

/// One browser.
pub(crate) struct Browser {
    http: Client,
    cookies: BTreeMap<String, String>,
    /// Host and port on which nobody listens.
    stops_at: Option<&'static str>,
}

/// What the browser shows.
pub(crate) struct PageResponse {
    pub(crate) url: Url,
    pub(crate) html: String,
}

impl Browser {
    pub(crate) fn new() -> Self {
        let http = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { http, cookies: BTreeMap::new(), stops_at: None }
    }

    /// Stops at a redirect to this host and port.
    pub(crate) fn stopping_at(self, authority: &'static str) -> Self {
        Self { stops_at: Some(authority), ..self }
    }

    /// Opens a URL.
    pub(crate) async fn open(&mut self, url: &Url) -> PageResponse {
        let request = self.http.get(url.clone());
        self.follow(url.clone(), request).await
    }

    /// Fills in the page's form and presses a button, which is a field like any other.
    pub(crate) async fn submit(&mut self, page: &PageResponse, fields: &[(&str, &str)]) -> PageResponse {
        let target = self.form_of(page);
        let mut form = url_encoded(&[("flow", between(&page.html, "name=\"flow\" value=\"", "\""))]);
        form = form + "&" + &url_encoded(fields);
        let request = self.http.post(target.clone()).body(form);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.header(ORIGIN, target.origin().ascii_serialization());
        self.follow(target, request).await
    }

    fn form_of(&self, page: &PageResponse) -> Url {
        let form = between(&page.html, "<form ", ">");
        page.url.join(between(form, "action=\"", "\"")).unwrap()
    }

    async fn follow(&mut self, mut url: Url, mut request: RequestBuilder) -> PageResponse {
        loop {
            let jar: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let answer = request.header(COOKIE, jar.join("; ")).send().await.unwrap();
            for cookie in answer.headers().get_all(SET_COOKIE) {
                let pair = cookie.to_str().unwrap().split(';').next().unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                self.cookies.insert(name.into(), value.into());
            }
            let Some(to) = answer.headers().get(LOCATION) else {
                return PageResponse { url, html: answer.text().await.unwrap() };
            };
            url = url.join(to.to_str().unwrap()).unwrap();
            if self.stops_at == Some(url.authority()) {
                return PageResponse { url, html: String::new() };
            }
            request = self.http.get(url.clone());
        }
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    rest.split_once(after).unwrap().0
}

fn url_encoded(pairs: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://localhost/").unwrap();
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap().to_owned()
}
