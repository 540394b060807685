//! `/two-factor`: the code from the person's phone, or one from the paper that they kept.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use maud::html;
use serde::Deserialize;

use super::{account_of, brand_of, go_on};
use crate::auth::flow::FlowState;
use crate::http::State;
use crate::http::auth::begin_second_factor;
use crate::http::client_ip::actor;
use crate::http::pages::browser::Browser;
use crate::http::pages::form::{Form, read_step, stale};
use crate::http::pages::{Brand, Field, Page, PageError, button, field, hidden, notice};

const WRONG_CODE: &str =
    "This code is incorrect or was already used. Codes change every 30 seconds, so try the next one.";
const WRONG_RECOVERY_CODE: &str = "This recovery code is incorrect or was already used.";

/// What the page's address says.
#[derive(Deserialize)]
pub(in crate::http) struct Query {
    #[serde(default)]
    step: String,
    /// Whether a recovery code is to be typed.
    #[serde(default)]
    recovery: bool,
}

fn page(state: &State, brand: Brand, step: &str, recovery: bool, fault: Option<&str>) -> Page {
    let other = format!("/two-factor?step={step}{}", if recovery { "" } else { "&recovery=true" });
    let (label, hint) = match recovery {
        true => (
            "Recovery code",
            "One of the 10 codes you saved when you turned on two-factor authentication. Each works once.",
        ),
        false => ("6-digit code", "From your authenticator app."),
    };
    let body = html! {
        (notice(fault, None))
        form.code method="post" action=(state.site.path("/two-factor")) {
            (hidden("step", step))
            @if recovery { (hidden("recovery", "true")) }
            (field(Field {
                name: "code", label, kind: "text", autocomplete: if recovery { "off" } else { "one-time-code" },
                hint: Some(hint), focus: true, digits: !recovery, ..Field::default()
            }))
            (button("Verify"))
        }
        footer {
            p { a href=(state.site.path(&other)) {
                @if recovery { "Use your authenticator app" } @else { "Use a recovery code" }
            } }
        }
    };
    Page::new(if recovery { "Use a recovery code" } else { "Two-factor authentication" }, brand, body)
}

pub(in crate::http) async fn show(
    state: web::Data<State>,
    http: HttpRequest,
    query: web::Query<Query>,
) -> Result<HttpResponse, PageError> {
    let browser = Browser::of(&http, &state.site);
    let step = read_step(&state, &query.step, &browser.id)?;
    if !matches!(step, FlowState::SecondFactor(..)) {
        return Err(stale(&state, step.request()));
    }
    let brand = brand_of(&state, step.request()).await?;
    Ok(page(&state, brand, &query.step, query.recovery, None).answer()?)
}

pub(in crate::http) async fn take(
    state: web::Data<State>,
    http: HttpRequest,
    form: Form,
) -> Result<HttpResponse, PageError> {
    form.once(state, http, check).await
}

async fn check(state: web::Data<State>, http: HttpRequest, form: Form) -> Result<HttpResponse, PageError> {
    let FlowState::SecondFactor(request, person) = form.step.clone() else {
        return Err(stale(&state, form.step.request()));
    };
    let account = account_of(&state, &person, &form.step).await?;
    let turn = begin_second_factor(&state, &http, &account.email).await?;
    if state.auth.use_second_factor(actor(&http), &account, form.text("code")).await? {
        turn.succeeded();
        return go_on(&state, actor(&http), request, person, &account, &form.browser).await;
    }
    turn.failed();
    let brand = brand_of(&state, request.as_ref()).await?;
    let recovery = form.fields.get("recovery").is_some();
    let fault = if recovery { WRONG_RECOVERY_CODE } else { WRONG_CODE };
    let page = page(&state, brand, form.text("step"), recovery, Some(fault));
    Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).answer()?)
}
