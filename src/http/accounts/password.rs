//! `POST /account/password`: changing the password of an account.

use actix_web::http::StatusCode;

use super::overview;
use super::{FormContext, redirect_after, submit as submit_account_form};
use crate::auth::SetPasswordOutcome;
use crate::error::Fault;
use crate::http::auth::begin;
use crate::http::pages::PageResult;
use crate::http::pages::browser::account_cookie;
use crate::http::pages::form::Form;
use crate::store::AccountSession;

/// Changes the password, which ends all sessions.
///
/// Statuses: 303, 400, 422, 429.
pub(in crate::http) async fn submit(form: Form) -> PageResult {
    submit_account_form(form, change).await
}

async fn change(form: Form, session: AccountSession) -> PageResult {
    let (state, actor) = (&form.state, form.actor());
    let attempt = begin(state, &form.http, &session.email).await?;
    let (current, new) = (form.text("current").into(), form.text("new").into());
    let error = match state.auth.set_account_password(actor, &session, current, new).await? {
        SetPasswordOutcome::Done => {
            attempt.succeeded();
            // Having just proved both passwords, the user need not sign in again with the new one.
            let account = state.auth.account_of(&session).await?;
            let mut response = redirect_after(state, "password");
            if let Some(secret) = state.auth.begin_account_session(actor, &account).await? {
                response.add_cookie(&account_cookie(&state.site, secret)).map_err(Fault::internal)?;
            }
            return Ok(response);
        }
        SetPasswordOutcome::Refused => {
            attempt.failed();
            "Incorrect current password. Nothing was changed.".into()
        }
        SetPasswordOutcome::Unacceptable(reason) => {
            attempt.passed();
            format!("Your new password {reason}. Nothing was changed.")
        }
    };
    let page = overview::page(&FormContext::of(&form), &session, Some(&error), None).await?;
    Ok(page.with_status(StatusCode::UNPROCESSABLE_ENTITY).respond()?)
}
