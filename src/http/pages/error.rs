//! Errors of the routes that serve pages: a page where the API would respond with an `ApiError`.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::{HttpResponse, ResponseError};

use super::page::{HtmlPage, message_page};
use crate::error::Fault;
use crate::http::api_error::ApiError;

/// A page instead of the requested one.
pub(in crate::http) struct PageError {
    page: Box<HtmlPage>,
    headers: HeaderMap,
}

impl From<HtmlPage> for PageError {
    fn from(page: HtmlPage) -> Self {
        Self { page: Box::new(page), headers: HeaderMap::new() }
    }
}

impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        let status = error.status_code();
        let (title, message) = match status.as_u16() {
            404 => ("Page not found", "There is no page at this address."),
            429 => ("Too many attempts", error.message()),
            500.. => ("Something went wrong", error.message()),
            _ => ("Invalid request", error.message()),
        };
        let page = message_page(title, message, None).with_status(status);
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
        out.write_str(self.page.title())
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        self.page.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = match self.page.respond() {
            Ok(response) => response,
            Err(error) => return error.error_response(),
        };
        for (name, value) in &self.headers {
            response.headers_mut().insert(name.clone(), value.clone());
        }
        response
    }
}
