//! `/two-factor`: the code of an authenticator app, or a recovery code.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use maud::html;
use serde::Deserialize;

use super::{brand_of, finish, verified_account};
use crate::auth::flow::FlowState;
use crate::http::State;
use crate::http::auth::begin_second_factor;
use crate::http::pages::browser::BrowserBinding;
use crate::http::pages::form::{FLOW, Form, expired_page, read_flow};
use crate::http::pages::{Brand, Field, HtmlPage, PageResult, button, field, hidden, notice};

const INCORRECT_CODE: &str =
    "This code is incorrect or was already used. Codes change every 30 seconds, so try the next one.";
const INCORRECT_RECOVERY_CODE: &str = "This recovery code is incorrect or was already used.";

/// The query of the page.
#[derive(Deserialize)]
pub(in crate::http) struct Query {
    #[serde(default)]
    flow: String,
    /// Whether to ask for a recovery code.
    #[serde(default)]
    recovery: bool,
}

fn page(state: &State, brand: Brand, token: &str, recovery: bool, error: Option<&str>) -> HtmlPage {
    let other = format!("/two-factor?{FLOW}={token}{}", if recovery { "" } else { "&recovery=true" });
    let (label, hint) = match recovery {
        true => (
            "Recovery code",
            "One of the 10 codes you saved when you turned on two-factor authentication. Each works once.",
        ),
        false => ("6-digit code", "From your authenticator app."),
    };
    let body = html! {
        (notice(error, None))
        form.code method="post" action=(state.site.path("/two-factor")) {
            (hidden(FLOW, token))
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
    HtmlPage::new(if recovery { "Use a recovery code" } else { "Two-factor authentication" }, brand, body)
}

/// Shows the page that asks for a code.
///
/// Statuses: 200, 400.
pub(in crate::http) async fn show(
    state: web::Data<State>,
    http: HttpRequest,
    query: web::Query<Query>,
) -> PageResult {
    let browser = BrowserBinding::existing(&http, &state.site);
    let flow = read_flow(&state, &query.flow, &browser.id)?;
    if !matches!(flow, FlowState::SecondFactor(..)) {
        return Err(expired_page(&state, flow.request()));
    }
    let brand = brand_of(&state, flow.request()).await?;
    Ok(page(&state, brand, &query.flow, query.recovery, None).respond()?)
}

/// Checks a code.
///
/// Statuses: 303, 400, 422, 429.
pub(in crate::http) async fn submit(form: Form) -> PageResult {
    form.submit_once(check).await
}

async fn check(form: Form) -> PageResult {
    let FlowState::SecondFactor(request, user) = form.flow.clone() else { return Err(form.expired()) };
    let state = &form.state;
    let account = verified_account(state, &user, request.as_ref()).await?;
    let attempt = begin_second_factor(state, &form.http, &account.email).await?;
    if state.auth.use_second_factor(form.actor(), &account, form.text("code")).await? {
        attempt.succeeded();
        return finish(&form, request, &account).await;
    }
    attempt.failed();
    let brand = brand_of(state, request.as_ref()).await?;
    let recovery = !form.text("recovery").is_empty();
    let error = if recovery { INCORRECT_RECOVERY_CODE } else { INCORRECT_CODE };
    let page = page(state, brand, form.flow_token(), recovery, Some(error));
    Ok(page.with_status(StatusCode::UNPROCESSABLE_ENTITY).respond()?)
}
