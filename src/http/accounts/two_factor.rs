//! `POST /account/two-factor`: turning two-factor authentication on or off, and replacing the recovery codes.

use actix_web::http::StatusCode;
use maud::{Markup, html};
use qrcodegen::{QrCode, QrCodeEcc};

use super::overview;
use super::{FormContext, redirect_after, submit as submit_account_form};
use crate::auth::Enrolment;
use crate::error::Fault;
use crate::http::api_error::ApiError;
use crate::http::auth::begin_second_factor;
use crate::http::pages::form::Form;
use crate::http::pages::{Brand, Field, HtmlPage, PageResult, button, field, hidden, notice};
use crate::store::AccountSession;

/// Width of the quiet zone that a QR code needs around it, in modules.
const QUIET_ZONE: i32 = 4;
const INCORRECT: &str =
    "This code is incorrect or was already used. Codes change every 30 seconds, so try the next one.";

/// What a button of the forms submits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    /// Show the secret.
    Start,
    /// Turn it on with a first code.
    Confirm,
    /// Replace the recovery codes.
    NewRecoveryCodes,
    /// Turn it off.
    TurnOff,
}

/// What a correct code led to.
enum Accepted {
    RecoveryCodes(Vec<String>),
    TurnedOff,
}

/// Turns two-factor authentication on or off, or replaces the recovery codes.
///
/// Statuses: 200, 303, 400, 422, 429.
pub(in crate::http) async fn submit(form: Form) -> PageResult {
    submit_account_form(form, act).await
}

async fn act(form: Form, session: AccountSession) -> PageResult {
    let action = match form.text("action") {
        "start" => Action::Start,
        "confirm" => Action::Confirm,
        "new-recovery-codes" => Action::NewRecoveryCodes,
        "turn-off" => Action::TurnOff,
        _ => return Err(ApiError::invalid_field("action", "unknown value").into()),
    };
    let context = FormContext::of(&form);
    if action == Action::Start {
        return match form.state.auth.enrol_second_factor(&session).await? {
            Some(enrolment) => Ok(enrolment_page(&context, &enrolment, None).respond()?),
            None => show_error(&context, &session, "Two-factor authentication is already on.").await,
        };
    }
    let attempt = begin_second_factor(&form.state, &form.http, &session.email).await?;
    if let Some(accepted) = accept(&form, &session, action).await? {
        attempt.succeeded();
        return Ok(match accepted {
            Accepted::RecoveryCodes(codes) => recovery_codes_page(&context, &codes).respond()?,
            Accepted::TurnedOff => redirect_after(&form.state, "two-factor-off"),
        });
    }
    attempt.failed();
    if action == Action::Confirm
        && let Some(enrolment) = form.state.auth.unconfirmed_second_factor(&session).await?
    {
        let page = enrolment_page(&context, &enrolment, Some(INCORRECT));
        return Ok(page.with_status(StatusCode::UNPROCESSABLE_ENTITY).respond()?);
    }
    show_error(&context, &session, INCORRECT).await
}

/// Does what takes a code. `None`: the code is incorrect, or two-factor authentication is in another state.
async fn accept(form: &Form, session: &AccountSession, action: Action) -> Result<Option<Accepted>, Fault> {
    let (auth, actor, code) = (&form.state.auth, form.actor(), form.text("code"));
    Ok(match action {
        Action::Start => None,
        Action::Confirm => {
            auth.confirm_second_factor(actor, session, code).await?.map(Accepted::RecoveryCodes)
        }
        Action::NewRecoveryCodes => {
            auth.replace_recovery_codes(actor, session, code).await?.map(Accepted::RecoveryCodes)
        }
        Action::TurnOff => {
            auth.disable_second_factor(actor, session, code).await?.then_some(Accepted::TurnedOff)
        }
    })
}

async fn show_error(context: &FormContext<'_>, session: &AccountSession, error: &str) -> PageResult {
    let page = overview::page(context, session, Some(error), None).await?;
    Ok(page.with_status(StatusCode::UNPROCESSABLE_ENTITY).respond()?)
}

fn enrolment_page(context: &FormContext<'_>, enrolment: &Enrolment, error: Option<&str>) -> HtmlPage {
    let body = html! {
        (notice(error, None))
        p { "Scan this QR code with your authenticator app:" }
        (qr_code(&enrolment.url))
        p { "Or enter this key in the app: " code { (spaced(&enrolment.secret)) } }
        div.code {
            (context.form("/account/two-factor", &html! {
                (hidden("action", "confirm"))
                (field(Field {
                    name: "code", label: "6-digit code", kind: "text", autocomplete: "one-time-code",
                    focus: true, digits: true, ..Field::default()
                }))
                (button("Turn on"))
            }))
        }
        footer { p { a href=(context.state.site.path("/account")) { "Cancel" } } }
    };
    HtmlPage::new("Turn on two-factor authentication", Brand::server(), body)
}

fn recovery_codes_page(context: &FormContext<'_>, codes: &[String]) -> HtmlPage {
    let body = html! {
        p {
            "If you lose your phone, you can sign in with each of these codes once. Print them or save them in a password manager: \
             you won't see them again. Earlier codes no longer work."
        }
        ol.recovery-codes { @for code in codes { li { (code) } } }
        p.actions { a.button href=(context.state.site.path("/account")) { "I've saved these codes" } }
    };
    HtmlPage::new("Your recovery codes", Brand::server(), body)
}

/// In groups of four characters, which are easier to type.
fn spaced(secret: &str) -> String {
    let groups: Vec<_> = secret.as_bytes().chunks(4).map(String::from_utf8_lossy).collect();
    groups.join(" ")
}

/// Draws a QR code as SVG. It is black on white in dark mode, too: phones read no other.
fn qr_code(text: &str) -> Markup {
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else { return html! {} };
    let size = code.size();
    let dark = (0..size).flat_map(|y| (0..size).map(move |x| (x, y))).filter(|&(x, y)| code.get_module(x, y));
    let path: String = dark.map(|(x, y)| format!("M{},{}h1v1h-1z", x + QUIET_ZONE, y + QUIET_ZONE)).collect();
    let side = size + 2 * QUIET_ZONE;
    html! {
        svg.qr-code xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (side) " " (side) } role="img"
            aria-label="QR code of the key below" shape-rendering="crispEdges" {
            rect width="100%" height="100%" fill="#fff" {}
            path d=(path) fill="#000" {}
        }
    }
}
