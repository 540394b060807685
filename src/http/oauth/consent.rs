//! `/oauth/consent`: the user, who has signed in, decides whether the app gets access.
//!
//! Consent is asked for each time: any program can use an app's API key, so an earlier consent says nothing about the
//! program that asks now.

use actix_web::{HttpRequest, web};
use maud::html;
use serde::Deserialize;

use crate::auth::flow::FlowState;
use crate::http::State;
use crate::http::pages::browser::BrowserBinding;
use crate::http::pages::form::{FLOW, Form, expired_page, read_flow};
use crate::http::pages::{Brand, HtmlPage, PageResult, hidden, see_other};
use crate::http::sign_in::{client_of, denial_url, verified_account};
use crate::model::redirects;

/// The query of the page.
#[derive(Deserialize)]
pub(in crate::http) struct Query {
    #[serde(default)]
    flow: String,
}

/// Shows the consent page.
///
/// Statuses: 200, 400.
pub(in crate::http) async fn show(
    state: web::Data<State>,
    http: HttpRequest,
    query: web::Query<Query>,
) -> PageResult {
    let browser = BrowserBinding::existing(&http, &state.site);
    let flow = read_flow(&state, &query.flow, &browser.id)?;
    let FlowState::Consent(request, user) = &flow else { return Err(expired_page(&state, flow.request())) };
    let account = verified_account(&state, user, Some(request)).await?;
    if state.answered_consents.contains(&query.flow) {
        return Err(expired_page(&state, Some(request)));
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
            (hidden(FLOW, &query.flow))
            div.actions {
                button type="submit" name="decision" value="deny" { "Cancel" }
                button.primary type="submit" name="decision" value="allow" { "Allow" }
            }
        }
    };
    let title = format!("Allow {} to sync?", client.name);
    let page = HtmlPage::new(title, Brand::of_client(&state.site, &client), body);
    Ok(page.with_form_redirect(redirects::csp_source(&request.redirect_uri)).respond()?)
}

/// Redirects back to the app, with a code or without access.
///
/// Statuses: 303, 400.
pub(in crate::http) async fn submit(form: Form) -> PageResult {
    form.submit_once(decide).await
}

async fn decide(form: Form) -> PageResult {
    let FlowState::Consent(request, user) = &form.flow else { return Err(form.expired()) };
    let state = &form.state;
    if !state.answered_consents.insert(form.flow_token(), state.clock.now_seconds()) {
        return Err(form.expired());
    }
    let account = verified_account(state, user, Some(request)).await?;
    let client = client_of(state, request).await?;
    if form.text("decision") != "allow" {
        return Ok(see_other(&denial_url(state, &form.http, request)));
    }
    let code = state.auth.issue_code(&account, client.app, request).await?;
    let code = code.ok_or_else(|| form.expired())?;
    let issuer = state.site.url(&form.http, "");
    let parameters = [("code", code.as_str()), ("state", &request.state), ("iss", &issuer)];
    Ok(see_other(&redirects::with_parameters(&request.redirect_uri, &parameters)))
}
