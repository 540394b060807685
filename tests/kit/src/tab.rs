//! A browser's tab, as far as HTTP goes: it keeps cookies, follows nothing by itself, and sends the forms that it was shown.

use reqwest::Url;
use reqwest::blocking::{Client, Response};
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::redirect::Policy;

use super::{Contract, Server};

/// A tab with cookies of its own.
pub struct Tab {
    client: Client,
    base: String,
    headers: Vec<(&'static str, String)>,
}

/// What a tab was shown.
#[derive(Clone, Debug)]
pub struct Shown {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Server {
    /// A new tab in a browser without cookies.
    pub fn tab(&self) -> Tab {
        Tab::on(&self.url())
    }
}

impl Tab {
    /// In a browser without cookies, for the server at this address.
    pub fn on(base: &str) -> Self {
        let client = Client::builder().cookie_store(true).redirect(Policy::none()).no_proxy().build();
        Self { client: client.expect("an HTTP client"), base: base.into(), headers: Vec::new() }
    }

    /// Sends this header with everything from now on.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Opens a page, by its path or its whole address.
    pub fn open(&self, address: &str) -> Shown {
        let request = self.client.get(self.whole(address));
        self.answered("GET", address, self.dressed(request).send())
    }

    /// Fetches a file.
    pub fn download(&self, address: &str) -> Vec<u8> {
        let answer = self.dressed(self.client.get(self.whole(address))).send().expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.bytes().expect("all of it").to_vec()
    }

    /// Sends the form of a page with these fields filled in.
    pub fn send(&self, page: &Shown, filled: &[(&str, &str)]) -> Shown {
        self.post(&page.action(), &page.filled(filled))
    }

    /// Sends a form, wherever it came from.
    pub fn post(&self, address: &str, fields: &[(String, String)]) -> Shown {
        let request = self.client.post(self.whole(address)).form(fields);
        self.answered("POST", address, self.dressed(request).send())
    }

    /// Follows where a page leads.
    pub fn follow(&self, page: &Shown) -> Shown {
        self.open(&page.location())
    }

    fn whole(&self, address: &str) -> String {
        if address.starts_with("http") { address.into() } else { format!("{}{address}", self.base) }
    }

    fn dressed(&self, request: reqwest::blocking::RequestBuilder) -> reqwest::blocking::RequestBuilder {
        self.headers.iter().fold(request, |request, (name, value)| request.header(*name, value))
    }

    fn answered(&self, method: &str, address: &str, answer: reqwest::Result<Response>) -> Shown {
        let answer = answer.expect("an answer");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let shown = Shown { status, headers, text: answer.text().expect("a text") };
        let path = address.strip_prefix(&self.base).unwrap_or(address);
        Contract::check_page(method, path, &shown);
        shown
    }
}

impl Shown {
    /// Fails the test if this is not the page of this title.
    #[track_caller]
    pub fn titled(self, title: &str) -> Self {
        assert_eq!(self.title(), title, "{} {}", self.status, self.text);
        self
    }

    /// Fails the test if the page has another status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{} {:?}", self.title(), self.fault());
        self
    }

    /// What stands above the page.
    pub fn title(&self) -> String {
        between(&self.text, "<h1>", "</h1>").unwrap_or_default()
    }

    /// What the page says went wrong.
    pub fn fault(&self) -> Option<String> {
        between(&self.text, "role=\"alert\">", "</p>")
    }

    /// Where the browser is sent.
    #[track_caller]
    pub fn location(&self) -> String {
        let location = self.headers.get(LOCATION).and_then(|location| location.to_str().ok());
        location.unwrap_or_else(|| panic!("leads nowhere: {} {}", self.status, self.text)).to_owned()
    }

    /// A parameter of the address that the browser is sent to.
    #[track_caller]
    pub fn parameter(&self, name: &str) -> Option<String> {
        let url = Url::parse(&self.location()).expect("a whole address");
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// A header of the answer.
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }

    /// Where the first form of the page leads.
    #[track_caller]
    pub fn action(&self) -> String {
        between(&self.text, "action=\"", "\"").unwrap_or_else(|| panic!("no form: {}", self.text))
    }

    /// The part of the page from its form that leads to this place.
    #[track_caller]
    pub fn form_to(&self, action: &str) -> Self {
        let at = self.text.find(&format!("action=\"{action}\""));
        let at = at.unwrap_or_else(|| panic!("no form to {action}: {}", self.text));
        let rest = &self.text[at..];
        let end = rest.find("</form>").unwrap_or(rest.len());
        Self { text: rest[..end].to_owned(), ..self.clone() }
    }

    /// The hidden fields, and these.
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
