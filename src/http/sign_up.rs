//! Pages for people who have no account yet, or not its password: `/sign-up`, and what links lead to.
//!
//! Opening a link uses nothing up, since mail programs and chats look at links before people do; its address is a secret, so its page
//! tells no other page about it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use maud::{Markup, html};

use super::State;
use super::account::form_token;
use super::auth::count;
use super::client_ip::actor;
use super::pages::browser::Browser;
use super::pages::form::{Form, stale};
use super::pages::{Brand, Field, Page, PageError, button, field, hidden, notice, sorry};
use crate::auth::flow::FlowState;
use crate::auth::links::{LinkOutcome, path_of};
use crate::config::SignUpRule;
use crate::model::links::{Link, LinkKind};

/// What a page of this kind is reached by.
struct Entry<'a> {
    kind: Option<LinkKind>,
    secret: &'a str,
    link: Option<Link>,
}

impl Entry<'_> {
    fn path(&self) -> String {
        self.kind.map_or_else(|| "/sign-up".into(), |kind| path_of(kind, self.secret))
    }

    fn title(&self) -> String {
        match (self.kind, &self.link) {
            (Some(LinkKind::Setup), _) => "Set up this server".into(),
            (Some(LinkKind::Reset), _) => "Set a new password".into(),
            (_, Some(Link { app_name: Some(app), .. })) => format!("Create an account for {app}"),
            _ => "Create an account".into(),
        }
    }

    fn introduction(&self) -> Markup {
        match self.kind {
            Some(LinkKind::Setup) => html! {
                p { "Create the first account. It will administer this server." }
            },
            Some(LinkKind::Reset) => html! {
                p { "For your account " strong { (self.link.as_ref().and_then(|link| link.email.as_deref()).unwrap_or_default()) } "." }
                p.quiet {
                    "This changes only the password you sign in with. The passphrase that encrypts your data stays the same: this \
                     server has never known it and can't change it. All your apps will have to sign in again."
                }
            },
            _ => html! {
                p {
                    "Your devices sync through this account. Your data is encrypted before it leaves them, with a passphrase that your \
                     app asks for. That passphrase is separate from the password you choose here."
                }
            },
        }
    }
}

/// The entry of a path, if it is open.
async fn entry<'a>(state: &State, kind: Option<LinkKind>, secret: &'a str) -> Result<Entry<'a>, PageError> {
    let gone = |sentence| {
        sorry("This link is no longer valid", Brand::own(), sentence, None)
            .with_secret_address()
            .status(StatusCode::NOT_FOUND)
    };
    let Some(kind) = kind else {
        if state.sign_up == SignUpRule::Open {
            return Ok(Entry { kind: None, secret, link: None });
        }
        let sentence = "Accounts on this server are created by its operator. Ask them for an invite.";
        return Err(sorry("Sign-up is closed", Brand::own(), sentence, None)
            .status(StatusCode::NOT_FOUND)
            .into());
    };
    let is_open = kind != LinkKind::Invite || state.sign_up != SignUpRule::Closed;
    let link = if is_open { state.auth.find_link(kind, secret).await? } else { None };
    match link {
        Some(link) => Ok(Entry { kind: Some(kind), secret, link: Some(link) }),
        None => {
            Err(gone("It was already used, has expired or is incomplete. Ask whoever sent it for a new one.")
                .into())
        }
    }
}

fn page(state: &State, entry: &Entry<'_>, token: &str, (email, fault): (&str, Option<&str>)) -> Page {
    let is_reset = entry.kind == Some(LinkKind::Reset);
    let body = html! {
        (notice(fault, None))
        (entry.introduction())
        form method="post" action=(state.site.path(&entry.path())) {
            (hidden("step", token))
            @if is_reset {
                input type="email" name="account" autocomplete="username" hidden
                    value=(entry.link.as_ref().and_then(|link| link.email.as_deref()).unwrap_or_default());
            } @else {
                (field(Field {
                    name: "email", label: "Email", kind: "email", autocomplete: "username", value: email,
                    focus: true, ..Field::default()
                }))
            }
            (field(Field {
                name: "password", label: if is_reset { "New password" } else { "Password" }, kind: "password",
                autocomplete: "new-password", hint: Some("At least 8 characters."), min: Some(8), focus: is_reset,
                ..Field::default()
            }))
            (button(if is_reset { "Set password" } else { "Create account" }))
        }
    };
    let page = Page::new(entry.title(), Brand::own(), body);
    if entry.kind.is_some() { page.with_secret_address() } else { page }
}

