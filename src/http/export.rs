//! `GET /export`: everything that a user has in an app, as a tar archive; and `DELETE /data`, which deletes it.
//!
//! An archive can be far larger than memory, and the client slow. So a task produces it part by part, and waits until
//! a part is sent before it reads the next one. Between two parts it holds a page of changes or a few chunks of a
//! blob, which count against the memory that all requests share, but neither a thread nor a snapshot of the database.

mod archive;
mod tar_stream;

use actix_web::body::BodyStream;
use actix_web::http::{Version, header};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use serde_json::json;
use tokio::sync::mpsc;

use self::archive::{AppExport, export_account};
use super::State;
use super::api_error::ApiError;
use super::client_ip::actor;
use super::request::SessionRequest;
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::export::{ExportGrant, ExportRequester};
use crate::store::AccountSession;

/// Streams everything that the user has in this app, as one archive.
///
/// Statuses: 200, 401 `unauthenticated`.
pub(super) async fn export(
    state: web::Data<State>,
    actor: Actor,
    request: HttpRequest,
    SessionRequest { caller, .. }: SessionRequest<()>,
) -> Result<HttpResponse, ApiError> {
    let requester = ExportRequester { caller, grant: ExportGrant::Session };
    let summary = state.store.begin_export(actor, &requester).await?;
    // One part being sent, and one being read.
    let (parts, sent) = mpsc::channel(1);
    actix_web::rt::spawn(AppExport::new(state.into_inner(), requester, summary, parts).run());
    Ok(answer(&request, sent))
}

/// Exports everything of an account, app by app.
pub(super) async fn of_account(
    state: web::Data<State>,
    request: &HttpRequest,
    session: &AccountSession,
) -> Result<HttpResponse, Fault> {
    let requesters = state.store.export_requesters(session).await?;
    let account = json!({ "user_id": session.user, "email": session.email, "apps": requesters.len() });
    let (parts, sent) = mpsc::channel(1);
    actix_web::rt::spawn(export_account(state.into_inner(), actor(request), account, requesters, parts));
    Ok(answer(request, sent))
}

fn answer(request: &HttpRequest, parts: mpsc::Receiver<Result<Bytes, Fault>>) -> HttpResponse {
    let body = stream::unfold(parts, |mut parts| async move { parts.recv().await.map(|part| (part, parts)) });
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::CONTENT_TYPE, "application/x-tar"))
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"tidelog-export.tar\""));
    // HTTP/1.0 has no chunked encoding: there, the end of the connection ends the body.
    let is_old = request.version() < Version::HTTP_11;
    if is_old {
        answer.force_close();
    }
    let mut answer = answer.body(BodyStream::new(body));
    answer.head_mut().no_chunking(is_old);
    answer
}

/// Deletes everything that the user has in this app.
///
/// Statuses: 204, 401 `unauthenticated`.
pub(super) async fn delete(
    state: web::Data<State>,
    actor: Actor,
    SessionRequest { caller, .. }: SessionRequest<()>,
) -> Result<HttpResponse, ApiError> {
    state.store.delete_data(actor, &caller).await?;
    Ok(HttpResponse::NoContent().finish())
}
