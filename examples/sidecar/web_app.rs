//! The web app from outside, as a browser sees it: a form, a cookie, and one address more.

use reqwest::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use reqwest::{Client, StatusCode, redirect};
use tidelog_client::SessionInfo;

use crate::Result;

/// A web app that nobody has logged in to.
pub(crate) struct WebApp {
    http: Client,
    url: String,
}

/// A user of it, logged in.
pub(crate) struct LoggedIn {
    app: WebApp,
    cookie: String,
}

impl WebApp {
    pub(crate) fn at(url: &str) -> Self {
        // Forms answer with a redirect; the cookie is in that answer.
        let http = Client::builder().redirect(redirect::Policy::none()).build().unwrap_or_default();
        Self { http, url: url.trim_end_matches('/').to_owned() }
    }

    pub(crate) async fn log_in(self, name: &str, password: &str) -> Result<LoggedIn> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("name", name)
            .append_pair("password", password)
            .finish();
        let request = self.http.post(format!("{}/log-in", self.url)).body(form);
        let answer = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").send().await?;
        let cookie = answer.headers().get(SET_COOKIE).and_then(|cookie| cookie.to_str().ok());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        match cookie.filter(|_| answer.status() == StatusCode::SEE_OTHER) {
            Some(cookie) => Ok(LoggedIn { app: self, cookie }),
            None => Err(answer.text().await?.into()),
        }
    }
}

impl LoggedIn {
    /// The token pair that the web app hands its user: a session, as it stands.
    pub(crate) async fn sync(&self) -> Result<SessionInfo> {
        let request = self.app.http.post(format!("{}/sync", self.app.url)).header(COOKIE, &self.cookie);
        let answer = request.send().await?;
        if !answer.status().is_success() {
            return Err(answer.text().await?.into());
        }
        Ok(serde_json::from_slice(&answer.bytes().await?)?)
    }
}
