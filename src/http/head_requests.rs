//! Answers to HEAD: those to GET, without their bodies.
//!
//! The web server would send no body either, but read it to its end, which the body of an event stream does not have.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::Error;
use actix_web::body::{BodySize, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::web::Bytes;

/// Middleware that drops the bodies of answers to HEAD. A stream ends with its body, and an export stops.
pub async fn without_body<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, OmittedBody>>, Error> {
    let is_head = *request.method() == Method::HEAD;
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| match is_head {
        true => EitherBody::right(OmittedBody(body.size())),
        false => EitherBody::left(body),
    }))
}

/// A body that is not sent. Its size still is, in the headers.
pub struct OmittedBody(BodySize);

impl MessageBody for OmittedBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.0
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}
