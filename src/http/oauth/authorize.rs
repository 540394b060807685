//! `GET /oauth/authorize`: an app sends the browser here. Its request is checked, and the user gets a sign-in page.
//!
//! If the app or its redirect URL is unknown, the user gets an error page. The URL is never followed: it may be an
//! attacker's.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};

use crate::auth::secrets::hash_secret;
use crate::http::State;
use crate::http::pages::browser::BrowserBinding;
use crate::http::pages::{Brand, PageError, PageResult, message_page, see_other};
use crate::http::sign_in::credentials;
use crate::model::authorization::{InvalidRequest, Parameters};
use crate::model::redirects;

const UNKNOWN_APP: &str = "This server doesn't know the app that sent you here. The app may be out of date.";

fn error_page(message: &str) -> PageError {
    message_page("This app can't connect", message, None).with_status(StatusCode::BAD_REQUEST).into()
}

/// Starts a sign-in to an app.
///
/// Statuses: 200, 303, 400.
pub(in crate::http) async fn authorize(state: web::Data<State>, http: HttpRequest) -> PageResult {
    let parameters = Parameters::parse(http.query_string());
    let client_id = parameters.client_id().ok_or_else(|| error_page(UNKNOWN_APP))?;
    let client = state.store.find_oauth_client(hash_secret(client_id)).await?;
    let client = client.ok_or_else(|| error_page(UNKNOWN_APP))?;
    let request = match parameters.check(&client) {
        Ok(request) => request,
        Err(InvalidRequest::Shown(message)) => return Err(error_page(message)),
        Err(InvalidRequest::Redirected { redirect_uri, state: app_state, error, description }) => {
            let issuer = state.site.url(&http, "");
            let mut parameters = vec![("error", error), ("error_description", description)];
            parameters.extend(app_state.as_deref().map(|app_state| ("state", app_state)));
            parameters.push(("iss", &issuer));
            return Ok(see_other(&redirects::with_parameters(&redirect_uri, &parameters)));
        }
    };
    let browser = BrowserBinding::get_or_create(&http, &state.site)?;
    let brand = Brand::of_client(&state.site, &client);
    let page = credentials::page((&state, &http), brand, Some(request), &browser.id, ("", None))?;
    Ok(page.respond_to(browser)?)
}
