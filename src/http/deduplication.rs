//! Deduplication of form submissions.
//!
//! People double-click, and the browser shows the response to the second click. So the same form, submitted twice
//! within a few seconds, is handled once and gets the same response twice. Otherwise the second click would report a
//! code as used, or an account as existing, because of the first.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::body::to_bytes_limited;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::rt::spawn;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, ResponseError};
use futures_util::future::LocalBoxFuture;

use crate::error::Fault;

/// How long the same form gets the same response, in seconds.
const REPEAT_SECONDS: i64 = 10;
/// Responses stored at once. Beyond that, the same form is handled twice.
const MAX_STORED: usize = 256;
/// Largest body of a stored response, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The hash of a form's path, content and browser id.
pub(super) type Fingerprint = [u8; 32];

#[derive(Clone)]
struct StoredResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl StoredResponse {
    fn to_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status).body(self.body.clone());
        *response.headers_mut() = self.headers.clone();
        response
    }
}

/// Locked while the form is being handled; empty until there is a response.
type Slot = Arc<tokio::sync::Mutex<Option<StoredResponse>>>;

/// The forms submitted in the last few seconds, with their responses.
#[derive(Default)]
pub(super) struct SubmitDeduplication(Mutex<HashMap<Fingerprint, (i64, Slot)>>);

impl SubmitDeduplication {
    /// Runs `handle` for a form. If the same form was submitted a moment ago, waits for its response and returns that.
    pub(super) async fn run<E: ResponseError + From<Fault> + 'static>(
        &self,
        form: Fingerprint,
        now_seconds: i64,
        handle: impl Future<Output = Result<HttpResponse, E>> + 'static,
    ) -> Result<HttpResponse, E> {
        let Some(slot) = self.slot(form, now_seconds) else { return handle.await };
        // In a task of its own: on the second click the browser drops the first connection, and the work must not
        // stop half-way.
        spawn(respond(slot, Box::pin(handle))).await.map_err(Fault::internal)?
    }

    /// The slot of a form. `None`: too many are stored.
    fn slot(&self, form: Fingerprint, now_seconds: i64) -> Option<Slot> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (at, _)| (0..=REPEAT_SECONDS).contains(&(now_seconds - *at)));
        if all.len() >= MAX_STORED && !all.contains_key(&form) {
            return None;
        }
        Some(all.entry(form).or_insert_with(|| (now_seconds, Slot::default())).1.clone())
    }
}

async fn respond<E: ResponseError + From<Fault>>(
    slot: Slot,
    handle: LocalBoxFuture<'static, Result<HttpResponse, E>>,
) -> Result<HttpResponse, E> {
    let mut stored = slot.lock().await;
    if let Some(stored) = stored.as_ref() {
        return Ok(stored.to_response());
    }
    let response = handle.await.unwrap_or_else(|error| error.error_response());
    let (response, body) = response.into_parts();
    let body =
        to_bytes_limited(body, MAX_BODY_BYTES).await.map_err(Fault::internal)?.map_err(Fault::internal)?;
    let new = StoredResponse { status: response.status(), headers: response.headers().clone(), body };
    let response = new.to_response();
    // A server error is not stored: the next attempt may succeed.
    if !new.status.is_server_error() {
        *stored = Some(new);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use actix_web::body::to_bytes;
    use actix_web::rt::System;

    use super::*;
    use crate::http::api_error::ApiError;

    fn ok(response: HttpResponse) -> Result<HttpResponse, ApiError> {
        Ok(response)
    }

    /// How often a form was handled.
    type Times = Rc<Cell<u32>>;

    async fn run(forms: &SubmitDeduplication, form: u8, at: i64, times: &Times) -> String {
        let times = times.clone();
        let handle = async move {
            times.set(times.get() + 1);
            ok(HttpResponse::Ok().insert_header(("x", "y")).body(times.get().to_string()))
        };
        let response = forms.run([form; 32], at, handle).await.unwrap_or_else(|error| error.error_response());
        assert_eq!(response.headers().get("x").map(|value| value.as_bytes()), Some(&b"y"[..]));
        String::from_utf8_lossy(&to_bytes(response.into_body()).await.unwrap_or_default()).into_owned()
    }

    #[test]
    fn a_second_click_gets_the_first_response_and_a_later_form_is_handled_anew() {
        System::new().block_on(async {
            let (forms, times) = (SubmitDeduplication::default(), Times::default());
            assert_eq!(run(&forms, 1, 100, &times).await, "1");
            assert_eq!(run(&forms, 1, 100 + REPEAT_SECONDS, &times).await, "1");
            assert_eq!(run(&forms, 2, 100, &times).await, "2");
            assert_eq!(run(&forms, 1, 101 + REPEAT_SECONDS, &times).await, "3");
        });
    }

    #[test]
    fn a_form_whose_connection_was_dropped_is_handled_and_its_response_goes_to_the_second_click() {
        System::new().block_on(async {
            let (forms, times) = (SubmitDeduplication::default(), Times::default());
            let (started, gate) = (Rc::new(tokio::sync::Notify::new()), Rc::new(tokio::sync::Notify::new()));
            let (starts, waits, counts) = (started.clone(), gate.clone(), times.clone());
            let slow = async move {
                starts.notify_one();
                waits.notified().await;
                counts.set(counts.get() + 1);
                ok(HttpResponse::Ok().insert_header(("x", "y")).body("first"))
            };
            {
                let first = forms.run([1; 32], 0, slow);
                tokio::select! {
                    _ = first => unreachable!("it waits"),
                    () = started.notified() => {}
                }
            }
            gate.notify_one();
            assert_eq!(run(&forms, 1, 1, &times).await, "first");
            assert_eq!(times.get(), 1);
        });
    }

    #[test]
    fn forms_beyond_the_bound_are_handled_without_being_stored() {
        System::new().block_on(async {
            let (forms, times) = (SubmitDeduplication::default(), Times::default());
            for form in 0..=255 {
                run(&forms, form, 0, &times).await;
            }
            let mut other = [0; 32];
            other[0] = 9;
            assert!(forms.slot([255; 32], 0).is_some(), "a second click");
            assert!(forms.slot(other, 0).is_none());
            let beyond = forms.run(other, 0, async { ok(HttpResponse::NoContent().finish()) }).await;
            assert_eq!(beyond.unwrap_or_else(|error| error.error_response()).status(), 204);
            assert!(forms.slot(other, 1 + REPEAT_SECONDS).is_some());
        });
    }
}
