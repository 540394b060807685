//! `/account`: everything about an account on one page, and the way out.

use actix_web::{HttpRequest, HttpResponse, web};
use maud::{Markup, html};
use serde::Deserialize;
use tidelog_protocol::{Timestamp, UserDevice, UserSession};

use super::{done, form_token, sender, visitor};
use crate::http::State;
use crate::http::pages::browser::{Browser, visitor_cookie};
use crate::http::pages::form::Form;
use crate::http::pages::{Brand, Field, Page, PageError, button, field, hidden, notice, see_other};
use crate::http::sign_in::log_in;
use crate::model::second_factors::SecondFactorStatus;
use crate::store::AccountSession;

/// What the page's address says.
#[derive(Deserialize)]
pub(in crate::http) struct Query {
    #[serde(default)]
    done: String,
}

/// What a page of an account is about besides the account.
pub(super) struct Context<'a> {
    pub(super) state: &'a State,
    pub(super) token: &'a str,
}

impl Context<'_> {
    /// A form of the account that leads to this place.
    pub(super) fn form(&self, path: &str, content: &Markup) -> Markup {
        html! {
            form method="post" action=(self.state.site.path(path)) {
                (hidden("step", self.token))
                (content)
            }
        }
    }
}

fn sentence_of(done: &str) -> Option<&'static str> {
    match done {
        "password" => Some("Your password has been changed. Your apps have to sign in again."),
        "two-factor-off" => Some("Two-factor authentication is off."),
        "session" => Some("Access revoked."),
        "device" => Some("Device removed."),
        "signed-out" => Some("You're signed out."),
        _ => None,
    }
}

pub(in crate::http) async fn show(
    state: web::Data<State>,
    http: HttpRequest,
    query: web::Query<Query>,
) -> Result<HttpResponse, PageError> {
    let browser = Browser::bound(&http, &state.site)?;
    let page = match visitor(&state, &http).await? {
        Some(visitor) => {
            let token = form_token(&state, &browser)?;
            let context = Context { state: &state, token: &token };
            page(&context, &visitor, None, sentence_of(&query.done)).await?
        }
        None => log_in::page((&state, &http), Brand::own(), None, &browser, ("", None))?,
    };
    Ok(page.answer_with(|response| {
        browser.cookie.map(|cookie| response.cookie(cookie));
    })?)
}

/// The account, and what has just happened to it.
pub(super) async fn page(
    context: &Context<'_>,
    visitor: &AccountSession,
    fault: Option<&str>,
    done: Option<&str>,
) -> Result<Page, PageError> {
    let Context { state, .. } = context;
    let factor = state.store.second_factor_status(visitor.user_row).await?;
    let sessions = state.store.sessions_of_user(visitor.user_row).await?;
    let devices = state.store.devices_of_user(visitor.user_row).await?;
    let body = html! {
        (notice(fault, done))
        p { "Signed in as " strong { (visitor.email) } "." }
        (context.form("/account/sign-out", &html! { button type="submit" { "Sign out" } }))
        (password(context, visitor))
        (second_factor(context, factor))
        (sessions_list(context, &sessions))
        (devices_list(context, &devices))
        h2 { "Your data" }
        p { "Download all your data from this server (still encrypted)." }
        p { a.button href=(state.site.path("/account/export")) download { "Download your data" } }
        p { a href=(state.site.path("/account/delete")) { "Delete account" } }
    };
    Ok(Page::new("Your account", Brand::own(), body).wide())
}

fn password(context: &Context<'_>, visitor: &AccountSession) -> Markup {
    html! {
        h2 { "Password" }
        p.quiet {
            "The password you sign in with. The passphrase that encrypts your data is separate: this server never learns it, and it \
             stays the same."
        }
        div.narrow {
            (context.form("/account/password", &html! {
                input type="email" name="email" value=(visitor.email) autocomplete="username" hidden;
                (field(Field {
                    name: "current", label: "Current password", kind: "password", autocomplete: "current-password",
                    ..Field::default()
                }))
                (field(Field {
                    name: "new", label: "New password", kind: "password", autocomplete: "new-password", min: Some(8),
                    hint: Some("At least 8 characters. All your apps will have to sign in again."), ..Field::default()
                }))
                (button("Change password"))
            }))
        }
    }
}

fn second_factor(context: &Context<'_>, factor: SecondFactorStatus) -> Markup {
    let code = |id: &'static str| {
        field(Field {
            name: id,
            label: "Code",
            kind: "text",
            autocomplete: "one-time-code",
            hint: Some("From your authenticator app, or a recovery code."),
            ..Field::default()
        })
    };
    html! {
        h2 { "Two-factor authentication" }
        @if factor.enabled {
            p {
                "On. Signing in requires a code from your authenticator app. "
                (factor.recovery_codes_left) " of 10 recovery codes left."
            }
            div.narrow.code {
                (context.form("/account/two-factor", &html! {
                    (code("code"))
                    div.actions {
                        button type="submit" name="act" value="codes" { "Generate new recovery codes" }
                        button.danger type="submit" name="act" value="off" { "Turn off" }
                    }
                }))
            }
        } @else {
            p { "Off. Turn it on to require a code from your phone as well, so that a stolen password isn't enough." }
            (context.form("/account/two-factor", &html! {
                button.primary type="submit" name="act" value="begin" { "Turn on" }
            }))
        }
    }
}

fn day(time: Timestamp) -> Markup {
    let text = time.to_string();
    let day = text.split('T').next().unwrap_or_default();
    html! { time datetime=(text) { (day) } }
}

fn sessions_list(context: &Context<'_>, sessions: &[UserSession]) -> Markup {
    html! {
        h2 { "Sessions" }
        @if sessions.is_empty() { p.quiet { "No apps are signed in." } }
        ul.things {
            @for session in sessions {
                li {
                    div {
                        strong { (session.app) }
                        @if !session.devices.is_empty() { (session.devices) " · " }
                        "signed in " (day(session.created_at))
                    }
                    (context.form(&format!("/account/sessions/{}", session.id), &html! {
                        button type="submit" aria-label={ "Revoke access of " (session.app) " " (session.devices) } { "Revoke" }
                    }))
                }
            }
        }
    }
}

fn devices_list(context: &Context<'_>, devices: &[UserDevice]) -> Markup {
    html! {
        h2 { "Devices" }
        @if devices.is_empty() { p.quiet { "No devices are registered." } }
        ul.things {
            @for device in devices {
                li {
                    div {
                        strong { (device.device_name) }
                        (device.app) " on " (device.platform) " · last seen " (day(device.last_seen_at))
                    }
                    (context.form(&format!("/account/devices/{}", device.id), &html! {
                        button type="submit" aria-label={ "Remove device " (device.device_name) } { "Remove" }
                    }))
                }
            }
        }
    }
}

/// Everything that the server has, as one archive.
pub(in crate::http) async fn export(
    state: web::Data<State>,
    http: HttpRequest,
) -> Result<HttpResponse, PageError> {
    match visitor(&state, &http).await? {
        Some(visitor) => Ok(crate::http::export::of_account(state, &http, &visitor).await?),
        None => Ok(see_other(&state.site.path("/account"))),
    }
}

pub(in crate::http) async fn log_out(
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
    state.store.end_account_session(visitor.id).await?;
    let mut response = done(&state, "signed-out");
    response.add_cookie(&visitor_cookie(&state.site, None)).map_err(crate::error::Fault::internal)?;
    Ok(response)
}
