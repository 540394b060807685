//! Creating an account, or setting its password: `/sign-up`, and the pages that links lead to.
//!
//! Opening a link does not use it up, because email programs and chats fetch links before people do. The URL contains
//! a secret, so the page is kept out of referrers.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use maud::{Markup, html};

use super::State;
use super::auth::count;
use super::pages::browser::BrowserBinding;
use super::pages::form::{FLOW, Form, form_token};
use super::pages::{
    Brand, Field, HtmlPage, PageError, PageResult, button, field, hidden, message_page, notice,
};
use crate::auth::links::{LinkOutcome, path_of};
use crate::config::SignUpRule;
use crate::model::links::{Link, LinkKind};

/// What a page is for: the account that a link creates or resets, or (without a kind) one that anybody may create.
struct Registration<'a> {
    kind: Option<LinkKind>,
    secret: &'a str,
    link: Option<Link>,
}

impl<'a> Registration<'a> {
    /// Finds the link, or checks that sign-up is open.
    ///
    /// # Errors
    /// A page with 404.
    async fn find(state: &State, kind: Option<LinkKind>, secret: &'a str) -> Result<Self, PageError> {
        let Some(kind) = kind else {
            if state.sign_up == SignUpRule::Open {
                return Ok(Self { kind: None, secret, link: None });
            }
            let message = "Accounts on this server are created by its operator. Ask them for an invite.";
            let page = message_page("Sign-up is closed", message, None);
            return Err(page.with_status(StatusCode::NOT_FOUND).into());
        };
        let is_allowed = kind != LinkKind::Invite || state.sign_up != SignUpRule::Closed;
        let link = if is_allowed { state.auth.find_link(kind, secret).await? } else { None };
        if link.is_none() {
            let message =
                "It was already used, has expired or is incomplete. Ask whoever sent it for a new one.";
            let page = message_page("This link is no longer valid", message, None).with_secret_url();
            return Err(page.with_status(StatusCode::NOT_FOUND).into());
        }
        Ok(Self { kind: Some(kind), secret, link })
    }

    fn path(&self) -> String {
        self.kind.map_or_else(|| "/sign-up".into(), |kind| path_of(kind, self.secret))
    }

    /// The email of the account whose password is reset.
    fn email(&self) -> &str {
        self.link.as_ref().and_then(|link| link.email.as_deref()).unwrap_or_default()
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
                p { "For your account " strong { (self.email()) } "." }
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

    fn page(&self, state: &State, token: &str, (email, error): (&str, Option<&str>)) -> HtmlPage {
        let is_reset = self.kind == Some(LinkKind::Reset);
        let body = html! {
            (notice(error, None))
            (self.introduction())
            form method="post" action=(state.site.path(&self.path())) {
                (hidden(FLOW, token))
                @if is_reset {
                    // For password managers.
                    input type="email" name="account" autocomplete="username" hidden value=(self.email());
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
        let page = HtmlPage::new(self.title(), Brand::server(), body);
        if self.kind.is_some() { page.with_secret_url() } else { page }
    }
}

fn success_page(state: &State, kind: Option<LinkKind>, email: &str) -> HtmlPage {
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
    let page = HtmlPage::new(title, Brand::server(), body);
    if kind.is_some() { page.with_secret_url() } else { page }
}

async fn show(state: &State, http: &HttpRequest, kind: Option<LinkKind>, secret: &str) -> PageResult {
    let registration = Registration::find(state, kind, secret).await?;
    let browser = BrowserBinding::get_or_create(http, &state.site)?;
    let token = form_token(state, &browser)?;
    Ok(registration.page(state, &token, ("", None)).respond_to(browser)?)
}

async fn submit(form: Form, kind: Option<LinkKind>, secret: String) -> PageResult {
    form.submit_once(|form| register(form, kind, secret)).await
}

async fn register(form: Form, kind: Option<LinkKind>, secret: String) -> PageResult {
    let (state, secret) = (&form.state, secret.as_str());
    form.require_no_sign_in()?;
    count(state, &form.http)?;
    let registration = Registration::find(state, kind, secret).await?;
    let (email, password) = (form.text("email"), form.text("password").to_owned());
    let used = match kind {
        Some(LinkKind::Reset) => state.auth.reset_password(form.actor(), secret, password).await?,
        _ => state.auth.sign_up(form.actor(), kind.map(|kind| (kind, secret)), email, password).await?,
    };
    match used {
        LinkOutcome::Done(email) => Ok(success_page(state, kind, &email).respond()?),
        LinkOutcome::InvalidLink => Err(form.expired()),
        LinkOutcome::Unacceptable(reason) => {
            let page = registration.page(state, form.flow_token(), (email, Some(&reason)));
            Ok(page.with_status(StatusCode::UNPROCESSABLE_ENTITY).respond()?)
        }
    }
}

/// The two handlers of one kind of link.
macro_rules! link_handlers {
    ($module:ident, $kind:expr) => {
        pub(super) mod $module {
            use super::*;

            /// Shows the page of a link.
            ///
            /// Statuses: 200, 404.
            pub(in crate::http) async fn show(
                state: web::Data<State>,
                http: HttpRequest,
                secret: web::Path<String>,
            ) -> PageResult {
                super::show(&state, &http, Some($kind), &secret).await
            }

            /// Uses a link.
            ///
            /// Statuses: 200, 400, 404, 422, 429.
            pub(in crate::http) async fn submit(secret: web::Path<String>, form: Form) -> PageResult {
                super::submit(form, Some($kind), secret.into_inner()).await
            }
        }
    };
}

link_handlers!(setup, LinkKind::Setup);
link_handlers!(invite, LinkKind::Invite);
link_handlers!(reset, LinkKind::Reset);

/// Shows the sign-up page of an open server.
///
/// Statuses: 200, 404.
pub(super) async fn show_open(state: web::Data<State>, http: HttpRequest) -> PageResult {
    show(&state, &http, None, "").await
}

/// Creates an account on an open server.
///
/// Statuses: 200, 400, 404, 422, 429.
pub(super) async fn submit_open(form: Form) -> PageResult {
    submit(form, None, String::new()).await
}
