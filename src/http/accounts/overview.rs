//! `/account`: the account page, with its export and sign-out.

use actix_web::{HttpRequest, web};
use maud::{Markup, html};
use serde::Deserialize;
use tidelog_protocol::{Timestamp, UserDevice, UserSession};

use super::{FormContext, account_session, submit as submit_account_form};
use crate::error::Fault;
use crate::http::State;
use crate::http::export::of_account;
use crate::http::pages::browser::{BrowserBinding, expired_account_cookie};
use crate::http::pages::form::{Form, form_token};
use crate::http::pages::{Brand, Field, HtmlPage, PageError, PageResult, button, field, notice, see_other};
use crate::http::sign_in::credentials;
use crate::model::second_factors::SecondFactorStatus;
use crate::store::AccountSession;

/// The query of the page.
#[derive(Deserialize)]
pub(in crate::http) struct Query {
    /// What has just been done.
    #[serde(default)]
    done: String,
}

fn confirmation(done: &str) -> Option<&'static str> {
    match done {
        "password" => Some("Your password has been changed. Your apps have to sign in again."),
        "two-factor-off" => Some("Two-factor authentication is off."),
        "session" => Some("Access revoked."),
        "device" => Some("Device removed."),
        _ => None,
    }
}

/// Shows the account or, without an account session, the sign-in page.
///
/// Statuses: 200.
pub(in crate::http) async fn show(
    state: web::Data<State>,
    http: HttpRequest,
    query: web::Query<Query>,
) -> PageResult {
    let browser = BrowserBinding::get_or_create(&http, &state.site)?;
    let page = match account_session(&state, &http).await? {
        Some(session) => {
            let token = form_token(&state, &browser)?;
            let context = FormContext { state: &state, token: &token };
            page(&context, &session, None, confirmation(&query.done)).await?
        }
        None => credentials::page((&state, &http), Brand::server(), None, &browser.id, ("", None))?,
    };
    Ok(page.respond_to(browser)?)
}

/// Renders the account page, with what has just happened.
pub(super) async fn page(
    context: &FormContext<'_>,
    session: &AccountSession,
    error: Option<&str>,
    success: Option<&str>,
) -> Result<HtmlPage, PageError> {
    let FormContext { state, .. } = context;
    let second_factor = state.store.second_factor_status(session.user_row).await?;
    let sessions = state.store.sessions_of_user(session.user_row).await?;
    let devices = state.store.devices_of_user(session.user_row).await?;
    let body = html! {
        (notice(error, success))
        p { "Signed in as " strong { (session.email) } "." }
        (context.form("/account/sign-out", &html! { button type="submit" { "Sign out" } }))
        (password_section(context, session))
        (two_factor_section(context, second_factor))
        (sessions_section(context, &sessions))
        (devices_section(context, &devices))
        h2 { "Your data" }
        p { "Download all your data from this server (still encrypted)." }
        p { a.button href=(state.site.path("/account/export")) download { "Download your data" } }
        p { a href=(state.site.path("/account/delete")) { "Delete account" } }
    };
    Ok(HtmlPage::new("Your account", Brand::server(), body).wide())
}

fn password_section(context: &FormContext<'_>, session: &AccountSession) -> Markup {
    html! {
        h2 { "Password" }
        p.quiet {
            "The password you sign in with. The passphrase that encrypts your data is separate: this server never learns it, and it \
             stays the same."
        }
        div.narrow {
            (context.form("/account/password", &html! {
                input type="email" name="email" value=(session.email) autocomplete="username" hidden;
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

fn two_factor_section(context: &FormContext<'_>, second_factor: SecondFactorStatus) -> Markup {
    html! {
        h2 { "Two-factor authentication" }
        @if second_factor.enabled {
            p {
                "On. Signing in requires a code from your authenticator app. "
                (second_factor.recovery_codes_left) " of 10 recovery codes left."
            }
            div.narrow.code {
                (context.form("/account/two-factor", &html! {
                    (field(Field {
                        name: "code", label: "Code", kind: "text", autocomplete: "one-time-code",
                        hint: Some("From your authenticator app, or a recovery code."), ..Field::default()
                    }))
                    div.actions {
                        button type="submit" name="action" value="new-recovery-codes" { "Generate new recovery codes" }
                        button.danger type="submit" name="action" value="turn-off" { "Turn off" }
                    }
                }))
            }
        } @else {
            p { "Off. Turn it on to require a code from your phone as well, so that a stolen password isn't enough." }
            (context.form("/account/two-factor", &html! {
                button.primary type="submit" name="action" value="start" { "Turn on" }
            }))
        }
    }
}

fn day(time: Timestamp) -> Markup {
    let text = time.to_string();
    let day = text.split('T').next().unwrap_or_default();
    html! { time datetime=(text) { (day) } }
}

fn sessions_section(context: &FormContext<'_>, sessions: &[UserSession]) -> Markup {
    html! {
        h2 { "Sessions" }
        @if sessions.is_empty() { p.quiet { "No apps are signed in." } }
        ul.access {
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

fn devices_section(context: &FormContext<'_>, devices: &[UserDevice]) -> Markup {
    html! {
        h2 { "Devices" }
        @if devices.is_empty() { p.quiet { "No devices are registered." } }
        ul.access {
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

/// Streams everything that the account has in all apps, as one archive.
///
/// Statuses: 200, 303.
pub(in crate::http) async fn export(state: web::Data<State>, http: HttpRequest) -> PageResult {
    match account_session(&state, &http).await? {
        Some(session) => Ok(of_account(state, &http, &session).await?),
        None => Ok(see_other(&state.site.path("/account"))),
    }
}

/// Ends the account session.
///
/// Statuses: 303, 400.
pub(in crate::http) async fn sign_out(form: Form) -> PageResult {
    submit_account_form(form, end_session).await
}

async fn end_session(form: Form, session: AccountSession) -> PageResult {
    form.state.store.end_account_session(session.id).await?;
    let mut response = see_other(&form.state.site.path("/account"));
    response.add_cookie(&expired_account_cookie(&form.state.site)).map_err(Fault::internal)?;
    Ok(response)
}
