//! Users manage their own account: on pages, and under `/api/account` for programs.
//!
//! Neither can read or change the data of an app, except to end access and to export or delete it. Neither accepts
//! the other's authentication: pages read a cookie, programs send a token.

pub(super) mod access;
pub(super) mod api;
pub(super) mod deletion;
pub(super) mod overview;
pub(super) mod password;
pub(super) mod two_factor;

use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::State;
use super::pages::browser::account_secret;
use super::pages::form::{FLOW, Form};
use super::pages::{PageError, PageResult, hidden, see_other};
use crate::store::AccountSession;

/// The account session of this browser.
async fn account_session(state: &State, http: &HttpRequest) -> Result<Option<AccountSession>, PageError> {
    match account_secret(http, &state.site) {
        Some(secret) => Ok(state.auth.account_session_by_cookie(&secret).await?),
        None => Ok(None),
    }
}

/// The account session of the browser that submitted a form of the account pages.
async fn require_session(form: &Form) -> Result<AccountSession, PageError> {
    form.require_no_sign_in()?;
    account_session(&form.state, &form.http).await?.ok_or_else(|| form.expired())
}

/// Handles a form of the account pages once, if its browser has an account session.
async fn submit<F>(form: Form, handle: impl FnOnce(Form, AccountSession) -> F + 'static) -> PageResult
where
    F: Future<Output = PageResult> + 'static,
{
    form.submit_once(|form| async move {
        let session = require_session(&form).await?;
        handle(form, session).await
    })
    .await
}

/// What the forms of the account pages need.
struct FormContext<'a> {
    state: &'a State,
    /// The flow token.
    token: &'a str,
}

impl<'a> FormContext<'a> {
    /// For a page that shows a submitted form again.
    fn of(form: &'a Form) -> Self {
        Self { state: &form.state, token: form.flow_token() }
    }

    /// Renders a form that is submitted to this path.
    fn form(&self, path: &str, content: &Markup) -> Markup {
        html! {
            form method="post" action=(self.state.site.path(path)) {
                (hidden(FLOW, self.token))
                (content)
            }
        }
    }
}

/// Redirects back to the account page, which confirms what was done.
fn redirect_after(state: &State, done: &str) -> HttpResponse {
    see_other(&state.site.path(&format!("/account?done={done}")))
}
