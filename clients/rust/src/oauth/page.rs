//! The page that the browser shows once it has come back: without scripts, images or any further request.

use crate::{Result, SyncKitError};

/// A page, and its HTTP status.
pub(super) struct CallbackPage {
    status: &'static str,
    title: &'static str,
    text: &'static str,
}

impl CallbackPage {
    /// For requests to any other path, such as an icon.
    pub(super) const NOT_FOUND: Self =
        Self { status: "404 Not Found", title: "Page not found", text: "There is nothing at this address." };

    /// For a request with another state, or one that comes a second time.
    pub(super) const FOREIGN: Self = Self {
        status: "400 Bad Request",
        title: "This sign-in does not match",
        text: "Close this page, go back to the app, and sign in from there.",
    };

    const SIGNED_IN: Self = Self {
        status: "200 OK",
        title: "You are signed in",
        text: "You can close this page and go back to the app.",
    };

    const DECLINED: Self = Self {
        status: "200 OK",
        title: "Sign-in cancelled",
        text: "The app was not allowed to sync. You can close this page.",
    };

    const FAILED: Self = Self {
        status: "200 OK",
        title: "Sign-in failed",
        text: "Close this page and go back to the app to see why, then try again.",
    };

    /// Returns the page for the outcome of a sign-in.
    pub(super) fn for_outcome<T>(outcome: &Result<T>) -> Self {
        match outcome {
            Ok(_) => Self::SIGNED_IN,
            Err(SyncKitError::AccessDenied) => Self::DECLINED,
            Err(_) => Self::FAILED,
        }
    }

    /// Returns the whole HTTP response.
    pub(super) fn to_http(&self) -> String {
        let Self { status, title, text } = self;
        let page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n<main>\n<h1>{title}</h1>\n<p>{text}</p>\n</main>\n</html>\n"
        );
        format!("HTTP/1.1 {status}\r\n{HEADERS}content-length: {}\r\n\r\n{page}", page.len())
    }
}

const HEADERS: &str = "content-type: text/html; charset=utf-8\r\n\
    content-security-policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'\r\n\
    referrer-policy: no-referrer\r\n\
    x-content-type-options: nosniff\r\n\
    cache-control: no-store\r\n\
    connection: close\r\n";

const STYLE: &str = "\
    :root { color-scheme: light dark; font: 1.125rem/1.5 system-ui, sans-serif } \
    body { margin: 0; min-height: 100vh; display: grid; place-items: center } \
    main { max-width: 30rem; padding: 1.5rem; text-align: center } \
    h1 { font-size: 1.5rem; line-height: 1.25 }";
