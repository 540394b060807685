//! The log-in page, and `POST /sign-in`, where its form goes.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use maud::html;

use super::{account_of, brand_of, go_on};
use crate::auth::PasswordCheck;
use crate::auth::flow::FlowState;
use crate::config::SignUpRule;
use crate::http::State;
use crate::http::auth::begin;
use crate::http::client_ip::actor;
use crate::http::pages::browser::Browser;
use crate::http::pages::form::{Form, stale};
use crate::http::pages::{Brand, Field, Page, PageError, button, field, hidden, notice, see_other};
use crate::model::authorization::AuthorizationRequest;
use crate::model::redirects;

const WRONG: &str = "Incorrect email or password.";

/// A log-in page for an app or for the account itself.
pub(in crate::http) fn page(
    (state, http): (&State, &HttpRequest),
    brand: Brand,
    request: Option<AuthorizationRequest>,
    browser: &Browser,
    (email, fault): (&str, Option<&str>),
) -> Result<Page, PageError> {
    let cancel = request.as_ref().map(|request| denial(state, http, request));
    let step = state.auth.sign_flow(FlowState::SignIn(request), &browser.id)?;
    let body = html! {
        (notice(fault, None))
        form method="post" action=(state.site.path("/sign-in")) {
            (hidden("step", &step))
            (field(Field {
                name: "email", label: "Email", kind: "email", autocomplete: "username", value: email,
                focus: email.is_empty(), ..Field::default()
            }))
            (field(Field {
                name: "password", label: "Password", kind: "password", autocomplete: "current-password",
                focus: !email.is_empty(), ..Field::default()
            }))
            (button("Sign in"))
        }
        @if state.forgotten.is_some() {
            p.actions { a href=(state.site.path("/forgot-password")) { "Forgot your password?" } }
        }
        @if cancel.is_none() && state.sign_up == SignUpRule::Open {
            p.actions { a href=(state.site.path("/sign-up")) { "Create an account" } }
        }
        footer.quiet {
            @match &cancel {
                Some(address) => p { "You'll be asked before the app gets access. " a href=(address) { "Cancel" } },
                None => p { "Manage your password, two-factor authentication, sessions and devices." }
            }
        }
    };
    let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(Page::new("Sign in", brand, body).status(status))
}

/// The way back to an app that is not let in.
pub(in crate::http) fn denial(state: &State, http: &HttpRequest, request: &AuthorizationRequest) -> String {
    let issuer = &state.site.address(http, "");
    let parameters = [("error", "access_denied"), ("state", &request.state), ("iss", issuer)];
    redirects::with_parameters(&request.redirect_uri, &parameters)
}

pub(in crate::http) async fn log_in(
    state: web::Data<State>,
    http: HttpRequest,
    form: Form,
) -> Result<HttpResponse, PageError> {
    form.once(state, http, check).await
}

async fn check(state: web::Data<State>, http: HttpRequest, form: Form) -> Result<HttpResponse, PageError> {
    let FlowState::SignIn(request) = form.step.clone() else {
        return Err(stale(&state, form.step.request()));
    };
    let brand = brand_of(&state, request.as_ref()).await?;
    let turn = begin(&state, &http, form.text("email")).await?;
    match state.auth.check_password(form.text("email"), form.text("password").into()).await? {
        PasswordCheck::Refused => {
            turn.failed();
            let browser = Browser::of(&http, &state.site);
            Ok(page((&state, &http), brand, request, &browser, (form.text("email"), Some(WRONG)))?
                .answer()?)
        }
        PasswordCheck::SecondFactor(person) => {
            turn.passed();
            let step = state.auth.sign_flow(FlowState::SecondFactor(request, person), &form.browser)?;
            Ok(see_other(&state.site.path(&format!("/two-factor?step={step}"))))
        }
        PasswordCheck::Done(person) => {
            turn.succeeded();
            let account = account_of(&state, &person, &form.step).await?;
            go_on(&state, actor(&http), request, person, &account, &form.browser).await
        }
    }
}
