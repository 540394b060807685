//! `/oauth/consent`: the person is in, and says whether the app is.
//!
//! It is always asked: whoever makes a program can name any app, so a consent that was given once says nothing about who asks now.

use actix_web::{HttpRequest, HttpResponse, web};
use maud::html;
use serde::Deserialize;

use crate::auth::flow::FlowState;
use crate::http::State;
use crate::http::pages::browser::Browser;
use crate::http::pages::form::{Form, read_step, stale};
use crate::http::pages::{Brand, Page, PageError, hidden, see_other};
use crate::http::sign_in::log_in::denial;
use crate::http::sign_in::{account_of, client_of};
use crate::model::redirects;

/// What the page's address says.
#[derive(Deserialize)]
pub(in crate::http) struct Query {
    #[serde(default)]
    step: String,
}

pub(in crate::http) async fn show(
    state: web::Data<State>,
    http: HttpRequest,
    query: web::Query<Query>,
) -> Result<HttpResponse, PageError> {
    let browser = Browser::of(&http, &state.site);
    let step = read_step(&state, &query.step, &browser.id)?;
    let FlowState::Consent(request, person) = &step else { return Err(stale(&state, step.request())) };
    let account = account_of(&state, person, &step).await?;
    if state.answered_consents.contains(&query.step) {
        return Err(stale(&state, step.request()));
    }
    let client = client_of(&state, request).await?;
    let body = html! {
        p { strong { (client.name) } " wants to sync with your account " strong { (account.email) } "." }
        ul {
            li { "It can store its own encrypted data here and read it back." }
            li { "It can't see your password, your account settings or other apps' data." }
        }
        p.quiet {
            "You'll be redirected to " (redirects::destination(&request.redirect_uri)) ". "
            "You can revoke access at any time under Sessions in your account."
        }
        form method="post" action=(state.site.path("/oauth/consent")) {
            (hidden("step", &query.step))
            div.actions {
                button type="submit" name="decision" value="deny" { "Cancel" }
                button.primary type="submit" name="decision" value="allow" { "Allow" }
            }
        }
    };
    let title = format!("Allow {} to sync?", client.name);
    let page = Page::new(title, Brand::of_client(&state.site, &client), body);
    Ok(page.leads_to(redirects::csp_source(&request.redirect_uri)).answer()?)
}

pub(in crate::http) async fn decide(
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
    let FlowState::Consent(request, person) = &form.step else {
        return Err(stale(&state, form.step.request()));
    };
    if !state.answered_consents.insert(form.text("step"), state.clock.now_seconds()) {
        return Err(stale(&state, Some(request)));
    }
    let account = account_of(&state, person, &form.step).await?;
    let client = client_of(&state, request).await?;
    let address = if form.text("decision") == "allow" {
        let code = state.auth.issue_code(&account, client.app, request).await?;
        let code = code.ok_or_else(|| stale(&state, Some(request)))?;
        let issuer = state.site.address(&http, "");
        let parameters = [("code", code.as_str()), ("state", &request.state), ("iss", &issuer)];
        redirects::with_parameters(&request.redirect_uri, &parameters)
    } else {
        denial(&state, &http, request)
    };
    Ok(see_other(&address))
}
