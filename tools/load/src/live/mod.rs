//! Notifications and live tables: how soon others hear, what a waiting stream takes, and what recording costs.
//!
//! - `fan_out`: one user, a thousand streams (`--subscribers`), one push at a time: from sending the push to each
//!   stream having heard.
//! - `idle_streams`: 5,000 streams of 50 users with nothing to say but that they live; the server's memory for each,
//!   beside that of the same number by actix-web alone.
//! - `reconnects`: a stream that is opened anew 200 times, from the cursor that it told last, while another device
//!   pushes all the time. What was acknowledged before a stream was opened must be told by it first.
//! - `live_edit`: two replicas of an app's table, a thousand other streams: from committing an edit on one to reading
//!   it from the other's table.
//! - `bulk_insert`: 100,000 rows into a table that syncs, beside the same table before it was attached.

mod bulk_insert;
mod events;
mod fan_out;
mod idle_streams;
mod live_edit;
mod reconnects;
mod stage;

use std::time::Duration;

use serde_json::{Value, json};

use crate::Result;
use crate::server::Binary;

/// Seconds between signs of life of a stream while it is measured; fewer than by default, so that nobody waits long
/// for one.
pub(crate) const HEARTBEAT: u64 = 2;

/// How much of everything.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    subscribers: usize,
    streams: usize,
    pushes: usize,
    reconnects: usize,
    edits: usize,
    rows: usize,
}

impl Scale {
    /// All of it, or so little that it only shows that it works.
    pub(crate) fn new(small: bool, subscribers: Option<usize>) -> Self {
        let all = if small {
            Self { subscribers: 10, streams: 20, pushes: 5, reconnects: 5, edits: 3, rows: 1_000 }
        } else {
            Self {
                subscribers: 1_000,
                streams: 5_000,
                pushes: 200,
                reconnects: 200,
                edits: 300,
                rows: 100_000,
            }
        };
        Self { subscribers: subscribers.unwrap_or(all.subscribers), ..all }
    }
}

/// Something to measure.
#[derive(Clone, Copy)]
pub(crate) struct Scene {
    /// What it is called.
    pub(crate) name: &'static str,
    measure: fn(&Binary, Scale) -> Result<Value>,
}

impl Scene {
    const ALL: [Self; 5] = [
        Self { name: "fan_out", measure: fan_out::measure },
        Self { name: "idle_streams", measure: idle_streams::measure },
        Self { name: "reconnects", measure: reconnects::measure },
        Self { name: "live_edit", measure: live_edit::measure },
        Self { name: "bulk_insert", measure: bulk_insert::measure },
    ];

    /// The scene of this name, or all of them.
    pub(crate) fn named(name: &str) -> Result<&'static [Self], String> {
        const ALL: &[Scene] = &Scene::ALL;
        if name == "all" {
            return Ok(ALL);
        }
        let place = ALL.iter().position(|scene| scene.name == name);
        let names = || Self::ALL.map(|scene| scene.name).join(", ");
        place.map(|place| &ALL[place..=place]).ok_or_else(|| format!("there are {}, all", names()))
    }

    /// Measures it, with this server.
    pub(crate) fn measure(&self, binary: &Binary, scale: Scale) -> Result<Value> {
        eprintln!("{} …", self.name);
        (self.measure)(binary, scale)
    }
}

/// The middle and the end of these times, in milliseconds.
fn spread(mut times: Vec<Duration>) -> Result<Value> {
    times.sort_unstable();
    let last = times.len().checked_sub(1).ok_or("nothing was measured")?;
    let percentile = |percent: usize| times[last * percent / 100].as_secs_f64() * 1e3;
    Ok(
        json!({ "p50_ms": percentile(50), "p99_ms": percentile(99), "max_ms": percentile(100), "count": times.len() }),
    )
}
