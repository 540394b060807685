//! Tables of an app's own database, synced through a real server, as an app sees them.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "these tests are apps: they have a database of their own"
)]

mod basics;
mod conflicts;
#[path = "../hostile/proxy.rs"]
#[allow(dead_code, reason = "each test binary uses its part of the kit")]
mod liar;
mod live;
mod outcomes;
#[path = "../sdk/proxy.rs"]
#[allow(dead_code, reason = "each test binary uses its part of the kit")]
mod proxy;
mod put_back;
mod recording;
mod restart;
mod setup;
#[path = "../sdk/support.rs"]
#[allow(dead_code, reason = "each test binary uses its part of the kit")]
mod support;
mod upgrades;
