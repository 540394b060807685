//! `POST /account/password`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::overview::{self, Context};
use super::{done, sender};
use crate::auth::SetPasswordOutcome;
use crate::error::Fault;
use crate::http::State;
use crate::http::auth::begin;
use crate::http::client_ip::actor;
use crate::http::pages::PageError;
use crate::http::pages::browser::visitor_cookie;
use crate::http::pages::form::Form;

pub(in crate::http) async fn change(
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
    let turn = begin(&state, &http, &visitor.email).await?;
    let (current, new) = (form.text("current").into(), form.text("new").into());
    let fault = match state.auth.set_account_password(actor(&http), &visitor, current, new).await? {
        SetPasswordOutcome::Done => {
            turn.succeeded();
            // Whoever has just shown both passwords need not show the new one again.
            let account = state.auth.account_of(&visitor).await?;
            let mut response = done(&state, "password");
            if let Some(secret) = state.auth.begin_account_session(actor(&http), &account).await? {
                let cookie = visitor_cookie(&state.site, Some(secret));
                response.add_cookie(&cookie).map_err(Fault::internal)?;
            }
            return Ok(response);
        }
        SetPasswordOutcome::Refused => {
            turn.failed();
            "Incorrect current password. Nothing was changed.".into()
        }
        SetPasswordOutcome::Unacceptable(reason) => {
            turn.passed();
            format!("Your new password {reason}. Nothing was changed.")
        }
    };
    let context = Context { state: &state, token: form.text("step") };
    let page = overview::page(&context, &visitor, Some(&fault), None).await?;
    Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).answer()?)
}
