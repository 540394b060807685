//! `/forgot-password`: requesting a reset link, on a server that sends email.
//!
//! Everybody gets the same page, before the server looks whether there is an account with that email.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use maud::html;
use tokio::sync::mpsc::Sender;

use crate::http::State;
use crate::http::auth::count;
use crate::http::pages::browser::BrowserBinding;
use crate::http::pages::form::{FLOW, Form, form_token};
use crate::http::pages::{
    Brand, Field, HtmlPage, PageError, PageResult, button, field, hidden, message_page,
};
use crate::model::users::normalize_email;

/// The queue of emails that asked for a reset link.
///
/// # Errors
/// A page with 404 if the server sends no email.
fn requests(state: &State) -> Result<&Sender<String>, PageError> {
    state.reset_requests.as_ref().ok_or_else(|| {
        let message = "This server doesn't send email. Ask its operator to reset your password.";
        message_page("Page not found", message, None).with_status(StatusCode::NOT_FOUND).into()
    })
}

/// Shows the page that asks for an email.
///
/// Statuses: 200, 404.
pub(in crate::http) async fn show(state: web::Data<State>, http: HttpRequest) -> PageResult {
    requests(&state)?;
    let browser = BrowserBinding::get_or_create(&http, &state.site)?;
    let body = html! {
        p { "Enter the email address of your account, and we'll send you a link to reset your password." }
        form method="post" action=(state.site.path("/forgot-password")) {
            (hidden(FLOW, &form_token(&state, &browser)?))
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
    Ok(HtmlPage::new("Reset your password", Brand::server(), body).respond_to(browser)?)
}

/// Queues a reset link.
///
/// Statuses: 200, 400, 404, 429.
pub(in crate::http) async fn submit(form: Form) -> PageResult {
    form.submit_once(request_link).await
}

async fn request_link(form: Form) -> PageResult {
    let state = &form.state;
    let requests = requests(state)?;
    form.require_no_sign_in()?;
    count(state, &form.http)?;
    if let Ok(email) = normalize_email(form.text("email"))
        && state.attempts.may_mail(&email)
        && requests.try_send(email).is_err()
    {
        tracing::warn!("too many reset links requested at once: some are not sent");
    }
    let body = html! {
        p { "If there is an account with that email, we've sent a reset link to it. The link works once and expires in 24 hours." }
        p.quiet {
            "If nothing arrives within a few minutes, check your spam folder. You can request another link in 10 minutes."
        }
    };
    Ok(HtmlPage::new("Check your email", Brand::server(), body).respond()?)
}
