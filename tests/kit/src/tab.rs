//! A browser tab at the level of HTTP: it keeps cookies, does not follow redirects by itself, and submits forms.

use reqwest::Url;
use reqwest::blocking::{Client, Response};
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::redirect::Policy;

use super::{Contract, Server};

/// A browser tab with its own cookies.
pub struct Tab {
    client: Client,
    base: String,
    headers: Vec<(&'static str, String)>,
}

/// The response to a tab.
#[derive(Clone, Debug)]
pub struct PageResponse {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Server {
    /// Opens a tab without cookies.
    pub fn tab(&self) -> Tab {
        Tab::on(&self.url())
    }
}

impl Tab {
    /// Opens a tab without cookies, for the server at this URL.
    pub fn on(base: &str) -> Self {
        let client = Client::builder().cookie_store(true).redirect(Policy::none()).no_proxy().build();
        Self { client: client.expect("an HTTP client"), base: base.into(), headers: Vec::new() }
    }

    /// Adds a header to all further requests.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Opens a page by its path or URL.
    pub fn open(&self, address: &str) -> PageResponse {
        let request = self.client.get(self.absolute_url(address));
        self.page_response("GET", address, self.with_headers(request).send())
    }

    /// Downloads a file.
    pub fn download(&self, address: &str) -> Vec<u8> {
        let response =
            self.with_headers(self.client.get(self.absolute_url(address))).send().expect("a response");
        assert_eq!(response.status(), 200);
        response.bytes().expect("the whole body").to_vec()
    }

    /// Submits the first form of a page with these fields filled in.
    pub fn send(&self, page: &PageResponse, filled: &[(&str, &str)]) -> PageResponse {
        self.post(&page.action(), &page.filled(filled))
    }

    /// Submits any form fields to a path or URL.
    pub fn post(&self, address: &str, fields: &[(String, String)]) -> PageResponse {
        let request = self.client.post(self.absolute_url(address)).form(fields);
        self.page_response("POST", address, self.with_headers(request).send())
    }

    /// Follows the redirect of a response.
    pub fn follow(&self, page: &PageResponse) -> PageResponse {
        self.open(&page.location())
    }

    fn absolute_url(&self, address: &str) -> String {
        if address.starts_with("http") { address.into() } else { format!("{}{address}", self.base) }
    }

    fn with_headers(&self, request: reqwest::blocking::RequestBuilder) -> reqwest::blocking::RequestBuilder {
        self.headers.iter().fold(request, |request, (name, value)| request.header(*name, value))
    }

    fn page_response(
        &self,
        method: &str,
        address: &str,
        response: reqwest::Result<Response>,
    ) -> PageResponse {
        let response = response.expect("a response");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let page = PageResponse { status, headers, text: response.text().expect("a text") };
        let path = address.strip_prefix(&self.base).unwrap_or(address);
        Contract::check_page(method, path, &page);
        page
    }
}

impl PageResponse {
    /// Fails the test if the page has another title.
    #[track_caller]
    pub fn expect_title(self, title: &str) -> Self {
        assert_eq!(self.title(), title, "{} {}", self.status, self.text);
        self
    }

    /// Fails the test if the response has another status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{} {:?}", self.title(), self.error_message());
        self
    }

    /// Returns the main heading.
    pub fn title(&self) -> String {
        between(&self.text, "<h1>", "</h1>").unwrap_or_default()
    }

    /// Returns the error message on the page.
    pub fn error_message(&self) -> Option<String> {
        between(&self.text, "role=\"alert\">", "</p>")
    }

    /// Returns the target of the redirect.
    #[track_caller]
    pub fn location(&self) -> String {
        let location = self.headers.get(LOCATION).and_then(|location| location.to_str().ok());
        location.unwrap_or_else(|| panic!("no redirect: {} {}", self.status, self.text)).to_owned()
    }

    /// Returns a query parameter of the redirect's target.
    #[track_caller]
    pub fn parameter(&self, name: &str) -> Option<String> {
        let url = Url::parse(&self.location()).expect("a URL");
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Returns a header, or an empty string if it is missing.
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    /// Returns the action of the first form.
    #[track_caller]
    pub fn action(&self) -> String {
        between(&self.text, "action=\"", "\"").unwrap_or_else(|| panic!("no form: {}", self.text))
    }

    /// Returns the page reduced to its form with this action.
    #[track_caller]
    pub fn form_to(&self, action: &str) -> Self {
        let at = self.text.find(&format!("action=\"{action}\""));
        let at = at.unwrap_or_else(|| panic!("no form to {action}: {}", self.text));
        let rest = &self.text[at..];
        let end = rest.find("</form>").unwrap_or(rest.len());
        Self { text: rest[..end].to_owned(), ..self.clone() }
    }

    /// Returns the hidden fields of the first form together with these.
    pub fn filled(&self, filled: &[(&str, &str)]) -> Vec<(String, String)> {
        let form = self.text.split("<form").nth(1).map_or(self.text.as_str(), |form| form);
        let form = form.split("</form>").next().unwrap_or_default();
        let mut fields: Vec<(String, String)> = Vec::new();
        for input in form.split("<input type=\"hidden\" ").skip(1) {
            let name = between(input, "name=\"", "\"").expect("a name");
            fields.push((name, between(input, "value=\"", "\"").expect("a value")));
        }
        fields.retain(|(name, _)| filled.iter().all(|(other, _)| name != other));
        fields.extend(filled.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        fields
    }
}

fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    let (found, _) = rest.split_once(after)?;
    Some(found.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
}
