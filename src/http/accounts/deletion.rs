//! `/account/delete`: deleting an account.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use maud::html;

use super::{FormContext, account_session, submit as submit_account_form};
use crate::error::Fault;
use crate::http::State;
use crate::http::auth::begin;
use crate::http::pages::browser::{BrowserBinding, expired_account_cookie};
use crate::http::pages::form::{Form, form_token};
use crate::http::pages::{Brand, Field, HtmlPage, PageResult, field, notice, see_other};
use crate::store::AccountSession;

fn page(context: &FormContext<'_>, error: Option<&str>) -> HtmlPage {
    let body = html! {
        (notice(error, None))
        p { "Everything this server stores about you will be deleted: your data in all apps, your files, devices and sessions, and \
             this account. This can't be undone." }
        p { "Your devices keep their data. Backups that the operator has already made contain your encrypted data until they are \
             deleted." }
        p { a href=(context.state.site.path("/account/export")) download { "Download your data first" } }
        (context.form("/account/delete", &html! {
            (field(Field {
                name: "password", label: "Password", kind: "password", autocomplete: "current-password",
                ..Field::default()
            }))
            div.actions {
                button.danger type="submit" { "Delete account" }
            }
        }))
        footer { p { a href=(context.state.site.path("/account")) { "Cancel" } } }
    };
    HtmlPage::new("Delete your account?", Brand::server(), body)
}

/// Shows what deletion means, and asks for the password.
///
/// Statuses: 200, 303.
pub(in crate::http) async fn show(state: web::Data<State>, http: HttpRequest) -> PageResult {
    if account_session(&state, &http).await?.is_none() {
        return Ok(see_other(&state.site.path("/account")));
    }
    let token = form_token(&state, &BrowserBinding::existing(&http, &state.site))?;
    Ok(page(&FormContext { state: &state, token: &token }, None).respond()?)
}

/// Deletes the account.
///
/// Statuses: 200, 400, 422, 429.
pub(in crate::http) async fn submit(form: Form) -> PageResult {
    submit_account_form(form, delete).await
}

async fn delete(form: Form, account: AccountSession) -> PageResult {
    let state = &form.state;
    let attempt = begin(state, &form.http, &account.email).await?;
    if !state.auth.delete_account(form.actor(), &account, form.text("password").into()).await? {
        attempt.failed();
        let page = page(&FormContext::of(&form), Some("Incorrect password. Nothing was deleted."));
        return Ok(page.with_status(StatusCode::UNPROCESSABLE_ENTITY).respond()?);
    }
    attempt.passed();
    let body = html! { p { "Everything this server stored about you has been deleted." } };
    let mut response = HtmlPage::new("Your account has been deleted", Brand::server(), body).respond()?;
    response.add_cookie(&expired_account_cookie(&state.site)).map_err(Fault::internal)?;
    Ok(response)
}
