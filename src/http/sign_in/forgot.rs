//! `/forgot-password`: the way back in for who forgot their password, on a server that sends mail.
//!
//! Whoever types an address is shown one and the same page, before anybody looks whether there is such an account.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use maud::html;
use tokio::sync::mpsc::Sender;

use crate::auth::flow::FlowState;
use crate::http::State;
use crate::http::account::form_token;
use crate::http::auth::count;
use crate::http::pages::browser::Browser;
use crate::http::pages::form::{Form, stale};
use crate::http::pages::{Brand, Field, Page, PageError, button, field, hidden, sorry};
use crate::model::users::normalize_email;

/// Where requests go.
///
/// # Errors
/// A page that says that there is no such way.
fn requests(state: &State) -> Result<&Sender<String>, PageError> {
    state.forgotten.as_ref().ok_or_else(|| {
        let sentence = "This server doesn't send email. Ask its operator to reset your password.";
        sorry("Page not found", Brand::own(), sentence, None).status(StatusCode::NOT_FOUND).into()
    })
}

pub(in crate::http) async fn show(
    state: web::Data<State>,
    http: HttpRequest,
) -> Result<HttpResponse, PageError> {
    requests(&state)?;
    let browser = Browser::bound(&http, &state.site)?;
    let body = html! {
        p { "Enter the email address of your account, and we'll send you a link to reset your password." }
        form method="post" action=(state.site.path("/forgot-password")) {
            (hidden("step", &form_token(&state, &browser)?))
            (field(Field {
                name: "email", label: "Email", kind: "email", autocomplete: "username", focus: true,
                ..Field::default()
            }))
            (button("Send reset link"))
        }
        footer.quiet {
            p { "This doesn't change the passphrase that encrypts your data. Only you know it." }
        }
    };
    Ok(Page::new("Reset your password", Brand::own(), body).answer_with(|response| {
        browser.cookie.map(|cookie| response.cookie(cookie));
    })?)
}

pub(in crate::http) async fn ask(
    state: web::Data<State>,
    http: HttpRequest,
    form: Form,
) -> Result<HttpResponse, PageError> {
    form.once(state, http, take).await
}

async fn take(state: web::Data<State>, http: HttpRequest, form: Form) -> Result<HttpResponse, PageError> {
    let requests = requests(&state)?;
    if form.step != FlowState::Form {
        return Err(stale(&state, form.step.request()));
    }
    count(&state, &http)?;
    if let Ok(email) = normalize_email(form.text("email"))
        && state.attempts.may_mail(&email)
        && requests.try_send(email).is_err()
    {
        tracing::warn!("too many people forgot their passwords at once: some get no mail");
    }
    let body = html! {
        p { "If there is an account with that email, we've sent a reset link to it. The link works once and expires in 24 hours." }
        p.quiet {
            "If nothing arrives within a few minutes, check your spam folder. You can request another link in 10 minutes."
        }
    };
    Ok(Page::new("Check your email", Brand::own(), body).answer()?)
}
