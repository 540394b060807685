//! What ties pages to one browser: two cookies. Neither is ever looked at under `/api`.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};

use crate::auth::secrets::new_secret;
use crate::error::Fault;
use crate::http::site::Site;

/// Binds the steps of a sign-in to the browser.
const BROWSER: &str = "tidelog-browser";
/// Says who is signed in to their account.
const VISITOR: &str = "tidelog-account";
/// What the first of the two starts with.
const BROWSER_PREFIX: &str = "tlb_";
/// Longest value that is looked at.
const MAX_BYTES: usize = 100;
/// How long a browser keeps its binding, in days.
const BROWSER_DAYS: i64 = 30;

/// The binding of a browser, and the cookie to set where it had none.
pub(in crate::http) struct Browser {
    /// Random, or empty where the request brought none and none was made.
    pub(in crate::http) id: String,
    /// To be sent with the answer.
    pub(in crate::http) cookie: Option<Cookie<'static>>,
}

impl Browser {
    /// Of this request, with a new binding if it has none.
    ///
    /// # Errors
    /// No randomness.
    pub(in crate::http) fn bound(request: &HttpRequest, site: &Site) -> Result<Self, Fault> {
        let known = Self::of(request, site);
        if !known.id.is_empty() {
            return Ok(known);
        }
        let id = new_secret(BROWSER_PREFIX)?;
        // Lax: it must come along when another site's link leads to a log-in page, or each would undo the one before.
        let cookie = cookie(site, BROWSER, id.clone(), SameSite::Lax, Some(Duration::days(BROWSER_DAYS)));
        Ok(Self { id, cookie: Some(cookie) })
    }

    /// Of this request, as it is.
    pub(in crate::http) fn of(request: &HttpRequest, site: &Site) -> Self {
        Self { id: value(request, &site.cookie_name(BROWSER)).unwrap_or_default(), cookie: None }
    }
}

/// The secret of whoever is signed in to their account.
pub(in crate::http) fn visitor(request: &HttpRequest, site: &Site) -> Option<String> {
    value(request, &site.cookie_name(VISITOR))
}

/// The cookie of somebody who has signed in to their account; without a secret, the one that takes it away.
pub(in crate::http) fn visitor_cookie(site: &Site, secret: Option<String>) -> Cookie<'static> {
    let age = secret.is_none().then_some(Duration::ZERO);
    // Strict: no link of another site opens an account that is signed in.
    cookie(site, VISITOR, secret.unwrap_or_default(), SameSite::Strict, age)
}

fn value(request: &HttpRequest, name: &str) -> Option<String> {
    let cookie = request.cookie(name)?;
    let value = cookie.value();
    (!value.is_empty() && value.len() <= MAX_BYTES).then(|| value.to_owned())
}

fn cookie(
    site: &Site,
    name: &str,
    value: String,
    same_site: SameSite,
    age: Option<Duration>,
) -> Cookie<'static> {
    let mut cookie = Cookie::build(site.cookie_name(name), value)
        .path(site.cookie_path())
        .http_only(true)
        .secure(site.is_secure())
        .same_site(same_site)
        .finish();
    cookie.set_max_age(age);
    cookie
}
