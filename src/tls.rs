//! Which cryptography TLS uses: ring.
//!
//! rustls lets a process choose, and the libraries that speak TLS here (to buckets, trusted issuers and mail servers)
//! ask for that choice.

/// Chooses ring for this process. Call it before a client that speaks TLS is built; if a choice was made already, it
/// stands.
///
/// ```
/// tidelog::tls::use_ring();
/// assert!(rustls::crypto::CryptoProvider::get_default().is_some());
/// ```
pub fn use_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The innermost cause of a failed request: the outer ones only say that it failed.
pub(crate) fn root_cause(error: reqwest::Error) -> String {
    let mut reason: &dyn std::error::Error = &error;
    while let Some(inner) = reason.source() {
        reason = inner;
    }
    reason.to_string()
}
