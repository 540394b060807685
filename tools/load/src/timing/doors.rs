//! The doors at which strangers name accounts.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

use crate::Result;
use crate::library::API_KEY;
use crate::wire::{self, Wire};

#[derive(Clone, Copy)]
pub(super) enum Door {
    /// `POST /api/sync/auth`, with a wrong password.
    Auth,
    /// `POST /sign-in`, likewise.
    LogIn,
    /// `POST /forgot-password`.
    Forgot,
}

/// What a page gave for its form: the browser's cookie, and the token. Empty where there is no page.
#[derive(Default)]
pub(super) struct Page {
    cookie: String,
    flow: String,
}

impl Door {
    pub(super) const ALL: [Self; 3] = [Self::Forgot, Self::Auth, Self::LogIn];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Auth => "POST /api/sync/auth",
            Self::LogIn => "POST /sign-in",
            Self::Forgot => "POST /forgot-password",
        }
    }

    /// How it answers.
    pub(super) fn status(self) -> u16 {
        match self {
            Self::Auth => 401,
            Self::LogIn => 422,
            Self::Forgot => 200,
        }
    }

    /// What is waited before each request: mails take longer than answers, and the server lets only so many wait.
    pub(super) fn pause(self) -> Duration {
        match self {
            Self::Forgot => Duration::from_millis(40),
            _ => Duration::ZERO,
        }
    }

    /// Gets the page whose form leads there.
    pub(super) async fn open(self, wire: &mut Wire, address: &str) -> Result<Page> {
        let path = match self {
            Self::Auth => return Ok(Page::default()),
            Self::LogIn => "/account",
            Self::Forgot => "/forgot-password",
        };
        let answer = wire.exchange(&wire::get(address, path, None)).await?;
        let (head, body) = (std::str::from_utf8(answer.head)?, std::str::from_utf8(answer.body)?);
        let cookie = between(head, "set-cookie: ", ";").ok_or("a page without a cookie")?;
        let flow = between(body, "name=\"flow\" value=\"", "\"").ok_or("a page without a form")?;
        Ok(Page { cookie, flow })
    }

    /// A request about an account, unlike any before: the same form twice is answered without being looked at.
    pub(super) fn request(self, address: &str, page: &Page, email: &str, random: &str) -> Vec<u8> {
        let form = |more: String| {
            let email = email.replace('@', "%40");
            format!("flow={}&email={email}&{more}", page.flow)
        };
        // Base64 for forms, too.
        let password = BASE64URL_NOPAD.encode(random.as_bytes());
        let (path, body) = match self {
            Self::Auth => (
                "/api/sync/auth",
                json!({ "email": email, "password": password, "api_key": API_KEY }).to_string(),
            ),
            Self::LogIn => ("/sign-in", form(format!("password={password}"))),
            Self::Forgot => ("/forgot-password", form(format!("unlike={password}"))),
        };
        if page.flow.is_empty() {
            return [wire::head(address, path, None, body.len()), body.into_bytes()].concat();
        }
        let (cookie, length) = (&page.cookie, body.len());
        format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let start = text.to_ascii_lowercase().find(before)? + before.len();
    let rest = &text[start..];
    Some(rest[..rest.find(after)?].to_owned())
}
