//! Tables of an app's own database, synced through a real server, as an app sees them.

mod basics;
mod conflicts;
mod live;
mod outcomes;
mod put_back;
mod recording;
mod restart;
mod setup;
mod upgrades;
