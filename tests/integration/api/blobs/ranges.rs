//! Range requests and conditional requests.

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Fixture, bytes};
use tidelog_test_kit::{ApiResponse, Caller};

const SIZE: usize = 300_000;

fn send_request(me: &Caller, method: Method, url: &str, headers: &[(&'static str, &str)]) -> ApiResponse {
    let header = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header"))
    };
    me.call_url(method, url, headers.iter().map(header).collect::<HeaderMap>(), None)
}

fn each_served_store(test: impl Fn(&Caller, &str, &[u8])) {
    let proxied = Fixture::in_bucket(|setup| setup.with("TIDELOG_BLOBS_S3_PROXY_TRANSFERS", "true"));
    for fixture in [Fixture::on_disk(), proxied] {
        let me = fixture.server.signed_in_caller();
        let blob = bytes(SIZE);
        let url = me.download_url(&me.put_blob(&blob));
        test(&me, &url, &blob);
    }
}

#[test]
fn a_range_request_returns_the_bytes_and_their_range() {
    each_served_store(|me, url, blob| {
        let last = SIZE - 1;
        for (range, from, to) in [
            ("bytes=0-0", 0, 0),
            ("bytes=5-140000", 5, 140_000),
            ("bytes=299999-", last, last),
            ("bytes=1000-999999999999999", 1_000, last),
            ("bytes=-10", SIZE - 10, last),
            ("bytes=-999999999", 0, last),
        ] {
            let response = send_request(me, Method::GET, url, &[("range", range)]);
            assert!(response.expect_bytes(206) == blob[from..=to], "{range}");
            assert_eq!(response.header("content-range"), format!("bytes {from}-{to}/{SIZE}"));
        }
    });
}

#[test]
fn an_empty_range_is_refused_and_a_malformed_one_is_ignored() {
    each_served_store(|me, url, blob| {
        for range in ["bytes=300000-", "bytes=999999999999-"] {
            let response = send_request(me, Method::GET, url, &[("range", range)]);
            response.expect_error(416, "range_not_satisfiable");
            assert_eq!(response.header("content-range"), format!("bytes */{SIZE}"));
        }
        for range in ["bytes=0-1,5-6", "lines=1-2", "bytes=x", "bytes=5-1", ""] {
            let response = send_request(me, Method::GET, url, &[("range", range)]);
            assert!(response.expect_bytes(200) == blob, "{range}");
        }
    });
}

#[test]
fn a_head_request_returns_the_size_without_the_bytes() {
    each_served_store(|me, url, _| {
        let response = send_request(me, Method::HEAD, url, &[]);
        assert_eq!((response.status, response.header("content-length")), (200, "300000"));
        assert_eq!(response.header("accept-ranges"), "bytes");
        let part = send_request(me, Method::HEAD, url, &[("range", "bytes=0-9")]);
        assert_eq!((part.status, part.header("content-length")), (206, "10"));
    });
}

#[test]
fn a_download_resumes_only_with_the_same_bytes() {
    each_served_store(|me, url, blob| {
        let tag = send_request(me, Method::HEAD, url, &[]).header("etag").to_owned();
        let part = [("range", "bytes=10-19"), ("if-range", tag.as_str())];
        assert_eq!(send_request(me, Method::GET, url, &part).expect_bytes(206), &blob[10..20]);
        for other in ["\"other\"", "Wed, 21 Oct 2026 07:28:00 GMT", "W/\"other\""] {
            let part = [("range", "bytes=10-19"), ("if-range", other)];
            assert!(send_request(me, Method::GET, url, &part).expect_bytes(200) == blob, "{other}");
        }
        send_request(me, Method::GET, url, &[("if-match", "\"other\"")])
            .expect_error(412, "precondition_failed");
        let same = [("if-match", tag.as_str()), ("range", "bytes=0-1")];
        assert_eq!(send_request(me, Method::GET, url, &same).expect_bytes(206), &blob[..2]);
        assert_eq!(
            send_request(me, Method::GET, url, &[("if-match", "*"), ("range", "bytes=0-0")]).status,
            206
        );
        assert!(send_request(me, Method::GET, url, &[("if-none-match", &tag)]).expect_bytes(304).is_empty());
        assert_eq!(send_request(me, Method::GET, url, &[("if-none-match", "\"other\"")]).status, 200);
    });
}

#[test]
fn a_browser_does_not_render_a_blob() {
    each_served_store(|me, url, _| {
        let response = send_request(me, Method::GET, url, &[]);
        assert_eq!(response.header("content-type"), "application/octet-stream");
        assert_eq!(response.header("content-disposition"), "attachment");
        assert_eq!(response.header("x-content-type-options"), "nosniff");
        assert!(response.header("content-security-policy").starts_with("sandbox"));
    });
}
