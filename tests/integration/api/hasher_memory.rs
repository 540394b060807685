//! The server returns the memory of password hashing to the system.
#![cfg(target_os = "linux")]

use tidelog_test_kit::Server;

/// Upper bound in KiB: far more than the server needs, far less than hashing would retain.
const MAX_KIB: u64 = 64 * 1024;
/// Enough that every hashing thread has run.
const SIGN_INS: usize = 24;

#[test]
fn hashing_a_password_returns_its_memory() {
    let server = Server::start();
    let (app, user) = (server.new_app("Notes"), server.new_user("mia@example.com"));
    for _ in 0..SIGN_INS {
        server.sign_in(&user, &app);
    }
    let kib = server.resident_kib();
    assert!(kib < MAX_KIB, "after {SIGN_INS} sign-ins the server uses {kib} KiB");
}
