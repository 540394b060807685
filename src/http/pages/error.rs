//! What a person is shown where a program would get an `ApiError`.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::{HttpResponse, ResponseError};

use super::{Brand, Page, sorry};
use crate::error::Fault;
use crate::http::api_error::ApiError;

/// A page instead of the one that was asked for.
pub(in crate::http) struct PageError {
    page: Box<Page>,
    headers: HeaderMap,
}

impl From<Page> for PageError {
    fn from(page: Page) -> Self {
        Self { page: Box::new(page), headers: HeaderMap::new() }
    }
}

impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        let title = match error.status_code().as_u16() {
            404 => "Page not found",
            429 => "Too many attempts",
            500.. => "Something went wrong",
            _ => "Invalid request",
        };
        let message = match error.status_code() {
            StatusCode::NOT_FOUND => "There is no page at this address.",
            _ => error.message(),
        };
        let page = sorry(title, Brand::own(), message, None).status(error.status_code());
        Self { page: Box::new(page), headers: error.headers().clone() }
    }
}

impl From<Fault> for PageError {
    fn from(fault: Fault) -> Self {
        ApiError::from(fault).into()
    }
}

impl fmt::Debug for PageError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.page.title)
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        self.page.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = match self.page.answer() {
            Ok(response) => response,
            Err(error) => return error.error_response(),
        };
        for (name, value) in &self.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response
    }
}
