//! `GET /export`: all that a user has in an app, as one archive that any tar program opens; and `DELETE /data`, the end of it.
//!
//! It may be far larger than memory, and whoever takes it may be slow. So it is made piece by piece, by a task that waits until a piece
//! has been taken before it reads the next one: between two of them it holds a page of changes or a few chunks of a blob, counted against
//! the memory that all requests share, and neither a thread nor a snapshot.

mod archive;
mod pieces;

use actix_web::body::BodyStream;
use actix_web::http::{Version, header};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream;
use serde_json::json;
use tokio::sync::mpsc;

use self::archive::Archive;
use super::State;
use super::api_error::ApiError;
use super::client_ip::actor;
use super::request::Signed;
use crate::error::Fault;
use crate::model::actors::Actor;
use crate::model::export::{TakenBy, Taker};
use crate::store::AccountSession;

pub(super) async fn export(
    state: web::Data<State>,
    actor: Actor,
    request: HttpRequest,
    Signed { caller, .. }: Signed<()>,
) -> Result<HttpResponse, ApiError> {
    let taker = Taker { caller, by: TakenBy::Session };
    let outline = state.store.outline(actor, &taker).await?;
    // One piece on its way, and one in the making.
    let (pieces, taken) = mpsc::channel(1);
    actix_web::rt::spawn(Archive::new(state.into_inner(), taker, outline, pieces).make());
    Ok(answer(&request, taken))
}

/// Everything of an account, for whoever is logged in to it.
pub(super) async fn of_account(
    state: web::Data<State>,
    request: &HttpRequest,
    visitor: &AccountSession,
) -> Result<HttpResponse, Fault> {
    let takers = state.store.takers_of_account(visitor).await?;
    let account = json!({ "user_id": visitor.user, "email": visitor.email, "apps": takers.len() });
    let (pieces, taken) = mpsc::channel(1);
    let actor = actor(request);
    actix_web::rt::spawn(Archive::make_of_account(state.into_inner(), actor, account, takers, pieces));
    Ok(answer(request, taken))
}

/// An archive, as it is made.
fn answer(request: &HttpRequest, taken: mpsc::Receiver<Result<Bytes, Fault>>) -> HttpResponse {
    let body =
        stream::unfold(taken, |mut taken| async move { taken.recv().await.map(|piece| (piece, taken)) });
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::CONTENT_TYPE, "application/x-tar"))
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"tidelog-export.tar\""));
    // The old version of HTTP knows no chunks: there, the end of the connection is that of the body.
    let is_old = request.version() < Version::HTTP_11;
    if is_old {
        answer.force_close();
    }
    let mut answer = answer.body(BodyStream::new(body));
    answer.head_mut().no_chunking(is_old);
    answer
}

pub(super) async fn delete(
    state: web::Data<State>,
    actor: Actor,
    Signed { caller, .. }: Signed<()>,
) -> Result<HttpResponse, ApiError> {
    state.store.delete_data(actor, &caller).await?;
    Ok(HttpResponse::NoContent().finish())
}
