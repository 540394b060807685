//! A client of the web app: it submits the sign-in form as a browser does, keeps the cookie, and asks for a token pair.

use reqwest::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use reqwest::{Client, StatusCode, redirect};
use tidelog_client::SessionInfo;

use crate::Result;

/// The web app, without a session.
pub(crate) struct WebApp {
    http: Client,
    url: String,
}

/// A session of a user.
pub(crate) struct WebSession {
    app: WebApp,
    cookie: String,
}

impl WebApp {
    pub(crate) fn new(url: &str) -> Self {
        // The response to the form is a redirect, which carries the cookie.
        let http = Client::builder().redirect(redirect::Policy::none()).build().unwrap_or_default();
        Self { http, url: url.trim_end_matches('/').to_owned() }
    }

    pub(crate) async fn sign_in(self, name: &str, password: &str) -> Result<WebSession> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("name", name)
            .append_pair("password", password)
            .finish();
        let request = self.http.post(format!("{}/sign-in", self.url)).body(form);
        let response = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").send().await?;
        let cookie = response.headers().get(SET_COOKIE).and_then(|cookie| cookie.to_str().ok());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        match cookie.filter(|_| response.status() == StatusCode::SEE_OTHER) {
            Some(cookie) => Ok(WebSession { app: self, cookie }),
            None => Err(response.text().await?.into()),
        }
    }
}

impl WebSession {
    /// Asks for a token pair, which is a complete session for the SDK.
    pub(crate) async fn sync(&self) -> Result<SessionInfo> {
        let request = self.app.http.post(format!("{}/sync", self.app.url)).header(COOKIE, &self.cookie);
        let response = request.send().await?;
        if !response.status().is_success() {
            return Err(response.text().await?.into());
        }
        Ok(serde_json::from_slice(&response.bytes().await?)?)
    }
}
