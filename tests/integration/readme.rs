//! Runs the examples in the SDK's README against a real server. The SDK cannot do so itself: it does not depend on the server.
#![doc = include_str!("../../clients/rust/README.md")]
