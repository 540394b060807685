//! `/account/delete`: the end of an account.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use maud::html;

use super::overview::Context;
use super::{form_token, sender, visitor};
use crate::error::Fault;
use crate::http::State;
use crate::http::auth::begin;
use crate::http::client_ip::actor;
use crate::http::pages::browser::{Browser, visitor_cookie};
use crate::http::pages::form::Form;
use crate::http::pages::{Brand, Field, Page, PageError, field, notice, see_other};

fn page(context: &Context<'_>, fault: Option<&str>) -> Page {
    let body = html! {
        (notice(fault, None))
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
    Page::new("Delete your account?", Brand::own(), body)
}

pub(in crate::http) async fn show(
    state: web::Data<State>,
    http: HttpRequest,
) -> Result<HttpResponse, PageError> {
    if visitor(&state, &http).await?.is_none() {
        return Ok(see_other(&state.site.path("/account")));
    }
    let token = form_token(&state, &Browser::of(&http, &state.site))?;
    Ok(page(&Context { state: &state, token: &token }, None).answer()?)
}

pub(in crate::http) async fn delete(
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
    if !state.auth.delete_account(actor(&http), &visitor, form.text("password").into()).await? {
        turn.failed();
        let context = Context { state: &state, token: form.text("step") };
        let page = page(&context, Some("Incorrect password. Nothing was deleted."));
        return Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).answer()?);
    }
    turn.passed();
    let body = html! { p { "Everything this server stored about you has been deleted." } };
    let mut response = Page::new("Your account has been deleted", Brand::own(), body).answer()?;
    response.add_cookie(&visitor_cookie(&state.site, None)).map_err(Fault::internal)?;
    Ok(response)
}
