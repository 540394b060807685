//! HTML pages on which people sign in, authorise apps and manage their accounts. They need a browser that knows HTML
//! and cookies, and nothing else.

mod brand;
pub(super) mod browser;
mod elements;
mod error;
pub(super) mod form;
mod page;

pub(super) use brand::Brand;
pub(super) use elements::{Field, button, field, hidden, notice};
pub(super) use error::PageError;
pub(super) use page::{HtmlPage, message_page, see_other};

/// What the handlers of pages return.
pub(super) type PageResult = Result<actix_web::HttpResponse, PageError>;
