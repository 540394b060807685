//! `/forgot`: the way back in for who forgot their password, on a server that sends mail.
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
        let sentence = "This server sends no mail. Ask its operator for a new password.";
        sorry("There is nothing here", Brand::own(), sentence, None).status(StatusCode::NOT_FOUND).into()
    })
}

pub(in crate::http) async fn show(
    state: web::Data<State>,
    http: HttpRequest,
) -> Result<HttpResponse, PageError> {
    requests(&state)?;
    let browser = Browser::bound(&http, &state.site)?;
    let body = html! {
        p { "Type the address of your account. A link to set a new password is mailed to it." }
        form method="post" action=(state.site.path("/forgot")) {
            (hidden("step", &form_token(&state, &browser)?))
            (field(Field {
                name: "email", label: "E-mail address", kind: "email", autocomplete: "username", focus: true,
                ..Field::default()
            }))
            (button("Mail me a link"))
        }
        footer.quiet {
            p { "The passphrase that encrypts your data is another thing: nobody but you can know it, and it stays what it is." }
        }
    };
    Ok(Page::new("Forgot your password?", Brand::own(), body).answer_with(|response| {
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
        p { "If there is an account with that address, a mail with a link is on its way to it. The link is good once, for a day." }
        p.quiet {
            "Where none has come after a few minutes, look among the unwanted mail. You can ask for another one in ten minutes."
        }
    };
    Ok(Page::new("Look into your mail", Brand::own(), body).answer()?)
}
