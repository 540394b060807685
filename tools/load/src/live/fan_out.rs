//! One push, many who hear of it.

use std::time::Instant;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::events::Events;
use super::stage::{Pusher, Stage, open_streams, runtime};
use super::{Scale, spread};
use crate::Result;
use crate::server::Binary;

pub(super) fn measure(binary: &Binary, scale: Scale) -> Result<Value> {
    let stage = Stage::new(binary)?;
    // Two sessions of one user: streams of the one that pushes would hear nothing.
    let (listening, pushing) = (stage.account(0)?, stage.account(0)?);
    runtime()?.block_on(async {
        let (tell, mut told) = mpsc::unbounded_channel();
        for events in open_streams(&[listening], scale.subscribers).await? {
            tokio::spawn(listen(events, tell.clone()));
        }
        drop(tell);
        let mut pusher = Pusher::new(&pushing)?;
        let (mut each, mut last) = (Vec::new(), Vec::new());
        for _ in 0..scale.pushes {
            let began = Instant::now();
            pusher.push().await?;
            let mut latest = began;
            for _ in 0..scale.subscribers {
                let heard = told.recv().await.ok_or("the streams have ended")??;
                each.push(heard - began);
                latest = latest.max(heard);
            }
            last.push(latest - began);
        }
        let (mut figures, last) = (spread(each)?, spread(last)?);
        figures["last_p50_ms"] = last["p50_ms"].clone();
        figures["last_p99_ms"] = last["p99_ms"].clone();
        figures["subscribers"] = json!(scale.subscribers);
        Ok(figures)
    })
}

/// Tells when news was heard. One push is told once, since the next one comes only when everybody has heard.
async fn listen(mut events: Events, tell: mpsc::UnboundedSender<Result<Instant>>) {
    loop {
        let heard = events.changed().await.map(|_| Instant::now());
        let failed = heard.is_err();
        if tell.send(heard).is_err() || failed {
            return;
        }
    }
}
