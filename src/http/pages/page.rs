//! A page: its HTML, and the headers that restrict what it can do.
//!
//! A page loads nothing from elsewhere and runs no script. Its Content-Security-Policy says so, and says where its
//! forms may lead. The only style sheet is inlined under a nonce.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header;
use data_encoding::BASE64URL_NOPAD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::brand::Brand;
use super::browser::BrowserBinding;
use crate::auth::secrets::random_256;
use crate::error::Fault;
use crate::http::api_error::ApiError;

const STYLE: &str = include_str!("style.css");
const NONCE_BYTES: usize = 16;

/// A page to respond with.
pub(in crate::http) struct HtmlPage {
    title: String,
    brand: Brand,
    body: Markup,
    status: StatusCode,
    form_redirect: Option<String>,
    has_secret_url: bool,
    is_wide: bool,
}

impl HtmlPage {
    /// A page with status 200.
    pub(in crate::http) fn new(title: impl Into<String>, brand: Brand, body: Markup) -> Self {
        Self {
            title: title.into(),
            brand,
            body,
            status: StatusCode::OK,
            form_redirect: None,
            has_secret_url: false,
            is_wide: false,
        }
    }

    /// Sets another status than 200.
    pub(in crate::http) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Allows the page's form to redirect to this CSP source, besides this server.
    pub(in crate::http) fn with_form_redirect(mut self, source: String) -> Self {
        self.form_redirect = Some(source);
        self
    }

    /// Keeps browsers from sending the page's URL as a referrer, because it contains a secret.
    pub(in crate::http) fn with_secret_url(mut self) -> Self {
        self.has_secret_url = true;
        self
    }

    /// Makes room for lists.
    pub(in crate::http) fn wide(mut self) -> Self {
        self.is_wide = true;
        self
    }

    pub(super) fn title(&self) -> &str {
        &self.title
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// Renders the response.
    pub(in crate::http) fn respond(&self) -> Result<HttpResponse, ApiError> {
        let nonce = BASE64URL_NOPAD.encode(&random_256()?[..NONCE_BYTES]);
        Ok(HttpResponse::build(self.status)
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CONTENT_SECURITY_POLICY, self.content_security_policy(&nonce)))
            .insert_header((header::X_FRAME_OPTIONS, "DENY"))
            .insert_header((header::REFERRER_POLICY, self.referrer_policy()))
            .insert_header(("Cross-Origin-Opener-Policy", "same-origin"))
            .insert_header(("Cross-Origin-Resource-Policy", "same-origin"))
            .body(self.html(&nonce).into_string()))
    }

    /// Renders the response, with the browser's cookie if it is new.
    pub(in crate::http) fn respond_to(&self, browser: BrowserBinding) -> Result<HttpResponse, ApiError> {
        let mut response = self.respond()?;
        if let Some(cookie) = browser.new_cookie {
            response.add_cookie(&cookie).map_err(Fault::internal)?;
        }
        Ok(response)
    }

    /// `same-origin` lets browsers send the `Origin` of our own forms, and tells other sites nothing.
    fn referrer_policy(&self) -> &'static str {
        if self.has_secret_url { "no-referrer" } else { "same-origin" }
    }

    fn content_security_policy(&self, nonce: &str) -> String {
        let form_redirect = self.form_redirect.as_deref().unwrap_or_default();
        format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; img-src 'self'; form-action 'self' {form_redirect}; \
             frame-ancestors 'none'; base-uri 'none'"
        )
    }

    fn html(&self, nonce: &str) -> Markup {
        let Brand { name, color, icon } = &self.brand;
        let colors = format!(":root{{--brand:{color};--on-brand:{}}}", self.brand.text_color());
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="robots" content="noindex";
                    title { (self.title) " · " (name) }
                    style nonce=(nonce) { (PreEscaped(STYLE)) (PreEscaped(colors)) }
                }
                body {
                    main class=@if self.is_wide { "wide" } @else { "card" } {
                        header {
                            @match icon {
                                Some(icon) => img src=(icon) alt="" width="48" height="48";,
                                None => span.initial aria-hidden="true" { (self.brand.initial()) }
                            }
                            span.name { (name) }
                        }
                        h1 { (self.title) }
                        (self.body)
                    }
                }
            }
        }
    }
}

/// A page with a message and, if there is one, a link to continue: its URL and label.
pub(in crate::http) fn message_page(title: &str, message: &str, link: Option<(String, &str)>) -> HtmlPage {
    let body = html! {
        p { (message) }
        @if let Some((url, label)) = link {
            p { a.button href=(url) { (label) } }
        }
    };
    HtmlPage::new(title, Brand::server(), body)
}

/// Redirects the browser with a GET.
pub(in crate::http) fn see_other(url: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, url))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .finish()
}
