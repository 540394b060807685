//! A third-party client: the `oauth2` crate.

use oauth2::basic::BasicClient;
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, CsrfToken, PkceCodeChallenge, RedirectUrl, RefreshToken,
    TokenResponse, TokenUrl,
};

use super::{Fixture, REDIRECT};
use tidelog_test_kit::{PASSWORD, PageResponse};

impl Fixture {
    /// Opens a URL made by a client, and consents as the user.
    fn consent(&self, address: &str) -> PageResponse {
        let tab = self.server.tab();
        let page = tab.open(address).expect(200);
        let sent = tab.send(&page, &[("email", &self.user.email), ("password", PASSWORD)]).expect(303);
        let consent = tab.follow(&sent).expect(200);
        tab.send(&consent, &[("decision", "allow")]).expect(303)
    }
}

#[test]
fn the_oauth2_crate_completes_the_flow_and_refreshes() {
    let fixture = Fixture::new();
    let at = |path: &str| format!("{}{path}", fixture.server.url());
    let client = BasicClient::new(ClientId::new(fixture.app.api_key.clone()))
        .set_auth_uri(AuthUrl::new(at("/oauth/authorize")).expect("an address"))
        .set_token_uri(TokenUrl::new(at("/oauth/token")).expect("an address"))
        .set_redirect_uri(RedirectUrl::new(REDIRECT.into()).expect("an address"));
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (address, state) = client.authorize_url(CsrfToken::new_random).set_pkce_challenge(challenge).url();
    let back = fixture.consent(address.as_str());
    assert_eq!(back.parameter("state").as_ref(), Some(state.secret()));
    let http = reqwest::blocking::Client::new();
    let send = |request: oauth2::HttpRequest| {
        let request = reqwest::blocking::Request::try_from(request).expect("a request");
        let response = http.execute(request)?;
        let mut built = oauth2::http::Response::builder().status(response.status());
        for (name, value) in response.headers() {
            built = built.header(name, value);
        }
        Ok::<_, reqwest::Error>(built.body(response.bytes()?.to_vec()).expect("a response"))
    };
    let code = AuthorizationCode::new(back.parameter("code").expect("a code"));
    let tokens = client.exchange_code(code).set_pkce_verifier(verifier).request(&send).expect("tokens");
    fixture.server.bearer(tokens.access_token().secret()).get("/api/sync/status").ok();
    let refresh = RefreshToken::new(tokens.refresh_token().expect("one").secret().clone());
    let fresh = client.exchange_refresh_token(&refresh).request(&send).expect("tokens");
    fixture.server.bearer(fresh.access_token().secret()).get("/api/sync/status").ok();
}
