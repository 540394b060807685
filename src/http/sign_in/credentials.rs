//! The sign-in page with email and password, and `POST /sign-in`, to which its form is submitted.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use maud::html;

use super::{brand_of, denial_url, finish};
use crate::auth::PasswordCheck;
use crate::auth::flow::{FlowState, VerifiedUser};
use crate::config::SignUpRule;
use crate::http::State;
use crate::http::auth::begin;
use crate::http::pages::form::{FLOW, Form};
use crate::http::pages::{
    Brand, Field, HtmlPage, PageError, PageResult, button, field, hidden, notice, see_other,
};
use crate::model::authorization::AuthorizationRequest;

/// The same whichever of the two is wrong, so that nobody learns which accounts exist.
const INCORRECT: &str = "Incorrect email or password.";

/// The sign-in page for an app or, without a request, for the account itself.
pub(in crate::http) fn page(
    (state, http): (&State, &HttpRequest),
    brand: Brand,
    request: Option<AuthorizationRequest>,
    browser_id: &str,
    (email, error): (&str, Option<&str>),
) -> Result<HtmlPage, PageError> {
    let cancel_url = request.as_ref().map(|request| denial_url(state, http, request));
    let token = state.auth.sign_flow(FlowState::SignIn(request), browser_id)?;
    let body = html! {
        (notice(error, None))
        form method="post" action=(state.site.path("/sign-in")) {
            (hidden(FLOW, &token))
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
        @if state.reset_requests.is_some() {
            p.actions { a href=(state.site.path("/forgot-password")) { "Forgot your password?" } }
        }
        @if cancel_url.is_none() && state.sign_up == SignUpRule::Open {
            p.actions { a href=(state.site.path("/sign-up")) { "Create an account" } }
        }
        footer.quiet {
            @match &cancel_url {
                Some(url) => p { "You'll be asked before the app gets access. " a href=(url) { "Cancel" } },
                None => p { "Manage your password, two-factor authentication, sessions and devices." }
            }
        }
    };
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(HtmlPage::new("Sign in", brand, body).with_status(status))
}

/// Checks email and password.
///
/// Statuses: 303, 400, 422, 429.
pub(in crate::http) async fn submit(form: Form) -> PageResult {
    form.submit_once(check).await
}

async fn check(form: Form) -> PageResult {
    let FlowState::SignIn(request) = form.flow.clone() else { return Err(form.expired()) };
    let (state, email) = (&form.state, form.text("email"));
    let brand = brand_of(state, request.as_ref()).await?;
    let attempt = begin(state, &form.http, email).await?;
    match state.auth.check_password(email, form.text("password").into()).await? {
        PasswordCheck::Refused => {
            attempt.failed();
            let again = (email, Some(INCORRECT));
            Ok(page((state, &form.http), brand, request, &form.browser_id, again)?.respond()?)
        }
        PasswordCheck::SecondFactor(account) => {
            attempt.passed();
            let flow = FlowState::SecondFactor(request, VerifiedUser::of(&account));
            let token = state.auth.sign_flow(flow, &form.browser_id)?;
            Ok(see_other(&state.site.path(&format!("/two-factor?{FLOW}={token}"))))
        }
        PasswordCheck::Done(account) => {
            attempt.succeeded();
            finish(&form, request, &account).await
        }
    }
}
