//! People click twice, and then the second answer is the one that the browser shows. So a form that comes twice within a few seconds
//! is carried out once, and answered twice alike: a code is not "used already", and an account not "taken", by one's own first click.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::body::to_bytes_limited;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::rt::spawn;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, ResponseError};

use super::PageError;
use crate::error::Fault;

/// How long a second click gets the answer of the first, in seconds.
const REPEAT_SECONDS: i64 = 10;
/// Answers that are kept at once; beyond that a second click is a second form.
const MAX_KEPT: usize = 256;
/// Bytes of an answer that is kept.
const MAX_BYTES: usize = 64 * 1024;

/// What a form is told by: everything that it holds, and the browser that it comes from.
pub(in crate::http) type Fingerprint = [u8; 32];

#[derive(Clone)]
struct Kept {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Kept {
    fn answer(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status).body(self.body.clone());
        *response.headers_mut() = self.headers.clone();
        response
    }
}

type Place = Arc<tokio::sync::Mutex<Option<Kept>>>;

/// Forms that were answered a moment ago.
#[derive(Default)]
pub(in crate::http) struct Once(Mutex<HashMap<Fingerprint, (i64, Place)>>);

impl Once {
    /// Carries out `work` for a form, or gives the answer that the same form got a moment ago; waits for it where it is still being
    /// made.
    ///
    /// # Errors
    /// Those of the work, where no answer could be kept.
    pub(in crate::http) async fn run(
        &self,
        form: Fingerprint,
        now_seconds: i64,
        work: impl Future<Output = Result<HttpResponse, PageError>> + 'static,
    ) -> Result<HttpResponse, PageError> {
        let Some(place) = self.place(form, now_seconds) else { return work.await };
        // By a task of its own: the second click makes the browser hang up on the first, which must not be left half done.
        spawn(carry_out(place, work)).await.map_err(Fault::internal)?
    }
    /// Where the answer to a form is kept. `None`: there is no room.
    fn place(&self, form: Fingerprint, now_seconds: i64) -> Option<Place> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (at, _)| (0..=REPEAT_SECONDS).contains(&(now_seconds - *at)));
        if all.len() >= MAX_KEPT && !all.contains_key(&form) {
            return None;
        }
        Some(all.entry(form).or_insert_with(|| (now_seconds, Place::default())).1.clone())
    }
}

async fn carry_out(
    place: Place,
    work: impl Future<Output = Result<HttpResponse, PageError>>,
) -> Result<HttpResponse, PageError> {
    let mut kept = place.lock().await;
    if let Some(kept) = kept.as_ref() {
        return Ok(kept.answer());
    }
    let response = work.await.unwrap_or_else(|error| error.error_response());
    let (response, body) = response.into_parts();
    let body = to_bytes_limited(body, MAX_BYTES).await.map_err(Fault::internal)?.map_err(Fault::internal)?;
    let made = Kept { status: response.status(), headers: response.headers().clone(), body };
    let answer = made.answer();
    // What the server had no room or strength for may work a moment later.
    if !made.status.is_server_error() {
        *kept = Some(made);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use actix_web::body::to_bytes;
    use actix_web::rt::System;

    use super::*;

    /// How often work was done.
    type Times = Rc<Cell<u32>>;

    async fn run(once: &Once, form: u8, at: i64, times: &Times) -> String {
        let times = times.clone();
        let work = async move {
            times.set(times.get() + 1);
            Ok(HttpResponse::Ok().insert_header(("x", "y")).body(times.get().to_string()))
        };
        let response = once.run([form; 32], at, work).await.unwrap_or_else(|error| error.error_response());
        assert_eq!(response.headers().get("x").map(|value| value.as_bytes()), Some(&b"y"[..]));
        String::from_utf8_lossy(&to_bytes(response.into_body()).await.unwrap_or_default()).into_owned()
    }

    #[test]
    fn a_second_click_gets_the_first_answer_and_a_later_form_is_another_one() {
        System::new().block_on(async {
            let (once, times) = (Once::default(), Times::default());
            assert_eq!(run(&once, 1, 100, &times).await, "1");
            assert_eq!(run(&once, 1, 100 + REPEAT_SECONDS, &times).await, "1");
            assert_eq!(run(&once, 2, 100, &times).await, "2");
            assert_eq!(run(&once, 1, 101 + REPEAT_SECONDS, &times).await, "3");
        });
    }

    #[test]
    fn a_first_click_whose_connection_is_gone_is_carried_out_and_answers_the_second() {
        System::new().block_on(async {
            let (once, times) = (Once::default(), Times::default());
            let (begun, gate) = (Rc::new(tokio::sync::Notify::new()), Rc::new(tokio::sync::Notify::new()));
            let (says, waits, counts) = (begun.clone(), gate.clone(), times.clone());
            let slow = async move {
                says.notify_one();
                waits.notified().await;
                counts.set(counts.get() + 1);
                Ok(HttpResponse::Ok().insert_header(("x", "y")).body("first"))
            };
            {
                let first = once.run([1; 32], 0, slow);
                tokio::select! {
                    _ = first => unreachable!("it waits"),
                    () = begun.notified() => {}
                }
            }
            gate.notify_one();
            assert_eq!(run(&once, 1, 1, &times).await, "first");
            assert_eq!(times.get(), 1);
        });
    }

    #[test]
    fn what_is_kept_is_bounded_and_forms_beyond_it_are_carried_out_all_the_same() {
        System::new().block_on(async {
            let (once, times) = (Once::default(), Times::default());
            for form in 0..=255 {
                run(&once, form, 0, &times).await;
            }
            let mut other = [0; 32];
            other[0] = 9;
            assert!(once.place([255; 32], 0).is_some(), "a second click");
            assert!(once.place(other, 0).is_none());
            let beyond = once.run(other, 0, async { Ok(HttpResponse::NoContent().finish()) }).await;
            assert_eq!(beyond.unwrap_or_else(|error| error.error_response()).status(), 204);
            assert!(once.place(other, 1 + REPEAT_SECONDS).is_some());
        });
    }
}
