//! Forms: what a page of ours sends back.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use futures_util::future::LocalBoxFuture;

use super::browser::Browser;
use super::once::Fingerprint;
use super::{Brand, PageError, sorry};
use crate::auth::flow::{FlowState, FlowToken};
use crate::auth::secrets::hash_secret;
use crate::http::State;
use crate::http::api_error::ApiError;
use crate::http::request::{self, Kind, read_open};
use crate::model::authorization::{AuthorizationRequest, Parameters};

/// A form of one of our own pages, with the step that the page was about.
pub(in crate::http) struct Form {
    /// What is in it.
    pub(in crate::http) fields: Parameters,
    /// What the page was about.
    pub(in crate::http) step: FlowState,
    /// The browser's binding.
    pub(in crate::http) browser: String,
    fingerprint: Fingerprint,
}

impl Form {
    /// What is in a field, as it was typed.
    pub(in crate::http) fn text(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_default()
    }

    /// Carries out what the form asks for; a second click gets the answer of the first.
    ///
    /// # Errors
    /// Those of the work.
    pub(in crate::http) async fn once<W, F>(
        self,
        state: web::Data<State>,
        http: HttpRequest,
        work: W,
    ) -> Result<HttpResponse, PageError>
    where
        W: FnOnce(web::Data<State>, HttpRequest, Self) -> F,
        F: Future<Output = Result<HttpResponse, PageError>> + 'static,
    {
        let (fingerprint, now_seconds) = (self.fingerprint, state.clock.now_seconds());
        let shared = state.clone();
        shared.once.run(fingerprint, now_seconds, work(state, http, self)).await
    }
}

impl FromRequest for Form {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let state = request::state(&request)?;
            if !state.site.sent(&request) {
                return Err(stale(state, None));
            }
            let (body, kind) = read_open(&request, payload).await?;
            if kind != Kind::Form {
                return Err(ApiError::unsupported_media_type().into());
            }
            let fields = Parameters::parse(&body);
            let browser = Browser::of(&request, &state.site).id;
            let token = fields.get("step").unwrap_or_default();
            let step = read_step(state, token, &browser)?;
            let fingerprint = hash_secret(&format!("{}\n{browser}\n{body}", request.path()));
            Ok(Self { fields, step, browser, fingerprint })
        })
    }
}

/// The step that a page or a form names.
///
/// # Errors
/// A page that says that this one is too old, with the way to begin anew.
pub(in crate::http) fn read_step(state: &State, token: &str, browser: &str) -> Result<FlowState, PageError> {
    match state.auth.read_flow(token, browser) {
        FlowToken::Valid(step) => Ok(step),
        FlowToken::Expired(step) => Err(stale(state, step.request())),
        FlowToken::Invalid => Err(stale(state, None)),
    }
}

/// Says that a page is too old.
pub(in crate::http) fn stale(state: &State, request: Option<&AuthorizationRequest>) -> PageError {
    let again = request.map(|request| state.site.path(&format!("/oauth/authorize?{}", request.query())));
    let sentence = match again {
        Some(_) => "It was open too long, or was already submitted. Nothing was changed.",
        None => {
            "It was open too long, was already submitted, or your browser blocks cookies. Nothing was changed. Go back to where \
             you started and try again."
        }
    };
    let page = sorry("This page has expired", Brand::own(), sentence, again.map(|url| (url, "Start again")));
    page.status(StatusCode::BAD_REQUEST).into()
}
