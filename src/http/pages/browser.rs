//! The two cookies of the pages: one ties forms to a browser, the other is an account session. Routes under `/api`
//! never read them.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};

use crate::auth::secrets::new_secret;
use crate::error::Fault;
use crate::http::site::Site;

/// Ties the forms of a sign-in to the browser.
const BROWSER_COOKIE: &str = "tidelog-browser";
/// The secret of an account session.
const ACCOUNT_COOKIE: &str = "tidelog-account";
/// What the value of the browser cookie starts with.
const BROWSER_ID_PREFIX: &str = "tlb_";
/// Longest cookie value that is read, in bytes.
const MAX_COOKIE_BYTES: usize = 100;
/// How long a browser keeps its id, in days.
const BROWSER_COOKIE_DAYS: i64 = 30;

/// The id of a browser, to which flow tokens are bound.
pub(in crate::http) struct BrowserBinding {
    /// Random; empty if the request has no cookie and none was made.
    pub(in crate::http) id: String,
    /// The cookie to send with the response, if it is new.
    pub(in crate::http) new_cookie: Option<Cookie<'static>>,
}

impl BrowserBinding {
    /// Reads the browser's id, or makes one.
    pub(in crate::http) fn get_or_create(request: &HttpRequest, site: &Site) -> Result<Self, Fault> {
        let existing = Self::existing(request, site);
        if !existing.id.is_empty() {
            return Ok(existing);
        }
        let id = new_secret(BROWSER_ID_PREFIX)?;
        // Lax: the browser must send it when a link on another site leads to a sign-in page, or each such page would
        // replace the id that the previous one was bound to.
        let max_age = Some(Duration::days(BROWSER_COOKIE_DAYS));
        let cookie = cookie(site, BROWSER_COOKIE, id.clone(), SameSite::Lax, max_age);
        Ok(Self { id, new_cookie: Some(cookie) })
    }

    /// Reads the browser's id.
    pub(in crate::http) fn existing(request: &HttpRequest, site: &Site) -> Self {
        let id = cookie_value(request, &site.cookie_name(BROWSER_COOKIE)).unwrap_or_default();
        Self { id, new_cookie: None }
    }
}

/// The secret of the account session that this browser has.
pub(in crate::http) fn account_secret(request: &HttpRequest, site: &Site) -> Option<String> {
    cookie_value(request, &site.cookie_name(ACCOUNT_COOKIE))
}

/// The cookie of a new account session.
pub(in crate::http) fn account_cookie(site: &Site, secret: String) -> Cookie<'static> {
    // Strict: a link on another site never opens an account that is signed in.
    cookie(site, ACCOUNT_COOKIE, secret, SameSite::Strict, None)
}

/// The cookie that deletes the one of the account session.
pub(in crate::http) fn expired_account_cookie(site: &Site) -> Cookie<'static> {
    cookie(site, ACCOUNT_COOKIE, String::new(), SameSite::Strict, Some(Duration::ZERO))
}

fn cookie_value(request: &HttpRequest, name: &str) -> Option<String> {
    let cookie = request.cookie(name)?;
    let value = cookie.value();
    (!value.is_empty() && value.len() <= MAX_COOKIE_BYTES).then(|| value.to_owned())
}

fn cookie(
    site: &Site,
    name: &str,
    value: String,
    same_site: SameSite,
    max_age: Option<Duration>,
) -> Cookie<'static> {
    let mut cookie = Cookie::build(site.cookie_name(name), value)
        .path(site.cookie_path())
        .http_only(true)
        .secure(site.is_secure())
        .same_site(same_site)
        .finish();
    cookie.set_max_age(max_age);
    cookie
}
