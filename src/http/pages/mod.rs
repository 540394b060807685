//! Pages for people: made here, of one style, and needing nothing but HTML.
//!
//! A page loads nothing from anywhere else and runs no script. What may be shown, and where its forms may lead, is in its
//! Content-Security-Policy; the one style sheet stands in the page itself, under a nonce.

pub(super) mod browser;
mod error;
pub(super) mod form;
pub(super) mod once;
mod parts;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, HttpResponseBuilder};
use data_encoding::BASE64URL_NOPAD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

pub(super) use error::PageError;
pub(super) use parts::{Field, button, field, hidden, notice};

use super::api_error::ApiError;
use super::site::Site;
use crate::auth::secrets::random_256;
use crate::model::authorization::OAuthClient;

const STYLE: &str = include_str!("style.css");
/// Bytes of a nonce.
const NONCE_BYTES: usize = 16;
/// The colour of pages that belong to no app.
const OWN_COLOR: &str = "#0f5e7d";

/// Whose page it is, for the eye.
#[derive(Clone, Debug)]
pub(super) struct Brand {
    name: String,
    color: String,
    icon: Option<String>,
}

impl Brand {
    /// Of a page that belongs to no app.
    pub(super) fn own() -> Self {
        Self { name: "Tidelog".into(), color: OWN_COLOR.into(), icon: None }
    }

    /// Of a page on which people sign in to an app.
    pub(super) fn of_client(site: &Site, client: &OAuthClient) -> Self {
        Self {
            name: client.name.clone(),
            color: client.color.clone().unwrap_or_else(|| OWN_COLOR.into()),
            icon: client.has_icon.then(|| site.path(&format!("/oauth/icons/{}", client.app))),
        }
    }

    /// Black or white, whichever is easier to read on the colour (WCAG 2.2, contrast ratio).
    fn text_color(&self) -> &'static str {
        let channel = |place: usize| {
            let hex = self.color.get(place..place + 2).unwrap_or("00");
            let value = f64::from(u8::from_str_radix(hex, 16).unwrap_or_default()) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let luminance = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
        let (on_white, on_black) = (1.05 / (luminance + 0.05), (luminance + 0.05) / 0.05);
        if on_white >= on_black { "#ffffff" } else { "#000000" }
    }
}

/// A page.
pub(super) struct Page {
    title: String,
    brand: Brand,
    body: Markup,
    status: StatusCode,
    form_action: Option<String>,
    has_secret_address: bool,
    is_wide: bool,
}

impl Page {
    /// With this title and content.
    pub(super) fn new(title: impl Into<String>, brand: Brand, body: Markup) -> Self {
        Self {
            title: title.into(),
            brand,
            body,
            status: StatusCode::OK,
            form_action: None,
            has_secret_address: false,
            is_wide: false,
        }
    }

    /// Answers with another status than 200.
    pub(super) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Its form may lead to this place, besides this server.
    pub(super) fn leads_to(mut self, source: String) -> Self {
        self.form_action = Some(source);
        self
    }

    /// Its own address is a secret, so nobody may be told where the person came from.
    pub(super) fn with_secret_address(mut self) -> Self {
        self.has_secret_address = true;
        self
    }

    /// Holds tables.
    pub(super) fn wide(mut self) -> Self {
        self.is_wide = true;
        self
    }

    /// The answer.
    ///
    /// # Errors
    /// No randomness.
    pub(super) fn answer(&self) -> Result<HttpResponse, ApiError> {
        self.answer_with(|_| {})
    }

    /// The answer, with more headers.
    ///
    /// # Errors
    /// No randomness.
    pub(super) fn answer_with(
        &self,
        more: impl FnOnce(&mut HttpResponseBuilder),
    ) -> Result<HttpResponse, ApiError> {
        let nonce = BASE64URL_NOPAD.encode(&random_256()?[..NONCE_BYTES]);
        let mut response = HttpResponse::build(self.status);
        response
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CONTENT_SECURITY_POLICY, self.policy(&nonce)))
            .insert_header((header::X_FRAME_OPTIONS, "DENY"))
            .insert_header((header::REFERRER_POLICY, self.referrer_policy()))
            .insert_header(("Cross-Origin-Opener-Policy", "same-origin"))
            .insert_header(("Cross-Origin-Resource-Policy", "same-origin"));
        more(&mut response);
        Ok(response.body(self.html(&nonce).into_string()))
    }

    /// `same-origin` lets our own forms name where they come from, and tells nobody else.
    fn referrer_policy(&self) -> &'static str {
        if self.has_secret_address { "no-referrer" } else { "same-origin" }
    }

    fn policy(&self, nonce: &str) -> String {
        let elsewhere = self.form_action.as_deref().unwrap_or_default();
        format!(
            "default-src 'none'; style-src 'nonce-{nonce}'; img-src 'self'; form-action 'self' {elsewhere}; \
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
                                None => span.letter aria-hidden="true" { (initial(name)) }
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

fn initial(name: &str) -> String {
    name.chars().next().map(|first| first.to_uppercase().collect()).unwrap_or_default()
}

/// A page that says why it is not the one that was asked for.
pub(super) fn sorry(title: &str, brand: Brand, sentence: &str, way_on: Option<(String, &str)>) -> Page {
    let body = html! {
        p { (sentence) }
        @if let Some((address, label)) = way_on {
            p { a.button href=(address) { (label) } }
        }
    };
    Page::new(title, brand, body)
}

/// Sends the browser on with a GET.
pub(super) fn see_other(address: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, address))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_on_a_colour_can_be_read() {
        for (color, text) in
            [("#ffffff", "#000000"), ("#000000", "#ffffff"), (OWN_COLOR, "#ffffff"), ("#ffdd00", "#000000")]
        {
            let brand = Brand { name: String::new(), color: color.into(), icon: None };
            assert_eq!(brand.text_color(), text, "{color}");
        }
    }
}