fn finished(state: &State, kind: Option<LinkKind>, email: &str) -> Page {
    let (title, next_step) = match kind {
        Some(LinkKind::Setup) => (
            "Your server is ready",
            html! { "Create an app with " code { "tidelog app create" } ", then sign in to it as " },
        ),
        Some(LinkKind::Reset) => {
            ("Your password has been changed", html! { "From now on, sign in with it as " })
        }
        _ => ("Your account is ready", html! { "Go back to your app and sign in as " }),
    };
    let body = html! {
        p { (next_step) strong { (email) } "." }
        p.actions { a.button href=(state.site.path("/account")) { "Go to your account" } }
    };
    let page = Page::new(title, Brand::own(), body);
    if kind.is_some() { page.with_secret_address() } else { page }
}

async fn show(
    state: &State,
    http: &HttpRequest,
    kind: Option<LinkKind>,
    secret: &str,
) -> Result<HttpResponse, PageError> {
    let entry = entry(state, kind, secret).await?;
    let browser = Browser::bound(http, &state.site)?;
    let token = form_token(state, &browser)?;
    Ok(page(state, &entry, &token, ("", None)).answer_with(|response| {
        browser.cookie.map(|cookie| response.cookie(cookie));
    })?)
}

async fn take(
    state: web::Data<State>,
    http: HttpRequest,
    form: Form,
    kind: Option<LinkKind>,
    secret: String,
) -> Result<HttpResponse, PageError> {
    let (state, secret) = (&*state, secret.as_str());
    if form.step != FlowState::Form {
        return Err(stale(state, form.step.request()));
    }
    count(state, &http)?;
    let entry = entry(state, kind, secret).await?;
    let (email, password) = (form.text("email"), form.text("password").to_owned());
    let used = match kind {
        Some(LinkKind::Reset) => state.auth.reset_password(actor(&http), secret, password).await?,
        _ => state.auth.sign_up(actor(&http), kind.map(|kind| (kind, secret)), email, password).await?,
    };
    match used {
        LinkOutcome::Done(email) => Ok(finished(state, kind, &email).answer()?),
        LinkOutcome::InvalidLink => Err(stale(state, None)),
        LinkOutcome::Unacceptable(fault) => {
            let page = page(state, &entry, form.text("step"), (email, Some(&fault)));
            Ok(page.status(StatusCode::UNPROCESSABLE_ENTITY).answer()?)
        }
    }
}

/// The two handlers of one kind of entry.
macro_rules! entrance {
    ($module:ident, $kind:expr) => {
        pub(super) mod $module {
            use super::*;

            pub(in crate::http) async fn show(
                state: web::Data<State>,
                http: HttpRequest,
                secret: web::Path<String>,
            ) -> Result<HttpResponse, PageError> {
                super::show(&state, &http, Some($kind), &secret).await
            }

            pub(in crate::http) async fn take(
                state: web::Data<State>,
                http: HttpRequest,
                secret: web::Path<String>,
                form: Form,
            ) -> Result<HttpResponse, PageError> {
                let secret = secret.into_inner();
                let work = |state, http, form| super::take(state, http, form, Some($kind), secret);
                form.once(state, http, work).await
            }
        }
    };
}

entrance!(setup, LinkKind::Setup);
entrance!(invite, LinkKind::Invite);
entrance!(reset, LinkKind::Reset);

pub(super) async fn show_open(state: web::Data<State>, http: HttpRequest) -> Result<HttpResponse, PageError> {
    show(&state, &http, None, "").await
}

pub(super) async fn take_open(
    state: web::Data<State>,
    http: HttpRequest,
    form: Form,
) -> Result<HttpResponse, PageError> {
    form.once(state, http, |state, http, form| take(state, http, form, None, String::new())).await
}
