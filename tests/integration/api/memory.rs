//! A server that has worked is as small as one that has not, or nearly.
#![cfg(target_os = "linux")]

use tidelog_test_kit::Server;

/// What a server may take, in KiB: far more than it needs, far less than what hashing took if it stayed.
const MOST_KIB: u64 = 64 * 1024;
/// Enough for each thread that hashes to have done so.
const SIGN_INS: usize = 24;

#[test]
fn hashing_a_password_returns_its_memory() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("mia@example.com"));
    for _ in 0..SIGN_INS {
        server.sign_in(&user, &app);
    }
    let kib = server.resident_kib();
    assert!(kib < MOST_KIB, "after {SIGN_INS} sign-ins the server takes {kib} KiB");
}
