//! Forms that our pages submit. Each carries the flow token of its page, which is only valid in the browser that the
//! page was shown to.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;

use super::PageResult;
use super::browser::BrowserBinding;
use super::error::PageError;
use super::page::message_page;
use crate::auth::flow::{FlowState, FlowToken};
use crate::auth::secrets::hash_secret;
use crate::http::State;
use crate::http::api_error::ApiError;
use crate::http::client_ip::actor;
use crate::http::deduplication::Fingerprint;
use crate::http::request::{self, Kind, read_public};
use crate::model::actors::Actor;
use crate::model::authorization::{AuthorizationRequest, Parameters};

/// The name of the flow token in forms and queries.
pub(in crate::http) const FLOW: &str = "flow";

/// A submitted form, with the flow state of the page that it was on.
pub(in crate::http) struct Form {
    pub(in crate::http) state: web::Data<State>,
    pub(in crate::http) http: HttpRequest,
    /// The state that the form's token holds.
    pub(in crate::http) flow: FlowState,
    /// The id of the browser, to which the token is bound.
    pub(in crate::http) browser_id: String,
    fields: Parameters,
    fingerprint: Fingerprint,
}

impl Form {
    /// The value of a field; empty if it is missing.
    pub(in crate::http) fn text(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_default()
    }

    /// The form's flow token, for a page that shows the form again.
    pub(in crate::http) fn flow_token(&self) -> &str {
        self.text(FLOW)
    }

    /// The client that submitted the form, for the audit log.
    pub(in crate::http) fn actor(&self) -> Actor {
        actor(&self.http)
    }

    /// The error for a form that is no longer valid, with a link to start again.
    pub(in crate::http) fn expired(&self) -> PageError {
        expired_page(&self.state, self.flow.request())
    }

    /// Checks that the form is not one of a sign-in.
    pub(in crate::http) fn require_no_sign_in(&self) -> Result<(), PageError> {
        if self.flow == FlowState::Form { Ok(()) } else { Err(self.expired()) }
    }

    /// Handles the form, unless it was submitted a moment ago: then the response is the same again.
    pub(in crate::http) async fn submit_once<F>(self, handle: impl FnOnce(Self) -> F) -> PageResult
    where
        F: Future<Output = PageResult> + 'static,
    {
        let state = self.state.clone();
        let (fingerprint, now_seconds) = (self.fingerprint, state.clock.now_seconds());
        state.submissions.run(fingerprint, now_seconds, handle(self)).await
    }
}

impl FromRequest for Form {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(http: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (http, payload) = (http.clone(), payload.take());
        Box::pin(async move {
            let state = request::state(&http)?.clone();
            if !state.site.is_same_origin(&http) {
                return Err(expired_page(&state, None));
            }
            let (body, kind) = read_public(&http, payload).await?;
            if kind != Kind::Form {
                return Err(ApiError::unsupported_media_type().into());
            }
            let fields = Parameters::parse(&body);
            let browser_id = BrowserBinding::existing(&http, &state.site).id;
            let flow = read_flow(&state, fields.get(FLOW).unwrap_or_default(), &browser_id)?;
            let fingerprint = hash_secret(&format!("{}\n{browser_id}\n{body}", http.path()));
            Ok(Self { state, http, flow, browser_id, fields, fingerprint })
        })
    }
}

/// The token for a form that is not part of a sign-in.
pub(in crate::http) fn form_token(state: &State, browser: &BrowserBinding) -> Result<String, PageError> {
    Ok(state.auth.sign_flow(FlowState::Form, &browser.id)?)
}

/// Reads a flow token of this browser.
///
/// # Errors
/// The page for an invalid or expired token.
pub(in crate::http) fn read_flow(
    state: &State,
    token: &str,
    browser_id: &str,
) -> Result<FlowState, PageError> {
    match state.auth.read_flow(token, browser_id) {
        FlowToken::Valid(flow) => Ok(flow),
        FlowToken::Expired(flow) => Err(expired_page(state, flow.request())),
        FlowToken::Invalid => Err(expired_page(state, None)),
    }
}

/// The error for a page that is no longer valid, with a link to start the app's sign-in again.
pub(in crate::http) fn expired_page(state: &State, request: Option<&AuthorizationRequest>) -> PageError {
    let restart = request.map(|request| state.site.path(&format!("/oauth/authorize?{}", request.query())));
    let message = match restart {
        Some(_) => "It was open too long, or was already submitted. Nothing was changed.",
        None => {
            "It was open too long, was already submitted, or your browser blocks cookies. Nothing was changed. Go back to where \
             you started and try again."
        }
    };
    message_page("This page has expired", message, restart.map(|url| (url, "Start again")))
        .with_status(StatusCode::BAD_REQUEST)
        .into()
}
