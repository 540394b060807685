//! `GET /oauth/authorize`: an app has sent a person's browser here. What it asks for is checked, and the person sees a log-in page.
//!
//! An unknown app, or a way back that is not the app's, is shown to the person and never followed: nobody else may be told.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::auth::secrets::hash_secret;
use crate::http::State;
use crate::http::pages::browser::Browser;
use crate::http::pages::{Brand, PageError, see_other, sorry};
use crate::http::sign_in::log_in;
use crate::model::authorization::{InvalidRequest, Parameters};
use crate::model::redirects;

const UNKNOWN_APP: &str = "This server doesn't know the app that sent you here. The app may be out of date.";

fn shown(sentence: &str) -> PageError {
    sorry("This app can't connect", Brand::own(), sentence, None).status(StatusCode::BAD_REQUEST).into()
}

pub(in crate::http) async fn authorize(
    state: web::Data<State>,
    http: HttpRequest,
) -> Result<HttpResponse, PageError> {
    let parameters = Parameters::parse(http.query_string());
    let client_id = parameters.client_id().ok_or_else(|| shown(UNKNOWN_APP))?;
    let client = state.store.find_oauth_client(hash_secret(client_id)).await?;
    let client = client.ok_or_else(|| shown(UNKNOWN_APP))?;
    let request = match parameters.check(&client) {
        Ok(request) => request,
        Err(InvalidRequest::Shown(sentence)) => return Err(shown(sentence)),
        Err(InvalidRequest::Redirected { redirect_uri, state: app_state, error, description }) => {
            let mut told = vec![("error", error), ("error_description", description)];
            told.extend(app_state.as_deref().map(|app_state| ("state", app_state)));
            let issuer = state.site.address(&http, "");
            told.push(("iss", &issuer));
            return Ok(see_other(&redirects::with_parameters(&redirect_uri, &told)));
        }
    };
    let browser = Browser::bound(&http, &state.site)?;
    let brand = Brand::of_client(&state.site, &client);
    let page = log_in::page((&state, &http), brand, Some(request), &browser, ("", None))?;
    Ok(page.answer_with(|response| {
        browser.cookie.map(|cookie| response.cookie(cookie));
    })?)
}
