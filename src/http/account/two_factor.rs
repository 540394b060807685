//! `/account/two-factor`: a second factor is turned on, given new recovery codes, and turned off.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use maud::{Markup, html};
use qrcodegen::{QrCode, QrCodeEcc};

use super::overview::{self, Context};
use super::{done, sender};
use crate::auth::Enrolment;
use crate::http::State;
use crate::http::auth::begin_second_factor;
use crate::http::client_ip::actor;
use crate::http::pages::form::Form;
use crate::http::pages::{Brand, Field, Page, PageError, button, field, notice};

/// Squares of white that a code needs around it.
const QUIET: i32 = 4;
const WRONG: &str =
    "This code is incorrect or was already used. Codes change every 30 seconds, so try the next one.";

pub(in crate::http) async fn act(
    state: web::Data<State>,
    http: HttpRequest,
    form: Form,
) -> Result<HttpResponse, PageError> {
    form.once(state, http, carry_out).await
}

async fn carry_out(
    state: web::Data<State>,
    http: HttpRequest,
    form: Form,
) -> Result<HttpResponse, PageError> {
    let visitor = sender(&state, &http, &form).await?;
    let context = Context { state: &state, token: form.text("step") };
    match form.text("act") {
        "begin" => {
            if let Some(enrolment) = state.auth.enrol_second_factor(&visitor).await? {
                return Ok(enrolment_page(&context, &enrolment, None).answer()?);
            }
        }
        "confirm" => {
            let turn = begin_second_factor(&state, &http, &visitor.email).await?;
            if let Some(codes) =
                state.auth.confirm_second_factor(actor(&http), &visitor, form.text("code")).await?
            {
                turn.succeeded();
                return Ok(codes_page(&context, &codes).answer()?);
            }
            turn.failed();
            if let Some(enrolment) = state.auth.unconfirmed_second_factor(&visitor).await? {
                let page = enrolment_page(&context, &enrolment, Some(WRONG));
                return Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).answer()?);
            }
        }
        "codes" => {
            let turn = begin_second_factor(&state, &http, &visitor.email).await?;
            if let Some(codes) =
                state.auth.replace_recovery_codes(actor(&http), &visitor, form.text("code")).await?
            {
                turn.succeeded();
                return Ok(codes_page(&context, &codes).answer()?);
            }
            turn.failed();
        }
        "off" => {
            let turn = begin_second_factor(&state, &http, &visitor.email).await?;
            if state.auth.disable_second_factor(actor(&http), &visitor, form.text("code")).await? {
                turn.succeeded();
                return Ok(done(&state, "two-factor-off"));
            }
            turn.failed();
        }
        _ => {}
    }
    let page = overview::page(&context, &visitor, Some(WRONG), None).await?;
    Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).answer()?)
}

fn enrolment_page(context: &Context<'_>, enrolment: &Enrolment, fault: Option<&str>) -> Page {
    let body = html! {
        (notice(fault, None))
        p { "Scan this QR code with your authenticator app:" }
        (squares(&enrolment.url))
        p { "Or enter this key in the app: " code { (spaced(&enrolment.secret)) } }
        div.code {
            (context.form("/account/two-factor", &html! {
                input type="hidden" name="act" value="confirm";
                (field(Field {
                    name: "code", label: "6-digit code", kind: "text", autocomplete: "one-time-code",
                    focus: true, digits: true, ..Field::default()
                }))
                (button("Turn on"))
            }))
        }
        footer { p { a href=(context.state.site.path("/account")) { "Cancel" } } }
    };
    Page::new("Turn on two-factor authentication", Brand::own(), body)
}

fn codes_page(context: &Context<'_>, codes: &[String]) -> Page {
    let body = html! {
        p {
            "If you lose your phone, you can sign in with each of these codes once. Print them or save them in a password manager: \
             you won't see them again. Earlier codes no longer work."
        }
        ol.codes { @for code in codes { li { (code) } } }
        p.actions { a.button href=(context.state.site.path("/account")) { "I've saved these codes" } }
    };
    Page::new("Your recovery codes", Brand::own(), body)
}

/// In groups of four: what people copy by hand.
fn spaced(secret: &str) -> String {
    let groups: Vec<_> = secret.as_bytes().chunks(4).map(String::from_utf8_lossy).collect();
    groups.join(" ")
}

/// The picture, as a drawing in the page. Black on white in the dark, too: phones read no other.
fn squares(text: &str) -> Markup {
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else { return html! {} };
    let size = code.size();
    let dark = (0..size).flat_map(|y| (0..size).map(move |x| (x, y))).filter(|&(x, y)| code.get_module(x, y));
    let path: String = dark.map(|(x, y)| format!("M{},{}h1v1h-1z", x + QUIET, y + QUIET)).collect();
    let side = size + 2 * QUIET;
    html! {
        svg.squares xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (side) " " (side) } role="img"
            aria-label="QR code of the key below" shape-rendering="crispEdges" {
            rect width="100%" height="100%" fill="#fff" {}
            path d=(path) fill="#000" {}
        }
    }
}
