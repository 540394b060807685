//! Replicas of an app's tables, synced through a real server.

mod basics;
mod conflicts;
mod failures;
mod live;
mod migrations;
mod refusals;
mod restartable_server;
mod restores;
mod setup;
mod tracking;
mod uniqueness;
mod upgrades;
